"""Serbero inside the demo's process: it comes up, says when it falls, and leaves nothing."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Never

import pytest
import structlog

from serbero.chat.speaking import NoChannelError
from serbero.cli.demo_serbero import SerberoHere
from serbero.clock import SystemClock
from serbero.intake.feed import Feed
from serbero.model.party import Party
from serbero.node.result import Taken
from serbero.simulator.clock import eventually
from serbero.simulator.demo_daemon import DaemonFailed
from serbero.simulator.demo_stage import Stage
from serbero.store.errors import StoreError
from serbero.store.sqlite import is_held


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """What is on trial configures the logging of its process, which is ours."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with Stage(tmp_path, 1, 60, 2, SystemClock()) as made:
        made.write_config()
        yield made


def crypto_threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("chat-crypto")]


async def test_it_takes_and_speaks_and_stops_in_order(stage: Stage) -> None:
    serbero = await stage.raise_serbero(SerberoHere)
    assert is_held(stage.database_path)
    dispute = await stage.node.open_order_dispute()
    with pytest.raises(NoChannelError):
        await serbero.say(dispute.id, Party.BUYER, "hello")
    assert isinstance(await serbero.take(dispute.id), Taken)
    assert len(await serbero.say(dispute.id, Party.BUYER, "hello")) == 64
    serbero.check()
    await serbero.stop()
    await serbero.stop()
    serbero.check()
    assert not is_held(stage.database_path)
    assert crypto_threads() == []
    entries = [json.loads(line) for line in stage.log_path.read_text().splitlines()]
    assert "dispute_taken_by_us" in {entry["event"] for entry in entries}
    assert "hello" not in stage.log_path.read_text()


async def test_a_part_that_fails_is_seen_and_logged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    fire = asyncio.Event()

    async def burn(_feed: Feed) -> Never:
        await fire.wait()
        raise RuntimeError("the feed is on fire")

    monkeypatch.setattr(Feed, "run", burn)
    serbero = await stage.raise_serbero(SerberoHere)
    serbero.check()
    fire.set()

    def fell() -> bool:
        try:
            stage.check()
        except DaemonFailed:
            return True
        return False

    await eventually(fell, what="the fall was seen")
    with pytest.raises(DaemonFailed, match="that a part had failed") as caught:
        await serbero.stop()
    assert any("exception=RuntimeError: the feed is on fire" in line for line in caught.value.tail)
    assert not is_held(stage.database_path)


async def test_a_start_that_fails_leaves_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def burn(_feed: Feed) -> Never:
        raise RuntimeError("the feed is on fire")

    monkeypatch.setattr(Feed, "run", burn)
    with pytest.raises(DaemonFailed, match="expected Serbero to run, found it ended"):
        await stage.raise_serbero(SerberoHere)
    assert not is_held(stage.database_path)
    assert crypto_threads() == []


async def test_a_database_in_use_is_not_touched(stage: Stage) -> None:
    first = await stage.raise_serbero(SerberoHere)
    with pytest.raises(StoreError):
        await stage.raise_serbero(SerberoHere)
    first.check()
    dispute = await stage.node.open_order_dispute()
    assert isinstance(await first.take(dispute.id), Taken)


async def test_a_cancelled_start_leaves_nothing(stage: Stage) -> None:
    starting = asyncio.create_task(stage.raise_serbero(SerberoHere))
    log = stage.log_path
    await eventually(
        lambda: log.exists() and "entering notification loop" in log.read_text(), what="it runs"
    )
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_held(stage.database_path)
    assert crypto_threads() == []
