"""Mediations that could not begin by a fault of our own: on record, so that they have an end."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.store import journal
from serbero.store.schema import journal as rows

START_FAILED: Final = "start_failed"
_NEWEST: Final = 20_000
"""Journal rows that are looked through for what failed lately: there is no index of kinds."""

_J: Final = rows.c
_OF: Final = _J.dispute_id == sa.bindparam("of")
_REOPENED: Final = (
    sa.select(sa.func.max(_J.id)).where(_OF, _J.kind == "dispute_reopened").scalar_subquery()
)
_COUNT: Final = sa.select(sa.func.count()).where(
    _OF, _J.kind == START_FAILED, _J.id > sa.func.coalesce(_REOPENED, 0)
)
_RECENT: Final = sa.select(_J.kind, _J.dispute_id, _J.at).order_by(_J.id.desc()).limit(_NEWEST)


def count(tx: sa.Connection, dispute_id: str) -> int:
    """Return how often it failed since the dispute was (last) opened."""
    return int(tx.execute(_COUNT, {"of": dispute_id}).scalar_one())


def write(tx: sa.Connection, dispute_id: str, fault: str, now: int) -> int:
    """Record that it failed; return how often it has.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        fault: the exception's class; its words may be anybody's.
        now: Unix seconds.
    """
    attempt = count(tx, dispute_id) + 1
    payload = {"attempt": attempt, "fault": fault}
    journal.write(tx, START_FAILED, now, dispute_id=dispute_id, payload=payload)
    return attempt


@dataclass(frozen=True, slots=True)
class Lately:
    """Starts that failed not long ago.

    Attributes:
        disputes: of so many disputes.
        last_dispute: the one it happened to last.
        last_at: then, Unix seconds.
    """

    disputes: int
    last_dispute: str
    last_at: int


def lately(tx: sa.Connection, since: int) -> Lately | None:
    """Return what failed since then (Unix seconds), or None."""
    newest = _RECENT.subquery()
    found = tx.execute(
        sa.select(newest.c.dispute_id, newest.c.at).where(
            newest.c.kind == START_FAILED, newest.c.at >= since
        )
    ).all()
    known = [each for each in found if each.dispute_id is not None]
    if not known:
        return None
    last = max(known, key=lambda each: each.at)
    return Lately(len({each.dispute_id for each in known}), last.dispute_id, last.at)
