"""What a relay's ``OK`` and ``CLOSED`` mean for the one who sent the message.

NIP-01: ``["OK", <event id>, <accepted>, "prefix: text"]`` and
``["CLOSED", <subscription id>, "prefix: text"]``; ``auth-required`` and ``restricted`` are
NIP-42's. Relays differ in words, never in prefixes, so only the prefix decides.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_TEXT: Final = 200
"""Characters kept of a relay's own words: enough for a log line, too few to flood one."""

MAX_POW_BITS: Final = 256
"""An event id has 256 bits; a larger number in a text is not a difficulty."""


class ReplyPrefix(StrEnum):
    """The machine-readable first word of a relay's reply."""

    NONE = ""
    DUPLICATE = "duplicate"
    POW = "pow"
    AUTH_REQUIRED = "auth-required"
    RESTRICTED = "restricted"
    RATE_LIMITED = "rate-limited"
    BLOCKED = "blocked"
    INVALID = "invalid"
    MUTE = "mute"
    ERROR = "error"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


class PublishOutcome(StrEnum):
    """What became of an event at one relay, named by what may follow."""

    ACCEPTED = "accepted"
    """The relay took it."""
    DUPLICATE = "duplicate"
    """The relay had it already: as good as accepted."""
    RETRY = "retry"
    """A transient fault, or words nobody knows: the same bytes again, later."""
    RATE_LIMITED = "rate_limited"
    """Too fast for this relay: the same bytes again, with a longer wait."""
    AUTH_REQUIRED = "auth_required"
    """The relay wants NIP-42 first and it did not come to pass."""
    POW = "pow"
    """Needs (more) proof of work, so other bytes."""
    RESTRICTED = "restricted"
    """Authenticated, yet not allowed: nothing more on this relay."""
    BLOCKED = "blocked"
    """Refused for our key or address: nothing more on this relay."""
    INVALID = "invalid"
    """These bytes will never be taken here; a rebuilt event may be."""
    NOT_CONNECTED = "not_connected"
    """The relay was not reached; it has not seen the bytes."""
    BUSY = "busy"
    """Connected, yet never sent: the relay has yet to answer what it was given before."""
    TIMEOUT = "timeout"
    """Sent, and no answer came: unknown. Only the same bytes may follow."""

    @property
    def delivered(self) -> bool:
        """Whether the relay holds the event."""
        return self in (PublishOutcome.ACCEPTED, PublishOutcome.DUPLICATE)

    @property
    def final(self) -> bool:
        """Whether no further attempt with these bytes can succeed on this relay."""
        return self in (PublishOutcome.RESTRICTED, PublishOutcome.BLOCKED, PublishOutcome.INVALID)


@dataclass(frozen=True, slots=True)
class PublishReply:
    """The answer to one publish.

    Attributes:
        outcome: what to do about it.
        text: the relay's words, printable and at most :data:`MAX_TEXT` characters.
        pow_bits: leading zero bits the relay asks for, if its text names them.
    """

    outcome: PublishOutcome
    text: str = ""
    pow_bits: int | None = None


class ClosedPolicy(StrEnum):
    """What to do about a subscription that the relay closed."""

    AUTH = "auth"
    """Authenticate, then ask again at once."""
    POLICY = "policy"
    """The relay does not want it: alert, and ask again after minutes."""
    TRANSIENT = "transient"
    """Ask again with backoff."""


@dataclass(frozen=True, slots=True)
class ClosedReason:
    """Why a relay closed a subscription."""

    prefix: ReplyPrefix
    text: str

    @property
    def policy(self) -> ClosedPolicy:
        """What to do about it."""
        match self.prefix:
            case ReplyPrefix.AUTH_REQUIRED:
                return ClosedPolicy.AUTH
            case ReplyPrefix.RESTRICTED | ReplyPrefix.BLOCKED | ReplyPrefix.UNSUPPORTED:
                return ClosedPolicy.POLICY
            case _:
                return ClosedPolicy.TRANSIENT


_REFUSALS: Final = {
    ReplyPrefix.DUPLICATE: PublishOutcome.DUPLICATE,
    ReplyPrefix.POW: PublishOutcome.POW,
    ReplyPrefix.AUTH_REQUIRED: PublishOutcome.AUTH_REQUIRED,
    ReplyPrefix.RESTRICTED: PublishOutcome.RESTRICTED,
    ReplyPrefix.RATE_LIMITED: PublishOutcome.RATE_LIMITED,
    ReplyPrefix.BLOCKED: PublishOutcome.BLOCKED,
    ReplyPrefix.INVALID: PublishOutcome.INVALID,
    ReplyPrefix.UNSUPPORTED: PublishOutcome.INVALID,
}
_ABOUT_TIME: Final = (
    "created_at",
    "creation date",
    "timestamp",
    "too old",
    "too early",
    "too far",
    "past",
    "future",
)
_ABOUT_EXPIRATION: Final = "expir"

_PREFIX = re.compile(r"\s*([A-Za-z][A-Za-z-]{0,31})\s*:")
# NIP-01's own examples: "pow: 25>=24" and "pow: difficulty 26 is less than 30".
_POW_LIMIT = re.compile(r"(?:>=|<|less than)\s*(\d{1,3})\b")
_NUMBER = re.compile(r"\b\d{1,3}\b")


def clean(text: str) -> str:
    """A relay's words made safe for a log line: one line, printable, short."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: MAX_TEXT * 4]).split())[
        :MAX_TEXT
    ]


def prefix_of(message: str) -> ReplyPrefix:
    """The prefix of a reply; ``NONE`` without one, ``UNKNOWN`` for a word nobody defined."""
    found = _PREFIX.match(message)
    if found is None:
        return ReplyPrefix.NONE
    try:
        return ReplyPrefix(found[1].lower())
    except ValueError:
        return ReplyPrefix.UNKNOWN


def pow_bits_of(message: str) -> int | None:
    """The difficulty a ``pow:`` text asks for, or None where it names none."""
    limits = [int(each) for each in _POW_LIMIT.findall(message)]
    numbers = limits[-1:] or [int(each) for each in _NUMBER.findall(message)]
    return max((each for each in numbers if each <= MAX_POW_BITS), default=None)


def is_about_time(message: str) -> bool:
    """Whether ``invalid:`` is about the event's ``created_at``."""
    text = message.lower()
    return any(word in text for word in _ABOUT_TIME)


def is_about_expiration(message: str) -> bool:
    """Whether a refusal is about NIP-40's expiration; relays name it after ``blocked:`` too."""
    return _ABOUT_EXPIRATION in message.lower()


def parse_ok(accepted: bool, message: str) -> PublishReply:
    """Read an ``OK``. Unknown or missing prefixes of a refusal count as transient."""
    prefix = prefix_of(message)
    bits = pow_bits_of(message) if prefix is ReplyPrefix.POW else None
    if accepted:
        held = prefix is ReplyPrefix.DUPLICATE
        outcome = PublishOutcome.DUPLICATE if held else PublishOutcome.ACCEPTED
    else:
        outcome = _REFUSALS.get(prefix, PublishOutcome.RETRY)
    return PublishReply(outcome, clean(message), bits)


def parse_closed(message: str) -> ClosedReason:
    """Read a ``CLOSED``."""
    return ClosedReason(prefix_of(message), clean(message))
