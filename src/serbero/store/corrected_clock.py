"""What our own clock wrote while it was ahead, corrected once it is right again.

A row due at a time that lies hours in the future would wait for hours: a clock that was ahead must
not silence us for the difference.
"""

import sqlalchemy as sa

from serbero.model.lifecycle import UNATTENDED
from serbero.model.notification import OutboxState, TargetState, Urgency
from serbero.nostr.replies import is_about_time
from serbero.store import ladders
from serbero.store.mediation_clock import correct_mediation
from serbero.store.schema import disputes, inboxes, outbox, outbox_targets


def correct(tx: sa.Connection, now: int) -> int:
    """Make due now what waits for a later time, and date nothing later than now.

    Run at every start and when the clock was set back. What waits for no reason but a relay's
    backoff is asked about once more; that costs an attempt.

    Args:
        tx: the transaction.
        now: Unix seconds.

    Returns:
        How many messages were made due.
    """
    _date_disputes(tx, now)
    correct_mediation(tx, now)
    ladders.correct(tx, now)
    tx.execute(sa.update(inboxes).where(inboxes.c.checked_at > now).values(checked_at=now))
    targets = outbox_targets.c
    still_to_ask = sa.exists().where(
        targets.outbox_id == outbox.c.id, targets.state == TargetState.OPEN.value
    )
    # Through the index of what is due, one urgency at a time: settled messages cost nothing. A
    # message that was sent and asks nobody rests until its deadline, whatever the clock says.
    waiting = sa.select(outbox.c.id).where(
        outbox.c.urgency.in_([int(each) for each in Urgency]),
        outbox.c.next_attempt_at > now,
        sa.or_(outbox.c.state == OutboxState.PENDING.value, still_to_ask),
    )
    tx.execute(
        sa.update(outbox_targets)
        .where(
            targets.outbox_id.in_(waiting),
            targets.state == TargetState.OPEN.value,
            targets.next_attempt_at > now,
        )
        .values(next_attempt_at=now)
    )
    made_due = tx.execute(
        sa.update(outbox)
        .where(outbox.c.id.in_(waiting))
        .values(next_attempt_at=now, failure_noted_at=sa.func.min(outbox.c.failure_noted_at, now))
    )
    return int(made_due.rowcount)


def ask_again(tx: sa.Connection, now: int) -> int:
    """Ask relays again that refused a waiting message because of its time; return how many.

    A message that was made with the wrong time four times is no relay's fault. Run when the clock
    was set back, and only then.
    """
    targets = outbox_targets.c
    refused = tx.execute(
        sa.select(targets.outbox_id, targets.relay, targets.reason)
        .join(outbox, outbox.c.id == targets.outbox_id)
        .where(
            outbox.c.next_attempt_at.is_not(None),
            outbox.c.state == OutboxState.PENDING.value,
            targets.state == TargetState.REFUSED.value,
        )
    ).all()
    again = [each for each in refused if is_about_time(each.reason or "")]
    for each in again:
        tx.execute(
            sa.update(outbox_targets)
            .where(targets.outbox_id == each.outbox_id, targets.relay == each.relay)
            # With `wraps=0` it would be given the wrap that other relays have, and its wrong time.
            .values(
                state=TargetState.OPEN.value,
                next_attempt_at=now,
                event_id=None,
                wraps=1,
                fresh_time=0,
            )
        )
        tx.execute(
            sa.update(outbox).where(outbox.c.id == each.outbox_id).values(next_attempt_at=now)
        )
    return len(again)


def _date_disputes(tx: sa.Connection, now: int) -> None:
    """Reminders count from these times."""
    unattended = disputes.c.lifecycle_state.in_([each.value for each in UNATTENDED])
    for column in (
        disputes.c.last_notified_at,
        disputes.c.last_state_change,
        disputes.c.detected_at,
    ):
        tx.execute(sa.update(disputes).where(unattended, column > now).values({column: now}))
