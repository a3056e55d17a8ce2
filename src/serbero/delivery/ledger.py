"""The worker's transactions: claim what is due, commit wraps, record what relays said."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from serbero.delivery.settlement import Settlement, Settlements
from serbero.model.dispute import Moved
from serbero.model.notification import OutboxState, TargetSource
from serbero.model.reference_names import ERROR_SEND_FAILED
from serbero.model.target import Target, TargetUpdate
from serbero.store import failure_notes, notifications, outbox_truth, outbox_work
from serbero.store.outbox_twins import Twin, twins_of
from serbero.store.outbox_work import NewWrap, Row

IDLE_SECONDS: Final = 300
"""How long a message whose every relay refused it rests before its relays are resolved again."""
BURY_LIMIT: Final = 500
"""Messages past their deadline that one pass ends: the only writer is soon free for others."""
FAILURE_NOTE_SECONDS: Final = 3600
"""At most one ``failed`` row a message in this time for the same outcomes."""

_ALIVE: Final = (OutboxState.PENDING, OutboxState.SENT)

RelaysOf = Callable[[str], Mapping[str, TargetSource]]
"""Recipient (hex) to the relays a message to him goes to."""


@dataclass(frozen=True, slots=True)
class Settled:
    """One row that changed state, for the log and the metrics.

    ``by_twin`` says that the row of the other channel stands for the message: it was sent first,
    can still succeed, or is dead as well.
    """

    row: Row
    state: OutboxState
    delivery_ms: int | None = None
    moved: Moved | None = None
    reason: str | None = None
    by_twin: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What one pass has to do; ``more`` says that another one will find work at once."""

    rows: tuple[Row, ...]
    targets: Mapping[int, list[Target]]
    settled: tuple[Settled, ...]
    more: bool = False


def claim(
    tx: sa.Connection,
    now: int,
    limit: int,
    held: Collection[int],
    relays_of: RelaysOf,
    settlements: Settlements,
    *,
    wraps_since: int = 0,
    deadlines_by: int | None = None,
) -> Claim:
    """Settle what is over and return what is due, each with the relays to ask now.

    Args:
        tx: the transaction.
        now: Unix seconds.
        limit: messages at most.
        held: ids the worker has in flight already.
        relays_of: where a recipient reads.
        settlements: what the death of a message changes.
        wraps_since: Unix seconds; a wrap made before has lived too long to go out again.
        deadlines_by: Unix seconds by which messages are given up; ``now`` where None. A clock that
            was just set forward ends nothing before deadlines have moved along.
    """
    ended_by = now if deadlines_by is None else min(now, deadlines_by)
    late = outbox_work.overdue(tx, ended_by, BURY_LIMIT, held)
    settled = _bury(tx, late, now, settlements)
    more = len(late) == BURY_LIMIT
    rows = outbox_work.due(tx, now, limit, held)
    untrue = outbox_truth.end_untrue(tx, rows, now)
    settled += [
        Settled(row, OutboxState.WITHDRAWN)
        for row in rows
        if row.id in untrue and row.state is OutboxState.PENDING
    ]
    live = [row for row in rows if row.id not in untrue]
    if not live:
        return Claim((), {}, tuple(settled), more)
    ids = [row.id for row in live]
    relays = {row.recipient: relays_of(row.recipient) for row in live}
    outbox_work.add_targets(tx, live, relays, now)
    outbox_work.drop_wraps(tx, live, wraps_since)
    outbox_work.adopt_wraps(tx, ids, wraps_since)
    targets = _targets(tx, live, relays, now)
    nothing_to_ask = [row.id for row in live if row.id not in targets]
    if nothing_to_ask:
        outbox_work.reschedule(tx, nothing_to_ask, now + IDLE_SECONDS)
    asked = tuple(row for row in live if row.id in targets)
    return Claim(asked, targets, tuple(settled), more)


def _targets(
    tx: sa.Connection,
    rows: Sequence[Row],
    relays: Mapping[str, Mapping[str, TargetSource]],
    now: int,
) -> dict[int, list[Target]]:
    """Return the relays to ask now; those a recipient does not read any more are let go of.

    A relay that was removed from the configuration, or from a published list, may be so because
    it must not learn of these messages.
    """
    due = outbox_work.due_targets(tx, [row.id for row in rows], now)
    recipient_of = {row.id: row.recipient for row in rows}
    asked: dict[int, list[Target]] = {}
    strangers = []
    for row_id, targets in due.items():
        read = relays[recipient_of[row_id]]
        for target in targets:
            if target.relay in read:
                asked.setdefault(row_id, []).append(target)
            else:
                strangers.append((row_id, target.relay))
    outbox_work.let_go(tx, strangers)
    return asked


def _bury(
    tx: sa.Connection, late: Sequence[Row], now: int, settlements: Settlements
) -> list[Settled]:
    """End what is past its deadline: unsent messages are dead, sent ones just stop.

    A message is lost, once, when the last of its channels ends and it was sent by none.
    """
    outbox_work.finish(tx, [row.id for row in late])
    dead = [
        row
        for row in late
        if row.state is OutboxState.PENDING
        and outbox_work.settle(tx, row.id, OutboxState.DEAD, now)
    ]
    twins = twins_of(tx, [row.id for row in dead])
    settled = []
    for row in dead:
        twin = twins.get(row.id)
        if twin is not None and (twin.state in _ALIVE or _comes_first(twin, row, twins)):
            settled.append(Settled(row, OutboxState.DEAD, by_twin=True))
            continue
        moved = settlements.get(row.purpose, Settlement()).on_dead(tx, row, now)
        settled.append(Settled(row, OutboxState.DEAD, moved=moved))
    return settled


