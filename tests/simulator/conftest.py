"""A relay for the simulator's own tests."""

from collections.abc import AsyncIterator

import pytest

from serbero.simulator.relay import LoopbackRelay


@pytest.fixture
async def relay() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running
