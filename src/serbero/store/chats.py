"""Chat channels: where they stand, and which messages were accepted on them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.notification import Purpose
from serbero.model.party import Party
from serbero.mostro.chat import Envelope
from serbero.store.schema import chat_cursors, chat_seen, journal, outbox

_C, _S = chat_cursors.c, chat_seen.c

Key = tuple[str, Party]
"""A dispute and a side: one channel."""


@dataclass(frozen=True, slots=True)
class StoredChannel:
    """One channel. Times are Unix seconds.

    Attributes:
        dispute_id: which dispute.
        party: which side.
        trade_key: that side's key, hex.
        cursor: outer time of the newest accepted message, as far as relays were read.
        opened_at: when it was opened.
        envelope: in what the party wrote its latest message; None before it wrote.
        envelope_at: when it wrote that; None before.
        closed_at: when writing ended; None while it goes on.
    """

    dispute_id: str
    party: Party
    trade_key: str
    cursor: int
    opened_at: int
    envelope: Envelope | None
    envelope_at: int | None
    closed_at: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a message changes in its channel.

    Attributes:
        key: the channel.
        cursor: where its cursor must stand at least.
        envelope: in what the party wrote its latest message; None leaves it as it is.
        envelope_at: when it wrote that, Unix seconds; None with ``envelope``.
    """

    key: Key
    cursor: int
    envelope: Envelope | None
    envelope_at: int | None


_COLUMNS: Final = (
    _C.dispute_id,
    _C.party,
    _C.trade_key,
    _C.cursor,
    _C.opened_at,
    _C.envelope,
    _C.envelope_at,
    _C.closed_at,
)
_OPEN = sa.select(*_COLUMNS).where(_C.closed_at.is_(None)).order_by(_C.opened_at)
_CLOSED_SINCE = (
    sa.select(*_COLUMNS)
    .where(_C.closed_at.is_not(None), _C.closed_at > sa.bindparam("since", type_=sa.Integer))
    .order_by(_C.closed_at)
)
_OF_CHANNEL: Final = (_C.dispute_id == sa.bindparam("of"), _C.party == sa.bindparam("side"))
_ONE = sa.select(*_COLUMNS).where(*_OF_CHANNEL)
_OF_DISPUTE = sa.select(*_COLUMNS).where(_C.dispute_id == sa.bindparam("of"))
_ADVANCE = (
    sa.update(chat_cursors)
    .where(*_OF_CHANNEL)
    .values(
        cursor=sa.func.max(_C.cursor, sa.bindparam("at_least", type_=sa.Integer)),
        envelope=sa.func.coalesce(sa.bindparam("used", type_=sa.Text), _C.envelope),
        envelope_at=sa.func.coalesce(sa.bindparam("used_at", type_=sa.Integer), _C.envelope_at),
    )
)
_GIVEN = sa.func.json_each(sa.bindparam("given", type_=sa.Text)).table_valued("value")
_NEW = sa.select(
    *(sa.func.json_extract(_GIVEN.c.value, f"$[{place}]", type_=sa.Text) for place in range(3)),
    sa.bindparam("now", type_=sa.Integer),
).where(sa.true())  # without a condition SQLite reads ON CONFLICT as part of a join
_REMEMBER = (
    insert(chat_seen)
    .from_select([_S.dispute_id, _S.party, _S.inner_id, _S.accepted_at], _NEW)
    .on_conflict_do_nothing()
    .returning(_S.dispute_id, _S.party, _S.inner_id)
)
_SAID = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.dispute_id == sa.bindparam("of"),
        outbox.c.purpose == Purpose.PARTY_MESSAGE.value,
        outbox.c.anchor == sa.bindparam("about"),
        outbox.c.recipient == sa.bindparam("to"),
    )
    .limit(1)
)
_OURS = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.dispute_id == sa.bindparam("of"),
        outbox.c.purpose == Purpose.PARTY_MESSAGE.value,
        outbox.c.recipient == sa.bindparam("to"),
        outbox.c.rumor_id == sa.bindparam("inner"),
    )
    .limit(1)
)
_JOURNALLED = (
    sa.select(journal.c.id)
    .where(
        journal.c.dispute_id == sa.bindparam("of"),
        journal.c.kind == sa.bindparam("what"),
        sa.func.json_extract(journal.c.payload_json, "$.inner_id") == sa.bindparam("inner"),
    )
    .limit(1)
)
_SESSION = sa.select(outbox.c.session_id).where(outbox.c.id == sa.bindparam("row"))


def _stored(
    row: sa.Row[str, str, str, int, int, str | None, int | None, int | None],
) -> StoredChannel:
    return StoredChannel(
        dispute_id=row[0],
        party=Party(row[1]),
        trade_key=row[2],
        cursor=row[3],
        opened_at=row[4],
        envelope=None if row[5] is None else Envelope(row[5]),
        envelope_at=row[6],
        closed_at=row[7],
    )


