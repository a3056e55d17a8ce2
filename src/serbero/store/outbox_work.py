"""The outbox as its worker sees it: what is due, for which relays, with which bytes.

A target is one relay a message must reach; a wrap is the exact bytes it is given. A wrap is
committed before any relay sees it, and a relay gets another one only after refusing the last.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as insert_or

from serbero.model.held import Target, TargetUpdate
from serbero.model.lifecycle import UNATTENDED
from serbero.model.notification import OutboxState, Purpose, TargetSource, TargetState
from serbero.store.outbox import ABOUT_UNATTENDED
from serbero.store.schema import disputes, outbox, outbox_targets, outbox_wraps


@dataclass(frozen=True, slots=True)
class Row:
    """One message the worker holds."""

    id: int
    purpose: Purpose
    dispute_id: str | None
    anchor: str
    recipient: str
    recipient_typed: str
    notif_type: str | None
    rumor_json: str
    enqueued_ms: int
    created_at: int
    deadline_at: int
    state: OutboxState
    failure_noted_at: int | None
    failure_noted: str | None


_ROW_COLUMNS = (
    outbox.c.id,
    outbox.c.purpose,
    outbox.c.dispute_id,
    outbox.c.anchor,
    outbox.c.recipient,
    outbox.c.recipient_typed,
    outbox.c.notif_type,
    outbox.c.rumor_json,
    outbox.c.enqueued_ms,
    outbox.c.created_at,
    outbox.c.deadline_at,
    outbox.c.state,
    outbox.c.failure_noted_at,
    outbox.c.failure_noted,
)


def _row(found: Any) -> Row:
    values = found._asdict()
    values["purpose"] = Purpose(values["purpose"])
    values["state"] = OutboxState(values["state"])
    return Row(**values)


def due(tx: sa.Connection, now: int, limit: int, held: Collection[int]) -> list[Row]:
    """Return messages with something to do now, most urgent first, without those in ``held``."""
    query = (
        sa.select(*_ROW_COLUMNS)
        .where(outbox.c.next_attempt_at <= now, outbox.c.rumor_json.is_not(None))
        .order_by(outbox.c.urgency, outbox.c.next_attempt_at, outbox.c.id)
        # The held ones are skipped below: as SQL parameters they could exceed SQLite's limit.
        .limit(limit + len(held))
    )
    rows = [_row(found) for found in tx.execute(query)]
    return [row for row in rows if row.id not in held][:limit]


def overdue(tx: sa.Connection, now: int, held: Collection[int]) -> list[Row]:
    """Return messages whose deadline has passed while something was still to do."""
    query = sa.select(*_ROW_COLUMNS).where(
        outbox.c.deadline_at <= now, outbox.c.next_attempt_at.is_not(None)
    )
    return [row for row in map(_row, tx.execute(query)) if row.id not in held]


def add_targets(
    tx: sa.Connection,
    rows: Iterable[Row],
    relays: Mapping[str, Mapping[str, TargetSource]],
    now: int,
) -> None:
    """Give each message the relays of its recipient that it does not have yet.

    Args:
        tx: the transaction.
        rows: claimed messages.
        relays: recipient (hex) to relay URL to why.
        now: Unix seconds.
    """
    values = [
        {
            "outbox_id": row.id,
            "relay": url,
            "source": source.value,
            "state": TargetState.OPEN.value,
            "next_attempt_at": now,
            "updated_at": now,
        }
        for row in rows
        for url, source in relays.get(row.recipient, {}).items()
    ]
    if values:
        tx.execute(insert_or(outbox_targets).on_conflict_do_nothing(), values)


def due_targets(tx: sa.Connection, ids: Sequence[int], now: int) -> dict[int, list[Target]]:
    """Return, per message, the relays to ask now and the bytes for each."""
    rows = tx.execute(
        sa.select(
            outbox_targets.c.outbox_id,
            outbox_targets.c.relay,
            outbox_wraps.c.event_json,
            outbox_targets.c.attempts,
            outbox_targets.c.unclear_replies,
            outbox_targets.c.wraps,
            outbox_targets.c.pow_bits,
            outbox_targets.c.fresh_time,
        )
        .outerjoin(outbox_wraps, outbox_wraps.c.event_id == outbox_targets.c.event_id)
        .where(
            outbox_targets.c.outbox_id.in_(ids),
            outbox_targets.c.state == TargetState.OPEN.value,
            outbox_targets.c.next_attempt_at <= now,
        )
    )
    found: dict[int, list[Target]] = {}
    for row in rows:
        found.setdefault(row.outbox_id, []).append(
            Target(
                relay=row.relay,
                event_json=row.event_json,
                attempts=row.attempts,
                unclear_replies=row.unclear_replies,
                wraps=row.wraps,
                pow_bits=row.pow_bits,
                fresh_time=bool(row.fresh_time),
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class NewWrap:
    """Bytes made for some relays of one message, to be committed before any of them sees them."""

    outbox_id: int
    event_id: str
    event_json: str
    relays: tuple[str, ...]


def save_wraps(tx: sa.Connection, wraps: Sequence[NewWrap], now: int) -> None:
    """Commit wraps; from now on their relays get those bytes and no others."""
    if not wraps:
        return
    tx.execute(
        sa.insert(outbox_wraps),
        [
            {
                "event_id": each.event_id,
                "outbox_id": each.outbox_id,
                "event_json": each.event_json,
                "created_at": now,
            }
            for each in wraps
        ],
    )
    tx.execute(
        sa.update(outbox_targets)
        .where(
            outbox_targets.c.outbox_id == sa.bindparam("of"),
            outbox_targets.c.relay == sa.bindparam("at"),
        )
        .values(event_id=sa.bindparam("wrap"), wraps=outbox_targets.c.wraps + 1),
        [
            {"of": each.outbox_id, "at": relay, "wrap": each.event_id}
            for each in wraps
            for relay in each.relays
        ],
    )


def adopt_wraps(tx: sa.Connection, ids: Sequence[int]) -> None:
    """Give targets that never had a wrap the bytes the other relays of their message have."""
    first = (
        sa.select(outbox_wraps.c.event_id)
        .where(
            outbox_wraps.c.outbox_id == outbox_targets.c.outbox_id,
            outbox_wraps.c.event_json.is_not(None),
        )
        .order_by(outbox_wraps.c.created_at, outbox_wraps.c.event_id)
        .limit(1)
        .scalar_subquery()
    )
    tx.execute(
        sa.update(outbox_targets)
        .where(
            outbox_targets.c.outbox_id.in_(ids),
            outbox_targets.c.event_id.is_(None),
            outbox_targets.c.wraps == 0,
            sa.exists().where(outbox_wraps.c.outbox_id == outbox_targets.c.outbox_id),
        )
        .values(event_id=first, wraps=1)
    )


def update_targets(tx: sa.Connection, updates: Sequence[TargetUpdate], now: int) -> None:
    """Record attempts."""
    columns = outbox_targets.c
    tx.execute(
        sa.update(outbox_targets)
        .where(columns.outbox_id == sa.bindparam("of"), columns.relay == sa.bindparam("at"))
        .values(
            state=sa.bindparam("new_state"),
            attempts=columns.attempts + 1,
            next_attempt_at=sa.bindparam("next_at"),
            reason=sa.bindparam("why"),
            updated_at=now,
            round_trip_ms=sa.bindparam("trip"),
            unclear_replies=columns.unclear_replies + sa.bindparam("unclear", type_=sa.Integer),
            event_id=sa.case(
                (sa.bindparam("drop", type_=sa.Integer) == 1, None), else_=columns.event_id
            ),
            pow_bits=sa.func.max(columns.pow_bits, sa.bindparam("bits", type_=sa.Integer)),
            fresh_time=sa.func.max(columns.fresh_time, sa.bindparam("fresh", type_=sa.Integer)),
        ),
        [
            {
                "of": each.outbox_id,
                "at": each.relay,
                "new_state": each.state.value,
                "next_at": each.next_attempt_at,
                "why": each.reason,
                "trip": each.round_trip_ms,
                "unclear": int(each.unclear),
                "drop": int(each.drop_wrap),
                "bits": each.pow_bits,
                "fresh": int(each.fresh_time),
            }
            for each in updates
        ],
    )


def settle(tx: sa.Connection, row_id: int, state: OutboxState, now: int) -> bool:
    """Move a pending message to ``state``, dead or withdrawn; False if it is settled already."""
    result = tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id, outbox.c.state == OutboxState.PENDING.value)
        .values(state=state.value, settled_at=now)
    )
    return result.rowcount == 1


def settle_sent(tx: sa.Connection, ids: Sequence[int], now_ms: int) -> dict[int, int]:
    """Mark messages as sent that are not yet; return each one's latency in milliseconds.

    A message withdrawn while it was on its way did go out: ``sent`` overrides ``withdrawn``.

    Args:
        tx: the transaction.
        ids: messages some relay took.
        now_ms: Unix milliseconds.
    """
    latency = sa.func.max(0, now_ms - outbox.c.enqueued_ms)
    unsent = [OutboxState.PENDING.value, OutboxState.WITHDRAWN.value]
    settled = tx.execute(
        sa.update(outbox)
        .where(outbox.c.id.in_(ids), outbox.c.state.in_(unsent))
        .values(state=OutboxState.SENT.value, settled_at=now_ms // 1000, delivery_ms=latency)
        .returning(outbox.c.id, outbox.c.delivery_ms)
    )
    return {row[0]: row[1] for row in settled}


def is_pending(tx: sa.Connection, row_id: int) -> bool:
    """Whether a message still waits for its first success."""
    state = tx.execute(sa.select(outbox.c.state).where(outbox.c.id == row_id)).scalar()
    return state == OutboxState.PENDING.value


def reschedule(tx: sa.Connection, ids: Sequence[int], idle_until: int) -> None:
    """Set when each message next needs work: when the first of its open targets does.

    Without an open target, a pending message is looked at again at ``idle_until``, and a sent
    one that no inbox relay took stays live until its deadline: its recipient may name other
    relays by then. Anything else is done.
    """
    of_this = outbox_targets.c.outbox_id == outbox.c.id
    earliest = (
        sa.select(sa.func.min(outbox_targets.c.next_attempt_at))
        .where(of_this, outbox_targets.c.state == TargetState.OPEN.value)
        .scalar_subquery()
    )
    in_an_inbox = sa.exists().where(
        of_this,
        outbox_targets.c.source == TargetSource.INBOX.value,
        outbox_targets.c.state == TargetState.ACCEPTED.value,
    )
    pending = outbox.c.state == OutboxState.PENDING.value
    sent = outbox.c.state == OutboxState.SENT.value
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id.in_(ids))
        .values(
            next_attempt_at=sa.case(
                (pending, sa.func.coalesce(earliest, idle_until)),
                (sa.and_(sent, earliest.is_not(None)), earliest),
                (sa.and_(sent, ~in_an_inbox), outbox.c.deadline_at),
                else_=None,
            )
        )
    )


def finish(tx: sa.Connection, ids: Sequence[int]) -> None:
    """Stop asking anybody about these messages."""
    if ids:
        tx.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(next_attempt_at=None))


def note_failure(tx: sa.Connection, row_id: int, reason: str, now: int) -> None:
    """Remember that a ``failed`` row was written, and why."""
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id)
        .values(failure_noted_at=now, failure_noted=reason)
    )


def already_sent_elsewhere(tx: sa.Connection, settled: Sequence[int]) -> set[int]:
    """Return those of the just settled messages that had succeeded on another channel before.

    Of two channels that succeed together, the message enqueued first counts.
    """
    other = outbox.alias()
    earlier = other.c.id < outbox.c.id
    rows = tx.execute(
        sa.select(outbox.c.id).where(
            outbox.c.id.in_(settled),
            sa.exists().where(
                other.c.dispute_id == outbox.c.dispute_id,
                other.c.purpose == outbox.c.purpose,
                other.c.anchor == outbox.c.anchor,
                other.c.recipient == outbox.c.recipient,
                other.c.channel != outbox.c.channel,
                other.c.state == OutboxState.SENT.value,
                sa.or_(earlier, other.c.id.not_in(settled)),
            ),
        )
    )
    return set(rows.scalars())


def wake_relay(tx: sa.Connection, relay: str, now: int) -> int:
    """Make everything that waits for one relay due now; return how many messages."""
    waiting = sa.select(outbox_targets.c.outbox_id).where(
        outbox_targets.c.relay == relay, outbox_targets.c.next_attempt_at > now
    )
    ids = tx.execute(waiting).scalars().all()
    if not ids:
        return 0
    tx.execute(
        sa.update(outbox_targets)
        .where(outbox_targets.c.relay == relay, outbox_targets.c.next_attempt_at > now)
        .values(next_attempt_at=now)
    )
    woken = tx.execute(
        sa.update(outbox)
        .where(
            outbox.c.next_attempt_at > now,
            outbox.c.id.in_(
                sa.select(outbox_targets.c.outbox_id).where(
                    outbox_targets.c.relay == relay, outbox_targets.c.next_attempt_at == now
                )
            ),
        )
        .values(next_attempt_at=now)
    )
    return int(woken.rowcount)


def wake_recipient(tx: sa.Connection, recipient: str, now: int) -> int:
    """Look again at a recipient's live messages: new relays of his became known."""
    result = tx.execute(
        sa.update(outbox)
        .where(
            outbox.c.recipient == recipient,
            outbox.c.next_attempt_at.is_not(None),
            outbox.c.deadline_at > now,
        )
        .values(next_attempt_at=now)
    )
    return int(result.rowcount)


