"""The outbox: messages that were decided, and what each relay said to them.

A row is one logical message on one channel to one recipient, with its final rumor. Rows are only
inserted in the transaction of the decision that causes them. How a row then finds its way to
relays is :mod:`serbero.store.outbox_work`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as insert_or

from serbero.model.notification import (
    Channel,
    NotificationType,
    OutboxState,
    Purpose,
    TargetState,
    Urgency,
)
from serbero.store import held
from serbero.store.outbox_twins import stands_alone, twin_sent
from serbero.store.schema import outbox, outbox_targets

ABOUT_UNATTENDED: Final = (Purpose.INITIAL, Purpose.RENOTIFICATION)
"""Messages that stop being true when somebody takes the dispute or it is closed."""
ABOUT_A_DISPUTE: Final = (*ABOUT_UNATTENDED, Purpose.ASSIGNMENT)
"""Messages that stop being true when the dispute is opened anew."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message to enqueue.

    Attributes:
        purpose: why; settlement is chosen by it.
        dispute_id: which dispute, or None for a message about none.
        anchor: what makes this message another one than the last of the same purpose: the
            revision's event id, the reminder's cycle.
        recipient: the receiver's key in hex.
        recipient_typed: the same key as the operator typed it.
        notif_type: type of its ``notifications`` rows; None leaves none.
        rumor_id: id of the final rumor, hex.
        rumor_json: the final rumor.
        urgency: order within one claim.
        enqueued_ms: Unix milliseconds of the decision.
        deadline_at: Unix seconds after which no relay is asked any more.
    """

    purpose: Purpose
    dispute_id: str | None
    anchor: str
    recipient: str
    recipient_typed: str
    notif_type: NotificationType | None
    rumor_id: str
    rumor_json: str = field(repr=False)
    urgency: Urgency
    enqueued_ms: int
    deadline_at: int
    channel: Channel = Channel.NIP17
    """The same message on two channels is two of these, alike but for this."""
    session_id: str | None = None

    @property
    def created_at(self) -> int:
        """Unix seconds of the decision."""
        return self.enqueued_ms // 1000

    @property
    def dedupe_key(self) -> str:
        """What makes this message the same message; ends in the channel, which twins differ in."""
        about = self.dispute_id or "-"
        return f"{self.purpose}:{about}:{self.anchor}:{self.recipient}:{self.channel}"


# Built once: they run for every dispute, and building one takes longer than running it.
_INSERT = insert_or(outbox).on_conflict_do_nothing()
_OF_DISPUTE = outbox.c.dispute_id == sa.bindparam("of")


def _first_of_each_recipient() -> sa.Select[str, str]:
    """Select (recipient, rumor id) by hopping from one recipient to the next in the index.

    A dispute nobody takes is reminded of for weeks; grouping would read every row of it each time.
    """
    lowest = sa.select(sa.func.min(outbox.c.recipient).label("recipient")).where(_OF_DISPUTE)
    hop = lowest.cte("hop", recursive=True)
    onward = lowest.where(outbox.c.recipient > hop.c.recipient).correlate(hop).scalar_subquery()
    hop = hop.union_all(sa.select(onward).where(hop.c.recipient.is_not(None)))
    root = (
        sa.select(outbox.c.rumor_id)
        .where(_OF_DISPUTE, outbox.c.recipient == hop.c.recipient)
        .order_by(outbox.c.id)
        .limit(1)
        .scalar_subquery()
    )
    return sa.select(hop.c.recipient, root).where(hop.c.recipient.is_not(None))


_THREAD_ROOTS = _first_of_each_recipient()
_UNTOLD = sa.select(outbox.c.recipient).where(
    _OF_DISPUTE,
    outbox.c.state == OutboxState.PENDING.value,
    outbox.c.next_attempt_at.is_not(None),
    ~twin_sent(outbox),
)
_LIVE = sa.update(outbox).where(
    _OF_DISPUTE,
    outbox.c.purpose.in_(sa.bindparam("purposes", expanding=True)),
    outbox.c.next_attempt_at.is_not(None),
)
_WITHDRAW = _LIVE.where(outbox.c.state == OutboxState.PENDING.value).values(
    state=OutboxState.WITHDRAWN.value, settled_at=sa.bindparam("at"), next_attempt_at=None
)
_STOP = _LIVE.values(next_attempt_at=None)
_DEPTH = sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(
    outbox.c.state == OutboxState.PENDING.value, stands_alone(outbox, OutboxState.PENDING)
)


def enqueue(tx: sa.Connection, messages: Sequence[NewMessage]) -> int:
    """Insert messages that are not there yet; return how many were."""
    if not messages:
        return 0
    rows = [
        {
            "dedupe_key": each.dedupe_key,
            "purpose": each.purpose.value,
            "dispute_id": each.dispute_id,
            "session_id": each.session_id,
            "anchor": each.anchor,
            "recipient": each.recipient,
            "recipient_typed": each.recipient_typed,
            "channel": each.channel.value,
            "notif_type": None if each.notif_type is None else each.notif_type.value,
            "rumor_id": each.rumor_id,
            "rumor_json": each.rumor_json,
            "urgency": int(each.urgency),
            "created_at": each.created_at,
            "enqueued_ms": each.enqueued_ms,
            "deadline_at": each.deadline_at,
            "state": OutboxState.PENDING.value,
            "next_attempt_at": each.created_at,
        }
        for each in messages
    ]
    result = tx.execute(_INSERT, rows)
    return int(result.rowcount)


def revive(
    tx: sa.Connection,
    dispute_id: str,
    purpose: Purpose,
    anchor: str,
    now: int,
    deadline_at: int,
    recipients: Collection[str],
) -> int:
    """Make dead messages to ``recipients`` (hex) pending again, on every channel; count the rows.

    Relays that refused them are asked again: what they refuse may have changed. They get the bytes
    they were given before, because a relay that never answered may hold them, unless those are
    about to expire (:func:`serbero.store.outbox_work.drop_wraps`).
    """
    dead = sa.select(outbox.c.id).where(
        outbox.c.dispute_id == dispute_id,
        outbox.c.purpose == purpose.value,
        outbox.c.anchor == anchor,
        outbox.c.state == OutboxState.DEAD.value,
        outbox.c.rumor_json.is_not(None),
        outbox.c.recipient.in_(recipients),
    )
    ids = tx.execute(dead).scalars().all()
    if not ids:
        return 0
    tx.execute(
        sa.update(outbox_targets)
        .where(outbox_targets.c.outbox_id.in_(ids))
        .values(
            state=TargetState.OPEN.value,
            unclear_replies=0,
            wraps=sa.func.min(outbox_targets.c.wraps, 1),
            next_attempt_at=now,
            updated_at=now,
        )
    )
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id.in_(ids))
        .values(
            state=OutboxState.PENDING.value,
            settled_at=None,
            # The round counts from here; `enqueued_ms` keeps the time of the decision.
            created_at=now,
            deadline_at=deadline_at,
            next_attempt_at=now,
        )
    )
    return len(ids)


def withdraw(tx: sa.Connection, dispute_id: str, purposes: Collection[Purpose], now: int) -> int:
    """Withdraw pending messages that are no longer true; return how many.

    Those that some relay took already are not given to further ones.
    """
    values = {"of": dispute_id, "purposes": [each.value for each in purposes]}
    result = tx.execute(_WITHDRAW, {**values, "at": now})
    tx.execute(_STOP, values)
    # What somebody would have read in a digest stops being true as well.
    held.settle(tx, dispute_id, purposes, now)
    return int(result.rowcount)


def recipients_with_pending(tx: sa.Connection, dispute_id: str) -> set[str]:
    """Return who still waits for an earlier message about a dispute (hex keys).

    Whom it reached by one channel does not wait for it, although the other goes on.
    """
    return set(tx.execute(_UNTOLD, {"of": dispute_id}).scalars())


def thread_roots(tx: sa.Connection, dispute_id: str) -> dict[str, str]:
    """Return, per recipient (hex), the id of the rumor that opened the dispute's thread."""
    rows = tx.execute(_THREAD_ROOTS, {"of": dispute_id})
    return {row[0]: row[1] for row in rows}


def recipients_of(
    tx: sa.Connection, dispute_id: str, purpose: Purpose, anchor: str
) -> set[tuple[str, Channel]]:
    """Return who (hex) has a row for one message on which channel, whatever became of it."""
    rows = tx.execute(
        sa.select(outbox.c.recipient, outbox.c.channel).where(
            outbox.c.dispute_id == dispute_id,
            outbox.c.purpose == purpose.value,
            outbox.c.anchor == anchor,
        )
    )
    return {(row[0], Channel(row[1])) for row in rows}


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: messages nobody has yet, and the enqueue time of the oldest (None if none).

    A message on two channels is one message, and is not waiting once it was sent by either: what
    the other still has to do is delivery in progress.
    """

    pending: int
    oldest_created_at: int | None


def depth(tx: sa.Connection) -> Depth:
    """Count what waits, by the index of pending messages."""
    row = tx.execute(_DEPTH).one()
    return Depth(pending=row[0], oldest_created_at=row[1])
