"""Named high-water marks: how far a stream was read, when something last ran."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.schema import cursors

HORIZON: Final = "horizon"
"""Unix seconds; unknown disputes with an older revision are not ours. Set once, at first start."""
DISPUTES: Final = "disputes"
"""The newest accepted revision's ``created_at``, never beyond our own clock when accepted."""
TRYING: Final = "trying"
"""Until when (Unix seconds) what waits in the outbox was tried, to a minute."""
REFERENCE_TRANSITIONS: Final = "reference_transitions"
"""The newest ``dispute_state_transitions.id`` seen when the database was last opened."""


def get(tx: sa.Connection, name: str) -> int | None:
    """Return a mark, or None if it was never set."""
    value = tx.execute(sa.select(cursors.c.value).where(cursors.c.name == name)).scalar()
    return None if value is None else int(value)


def put(tx: sa.Connection, name: str, value: int) -> None:
    """Set a mark."""
    statement = insert(cursors).values(name=name, value=value)
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def raise_to(tx: sa.Connection, name: str, value: int) -> None:
    """Set a mark unless it stands higher already."""
    statement = insert(cursors).values(name=name, value=value)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"], set_={"value": value}, where=cursors.c.value < value
        )
    )


def ensure(tx: sa.Connection, name: str, value: int) -> int:
    """Set a mark to ``value`` if it was never set, and return what it is."""
    tx.execute(insert(cursors).values(name=name, value=value).on_conflict_do_nothing())
    return get(tx, name) or 0


def lower_to(tx: sa.Connection, name: str, value: int) -> None:
    """Lower a mark to ``value`` where it stands higher; one never set stays unset."""
    tx.execute(
        sa.update(cursors)
        .where(cursors.c.name == name, cursors.c.value > value)
        .values(value=value)
    )


def open_stream(tx: sa.Connection, first_horizon: int, overlap: int, now: int) -> tuple[int, int]:
    """Return the horizon and the time to ask the relays from.

    A new database looks back to ``first_horizon``. One the reference wrote has a cursor already
    (filled in when it was opened), so its horizon does not lie after what it has seen. Marks that
    lie after ``now`` were set by a clock that was ahead: a horizon in the future would hide every
    dispute until then, so this start counts as the first.

    Args:
        tx: the transaction.
        first_horizon: Unix seconds.
        overlap: seconds asked for again before the cursor.
        now: Unix seconds.
    """
    lower_to(tx, DISPUTES, now)
    cursor = get(tx, DISPUTES)
    since = None if cursor is None else cursor - overlap
    first = first_horizon if since is None else min(first_horizon, since)
    if ensure(tx, HORIZON, first) > now:
        put(tx, HORIZON, first)
    horizon = ensure(tx, HORIZON, first)
    return horizon, horizon if since is None else since


def turn_back(tx: sa.Connection, now: int, by: int) -> int:
    """Correct the marks after our clock was set back; return the horizon.

    Args:
        tx: the transaction.
        now: Unix seconds on the corrected clock.
        by: seconds it was set back.
    """
    lower_to(tx, DISPUTES, now)
    horizon = get(tx, HORIZON) or 0
    if horizon > now:
        horizon -= by
        put(tx, HORIZON, horizon)
    return horizon
