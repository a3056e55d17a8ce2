"""Taking a dispute, as states and reasons. What happens on the wire is ``serbero.node.taking``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class TakeState(StrEnum):
    """What became of one exchange with the node (``takes.state``)."""

    OPEN = "open"
    """Asked, or about to be."""
    TAKEN = "taken"
    """The node gave us the dispute."""
    REFUSED = "refused"
    """The node said no."""
    NO_ANSWER = "no_answer"
    """The node said nothing within our patience."""
    INTERRUPTED = "interrupted"
    """We ended in the middle of it, and nothing more was found out."""


class Release(StrEnum):
    """Why we hold a dispute no longer (``parties.released_by``)."""

    TAKEOVER = "takeover"
    """Another solver took it over."""
    CLOSED = "closed"
    """It was closed at the node."""
    REOPENED = "reopened"
    """It was opened anew, for whoever takes it."""
    KEY_CHANGED = "own_key_changed"
    """Our key is another one: the node and the parties know us by the old one."""


class Cause(StrEnum):
    """What can explain that the node said nothing to a request."""

    NO_INFO_EVENT = "no_info_event"
    """No info event of the node was found, so nothing was asked: we do not guess its protocol."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """The node speaks a protocol version we do not; nothing was asked."""
    NOT_HEARING = "not_hearing"
    """No relay would have brought us the answer, so nothing was asked."""
    NO_RELAY_TOOK_IT = "no_relay_took_it"
    """No relay accepted any of our requests."""
    NODE_OFFLINE = "node_offline"
    """The node does not run, or had no connection: it never reads what it missed."""
    RELAY_NOT_SHARED = "relay_not_shared"
    """The relays that took our request are not those the node listens to."""
    WRONG_TRANSPORT = "wrong_transport"
    """The configuration forces a transport that is not the one the node advertises."""
    TOO_LITTLE_WORK = "too_little_work"
    """The node wants more proof of work than we did."""
    CLOCK_SKEW = "clock_skew"
    """Our clock is behind: the node drops what is older than ten seconds."""
    UNKNOWN_DISPUTE = "unknown_dispute"
    """The node does not know the dispute."""
    NODE_ERROR = "node_error"
    """An internal error of the node; it tells nobody of those."""
    ANSWER_LOST = "answer_lost"
    """The dispute did change hands after we asked: the answer may have been lost."""
    DISPUTE_CLOSED = "dispute_closed"
    """The dispute was closed while we asked."""
    OUT_OF_TIME = "out_of_time"
    """Our patience ended before anything could be sent."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A dispute we hold at the node.

    Attributes:
        dispute_id: which.
        buyer: the buyer's trade key (hex), None where the node did not say.
        seller: the seller's.
        answered_at: the node's time of the newest answer that gave it to us, Unix seconds.
        own_event_id: the revision that take of ours caused, None until it was seen.
    """

    dispute_id: str
    buyer: str | None
    seller: str | None
    answered_at: int
    own_event_id: str | None


class RevisionOf(StrEnum):
    """Whose take an ``in-progress`` revision of a dispute we hold shows."""

    OURS = "ours"
    """The one that gave it to us."""
    EARLIER = "earlier"
    """One before it, whoever's: ours came later."""
    THEIRS = "theirs"
    """Somebody took it after us."""


CHAT_KEYS_UNKNOWN: Final = "chat_keys_unknown"
"""Why a human goes on with a mediation of the reference: it records no trade key of a party."""
OWN_REVISION_SECONDS: Final = 2
"""The node stamps the revision and answers in one go, by one clock (mostro:
src/app/admin_take_dispute.rs): our own revision is dated at most so far from the answer."""


def judge_revision(holding: Holding, event_id: str, created_at: int) -> RevisionOf:
    """Say whose take a revision shows; the event itself names no solver.

    Args:
        holding: what we hold.
        event_id: the revision's event, hex.
        created_at: its stamp, Unix seconds of the node's clock.
    """
    later = created_at - holding.answered_at
    if later > OWN_REVISION_SECONDS:
        return RevisionOf.THEIRS
    if later < -OWN_REVISION_SECONDS:
        return RevisionOf.EARLIER
    # Within these seconds two revisions may arrive, and only the first can be ours.
    return RevisionOf.OURS if holding.own_event_id in (None, event_id) else RevisionOf.THEIRS
