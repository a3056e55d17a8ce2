"""Takes beside outages, locked databases, late answers and clocks that differ."""

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.daemon.office import BUYER, SELLER, office, take
from tests.daemon.rig import World, world, write_lock

from serbero.clock import Clock
from serbero.model.taking import Cause
from serbero.node.result import NoAnswer, Taken
from serbero.simulator.behaviour import Behaviour, Way
from serbero.simulator.node_log import Did, Manner
from serbero.simulator.node_rules import Category
from serbero.simulator.proxy import Link
from serbero.simulator.wire import Frame, peek


class Withhold(Behaviour):
    """Keeps the node's messages to us back until they are released."""

    def __init__(self) -> None:
        self.kept: list[tuple[Link, str]] = []

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        if way == "down" and peek(text)[0] == "EVENT" and json.loads(text)[2].get("kind") == 14:
            self.kept.append((link, text))
            return []
        return [text]

    def release(self, number: int) -> None:
        live = [each for each in self.kept if json.loads(each[1])[1].startswith("node")]
        link, text = live[number]
        link.send_down(text)


class Apart(Clock):
    """A clock some seconds away from another one."""

    def __init__(self, base: Clock, seconds: float) -> None:
        self._base, self._seconds = base, seconds

    def time(self) -> float:
        return self._base.time() + self._seconds

    def now(self) -> int:
        return int(self.time())

    def monotonic(self) -> float:
        return self._base.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self._base.sleep(seconds)


async def asked(stage: World, count: int = 1) -> None:
    await stage.until(
        lambda: len(stage.node.desk.received) == count, limit_seconds=60, what="the request"
    )


async def test_the_answer_to_the_first_request_comes_after_the_second(tmp_path: Path) -> None:
    """Both took the dispute for us; the revision of the second is no takeover."""
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        withhold = Withhold()
        stage.proxies[0].add(withhold)
        asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
        await asked(stage, 2)
        withhold.release(0)
        await stage.elapse(5)
        assert not asking.done(), "an answer to an earlier request ended this one"
        withhold.release(1)
        await stage.until(asking.done, limit_seconds=60, what="the take")
        assert isinstance(asking.result(), Taken)
        await stage.elapse(60)
        assert await daemon.rows("SELECT released_by FROM parties") == [(None,)]
        assert not stage.logs.named("dispute_taken_over")


async def test_only_the_first_answer_ever_comes(tmp_path: Path) -> None:
    """It gave us the dispute, and nothing newer says otherwise."""
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        withhold = Withhold()
        stage.proxies[0].add(withhold)
        asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
        await asked(stage, 2)
        withhold.release(0)
        await stage.until(asking.done, limit_seconds=120, what="the take")
        assert isinstance(asking.result(), Taken)
        await stage.elapse(60)
        assert await daemon.rows("SELECT released_by FROM parties") == [(None,)]


