"""Disputes to be found, in a database of any age: ours or the reference's. Reads only.

States and keys stay as they were written; a row another program or a hand wrote may hold anything.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.reference_names import NOTIFICATION_SENT
from serbero.store.escalation_schema import acknowledgements
from serbero.store.odd_values import text, whole
from serbero.store.schema import disputes, notifications, parties

_D, _N, _P, _A = disputes.c, notifications.c, parties.c, acknowledgements.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which disputes; what is left out excludes none.

    Attributes:
        states: only in one of these.
        open_only: not those that were resolved.
        since: opened then or later, Unix seconds.
        until: opened earlier, Unix seconds.
        initiator: opened by it.
        holder: assigned to it or acknowledged by it: one key, as it may be spelt, in any case.
        limit: at most so many.
    """

    states: Collection[str] = ()
    open_only: bool = False
    since: int | None = None
    until: int | None = None
    initiator: str | None = None
    holder: Collection[str] = ()
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Listed:
    """A dispute in one line. Times are Unix seconds, None where the row holds none.

    Attributes:
        opened_at: of the first revision we saw of it.
        assigned: the solver that has it, as written; None where nobody knows.
        held: whether Serbero holds it.
        acknowledged_by: who said last to have it (hex), while that counts.
        told: so many solvers a message reached.
    """

    dispute_id: str
    state: str
    status: str
    initiator: str
    opened_at: int | None
    detected_at: int | None
    changed_at: int | None
    assigned: str | None
    held: bool
    acknowledged_by: str | None
    told: int


def tables(tx: sa.Connection) -> frozenset[str]:
    """Return which tables there are."""
    named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return frozenset(named.scalars())


def columns(tx: sa.Connection) -> list[Any]:
    """Return the columns of a dispute; what the reference's first version lacks, as it adds it."""
    there = {row[1] for row in tx.exec_driver_sql(f"PRAGMA table_info({disputes.name})")}
    added = {_D.lifecycle_state.name: sa.literal(Lifecycle.NEW.value, sa.Text)}
    return [
        each if each.name in there else added.get(each.name, sa.null()).label(each.name)
        for each in disputes.c
    ]


def newest(tx: sa.Connection, wanted: Wanted, now: int) -> list[Listed]:
    """Return disputes, those opened last first; ``now`` says which acknowledgements count."""
    there = tables(tx)
    every = sa.select(*columns(tx)).subquery("every")
    page = _chosen(sa.select(every), every.c, wanted, there, now)
    # What each row needs from elsewhere is looked up for the rows of the page alone.
    chosen = page.subquery("chosen")
    row = chosen.c
    query = sa.select(
        chosen,
        _holds(row.dispute_id, there).label("held"),
        _acknowledged(row.dispute_id, there, now).label("acknowledged_by"),
        _told(row.dispute_id).label("told"),
    ).order_by(row.event_timestamp.desc(), row.dispute_id)
    return [_listed(each) for each in tx.execute(query)]


def one(tx: sa.Connection, dispute_id: str, now: int) -> Listed | None:
    """Return one dispute, or None."""
    there = tables(tx)
    every = sa.select(*columns(tx)).where(_D.dispute_id == dispute_id).subquery("every")
    query = sa.select(
        every,
        _holds(every.c.dispute_id, there).label("held"),
        _acknowledged(every.c.dispute_id, there, now).label("acknowledged_by"),
        _told(every.c.dispute_id).label("told"),
    )
    row = tx.execute(query).first()
    return None if row is None else _listed(row)


def _chosen(
    query: sa.Select[Any], row: Any, wanted: Wanted, there: Collection[str], now: int
) -> sa.Select[Any]:
    if wanted.states:
        query = query.where(row.lifecycle_state.in_(sorted(wanted.states)))
    if wanted.open_only:
        query = query.where(row.lifecycle_state != Lifecycle.RESOLVED.value)
    if wanted.since is not None:
        query = query.where(row.event_timestamp >= wanted.since)
    if wanted.until is not None:
        query = query.where(row.event_timestamp < wanted.until)
    if wanted.initiator is not None:
        query = query.where(row.initiator_role == wanted.initiator)
    if wanted.holder:
        keys = sorted(wanted.holder)
        has = row.assigned_solver.collate("NOCASE").in_(keys)
        if acknowledgements.name in there:
            said = sa.select(_A.dispute_id).where(_counts(now), _A.solver.in_(keys))
            has = sa.or_(has, row.dispute_id.in_(said))
        query = query.where(has)
    return query.order_by(row.event_timestamp.desc(), row.dispute_id).limit(wanted.limit)


def _counts(now: int) -> sa.ColumnElement[bool]:
    return sa.and_(_A.ended_at.is_(None), _A.expires_at > now)


def _holds(dispute_id: Any, there: Collection[str]) -> Any:
    if parties.name not in there:
        return sa.literal(False)
    held = sa.select(sa.literal(1)).where(_P.dispute_id == dispute_id, _P.released_at.is_(None))
    return held.exists()


def _acknowledged(dispute_id: Any, there: Collection[str], now: int) -> Any:
    if acknowledgements.name not in there:
        return sa.null()
    said = sa.select(_A.solver).where(_A.dispute_id == dispute_id, _counts(now))
    return said.order_by(_A.id.desc()).limit(1).scalar_subquery()


def _told(dispute_id: Any) -> Any:
    return (
        sa.select(sa.func.count(sa.func.lower(_N.solver_pubkey).distinct()))
        .where(_N.dispute_id == dispute_id, _N.status == NOTIFICATION_SENT)
        .scalar_subquery()
    )


_NOTHING: Final = ("", None)


def _listed(row: Any) -> Listed:
    return Listed(
        dispute_id=text(row.dispute_id),
        state=text(row.lifecycle_state),
        status=text(row.dispute_status),
        initiator=text(row.initiator_role),
        opened_at=whole(row.event_timestamp),
        detected_at=whole(row.detected_at),
        changed_at=whole(row.last_state_change),
        assigned=None if row.assigned_solver in _NOTHING else text(row.assigned_solver),
        held=bool(row.held),
        acknowledged_by=None if row.acknowledged_by is None else text(row.acknowledged_by),
        told=row.told,
    )
