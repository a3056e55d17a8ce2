"""What was told of messages that reached nobody yet, so that the same is not told all the time."""

from collections.abc import Iterable

import sqlalchemy as sa

from serbero.model.notification import OutboxState
from serbero.store.outbox_twins import FailureNote, note, twins_of
from serbero.store.schema import outbox


def noted(tx: sa.Connection, row_id: int) -> tuple[FailureNote, ...] | None:
    """Return what was noted of a message that waits for its first success, on either channel.

    None if it does not wait: it is settled, or its twin was sent.
    """
    found = tx.execute(
        sa.select(outbox.c.failure_noted, outbox.c.failure_noted_at).where(
            outbox.c.id == row_id, outbox.c.state == OutboxState.PENDING.value
        )
    ).one_or_none()
    if found is None:
        return None
    own, twin = note(found[0], found[1]), twins_of(tx, [row_id]).get(row_id)
    if twin is None:
        return (own,)
    return None if twin.state is OutboxState.SENT else (own, twin.note)


def write(tx: sa.Connection, row_id: int, outcomes: Iterable[str], now: int) -> None:
    """Remember that a ``failed`` row was written, and what has been told."""
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id)
        .values(failure_noted_at=now, failure_noted=" ".join(sorted(outcomes)))
    )
