"""Every section and key of ``config.toml``, its type, range and default.

One frozen model a section. Integers are TOML integers: a fraction, a quoted number and a
negative value are refused. What a key is for stands in its description, from which messages
and documentation are made. Whether a fault stops the daemon is decided in ``loader``.
"""

from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    Strict,
    StrictBool,
    StrictInt,
    StrictStr,
)

from serbero.config.addresses import listen_address
from serbero.model import reference_names
from serbero.model.alerts import AlertEvent
from serbero.model.people import Permission, Via
from serbero.nostr.keys import KeyProblem, parse_public_key

LARGEST_INTEGER: Final = 2**63 - 1
"""TOML integers end here, so the reference's unsigned 64-bit keys do as well."""

DEFAULT_DATABASE: Final = "serbero.db"
"""In the working directory."""

_DAY: Final = 86_400
_YEAR: Final = 365 * _DAY

Count = Annotated[int, Strict(), Field(ge=0, le=LARGEST_INTEGER)]
"""The reference's unsigned 64-bit integer."""

Count32 = Annotated[int, Strict(), Field(ge=0, le=2**32 - 1)]
"""The reference's unsigned 32-bit integer."""


def _node_key(text: str) -> str:
    try:
        parse_public_key(text)
    except KeyProblem as exc:
        raise ValueError(f"invalid key: invalid mostro pubkey: {exc}") from None
    return text.strip()


def _checked_listen(text: str) -> str:
    listen_address(text)
    return text.strip()


def _lower_case(value: object) -> object:
    """Take ``Write`` for ``write``: the reference's own documents show both."""
    return value.strip().lower() if isinstance(value, str) else value


def _printable_path(text: str) -> str:
    path = text.strip()
    if not path or "\0" in path:
        raise ValueError("expected the path of a file, found nothing")
    return path


def _positive_dispatch(value: int) -> int:
    """Refuse 0 in the reference's words, also when the section is off."""
    if value == 0:
        raise ValueError(
            "configuration error: [escalation].dispatch_interval_seconds"
            " must be a positive integer (got 0)"
        )
    return value


class Section(BaseModel):
    """What all sections share: frozen, unknown keys left to the loader, which warns."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class SerberoSection(Section):
    """``[serbero]``: who we are and where we keep what we know."""

    private_key: SecretStr | None = Field(
        default=None,
        strict=True,
        description="Serbero's own secret key, hex or nsec; better given by the environment",
    )
    db_path: Annotated[StrictStr, AfterValidator(_printable_path)] = Field(
        default=DEFAULT_DATABASE, description="the SQLite file, created if missing"
    )
    log_level: StrictStr = Field(
        default="info",
        description="error, warn, info, debug or trace, or a filter such as serbero=debug",
    )


class MostroSection(Section):
    """``[mostro]``: the node whose disputes we watch."""

    pubkey: Annotated[StrictStr, AfterValidator(_node_key)] = Field(
        description="the node's public key, hex or npub"
    )
    reconcile_interval_seconds: StrictInt = Field(
        ge=1,
        le=_DAY,
        default=300,
        description="how often open disputes are fetched beside the live stream",
    )
    cold_start_lookback_seconds: StrictInt = Field(
        ge=0,
        le=10 * _YEAR,
        default=0,
        description="how far an empty database looks back for open disputes",
    )
    transport: Literal["auto", "nip44", "gift-wrap"] = Field(
        default="auto",
        description="how requests to the node travel; auto: as the node's info event says",
    )
    max_pow_bits: StrictInt = Field(
        ge=0,
        le=32,
        default=24,
        description="the most proof of work (leading zero bits) spent on a request to the node",
    )
    take_timeout_seconds: StrictInt = Field(
        ge=1,
        le=3600,
        default=60,
        description="after this long without an answer a take is given up, every attempt included",
    )

    @property
    def pubkey_hex(self) -> str:
        """The node's key as 64 lower-case hex digits."""
        return parse_public_key(self.pubkey)


class RelayEntry(Section):
    """``[[relays]]``: one relay to listen on and to publish to."""

    url: StrictStr = Field(description="wss://host, or ws://host within one machine")


