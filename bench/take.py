"""Taking a dispute: how long it takes, and where the time goes.

The daemon's parts run in the benchmark's process; the node, the relay and the delaying proxy have
one each. Both the daemon and the node reach the relay through the proxy, so a request and its
answer need two round trips at least: half of one to the relay and half to the other end, each way.

A take begins when it is asked for and ends when its outcome is committed. In between:

- ``begin``: the exchange is committed, and so is that a request is about to go out;
- ``craft``: the request is encrypted, mined and signed;
- ``answer``: from handing the request to the pool to the answer's event in the daemon;
- ``commit``: the answer is read and the outcome with all its consequences committed.

``publish`` is the relay's OK for the request, which nothing waits for: it lies within ``answer``.
Mining is luck, so what it took is taken off each take before it is compared with the goal.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from nostr_sdk import Event, Keys

from bench.common import (
    CLOCK,
    START_SECONDS,
    DelayProxy,
    folder,
    quantiles,
    relay_and_proxy,
    report,
    round_trip_floor_ms,
    say,
    transaction_floor_ms,
    until,
)
from serbero.clock import SystemClock, within
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.mostro.message import take_request
from serbero.mostro.transport import draft, unwrap_from_node
from serbero.node import asking
from serbero.node.request import Build
from serbero.node.result import Taken
from serbero.nostr.replies import PublishReply
from serbero.nostr.work import signed_draft
from serbero.observe.logging import configure_logging
from serbero.observe.service_manager import ServiceManager
from serbero.simulator import events, node_messages
from serbero.simulator.node import MostroNode
from serbero.simulator.node_messages import TRANSPORT, Protocol
from serbero.simulator.node_rules import Category
from serbero.simulator.orders import Order
from serbero.store.schema import disputes

PAUSE_SECONDS: Final = 0.4
"""Between two takes: the node then tells the parties and publishes, a round trip each."""
GOAL_ROUND_TRIPS: Final = 2.5
ASKING: Final[Any] = asking
"""The module whose ``craft`` is timed."""


# --- the node's process --------------------------------------------------------------------


async def serve(url: str, protocol: Protocol, bits: int) -> None:
    """Be a node: print its key, then the ids of as many disputes as each line of input says.

    The first line is the solver's key, hex.
    """
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with MostroNode([url], protocol=protocol, pow_bits=bits) as node, node.serving():
        print(node.public_key, flush=True)
        node.register((await lines.readline()).decode().strip(), Category.READ)
        await node.publish_info()
        while line := await lines.readline():
            opened = [await node.open_order_dispute() for _ in range(int(line))]
            print(json.dumps([each.id for each in opened]), flush=True)


@contextlib.asynccontextmanager
async def node_process(
    url: str, protocol: Protocol, bits: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """:func:`serve` in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.take", "--serve", url, "--protocol", str(protocol), "--bits", str(bits)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """The next line it prints."""
    if process.stdout is None:
        raise RuntimeError("no pipe")
    line = await within(CLOCK, START_SECONDS, process.stdout.readline())
    if not line:
        raise RuntimeError("the node's process ended")
    return line.decode().strip()


def tell(process: asyncio.subprocess.Process, text: str) -> None:
    """Write it a line."""
    if process.stdin is None:
        raise RuntimeError("no pipe")
    process.stdin.write(text.encode() + b"\n")


# --- the daemon ----------------------------------------------------------------------------


@dataclass
class Stopwatch:
    """Moments of the take under way, monotonic seconds."""

    crafting: list[float] = field(default_factory=list)
    crafted: list[float] = field(default_factory=list)
    given: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    def watch(self, parts: Parts) -> None:
        """Note them from now on: the daemon's own functions run as ever in between."""
        craft, publish, on_event = ASKING.craft, parts.pool.publish, parts.node.taker.on_event

        async def crafting(make: Build, bits: int, clock: Any) -> Event:
            self.crafting.append(time.perf_counter())
            event: Event = await craft(make, bits, clock)
            self.crafted.append(time.perf_counter())
            return event

        async def publishing(url: str, event: Event) -> PublishReply:
            self.given.append(time.perf_counter())
            reply = await publish(url, event)
            self.acknowledged.append(time.perf_counter())
            return reply

        def arriving(url: str, event: Event) -> None:
            self.arrived.append(time.perf_counter())
            on_event(url, event)

        ASKING.craft = crafting
        pool: Any = parts.pool
        pool.publish = publishing
        taker: Any = parts.node.taker
        taker.on_event = arriving

    def clear(self) -> None:
        """Begin anew."""
        for moments in (
            self.crafting,
            self.crafted,
            self.given,
            self.acknowledged,
            self.arrived,
        ):
            moments.clear()


@contextlib.asynccontextmanager
async def daemon(path: Path, keys: Keys, node: str, url: str) -> AsyncIterator[Parts]:
    """The daemon's parts, running."""
    text = (
        f'[serbero]\nprivate_key = "{keys.secret_key().to_hex()}"\n'
        f'db_path = "{path / "serbero.db"}"\n[mostro]\npubkey = "{node}"\n'
        f'[[relays]]\nurl = "{url}"\n'
    )
    parts = await build(loads(text, {}).config, SystemClock())
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
    try:
        await until(lambda: parts.node.watch.info is not None or running.done(), START_SECONDS)
        yield parts
    finally:
        stop.set()
        await running
        await parts.close()


# --- one case ------------------------------------------------------------------------------


