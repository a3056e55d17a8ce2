"""Messages that stopped being true before every relay had them.

The transaction that takes, closes or reopens a dispute ends its messages itself
(:func:`serbero.store.outbox.withdraw`). The functions here look again at what is about to go out:
another program may have moved the dispute, and a later message may say it better.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.model.notification import OutboxState, Purpose
from serbero.store.outbox import ABOUT_UNATTENDED
from serbero.store.outbox_work import Row, finish
from serbero.store.schema import disputes, outbox

_SENT: Final = outbox.alias("sent")
_LATER: Final = outbox.alias("later")
_GIVEN: Final = sa.func.json_each(sa.bindparam("given", type_=sa.Text)).table_valued("value")
_SUPERSEDED: Final = sa.select(_SENT.c.id).where(
    _SENT.c.id.in_(sa.select(_GIVEN.c.value)),
    sa.exists().where(
        _LATER.c.dispute_id == _SENT.c.dispute_id,
        _LATER.c.recipient == _SENT.c.recipient,
        _LATER.c.channel == _SENT.c.channel,
        _LATER.c.id > _SENT.c.id,
        sa.or_(
            _LATER.c.purpose == Purpose.INITIAL.value,
            sa.and_(
                _SENT.c.purpose == Purpose.RENOTIFICATION.value,
                _LATER.c.purpose == Purpose.RENOTIFICATION.value,
            ),
        ),
    ),
)
_STATES: Final = sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state).where(
    disputes.c.dispute_id.in_(sa.select(_GIVEN.c.value))
)


def end_untrue(tx: sa.Connection, rows: Sequence[Row], now: int) -> set[int]:
    """End claimed messages that are no longer true.

    One that no relay took is withdrawn. One that some relay took stays ``sent``, and the other
    relays are no longer asked; that also holds for a reminder once the next one stands, so that
    a relay long away gets what is true now and not a day of reminders.

    Returns:
        The ids withdrawn and the ids no longer asked for, all together.
    """
    states = _states(tx, {row.dispute_id for row in rows if row.dispute_id is not None})
    untrue = {row.id for row in rows if not _true(row.purpose, states.get(row.dispute_id or ""))}
    sent = {row.id for row in rows if row.state is OutboxState.SENT}
    waiting = untrue - sent
    if waiting:
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id.in_(waiting))
            .values(state=OutboxState.WITHDRAWN.value, settled_at=now, next_attempt_at=None)
        )
    over = (untrue & sent) | _superseded(tx, sent - untrue)
    finish(tx, list(over))
    return waiting | over


def ended(tx: sa.Connection, ids: Collection[int]) -> frozenset[int]:
    """Return which of these messages ended since they were claimed."""
    if not ids:
        return frozenset()
    over = sa.select(outbox.c.id).where(outbox.c.id.in_(ids), outbox.c.next_attempt_at.is_(None))
    return frozenset(tx.execute(over).scalars())


def _true(purpose: Purpose, state: Lifecycle | None) -> bool:
    """Whether a message of ``purpose`` still tells what is, its dispute being in ``state``."""
    if state is None:
        return True
    if purpose in ABOUT_UNATTENDED:
        return state in UNATTENDED
    return purpose is not Purpose.ASSIGNMENT or state not in UNATTENDED


def _states(tx: sa.Connection, dispute_ids: Collection[str]) -> dict[str, Lifecycle]:
    if not dispute_ids:
        return {}
    found = tx.execute(_STATES, {"given": json.dumps(list(dispute_ids))})
    return {row[0]: Lifecycle(row[1]) for row in found}


def _superseded(tx: sa.Connection, sent: Collection[int]) -> set[int]:
    if not sent:
        return set()
    return set(tx.execute(_SUPERSEDED, {"given": json.dumps(list(sent))}).scalars())
