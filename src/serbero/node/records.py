"""The transactions of a take: opened before anything is sent, closed with all that follows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import DisputeStatus
from serbero.model.taking import TakeState
from serbero.mostro.dispute_info import DisputeInfo
from serbero.node.result import NoAnswer, Refused, Taken, TakeResult
from serbero.store import disputes, journal, parties, takes
from serbero.store.parties import NewParties
from serbero.store.takes import Take

Status = tuple[DisputeStatus, int]
"""Of a dispute's newest revision, with its ``created_at``."""

OnOutcome = Callable[[sa.Connection, str, TakeState, str | None, int, bool], object]
"""``on_outcome(tx, dispute_id, state, reason, at_ms, owed)``: tells who holds the dispute now;
``owed`` says that news waited for the outcome."""

OnTaken = Callable[[sa.Connection, Taken, int], None]
"""``on_taken(tx, taken, now)``: what else begins when a dispute becomes ours."""


_KEPT_ELSEWHERE: Final = {
    "order_id",
    "buyer",
    "seller",
    "initiator",
    "initiator_key",
    "invoice_held_at",
}


@dataclass(frozen=True, slots=True)
class Recorders:
    """What the rest of the daemon adds to the transaction of an outcome, and our key (hex)."""

    own_key: str
    on_outcome: OnOutcome
    on_taken: OnTaken


@dataclass(frozen=True, slots=True)
class Begun:
    """An exchange that was opened: its id, and what we hold of the dispute (None: nothing)."""

    take_id: int
    known: Status | None


def begin(tx: sa.Connection, dispute_id: str, now: int, deadline_at: int) -> Begun:
    """Open an exchange."""
    known = status_of(tx, dispute_id)
    stamp = None if known is None else known[1]
    return Begun(takes.begin(tx, dispute_id, stamp, now=now, deadline_at=deadline_at), known)


def conclude(
    tx: sa.Connection, take_id: int, result: TakeResult, at_ms: int, recorders: Recorders
) -> bool:
    """Record an outcome with everything that follows from it.

    Returns:
        Whether it stands: False for an answer that is not newer than the last one, and for a
        dispute that was lost again before its answer reached us.
    """
    now = at_ms // 1000
    match result:
        case Taken():
            state, reason = TakeState.TAKEN, None
            if not parties.save(tx, _parties(result, recorders.own_key), now):
                return False
        case Refused():
            state, reason = TakeState.REFUSED, result.reason
        case NoAnswer():
            state, reason = TakeState.NO_ANSWER, " ".join(result.causes)
    owed = takes.finish(tx, take_id, state, reason, now)
    journal.write(
        tx,
        f"take_{state.value}",
        now,
        dispute_id=result.dispute_id,
        payload={"attempts": result.attempts, "reason": reason},
    )
    recorders.on_outcome(tx, result.dispute_id, state, reason, at_ms, owed)
    if not isinstance(result, Taken):
        return True
    if parties.holding(tx, result.dispute_id) is None:
        return False
    recorders.on_taken(tx, result, now)
    return True


def interrupt(tx: sa.Connection, take: Take, at_ms: int, recorders: Recorders) -> None:
    """Close an exchange of an earlier life that nothing more was found out about."""
    state = TakeState.INTERRUPTED
    owed = takes.finish(tx, take.id, state, None, at_ms // 1000)
    journal.write(tx, "take_interrupted", at_ms // 1000, dispute_id=take.dispute_id)
    recorders.on_outcome(tx, take.dispute_id, state, None, at_ms, owed)


def status_of(tx: sa.Connection, dispute_id: str) -> Status | None:
    """Return status and ``created_at`` of the revision we hold of a dispute, None if unknown."""
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    return None if known is None else (known.status, known.created_at)


def _parties(taken: Taken, own_key: str) -> NewParties:
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
        own_key=own_key,
        answered_at=taken.answered_at,
    )