async def case(
    path: Path, proxy: DelayProxy, protocol: Protocol, bits: int, count: int
) -> dict[str, Any]:
    """Take ``count`` disputes of a node, one after another."""
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    keys = Keys.generate()
    async with node_process(proxy.url, protocol, bits) as node:
        key = await line_of(node)
        tell(node, keys.public_key().to_hex())
        async with daemon(path, keys, key, proxy.url) as parts:
            tell(node, str(count + 1))
            ids: list[str] = json.loads(await line_of(node))
            while await parts.base.store.read(_known) < len(ids):
                await CLOCK.sleep(0.05)
            await CLOCK.sleep(1.0)
            stopwatch, craft = Stopwatch(), ASKING.craft
            stopwatch.watch(parts)
            try:
                runs = []
                for number, dispute_id in enumerate(ids):
                    figures = await one_take(parts, dispute_id, stopwatch)
                    if number:  # the first one finds cold caches
                        runs.append(figures)
                    await CLOCK.sleep(PAUSE_SECONDS)
            finally:
                ASKING.craft = craft
    return {
        "takes": len(runs),
        "attempts_each": max(each.pop("attempts") for each in runs),
        **{f"{name}_ms": quantiles(each[name] for each in runs) for name in runs[0]},
    }


def _known(tx: sa.Connection) -> int:
    return tx.execute(sa.select(sa.func.count()).select_from(disputes)).scalar() or 0


async def one_take(parts: Parts, dispute_id: str, stopwatch: Stopwatch) -> dict[str, float]:
    """Take one dispute; milliseconds of each part."""
    stopwatch.clear()
    began = time.perf_counter()
    result = await parts.node.taker.take(dispute_id)
    ended = time.perf_counter()
    if not isinstance(result, Taken):
        raise RuntimeError(f"not taken: {result}")  # noqa: TRY004 - no fault of a type
    mined = stopwatch.crafted[0] - stopwatch.crafting[0]
    given, arrived = stopwatch.given[0], stopwatch.arrived[0]
    return {
        "attempts": result.attempts,
        "whole": (ended - began) * 1000,
        "without_craft": (ended - began - mined) * 1000,
        "begin": (given - began - mined) * 1000,
        "craft": mined * 1000,
        "publish": (stopwatch.acknowledged[0] - given) * 1000,
        "answer": (arrived - given) * 1000,
        "commit": (ended - arrived) * 1000,
    }


# --- floors --------------------------------------------------------------------------------


def crypto_floor_ms(protocol: Protocol, repeats: int = 100) -> dict[str, Any]:
    """The bare cryptography of a request, and of reading its answer."""
    ours, node = Keys.generate(), Keys.generate()
    key, dispute_id = node.public_key().to_hex(), "8d3a1d3e-6a0b-4c44-9a51-0c5f2f9e8a77"
    buyer, seller = (Keys.generate().public_key().to_hex() for _ in range(2))
    order = Order(buyer, seller)
    order.begin_dispute("buyer")
    making, reading = [], []
    for number in range(repeats):
        now = CLOCK.now()
        started = time.perf_counter()
        made, signer = draft(
            TRANSPORT[protocol],
            ours,
            key,
            take_request(dispute_id, number, protocol),
            created_at=now,
            expires_at=now + 86_400,
        )
        signed_draft(signer, made)
        making.append((time.perf_counter() - started) * 1000)
        saying = node_messages.took(dispute_id, number, order.solver_info())
        answer = node_messages.envelope(node, ours.public_key().to_hex(), saying, protocol, now)
        started = time.perf_counter()
        answer.verify()
        unwrap_from_node(answer, ours, key, now=now)
        reading.append((time.perf_counter() - started) * 1000)
    return {"request_ms": quantiles(making), "answer_ms": quantiles(reading)}


def notes(count: int) -> list[Event]:
    """Plain events to time the bare relay with."""
    keys = Keys.generate()
    return [events.signed(keys, 1, f"{n}", [], CLOCK.now()) for n in range(count)]


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    cases: dict[str, Any] = {}
    with folder() as path:
        configure_logging("error", "json", sys.stderr)
        transactions = await transaction_floor_ms(path)
        crypto = {f"protocol_{protocol}": crypto_floor_ms(protocol) for protocol in TRANSPORT}
        async with relay_and_proxy() as (_, proxy):
            await proxy.round_trip(options.round_trip)
            floor = await round_trip_floor_ms(proxy.url, notes(20))
            for protocol in (2, 1):
                for bits in options.bits:
                    name = f"protocol_{protocol}_{bits}_bits"
                    place = path / name
                    found = await case(place, proxy, protocol, bits, options.takes)
                    median = found["without_craft_ms"]["median"]
                    found["round_trips_without_craft"] = round(median / floor["median"], 2)
                    cases[name] = found
                    say(f"{name}: {json.dumps(found)}")
    floors = {
        "round_trip_ms": floor,
        "two_round_trips_ms": round(2 * floor["median"], 2),
        "transaction_ms": transactions,
        "crypto": crypto,
    }
    report("take", {"goal_round_trips": GOAL_ROUND_TRIPS, "floors": floors, "cases": cases})


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.take", description=__doc__)
    parser.add_argument("--takes", type=int, default=20, help="a case")
    parser.add_argument("--bits", type=int, nargs="+", default=[0, 16], help="of proof of work")
    parser.add_argument("--round-trip", type=float, default=50.0, help="ms")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    parser.add_argument("--protocol", type=int, default=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    if chosen.serve:
        asyncio.run(serve(chosen.serve, chosen.protocol, chosen.bits[0]))
    else:
        asyncio.run(main(chosen))
