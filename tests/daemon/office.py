"""A daemon that may take disputes, and a node that answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_sdk import Keys
from tests.daemon.rig import Daemon, World, world

from serbero.node.result import TakeResult
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category

BUYER, SELLER = (Keys.generate().public_key().to_hex() for _ in range(2))


@asynccontextmanager
async def office(
    folder: Path, protocol: Protocol = 2, *, registered: bool = True
) -> AsyncIterator[tuple[World, Daemon]]:
    """A serving node that knows us, and the daemon, hearing."""
    async with world(folder, solvers=1) as stage, stage.node.serving():
        if registered:
            stage.node.register(stage.own.public_key().to_hex(), Category.READ)
        await stage.node.switch(protocol=protocol)
        async with stage.hearing() as daemon:
            await stage.until(
                lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
            )
            yield stage, daemon


async def take(stage: World, daemon: Daemon, dispute: Dispute) -> TakeResult:
    task = asyncio.create_task(daemon.parts.node.taker.take(dispute.id))
    await stage.until(task.done, limit_seconds=120, what="the take")
    return task.result()
