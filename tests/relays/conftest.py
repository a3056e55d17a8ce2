"""A clock, a pool that runs, an honest relay and one that is not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from nostr_sdk import Keys
from tests.relays.hostile import HostileRelay
from tests.relays.relay_rig import Notes, Rig, StartPool, disputes

from serbero.clock import Clock
from serbero.relays.pool import RelayPool
from serbero.relays.settings import RelaySettings
from serbero.simulator.clock import FakeClock
from serbero.simulator.relay import LoopbackRelay


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def start_pool(clock: FakeClock) -> AsyncIterator[StartPool]:
    """Start a pool on the given relays; it is stopped and closed at the end."""
    running: list[tuple[asyncio.Task[None], RelayPool]] = []

    async def start(
        *urls: str, listen: bool = True, own_clock: Clock | None = None, **settings: float
    ) -> Rig:
        keys, notes = Keys.generate(), Notes()
        used: Clock = own_clock or clock
        pool = RelayPool(
            keys=keys,
            clock=used,
            urls=urls,
            observer=notes,
            settings=RelaySettings(**settings),  # type: ignore[arg-type]
        )
        rig = Rig(pool, used, keys, notes)
        if listen:
            pool.subscribe(disputes(rig.heard))
        running.append((asyncio.create_task(pool.run()), pool))
        return rig

    yield start
    for task, pool in running:
        task.cancel()
        await asyncio.wait([task])
        await pool.close()
        if not task.cancelled():
            task.result()  # the pool failed by itself: show why


@pytest.fixture
async def relay() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running


@pytest.fixture
async def hostile() -> AsyncIterator[HostileRelay]:
    async with HostileRelay() as running:
        yield running
