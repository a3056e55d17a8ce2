"""Notices that our wall clock was set, and corrects what it wrote while it was wrong."""

from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, Steps
from serbero.store import clock_steps, corrected_clock, cursors, deadlines
from serbero.store.patient import PatientStore

EVERY_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


def turn_back(tx: sa.Connection, now: int, by: int) -> int:
    """Correct what was written with a clock ``by`` seconds ahead; return the horizon."""
    corrected_clock.correct(tx, now)
    corrected_clock.ask_again(tx, now)
    deadlines.step(tx, now, -by)
    clock_steps.write(tx, now, -by)
    return cursors.turn_back(tx, now, by)


def go_on(tx: sa.Connection, now: int, by: int) -> int:
    """The clock was set forward, or we stood still; return how many messages live on."""
    clock_steps.write(tx, now, by)
    return deadlines.step(tx, now, by)


class ClockWatch:
    """Compares the wall clock with the monotonic one.

    Args:
        store: what to correct.
        clock: what to watch.
        on_turned_back: called with the horizon (Unix seconds) once the store is corrected.
        steps: how it was watched until now; only from now on where None.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        clock: Clock,
        on_turned_back: Callable[[int], None],
        steps: Steps | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._steps = Steps(clock) if steps is None else steps
        self._on_turned_back = on_turned_back
        self._noted_at = clock.monotonic()

    async def run(self) -> Never:
        """Look every few seconds."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Correct the store if the wall clock was set since the last look."""
        step = self._steps.seen()
        if step < 0:
            await self._back(-step)
        elif step > 0:
            await self._forward(step)
        elif self._clock.monotonic() - self._noted_at >= deadlines.NOTE_SECONDS:
            await self._store.transact(deadlines.note, self._clock.now())
        else:
            return
        self._steps.accept(step)
        self._noted_at = self._clock.monotonic()

    async def _back(self, by: int) -> None:
        _log.warning(
            "clock_set_back",
            seconds=by,
            consequence="what waited for a time by the wrong clock is due now",
        )
        self._on_turned_back(await self._store.transact(turn_back, self._clock.now(), by))

    async def _forward(self, by: int) -> None:
        live = await self._store.transact(go_on, self._clock.now(), by)
        _log.warning(
            "clock_set_forward",
            seconds=by,
            messages=live,
            consequence="messages that wait have as much time left as before",
        )
