"""Inbox relays that recipients published, as last seen."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.schema import inboxes


@dataclass(frozen=True, slots=True)
class Inbox:
    """One recipient's list.

    Attributes:
        pubkey: the recipient, hex.
        relays: acceptable addresses, possibly none.
        published_at: ``created_at`` of the list, or None if no relay had one.
        checked_at: Unix seconds of the look-up.
    """

    pubkey: str
    relays: tuple[str, ...]
    published_at: int | None
    checked_at: int


def load(tx: sa.Connection, pubkeys: Collection[str]) -> dict[str, Inbox]:
    """Return what is known of the given recipients."""
    rows = tx.execute(sa.select(inboxes).where(inboxes.c.pubkey.in_(list(pubkeys))))
    return {
        row.pubkey: Inbox(
            row.pubkey, tuple(json.loads(row.relays_json)), row.published_at, row.checked_at
        )
        for row in rows
    }


def save(tx: sa.Connection, found: Sequence[Inbox]) -> None:
    """Store look-ups; an older list never replaces a newer one."""
    for inbox in found:
        values = {
            "relays_json": json.dumps(inbox.relays),
            "published_at": inbox.published_at,
            "checked_at": inbox.checked_at,
        }
        statement = insert(inboxes).values(pubkey=inbox.pubkey, **values)
        tx.execute(statement.on_conflict_do_update(index_elements=["pubkey"], set_=values))
