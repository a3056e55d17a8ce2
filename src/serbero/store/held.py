"""What a solver will read in a digest instead of by itself."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.notification import Purpose
from serbero.store.escalation_schema import held_messages

_H = held_messages.c
_WAITING: Final = (
    sa.select(_H.id, _H.dispute_id, _H.purpose, _H.at)
    .where(_H.solver == sa.bindparam("of"), _H.settled_at.is_(None))
    .order_by(_H.id)
)
_SETTLE: Final = (
    sa.update(held_messages)
    .where(
        _H.dispute_id == sa.bindparam("of"),
        _H.purpose.in_(sa.bindparam("purposes", expanding=True)),
        _H.settled_at.is_(None),
    )
    .values(settled_at=sa.bindparam("now"))
)
_SOLVERS: Final = sa.select(_H.solver).where(_H.settled_at.is_(None)).distinct()


@dataclass(frozen=True, slots=True)
class Held:
    """One message that waits for a digest."""

    id: int
    dispute_id: str
    purpose: Purpose
    at: int


def hold(
    tx: sa.Connection, solver: str, dispute_id: str, purpose: Purpose, anchor: str, at: int
) -> bool:
    """Keep a message for a solver's (hex) digest; False if it was kept before."""
    added = tx.execute(
        insert(held_messages)
        .values(solver=solver, dispute_id=dispute_id, purpose=purpose.value, anchor=anchor, at=at)
        .on_conflict_do_nothing()
    )
    return added.rowcount == 1


def settle(tx: sa.Connection, dispute_id: str, purposes: Collection[Purpose], now: int) -> int:
    """Drop what is no longer true of a dispute; return how many."""
    values = {"of": dispute_id, "purposes": [each.value for each in purposes], "now": now}
    settled = tx.execute(_SETTLE, values)
    return int(settled.rowcount)


def waiting(tx: sa.Connection, solver: str) -> list[Held]:
    """Return what waits for a solver (hex), oldest first."""
    rows = tx.execute(_WAITING, {"of": solver})
    return [Held(row.id, row.dispute_id, Purpose(row.purpose), row.at) for row in rows]


def solvers(tx: sa.Connection) -> list[str]:
    """Return for whom (hex) something waits."""
    return list(tx.execute(_SOLVERS).scalars())


def take(tx: sa.Connection, ids: Sequence[int], now: int) -> None:
    """A digest has told of these."""
    if ids:
        tx.execute(sa.update(held_messages).where(_H.id.in_(ids)).values(settled_at=now))
