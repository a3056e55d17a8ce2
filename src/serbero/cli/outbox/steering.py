"""The transactions of ``serbero outbox retry`` and ``drop``."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from serbero.cli.outbox.judging import (
    People,
    cannot_drop,
    cannot_retry,
    consequence,
    untrue,
)
from serbero.escalation.dispatching import handoff_dead
from serbero.model.notification import OutboxState, Purpose
from serbero.store import journal, outbox_steering, outbox_truth
from serbero.store.outbox_steering import Facts, Found
from serbero.store.outbox_work import Row

OPERATOR_RETRY: Final = "operator_retry"
OPERATOR_DROP: Final = "operator_drop"
"""Kinds of the journal's events."""


class Outcome(StrEnum):
    """What became of one message that a person named."""

    DUE = "due"
    """It waited, and is due now."""
    REVIVED = "revived"
    """It was given up, or past its deadline, and lives again."""
    WITHDRAWN = "withdrawn"
    """It is not true any more: withdrawn instead of tried again."""
    DROPPED = "dropped"
    """It is withdrawn, as was asked for."""
    REFUSED = "refused"
    """Nothing was changed."""
    UNKNOWN = "unknown"
    """There is no such message."""


DONE: Final = frozenset({Outcome.DUE, Outcome.REVIVED, Outcome.DROPPED})
"""Outcomes that are what was asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was done about one message, and why."""

    id: int
    outcome: Outcome
    because: str | None = None
    dispute_id: str | None = None
    purpose: str | None = None
    was: str | None = None

    @property
    def done(self) -> bool:
        """Whether it is what was asked for."""
        return self.outcome in DONE


@dataclass(frozen=True, slots=True)
class Wish:
    """Who asks, when, and for how long relays are to be tried.

    Attributes:
        by: the person's name on this machine.
        now: Unix seconds.
        deadline_seconds: of a message that lives again.
        people: who is configured, where that is known.
    """

    by: str
    now: int
    deadline_seconds: int = 86_400
    people: People | None = None


def retry(tx: sa.Connection, numbers: Iterable[int], wish: Wish) -> list[Answer]:
    """Make messages due now, dead ones live again; one answer each, in this order."""
    author = outbox_steering.newest_author(tx)
    return [_retry(tx, each, wish, author) for each in numbers]


def _retry(tx: sa.Connection, number: int, wish: Wish, author: str | None) -> Answer:
    found = outbox_steering.find(tx, number)
    message, refusal = _open(number, found)
    if found is None or message is None:
        return refusal
    around = outbox_steering.facts(tx, message, found.session_id, wish.now)
    why = cannot_retry(message, around, author, wish.people)
    if why is not None:
        return _answer(found, Outcome.REFUSED, why)
    waited = message.state is OutboxState.PENDING and message.deadline_at > wish.now
    if waited:
        outbox_steering.hasten(tx, number, wish.now)
    else:
        outbox_steering.revive(tx, number, wish.now, wish.now + wish.deadline_seconds)
    why = _no_longer_true(tx, message, around, wish.now)
    outcome = Outcome.DUE if waited else Outcome.REVIVED
    if why is not None:
        outcome = Outcome.WITHDRAWN
    _note(tx, OPERATOR_RETRY, found, outcome, wish)
    return _answer(found, outcome, why)


def _no_longer_true(tx: sa.Connection, message: Row, around: Facts, now: int) -> str | None:
    """Withdraw a message that lives but is untrue; say why, None if it is true.

    The daemon's own judgement of what is about to go out is asked first, then what it would have
    done to the message had it not been dead.
    """
    if message.id in outbox_truth.end_untrue(tx, [message], now):
        return untrue(message, around, now) or "it is not true any more"
    why = untrue(message, around, now)
    if why is not None:
        outbox_steering.withdraw(tx, message.id, now)
    return why


def drop(tx: sa.Connection, numbers: Iterable[int], wish: Wish) -> list[Answer]:
    """Withdraw messages that wait or were given up; one answer each, in this order."""
    return [_drop(tx, each, wish) for each in numbers]


def _drop(tx: sa.Connection, number: int, wish: Wish) -> Answer:
    found = outbox_steering.find(tx, number)
    message, refusal = _open(number, found)
    if found is None or message is None:
        return refusal
    around = outbox_steering.facts(tx, message, found.session_id, wish.now)
    why = cannot_drop(message, around)
    if why is not None:
        return _answer(found, Outcome.REFUSED, why)
    _note(tx, OPERATOR_DROP, found, Outcome.DROPPED, wish)
    outbox_steering.withdraw(tx, number, wish.now)
    if message.purpose is Purpose.HANDOFF:
        # As if it had died by itself: otherwise the hand-off would count as under way for ever.
        handoff_dead(tx, message, wish.now)
    return _answer(found, Outcome.DROPPED, consequence(message, around))


def _note(tx: sa.Connection, kind: str, found: Found, outcome: Outcome, wish: Wish) -> None:
    """Write down who had what done: ids, states and the person's name."""
    payload = {
        "outbox_id": found.id,
        "purpose": None if found.row is None else found.row.purpose.value,
        "was": found.state,
        "outcome": outcome.value,
        "by": wish.by,
    }
    about = {"dispute_id": found.dispute_id, "session_id": found.session_id}
    journal.write(tx, kind, wish.now, **about, payload=payload)


def _open(number: int, found: Found | None) -> tuple[Row | None, Answer]:
    """The message if anything can be done about it, and else the answer."""
    if found is None:
        return None, Answer(number, Outcome.UNKNOWN, "there is no such message")
    if found.row is None:
        return None, _answer(found, Outcome.REFUSED, "this version does not know its kind")
    match found.row.state:
        case OutboxState.SENT:
            return None, _answer(found, Outcome.REFUSED, "a relay has it already")
        case OutboxState.WITHDRAWN:
            return None, _answer(found, Outcome.REFUSED, "it was withdrawn already")
        case _:
            return found.row, _answer(found, Outcome.REFUSED)


def _answer(found: Found, outcome: Outcome, because: str | None = None) -> Answer:
    return Answer(
        id=found.id,
        outcome=outcome,
        because=because,
        dispute_id=found.dispute_id,
        purpose=None if found.row is None else found.row.purpose.value,
        was=found.state,
    )
