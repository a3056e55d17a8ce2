"""The whole daemon beside a node, parties and solvers on nostr-tools."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nostr_sdk import Keys
from tests.interop.js_peer import JsPeer

from serbero.clock import SystemClock
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.mostro.node_info import Transport
from serbero.node.result import Refused, Taken
from serbero.node.standing import Way
from serbero.observe.service_manager import ServiceManager
from serbero.simulator.clock import eventually
from serbero.simulator.relay import LoopbackRelay

VIAS = {"by nip17": ["nip17"], "by mostro": ["mostro"], "by both": ["nip17", "mostro"]}
SECRETS = ("2b" * 32, "1a" * 32, "lnbcrt1secretinvoice")


@dataclass
class Trade:
    """A dispute at the peer's node."""

    dispute: str
    buyer: str
    seller: str


@dataclass
class House:
    """The daemon and who is around it; solvers are named for the channel they want."""

    peer: JsPeer
    relay: LoopbackRelay
    folder: Path
    own: Keys
    node: str

    @property
    def public_key(self) -> str:
        return self.own.public_key().to_hex()

    async def config(self) -> str:
        """Its configuration, with one solver for each channel."""
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
        return "\n".join(lines)

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[Parts]:
        """Run it until left, from the moment it hears and knows the node."""
        parts = await build(loads(await self.config(), {}).config, SystemClock())
        stop = asyncio.Event()
        task = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
        try:
            await eventually(
                lambda: task.done() or (parts.pool.hearing_count() and parts.watch.info),
                seconds=30,
                what="the daemon hears and knows the node",
            )
            yield parts
            stop.set()
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await parts.pool.close()
            parts.worker.close()
            parts.store.close()

    async def open(self, name: str = "") -> Trade:
        """Two parties and their dispute."""
        buyer = await self.peer.start("party", f"{name}buyer", node=self.node)
        seller = await self.peer.start("party", f"{name}seller", node=self.node)
        made = await self.peer.do("dispute", "the node", buyer=buyer, seller=seller)
        return Trade(made["dispute"], buyer, seller)


@pytest.fixture
async def house(peer: JsPeer, relay: LoopbackRelay, tmp_path: Path) -> House:
    """A node that knows us, and nothing running yet."""
    own = Keys.generate()
    node = await peer.start("node", "the node", name="Interop")
    key = own.public_key().to_hex()
    await peer.do("register", "the node", pubkey=key, category="read")
    return House(peer, relay, tmp_path, own, node)


async def rows(parts: Parts, sql: str) -> list[tuple[Any, ...]]:
    def read(tx: sa.Connection) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in tx.execute(sa.text(sql))]

    return await parts.store.read(read)


async def test_each_solver_is_told_on_the_channel_wanted(house: House) -> None:
    async with house.daemon() as parts:
        trade = await house.open()
        for solver, channels in VIAS.items():
            for via in channels:
                told = await house.peer.heard("dm", solver, via=via)
                assert told["sender"] == house.public_key
                assert told["text"].startswith("New Mostro dispute requires attention.\n")
                assert trade.dispute in told["text"]
                assert via == "nip17" or told["dispute"] == trade.dispute
        await eventually(lambda: nothing_left(parts), what="the outbox is done")
        sent = "SELECT solver_pubkey FROM notifications WHERE status = 'sent'"
        assert len(await rows(parts, sent)) == len(VIAS), "one row a solver, whatever the channels"
    for solver, channels in VIAS.items():
        assert sorted(each["via"] for each in house.peer.all("dm", solver)) == sorted(channels)


async def nothing_left(parts: Parts) -> bool:
    states = await rows(parts, "SELECT state FROM outbox")
    return bool(states) and all(state != "pending" for (state,) in states)


@pytest.mark.parametrize("transport", list(Transport))
async def test_dispute_is_taken(house: House, transport: Transport) -> None:
    await house.peer.do("configure", "the node", transport=transport, pow=4, pow_first_contact=8)
    async with house.daemon() as parts:
        trade = await house.open()
        await house.peer.heard("dm", "by nip17")
        taken = await parts.taker.take(trade.dispute)
        assert isinstance(taken, Taken), taken
        assert taken.attempts == 1
        assert (taken.info.buyer, taken.info.seller) == (trade.buyer, trade.seller)
        heard = await house.peer.heard("request", "the node")
        assert heard["canonical"]
        assert heard["sender"] == heard["identity"] == house.public_key
        assert heard["asked"]["version"] == transport.message_version
        assert heard["bits"] >= 8 if transport is Transport.NIP44 else heard["bits"] >= 4
        for party in ("buyer", "seller"):
            notice = await house.peer.heard("notice", party, action="admin-took-dispute")
            assert notice["payload"]["peer"]["pubkey"] == house.public_key
        wanted = f"assigned_solver: {house.public_key}\n"
        await eventually(
            lambda: any(wanted in each["text"] for each in house.peer.all("dm", "by mostro")),
            what="solvers are told that we hold it",
        )
        kept = repr(
            [
                await rows(parts, sql)
                for sql in ("SELECT * FROM takes", "SELECT * FROM parties", "SELECT * FROM journal")
            ]
        )
        assert trade.buyer in kept
        assert not any(secret in kept + repr(taken) for secret in SECRETS)


async def test_switch_of_transport_is_followed(house: House) -> None:
    async with house.daemon() as parts:
        first, second = await house.open("one "), await house.open("two ")
        assert isinstance(await parts.taker.take(first.dispute), Taken)
        await house.peer.do("configure", "the node", transport="gift-wrap")
        await eventually(
            lambda: (
                isinstance(parts.watch.way, Way)
                and parts.watch.way.transport is Transport.GIFT_WRAP
            ),
            what="the switch is noticed",
        )
        assert isinstance(await parts.taker.take(second.dispute), Taken)
    kinds = [each["kind"] for each in house.peer.all("request", "the node")]
    assert kinds == [14, 1059]


async def test_refusal_ends_a_take(house: House) -> None:
    async with house.daemon() as parts:
        trade = await house.open()
        await house.peer.heard("dm", "by nip17")
        other = Keys.generate().public_key().to_hex()
        await house.peer.do("take_over", "the node", dispute=trade.dispute, solver=other)
        result = await parts.taker.take(trade.dispute)
        assert isinstance(result, Refused)
        assert result.reason == "invalid_pubkey"
