"""How late it is, for what cannot be undone: our own clock may be years ahead until it is set."""

from typing import Final

import sqlalchemy as sa

from serbero.store import cursors
from serbero.store.schema import node_info

MOST_SILENCE: Final = 86_400
"""Seconds that our clock is believed to have gone on since the node was last heard."""

_HEARD: Final = sa.select(sa.func.max(node_info.c.info_created_at)).where(
    node_info.c.info_created_at <= sa.bindparam("now", type_=sa.Integer)
)


def believed(tx: sa.Connection, now: int) -> int:
    """Return how late it is at least, as far as others bear it out: ``now``, or earlier.

    Emptying cannot be undone, nor can a session's end be, or a hand-off's. The node dates what it
    says of itself every few minutes. Where it says nothing our clock has to do.

    Args:
        tx: the transaction; a reading one will do.
        now: Unix seconds, by our own clock.
    """
    heard = tx.execute(_HEARD, {"now": now}).scalar()
    if not isinstance(heard, int):
        return now
    return min(now, max(heard, cursors.get(tx, cursors.DISPUTES) or 0) + MOST_SILENCE)
