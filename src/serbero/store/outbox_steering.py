"""What a person changes in the outbox: a message is tried again, or given up before its time.

Each function is a part of one short transaction beside the daemon, which keeps no row in memory
longer than one pass over it and looks for due work every few seconds. Whether a change is right is
decided by the caller, from the :class:`Facts` read here.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import Channel, OutboxState, Purpose, TargetState
from serbero.store import acknowledgements, parties
from serbero.store.escalation_schema import dispatches_under_way, ladders
from serbero.store.mediation_schema import sessions
from serbero.store.outbox_statements import ROW_COLUMNS
from serbero.store.outbox_work import Row
from serbero.store.schema import (
    chat_cursors,
    disputes,
    outbox,
    outbox_targets,
    revisions,
    transitions,
)

_M, _T = outbox.c, outbox_targets.c
_FOUND: Final = sa.select(*ROW_COLUMNS, _M.session_id, _M.settled_at).where(
    _M.id == sa.bindparam("of", type_=sa.Integer)
)
_NEWEST_AUTHOR: Final = (
    sa.select(sa.func.json_extract(_M.rumor_json, "$.pubkey"))
    .where(_M.rumor_json.is_not(None), sa.func.json_valid(_M.rumor_json) == 1)
    .order_by(_M.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Found:
    """A message a person named.

    Attributes:
        row: as the worker sees it; None where it is of a kind this version does not know.
        state: as it stands there.
        session_id: the mediation it belongs to, if any.
        settled_at: when it was sent, given up or withdrawn, Unix seconds.
    """

    id: int
    row: Row | None
    state: str
    dispute_id: str | None
    session_id: str | None
    settled_at: int | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known around a message: whether it is still true, and who would miss it.

    Attributes:
        lifecycle: state of its dispute; None where it is about none that is on record.
        opening_event_id: the revision that opened the dispute (last).
        reopened: whether it was opened again since the message was decided.
        held: whether we hold the dispute.
        reminding: whether people are reminded of it until somebody has it.
        acknowledged: whether somebody said to have it, and that counts.
        speaking: whether the channel to the party it goes to is open for writing.
        session_state: of the mediation it belongs to; None without one.
        later: whether a later message of its kind stands for the same recipient.
        under_way: whether it is a hand-off that nobody has yet.
        others: whether another message can still bring what this one brings, to whomever.
        author: who wrote it, hex; None where its words were emptied.
    """

    lifecycle: str | None
    opening_event_id: str | None
    reopened: bool
    held: bool
    reminding: bool
    acknowledged: bool
    speaking: bool
    session_state: str | None
    later: bool
    under_way: bool
    others: bool
    author: str | None


def find(tx: sa.Connection, number: int) -> Found | None:
    """Return a message by its number, or None."""
    row = tx.execute(_FOUND, {"of": number}).first()
    if row is None:
        return None
    return Found(
        row.id, _known(row), str(row.state), row.dispute_id, row.session_id, row.settled_at
    )


def _known(row: Any) -> Row | None:
    values = {each.name: getattr(row, each.name) for each in ROW_COLUMNS}
    try:
        values["purpose"] = Purpose(row.purpose)
        values["state"] = OutboxState(row.state)
        values["channel"] = Channel(row.channel)
    except ValueError:
        return None
    return Row(**values)


def facts(tx: sa.Connection, message: Row, session_id: str | None, now: int) -> Facts:
    """Look around a message; ``now`` is Unix seconds."""
    of = message.dispute_id
    lifecycle = opening = None
    if of is not None:
        lifecycle = _value(tx, disputes.c.lifecycle_state, disputes.c.dispute_id == of)
        opening = _value(tx, revisions.c.opening_event_id, revisions.c.dispute_id == of)
    return Facts(
        lifecycle=lifecycle,
        opening_event_id=opening,
        reopened=_is(
            tx,
            transitions.c.dispute_id == of,
            transitions.c.to_state == Lifecycle.NEW.value,
            transitions.c.from_state.is_not(None),
            transitions.c.transitioned_at > message.enqueued_ms // 1000,
        ),
        held=of is not None and parties.holding(tx, of) is not None,
        reminding=_is(tx, ladders.c.dispute_id == of, ladders.c.ended_at.is_(None)),
        acknowledged=of is not None and acknowledgements.counting(tx, of, now) is not None,
        speaking=_is(
            tx,
            chat_cursors.c.dispute_id == of,
            chat_cursors.c.trade_key == message.recipient,
            chat_cursors.c.closed_at.is_(None),
        ),
        session_state=None
        if session_id is None
        else _value(tx, sessions.c.state, sessions.c.session_id == session_id),
        later=_is(tx, *_later(message)),
        under_way=message.anchor.isdigit()
        and message.purpose is Purpose.HANDOFF
        and _is(tx, dispatches_under_way.c.event_id == int(message.anchor)),
        others=_is(tx, *_others(message)),
        author=_author(tx, message),
    )


