"""Whoever wants a dispute taken joins what is under way, or what an earlier life began."""

import asyncio
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.rig import World, world

from serbero.clock import SystemClock
from serbero.node.result import Taken
from serbero.simulator.node_log import Did, Drop, Manner
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category

BUYER, SELLER = (Keys.generate().public_key().to_hex() for _ in range(2))


async def asked_and_died(stage: World) -> Dispute:
    """A life that ends between its request and the node's answer, which then comes."""
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
        await stage.until(
            lambda: len(stage.node.desk.received) == 1, limit_seconds=10, what="the request"
        )
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await stage.elapse(10)
    return dispute


def looked_for(stage: World, dispute: Dispute) -> bool:
    """Whether the relay was asked for the state of a dispute."""
    asked = [
        each for requests in stage.requests for _, filters in requests.asked for each in filters
    ]
    return any(each.get("#d") == [dispute.id] for each in asked)


@pytest.mark.parametrize("moment", ["at once", "while it looks"])
async def test_a_take_after_a_restart_finds_the_answer_to_the_one_before(
    tmp_path: Path, moment: str
) -> None:
    async with world(tmp_path, solvers=1) as stage, stage.node.serving():
        dispute = await asked_and_died(stage)
        async with stage.run() as daemon:
            taker = daemon.parts.node.taker
            while moment == "while it looks" and dispute.id not in taker._tasks:
                await SystemClock().sleep(0)
            takes = [asyncio.create_task(taker.take(dispute.id)) for _ in range(2)]
            await stage.until(
                lambda: all(each.done() for each in takes), limit_seconds=60, what="taken"
            )
            first, second = (each.result() for each in takes)
            assert isinstance(first, Taken)
            assert second == first
            await stage.elapse(60)
            assert stage.node.desk.outcomes() == [Did.TOOK]
            assert await daemon.rows("SELECT state, attempts FROM takes") == [("taken", 1)]
            assert stage.logs.faults() == []


async def test_whoever_joined_a_take_that_is_given_up_goes_on_with_it(tmp_path: Path) -> None:
    async with world(tmp_path, solvers=1) as stage, stage.node.serving():
        stage.node.register(stage.own.public_key().to_hex(), Category.READ)
        await stage.node.publish_info()
        async with stage.hearing() as daemon:
            await stage.until(
                lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
            )
            dispute = await stage.node.open_order_dispute(BUYER, SELLER)
            await stage.told(dispute)
            stage.node.desk.upcoming.append(Manner(silent=True))
            first, second = (
                asyncio.create_task(daemon.parts.node.taker.take(dispute.id)) for _ in range(2)
            )
            await stage.until(
                lambda: len(stage.node.desk.received) == 1, limit_seconds=10, what="the request"
            )
            first.cancel()
            await stage.until(second.done, limit_seconds=60, what="taken")
            assert first.cancelled()
            assert isinstance(second.result(), Taken)
            assert stage.node.desk.outcomes() == [Drop.SILENT, Did.TOOK]
