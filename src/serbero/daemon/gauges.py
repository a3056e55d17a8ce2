"""Numbers that are read from the database now and then rather than counted as they change."""

from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa

from serbero.clock import Clock
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.store import disputes, outbox, outbox_work
from serbero.store.patient import PatientStore

EVERY_SECONDS: Final = 15.0
WAITING_TOO_LONG_SECONDS: Final = 300
"""A message no relay took for this long is something an operator wants to know."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the database."""

    depth: outbox.Depth
    unreached: int
    open_disputes: dict[str, int]


def read(tx: sa.Connection) -> Reading:
    """Look; every query is served by an index over what is open or waits."""
    return Reading(
        depth=outbox.depth(tx),
        unreached=outbox_work.count_unreached_inboxes(tx),
        open_disputes=disputes.count_open(tx),
    )


class Gauges:
    """Keeps the gauges and the health of delivery true."""

    def __init__(
        self, *, store: PatientStore, metrics: Metrics, health: Health, clock: Clock
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._health = health
        self._clock = clock

    async def run(self) -> Never:
        """Look every few seconds."""
        while True:
            self.show(await self._store.read(read))
            await self._clock.sleep(EVERY_SECONDS)

    def show(self, reading: Reading) -> None:
        """Set what was read."""
        oldest = reading.depth.oldest_created_at
        age = 0 if oldest is None else max(0, self._clock.now() - oldest)
        self._metrics.set_outbox(reading.depth.pending, age)
        self._metrics.unreached_inboxes.set(reading.unreached)
        for state, count in reading.open_disputes.items():
            self._metrics.disputes.labels(state).set(count)
        self._health.set(
            Part.DELIVERY,
            ok=age < WAITING_TOO_LONG_SECONDS,
            # Without numbers that change: it is logged whenever its words do.
            reason=f"messages wait longer than {WAITING_TOO_LONG_SECONDS} s",
        )