def newest_author(tx: sa.Connection) -> str | None:
    """Return who wrote the newest message whose words are kept (hex): us, under today's key."""
    return _text(tx.execute(_NEWEST_AUTHOR).scalar())


def _author(tx: sa.Connection, message: Row) -> str | None:
    own = sa.func.json_extract(_M.rumor_json, "$.pubkey")
    readable = sa.func.json_valid(_M.rumor_json) == 1
    return _text(tx.execute(sa.select(own).where(_M.id == message.id, readable)).scalar())


def _later(message: Row) -> tuple[sa.ColumnElement[bool], ...]:
    """Messages of the same kind to the same recipient that were decided later."""
    return (
        _M.dispute_id == message.dispute_id,
        _M.recipient == message.recipient,
        _M.channel == message.channel.value,
        _M.id > message.id,
        sa.or_(
            _M.purpose == message.purpose.value,
            sa.and_(
                sa.literal(message.purpose.value) == Purpose.RENOTIFICATION.value,
                _M.purpose == Purpose.INITIAL.value,
            ),
        ),
    )


def _others(message: Row) -> tuple[sa.ColumnElement[bool], ...]:
    """Messages that can still bring what this one brings.

    The dead first messages of a dispute nobody was told of are tried again by the daemon; other
    dead ones are not. Who gets the hand-off needs no alert.
    """
    alive = [OutboxState.PENDING.value, OutboxState.SENT.value]
    if message.purpose is Purpose.INITIAL:
        alive = [OutboxState.PENDING.value, OutboxState.DEAD.value]
    same = sa.and_(_M.purpose == message.purpose.value, _M.anchor == message.anchor)
    if message.purpose is Purpose.MEDIATION_ESCALATION:
        handoff = sa.and_(_M.purpose == Purpose.HANDOFF.value, _M.id > message.id)
        same = sa.or_(same, handoff)
    return (
        _M.dispute_id == message.dispute_id,
        same,
        _M.id != message.id,
        _M.state.in_(alive),
        sa.or_(_M.rumor_json.is_not(None), _M.state == OutboxState.SENT.value),
    )


def _is(tx: sa.Connection, *conditions: sa.ColumnElement[bool]) -> bool:
    return tx.execute(sa.select(sa.literal(1)).where(*conditions).limit(1)).first() is not None


def _value(
    tx: sa.Connection, column: sa.Column[Any], condition: sa.ColumnElement[bool]
) -> str | None:
    return _text(tx.execute(sa.select(column).where(condition)).scalar())


def _text(value: object) -> str | None:
    return None if value is None else str(value)


# --- changes -------------------------------------------------------------------------------


def revive(tx: sa.Connection, number: int, now: int, deadline_at: int) -> None:
    """Let a dead message live again, or one whose deadline has passed: same rumor, same bytes.

    Relays that refused it are asked again: what they refuse may have changed. Each is given the
    bytes it was given before, because one that never answered may hold them, unless those are
    about to expire (:func:`serbero.store.outbox_work.drop_wraps`).

    Args:
        tx: the transaction.
        number: which message.
        now: Unix seconds.
        deadline_at: Unix seconds after which no relay is asked any more.
    """
    _reopen(tx, number, now, [TargetState.OPEN, TargetState.REFUSED])
    tx.execute(
        sa.update(outbox)
        .where(_M.id == number)
        .values(
            state=OutboxState.PENDING.value,
            settled_at=None,
            # Its round counts from here; `enqueued_ms` keeps the time of the decision.
            created_at=now,
            deadline_at=deadline_at,
            next_attempt_at=now,
        )
    )


def hasten(tx: sa.Connection, number: int, now: int) -> None:
    """Make a pending message due now on every relay that has not got it, refusals included."""
    _reopen(tx, number, now, [TargetState.REFUSED])
    waiting = (_T.outbox_id == number, _T.state == TargetState.OPEN.value, _T.next_attempt_at > now)
    tx.execute(sa.update(outbox_targets).where(*waiting).values(next_attempt_at=now))
    tx.execute(
        sa.update(outbox)
        .where(_M.id == number, sa.func.coalesce(_M.next_attempt_at, now + 1) > now)
        .values(next_attempt_at=now)
    )


def _reopen(tx: sa.Connection, number: int, now: int, states: Collection[TargetState]) -> None:
    tx.execute(
        sa.update(outbox_targets)
        .where(_T.outbox_id == number, _T.state.in_([each.value for each in states]))
        .values(
            state=TargetState.OPEN.value,
            unclear_replies=0,
            wraps=sa.func.min(_T.wraps, 1),
            next_attempt_at=now,
            updated_at=now,
        )
    )


def withdraw(tx: sa.Connection, number: int, now: int) -> None:
    """Withdraw a pending or a dead message: no relay is asked any more, and nobody misses it."""
    tx.execute(
        sa.update(outbox)
        .where(
            _M.id == number,
            _M.state.in_([OutboxState.PENDING.value, OutboxState.DEAD.value]),
        )
        .values(state=OutboxState.WITHDRAWN.value, settled_at=now, next_attempt_at=None)
    )
