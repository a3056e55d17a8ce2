"""Reads ``config.toml`` and the environment into a ``Config``, or says everything wrong at once.

Precedence: environment over file over default. These faults stop the daemon: an unreadable or
invalid file, a value of the wrong type or range, the node's key, our own key, no relay or a
relay address that cannot be one. Everything else becomes a warning: solvers that cannot be
addressed, a missing model key (mediation stays off), names nobody reads.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from nostr_sdk import Keys

from serbero.config import alerts, consistency, people
from serbero.config.environment import (
    CONFIG_VARIABLE,
    DB_VARIABLE,
    KEY_VARIABLE,
    LOG_VARIABLE,
    exposed,
    supplied,
    variable,
)
from serbero.config.models import (
    TABLES,
    AlertEntry,
    FallbackEntry,
    IdentitySection,
    MostroSection,
    ReasoningSection,
    RelayEntry,
    Section,
    SerberoSection,
    SolverEntry,
    StepEntry,
)
from serbero.config.problems import ConfigError, Problem, scrub, scrubbed
from serbero.config.reasoning import EndpointReader, ModelEndpoint
from serbero.config.settings import Config, Loaded
from serbero.config.tables import entries, nested, table, unknown_names
from serbero.model.ladder import DEFAULT_POLICY, Policy, Step, means_somebody
from serbero.model.people import Solver
from serbero.nostr.keys import KeyProblem, parse_secret_key

_OUR_VARIABLES: Final = frozenset(
    {CONFIG_VARIABLE, KEY_VARIABLE, f"{KEY_VARIABLE}_FILE", DB_VARIABLE, LOG_VARIABLE}
)
S = TypeVar("S", bound=Section)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read the file at ``path`` and the variables of ``environ``.

    Raises:
        ConfigError: the daemon cannot run with them; every reason is listed.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigError([_unreadable(path, exc.strerror or type(exc).__name__)]) from None
    except UnicodeDecodeError:
        raise ConfigError([_unreadable(path, "it is not text in UTF-8")]) from None
    except ValueError:
        raise ConfigError([_unreadable(path, "the path cannot be one")]) from None
    document = _parse(text)
    loaded = from_document(document, environ)
    if not (_typed_key(document) and exposed(path)):
        return loaded
    warning = Problem(
        "serbero",
        "private_key",
        "this file holds a secret and can be read by every user of this machine",
        f"chmod 600 {path}, or move the key to {KEY_VARIABLE}_FILE",
    )
    return Loaded(loaded.config, (*loaded.warnings, warning))


def loads(text: str, environ: Mapping[str, str]) -> Loaded:
    """Like :func:`load`, from the text of a file.

    Raises:
        ConfigError: as :func:`load`.
    """
    return from_document(_parse(text), environ)


def from_document(document: Mapping[str, Any], environ: Mapping[str, str]) -> Loaded:
    """Like :func:`load`, from parsed TOML.

    Raises:
        ConfigError: as :func:`load`.
    """
    reading = _Reading(document, environ)
    config = reading.config()
    warnings = tuple(scrubbed(each, reading.secrets) for each in reading.warnings)
    if config is None:
        problems = (scrubbed(each, reading.secrets) for each in reading.problems)
        raise ConfigError(problems, warnings)
    return Loaded(config, warnings)


class _Reading:
    """One pass over one document: gathers problems and warnings until all are known."""

    def __init__(self, document: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.document = document
        self.environ = environ
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = unknown_names(document)
        self.secrets: list[str] = [key] if (key := _typed_key(document)) else []

    def config(self) -> Config | None:
        """Return the configuration, or None when ``problems`` says why there is none."""
        # A section that does not validate is None and has left its problem: the checks below
        # skip it and go on, so that one run shows everything.
        sections: dict[str, Any] = {
            name: table(model, name, self.document.get(name, {}), self.problems)
            for name, model in TABLES.items()
        }
        keys = self._own_key(sections["serbero"])
        own = people.Own.of(keys) if keys else None
        relay_list = self._entries(RelayEntry, "relays")
        relays = people.relay_urls(relay_list, self.problems, self.warnings)
        solver_list = self._entries(SolverEntry, "solvers")
        solvers = people.solvers(solver_list, own, self.warnings)
        endpoints = self._endpoints(sections["reasoning"])
        channels = alerts.channels(
            self._entries(AlertEntry, "alerts"),
            self.environ,
            _OUR_VARIABLES,
            self.warnings,
            self.secrets,
        )
        self._check_node_key(sections["mostro"], own)
        self._check_identity(sections["identity"])
        self.warnings += consistency.of_delivery(sections["delivery"])
        self.warnings += consistency.of_relays(sections["observe"], relays)
        ladder = self._ladder(solvers)
        self.warnings += consistency.of_escalation(sections["escalation"], solvers, ladder)
        self.warnings += consistency.of_mediation(sections["mediation"], sections["reasoning"])
        if self.problems or keys is None:
            return None
        sections["serbero"] = self._overridden(sections["serbero"])
        return Config(
            **sections,
            relay_urls=relays,
            solvers=solvers,
            keys=keys,
            model_endpoints=endpoints,
            ladder=ladder or DEFAULT_POLICY,
            alerts=channels,
        )

    def _entries(self, model: type[S], name: str) -> list[S | None]:
        return entries(model, name, self.document.get(name, []), self.problems)

    def _own_key(self, section: SerberoSection | None) -> Keys | None:
        """Return our key pair, from the environment before the file."""
        given = supplied(self.environ, KEY_VARIABLE)
        if given.warning:
            self.warnings.append(given.warning)
        if given.fault:
            self.problems.append(given.fault)
            return None
        text = given.value
        if text is None:
            text = _typed_key(self.document)
        if text is None:
            if section is not None:
                self.problems.append(_missing_key())
            return None
        self.secrets.append(text)
        try:
            keys = parse_secret_key(text)
        except KeyProblem as exc:
            message = f"invalid key: failed to parse serbero private key: {exc}"
            remedy = "write Serbero's own secret key; `serbero init` makes one"
            place = ("environment", KEY_VARIABLE) if given.value else ("serbero", "private_key")
            self.problems.append(Problem(*place, message, remedy))
            return None
        self.secrets += [keys.secret_key().to_hex(), keys.secret_key().to_bech32()]
        return keys

    def _overridden(self, section: SerberoSection) -> SerberoSection:
        """Apply the environment to ``[serbero]`` and take the secret out of it."""
        level = variable(self.environ, LOG_VARIABLE) or section.log_level.strip()
        return section.model_copy(
            update={
                "private_key": None,
                "db_path": variable(self.environ, DB_VARIABLE) or section.db_path,
                "log_level": level or SerberoSection().log_level,
            }
        )

    def _endpoints(self, section: ReasoningSection | None) -> tuple[ModelEndpoint, ...]:
        """Return the models to ask. A fault costs the model, never the daemon."""
        name = "reasoning.fallback"
        raw = nested(self.document, name)
        fallbacks = entries(FallbackEntry, name, raw, self.problems)
        reader = EndpointReader(self.environ, _OUR_VARIABLES, self.warnings, self.secrets)
        return reader.chain(section, fallbacks)

    def _check_node_key(self, section: MostroSection | None, own: people.Own | None) -> None:
        """A secret in the node's line would be printed; the node's own key is too much power."""
        if section is None or own is None:
            return
        if section.pubkey_hex == own.secret_hex:
            message = "expected the node's public key, found Serbero's secret key, not repeated"
            self.problems.append(Problem("mostro", "pubkey", message, "write the node's npub"))
        elif section.pubkey_hex == own.public_hex:
            message = "Serbero runs with the node's own key, which may move funds"
            remedy = "give Serbero a key of its own (`serbero init`) and register it with :read"
            self.warnings.append(Problem("serbero", "private_key", message, remedy))

    def _check_identity(self, section: IdentitySection | None) -> None:
        """What stands here is published; a secret pasted here must not be."""
        for key in ("name", "about") if section else ():
            text = str(getattr(section, key))
            if scrub(text, self.secrets) != text:
                message = "expected a text for the public, found a secret, not repeated here"
                self.problems.append(Problem("identity", key, message, "write another text"))

    def _ladder(self, solvers: Sequence[Solver]) -> Policy | None:
        """Return the steps as configured, in order of their times; None without any."""
        name = "escalation.steps"
        steps = []
        for number, entry in enumerate(
            entries(StepEntry, name, nested(self.document, name), self.problems), 1
        ):
            if entry is None:
                continue
            step = Step(entry.after_seconds, entry.to.strip())
            if means_somebody(step.to, solvers):
                steps.append(step)
                continue
            message = "expected assigned, writers, everyone, solver:NAME or group:NAME of somebody"
            remedy = "give a [[solvers]] that name or group; until then the step is left out"
            self.warnings.append(Problem(f"{name} #{number}", "to", message, remedy))
        return Policy(tuple(sorted(steps, key=lambda each: each.after_seconds))) if steps else None


def _parse(text: str) -> dict[str, Any]:
    """Return the document.

    Raises:
        ConfigError: not TOML; only the kind and the place of the fault are told.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        reason = "nested too deeply"
    except ValueError as exc:
        # Names in the parser's text are cut out: a key pasted in the wrong place is one.
        reason = re.sub(r"\(\'.*?\)", "a name", str(exc))
    raise ConfigError(
        [Problem("", "", f"toml parse error: {reason}", "see config.sample.toml for the form")]
    )


def _typed_key(document: Mapping[str, Any]) -> str | None:
    """Return the key typed in the file, None if absent, blank or not even a text."""
    section = document.get("serbero")
    value = section.get("private_key") if isinstance(section, dict) else None
    return (value.strip() or None) if isinstance(value, str) else None


def _missing_key() -> Problem:
    return Problem(
        "serbero",
        "private_key",
        "expected Serbero's own secret key, found none",
        f"set {KEY_VARIABLE}, {KEY_VARIABLE}_FILE or this key; `serbero init` makes one",
    )


def _unreadable(path: Path, reason: str) -> Problem:
    return Problem(
        "",
        "",
        f"configuration error: failed to read config file at {path}: {reason}",
        f"create it with `serbero init`, or name another with --config or {CONFIG_VARIABLE}",
    )
