"""May a message be tried again, may it be dropped? Values in, words out; no database, no clock.

A dead message is judged by what would have withdrawn it while it waited: the transactions that
take, close and reopen a dispute end what waits, and never look at what is dead already.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.model.mediation import SPEAKING
from serbero.model.notification import CHAT_CHANNELS, OutboxState, Purpose
from serbero.store.outbox_steering import Facts
from serbero.store.outbox_work import Row

_OF_THE_NEWEST: Final = frozenset(
    {
        Purpose.INITIAL,
        Purpose.RENOTIFICATION,
        Purpose.ASSIGNMENT,
        Purpose.PARTY_MESSAGE,
        Purpose.REMINDER,
        Purpose.DEADLINE_WARNING,
    }
)
"""Of these only the last one says what is."""
_UNTIL_RESOLVED: Final = frozenset(
    {
        Purpose.MEDIATION_SUMMARY,
        Purpose.MEDIATION_ESCALATION,
        Purpose.MEDIATION_BRIEF,
        Purpose.HANDOFF,
        Purpose.DEADLINE_WARNING,
    }
)
"""What a human decides from; nobody needs it once the dispute is closed."""
_OF_ITS_TIME: Final = _UNTIL_RESOLVED - {Purpose.DEADLINE_WARNING}
"""Of these, what was given up before the dispute was opened again tells of the time before."""


@dataclass(frozen=True, slots=True)
class People:
    """Who is configured; from the configuration of the daemon whose database this is.

    Attributes:
        own: our key, hex.
        solvers: keys (hex) messages can be addressed to.
    """

    own: str
    solvers: Collection[str]


def needs_nobody(facts: Facts) -> bool:
    """Whether a human has the dispute or it is closed; the rule of the ladder of reminders."""
    if facts.lifecycle == Lifecycle.RESOLVED:
        return True
    return facts.lifecycle in (Lifecycle.TAKEN, Lifecycle.WAITING) and not facts.held


def cannot_retry(
    message: Row, facts: Facts, author: str | None, people: People | None
) -> str | None:
    """Say why a waiting or dead message must not go out at all; None if it may.

    Args:
        message: which.
        facts: around it.
        author: our key of today (hex), as far as the outbox tells.
        people: who is configured; None where no configuration says.
    """
    if facts.author is None:
        return "its words were emptied by a purge"
    if facts.lifecycle is not None and facts.lifecycle not in tuple(Lifecycle):
        return "its dispute is in a state that this version does not know"
    if facts.author != (author if people is None else people.own):
        return "it was written under another key of Serbero's; nobody would take it for ours"
    to_solver = message.channel not in CHAT_CHANNELS
    if to_solver and people is not None and message.recipient not in people.solvers:
        return "its recipient is not among the configured solvers (any more)"
    return None


def untrue(message: Row, facts: Facts, now: int) -> str | None:
    """Say why a message does not tell what is any more; None if it does.

    Args:
        message: which; it waits or was given up.
        facts: around it.
        now: Unix seconds.
    """
    of, unattended = message.purpose, facts.lifecycle in UNATTENDED
    if of in _OF_THE_NEWEST and facts.later:
        return "a later message says it better"
    if of in _UNTIL_RESOLVED and facts.lifecycle == Lifecycle.RESOLVED:
        return "the dispute is closed"
    if of in _OF_ITS_TIME and facts.reopened and message.state is OutboxState.DEAD:
        return "the dispute was opened again since"
    match of:
        case Purpose.INITIAL | Purpose.RENOTIFICATION if not unattended:
            return "the dispute was taken or closed"
        case Purpose.ASSIGNMENT if unattended:
            return "the dispute is open again"
        case Purpose.RESOLUTION_REPORT if facts.lifecycle != Lifecycle.RESOLVED:
            return "the dispute is open again"
        case Purpose.PARTY_MESSAGE if not _speaking(facts):
            return "the conversation with this party is over"
        case Purpose.REMINDER if needs_nobody(facts) or not facts.reminding or facts.acknowledged:
            return "nobody is to be reminded of it now"
        case Purpose.ACKNOWLEDGED if not facts.acknowledged:
            return "what was acknowledged counts no more"
        case Purpose.DEADLINE_WARNING if _deadline(message) <= now:
            return "the escrow's end has passed"
        case _:
            return None


def _speaking(facts: Facts) -> bool:
    if not facts.speaking or facts.lifecycle == Lifecycle.RESOLVED:
        return False
    return facts.session_state is None or facts.session_state in tuple(SPEAKING)


def _deadline(message: Row) -> int:
    """The moment a warning is about, which its anchor begins with; 0 where it does not."""
    first = message.anchor.partition(".")[0]
    return int(first) if first.isdigit() else 0


def cannot_drop(message: Row, facts: Facts) -> str | None:
    """Say what would be broken if a waiting or dead message were dropped; None if nothing.

    Three things are promised whatever happens, and a message that is the last one to keep such a
    promise is not dropped: a new dispute is announced, a hand-off reaches somebody or is recorded
    as failed, an escalation is told. What died has broken its promise already, loudly, except for
    the announcement of a dispute that nobody was told of: the daemon goes on trying that.
    """
    of = message.purpose
    if facts.others:
        return None
    if of is Purpose.INITIAL:
        current = facts.opening_event_id in (None, message.anchor)
        if facts.lifecycle == Lifecycle.NEW and current:
            return "nobody was told of this dispute, and this is the last message that can"
        return None
    if message.state is OutboxState.DEAD or needs_nobody(facts):
        return None
    if of is Purpose.HANDOFF and facts.under_way:
        return "nobody has this hand-off, and this is the last message that can bring it"
    if of is Purpose.MEDIATION_ESCALATION:
        return "nobody was told that this dispute needs a human, and this is the last message"
    return None


def consequence(message: Row, facts: Facts) -> str | None:
    """Say what the daemon does because a waiting message was dropped; None if nothing."""
    if message.state is not OutboxState.PENDING or facts.others:
        return None
    if message.purpose is Purpose.MEDIATION_SUMMARY:
        return "nobody can get this summary now: the daemon hands the dispute to a human"
    if message.purpose is Purpose.PARTY_MESSAGE and _speaking(facts):
        return "the party never gets it: the mediation goes to a human once its time is over"
    if message.purpose is Purpose.HANDOFF and facts.under_way:
        return "the hand-off is recorded as failed"
    return None
