"""What a node's desk remembers of every event it got, and how it can be told to misbehave."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Drop(StrEnum):
    """Why an event got no answer. A real node tells nobody; the desk remembers it for tests.

    The first ten in the order in which the node looks (mostro: src/app.rs `accept_event`); the
    rest happens while the message is handled.
    """

    TOO_LARGE = "too-large"
    POW = "pow"
    KIND = "kind"
    SIGNATURE = "signature"
    REPLAY = "replay"
    FIRST_CONTACT = "first-contact"
    TRANSPORT = "transport"
    STALE = "stale"
    IDENTITY_UNSIGNED = "identity-unsigned"
    STRUCTURE = "structure"
    SILENT = "silent"
    ACTION = "action"
    UNKNOWN_DISPUTE = "unknown-dispute"
    FLAGS = "flags"
    ALREADY_DISPUTED = "already-disputed"
    NOT_THE_NODE = "not-the-node"
    DATABASE = "database"
    STOPPED = "stopped"
    PUBLISH = "publish"


class Did(StrEnum):
    """What an accepted message led to."""

    TOOK = "took"
    TOOK_AGAIN = "took-again"
    TOOK_OVER = "took-over"
    REFUSED = "refused"
    REGISTERED = "registered"
    OPENED = "opened"
    SETTLED = "settled"
    CANCELED = "canceled"
    RELEASED = "released"
    CANCEL_ASKED = "cancel-asked"
    CANCELED_TOGETHER = "canceled-together"
    ALREADY_CANCELED = "already-canceled"


class TakeStep(IntEnum):
    """The side effects of a take, in the node's order (mostro: src/app/admin_take_dispute.rs)."""

    SAVED = 1
    STAMPED = 2
    REPLIED = 3
    BUYER_TOLD = 4
    SELLER_TOLD = 5
    PUBLISHED = 6


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one event.

    Attributes:
        outcome: dropped, and why; or done, and what.
        detail: the transport's or the refusal's word, or the step a failure was set after.
    """

    outcome: Drop | Did
    detail: str = ""

    @property
    def dropped(self) -> bool:
        """Whether nobody got an answer."""
        return isinstance(self.outcome, Drop)


@dataclass(slots=True)
class Received:
    """One event that reached the node.

    Attributes:
        event_id: hex.
        kind: of the event.
        author: of the event, hex.
        created_at: of the event, Unix seconds.
        at: when it was looked at, Unix seconds on the node's clock.
        bits: leading zero bits of its id.
        verdict: what became of it, None while it is being handled; the last effects of a late
            answer come after it is set.
        action: of the message, once it could be read.
        request_id: likewise.
        subject: the message's ``id``.
        sender: trade key, once it could be read.
        identity: likewise.
    """

    event_id: str
    kind: int
    author: str
    created_at: int
    at: int
    bits: int
    verdict: Verdict | None = None
    action: str = ""
    request_id: int | None = None
    subject: str | None = None
    sender: str = ""
    identity: str = ""

    @property
    def outcome(self) -> Drop | Did | None:
        """What the verdict says; None while there is none."""
        return None if self.verdict is None else self.verdict.outcome


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer a take with a refusal whatever the tables say; the reason may be null."""

    reason: str | None = None


@dataclass(slots=True)
class Manner:
    """How takes are answered; the default is as a node does.

    Attributes:
        silent: accept the message and do nothing, so that the state stays as it is too.
        fail_after: perform the side effects up to this one, then break without a word.
        refuse: answer with a refusal.
        answers: how often the reply is sent; each time as an event of its own.
        answer_after: seconds on the node's clock between stamping the revision and the reply.
        answer_dispute: put this dispute's id into the reply instead.
        answer_request: put this request id into the reply instead.
    """

    silent: bool = False
    fail_after: TakeStep | None = None
    refuse: Refuse | None = None
    answers: int = 1
    answer_after: float = 0.0
    answer_dispute: str | None = None
    answer_request: int | None = None
