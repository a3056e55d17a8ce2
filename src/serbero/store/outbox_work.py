"""The outbox as its worker sees it: what is due, for which relays, with which bytes.

A target is one relay a message must reach; a wrap is the exact bytes it is given. A wrap is
committed before any relay sees it, and a relay gets another one only after refusing the last.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from serbero.model.notification import (
    Channel,
    OutboxState,
    Purpose,
    TargetSource,
    TargetState,
    Urgency,
)
from serbero.model.target import Target, TargetUpdate
from serbero.store import outbox_statements as statements
from serbero.store.schema import outbox, outbox_targets


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
    rumor_json: str = field(repr=False)
    enqueued_ms: int
    created_at: int
    deadline_at: int
    state: OutboxState
    channel: Channel


_PURPOSE, _STATE, _CHANNEL = (
    [each.name for each in statements.ROW_COLUMNS].index(name)
    for name in ("purpose", "state", "channel")
)


def _row(found: Any) -> Row:
    values = list(found)
    values[_PURPOSE] = Purpose(values[_PURPOSE])
    values[_STATE] = OutboxState(values[_STATE])
    values[_CHANNEL] = Channel(values[_CHANNEL])
    return Row(*values)


def due(tx: sa.Connection, now: int, limit: int, held: Collection[int]) -> list[Row]:
    """Return messages with something to do now, most urgent first, without those in ``held``."""
    known = {"now": now, "held": json.dumps(list(held))}
    rows: list[Row] = []
    for urgency in Urgency:
        of_urgency = {"urgency": int(urgency), "at_most": limit - len(rows)}
        rows += map(_row, tx.execute(statements.DUE, known | of_urgency))
        if len(rows) >= limit:
            break
    return rows


def overdue(tx: sa.Connection, now: int, limit: int, held: Collection[int]) -> list[Row]:
    """Return messages whose deadline has passed while something was still to do."""
    known = {"now": now, "at_most": limit, "held": json.dumps(list(held))}
    return [_row(found) for found in tx.execute(statements.OVERDUE, known)]


def live_to_others(tx: sa.Connection, known: Collection[str]) -> list[Row]:
    """Return messages to solvers with something still to do but none of the keys (hex) ``known``.

    A party is nobody's solver; messages to one are no concern of who is configured.
    """
    found = tx.execute(statements.LIVE_TO_OTHERS, {"known": json.dumps(list(known))})
    return [_row(each) for each in found]


def add_targets(
    tx: sa.Connection,
    rows: Iterable[Row],
    relays: Mapping[str, Mapping[str, TargetSource]],
    now: int,
) -> None:
    """Give each message the relays of its recipient that it does not have, or was let go of.

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
        tx.execute(statements.ADD_TARGET, values)


def due_targets(tx: sa.Connection, ids: Sequence[int], now: int) -> dict[int, list[Target]]:
    """Return, per message, the relays to ask now and the bytes for each."""
    rows = tx.execute(statements.DUE_TARGETS, {"ids": ids, "now": now})
    found: dict[int, list[Target]] = {}
    for row in rows:
        found.setdefault(row.outbox_id, []).append(
            Target(
                relay=row.relay,
                source=TargetSource(row.source),
                event_json=row.event_json,
                attempts=row.attempts,
                unclear_replies=row.unclear_replies,
                wraps=row.wraps,
                pow_bits=row.pow_bits,
                fresh_time=bool(row.fresh_time),
            )
        )
    return found


def let_go(tx: sa.Connection, targets: Sequence[tuple[int, str]]) -> None:
    """Ask these relays (message, URL) no more, until :func:`add_targets` names them again."""
    if targets:
        tx.execute(statements.LET_GO, [{"of": row_id, "at": relay} for row_id, relay in targets])


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
        statements.INSERT_WRAP,
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
        statements.USE_WRAP,
        [
            {"of": each.outbox_id, "at": relay, "wrap": each.event_id}
            for each in wraps
            for relay in each.relays
        ],
    )


def put_off(tx: sa.Connection, targets: Sequence[tuple[int, str]], until: int) -> None:
    """Let targets (message, URL) without a wrap rest until Unix second ``until``."""
    if targets:
        known = [{"of": row_id, "at": relay, "until": until} for row_id, relay in targets]
        tx.execute(statements.PUT_OFF, known)


def lacks_wrap(tx: sa.Connection, row_id: int, relay: str) -> bool:
    """Whether a message that is not over has an open target there without a wrap."""
    return tx.execute(statements.LACKS_WRAP, {"of": row_id, "at": relay}).first() is not None


