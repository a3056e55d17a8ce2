"""Named high-water marks: how far a stream was read, when something last ran."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.schema import cursors

HORIZON: Final = "horizon"
"""Unix seconds; unknown disputes with an older revision are not ours. Set once, at first start."""
DISPUTES: Final = "disputes"
"""The newest accepted revision's ``created_at``, never beyond our own clock when accepted."""
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


def open_stream(tx: sa.Connection, first_horizon: int, overlap: int) -> tuple[int, int]:
    """Return the horizon and the time to ask the relays from.

    A new database looks back to ``first_horizon``. One the reference wrote has a cursor already
    (filled in when it was opened), so its horizon does not lie after what it has seen.

    Args:
        tx: the transaction.
        first_horizon: Unix seconds.
        overlap: seconds asked for again before the cursor.
    """
    cursor = get(tx, DISPUTES)
    since = None if cursor is None else cursor - overlap
    horizon = ensure(tx, HORIZON, first_horizon if since is None else min(first_horizon, since))
    return horizon, horizon if since is None else since
