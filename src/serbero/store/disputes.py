"""Disputes, their applied revisions and their lifecycle history.

Callers decide (:mod:`serbero.intake.decision`); these functions write what was decided, each
guarded so that an illegal move raises and writes nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.dispute import Known, Moved, Opening
from serbero.model.lifecycle import (
    UNATTENDED,
    DisputeStatus,
    Lifecycle,
    check_transition,
)
from serbero.mostro.dispute_event import Revision
from serbero.store.schema import disputes, revisions, transitions

# Statements that run for every dispute are built once: that takes longer than running them.
_KNOWN = (
    sa.select(
        disputes.c.dispute_id,
        disputes.c.lifecycle_state,
        disputes.c.initiator_role,
        revisions.c.event_id,
        revisions.c.created_at,
        revisions.c.status,
        revisions.c.opening_event_id,
    )
    .join(revisions, revisions.c.dispute_id == disputes.c.dispute_id)
    .where(disputes.c.dispute_id.in_(sa.bindparam("ids", expanding=True)))
)
_INSERT_DISPUTE = sa.insert(disputes)
_INSERT_REVISION = sa.insert(revisions)
_MOVE = (
    sa.update(disputes)
    .where(
        disputes.c.dispute_id == sa.bindparam("of"),
        disputes.c.lifecycle_state == sa.bindparam("current"),
    )
    .values(lifecycle_state=sa.bindparam("wanted"), last_state_change=sa.bindparam("at"))
)
_INSERT_TRANSITION = sa.insert(transitions)
_RAISE_LAST_NOTIFIED = (
    sa.update(disputes)
    .where(
        disputes.c.dispute_id == sa.bindparam("of"),
        sa.func.coalesce(disputes.c.last_notified_at, -1) < sa.bindparam("at", type_=sa.Integer),
    )
    .values(last_notified_at=sa.bindparam("at"))
)


def load_known(tx: sa.Connection, dispute_ids: Iterable[str]) -> dict[str, Known]:
    """Return what we hold of each given dispute that we know."""
    rows = tx.execute(_KNOWN, {"ids": list(dispute_ids)})
    return {
        row.dispute_id: Known(
            state=Lifecycle(row.lifecycle_state),
            event_id=row.event_id,
            created_at=row.created_at,
            status=DisputeStatus(row.status),
            opening_event_id=row.opening_event_id,
            initiator=row.initiator_role,
        )
        for row in rows
    }


def insert(tx: sa.Connection, revision: Revision, state: Lifecycle, now: int) -> None:
    """Record a dispute first seen with ``revision``, and that revision as applied."""
    tx.execute(
        _INSERT_DISPUTE,
        {
            "dispute_id": revision.dispute_id,
            "event_id": revision.event_id,
            "mostro_pubkey": revision.node,
            "initiator_role": revision.initiator,
            "dispute_status": revision.status.value,
            "event_timestamp": revision.created_at,
            "detected_at": now,
            "lifecycle_state": state.value,
            "assigned_solver": revision.assigned_solver,
            "last_state_change": None if state is Lifecycle.NEW else now,
        },
    )
    opening = revision.status is DisputeStatus.INITIATED
    tx.execute(
        _INSERT_REVISION,
        {
            "dispute_id": revision.dispute_id,
            "event_id": revision.event_id,
            "created_at": revision.created_at,
            "status": revision.status.value,
            "opening_event_id": revision.event_id if opening else None,
            "opening_created_at": revision.created_at if opening else None,
            "opened_at": revision.opened_at,
            "applied_at": now,
        },
    )


def apply_revision(tx: sa.Connection, revision: Revision, now: int) -> None:
    """Make ``revision`` the applied one of a known dispute; its status is shown from now on."""
    values: dict[str, object] = {
        "event_id": revision.event_id,
        "created_at": revision.created_at,
        "status": revision.status.value,
        "applied_at": now,
    }
    if revision.opened_at is not None:
        values["opened_at"] = revision.opened_at
    if revision.status is DisputeStatus.INITIATED:
        values["opening_event_id"] = revision.event_id
        values["opening_created_at"] = revision.created_at
        values["renotify_cycle"] = 0
    tx.execute(
        sa.update(revisions).where(revisions.c.dispute_id == revision.dispute_id).values(values)
    )
    tx.execute(
        sa.update(disputes)
        .where(disputes.c.dispute_id == revision.dispute_id)
        .values(dispute_status=revision.status.value)
    )


def transition(
    tx: sa.Connection,
    dispute_id: str,
    current: Lifecycle,
    wanted: Lifecycle,
    *,
    at: int,
    trigger: str,
) -> Moved | None:
    """Move a dispute from ``current`` to ``wanted`` and append the history row.

    Returns:
        None if the dispute is not in ``current`` (any more); nothing was written then.

    Raises:
        IllegalTransition: the table does not allow the move; nothing was written.
    """
    check_transition(current, wanted)
    moved = tx.execute(
        _MOVE, {"of": dispute_id, "current": current.value, "wanted": wanted.value, "at": at}
    )
    if moved.rowcount != 1:
        return None
    tx.execute(
        _INSERT_TRANSITION,
        {
            "dispute_id": dispute_id,
            "from_state": current.value,
            "to_state": wanted.value,
            "transitioned_at": at,
            "trigger": trigger,
        },
    )
    return Moved(dispute_id, current, wanted, trigger)


def set_assigned_solver(tx: sa.Connection, dispute_id: str, solver: str | None) -> None:
    """Store who holds a dispute; None where nobody knows."""
    tx.execute(
        sa.update(disputes)
        .where(disputes.c.dispute_id == dispute_id)
        .values(assigned_solver=solver)
    )


def assigned_solver(tx: sa.Connection, dispute_id: str) -> str | None:
    """Return who holds a dispute as far as we know."""
    query = sa.select(disputes.c.assigned_solver).where(disputes.c.dispute_id == dispute_id)
    return tx.execute(query).scalar()


def forget_notification(tx: sa.Connection, dispute_id: str) -> None:
    """Clear ``last_notified_at``: a reopened dispute has not been announced yet."""
    tx.execute(
        sa.update(disputes).where(disputes.c.dispute_id == dispute_id).values(last_notified_at=None)
    )


def raise_last_notified(tx: sa.Connection, dispute_id: str, at: int) -> None:
    """Set ``last_notified_at`` unless it is later already."""
    tx.execute(_RAISE_LAST_NOTIFIED, {"of": dispute_id, "at": at})


@dataclass(frozen=True, slots=True)
class Unattended:
    """A dispute nobody took, and what its reminder needs."""

    opening: Opening
    state: Lifecycle
    last_notified_at: int
    cycle: int


def unattended(
    tx: sa.Connection,
    before: int,
    only: Sequence[str] | None = None,
    node: str | None = None,
    opened_since: int = 0,
) -> list[Unattended]:
    """Return disputes nobody took that were last announced before ``before`` (strictly).

    Longest waiting first; ``only`` limits them to these ids, ``node`` to those of one node (hex),
    ``opened_since`` to those opened at that Unix second or later.

    Reads only what is unattended now, by the lifecycle index: history costs nothing. A dispute
    never announced counts from its detection.
    """
    last = sa.func.coalesce(
        disputes.c.last_notified_at, disputes.c.last_state_change, disputes.c.detected_at
    )
    opened = sa.func.coalesce(revisions.c.opening_created_at, revisions.c.created_at)
    query = (
        sa.select(
            disputes.c.dispute_id,
            disputes.c.lifecycle_state,
            disputes.c.initiator_role,
            last.label("last"),
            sa.func.coalesce(revisions.c.opening_event_id, revisions.c.event_id).label("opening"),
            opened.label("since"),
            revisions.c.renotify_cycle,
        )
        .join(revisions, revisions.c.dispute_id == disputes.c.dispute_id)
        .where(disputes.c.lifecycle_state.in_([each.value for each in UNATTENDED]), last < before)
        .order_by(last)
    )
    if only is not None:
        query = query.where(disputes.c.dispute_id.in_(only))
    if node is not None:
        query = query.where(disputes.c.mostro_pubkey == node)
    if opened_since:
        query = query.where(opened >= opened_since)
    return [
        Unattended(
            opening=Opening(row.dispute_id, row.initiator_role, row.opening, row.since),
            state=Lifecycle(row.lifecycle_state),
            last_notified_at=row.last,
            cycle=row.renotify_cycle,
        )
        for row in tx.execute(query)
    ]


def next_cycle(tx: sa.Connection, dispute_id: str) -> None:
    """Count one more reminder round."""
    tx.execute(
        sa.update(revisions)
        .where(revisions.c.dispute_id == dispute_id)
        .values(renotify_cycle=revisions.c.renotify_cycle + 1)
    )


_OPEN = [each.value for each in Lifecycle if each is not Lifecycle.RESOLVED]


def open_ids(tx: sa.Connection, node: str | None = None) -> Sequence[str]:
    """Return the ids of every dispute (of one node, by its hex key) we hold as not resolved."""
    query = sa.select(disputes.c.dispute_id).where(disputes.c.lifecycle_state.in_(_OPEN))
    if node is not None:
        query = query.where(disputes.c.mostro_pubkey == node)
    return tx.execute(query).scalars().all()


def count_open(tx: sa.Connection) -> dict[str, int]:
    """Return how many disputes are in each state but ``resolved``, whose count is history."""
    rows = tx.execute(
        sa.select(disputes.c.lifecycle_state, sa.func.count())
        .where(disputes.c.lifecycle_state.in_(_OPEN))
        .group_by(disputes.c.lifecycle_state)
    )
    return dict.fromkeys(_OPEN, 0) | {row[0]: row[1] for row in rows}