def make_due(tx: sa.Connection, row_id: int, relay: str, now: int) -> None:
    """Ask a relay for a message now."""
    target = (outbox_targets.c.outbox_id == row_id, outbox_targets.c.relay == relay)
    tx.execute(sa.update(outbox_targets).where(*target).values(next_attempt_at=now))
    tx.execute(
        sa.update(outbox)
        .where(outbox.c.id == row_id, outbox.c.next_attempt_at > now)
        .values(next_attempt_at=now)
    )


def drop_wraps(tx: sa.Connection, rows: Iterable[Row], made_since: int) -> None:
    """Take wraps made before ``made_since`` (Unix seconds) from the relays still to be asked.

    Their expiration has passed or is near: a relay would refuse or soon forget them, and one that
    has the bytes without having said so forgets them as well.
    """
    # A wrap is never older than its message, so young messages need no look at their wraps.
    old = [row.id for row in rows if row.enqueued_ms // 1000 < made_since]
    if old:
        tx.execute(statements.DROP_WRAP, {"ids": old, "made_since": made_since})


def adopt_wraps(tx: sa.Connection, ids: Sequence[int], made_since: int = 0) -> None:
    """Give targets that never had a wrap the bytes the other relays of their message have.

    Those made before ``made_since`` (Unix seconds) are too near their expiration.
    """
    tx.execute(statements.ADOPT_WRAP, {"ids": ids, "made_since": made_since})


def update_targets(tx: sa.Connection, updates: Sequence[TargetUpdate], now: int) -> None:
    """Record attempts."""
    tx.execute(
        statements.UPDATE_TARGET,
        [
            {
                "of": each.outbox_id,
                "at": each.relay,
                "new_state": each.state.value,
                "next_at": each.next_attempt_at,
                "why": each.reason,
                "now": now,
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
    known = {"ids": ids, "now": now_ms // 1000, "now_ms": now_ms}
    settled = tx.execute(statements.SETTLE_SENT, known)
    return {row[0]: row[1] for row in settled}


def reschedule(tx: sa.Connection, ids: Sequence[int], idle_until: int) -> None:
    """Set when each message next needs work: when the first of its open targets does.

    Without an open target, a pending message is looked at again at ``idle_until``, and a sent
    one to a solver that no inbox relay took stays live until its deadline: its recipient may name
    other relays by then, which a party never does. Anything else is done, and what ended while it
    was in flight stays ended.
    """
    tx.execute(statements.RESCHEDULE, {"ids": ids, "idle_until": idle_until})


def finish(tx: sa.Connection, ids: Sequence[int]) -> None:
    """Stop asking anybody about these messages."""
    if ids:
        tx.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(next_attempt_at=None))


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


def wake_live(tx: sa.Connection, now: int) -> int:
    """Look again at every live message: new relays became known that all of them go to."""
    result = tx.execute(
        sa.update(outbox)
        .where(outbox.c.next_attempt_at > now, outbox.c.deadline_at > now)
        .values(next_attempt_at=now)
    )
    return int(result.rowcount)


def count_unreached_inboxes(tx: sa.Connection) -> int:
    """Count live messages that were sent, to a recipient with inbox relays, but to none of them.

    Private messages only: inbox relays (kind 10050) are where those are read, and many take
    nothing else. Mostro's clients read where the node writes, and parties name no inbox.
    """
    inbox = sa.and_(
        outbox_targets.c.outbox_id == outbox.c.id,
        outbox_targets.c.source == TargetSource.INBOX.value,
    )
    query = sa.select(sa.func.count()).where(
        outbox.c.next_attempt_at.is_not(None),
        outbox.c.state == OutboxState.SENT.value,
        outbox.c.channel == Channel.NIP17.value,
        sa.exists().where(inbox),
        ~sa.exists().where(inbox, outbox_targets.c.state == TargetState.ACCEPTED.value),
    )
    return int(tx.execute(query).scalar_one())


def next_due_at(tx: sa.Connection, held: Collection[int]) -> int | None:
    """Return when the next message needs work, Unix seconds, or None.

    Those in ``held`` do not count: they are due until their relays answer, and whoever waits for
    that is woken by the answer.
    """
    known = {"held": json.dumps(list(held))}
    soonest = (
        tx.execute(statements.NEXT_DUE_AT, known | {"urgency": int(urgency)}).scalar()
        for urgency in Urgency
    )
    return min((each for each in soonest if each is not None), default=None)
