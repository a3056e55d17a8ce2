"""The statements of :mod:`serbero.store.outbox_work` that run for every message.

They are built once: SQLAlchemy takes longer to build one than SQLite to run it.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as insert_or

from serbero.model.notification import SOLVER_CHANNELS, OutboxState, TargetSource, TargetState
from serbero.store.schema import outbox, outbox_targets, outbox_wraps

_M, _T, _W = outbox.c, outbox_targets.c, outbox_wraps.c
_NOW: Final = sa.bindparam("now", type_=sa.Integer)
_IDS: Final = sa.bindparam("ids", expanding=True, type_=sa.Integer)
_HELD: Final = sa.func.json_each(sa.bindparam("held", type_=sa.Text)).table_valued("value")

ROW_COLUMNS: Final = (
    _M.id,
    _M.purpose,
    _M.dispute_id,
    _M.anchor,
    _M.recipient,
    _M.recipient_typed,
    _M.notif_type,
    _M.rumor_json,
    _M.enqueued_ms,
    _M.created_at,
    _M.deadline_at,
    _M.state,
    _M.channel,
)
"""In the order of the fields of ``outbox_work.Row``."""

_OF_URGENCY: Final = _M.urgency == sa.bindparam("urgency", type_=sa.Integer)
"""One urgency at a time: the index then gives messages in order, however many more wait."""
_LONGEST_DUE_FIRST: Final = (_M.next_attempt_at, _M.id)
_LONGEST_DUE: Final = (
    sa.select(_M.id)
    .where(
        _OF_URGENCY,
        _M.next_attempt_at <= _NOW,
        _M.deadline_at > _NOW,
        _M.rumor_json.is_not(None),
        # One parameter, however many they are: a list of them could exceed SQLite's limit.
        _M.id.not_in(sa.select(_HELD.c.value)),
    )
    .order_by(*_LONGEST_DUE_FIRST)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
DUE: Final = sa.select(*ROW_COLUMNS).where(_M.id.in_(_LONGEST_DUE)).order_by(*_LONGEST_DUE_FIRST)
OVERDUE: Final = (
    sa.select(*ROW_COLUMNS)
    .where(
        _M.deadline_at <= _NOW,
        _M.next_attempt_at.is_not(None),
        _M.id.not_in(sa.select(_HELD.c.value)),
    )
    .order_by(_M.deadline_at)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
NEXT_DUE_AT: Final = (
    sa.select(_M.next_attempt_at)
    .where(_OF_URGENCY, _M.next_attempt_at.is_not(None), _M.id.not_in(sa.select(_HELD.c.value)))
    .order_by(_M.next_attempt_at)
    .limit(1)
)
_TO_A_SOLVER: Final = _M.channel.in_([each.value for each in SOLVER_CHANNELS])
LIVE_TO_OTHERS: Final = (
    sa.select(*ROW_COLUMNS)
    .where(
        _TO_A_SOLVER,
        _M.next_attempt_at.is_not(None),
        _M.recipient.not_in(
            sa.select(
                sa.func.json_each(sa.bindparam("known", type_=sa.Text))
                .table_valued("value")
                .c.value
            )
        ),
    )
    .order_by(_M.id)
)

_NEW_TARGET: Final = insert_or(outbox_targets)
ADD_TARGET: Final = _NEW_TARGET.on_conflict_do_update(
    index_elements=[_T.outbox_id, _T.relay],
    # A target that was no longer asked is asked again: the recipient reads there once more.
    set_={
        "source": _NEW_TARGET.excluded.source,
        "next_attempt_at": _NEW_TARGET.excluded.next_attempt_at,
    },
    where=sa.and_(_T.state == TargetState.OPEN.value, _T.next_attempt_at.is_(None)),
)
LET_GO: Final = (
    sa.update(outbox_targets)
    .where(_T.outbox_id == sa.bindparam("of"), _T.relay == sa.bindparam("at"))
    .values(next_attempt_at=None)
)
DUE_TARGETS: Final = (
    sa.select(
        _T.outbox_id,
        _T.relay,
        _T.source,
        _W.event_json,
        _T.attempts,
        _T.unclear_replies,
        _T.wraps,
        _T.pow_bits,
        _T.fresh_time,
    )
    .outerjoin(outbox_wraps, _W.event_id == _T.event_id)
    .where(
        _T.outbox_id.in_(_IDS),
        _T.state == TargetState.OPEN.value,
        _T.next_attempt_at <= _NOW,
    )
)

_OF_TARGET: Final = (_T.outbox_id == sa.bindparam("of"), _T.relay == sa.bindparam("at"))
INSERT_WRAP: Final = sa.insert(outbox_wraps)
USE_WRAP: Final = (
    sa.update(outbox_targets)
    .where(*_OF_TARGET)
    .values(event_id=sa.bindparam("wrap"), wraps=_T.wraps + 1)
)
_UNWRAPPED: Final = (_T.state == TargetState.OPEN.value, _T.event_id.is_(None))
PUT_OFF: Final = (
    sa.update(outbox_targets)
    .where(*_OF_TARGET, *_UNWRAPPED)
    .values(next_attempt_at=sa.bindparam("until", type_=sa.Integer))
)
LACKS_WRAP: Final = (
    sa.select(_T.relay)
    .join(outbox, _M.id == _T.outbox_id)
    .where(*_OF_TARGET, *_UNWRAPPED, _M.next_attempt_at.is_not(None))
)
_LASTING: Final = _W.created_at >= sa.bindparam("made_since", type_=sa.Integer)
"""Made late enough for relays to keep it a while."""
ADOPT_WRAP: Final = (
    sa.update(outbox_targets)
    .where(
        _T.outbox_id.in_(_IDS),
        _T.event_id.is_(None),
        _T.wraps == 0,
        sa.exists().where(_W.outbox_id == _T.outbox_id, _LASTING),
    )
    .values(
        event_id=sa.select(_W.event_id)
        .where(_W.outbox_id == _T.outbox_id, _W.event_json.is_not(None), _LASTING)
        .order_by(_W.created_at, _W.event_id)
        .limit(1)
        .scalar_subquery(),
        wraps=1,
    )
)
DROP_WRAP: Final = (
    sa.update(outbox_targets)
    .where(
        _T.outbox_id.in_(_IDS),
        _T.state == TargetState.OPEN.value,
        _T.event_id.in_(sa.select(_W.event_id).where(_W.outbox_id.in_(_IDS), ~_LASTING)),
    )
    .values(
        event_id=None,
        # 0: it shares the next wrap with the other relays. A relay that asked for work or a fresh
        # time needs one of its own.
        wraps=sa.case((sa.and_(_T.pow_bits == 0, _T.fresh_time == 0), 0), else_=1),
    )
)

UPDATE_TARGET: Final = (
    sa.update(outbox_targets)
    .where(*_OF_TARGET)
    .values(
        state=sa.bindparam("new_state"),
        attempts=_T.attempts + 1,
        next_attempt_at=sa.bindparam("next_at"),
        reason=sa.bindparam("why"),
        updated_at=_NOW,
        round_trip_ms=sa.bindparam("trip"),
        unclear_replies=_T.unclear_replies + sa.bindparam("unclear", type_=sa.Integer),
        event_id=sa.case((sa.bindparam("drop", type_=sa.Integer) == 1, None), else_=_T.event_id),
        pow_bits=sa.func.max(_T.pow_bits, sa.bindparam("bits", type_=sa.Integer)),
        fresh_time=sa.func.max(_T.fresh_time, sa.bindparam("fresh", type_=sa.Integer)),
    )
)

SETTLE_SENT: Final = (
    sa.update(outbox)
    .where(
        _M.id.in_(_IDS),
        _M.state.in_([OutboxState.PENDING.value, OutboxState.WITHDRAWN.value]),
    )
    .values(
        state=OutboxState.SENT.value,
        settled_at=_NOW,
        delivery_ms=sa.func.max(0, sa.bindparam("now_ms", type_=sa.Integer) - _M.enqueued_ms),
    )
    .returning(_M.id, _M.delivery_ms)
)

_OF_THIS: Final = _T.outbox_id == _M.id
_EARLIEST: Final = (
    sa.select(sa.func.min(_T.next_attempt_at))
    .where(_OF_THIS, _T.state == TargetState.OPEN.value)
    .scalar_subquery()
)
_IN_AN_INBOX: Final = sa.exists().where(
    _OF_THIS,
    _T.source == TargetSource.INBOX.value,
    _T.state == TargetState.ACCEPTED.value,
)
_PENDING: Final = _M.state == OutboxState.PENDING.value
_SENT: Final = _M.state == OutboxState.SENT.value
RESCHEDULE: Final = (
    sa.update(outbox)
    .where(_M.id.in_(_IDS), _M.next_attempt_at.is_not(None))
    .values(
        next_attempt_at=sa.case(
            (_PENDING, sa.func.coalesce(_EARLIEST, sa.bindparam("idle_until", type_=sa.Integer))),
            (sa.and_(_SENT, _EARLIEST.is_not(None)), _EARLIEST),
            (sa.and_(_SENT, _TO_A_SOLVER, ~_IN_AN_INBOX), _M.deadline_at),
            else_=None,
        )
    )
)
