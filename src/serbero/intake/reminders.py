"""Re-notification: solvers are reminded of what nobody took.

The check is a timer; what it finds is re-read in the transaction that enqueues, so a dispute
taken meanwhile is never reminded of, and no solver gets a reminder before he got what came first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms
from serbero.intake.announcing import (
    Audience,
    announce_to_others,
    at_once,
    remind,
)
from serbero.model.backoff import exponential
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import Purpose
from serbero.store import disputes, outbox
from serbero.store.disputes import Unattended
from serbero.store.patient import PatientStore

LONGEST_INTERVAL_SECONDS: Final = 3600
"""A growing interval stops growing here, unless the configured one is longer to begin with."""
LONGEST_OPEN_SECONDS: Final = 90 * 86_400
"""The node keeps a dispute's event this long after its last change: ``dispute_days`` of its
``[expiration]`` section, 90 by default (mostro: src/config/types.rs). What was opened before is
gone from every relay; nobody could take it any more, so nobody is reminded of it."""
CHUNK: Final = 100
"""Disputes a transaction at most: short enough that detection never waits noticeably for it."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ReminderPace:
    """``[timeouts]``: seconds between rounds, their growth, and how often to look."""

    interval: int
    growth: float
    check_every: int


def interval_after(cycle: int, pace: ReminderPace) -> int:
    """Seconds between round ``cycle`` (0: the first message) and the next. Pure."""
    longest = max(LONGEST_INTERVAL_SECONDS, pace.interval)
    return int(exponential(cycle + 1, pace.interval, longest, pace.growth))


def is_due(dispute: Unattended, now: int, pace: ReminderPace) -> bool:
    """Whether a dispute that can still be taken waited longer than its interval. Pure."""
    if now - dispute.opening.created_at > LONGEST_OPEN_SECONDS:
        return False
    return now - interval_after(dispute.cycle, pace) > dispute.last_notified_at


def find_due(tx: sa.Connection, pace: ReminderPace, now: int, node: str | None = None) -> list[str]:
    """Return the ids of unattended disputes that are due, the longest waiting first.

    Args:
        tx: the transaction.
        pace: how often.
        now: Unix seconds.
        node: the node we serve, in hex; what another published is not asked about any more, so
            nobody would ever learn that it is over. None: every node's.
    """
    # Databases that are years old may hold many that nobody will ever take: left out in SQL.
    since = now - LONGEST_OPEN_SECONDS
    candidates = disputes.unattended(tx, now - pace.interval, node=node, opened_since=since)
    return [each.opening.dispute_id for each in candidates if is_due(each, now, pace)]


def remind_due(
    tx: sa.Connection,
    dispute_ids: Sequence[str],
    audience: Audience,
    pace: ReminderPace,
    at_ms: int,
) -> int:
    """Enqueue a reminder for each of these disputes that is still due; return how many messages.

    They are read anew: what was taken since they were found is left alone.
    """
    now = at_ms // 1000
    still = disputes.unattended(tx, now - pace.interval, only=dispute_ids)
    return sum(_remind_of(tx, each, audience, at_ms) for each in still if is_due(each, now, pace))


def _remind_of(tx: sa.Connection, dispute: Unattended, audience: Audience, at_ms: int) -> int:
    if dispute.state is Lifecycle.NEW:
        return _announce_again(tx, dispute, audience, at_ms)
    waiting = outbox.recipients_with_pending(tx, dispute.opening.dispute_id)
    added = remind(
        tx,
        audience,
        dispute.opening,
        dispute.cycle + 1,
        at_ms,
        skip=waiting,
    )
    if added:
        disputes.next_cycle(tx, dispute.opening.dispute_id)
    return added


def _announce_again(tx: sa.Connection, dispute: Unattended, audience: Audience, at_ms: int) -> int:
    """A dispute never announced: its first messages again, the same rumors.

    Dead ones get a new deadline; solvers who have none yet (nobody was configured then) get one.
    """
    now, opening = at_ms // 1000, dispute.opening
    revived = outbox.revive(
        tx,
        opening.dispute_id,
        Purpose.INITIAL,
        opening.event_id,
        now,
        now + audience.deadline_seconds,
        audience.reachable,
    )
    told = outbox.recipients_of(tx, opening.dispute_id, Purpose.INITIAL, opening.event_id)
    return revived + announce_to_others(tx, audience, opening, at_ms, told=told)


class Reminders:
    """The timer."""

    def __init__(
        self,
        *,
        node: str,
        store: PatientStore,
        audience: Audience,
        pace: ReminderPace,
        clock: Clock,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._node = node
        self._store = store
        self._audience = audience
        self._pace = pace
        self._clock = clock
        self._on_enqueued = on_enqueued

    async def run(self) -> Never:
        """Check every ``check_every`` seconds, the first time after one interval."""
        while True:
            await self._clock.sleep(max(1, self._pace.check_every))
            await self.check()

    async def check(self) -> int:
        """Run one check; return how many messages it enqueued."""
        due = await self._store.read(find_due, self._pace, self._clock.now(), self._node)
        if not due:
            _log.debug("renotification_tick", count=0, enqueued=0)
            return 0
        enqueued, chunk = 0, at_once(self._audience, CHUNK)
        for start in range(0, len(due), chunk):
            enqueued += await self._store.transact(
                remind_due,
                due[start : start + chunk],
                self._audience,
                self._pace,
                now_ms(self._clock),
            )
        if enqueued:
            self._on_enqueued()
        tell = _log.info if enqueued else _log.debug
        tell("renotification_tick", count=len(due), enqueued=enqueued)
        return enqueued
