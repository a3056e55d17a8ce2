"""Dispatching hand-offs: at once when one is written, and at an interval to miss none."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.escalation.dispatching import DispatchRules, Outcome, conclude_stranded, dispatch
from serbero.model.handoff import route_handoff
from serbero.observe.metrics import Metrics
from serbero.store import handoffs
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore

BATCH: Final = 128
"""Hand-offs looked at together; each is a transaction of its own."""
RETRY_SECONDS: Final = 30.0

_log = structlog.get_logger(__name__)

_SAYS: Final = {
    Outcome.ENQUEUED: (logging.INFO, "phase4_dispatched"),
    Outcome.SEND_FAILED: (logging.ERROR, "phase4_dispatch: no recipient has a usable key"),
    Outcome.SUPERSEDED: (logging.INFO, "phase4_superseded — the dispute is closed"),
    Outcome.UNROUTABLE: (logging.ERROR, "phase4_unroutable — nobody may receive the hand-off"),
    Outcome.EXPIRED: (logging.WARNING, "phase4_expired — older than max_handoff_age_seconds"),
    Outcome.PARSE_FAILED: (logging.WARNING, "phase4_parse_failed"),
}
"""Levels, not methods of the logger: one taken before logging is set up would keep its form."""


class Dispatcher:
    """Dispatches hand-offs.

    Args:
        store: where they are.
        rules: how.
        interval_seconds: between two looks that nobody asked for.
        clock: ours.
        metrics: counts.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        rules: DispatchRules,
        interval_seconds: int,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._rules = store, rules
        self._interval, self._clock, self._metrics = interval_seconds, clock, metrics
        self._on_enqueued = on_enqueued
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A hand-off may have been written. Never blocks."""
        self._woken.set()

    async def run(self) -> Never:
        """Dispatch, for ever."""
        await self._store.transact(_wake_up, self._rules)
        _log.info("phase4_dispatcher_loop_started")
        while True:
            self._woken.clear()
            await self.look()
            await wait_for_event(self._clock, self._woken, self._interval)

    async def look(self) -> int:
        """Dispatch everything that is due; return how many hand-offs were looked at."""
        looked = 0
        while ids := await self._store.read(handoffs.due, BATCH):
            failed = [each for each in ids if not await self._dispatch(each)]
            looked += len(ids)
            if failed:
                # The database refuses these and they stay due: asking for what is due at once
                # would return them again and again. The next look comes after the interval.
                break
        await self._store.transact(conclude_stranded, self._clock.now())
        return looked

    async def _dispatch(self, event_id: int) -> bool:
        at_ms = now_ms(self._clock)
        try:
            outcome = await self._store.transact(dispatch, self._rules, event_id, at_ms)
        except StoreRejected as error:
            _log.error("phase4_dispatch: refused", handoff_event_id=event_id, reason=str(error))
            return False
        self._metrics.handoffs.labels(outcome.value).inc()
        if (said := _SAYS.get(outcome)) is not None:
            level, event = said
            _log.log(level, event, handoff_event_id=event_id)
        if outcome is Outcome.ENQUEUED:
            self._on_enqueued()
        return True


def _wake_up(tx: sa.Connection, rules: DispatchRules) -> None:
    """At a start the configuration may be another: what rested for that is judged again."""
    solvers = rules.audience.solvers
    if route_handoff(solvers, None, fallback_to_all=rules.fallback_to_all).routable:
        handoffs.wake_unroutable(tx)
    handoffs.wake_expired(tx)
