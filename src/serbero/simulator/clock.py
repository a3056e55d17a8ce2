"""Time under a test's control, and polling in real time.

Waiting that is ours goes through :class:`FakeClock` and costs nothing; waiting for sockets
and threads is real and goes through :func:`eventually`. :func:`run_until` alternates the two.

The clock reaches only code that takes a :class:`~serbero.clock.Clock`. The SDK's own timers,
its back-dating of wraps and a relay's view of expiry run on the machine's clock, which is why
a fake clock starts at the real time.
"""

import asyncio
import heapq
import inspect
import itertools
import time
from collections.abc import Awaitable, Callable

from serbero.clock import Clock

Condition = Callable[[], object | Awaitable[object]]
"""What is polled: truthy (awaited first, if it is awaitable) means it holds."""

_SETTLE_ROUNDS = 25
"""Passes through the event loop after a wake: enough for a chain of tasks that wake one another."""

_LOOK_SECONDS = 0.002
"""Real seconds between two looks of :func:`run_until`."""

_LEAST_LOOKS = 0.25
"""The share of its looks that :func:`eventually` gets, however long each takes: a process that the
machine hardly lets run has not waited, though time has passed."""

_LAST_SETTLES = 50
"""Times the usual settling that :func:`run_until` waits for real I/O before the one step it may
not take."""


class FakeClock(Clock):
    """A clock that moves only when told to.

    Args:
        start: wall time at the beginning, seconds since the epoch; None takes the real one.
    """

    def __init__(self, start: float | None = None) -> None:
        self._start = time.time() if start is None else start
        self._elapsed = 0.0
        self._order = itertools.count()
        self._heap: list[tuple[float, int, asyncio.Future[None]]] = []

    def time(self) -> float:
        """Wall clock, seconds since the epoch."""
        return self._start + self._elapsed

    def now(self) -> int:
        """Wall clock, whole seconds since the epoch."""
        return int(self.time())

    def monotonic(self) -> float:
        """Virtual seconds since this clock was made."""
        return self._elapsed

    @property
    def sleepers(self) -> int:
        """How many calls of :meth:`sleep` wait now."""
        return sum(not future.done() for _, _, future in self._heap)

    def set_back(self, seconds: float) -> None:
        """Correct a wall clock that was ahead; the monotonic one does not notice."""
        self._start -= seconds

    async def sleep(self, seconds: float) -> None:
        """Return once the clock was moved ``seconds`` on; 0 or less yields once."""
        if seconds <= 0:
            await asyncio.sleep(0)  # noqa: TID251 - yields, waits for nothing
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._heap, (self._elapsed + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move the clock on by ``seconds``, waking sleepers in the order of their deadlines.

        Everybody due at one instant wakes together, and what they start runs (and may sleep
        again, within the same advance) before the clock goes on.
        """
        target = self._elapsed + seconds
        while (deadline := self._next_deadline()) is not None and deadline <= target:
            await self._step_to(deadline)
        self._elapsed = target
        await _settle()

    async def next(self) -> float:
        """Move to the nearest deadline only and wake who is due then.

        Returns:
            How many seconds the clock moved; 0.0 when nobody sleeps.
        """
        deadline = self._next_deadline()
        if deadline is None:
            await _settle()
            return 0.0
        before = self._elapsed
        await self._step_to(deadline)
        return self._elapsed - before

    def until_next(self) -> float | None:
        """Seconds to the nearest deadline, or None when nobody sleeps."""
        deadline = self._next_deadline()
        return None if deadline is None else deadline - self._elapsed

    def _next_deadline(self) -> float | None:
        while self._heap and self._heap[0][2].done():  # cancelled while it slept
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    async def _step_to(self, deadline: float) -> None:
        self._elapsed = deadline
        while self._heap and self._heap[0][0] <= deadline:
            _, _, future = heapq.heappop(self._heap)
            if not future.done():
                future.set_result(None)
        await _settle()


async def eventually(
    condition: Condition, *, seconds: float = 5.0, every: float = 0.005, what: str = ""
) -> None:
    """Poll ``condition`` in real time until it holds.

    Args:
        condition: a plain or an async callable.
        seconds: the longest real wait. A quarter of the looks that fit into it are made in any
            case, so it is longer where the machine is busy.
        every: real seconds between two looks; 0 looks at each pass of the event loop.
        what: describes the condition where it fails; None takes its source text.

    Raises:
        AssertionError: it did not hold in time.
    """
    deadline = time.monotonic() + seconds
    looks_left = round(_LEAST_LOOKS * seconds / (every or _LOOK_SECONDS))
    while not await _holds(condition):
        looks_left -= 1
        if time.monotonic() >= deadline and looks_left < 0:
            raise AssertionError(f"not within {seconds} s: {what or _describe(condition)}")
        await asyncio.sleep(every)  # noqa: TID251 - real I/O settles in real time


async def run_until(
    clock: FakeClock,
    condition: Condition,
    *,
    limit_seconds: float,
    real_seconds: float = 60.0,
    settle: float = 0.02,
    what: str = "",
) -> float:
    """Let real I/O settle and step ``clock`` in turns until ``condition`` holds.

    Args:
        clock: the clock the code under test sleeps on.
        condition: a plain or an async callable.
        limit_seconds: how far the clock may move. Where the next step would be too far, real I/O
            gets a last, long settling: a deadline of somebody who still waits for it lies there.
        real_seconds: how long all of it may take.
        settle: real seconds that sockets and threads get before each step. Counted in looks,
            which are further apart on a busy machine: it gives more time where more is needed.
        what: describes the condition where it fails.

    Returns:
        How far the clock moved, in virtual seconds.

    Raises:
        AssertionError: a limit was reached first.
    """
    began, started = clock.monotonic(), time.monotonic()
    name = what or _describe(condition)
    settles_left = _LAST_SETTLES
    while True:
        for _ in range(max(1, round(settle / _LOOK_SECONDS))):
            if await _holds(condition):
                return clock.monotonic() - began
            await asyncio.sleep(_LOOK_SECONDS)  # noqa: TID251 - real I/O settles in real time
        if await _holds(condition):
            return clock.monotonic() - began
        moved = clock.monotonic() - began
        if time.monotonic() - started > real_seconds:
            raise AssertionError(
                f"not within {real_seconds} real seconds ({moved:.1f} virtual): {name}"
            )
        ahead = clock.until_next()
        if ahead is None:
            continue  # nobody sleeps yet: only real I/O can bring it on
        if moved + ahead > limit_seconds:
            settles_left -= 1
            if settles_left < 0:
                raise AssertionError(f"not within {limit_seconds} virtual seconds: {name}")
            continue
        settles_left = _LAST_SETTLES
        await clock.next()


async def _settle() -> None:
    for _ in range(_SETTLE_ROUNDS):
        await asyncio.sleep(0)  # noqa: TID251 - yields, waits for nothing


async def _holds(condition: Condition) -> bool:
    value = condition()
    if inspect.isawaitable(value):
        value = await value
    return bool(value)


def _describe(condition: Condition) -> str:
    try:
        return " ".join(inspect.getsource(condition).split())
    except (OSError, TypeError):
        return repr(condition)
