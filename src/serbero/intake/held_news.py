"""The news of an assignment that waits for the outcome of our own take, but not for long."""

from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa

from serbero.clock import Clock, now_ms
from serbero.intake.announcing import Audience
from serbero.intake.custody import LONGEST_HOLD_SECONDS, OnRelease, tell_long_held
from serbero.store import takes
from serbero.store.patient import PatientStore

CHECK_SECONDS: Final = 5.0


def waits_too_long(tx: sa.Connection, now: int) -> bool:
    """Whether some news waits for longer than it may, by Unix second ``now``."""
    return bool(takes.held_since(tx, now - LONGEST_HOLD_SECONDS))


class HeldNews:
    """The timer. An exchange that ends tells what waited for it itself; this is for the others."""

    def __init__(
        self,
        *,
        store: PatientStore,
        audience: Audience,
        clock: Clock,
        on_enqueued: Callable[[], None],
        on_release: OnRelease,
    ) -> None:
        self._store, self._audience, self._clock = store, audience, clock
        self._on_enqueued, self._on_release = on_enqueued, on_release

    async def run(self) -> Never:
        """Look every few seconds, for ever."""
        while True:
            await self.check()
            await self._clock.sleep(CHECK_SECONDS)

    async def check(self) -> int:
        """Tell what waits too long; return of how many disputes."""
        # Read first: there is nothing to do as a rule, and only one may write.
        if not await self._store.read(waits_too_long, self._clock.now()):
            return 0
        at_ms = now_ms(self._clock)
        told = await self._store.transact(tell_long_held, self._audience, at_ms, self._on_release)
        if told:
            self._on_enqueued()
        return told