def count_unreached_inboxes(tx: sa.Connection) -> int:
    """Count live messages that were sent, to a recipient with inbox relays, but to none of them."""
    inbox = sa.and_(
        outbox_targets.c.outbox_id == outbox.c.id,
        outbox_targets.c.source == TargetSource.INBOX.value,
    )
    query = sa.select(sa.func.count()).where(
        outbox.c.next_attempt_at.is_not(None),
        outbox.c.state == OutboxState.SENT.value,
        sa.exists().where(inbox),
        ~sa.exists().where(inbox, outbox_targets.c.state == TargetState.ACCEPTED.value),
    )
    return int(tx.execute(query).scalar_one())


def next_due_at(tx: sa.Connection, held: Collection[int]) -> int | None:
    """Return when the next message needs work, Unix seconds, or None.

    Those in ``held`` do not count: they are due until their relays answer, and whoever waits for
    that is woken by the answer.
    """
    query = (
        sa.select(outbox.c.id, outbox.c.next_attempt_at)
        .where(outbox.c.next_attempt_at.is_not(None))
        .order_by(outbox.c.next_attempt_at)
        .limit(len(held) + 1)
    )
    return next((row.next_attempt_at for row in tx.execute(query) if row.id not in held), None)


def withdraw_untrue(tx: sa.Connection, rows: Sequence[Row], now: int) -> set[int]:
    """Withdraw claimed messages about unattended disputes that are attended by now.

    The transaction that takes or closes a dispute withdraws them already; this catches what
    another program wrote meanwhile.

    Returns:
        The ids withdrawn.
    """
    about = {row.id: row.dispute_id for row in rows if row.purpose in ABOUT_UNATTENDED}
    pending = [row for row in rows if row.id in about and row.state is OutboxState.PENDING]
    if not pending:
        return set()
    attended = set(
        tx.execute(
            sa.select(disputes.c.dispute_id).where(
                disputes.c.dispute_id.in_({about[row.id] for row in pending}),
                disputes.c.lifecycle_state.not_in([each.value for each in UNATTENDED]),
            )
        ).scalars()
    )
    untrue = {row.id for row in pending if row.dispute_id in attended}
    if untrue:
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id.in_(untrue))
            .values(state=OutboxState.WITHDRAWN.value, settled_at=now, next_attempt_at=None)
        )
    return untrue
