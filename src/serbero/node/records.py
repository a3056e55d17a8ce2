"""The transactions of a take: opened before anything is sent, closed with all that follows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from serbero.model.lifecycle import DisputeStatus
from serbero.model.taking import Cause, HeldRevision, TakeState
from serbero.mostro.dispute_info import DisputeInfo
from serbero.node.result import NoAnswer, Refused, Taken, TakeResult
from serbero.store import disputes, journal, parties, takes
from serbero.store.parties import NewParties

OnOutcome = Callable[[sa.Connection, str, HeldRevision | None, int, int], object]
"""``on_outcome(tx, dispute_id, held, attempts, at_ms)``: tells what waited for the outcome."""

OnTaken = Callable[[sa.Connection, Taken, int], None]
"""``on_taken(tx, taken, now)``: what else begins when a dispute becomes ours."""


def nothing_begins(tx: sa.Connection, taken: Taken, now: int) -> None:
    """The :data:`OnTaken` of whoever only takes."""
    del tx, taken, now


_KEPT_ELSEWHERE = {"order_id", "buyer", "seller", "initiator", "initiator_key", "invoice_held_at"}


@dataclass(frozen=True, slots=True)
class Recorders:
    """What the rest of the daemon adds to the transaction of an outcome."""

    on_outcome: OnOutcome
    on_taken: OnTaken


@dataclass(frozen=True, slots=True)
class Begun:
    """An exchange that was opened.

    Attributes:
        take_id: its id.
        dispute_known: whether we hold an event of the dispute by the node itself.
        earlier_attempts: requests of an exchange about the same dispute that was left open.
    """

    take_id: int
    dispute_known: bool
    earlier_attempts: int


def begin(tx: sa.Connection, dispute_id: str, request_id: int, now: int, deadline_at: int) -> Begun:
    """Open an exchange; one left open about the dispute goes on in it."""
    take_id, earlier = takes.begin(tx, dispute_id, request_id, now=now, deadline_at=deadline_at)
    return Begun(take_id, dispute_id in disputes.load_known(tx, [dispute_id]), earlier)


def conclude(
    tx: sa.Connection, take_id: int, result: TakeResult, at_ms: int, recorders: Recorders
) -> None:
    """Record an outcome with everything that follows from it."""
    now = at_ms // 1000
    match result:
        case Taken():
            state, reason = TakeState.TAKEN, None
            parties.save(tx, _parties(result), now)
        case Refused():
            state, reason = TakeState.REFUSED, result.reason
        case NoAnswer():
            state, reason = TakeState.NO_ANSWER, " ".join(result.causes)
    held = takes.finish(tx, take_id, state, reason, now)
    journal.write(
        tx,
        f"take_{state.value}",
        now,
        dispute_id=result.dispute_id,
        payload={"attempts": result.attempts, "reason": reason},
    )
    recorders.on_outcome(tx, result.dispute_id, held, result.attempts, at_ms)
    if isinstance(result, Taken) and parties.holding(tx, result.dispute_id) is not None:
        recorders.on_taken(tx, result, now)


def interrupt(
    tx: sa.Connection, take_id: int, dispute_id: str, at_ms: int, recorders: Recorders
) -> None:
    """Close an exchange of an earlier life that nothing more was found out about."""
    held = takes.finish(tx, take_id, TakeState.INTERRUPTED, None, at_ms // 1000)
    journal.write(tx, "take_interrupted", at_ms // 1000, dispute_id=dispute_id)
    recorders.on_outcome(tx, dispute_id, held, 1, at_ms)


def status_of(tx: sa.Connection, dispute_id: str) -> tuple[DisputeStatus, int] | None:
    """Return status and ``created_at`` of the revision we hold of a dispute, None if unknown."""
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    return None if known is None else (known.status, known.created_at)


def _parties(taken: Taken) -> NewParties:
    info: DisputeInfo = taken.info
    facts = {name: value for name, value in asdict(info).items() if name not in _KEPT_ELSEWHERE}
    return NewParties(
        dispute_id=taken.dispute_id,
        order_id=info.order_id,
        buyer=info.buyer,
        seller=info.seller,
        initiator=info.initiator,
        facts=facts,
        invoice_held_at=info.invoice_held_at,
        answered_at=taken.answered_at,
    )


def causes_text(causes: tuple[Cause, ...]) -> str:
    """Name causes for a log line."""
    return ", ".join(causes)
