"""A world with one relay and two solvers; see ``rig``."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.daemon.rig import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as running:
        yield running
