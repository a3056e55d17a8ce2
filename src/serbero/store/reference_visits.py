"""When the reference ran on a database of ours: on record for the audit trail.

It writes `notifications` without a message in the outbox, as ours never does. What an open finds so
is noted once in `journal`, with the numbers of the rows.
"""

from typing import Final

import sqlalchemy as sa

from serbero.model.notification import OutboxState
from serbero.model.reference_names import NOTIFICATION_SENT
from serbero.store import cursors, journal
from serbero.store.schema import notifications, outbox

REFERENCE_RAN: Final = "reference_ran"
NOTIFICATIONS: Final = "reference_notifications"
"""The newest ``notifications.id`` seen when the database was last opened."""

_N = notifications.c
_WITHOUT_MESSAGE = sa.select(
    sa.func.min(_N.id).label("first"), sa.func.max(_N.id).label("last"), sa.func.count()
).where(
    _N.id > sa.bindparam("mark"),
    _N.status == NOTIFICATION_SENT,
    ~sa.exists().where(
        outbox.c.dispute_id == _N.dispute_id,
        outbox.c.recipient_typed == _N.solver_pubkey,
        outbox.c.notif_type == _N.notif_type,
        outbox.c.state == OutboxState.SENT.value,
        outbox.c.settled_at == _N.sent_at,
    ),
)


def note(tx: sa.Connection, now: int) -> None:
    """Journal what solvers were told since the last open and not by us; ``now`` in Unix seconds."""
    newest = tx.execute(sa.select(sa.func.max(_N.id))).scalar() or 0
    mark = cursors.get(tx, NOTIFICATIONS)
    if mark == newest:
        return
    cursors.put(tx, NOTIFICATIONS, newest)
    if mark is None:
        return  # a first start: everything before it is the reference's
    first, last, count = tx.execute(_WITHOUT_MESSAGE, {"mark": mark}).one()
    if count:
        payload = {"first_notification": first, "last_notification": last, "notifications": count}
        journal.write(tx, REFERENCE_RAN, now, payload=payload)
