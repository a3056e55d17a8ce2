"""What a party message's first success changes; runs in the transaction that records it."""

import json
from typing import Final

import sqlalchemy as sa

from serbero.model.party import Party
from serbero.store import chats, journal
from serbero.store.outbox_work import Row

OUTBOUND_SENT: Final = "outbound_sent"


def party_message_sent(tx: sa.Connection, row: Row, now: int) -> None:
    """Write one ``outbound_sent`` a message, whichever envelope a relay took first.

    Args:
        tx: the transaction.
        row: one envelope of the message.
        now: Unix seconds.
    """
    inner_id = _inner_id(row.rumor_json)
    if row.dispute_id is None or inner_id is None:
        return
    if chats.is_journalled(tx, row.dispute_id, OUTBOUND_SENT, inner_id):
        return
    journal.write(
        tx,
        OUTBOUND_SENT,
        now,
        dispute_id=row.dispute_id,
        session_id=chats.session_of(tx, row.id),
        payload={"inner_id": inner_id, "party": _party(tx, row)},
    )


def _inner_id(rumor_json: str | None) -> str | None:
    """The id of the inner event; None once a purge emptied the row."""
    if rumor_json is None:
        return None
    identifier = json.loads(rumor_json)["id"]
    return str(identifier)


def _party(tx: sa.Connection, row: Row) -> Party | None:
    known = chats.channels_of(tx, row.dispute_id or "")
    return next((each.party for each in known if each.trade_key == row.recipient), None)
