"""Prepared hand-offs that wait, rest or are under way, and ``escalation_dispatches``."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.handoff import UNKNOWN_DISPUTE
from serbero.model.mediation import AuditKind
from serbero.model.notification import OutboxState, Purpose
from serbero.store import cursors
from serbero.store.audit_trail import parsed
from serbero.store.escalation_schema import dispatches_under_way, pending_handoffs
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import dispatches, events
from serbero.store.schema import outbox

_P, _E, _W, _D = pending_handoffs.c, events.c, dispatches_under_way.c, dispatches.c

HANDOFFS_TAKEN_UP: Final = "handoffs_taken_up"
"""The newest ``mediation_events.id`` that was looked at for prepared hand-offs."""


class Parked(StrEnum):
    """Why a hand-off rests."""

    SUPERSEDED = "superseded"
    """Its dispute was closed before it was dispatched."""
    UNROUTABLE = "unroutable"
    """Nobody may receive it."""
    EXPIRED = "expired"
    """It is older than the configuration allows."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A hand-off to dispatch.

    Attributes:
        session_id: the event's own; the payload may say something else.
        pins: None where it has none.
        at: Unix seconds of the event.
    """

    event_id: int
    session_id: str | None
    payload: str
    pins: Pins | None
    at: int


_EVENT: Final = sa.select(
    _E.id,
    _E.session_id,
    _E.payload_json,
    _E.prompt_bundle_id,
    _E.policy_hash,
    _E.occurred_at,
)
_DUE: Final = (
    sa.select(_P.event_id)
    .where(_P.parked.is_(None))
    .order_by(_P.event_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_ONE: Final = _EVENT.join(pending_handoffs, _P.event_id == _E.id).where(
    _P.event_id == sa.bindparam("of"), _P.parked.is_(None)
)
_NAMED: Final = _EVENT.where(_E.id == sa.bindparam("of"))
_ADD: Final = insert(pending_handoffs).on_conflict_do_nothing()


def _pending(row: Any) -> Pending:
    pins = (
        None
        if row.prompt_bundle_id is None or row.policy_hash is None
        else Pins(row.prompt_bundle_id, row.policy_hash)
    )
    return Pending(row.id, row.session_id, row.payload_json, pins, row.occurred_at)


def add(tx: sa.Connection, event_id: int, dispute_id: str) -> None:
    """A hand-off was prepared."""
    tx.execute(_ADD, {"event_id": event_id, "dispute_id": dispute_id})


def due(tx: sa.Connection, limit: int) -> list[int]:
    """Return the ids of hand-offs to dispatch, oldest first; what rests costs nothing."""
    return list(tx.execute(_DUE, {"at_most": limit}).scalars())


def load(tx: sa.Connection, event_id: int) -> Pending | None:
    """Return a hand-off that is (still) to be dispatched."""
    row = tx.execute(_ONE, {"of": event_id}).first()
    return None if row is None else _pending(row)


def consume(tx: sa.Connection, event_id: int) -> None:
    """It is dealt with."""
    tx.execute(sa.delete(pending_handoffs).where(_P.event_id == event_id))


def park(tx: sa.Connection, event_id: int, why: Parked) -> None:
    """Let it rest."""
    tx.execute(sa.update(pending_handoffs).where(_P.event_id == event_id).values(parked=why.value))


def wake_dispute(tx: sa.Connection, dispute_id: str) -> int:
    """Its dispute is open again: what rested for that is to be dispatched; return how many."""
    woken = tx.execute(
        sa.update(pending_handoffs)
        .where(_P.dispute_id == dispute_id, _P.parked == Parked.SUPERSEDED.value)
        .values(parked=None)
    )
    return int(woken.rowcount)


def wake_unroutable(tx: sa.Connection) -> int:
    """There is somebody now; return how many are to be dispatched again."""
    woken = tx.execute(
        sa.update(pending_handoffs).where(_P.parked == Parked.UNROUTABLE.value).values(parked=None)
    )
    return int(woken.rowcount)


def wake_expired(tx: sa.Connection) -> int:
    """The configuration's limit may be another; return how many are to be judged again."""
    woken = tx.execute(
        sa.update(pending_handoffs).where(_P.parked == Parked.EXPIRED.value).values(parked=None)
    )
    return int(woken.rowcount)


