"""Who said that they have a dispute, and for how long that counts."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.store.escalation_schema import acknowledgements

_A = acknowledgements.c
_COUNTS: Final = (
    sa.select(_A.id, _A.dispute_id, _A.solver, _A.at, _A.expires_at)
    .where(
        _A.dispute_id == sa.bindparam("of"),
        _A.ended_at.is_(None),
        _A.expires_at > sa.bindparam("now", type_=sa.Integer),
    )
    .order_by(_A.id.desc())
    .limit(1)
)
_LAPSED: Final = (
    sa.select(_A.id, _A.dispute_id, _A.solver, _A.at, _A.expires_at)
    .where(
        _A.dispute_id == sa.bindparam("of"),
        _A.ended_at.is_(None),
        _A.expires_at <= sa.bindparam("now", type_=sa.Integer),
    )
    .order_by(_A.id.desc())
    .limit(1)
)
_END: Final = (
    sa.update(acknowledgements)
    .where(_A.dispute_id == sa.bindparam("of"), _A.ended_at.is_(None))
    .values(ended_at=sa.bindparam("at_"), ended_by=sa.bindparam("by_"))
)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One "I have it". Times are Unix seconds.

    Attributes:
        solver: key in hex.
        expires_at: it counts until then.
    """

    id: int
    dispute_id: str
    solver: str
    at: int
    expires_at: int


def counting(tx: sa.Connection, dispute_id: str, now: int) -> Acknowledgement | None:
    """Return the acknowledgement of a dispute that counts now, or None."""
    row = tx.execute(_COUNTS, {"of": dispute_id, "now": now}).first()
    return None if row is None else Acknowledgement(*row)


def lapsed(tx: sa.Connection, dispute_id: str, now: int) -> Acknowledgement | None:
    """Return the acknowledgement that ran out without anybody having been told so, or None."""
    row = tx.execute(_LAPSED, {"of": dispute_id, "now": now}).first()
    return None if row is None else Acknowledgement(*row)


def add(tx: sa.Connection, dispute_id: str, solver: str, at: int, expires_at: int) -> None:
    """A solver (hex) has a dispute until ``expires_at``."""
    tx.execute(
        sa.insert(acknowledgements).values(
            dispute_id=dispute_id, solver=solver, at=at, expires_at=expires_at
        )
    )


def end(tx: sa.Connection, dispute_id: str, by: str, now: int) -> int:
    """Let what still counts count no more; return how many did."""
    ended = tx.execute(_END, {"of": dispute_id, "at_": now, "by_": by})
    return int(ended.rowcount)


def correct(tx: sa.Connection, now: int) -> None:
    """What was said by a clock that was ahead counts from ``now``, as long as it was to count."""
    tx.execute(
        sa.update(acknowledgements)
        .where(_A.ended_at.is_(None), _A.at > now)
        .values(at=now, expires_at=now + (_A.expires_at - _A.at))
    )
