"""Climbing ladders: each step when it is due, each in a transaction of its own."""

import asyncio
from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.escalation.ladder_records import Climbing, take_step
from serbero.observe.metrics import Metrics
from serbero.store import ladders
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore

LONGEST_SLEEP_SECONDS: Final = 30.0
"""A clock that was set, or a command beside the daemon, is noticed after this."""
BATCH: Final = 100
HEAR_FIRST_SECONDS: Final = 5.0
"""After a start: somebody may have taken what waits while we were away."""

_log = structlog.get_logger(__name__)


class Reminding:
    """Climbs.

    Args:
        store: where ladders are.
        climbing: who is reminded, and of what.
        clock: ours.
        metrics: counts.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        climbing: Climbing,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._climbing = store, climbing
        self._clock, self._metrics = clock, metrics
        self._on_enqueued = on_enqueued
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A ladder began, or somebody acknowledged. Never blocks."""
        self._woken.set()

    async def run(self) -> Never:
        """Climb, for ever."""
        await self._clock.sleep(HEAR_FIRST_SECONDS)
        while True:
            self._woken.clear()
            await self.look()
            await wait_for_event(self._clock, self._woken, await self._pause())

    async def look(self) -> int:
        """Take every step that is due; return how many messages were enqueued."""
        added = 0
        for ladder_id in await self._store.read(ladders.due, self._clock.now(), BATCH):
            added += await self._step(ladder_id)
        if added:
            self._on_enqueued()
        return added

    async def _step(self, ladder_id: int) -> int:
        at_ms = now_ms(self._clock)
        try:
            added = await self._store.transact(take_step, self._climbing, ladder_id, at_ms)
        except StoreRejected as error:
            _log.error("ladder_step_failed", ladder_id=ladder_id, reason=str(error))
            await self._store.transact(_later, ladder_id, self._clock.now())
            return 0
        if added:
            self._metrics.reminders.inc(added)
            _log.info("escalation_reminded", ladder_id=ladder_id, messages=added)
        return added

    async def _pause(self) -> float:
        due_at = await self._store.read(ladders.next_at)
        if due_at is None:
            return LONGEST_SLEEP_SECONDS
        return min(LONGEST_SLEEP_SECONDS, max(0.5, due_at - self._clock.now()))


def _later(tx: sa.Connection, ladder_id: int, now: int) -> None:
    ladders.put_off(tx, ladder_id, now + int(LONGEST_SLEEP_SECONDS))
