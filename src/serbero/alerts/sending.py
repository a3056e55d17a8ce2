"""One channel: what waits for it, joined into one message at a time, with patience.

Nothing here is awaited by anybody else, and nothing is shared with another channel. An alert may be
told twice, if the process dies between the message and its record; it is never lost by that.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.alerts import courier
from serbero.alerts.courier import Result
from serbero.clock import Clock, wait_for_event
from serbero.config.alerts import AlertChannel
from serbero.messages.alerts import letter
from serbero.model.alerts import Alert, AlertState
from serbero.model.backoff import exponential, jittered
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.store import alerts as queue
from serbero.store.alerts import Waiting
from serbero.store.engine import Store
from serbero.store.errors import StoreUnavailable

GAP_SECONDS: Final = 5.0
"""Between two messages of a channel; what comes meanwhile is joined in the next one."""
FIRST_WAIT_SECONDS: Final = 10.0
LONGEST_WAIT_SECONDS: Final = 900.0
PATIENCE_SECONDS: Final = 86_400
"""An alert that an attempt fails for this long after it happened is given up."""
LEAST_TRIED_SECONDS: Final = 3_600
"""But not before the channel has failed for so long: the wall clock may be ahead for a while."""
LOOK_SECONDS: Final = 60.0
"""The queue is looked at as often, even if nobody says that there is something in it."""
LATE_SECONDS: Final = 600
"""From then on an alert says itself that it is old."""
JOINED: Final = 5_000
"""Alerts in one message, at most."""
REMEMBERED: Final = 16
"""Alerts held in memory, while the database cannot hold them."""
_NEVER: Final = -(2**63)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one message tells.

    Attributes:
        rows: what the database holds.
        spoken: what only memory holds.
    """

    rows: Sequence[Waiting]
    spoken: Sequence[Alert]

    @property
    def alerts(self) -> list[Alert]:
        """All of it, in the order of time."""
        return sorted([*(each.alert for each in self.rows), *self.spoken], key=lambda x: x.at)


class Sender:
    """Tells one channel.

    Args:
        channel: name, address and events.
        store: the database; used as it is, without waiting for it.
        health: says whether the database is to be left alone.
        metrics: counts.
        clock: where time comes from.
    """

    def __init__(
        self, *, channel: AlertChannel, store: Store, health: Health, metrics: Metrics, clock: Clock
    ) -> None:
        self.channel = channel
        self._store = store
        self._health = health
        self._metrics = metrics
        self._clock = clock
        self._news = asyncio.Event()
        self._spoken: deque[Alert] = deque(maxlen=REMEMBERED)
        self._told: set[int] = set()
        self._failures = 0
        self._failing_since = 0.0
        self._trouble: Result | None = None

    def wake(self) -> None:
        """There is something in the queue."""
        self._news.set()

    def tell(self, alert: Alert) -> None:
        """Tell what the database could not keep; the oldest gives way to what is too much."""
        if alert.event in self.channel.events:
            self._spoken.append(alert)
            self._news.set()

    async def run(self) -> Never:
        """Tell what there is, and wait for more."""
        while True:
            self._news.clear()
            wait = await self.step()
            if wait is None:
                await wait_for_event(self._clock, self._news, LOOK_SECONDS)
            else:
                await self._clock.sleep(wait)

    async def step(self) -> float | None:
        """Send one message, if there is something to tell.

        Returns:
            How long the channel rests, in seconds; None if there was nothing.
        """
        batch = await self._claim()
        if not (batch.rows or batch.spoken):
            return None
        told = batch.alerts
        late = self._clock.now() - told[0].at > LATE_SECONDS
        result = await courier.send(self.channel.url, letter(told, late=late), self._clock)
        if result is Result.SENT:
            self._works()
            await self._was_told(batch)
            return GAP_SECONDS
        self._fails(result)
        return await self._try_later(batch, result)

    async def _claim(self) -> _Batch:
        rows: list[Waiting] = []
        if self._database_works():
            try:
                await self._mark()
                rows = await self._store.read(queue.waiting, self.channel.name, JOINED)
            except StoreUnavailable:
                rows = []
        return _Batch(rows, tuple(self._spoken))

    def _database_works(self) -> bool:
        """A database in trouble is left to those who need it."""
        return self._health.parts()[Part.STORE].ok

    async def _mark(self) -> None:
        """Record what was told while the database could not be written."""
        if self._told:
            now = self._clock.now()
            await self._store.transact(queue.settle, sorted(self._told), AlertState.SENT, now)
            self._told.clear()

    async def _was_told(self, batch: _Batch) -> None:
        self._count(batch.alerts, "sent")
        self._let_go(batch.spoken)
        self._told.update(each.id for each in batch.rows)
        if self._database_works():
            try:
                await self._mark()
            except StoreUnavailable:
                # The next claim records it first, so that nothing is told twice.
                return

    async def _try_later(self, batch: _Batch, result: Result) -> float:
        now = self._clock.now()
        wait = exponential(self._failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
        wait = jittered(wait, 0.2, random.random())
        tried = self._clock.monotonic() - self._failing_since
        too_old = now - PATIENCE_SECONDS if tried >= LEAST_TRIED_SECONDS else _NEVER
        over = [each for each in batch.alerts if each.at <= too_old]
        self._count(batch.alerts, "failed")
        self._count(over, "dead")
        if over:
            _log.warning(
                "alerts_given_up", channel=self.channel.name, count=len(over), reason=result.words
            )
            self._let_go(over)
        dead = [each.id for each in batch.rows if each.alert.at <= too_old]
        others = [each.id for each in batch.rows if each.alert.at > too_old]
        if batch.rows and self._database_works():
            try:
                await self._store.transact(_put_off, dead, others, now, int(now + wait), result)
            except StoreUnavailable:
                return wait
        return wait

    def _let_go(self, alerts: Iterable[Alert]) -> None:
        for each in alerts:
            if each in self._spoken:
                self._spoken.remove(each)

    def _works(self) -> None:
        self._failures = 0
        if self._trouble is not None:
            self._trouble = None
            _log.info("alert_channel_works_again", channel=self.channel.name)

    def _fails(self, result: Result) -> None:
        """Say once what is wrong; neither the address nor a word of the service's is in it."""
        if not self._failures:
            self._failing_since = self._clock.monotonic()
        self._failures += 1
        if result is not self._trouble:
            self._trouble = result
            _log.warning(
                "alert_channel_failing",
                channel=self.channel.name,
                reason=result.words,
                consequence="solvers are told anyway; `serbero doctor --send-test` tries it",
            )

    def _count(self, alerts: Iterable[Alert], result: str) -> None:
        for event, count in Counter(each.event for each in alerts).items():
            self._metrics.alerts.labels(event.value, result).inc(count)


def _put_off(
    tx: sa.Connection,
    dead: Sequence[int],
    others: Sequence[int],
    now: int,
    due: int,
    result: Result,
) -> None:
    queue.settle(tx, dead, AlertState.DEAD, now, result.words)
    queue.postpone(tx, others, due, result.words)