class SolverEntry(Section):
    """``[[solvers]]``: one human to notify."""

    pubkey: StrictStr = Field(description="the solver's public key, hex or npub")
    permission: Annotated[Permission, BeforeValidator(_lower_case)] = Field(
        default=Permission.READ, description="what the node lets this solver do: read or write"
    )
    relays: tuple[StrictStr, ...] = Field(
        default=(), description="the solver's inbox relays; empty: looked up (kind 10050)"
    )
    via: Annotated[Via, BeforeValidator(_lower_case)] = Field(
        default=Via.NIP17,
        description="how messages reach this solver: nip17, mostro (Mostro's own clients) or both",
    )
    name: StrictStr = Field(default="", description="what the others call this solver")
    groups: tuple[StrictStr, ...] = Field(
        default=(), description="groups that a step of [[escalation.steps]] may name"
    )
    timezone: StrictStr = Field(
        default="UTC", description="of quiet and on_call, such as America/Buenos_Aires"
    )
    quiet: StrictStr = Field(
        default="",
        description="a daily span such as 22:00-07:00 in which what can wait waits; empty: none",
    )
    on_call: tuple[StrictStr, ...] = Field(
        default=(), description="ISO weeks such as 2026-W48 of this solver's duty; empty: always"
    )


class TimeoutsSection(Section):
    """``[timeouts]``: when what nobody took is told again."""

    renotification_seconds: Count = Field(
        default=300, description="how long a dispute may stay unattended before solvers hear again"
    )
    renotification_check_interval_seconds: Count = Field(
        default=60, description="how often that is looked at; 0 counts as 1"
    )
    renotification_backoff: Annotated[float, Strict(), Field(ge=1, le=100, allow_inf_nan=False)] = (
        Field(default=1.0, description="factor by which the interval grows with each reminder")
    )

    @property
    def check_seconds(self) -> int:
        """The interval of the check, at least one second."""
        return max(1, self.renotification_check_interval_seconds)


class DeliverySection(Section):
    """``[delivery]``: how long and how patiently a message is sent."""

    deadline_seconds: StrictInt = Field(
        ge=1,
        le=_YEAR,
        default=_DAY,
        description="after this long without any relay a message is given up, loudly",
    )
    backoff_initial_seconds: StrictInt = Field(
        ge=1,
        le=3600,
        default=2,
        description="wait after the first failed attempt; doubles from there",
    )
    backoff_max_seconds: StrictInt = Field(
        ge=1, le=_DAY, default=300, description="longest wait between two attempts"
    )
    expiration_days: StrictInt = Field(
        ge=1,
        le=3650,
        default=30,
        description="after this long relays may delete a message (NIP-40)",
    )
    publish_timeout_seconds: StrictInt = Field(
        ge=1, le=300, default=10, description="how long a relay may take to answer a publish"
    )
    allow_private_relays: StrictBool = Field(
        default=False,
        description="use unencrypted or private inbox relays that were learned from the network",
    )


class IdentitySection(Section):
    """``[identity]``: how Serbero appears to clients."""

    publish: StrictBool = Field(
        default=False, description="publish a profile (kind 0) and inbox relays (kind 10050)"
    )
    name: Annotated[StrictStr, Field(max_length=100)] = Field(
        default="Serbero", description="the profile's name"
    )
    about: Annotated[StrictStr, Field(max_length=1000)] = Field(
        default="Automated dispute assistant of a Mostro node. Humans decide.",
        description="the profile's text",
    )


class ObserveSection(Section):
    """``[observe]``: what the operator sees."""

    http_listen: Annotated[StrictStr, AfterValidator(_checked_listen)] = Field(
        default="", description="host:port for /healthz, /readyz and /metrics; empty: off"
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, json elsewhere"
    )
    min_hearing_relays: StrictInt = Field(
        ge=0, le=1000, default=1, description="with fewer relays hearing, the state is degraded"
    )

    @property
    def http_address(self) -> tuple[str, int] | None:
        """Host and port to listen on, or None when off."""
        return listen_address(self.http_listen)


