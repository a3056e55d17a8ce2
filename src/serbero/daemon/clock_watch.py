"""Notices that our wall clock was set back, and corrects what it wrote while it was ahead."""

from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.store import corrected_clock, cursors
from serbero.store.patient import PatientStore

EVERY_SECONDS: Final = 5.0
STEP_SECONDS: Final = 30
"""A clock is slewed by less than this; a step of more was a wrong clock."""

_log = structlog.get_logger(__name__)


def turn_back(tx: sa.Connection, now: int, by: int) -> int:
    """Correct what was written with a clock ``by`` seconds ahead; return the horizon."""
    corrected_clock.correct(tx, now)
    return cursors.turn_back(tx, now, by)


class ClockWatch:
    """Compares the wall clock with the monotonic one."""

    def __init__(
        self, *, store: PatientStore, clock: Clock, on_turned_back: Callable[[int], None]
    ) -> None:
        """Build it.

        Args:
            store: what to correct.
            clock: what to watch.
            on_turned_back: called with the horizon (Unix seconds) once the store is corrected.
        """
        self._store = store
        self._clock = clock
        self._on_turned_back = on_turned_back
        self._lead = self._read()

    async def run(self) -> Never:
        """Look every few seconds."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Correct the store if the wall clock went back since the last look."""
        lead, before = self._read(), self._lead
        back = round(before - lead)
        self._lead = lead
        if back <= STEP_SECONDS:
            return
        _log.warning(
            "clock_set_back",
            seconds=back,
            consequence="what waited for a time by the wrong clock is due now",
        )
        horizon = await self._store.transact(turn_back, self._clock.now(), back)
        self._on_turned_back(horizon)

    def _read(self) -> float:
        """How far the wall clock is ahead of the monotonic one, seconds."""
        return self._clock.time() - self._clock.monotonic()
