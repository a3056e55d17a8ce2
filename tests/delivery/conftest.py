"""A migrated database in a folder of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.delivery.delivery_rig import PACE, Rig, Start
from tests.store.rig import Database

from serbero.delivery.judgement import Pace


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    rigs: list[Rig] = []

    async def make(*urls: str, people: int = 2, pace: Pace = PACE) -> Rig:
        rig = Rig(tmp_path / f"{len(rigs)}.db", urls, people, pace)
        rigs.append(rig)
        rig.start()
        return rig

    yield make
    for rig in rigs:
        await rig.close()