def open_channel(
    tx: sa.Connection, dispute_id: str, party: Party, trade_key: str, *, since: int, now: int
) -> None:
    """Open a channel, or open a closed one again; one that is open stays as it is.

    A channel with another trade key is another channel: its cursor and envelope begin anew.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        party: which side.
        trade_key: that side's key, hex.
        since: Unix seconds before which nothing can have been written.
        now: Unix seconds.
    """
    new = insert(chat_cursors).values(
        dispute_id=dispute_id, party=party.value, trade_key=trade_key, cursor=since, opened_at=now
    )
    same = _C.trade_key == new.excluded.trade_key
    tx.execute(
        new.on_conflict_do_update(
            index_elements=[_C.dispute_id, _C.party],
            set_={
                "trade_key": new.excluded.trade_key,
                "cursor": sa.case((same, _C.cursor), else_=new.excluded.cursor),
                "opened_at": sa.case((same, _C.opened_at), else_=new.excluded.opened_at),
                "envelope": sa.case((same, _C.envelope), else_=None),
                "envelope_at": sa.case((same, _C.envelope_at), else_=None),
                "closed_at": None,
            },
        )
    )


def close_channels(tx: sa.Connection, dispute_id: str, now: int) -> int:
    """End the writing on a dispute's channels; return how many were open."""
    result = tx.execute(
        sa.update(chat_cursors)
        .where(_C.dispute_id == dispute_id, _C.closed_at.is_(None))
        .values(closed_at=now)
    )
    return int(result.rowcount)


def channels(tx: sa.Connection, closed_since: int) -> list[StoredChannel]:
    """Return the open channels and those closed after ``closed_since`` (Unix seconds)."""
    rows = [*tx.execute(_OPEN), *tx.execute(_CLOSED_SINCE, {"since": closed_since})]
    return [_stored(row) for row in rows]


def channels_of(tx: sa.Connection, dispute_id: str) -> list[StoredChannel]:
    """Return a dispute's channels, closed ones too."""
    return [_stored(row) for row in tx.execute(_OF_DISPUTE, {"of": dispute_id})]


def channel(tx: sa.Connection, dispute_id: str, party: Party) -> StoredChannel | None:
    """Return one channel, closed or not."""
    row = tx.execute(_ONE, {"of": dispute_id, "side": party.value}).one_or_none()
    return None if row is None else _stored(row)


def remember(
    tx: sa.Connection, messages: Collection[tuple[Key, str]], now: int
) -> set[tuple[Key, str]]:
    """Remember messages (channel, inner id) as accepted; return which were not before.

    One statement for a batch: it runs for every message of every party.

    Args:
        tx: the transaction.
        messages: any number of them.
        now: Unix seconds.
    """
    given = json.dumps([[key[0], key[1].value, inner_id] for key, inner_id in messages])
    rows = tx.execute(_REMEMBER, {"given": given, "now": now})
    return {((row[0], Party(row[1])), row[2]) for row in rows}


def move_on(tx: sa.Connection, standings: Sequence[Standing]) -> None:
    """Move channels' cursors on, never back, and note in what their parties write."""
    if standings:
        tx.execute(
            _ADVANCE,
            [
                {
                    "of": each.key[0],
                    "side": each.key[1].value,
                    "at_least": each.cursor,
                    "used": each.envelope,
                    "used_at": each.envelope_at,
                }
                for each in standings
            ],
        )


def was_said(tx: sa.Connection, dispute_id: str, anchor: str, trade_key: str) -> bool:
    """Whether a message to this party (hex) with this anchor was ever enqueued."""
    asked = {"of": dispute_id, "about": anchor, "to": trade_key}
    return tx.execute(_SAID, asked).first() is not None


def is_ours(tx: sa.Connection, dispute_id: str, trade_key: str, inner_id: str) -> bool:
    """Whether a message (hex id) was ever enqueued to this party (hex) about this dispute."""
    asked = {"of": dispute_id, "to": trade_key, "inner": inner_id}
    return tx.execute(_OURS, asked).first() is not None


def is_journalled(tx: sa.Connection, dispute_id: str, kind: str, inner_id: str) -> bool:
    """Whether the journal holds an event of this kind about this message."""
    asked = {"of": dispute_id, "what": kind, "inner": inner_id}
    return tx.execute(_JOURNALLED, asked).first() is not None


def session_of(tx: sa.Connection, outbox_id: int) -> str | None:
    """Return the session an outbox row belongs to."""
    return tx.execute(_SESSION, {"row": outbox_id}).scalar()
