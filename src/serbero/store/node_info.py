"""What the node last said of itself: its info event and its relay list, as verified."""

import json
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.schema import node_info


@dataclass(frozen=True, slots=True)
class Remembered:
    """One node.

    Attributes:
        info_event: the newest info event (kind 38385) as JSON, None if there was none.
        info_seen_at: Unix seconds at which a relay last showed it to us.
        relays: addresses of the newest relay list (kind 10002), as it names them.
        relays_created_at: Unix seconds, that list's own stamp; None if there was none.
    """

    info_event: str | None
    info_seen_at: int | None
    relays: tuple[str, ...]
    relays_created_at: int | None


def load(tx: sa.Connection, node: str) -> Remembered:
    """Return what is known of the node with this key (hex)."""
    row = tx.execute(sa.select(node_info).where(node_info.c.node == node)).one_or_none()
    if row is None:
        return Remembered(None, None, (), None)
    return Remembered(
        row.info_json,
        row.info_seen_at,
        tuple(json.loads(row.relays_json)),
        row.relays_created_at,
    )


def save_info(tx: sa.Connection, node: str, event: str, created_at: int, ceiling: int) -> None:
    """Keep an info event unless a newer one is kept.

    Args:
        tx: the transaction.
        node: its key in hex.
        event: the verified event as JSON.
        created_at: its stamp, Unix seconds.
        ceiling: Unix seconds; what is kept with a later stamp came with a wrong clock of ours
            and gives way.
    """
    kept = node_info.c.info_created_at
    values = {"info_json": event, "info_created_at": created_at}
    statement = insert(node_info).values(node=node, **values)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["node"], set_=values, where=_gives_way(kept, created_at, ceiling)
        )
    )


def save_relays(
    tx: sa.Connection, node: str, relays: tuple[str, ...], created_at: int, ceiling: int
) -> None:
    """Keep a relay list unless a newer one is kept; arguments as in :func:`save_info`."""
    kept = node_info.c.relays_created_at
    values = {"relays_json": json.dumps(relays), "relays_created_at": created_at}
    statement = insert(node_info).values(node=node, **values)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["node"], set_=values, where=_gives_way(kept, created_at, ceiling)
        )
    )


def save_seen(tx: sa.Connection, node: str, seen_at: int) -> None:
    """Note when a relay last showed the kept info event, Unix seconds."""
    tx.execute(sa.update(node_info).where(node_info.c.node == node).values(info_seen_at=seen_at))


def _gives_way(
    kept: sa.Column[int | None], created_at: int, ceiling: int
) -> sa.ColumnElement[bool]:
    return sa.or_(kept.is_(None), kept <= created_at, kept > ceiling)