def take_up(tx: sa.Connection) -> int:
    """Take up the hand-offs another program prepared since the last time; return how many.

    Payloads are read here, once: no query on a timer touches one.
    """
    mark = cursors.get(tx, HANDOFFS_TAKEN_UP) or 0
    newest = tx.execute(sa.select(sa.func.max(_E.id))).scalar() or 0
    if newest <= mark:
        return 0
    dispatched = sa.exists().where(_D.handoff_event_id == _E.id)
    enqueued = sa.exists().where(_W.event_id == _E.id)
    rows = tx.execute(
        sa.select(_E.id, _E.payload_json).where(
            _E.id > mark, _E.kind == AuditKind.HANDOFF_PREPARED.value, ~dispatched, ~enqueued
        )
    ).all()
    unreadable = _unreadable(tx, mark)
    found = [
        {"event_id": row.id, "dispute_id": _dispute_of(row.payload_json)}
        for row in rows
        if row.id not in unreadable
    ]
    if found:
        tx.execute(_ADD, found)
    cursors.put(tx, HANDOFFS_TAKEN_UP, newest)
    return len(found)


def _unreadable(tx: sa.Connection, mark: int) -> set[int]:
    """Hand-offs that were found to be no packages before."""
    failures = tx.execute(
        sa.select(_E.payload_json).where(
            _E.id > mark, _E.kind == AuditKind.ESCALATION_DISPATCH_PARSE_FAILED.value
        )
    ).scalars()
    named = (parsed(text).get("handoff_event_id") for text in failures)
    return {each for each in named if isinstance(each, int)}


def _dispute_of(payload: str) -> str:
    named = parsed(payload).get("dispute_id")
    return named if isinstance(named, str) else UNKNOWN_DISPUTE


# --- under way -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A hand-off that was enqueued and reached nobody yet.

    Attributes:
        target_solver: the recipients as typed, comma-joined.
    """

    event_id: int
    dispatch_id: str
    dispute_id: str
    session_id: str | None
    target_solver: str
    fallback: bool
    enqueued_at: int


_UNDER_WAY: Final = sa.select(dispatches_under_way).where(_W.event_id == sa.bindparam("of"))
_STILL_TRIED: Final = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.dispute_id == sa.bindparam("about"),
        outbox.c.purpose == Purpose.HANDOFF.value,
        outbox.c.anchor == sa.bindparam("anchor"),
        outbox.c.state.in_([OutboxState.PENDING.value, OutboxState.SENT.value]),
    )
    .limit(1)
)


def begin_dispatch(tx: sa.Connection, new: UnderWay) -> None:
    """A hand-off was enqueued: it waits no longer."""
    consume(tx, new.event_id)
    tx.execute(
        sa.insert(dispatches_under_way).values(
            event_id=new.event_id,
            dispatch_id=new.dispatch_id,
            dispute_id=new.dispute_id,
            session_id=new.session_id,
            target_solver=new.target_solver,
            fallback_broadcast=int(new.fallback),
            enqueued_at=new.enqueued_at,
        )
    )


def _under_way(rows: Iterable[Any]) -> list[UnderWay]:
    return [
        UnderWay(
            event_id=row.event_id,
            dispatch_id=row.dispatch_id,
            dispute_id=row.dispute_id,
            session_id=row.session_id,
            target_solver=row.target_solver,
            fallback=bool(row.fallback_broadcast),
            enqueued_at=row.enqueued_at,
        )
        for row in rows
    ]


def under_way(tx: sa.Connection, event_id: int) -> UnderWay | None:
    """Return a hand-off that was enqueued and reached nobody yet."""
    found = _under_way(tx.execute(_UNDER_WAY, {"of": event_id}))
    return found[0] if found else None


def all_under_way(tx: sa.Connection) -> list[UnderWay]:
    """Return all of them, oldest first."""
    return _under_way(tx.execute(sa.select(dispatches_under_way).order_by(_W.event_id)))


def may_arrive(tx: sa.Connection, one: UnderWay) -> bool:
    """Whether somebody got it, or it is still being tried."""
    asked = {"about": one.dispute_id, "anchor": str(one.event_id)}
    return tx.execute(_STILL_TRIED, asked).first() is not None


def finish_dispatch(tx: sa.Connection, one: UnderWay, status: str) -> Pending | None:
    """Write the reference's row; return the hand-off it is about, for its event.

    ``dispatched_at`` is when it was enqueued: the reference's is taken before it sends.
    """
    tx.execute(sa.delete(dispatches_under_way).where(_W.event_id == one.event_id))
    tx.execute(
        sa.insert(dispatches).values(
            dispatch_id=one.dispatch_id,
            dispute_id=one.dispute_id,
            session_id=one.session_id,
            handoff_event_id=one.event_id,
            target_solver=one.target_solver,
            dispatched_at=one.enqueued_at,
            created_at=one.enqueued_at,
            status=status,
            fallback_broadcast=int(one.fallback),
        )
    )
    row = tx.execute(_NAMED, {"of": one.event_id}).first()
    return None if row is None else _pending(row)
