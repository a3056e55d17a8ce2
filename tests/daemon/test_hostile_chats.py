"""Hostile conversations beside an honest one, through the whole daemon over a real relay.

Time is the machine's here: what is asserted is what was accepted, how much was decrypted, and how
much waited. How long the honest party waits meanwhile, ``bench/hostile.py`` measures.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.rig import Logs

from serbero.chat import recording
from serbero.chat.budget import BURST, PER_MINUTE, WRAPS_BURST, WRAPS_PER_MINUTE
from serbero.chat.channel import AcceptedMessage, Lane
from serbero.chat.inbox import MAX_BYTES, MAX_QUEUED, MAX_REMEMBERED, Arrival
from serbero.chat.speaking import say
from serbero.clock import SystemClock
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.model.party import Party
from serbero.mostro.chat import CHAT_KIND, ChatRejection, Envelope
from serbero.node.result import Taken
from serbero.observe.service_manager import ServiceManager
from serbero.simulator.clock import eventually
from serbero.simulator.events import KIND_GIFT_WRAP, signed
from serbero.simulator.fault_events import Beside, unsigned_copy
from serbero.simulator.node import MostroNode
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay

ROUNDS = 12
"""Messages each way of the honest conversation."""
FLOOD = 1_000
"""Valid messages of each hostile party."""
NOISE = 200
"""Events of strangers on each address that can be seen."""
MAX_GROWTH_BYTES = 200_000_000
"""Of the process with everything in it, relay and attackers included."""

CLOCK = SystemClock()


@dataclass
class Scene:
    """A daemon that holds two disputes: one of two hostile parties, one of an honest buyer."""

    parts: Parts
    logs: Logs
    proxy: FaultProxy
    url: str
    hostile: list[PartyClient]
    honest: PartyClient
    dispute: str
    accepted: list[AcceptedMessage] = field(default_factory=list)

    def of_honest(self) -> list[str]:
        return [each.message.text for each in self.accepted if each.dispute_id == self.dispute]

    def rejected(self) -> set[str]:
        return {
            sample.labels["reason"]
            for metric in self.parts.base.metrics.chat_rejected.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.value
        }

    async def converse(self, rounds: int) -> None:
        """Ask, be answered, ask again."""
        for number in range(rounds):
            await self.parts.base.store.transact(
                say,
                self.parts.speaker,
                self.dispute,
                Party.BUYER,
                f"question {number}",
                anchor=f"round-{number}",
                at_ms=int(CLOCK.time() * 1000),
            )
            self.parts.delivery.worker.wake()
            await self._exchanged(number)
            await self.honest.say(f"answer {number}")
            await self._exchanged(number + 0.5)

    async def _exchanged(self, rounds: float) -> None:
        """Wait for so many rounds; half of one is a question without its answer."""
        await until(
            lambda: len(self.honest.heard) + len(self.of_honest()) > 2 * rounds, f"round {rounds}"
        )


async def until(condition: Callable[[], bool], what: str) -> None:
    await eventually(condition, seconds=60, what=what)


@asynccontextmanager
async def running(config_text: str) -> AsyncIterator[Parts]:
    parts = await build(loads(config_text, {}).config, CLOCK)
    task = asyncio.create_task(supervise(parts, ServiceManager({}), asyncio.Event()))
    try:
        yield parts
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await parts.close()


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    logs = Logs(CLOCK)
    own = Keys.generate()
    async with AsyncExitStack() as stack:
        stack.enter_context(logs.capture())
        relay = await stack.enter_async_context(LoopbackRelay())
        proxy = await stack.enter_async_context(FaultProxy(relay.url))
        node = await stack.enter_async_context(MostroNode([relay.url]))
        await stack.enter_async_context(node.serving())
        node.register(own.public_key().to_hex(), Category.READ)
        await node.publish_info()
        mallory, oscar, honest = [
            await stack.enter_async_context(PartyClient([relay.url], name=name))
            for name in ("mallory", "oscar", "honest")
        ]
        text = (
            f'[serbero]\nprivate_key = "{own.secret_key().to_hex()}"\n'
            f'db_path = "{folder / "serbero.db"}"\n[mostro]\npubkey = "{node.public_key}"\n'
            "[chat]\ninbound_fetch_interval_seconds = 1\n"
            f'[[relays]]\nurl = "{proxy.url}"\n'
        )
        parts = await stack.enter_async_context(running(text))
        theirs = await node.open_order_dispute(mallory, oscar)
        ours = await node.open_order_dispute(honest)
        here = Scene(parts, logs, proxy, relay.url, [mallory, oscar], honest, ours.id)
        parts.chats.listen(here.accepted.append)
        for dispute in (theirs, ours):
            taken = await parts.node.taker.take(dispute.id)
            assert isinstance(taken, Taken), taken
            keys = {Party.BUYER: taken.info.buyer, Party.SELLER: taken.info.seller}
            known = {party: key for party, key in keys.items() if key is not None}
            await parts.chats.open(dispute.id, known, taken.answered_at)
        everybody = (mallory, oscar, honest)
        await until(lambda: all(each.solver for each in everybody), "the parties are told")
        yield here


async def tricks(villain: PartyClient) -> None:
    """Everything a party can do besides shouting: some forty events, fewer than a burst."""
    await villain.say("a genuine word")
    await villain.replay()
    await villain.from_the_future(86_400)
    await villain.from_the_future(86_400, inner_only=True)
    await villain.wrong_p()
    await villain.two_p_tags()
    await villain.foreign_signer()
    await villain.in_the_name_of(villain.solver or "")
    await villain.wrong_inner_kind()
    await villain.garbage()
    await villain.oversize()


async def strangers(victim: PartyClient) -> None:
    """Somebody who saw the addresses of an honest conversation floods them."""
    keys, now = victim.chat_keys, CLOCK.now()
    for number in range(NOISE):
        for kind, address in ((CHAT_KIND, keys.address), (KIND_GIFT_WRAP, keys.legacy_address)):
            noise = signed(Keys.generate(), kind, f"noise {number}", [["p", address]], now)
            await victim.peers[victim.relay_urls[0]].publish(noise)


def resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


@pytest.mark.timeout(240)
async def test_hostile_parties_cost_an_honest_one_nothing_it_can_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: Counter[Lane] = Counter()
    really_open = recording._open

    def counted(arrival: Arrival, now: int) -> object:
        opened[arrival.lane] += 1
        return really_open(arrival, now)

    monkeypatch.setattr(recording, "_open", counted)
    async with scene(tmp_path) as here:
        inbox = here.parts.chats._inbox
        waiting: list[tuple[int, int]] = []

        async def watch() -> None:
            while True:
                waiting.append((len(inbox), inbox._bytes))
                await CLOCK.sleep(0.005)

        began, before = CLOCK.monotonic(), resident_bytes()
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(tricks(each) for each in here.hostile))
        # A relay that sends a forged copy before each event, from here on.
        here.proxy.add(Beside(unsigned_copy, first=True))
        async with asyncio.TaskGroup() as attack:
            for villain in here.hostile:
                attack.create_task(villain.flood(FLOOD))
                attack.create_task(villain.outsider(NOISE))
            attack.create_task(strangers(here.honest))
            await here.converse(ROUNDS)
        await until(lambda: here.parts.chats.idle, "everything was looked at")
        watching.cancel()
        elapsed = CLOCK.monotonic() - began

        assert here.of_honest() == [f"answer {number}" for number in range(ROUNDS)]
        assert here.honest.texts == [f"question {number}" for number in range(ROUNDS)]
        for villain in here.hostile:
            theirs = [each for each in here.accepted if each.message.author == villain.public_key]
            assert len(theirs) <= 2 + BURST + elapsed * PER_MINUTE / 60
            assert "a genuine word" in {each.message.text for each in theirs}
        authors = {each.message.author for each in here.accepted}
        assert authors <= {each.public_key for each in (*here.hostile, here.honest)}

        assert sum(opened.values()) > 2 * BURST, "nobody was flooded"
        for lane, count in opened.items():
            wraps = lane.envelope is Envelope.GIFT_WRAP
            burst, rate = (WRAPS_BURST, WRAPS_PER_MINUTE) if wraps else (BURST, PER_MINUTE)
            # Our own words that come back are counted apart.
            burst += 0 if wraps else ROUNDS
            assert count <= burst + 1 + elapsed * rate / 60, (lane.envelope, count)
        lanes = 2 * len(here.parts.chats._channels)
        assert max(count for count, _ in waiting) <= lanes * MAX_QUEUED
        assert max(size for _, size in waiting) <= MAX_BYTES
        assert len(inbox._known) <= MAX_REMEMBERED
        assert resident_bytes() - before < MAX_GROWTH_BYTES

        assert here.rejected() >= {
            ChatRejection.P_TAG,
            ChatRejection.ABSOLUTE_TIME,
            ChatRejection.BUDGET,
            ChatRejection.DECRYPT,
            ChatRejection.INNER_PARSE,
            ChatRejection.INNER_SIGNATURE,
            ChatRejection.INNER_SIGNER,
            ChatRejection.INNER_KIND,
            ChatRejection.INNER_DUPLICATE,
            ChatRejection.RELATIVE_TIME,
        }
        rows = await here.parts.base.store.read(
            lambda tx: tx.exec_driver_sql(
                "SELECT count(*) FROM chat_seen WHERE dispute_id = ?", (here.dispute,)
            ).scalar()
        )
        assert rows == 2 * ROUNDS  # theirs and ours, each once
        assert here.logs.faults() == []
        assert "flood 1" not in repr(here.logs.lines)