class MediationSection(Section):
    """``[mediation]``: asking the parties, deciding nothing; needs ``[reasoning]`` too."""

    enabled: StrictBool = Field(default=False, description="mediate; needs [reasoning] as well")
    max_rounds: Count32 = Field(
        default=2,
        description="pairs of questions put to the parties before a human is asked; 0: none",
    )
    party_response_timeout_seconds: Count = Field(
        default=1800, description="how long a party may stay silent; 0: for ever"
    )
    solver_auth_retry_initial_seconds: Count = Field(
        default=60, description="first wait after the node refused a take for lack of standing"
    )
    solver_auth_retry_max_interval_seconds: Count = Field(
        default=3600, description="longest wait between two such attempts"
    )
    solver_auth_retry_max_total_seconds: Count = Field(
        default=_DAY, description="after this long the attempts end"
    )
    solver_auth_retry_max_attempts: Count32 = Field(
        default=24, description="after this many the attempts end"
    )
    max_concurrent_starts: StrictInt = Field(
        ge=1, le=1000, default=8, description="disputes looked at for mediation at once"
    )
    settle_seconds: StrictInt = Field(
        ge=0,
        le=300,
        default=5,
        description="quiet after a party's message before the model is asked again",
    )
    start_deadline_seconds: Count = Field(
        default=3600,
        description="so long after the first failed start an unjudged dispute goes to a human",
    )
    session_deadline_seconds: Count = Field(
        default=0,
        description="after this long a mediation goes to a human, whatever its state; 0: never",
    )
    language: Annotated[
        Literal["en", "es", "pt", "fr", "de", "it"], BeforeValidator(_lower_case)
    ] = Field(
        default="en",
        description="of the first messages to the parties, later each party's own:"
        " en, es, pt, fr, de or it",
    )


class ReasoningSection(Section):
    """``[reasoning]``: the model that mediation asks. The key itself never stands here."""

    enabled: StrictBool = Field(default=False, description="ask a model at all")
    provider: StrictStr = Field(
        default="openai",
        description="openai, openai-compatible, anthropic, or another name pydantic-ai knows",
    )
    model: StrictStr = Field(default="gpt-4o-mini", description="the provider's name of the model")
    api_base: StrictStr | None = Field(
        default=None,
        description="where the provider is reached; absent: the provider's own address",
    )
    # Not in repr: people paste the key itself here.
    api_key_env: StrictStr = Field(
        default="SERBERO_REASONING_API_KEY",
        repr=False,
        description="name of the environment variable that holds the key",
    )
    request_timeout_seconds: Count = Field(
        default=30, description="how long one answer may take; at least 1"
    )
    followup_retry_count: Count32 = Field(default=1, description="further attempts after the first")
    output_mode: Literal["auto", "json", "tool", "schema"] = Field(
        default="auto",
        description="how the endpoint is made to answer in form; auto: json, or what it accepts",
    )
    max_concurrent_calls: StrictInt = Field(
        ge=1, le=1000, default=8, description="requests to models under way at once"
    )
    max_output_tokens: StrictInt = Field(
        ge=0,
        le=1_000_000,
        default=0,
        description="longest answer asked for; 0: the provider's limit (anthropic: 2048 or 4096)",
    )

    @property
    def timeout_seconds(self) -> int:
        """How long one answer may take, at least a second."""
        return max(1, self.request_timeout_seconds)


class FallbackEntry(Section):
    """``[[reasoning.fallback]]``: another model, asked when those before it cannot be had."""

    provider: StrictStr = Field(description="as [reasoning].provider")
    model: StrictStr = Field(description="the provider's name of the model")
    api_base: StrictStr | None = Field(
        default=None,
        description="where the provider is reached; absent: the provider's own address",
    )
    # Not in repr: people paste the key itself here.
    api_key_env: StrictStr = Field(
        repr=False, description="name of the environment variable that holds this provider's key"
    )


class PromptsSection(Section):
    """``[prompts]``: the five files of the prompt bundle, relative to the working directory."""

    source: Literal["files", "packaged"] = Field(
        default="files", description="files: those below; packaged: those that come with Serbero"
    )
    system_instructions_path: StrictStr = Field(
        default=reference_names.PROMPT_SYSTEM, description="what the model is told first"
    )
    classification_policy_path: StrictStr = Field(
        default=reference_names.PROMPT_CLASSIFICATION, description="how disputes are classified"
    )
    escalation_policy_path: StrictStr = Field(
        default=reference_names.PROMPT_ESCALATION_POLICY, description="when a human is asked"
    )
    mediation_style_path: StrictStr = Field(
        default=reference_names.PROMPT_MEDIATION_STYLE, description="how parties are spoken to"
    )
    message_templates_path: StrictStr = Field(
        default=reference_names.PROMPT_MESSAGE_TEMPLATES, description="wording to start from"
    )


