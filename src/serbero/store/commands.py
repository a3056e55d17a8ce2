"""Which messages of solvers were answered, and what their answers are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.store.escalation_schema import acknowledgements, commands_seen, ladders
from serbero.store.schema import disputes, parties, revisions

_D, _R, _A, _L = disputes.c, revisions.c, acknowledgements.c, ladders.c
_OPEN: Final = [each.value for each in Lifecycle if each is not Lifecycle.RESOLVED]
_UUID_CHARACTERS: Final = 36
_RUNNING: Final = _L.next_at >= 0
"""Not merely "is not NULL": so the index of those that run is used, and history costs nothing."""
_WAITED_FOR: Final = sa.exists().where(_L.dispute_id == _D.dispute_id, _L.ended_at.is_(None))
_MOST_URGENT_FIRST: Final = sa.case(
    (_WAITED_FOR, 0),
    (_D.lifecycle_state == Lifecycle.ESCALATED.value, 1),
    (_D.lifecycle_state.in_([each.value for each in UNATTENDED]), 2),
    (_D.lifecycle_state == Lifecycle.WAITING.value, 3),
    else_=4,
)
_OPENED_AT: Final = sa.func.coalesce(_R.opened_at, _R.opening_created_at, _D.event_timestamp)
_SEEN: Final = sa.select(sa.literal(1)).where(commands_seen.c.message_id == sa.bindparam("of"))
_FIRST: Final = (
    insert(commands_seen)
    .values(message_id=sa.bindparam("message"), solver=sa.bindparam("by"), at=sa.bindparam("when"))
    .on_conflict_do_nothing()
)


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a dispute and may be told. Times are Unix seconds.

    Attributes:
        ours: whether we hold it.
        handed_over_at: when the ladder that runs began; None without one.
    """

    dispute_id: str
    state: Lifecycle
    initiator: str
    opened_at: int
    ours: bool
    handed_over_at: int | None

    @property
    def closed(self) -> bool:
        """Whether it was closed at the node."""
        return self.state is Lifecycle.RESOLVED


@dataclass(frozen=True, slots=True)
class Holder:
    """Who (hex) said to have a dispute, until when (Unix seconds)."""

    dispute_id: str
    solver: str
    until: int


def seen(tx: sa.Connection, message_id: str) -> bool:
    """Whether a message was taken up before."""
    return tx.execute(_SEEN, {"of": message_id}).first() is not None


def first_time(tx: sa.Connection, message_id: str, solver: str, now: int) -> bool:
    """Take up a message of a solver (hex); False if it was taken up before."""
    added = tx.execute(_FIRST, {"message": message_id, "by": solver, "when": now})
    return added.rowcount == 1


def forget(tx: sa.Connection, before: int) -> int:
    """Forget messages taken up before then (Unix seconds); return how many."""
    gone = tx.execute(sa.delete(commands_seen).where(commands_seen.c.at < before))
    return int(gone.rowcount)


def open_ids(tx: sa.Connection, node: str, limit: int) -> list[str]:
    """Return open disputes of a node (hex), the most urgent first, then the oldest."""
    rows = tx.execute(
        sa.select(_D.dispute_id)
        .outerjoin(revisions, _R.dispute_id == _D.dispute_id)
        .where(*_of(node), _D.lifecycle_state.in_(_OPEN))
        .order_by(_MOST_URGENT_FIRST, _OPENED_AT, _D.dispute_id)
        .limit(limit)
    )
    return list(rows.scalars())


def count_open(tx: sa.Connection, node: str) -> dict[Lifecycle, int]:
    """Return how many disputes of a node are in each state but ``resolved``."""
    rows = tx.execute(
        sa.select(_D.lifecycle_state, sa.func.count())
        .where(*_of(node), _D.lifecycle_state.in_(_OPEN))
        .group_by(_D.lifecycle_state)
    )
    found = {row[0]: row[1] for row in rows}
    return {Lifecycle(each): found[each] for each in _OPEN if each in found}


def beginning_with(
    tx: sa.Connection, node: str, beginning: str, limit: int, *, only_open: bool
) -> list[str]:
    """Return disputes of a node whose ids begin so, in order; ``beginning`` is hex and hyphens."""
    query = (
        sa.select(_D.dispute_id)
        # Every character of an id stands before `g`: a range of the primary key.
        .where(_D.dispute_id >= beginning, _D.dispute_id < f"{beginning}g", *_of(node))
        .order_by(_D.dispute_id)
        .limit(limit)
    )
    if only_open:
        query = query.where(_D.lifecycle_state.in_(_OPEN))
    return list(tx.execute(query).scalars())


def told(tx: sa.Connection, ids: Sequence[str]) -> list[Told]:
    """Return what may be told of these disputes, in their order."""
    rows = tx.execute(
        sa.select(
            _D.dispute_id,
            _D.lifecycle_state,
            _D.initiator_role,
            _OPENED_AT.label("opened_at"),
            parties.c.dispute_id.is_not(None).label("ours"),
            _L.started_at,
        )
        .select_from(
            disputes.outerjoin(revisions, _R.dispute_id == _D.dispute_id)
            .outerjoin(
                parties,
                sa.and_(parties.c.dispute_id == _D.dispute_id, parties.c.released_at.is_(None)),
            )
            .outerjoin(ladders, sa.and_(_L.dispute_id == _D.dispute_id, _L.ended_at.is_(None)))
        )
        .where(_D.dispute_id.in_(list(ids)))
    )
    found = {
        row.dispute_id: Told(
            dispute_id=row.dispute_id,
            state=Lifecycle(row.lifecycle_state),
            initiator=row.initiator_role,
            opened_at=row.opened_at,
            ours=bool(row.ours),
            handed_over_at=row.started_at,
        )
        for row in rows
    }
    return [found[each] for each in ids if each in found]


def holders(tx: sa.Connection, now: int) -> list[Holder]:
    """Return every acknowledgement that counts, of the disputes that wait longest first."""
    rows = tx.execute(
        sa.select(_L.id, _A.id, _A.dispute_id, _A.solver, _A.expires_at)
        .join(acknowledgements, _A.dispute_id == _L.dispute_id)
        .where(_RUNNING, _A.ended_at.is_(None), _A.expires_at > now)
    )
    found = sorted(tuple(row) for row in rows)
    newest = {dispute_id: Holder(dispute_id, *rest) for _, _, dispute_id, *rest in found}
    return list(newest.values())


def waiting_ids(tx: sa.Connection, now: int) -> list[str]:
    """Return the disputes that were handed over and nobody has, the longest waiting first."""
    has_it = sa.exists().where(
        _A.dispute_id == _L.dispute_id, _A.ended_at.is_(None), _A.expires_at > now
    )
    rows = tx.execute(sa.select(_L.id, _L.dispute_id).where(_RUNNING, ~has_it))
    return [dispute_id for _, dispute_id in sorted(tuple(row) for row in rows)]


def _of(node: str) -> tuple[sa.ColumnElement[bool], ...]:
    """Disputes of one node that people can be told of: an id that is none is nothing to type."""
    return (_D.mostro_pubkey == node, sa.func.length(_D.dispute_id) == _UUID_CHARACTERS)
