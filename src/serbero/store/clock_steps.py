"""Steps of our own clock, on record: whoever reads times later can tell a step from a forgery."""

from typing import Final

import sqlalchemy as sa

from serbero.store import cursors, journal
from serbero.store.mediation_schema import events
from serbero.store.schema import journal as journal_rows
from serbero.store.schema import notifications, outbox, transitions

SET_BACK: Final = "clock_set_back"
SET_FORWARD: Final = "clock_set_forward"
NOTICED_SECONDS: Final = 30
"""A smaller difference is no step."""

_DATED: Final = (
    (journal_rows, journal_rows.c.at),
    (outbox, outbox.c.created_at),
    (notifications, notifications.c.sent_at),
    (transitions, transitions.c.transitioned_at),
    (events, events.c.occurred_at),
)
_TOLD: Final = (
    sa.select(sa.func.max(journal_rows.c.id))
    .where(journal_rows.c.kind == SET_BACK)
    .scalar_subquery()
)


def write(tx: sa.Connection, now: int, by: int) -> None:
    """Record that the clock was set ``by`` seconds on, or back, and says ``now`` since."""
    before = now - by
    if by > 0:
        journal.write(tx, SET_FORWARD, now, payload={"clock_before": before, "seconds": by})
    else:
        journal.write(tx, SET_BACK, now, payload={"clock_before": before, "seconds": -by})


def notice(tx: sa.Connection, now: int) -> int:
    """At a start: record that the clock is behind what was written last; return by how much.

    Returns:
        Seconds; 0 where it is not, or where that is on record already.
    """
    ahead = max(_newest(tx), cursors.get(tx, cursors.TRYING) or 0)
    if ahead <= now + NOTICED_SECONDS or _is_told(tx, ahead):
        return 0
    write(tx, now, now - ahead)
    return ahead - now


def _newest(tx: sa.Connection) -> int:
    """The times of the newest rows, by their numbers."""
    found = [
        tx.execute(sa.select(time).order_by(table.c.id.desc()).limit(1)).scalar()
        for table, time in _DATED
    ]
    return max((each for each in found if isinstance(each, int)), default=0)


def _is_told(tx: sa.Connection, ahead: int) -> bool:
    """Whether the newest step back on record begins at that time or later."""
    row = tx.execute(
        sa.select(
            sa.func.json_extract(journal_rows.c.payload_json, "$.clock_before"),
        ).where(journal_rows.c.id == _TOLD)
    ).first()
    return row is not None and isinstance(row[0], int) and row[0] >= ahead
