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
from serbero.store.outbox_twins import twin_sent
from serbero.store.outbox_work import Row, finish
from serbero.store.schema import disputes, outbox

_EARLIER: Final = outbox.alias("earlier")
_LATER: Final = outbox.alias("later")
_GIVEN: Final = sa.func.json_each(sa.bindparam("given", type_=sa.Text)).table_valued("value")
_SUPERSEDED: Final = sa.select(_EARLIER.c.id).where(
    _EARLIER.c.id.in_(sa.select(_GIVEN.c.value)),
    sa.exists().where(
        _LATER.c.dispute_id == _EARLIER.c.dispute_id,
        _LATER.c.recipient == _EARLIER.c.recipient,
        _LATER.c.channel == _EARLIER.c.channel,
        _LATER.c.id > _EARLIER.c.id,
        sa.or_(
            _LATER.c.purpose == Purpose.INITIAL.value,
            sa.and_(
                _EARLIER.c.purpose == Purpose.RENOTIFICATION.value,
                _LATER.c.purpose == Purpose.RENOTIFICATION.value,
            ),
        ),
    ),
)
_SUPERSEDED_BY_TWIN: Final = _SUPERSEDED.where(twin_sent(_EARLIER))
_STATES: Final = sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state).where(
    disputes.c.dispute_id.in_(sa.select(_GIVEN.c.value))
)


def end_untrue(tx: sa.Connection, rows: Sequence[Row], now: int) -> set[int]:
    """End claimed messages that are no longer true.

    One that no relay took is withdrawn. One that some relay took stays ``sent``, and the other
    relays are no longer asked; that also holds for a reminder once the next one stands, so that
    a relay long away gets what is true now and not a day of reminders. One that no relay took on
    this channel, but that was sent by its twin, is like one that was sent.

    Returns:
        The ids withdrawn and the ids no longer asked for, all together.
    """
    states = _states(tx, {row.dispute_id for row in rows if row.dispute_id is not None})
    untrue = {row.id for row in rows if not _true(row.purpose, states.get(row.dispute_id or ""))}
    sent = {row.id for row in rows if row.state is OutboxState.SENT}
    # Nothing can supersede a message in the very second of its decision. Most claims come that
    # early, and then no statement is run.
    late = {row.id for row in rows if row.created_at < now} - sent - untrue
    waiting = (untrue - sent) | _superseded(tx, late, _SUPERSEDED_BY_TWIN)
    if waiting:
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id.in_(waiting))
            .values(state=OutboxState.WITHDRAWN.value, settled_at=now, next_attempt_at=None)
        )
    over = (untrue & sent) | _superseded(tx, sent - untrue, _SUPERSEDED)
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
    if purpose is Purpose.PARTY_MESSAGE:
        return state is not Lifecycle.RESOLVED
    return purpose is not Purpose.ASSIGNMENT or state not in UNATTENDED


def _states(tx: sa.Connection, dispute_ids: Collection[str]) -> dict[str, Lifecycle]:
    if not dispute_ids:
        return {}
    found = tx.execute(_STATES, {"given": json.dumps(list(dispute_ids))})
    return {row[0]: Lifecycle(row[1]) for row in found}


def _superseded(tx: sa.Connection, ids: Collection[int], query: sa.Select[int]) -> set[int]:
    if not ids:
        return set()
    return set(tx.execute(query, {"given": json.dumps(list(ids))}).scalars())
