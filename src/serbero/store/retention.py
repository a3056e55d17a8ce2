"""What is not kept for ever, whatever is configured: texts of settled messages, old records.

A settled message stays a row that says what was sent to whom, when and to which relays; its text
and the bytes relays were given go after thirty days. What the solvers' commands leave is removed
by who answers them (:func:`serbero.store.commands.forget`).
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import OutboxState
from serbero.store import journal, watches
from serbero.store.believed_time import believed
from serbero.store.purge import CONTENTS_PURGED, Emptied
from serbero.store.schema import alerts, disputes, outbox, outbox_wraps
from serbero.store.watches import Duty

KEPT_SECONDS: Final = 30 * 86_400
"""After its settlement a message is emptied; an alert and a watch are removed after theirs."""

_O, _W, _D, _A, _G = outbox.c, outbox_wraps.c, disputes.c, alerts.c, watches.watches.c
_BEFORE: Final = sa.bindparam("before", type_=sa.Integer)
_MANY: Final = sa.bindparam("many", type_=sa.Integer)
_IDS: Final = sa.bindparam("ids", expanding=True, type_=sa.Integer)
_UNTOLD: Final = sa.and_(
    _O.state == OutboxState.DEAD.value,
    sa.exists().where(_D.dispute_id == _O.dispute_id, _D.lifecycle_state == Lifecycle.NEW.value),
)
"""Nobody was told of the dispute: the same words are sent when it is announced at last."""
_SETTLED: Final = (
    sa.select(_O.id)
    .where(
        _O.settled_at.is_not(None),
        _O.settled_at <= _BEFORE,
        _O.rumor_json.is_not(None),
        _O.next_attempt_at.is_(None),
        ~_UNTOLD,
    )
    .order_by(_O.settled_at)
    .limit(_MANY)
)
_EMPTY: Final = sa.update(outbox).where(_O.id.in_(_IDS)).values(rumor_json=None)
_UNWRAP: Final = (
    sa.update(outbox_wraps)
    .where(_W.outbox_id.in_(_IDS), _W.event_json.is_not(None))
    .values(event_json=None)
)


def empty_settled(tx: sa.Connection, now: int, many: int) -> Emptied:
    """Empty messages that were settled thirty days ago, the oldest first, and journal the batch.

    Args:
        tx: the transaction.
        now: Unix seconds.
        many: messages at most; fewer were emptied once none are left.
    """
    before = believed(tx, now) - KEPT_SECONDS
    ids = tx.execute(_SETTLED, {"before": before, "many": many}).scalars().all()
    if not ids:
        return Emptied()
    wraps = tx.execute(_UNWRAP, {"ids": ids}).rowcount
    messages = tx.execute(_EMPTY, {"ids": ids}).rowcount
    journal.write(
        tx,
        CONTENTS_PURGED,
        now,
        payload={
            "outbox": messages,
            "wraps": wraps,
            "settled_before": before,
            "first_outbox_id": min(ids),
            "last_outbox_id": max(ids),
        },
    )
    return Emptied(outbox=messages, wraps=wraps)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many rows were removed: alerts that are over, and watches that tell nothing any more."""

    alerts: int = 0
    watches: int = 0

    def __add__(self, other: "Removed") -> "Removed":
        return Removed(self.alerts + other.alerts, self.watches + other.watches)


_OLD_ALERTS: Final = (
    sa.select(_A.id).where(_A.settled_at.is_not(None), _A.settled_at <= _BEFORE).limit(_MANY)
)
_FIRST_OPEN: Final = sa.select(sa.func.min(_D.detected_at)).where(
    _D.lifecycle_state.in_([each.value for each in Lifecycle if each is not Lifecycle.RESOLVED])
)
_NEWEST_WATCH: Final = (
    sa.select(sa.func.max(_G.id)).where(_G.duty == sa.bindparam("of")).scalar_subquery()
)
_OLD_WATCHES: Final = sa.delete(watches.watches).where(
    _G.duty == sa.bindparam("of"), _G.seen_at < _BEFORE, _G.id != _NEWEST_WATCH
)


def remove_old(tx: sa.Connection, now: int, many: int) -> Removed:
    """Remove alerts that were settled thirty days ago (``many`` at most), and old watches.

    A watch is kept while a dispute is open that it may have to say something of, and the newest of
    each duty in any case.
    """
    before = believed(tx, now) - KEPT_SECONDS
    old = tx.execute(_OLD_ALERTS, {"before": before, "many": many}).scalars().all()
    if old:
        tx.execute(sa.delete(alerts).where(_A.id.in_(old)))
    first_open = tx.execute(_FIRST_OPEN).scalar()
    ended = before if first_open is None else min(before, first_open)
    gone = sum(
        tx.execute(_OLD_WATCHES, {"of": duty.value, "before": ended}).rowcount for duty in Duty
    )
    return Removed(len(old), gone)