def _comes_first(twin: Twin, row: Row, changed: Collection[int]) -> bool:
    """Whether both twins are among those that changed now, and the other one stands for both."""
    return twin.id in changed and twin.id < row.id


def commit_wraps(
    tx: sa.Connection, wraps: Sequence[NewWrap], now: int, ids: Collection[int] = ()
) -> frozenset[int]:
    """Commit bytes before any relay sees them.

    Returns:
        Those of ``ids`` that ended since they were claimed: they must not go out any more.
    """
    over = outbox_truth.ended(tx, ids)
    outbox_work.save_wraps(tx, [each for each in wraps if each.outbox_id not in over], now)
    return over


def commit_mined(tx: sa.Connection, wrap: NewWrap, now: int) -> None:
    """Commit a wrap that took work, unless its message ended, and make its relay due."""
    [relay] = wrap.relays
    if outbox_work.lacks_wrap(tx, wrap.outbox_id, relay):
        outbox_work.save_wraps(tx, [wrap], now)
        outbox_work.make_due(tx, wrap.outbox_id, relay, now)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one relay said to one message."""

    row: Row
    update: TargetUpdate
    delivered: bool


@dataclass(frozen=True, slots=True)
class FailedRound:
    """A message whose every relay of a pass was tried in vain.

    ``outcomes`` is what went wrong, in words of ours: which relays were due together is chance,
    and relays vary their words. ``reason`` is the same in theirs, for people.
    """

    row: Row
    outcomes: frozenset[str]
    reason: str


@dataclass(slots=True)
class Batch:
    """Outcomes to record together; ``finished`` holds the messages whose pass is over."""

    attempts: list[Attempt] = field(default_factory=list)
    failed_rounds: list[FailedRound] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.attempts or self.failed_rounds or self.finished)


@dataclass(frozen=True, slots=True)
class RecordedBatch:
    """What recording changed, for the log and the metrics."""

    settled: tuple[Settled, ...]
    failures: tuple[FailedRound, ...]


def record(tx: sa.Connection, batch: Batch, now_ms: int, settlements: Settlements) -> RecordedBatch:
    """Record a batch of outcomes: targets, states, ``notifications`` rows, what follows.

    Args:
        tx: the transaction.
        batch: the outcomes.
        now_ms: Unix milliseconds.
        settlements: what a first success changes.
    """
    now = now_ms // 1000
    if batch.attempts:
        outbox_work.update_targets(tx, [each.update for each in batch.attempts], now)
    delivered = {each.row.id: each.row for each in batch.attempts if each.delivered}
    settled = _settle_sent(tx, delivered, now_ms, settlements) if delivered else []
    failures = tuple(each for each in batch.failed_rounds if _note_failure(tx, each, now))
    outbox_work.reschedule(
        tx,
        list({each.row.id for each in batch.attempts} | set(batch.finished)),
        now + IDLE_SECONDS,
    )
    return RecordedBatch(tuple(settled), failures)


def _settle_sent(
    tx: sa.Connection, delivered: Mapping[int, Row], now_ms: int, settlements: Settlements
) -> list[Settled]:
    """Record first successes, a statement for all of them wherever one will do.

    What follows from a success follows the first one of the message, on whichever channel.
    """
    now = now_ms // 1000
    latencies = outbox_work.settle_sent(tx, list(delivered), now_ms)
    twins = twins_of(tx, latencies)
    second = {
        row_id
        for row_id, twin in twins.items()
        if twin.state is OutboxState.SENT
        and (twin.id not in latencies or _comes_first(twin, delivered[row_id], latencies))
    }
    rows = [delivered[row_id] for row_id in latencies if row_id not in second]
    notifications.record_all_sent(
        tx,
        [
            (row.dispute_id, row.recipient_typed, row.notif_type)
            for row in rows
            if row.notif_type is not None and row.dispute_id is not None
        ],
        now,
    )
    moves = _settlements_of(tx, rows, now, settlements)
    return [
        Settled(
            delivered[row_id],
            OutboxState.SENT,
            latency,
            moves.get(row_id),
            by_twin=row_id in second,
        )
        for row_id, latency in latencies.items()
    ]


def _settlements_of(
    tx: sa.Connection, rows: Sequence[Row], now: int, settlements: Settlements
) -> dict[int, Moved | None]:
    """Run what first successes change; one row stands for its round where that is enough."""
    done = set()
    moves = {}
    for row in rows:
        settlement = settlements.get(row.purpose, Settlement())
        of_round = (row.purpose, row.dispute_id, row.anchor, row.created_at)
        if settlement.once_a_round and of_round in done:
            continue
        done.add(of_round)
        moves[row.id] = settlement.on_sent(tx, row, now)
    return moves


def _note_failure(tx: sa.Connection, failed: FailedRound, now: int) -> bool:
    """Write a ``failed`` row unless the last one, within the hour, tells of these outcomes.

    True if written. What the last row did not tell is added to what it told, so that relays that
    fail in turn do not give a row in turn, nor do the two channels of one message.
    """
    row = failed.row
    notes = failure_notes.noted(tx, row.id)
    if notes is None:
        return False
    since = now - FAILURE_NOTE_SECONDS
    recent = [each.outcomes for each in notes if each.at is not None and each.at > since]
    told = frozenset().union(*recent)
    if recent and failed.outcomes <= told:
        return False
    if row.notif_type is not None and row.dispute_id is not None:
        about = (row.dispute_id, row.recipient_typed, row.notif_type)
        notifications.record_failed(tx, *about, now, ERROR_SEND_FAILED + failed.reason)
    failure_notes.write(tx, row.id, told | failed.outcomes, now)
    return True