async def test_an_exchange_goes_on_without_its_caller(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming.append(Manner(silent=True))
        taker = daemon.parts.node.taker
        first = asyncio.create_task(taker.take(dispute.id))
        await asked(stage)
        hasty = asyncio.create_task(taker.take(dispute.id, patience=3))
        patient = asyncio.create_task(taker.take(dispute.id))
        first.cancel()
        await stage.until(hasty.done, limit_seconds=10, what="patience to end")
        assert hasty.result() == NoAnswer(dispute.id, (Cause.OUT_OF_TIME,), 0)
        await stage.until(patient.done, limit_seconds=60, what="the take")
        assert isinstance(patient.result(), Taken)
        assert await daemon.rows("SELECT state, attempts FROM takes") == [("taken", 2)]


async def test_a_locked_database_neither_ages_a_request_nor_outlasts_patience(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        with write_lock(stage.folder / "serbero.db"):
            waiting = asyncio.create_task(daemon.parts.node.taker.take(dispute.id, patience=1))
            await stage.until(waiting.done, limit_seconds=30, what="patience to end")
            assert isinstance(waiting.result(), NoAnswer)
            assert stage.node.desk.received == []
        assert isinstance(await take(stage, daemon, dispute), Taken)
        assert all(each.at - each.created_at <= 3 for each in stage.node.desk.received)


async def test_more_work_is_wanted_in_mid_take(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        stage.node.desk.upcoming.append(Manner(silent=True))
        asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
        await asked(stage)
        await stage.node.switch(pow_bits=60)
        await stage.until(asking.done, limit_seconds=30, what="the take")
        result = asking.result()
        assert isinstance(result, NoAnswer)
        assert Cause.TOO_LITTLE_WORK in result.causes
        assert len(stage.node.desk.received) == 1


async def test_an_answer_published_in_an_outage_is_found_after_it(tmp_path: Path) -> None:
    async with office(tmp_path) as (stage, daemon):
        dispute = await stage.node.open_order_dispute(BUYER, SELLER)
        await stage.told(dispute)
        stage.node.desk.upcoming.append(Manner(answer_after=14))
        asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id, patience=12))
        await stage.until(asking.done, limit_seconds=30, what="the take")
        assert isinstance(asking.result(), NoAnswer)
        proxy = stage.proxies[0]
        proxy.half_open(True)
        proxy.cut()
        await stage.elapse(60)
        proxy.half_open(False)
        proxy.cut()

        async def taken() -> bool:
            rows = await daemon.rows("SELECT state FROM takes")
            return rows == [("taken",)]

        await stage.until(taken, limit_seconds=200, what="the answer")
        assert await daemon.one("SELECT buyer FROM parties") == BUYER


async def test_a_restart_before_the_network_is_back(tmp_path: Path) -> None:
    """Nothing is known while no relay answers, so nothing is given up."""
    async with world(tmp_path, solvers=1) as stage, stage.node.serving():
        stage.node.register(stage.own.public_key().to_hex(), Category.READ)
        await stage.node.publish_info()
        async with stage.hearing() as daemon:
            await stage.until(
                lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
            )
            dispute = await stage.node.open_order_dispute(BUYER, SELLER)
            await stage.told(dispute)
            stage.node.desk.upcoming.append(Manner(answer_after=5))
            asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
            await asked(stage)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await stage.elapse(10)
        stage.proxies[0].half_open(True)
        async with stage.run() as daemon:
            await stage.elapse(60)
            assert await daemon.rows("SELECT state FROM takes") == [("open",)]
            stage.proxies[0].half_open(False)
            stage.proxies[0].cut()

            async def held() -> bool:
                rows = await daemon.rows("SELECT buyer, released_at FROM parties")
                return rows == [(BUYER, None)]

            await stage.until(held, limit_seconds=200, what="the answer")
            assert stage.node.desk.outcomes() == [Did.TOOK]


async def test_our_clock_is_ahead_of_the_nodes(tmp_path: Path) -> None:
    """Whether a revision is newer than our request is told by the node's clock alone."""
    async with world(tmp_path, solvers=1) as stage:
        stage.node.clock = Apart(stage.clock, -5)
        look_back = f'[mostro]\npubkey = "{stage.node.public_key}"\n'
        config: Any = stage.config(look_back + "cold_start_lookback_seconds = 86400")
        async with stage.node.serving():
            stage.node.register(stage.own.public_key().to_hex(), Category.READ)
            await stage.node.publish_info()
            async with stage.hearing(config) as daemon:
                await stage.until(
                    lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
                )
                dispute = await stage.node.open_order_dispute(BUYER, SELLER)
                await stage.told(dispute)
                # The answer is of no use: the dispute is ours, and nobody told us.
                stage.node.desk.upcoming.append(Manner(answer_after=2, answer_request=7))
                asking = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
                await asked(stage)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await stage.elapse(10)
            async with stage.hearing(config) as daemon:

                async def held() -> bool:
                    rows = await daemon.rows("SELECT buyer, released_at FROM parties")
                    return rows == [(BUYER, None)]

                await stage.until(held, limit_seconds=120, what="the dispute")
                assert stage.node.desk.outcomes() == [Did.TOOK, Did.TOOK_AGAIN]
                told = await daemon.rows("SELECT kind FROM journal WHERE kind LIKE 'take_%'")
                assert sorted(told) == [("take_interrupted",), ("take_taken",)]
