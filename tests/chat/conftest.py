"""A clock, a relay, and processes of ours that are ended at the end."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.chat.chat_rig import Household

from serbero.simulator.clock import FakeClock
from serbero.simulator.relay import LoopbackRelay

StartHousehold = Callable[..., Awaitable[Household]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def relay() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running


@pytest.fixture
async def start(
    tmp_path: Path, clock: FakeClock, relay: LoopbackRelay
) -> AsyncIterator[StartHousehold]:
    """Begin a process on the database of this test; on its relay unless others are named."""
    running: list[Household] = []

    async def begin(*urls: str, connected: bool = True) -> Household:
        house = Household(tmp_path / "serbero.db", clock, urls or (relay.url,))
        running.append(house)
        stop = house.stop

        async def stop_once() -> None:
            if house in running:
                running.remove(house)
                await stop()

        house.stop = stop_once  # type: ignore[method-assign]
        await house.start(connected=connected)
        return house

    yield begin
    while running:
        await running[-1].stop()
