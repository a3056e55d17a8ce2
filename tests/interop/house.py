"""A daemon in this process beside a node, parties and solvers that the JavaScript peer plays."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from nostr_sdk import Keys
from tests.interop.js_peer import JsPeer

from serbero.chat.channel import AcceptedMessage
from serbero.clock import SystemClock
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.observe.service_manager import ServiceManager
from serbero.simulator.clock import eventually
from serbero.simulator.relay import LoopbackRelay

VIAS = {"by nip17": ["nip17"], "by mostro": ["mostro"], "by both": ["nip17", "mostro"]}


@dataclass
class Trade:
    """A dispute at the peer's node."""

    dispute: str
    buyer: str
    seller: str


@dataclass
class House:
    """The daemon and who is around it; solvers are named for the channel they want.

    Attributes:
        accepted: what this life of the daemon accepted in its chats.
    """

    peer: JsPeer
    relay: LoopbackRelay
    folder: Path
    own: Keys
    node: str
    settings: str = ""
    accepted: list[AcceptedMessage] = field(default_factory=list)

    @property
    def public_key(self) -> str:
        return self.own.public_key().to_hex()

    async def config(self) -> str:
        """Its configuration, with one solver for each channel; the same in each of its lives."""
        if self.settings:
            return self.settings
        lines = [
            "[serbero]",
            f'private_key = "{self.own.secret_key().to_hex()}"',
            f'db_path = "{self.folder / "serbero.db"}"',
            f'[mostro]\npubkey = "{self.node}"',
            f'[[relays]]\nurl = "{self.relay.url}"',
        ]
        for solver in VIAS:
            key = await self.peer.start("solver", solver, trusted=[self.public_key])
            via = solver.removeprefix("by ")
            lines.append(f'[[solvers]]\npubkey = "{key}"\nvia = "{via}"')
        self.settings = "\n".join(lines)
        return self.settings

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[Parts]:
        """Run it until left, from the moment it hears and knows the node."""
        parts = await build(loads(await self.config(), {}).config, SystemClock())
        self.accepted.clear()
        parts.chats.listen(self.accepted.append)
        stop = asyncio.Event()
        task = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
        try:
            await eventually(
                lambda: task.done() or (parts.pool.hearing_count() and parts.node.watch.info),
                seconds=30,
                what="the daemon hears and knows the node",
            )
            yield parts
            stop.set()
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await parts.close()

    async def open(self, name: str = "") -> Trade:
        """Two parties and their dispute."""
        buyer = await self.peer.start("party", f"{name}buyer", node=self.node)
        seller = await self.peer.start("party", f"{name}seller", node=self.node)
        made = await self.peer.do("dispute", "the node", buyer=buyer, seller=seller)
        return Trade(made["dispute"], buyer, seller)


async def rows(parts: Parts, sql: str) -> list[tuple[Any, ...]]:
    def read(tx: sa.Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in tx.execute(sa.text(sql))]

    return await parts.base.store.read(read)


async def nothing_left(parts: Parts) -> bool:
    states = await rows(parts, "SELECT state FROM outbox")
    return bool(states) and all(state != "pending" for (state,) in states)
