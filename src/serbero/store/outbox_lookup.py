"""Messages to be found in the outbox by whoever only looks. Reads only.

A database of the reference has no outbox. Purposes, channels, states and relays' words stay texts:
an older or newer version may have written them. The words of a message are never read here.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.notification import OutboxState
from serbero.store.outbox_twins import twin_sent
from serbero.store.schema import chat_cursors, outbox, outbox_targets

_M, _T, _C = outbox.c, outbox_targets.c, chat_cursors.c
_FOREVER: Final = 2**62
"""Later than anything; a text that stands where a time should is later still."""
_AT_ONCE: Final = 500
_BY_TIME: Final = "ix_outbox_enqueued"
_INDEXED: Final = (
    OutboxState.PENDING.value,
    OutboxState.DEAD.value,
    OutboxState.WITHDRAWN.value,
)
"""States whose messages have an index of their own, because they are few among many."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """One relay of a message, and what it said.

    Attributes:
        source: why it is asked: configured, inbox or node.
        state: open, accepted or refused.
        next_attempt_at: Unix seconds; None when it is not to be asked (any more).
        reason: its own words, or what happened instead; None after a success or before any.
        round_trip_ms: publish to OK, of the attempt that succeeded.
    """

    relay: str
    source: str
    state: str
    attempts: int
    next_attempt_at: int | None
    reason: str | None
    updated_at: int
    round_trip_ms: int | None


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of the outbox without its words. Times are Unix seconds.

    Attributes:
        recipient: key in hex.
        party: which side of a dispute it goes to; None where it goes to a solver, or to a party
            whose channel is not on record.
        enqueued_at: when it was decided.
        deadline_at: until when relays are asked.
        settled_at: when it was first taken by a relay, given up or withdrawn.
        delivery_ms: from the decision to the first success.
        kept: whether its words are still there; a purge empties them.
        sent_otherwise: whether the same message went out on the recipient's other channel.
        relays: what each relay said.
    """

    id: int
    purpose: str
    dispute_id: str | None
    session_id: str | None
    recipient: str
    party: str | None
    channel: str
    state: str
    enqueued_at: int
    deadline_at: int
    settled_at: int | None
    delivery_ms: int | None
    next_attempt_at: int | None
    kept: bool
    sent_otherwise: bool
    relays: tuple[Attempted, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages; None and empty are no condition.

    Attributes:
        states: only in these.
        recipients: only to keys (hex) that begin like one of these.
        since: decided at this Unix second or later.
        until: decided before it.
    """

    states: Collection[str] = ()
    dispute_id: str | None = None
    purpose: str | None = None
    recipient: str | None = None
    since: int | None = None
    until: int | None = None


def has_outbox(tx: sa.Connection) -> bool:
    """Whether the database is of a version that has an outbox."""
    named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {outbox.name, outbox_targets.name} <= set(named.scalars())


def newest(tx: sa.Connection, wanted: Wanted, limit: int) -> list[Letter]:
    """Return the messages meant, those decided last first, at most ``limit``."""
    if not has_outbox(tx):
        return []
    named = sa.select(_M.id).where(*_conditions(wanted)).limit(limit)
    if wanted.states and wanted.dispute_id is None and set(wanted.states) <= set(_INDEXED):
        # The plus: by the index of the state, not by number or time through all that were sent.
        named = named.where(*_decided(wanted, sa.literal_column("+outbox.enqueued_ms")))
        named = named.order_by(sa.literal_column("+outbox.id").desc())
        each = [_of_state(named, state) for state in set(wanted.states)]
        found = sorted((row.id for one in each for row in tx.execute(one)), reverse=True)[:limit]
    else:
        named = named.where(*_among(wanted.states), *_decided(wanted), *_numbers(tx, wanted))
        found = list(tx.execute(named.order_by(_M.id.desc())).scalars())
    letters = _letters(tx).where(_M.id.in_(sa.bindparam("ids", expanding=True)))
    rows = [
        row
        for first in range(0, len(found), _AT_ONCE)
        for row in tx.execute(letters, {"ids": found[first : first + _AT_ONCE]})
    ]
    return _with_relays(tx, sorted(rows, key=lambda row: row.id, reverse=True))


def _numbers(tx: sa.Connection, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    """Between which numbers the messages of a period lie, by the index of their times.

    A list goes by number, backwards from the last; all that is newer than the period would be read
    on the way. Databases of an older version lack the index.
    """
    if wanted.dispute_id is not None or (wanted.since is None and wanted.until is None):
        return []
    indexes = tx.exec_driver_sql(
        "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", (_BY_TIME,)
    )
    if indexes.first() is None:
        return []
    numbers = sa.select(sa.func.min(_M.id), sa.func.max(_M.id))
    first, last = tx.execute(numbers.where(*_decided(wanted))).one()
    return [sa.false()] if first is None else [_M.id.between(first, last)]


def one(tx: sa.Connection, number: int) -> Letter | None:
    """Return one message by its number, or None."""
    if not has_outbox(tx):
        return None
    found = _with_relays(tx, list(tx.execute(_letters(tx).where(_M.id == number))))
    return found[0] if found else None


def dead_since(tx: sa.Connection, since: int | None, after: int, limit: int) -> list[int]:
    """Return the numbers of messages that were given up and went out on no other channel.

    Args:
        tx: the transaction.
        since: only those given up at this Unix second or later; None for all.
        after: only those with a higher number.
        limit: at most so many, lowest first.
    """
    if not has_outbox(tx):
        return []
    state = _of_literal_state(OutboxState.DEAD.value)
    query = sa.select(_M.id).where(state, ~twin_sent(outbox), _M.id > after)
    if since is not None:
        query = query.where(_M.settled_at.between(since, _FOREVER))
    return list(tx.execute(query.order_by(_M.id).limit(limit)).scalars())


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    chosen: list[sa.ColumnElement[bool]] = []
    if wanted.dispute_id is not None:
        chosen.append(_M.dispute_id == wanted.dispute_id)
    if wanted.purpose is not None:
        chosen.append(_M.purpose == wanted.purpose)
    if wanted.recipient is not None:
        size = len(wanted.recipient)
        chosen.append(sa.func.substr(_M.recipient, 1, size) == wanted.recipient)
    return chosen


def _decided(
    wanted: Wanted, at: sa.ColumnElement[int] = _M.enqueued_ms
) -> list[sa.ColumnElement[bool]]:
    """Whether it was decided in the period."""
    chosen: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        chosen.append(at.between(wanted.since * 1000, _FOREVER))
    if wanted.until is not None:
        chosen.append(at < wanted.until * 1000)
    return chosen


def _among(states: Collection[str]) -> list[sa.ColumnElement[bool]]:
    return [_M.state.in_(sorted(states))] if states else []


def _of_state(query: sa.Select[Any], state: str) -> sa.Select[Any]:
    return query.where(_of_literal_state(state))


def _of_literal_state(state: str) -> sa.ColumnElement[bool]:
    """A partial index serves only a condition that is written out like its own."""
    return _M.state == sa.literal_column(f"'{OutboxState(state).value}'")


def _letters(tx: sa.Connection) -> sa.Select[Any]:
    side = sa.select(_C.party).where(_C.dispute_id == _M.dispute_id, _C.trade_key == _M.recipient)
    named = sa.inspect(tx).has_table(chat_cursors.name)
    return sa.select(
        _M.id,
        _M.purpose,
        _M.dispute_id,
        _M.session_id,
        _M.recipient,
        (side.limit(1).scalar_subquery() if named else sa.null()).label("party"),
        _M.channel,
        _M.state,
        _M.enqueued_ms,
        _M.deadline_at,
        _M.settled_at,
        _M.delivery_ms,
        _M.next_attempt_at,
        _M.rumor_json.is_not(None).label("kept"),
        twin_sent(outbox).label("sent_otherwise"),
    )


def _with_relays(tx: sa.Connection, rows: Sequence[Any]) -> list[Letter]:
    ids = [row.id for row in rows]
    found: dict[int, list[Attempted]] = {each: [] for each in ids}
    for first in range(0, len(ids), _AT_ONCE):
        chosen = _T.outbox_id.in_(ids[first : first + _AT_ONCE])
        for row in tx.execute(
            sa.select(outbox_targets).where(chosen).order_by(_T.outbox_id, _T.relay)
        ):
            found[row.outbox_id].append(_attempted(row))
    return [_letter(row, tuple(found[row.id])) for row in rows]


def _attempted(row: Any) -> Attempted:
    return Attempted(
        relay=str(row.relay),
        source=str(row.source),
        state=str(row.state),
        attempts=_number(row.attempts) or 0,
        next_attempt_at=_number(row.next_attempt_at),
        reason=None if row.reason is None else str(row.reason),
        updated_at=_number(row.updated_at) or 0,
        round_trip_ms=_number(row.round_trip_ms),
    )


def _letter(row: Any, relays: tuple[Attempted, ...]) -> Letter:
    return Letter(
        id=row.id,
        purpose=str(row.purpose),
        dispute_id=_text(row.dispute_id),
        session_id=_text(row.session_id),
        recipient=str(row.recipient),
        party=_text(row.party),
        channel=str(row.channel),
        state=str(row.state),
        enqueued_at=(_number(row.enqueued_ms) or 0) // 1000,
        deadline_at=_number(row.deadline_at) or 0,
        settled_at=_number(row.settled_at),
        delivery_ms=_number(row.delivery_ms),
        next_attempt_at=_number(row.next_attempt_at),
        kept=bool(row.kept),
        sent_otherwise=bool(row.sent_otherwise),
        relays=relays,
    )


def _number(value: object) -> int | None:
    """A whole number; None for whatever else somebody wrote there."""
    return value if isinstance(value, int) else None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
