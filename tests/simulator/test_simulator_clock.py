"""The clock that tests own."""

import asyncio
import time

import pytest

from serbero.clock import SystemClock, within
from serbero.simulator.clock import FakeClock, eventually, run_until


async def test_starts_at_real_now_and_stands_still() -> None:
    clock = FakeClock()
    assert abs(clock.time() - time.time()) < 5
    first = clock.time()
    await SystemClock().sleep(0.01)
    assert clock.time() == first
    assert FakeClock(1_000.9).now() == 1_000


async def test_advance_wakes_in_order_of_deadlines() -> None:
    clock = FakeClock(0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        for name, seconds in (("c", 30.0), ("a", 10.0), ("b", 20.0), ("late", 100.0)):
            group.create_task(sleeper(name, seconds))
        await asyncio.sleep(0)  # noqa: TID251 - lets them begin
        assert clock.sleepers == 4
        await clock.advance(30)
        assert woken == [("a", 10.0), ("b", 20.0), ("c", 30.0)]
        assert clock.sleepers == 1
        await clock.advance(70)
    assert woken[-1] == ("late", 100.0)
    assert clock.time() == 100


async def test_a_loop_that_sleeps_again_runs_within_one_advance() -> None:
    clock = FakeClock(0)
    ticks: list[float] = []

    async def ticker() -> None:
        while True:
            await clock.sleep(10)
            ticks.append(clock.time())

    task = asyncio.create_task(ticker())
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin
    await clock.advance(35)
    assert ticks == [10, 20, 30]
    assert clock.time() == 35
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert clock.sleepers == 0


async def test_next_steps_to_the_nearest_sleeper_only() -> None:
    clock = FakeClock(0)
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (62.0, 3.0)]
    await asyncio.sleep(0)  # noqa: TID251 - lets them begin
    assert clock.until_next() == 3.0
    assert await clock.next() == 3.0
    assert [task.done() for task in tasks] == [False, True]
    assert await clock.next() == 59.0
    assert await clock.next() == 0.0
    await asyncio.gather(*tasks)


async def test_within_times_out_on_the_virtual_clock() -> None:
    clock = FakeClock(0)
    never = asyncio.Event()
    task = asyncio.create_task(within(clock, 3_600, never.wait()))
    began = time.monotonic()
    await run_until(clock, task.done, limit_seconds=3_600)
    with pytest.raises(TimeoutError):
        await task
    assert clock.monotonic() == 3_600
    assert time.monotonic() - began < 5


async def test_eventually_names_what_did_not_happen() -> None:
    no_moon = False
    with pytest.raises(AssertionError, match="the moon is cheese"):
        await eventually(lambda: False, seconds=0.02, what="the moon is cheese")
    with pytest.raises(AssertionError, match="no_moon"):
        await eventually(lambda: no_moon, seconds=0.02)
    with pytest.raises(AssertionError, match="no_moon"):
        await eventually(lambda: no_moon, seconds=0.02, every=0)

    async def holds() -> bool:
        return True

    await eventually(holds)


async def test_eventually_looks_often_enough_where_the_machine_is_busy() -> None:
    """Each look here takes as long as the whole wait; the fifth finds what it looks for."""
    looks = 0

    def slow() -> bool:
        nonlocal looks
        looks += 1
        time.sleep(0.02)  # a machine that does other things
        return looks == 5

    await eventually(slow, seconds=0.02, every=0.001)
    with pytest.raises(AssertionError, match="never"):
        await eventually(lambda: False, seconds=0.02, every=0.001, what="never")


async def test_run_until_waits_for_real_work_before_a_step_too_far() -> None:
    """The deadline of work that is under way lies beyond the limit, and is not stepped to."""
    clock = FakeClock(0)
    work = asyncio.sleep(0.05, "done")  # noqa: TID251 - a socket that takes its time
    task = asyncio.create_task(within(clock, 30, work))
    assert await run_until(clock, task.done, limit_seconds=25, settle=0.006) == 0
    assert await task == "done"


async def test_run_until_stops_at_its_virtual_limit() -> None:
    clock = FakeClock(0)

    async def forever() -> None:
        while True:
            await clock.sleep(60)

    task = asyncio.create_task(forever())
    with pytest.raises(AssertionError, match="600 virtual seconds"):
        await run_until(clock, lambda: False, limit_seconds=600, settle=0.001)
    assert clock.monotonic() == 600
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
