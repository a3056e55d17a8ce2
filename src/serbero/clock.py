"""Time as a value handed in, so that tests own it.

Nothing in Serbero reads the wall clock, the monotonic clock or sleeps except through a
:class:`Clock`. The daemon uses :class:`SystemClock`; tests hand in one they move.
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import Final, Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Where time comes from. All values are seconds."""

    def time(self) -> float:
        """Wall clock, seconds since the Unix epoch, with fractions."""

    def now(self) -> int:
        """Wall clock, whole seconds since the Unix epoch: what rows and messages carry."""

    def monotonic(self) -> float:
        """A clock that never goes back; only differences mean something."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds``; 0 or less yields once."""


class SystemClock:
    """The machine's own clocks."""

    def time(self) -> float:
        """Wall clock, seconds since the Unix epoch, with fractions."""
        return time.time()

    def now(self) -> int:
        """Wall clock, whole seconds since the Unix epoch."""
        return int(time.time())

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep in the running event loop."""
        await asyncio.sleep(max(0.0, seconds))  # noqa: TID251 - the one place


def now_ms(clock: Clock) -> int:
    """Wall clock, whole milliseconds since the Unix epoch: what is measured or put in order."""
    return int(clock.time() * 1000)


STEP_SECONDS: Final = 30
"""A clock is slewed by less than this; a step of more is a clock that was set, or a pause."""


class Steps:
    """Tells a wall clock that was set, or a machine that was paused, by the monotonic one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead = self._read()

    def seen(self) -> int:
        """Return by how many seconds the wall clock was set, until :meth:`accept` says "I know".

        Forward is positive; 0 where it just went on. What is slewed little by little never counts.
        """
        step = round(self._read() - self._lead)
        if abs(step) > STEP_SECONDS:
            return step
        self._lead = self._read()
        return 0

    def accept(self, step: int) -> None:
        """What :meth:`seen` returned has been followed up."""
        self._lead += step

    def steady(self) -> int:
        """Unix seconds as if the clock had not been set forward by what is not accepted yet."""
        ahead = round(self._read() - self._lead)
        return self._clock.now() - (ahead if ahead > STEP_SECONDS else 0)

    def _read(self) -> float:
        """How far the wall clock is ahead of the monotonic one, seconds."""
        return self._clock.time() - self._clock.monotonic()


async def within(clock: Clock, seconds: float, work: Awaitable[T]) -> T:
    """Await ``work``, at most ``seconds`` long on ``clock``.

    Raises:
        TimeoutError: the time passed first; ``work`` was cancelled.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError(f"no result within {seconds} s")
    finally:
        unfinished = [each for each in (task, timer) if not each.done()]
        for each in unfinished:
            each.cancel()
        # Wait until the cancelled are really gone; a cancellation of ours still gets through.
        await asyncio.gather(*unfinished, return_exceptions=True)


async def wait_for_event(clock: Clock, event: asyncio.Event, seconds: float) -> bool:
    """Wait until ``event`` is set (True) or ``seconds`` passed (False)."""
    if event.is_set():
        return True
    try:
        await within(clock, seconds, event.wait())
    except TimeoutError:
        return event.is_set()
    return True
