"""What a delivered message changes in its dispute; runs in the transaction that records it."""

import sqlalchemy as sa

from serbero.intake.announcing import reminds_of
from serbero.model.dispute import Moved
from serbero.model.lifecycle import Lifecycle
from serbero.model.reference_names import TRIGGER_INITIAL_NOTIFICATION
from serbero.store import disputes
from serbero.store.outbox_work import Row


def initial_sent(tx: sa.Connection, row: Row, now: int) -> Moved | None:
    """``new`` becomes ``notified`` at the first success of any solver's first message.

    A message of an earlier opening, delivered after the dispute was opened anew, counts for
    nothing: the new opening has messages of its own.
    """
    if row.dispute_id is None:
        return None
    known = disputes.load_known(tx, [row.dispute_id]).get(row.dispute_id)
    if known is None or known.opening_event_id != row.anchor:
        return None
    disputes.raise_last_notified(tx, row.dispute_id, row.created_at)
    if known.state is not Lifecycle.NEW:
        return None
    return disputes.transition(
        tx,
        row.dispute_id,
        Lifecycle.NEW,
        Lifecycle.NOTIFIED,
        at=now,
        trigger=TRIGGER_INITIAL_NOTIFICATION,
    )


def reminder_sent(tx: sa.Connection, row: Row, _now: int) -> None:
    """The round counts from its enqueue time once it reached anybody.

    One that was on its way while the dispute was opened anew says nothing about the new opening.
    """
    if row.dispute_id is None:
        return
    known = disputes.load_known(tx, [row.dispute_id]).get(row.dispute_id)
    if known is None or known.opening_event_id is None:
        return
    if reminds_of(row.anchor, known.opening_event_id):
        disputes.raise_last_notified(tx, row.dispute_id, row.created_at)
