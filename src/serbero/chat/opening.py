"""Opening and closing channels inside a transaction of the caller's."""

from collections.abc import Mapping

import sqlalchemy as sa

from serbero.model.notification import Purpose
from serbero.model.party import Party
from serbero.store import chats, outbox


class SharedTradeKeyError(ValueError):
    """Both parties of a dispute would have one trade key: nothing could tell who wrote."""


def open_in(
    tx: sa.Connection, dispute_id: str, trade_keys: Mapping[Party, str], *, since: int, now: int
) -> None:
    """Open a dispute's channels; those that are open stay as they are.

    After the transaction, ``Chats.refresh`` begins to listen. It would at its next look anyway.

    Args:
        tx: the transaction, usually that which records a take.
        dispute_id: which dispute.
        trade_keys: the key of each party that has one, hex.
        since: Unix seconds before which nothing can have been written: the time of the take.
        now: Unix seconds.

    Raises:
        SharedTradeKeyError: both parties have one key; nothing was opened.
    """
    known = {each.party: each.trade_key for each in chats.channels_of(tx, dispute_id)}
    if not _told_apart(known | dict(trade_keys)):
        raise SharedTradeKeyError(f"buyer and seller of {dispute_id} have one trade key")
    for party, trade_key in trade_keys.items():
        chats.open_channel(tx, dispute_id, party, trade_key, since=since, now=now)


def _told_apart(trade_keys: Mapping[Party, str]) -> bool:
    return len({each.lower() for each in trade_keys.values()}) == len(trade_keys)


def close_in(tx: sa.Connection, dispute_id: str, now: int) -> int:
    """End the writing on a dispute's channels and withdraw what no relay has yet.

    Reading goes on for a day: a party may still write, and a dispute may be opened again.

    Args:
        tx: the transaction, usually that which records the end or a takeover.
        dispute_id: which dispute.
        now: Unix seconds.

    Returns:
        How many channels were open.
    """
    outbox.withdraw(tx, dispute_id, [Purpose.PARTY_MESSAGE], now)
    return chats.close_channels(tx, dispute_id, now)