class ChatSection(Section):
    """``[chat]``: the parties' answers."""

    inbound_fetch_interval_seconds: Count = Field(
        default=10, description="a safety fetch of the chats beside the live stream"
    )
    legacy: Literal["auto", "never", "always"] = Field(
        default="auto",
        description="write in the envelope of older clients too; auto: as the party does, and on"
        " protocol 2 never without the current one",
    )


class EscalationSection(Section):
    """``[escalation]``: handing prepared disputes to humans."""

    enabled: StrictBool = Field(default=False, description="dispatch prepared hand-offs")
    dispatch_interval_seconds: Annotated[Count, AfterValidator(_positive_dispatch)] = Field(
        default=30, description="how often hand-offs are looked for; at least 1"
    )
    fallback_to_all_solvers: StrictBool = Field(
        default=False, description="without a write solver, hand over to every solver"
    )
    max_handoff_age_seconds: Count = Field(
        default=0, description="older hand-offs are not dispatched any more; 0: however old"
    )
    acknowledge: StrictBool = Field(
        default=False, description="remind until a solver says `ack` or somebody takes the dispute"
    )
    acknowledge_lease_seconds: StrictInt = Field(
        ge=60,
        le=_DAY,
        default=900,
        description="how long an `ack` counts while nobody takes the dispute at the node",
    )
    deadline_warnings: StrictBool = Field(
        default=False, description="warn 12 h, 6 h, 2 h and 30 min before the escrow ends"
    )
    escrow_margin_blocks: StrictInt = Field(
        ge=0,
        le=10_000,
        default=24,
        description="blocks before the escrow's lock runs out at which it counts as over",
    )


class StepEntry(Section):
    """``[[escalation.steps]]``: who is reminded when; without any, a default ladder."""

    after_seconds: StrictInt = Field(
        ge=1, le=30 * _DAY, description="from the hand-off to this reminder"
    )
    to: StrictStr = Field(
        description="assigned, writers, everyone, solver:NAME or group:NAME",
    )


class RetentionSection(Section):
    """``[retention]``: how long what people wrote is kept."""

    closed_days: StrictInt = Field(
        ge=0,
        le=36_500,
        default=0,
        description="days after a dispute's end at which what was written in it is emptied;"
        " 0: never",
    )


class AlertEntry(Section):
    """``[[alerts]]``: a channel of the operator's own; needs the extra ``serbero[alerts]``."""

    name: Annotated[StrictStr, Field(max_length=40)] = Field(
        default="", description="what logs call this channel; empty: alerts- and its number"
    )
    url: SecretStr | None = Field(
        default=None,
        strict=True,
        description="where it is, as Apprise writes it: ntfys://..., tgram://..., matrixs://...",
    )
    # Not in repr: people paste the address itself here.
    url_env: StrictStr = Field(
        default="",
        repr=False,
        description="name of an environment variable that holds the address, instead of url",
    )
    events: tuple[AlertEvent, ...] = Field(
        default=tuple(AlertEvent),
        description="what it is told of: "
        + ", ".join(each.value for each in AlertEvent)
        + "; all, if left out",
    )


TABLES: Final[dict[str, type[Section]]] = {
    "serbero": SerberoSection,
    "mostro": MostroSection,
    "timeouts": TimeoutsSection,
    "delivery": DeliverySection,
    "identity": IdentitySection,
    "observe": ObserveSection,
    "chat": ChatSection,
    "mediation": MediationSection,
    "reasoning": ReasoningSection,
    "prompts": PromptsSection,
    "escalation": EscalationSection,
    "retention": RetentionSection,
}
"""Sections that stand once, in the order of the sample."""

LISTS: Final[dict[str, type[Section]]] = {
    "relays": RelayEntry,
    "solvers": SolverEntry,
    "alerts": AlertEntry,
}
"""Sections that stand once an entry, written ``[[relays]]``."""

NESTED: Final[dict[str, type[Section]]] = {
    "reasoning.fallback": FallbackEntry,
    "escalation.steps": StepEntry,
}
"""Like :data:`LISTS`, within a section: written ``[[reasoning.fallback]]``."""
