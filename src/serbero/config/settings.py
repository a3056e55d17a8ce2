"""The configuration as the rest of Serbero sees it: one frozen value, checked throughout."""

from dataclasses import dataclass, field
from pathlib import Path

from nostr_sdk import Keys

from serbero.config.alerts import AlertChannel
from serbero.config.models import (
    ChatSection,
    DeliverySection,
    EscalationSection,
    IdentitySection,
    MediationSection,
    MostroSection,
    ObserveSection,
    PromptsSection,
    ReasoningSection,
    RetentionSection,
    SerberoSection,
    TimeoutsSection,
)
from serbero.config.problems import Problem, scrub
from serbero.config.reasoning import ModelEndpoint
from serbero.model.ladder import DEFAULT_POLICY, Policy
from serbero.model.people import Solver, Via
from serbero.nostr.addresses import loggable
from serbero.nostr.keys import npub


@dataclass(frozen=True, slots=True)
class Config:
    """Everything an operator decides.

    ``repr`` shows no secret. ``serbero.db_path`` and ``serbero.log_level`` already carry the
    environment's overrides; ``serbero.private_key`` is always None here: see ``keys``.

    Attributes:
        relay_urls: configured relays in normal form, each once.
        solvers: every configured solver once; ask ``reachable`` before addressing one.
        model_endpoints: the models to ask, the first one first; empty when reasoning is off or
            the first cannot be used, which turns mediation off and nothing else.
        keys: Serbero's own key pair.
        ladder: who is reminded when of what was handed over; the default where none is configured.
        alerts: the operator's own channels that can be used.
    """

    serbero: SerberoSection
    mostro: MostroSection
    timeouts: TimeoutsSection
    delivery: DeliverySection
    identity: IdentitySection
    observe: ObserveSection
    mediation: MediationSection
    reasoning: ReasoningSection
    prompts: PromptsSection
    chat: ChatSection
    escalation: EscalationSection
    retention: RetentionSection
    relay_urls: tuple[str, ...]
    solvers: tuple[Solver, ...]
    keys: Keys = field(repr=False, compare=False)
    model_endpoints: tuple[ModelEndpoint, ...] = ()
    ladder: Policy = DEFAULT_POLICY
    alerts: tuple[AlertChannel, ...] = ()

    @property
    def public_key(self) -> str:
        """Serbero's own public key, 64 lower-case hex digits."""
        return self.keys.public_key().to_hex()

    @property
    def db_path(self) -> Path:
        """The SQLite file, relative to the working directory unless absolute."""
        return Path(self.serbero.db_path)

    @property
    def log_level(self) -> str:
        """A level or a filter, never blank."""
        return self.serbero.log_level

    def describe(self) -> list[tuple[str, str]]:
        """Return what a start-up summary says, as (name, value) pairs without secrets."""
        pairs = [
            ("public_key", npub(self.public_key)),
            ("mostro_pubkey", self.mostro.pubkey_hex),
            ("db_path", self.serbero.db_path),
            ("log_level", self.log_level),
            ("relays", " ".join(loggable(each) for each in self.relay_urls)),
            ("solvers", str(len(self.solvers))),
            *(("solver", _summary(each)) for each in self.solvers),
            ("transport", self.mostro.transport),
            ("reconcile_interval_seconds", str(self.mostro.reconcile_interval_seconds)),
            ("cold_start_lookback_seconds", str(self.mostro.cold_start_lookback_seconds)),
            ("renotification_seconds", str(self.timeouts.renotification_seconds)),
            ("publish_identity", _switch(self.identity.publish)),
            ("mediation", _switch(self.mediation.enabled and bool(self.model_endpoints))),
            ("escalation", _switch(self.escalation.enabled)),
            ("alerts", " ".join(each.name for each in self.alerts) or "off"),
            ("http_listen", self.observe.http_listen or "off"),
        ]
        hidden = self._secrets()
        return [(name, scrub(value, hidden)) for name, value in pairs]

    def _secrets(self) -> tuple[str, ...]:
        own = self.keys.secret_key()
        keys = (each.key.get_secret_value() for each in self.model_endpoints)
        channels = (each.url.get_secret_value() for each in self.alerts)
        return (own.to_hex(), own.to_bech32(), *keys, *channels)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A usable configuration and what the operator should still mend."""

    config: Config
    warnings: tuple[Problem, ...]


def _summary(solver: Solver) -> str:
    if not solver.reachable:
        # What stands there instead of a public key is not repeated: it could be anything.
        return f"skipped: {solver.problem}"
    via = "" if solver.via is Via.NIP17 else f" via {solver.via}"
    return f"{solver.typed} {solver.permission}{via}"


def _switch(on: bool) -> str:
    return "on" if on else "off"
