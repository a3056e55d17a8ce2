"""What is around the daemon in :mod:`bench.mediation`: a node, the parties, a model. One process.

``python -m bench.mediation_world ws://127.0.0.1:7000 --seconds 2`` prints a JSON object with the
node's key and the model's address, answers each JSON object on standard input (one command, its
arguments) with one on standard output, and ends with its input. The model answers every question
after the same time, with the same verdict: ask both.
"""

import argparse
import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from typing import Any, Final, Self

from nostr_sdk import Keys

from bench.common import CLOCK, START_SECONDS, until
from serbero.clock import SystemClock, within
from serbero.mostro.chat_keys import derive
from serbero.reasoning.calls import Purpose
from serbero.simulator.model_endpoint import ModelServer, Received, Says, Step, Waits, verdict
from serbero.simulator.node import MostroNode
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.scenario_prompt import read_prompt

BEGIN_SECONDS: Final = 60.0
"""For sessions to begin: bring-up may try twice."""
SIDES: Final = ("buyer", "seller")


class Model(SystemClock):
    """The model's endpoint, and when each classification was asked and answered.

    It is the endpoint's clock as well: the end of a wait is the moment before the answer is
    written. Times are of the machine's monotonic clock, the same in every process.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.server = ModelServer(script=self._answer, clock=self)
        self.calls: list[dict[str, float]] = []

    def _answer(self, request: Received) -> Step:
        at = time.monotonic()
        asked = read_prompt(request.user)
        if asked is None or asked.purpose is not Purpose.CLASSIFY:
            return Says("pong")
        self.calls.append({"asked": at})
        return Waits(Says(verdict()), self._seconds)

    async def sleep(self, seconds: float) -> None:
        """Wait, and note when it was over. Only a classification waits, right after it came."""
        call = self.calls[-1]
        await super().sleep(seconds)
        call["answered"] = time.monotonic()


class World:
    """The commands, by name."""

    def __init__(self, node: MostroNode, model: Model, stack: AsyncExitStack) -> None:
        self._node, self._model, self._stack = node, model, stack
        self._solver = ""
        self._parties: list[dict[str, PartyClient]] = []

    async def register(self, solver: str) -> None:
        """Make the daemon's key (hex) a solver's that may read."""
        self._solver = solver
        self._node.register(solver, Category.READ)
        await self._node.publish_info()

    async def sign(self, count: int) -> dict[str, Any]:
        """Sign disputes of orders and do not publish them.

        Returns:
            The events, and by dispute the key that writes to each party.
        """
        channels: dict[str, list[str]] = {}
        opened = self._node.sign_many(count)
        for dispute in opened:
            keys = [Keys.generate() for _ in SIDES]
            buyer, seller = (each.public_key().to_hex() for each in keys)
            order = await self._node.open_order(buyer, seller)
            order.begin_dispute("buyer" if dispute.initiator == "buyer" else "seller")
            dispute.order_id = order.id
            secrets = (each.secret_key().to_hex() for each in keys)
            channels[dispute.id] = [derive(secret, self._solver).author for secret in secrets]
        events = [json.loads(each.revisions[-1].as_json()) for each in opened]
        return {"events": events, "channels": channels}

    async def begin(self, count: int) -> None:
        """Open disputes between parties that listen; return once each was asked something."""
        for _ in range(count):
            pair = {}
            for side in SIDES:
                client = PartyClient(self._node.relay_urls, protocol=self._node.protocol)
                pair[side] = await self._stack.enter_async_context(client)
            await self._node.open_order_dispute(pair["buyer"], pair["seller"])
            self._parties.append(pair)
        everybody = [client for pair in self._parties for client in pair.values()]
        await until(lambda: all(each.heard for each in everybody), BEGIN_SECONDS)

    async def say(self, number: int, side: str, text: str) -> None:
        """Let a party write."""
        await self._parties[number][side].say(text)

    async def heard(self, number: int, count: int) -> None:
        """Return once both parties of a dispute have heard so many messages."""
        pair = self._parties[number].values()
        await until(lambda: all(len(each.heard) >= count for each in pair), START_SECONDS)

    async def calls(self) -> dict[str, Any]:
        """When the model was asked and had answered since the last time, and how busy it was."""
        calls, self._model.calls = self._model.calls, []
        return {"calls": calls, "at_once": self._model.server.busiest}

    async def body(self) -> str:
        """The newest request to the model."""
        return self._model.server.requests[-1].body.decode()


async def serve(url: str, seconds: float) -> None:
    """Obey until standard input ends."""
    lines = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    model = Model(seconds)
    async with (
        MostroNode([url]) as node,
        model.server,
        node.serving(),
        AsyncExitStack() as stack,
    ):
        print(json.dumps({"node": node.public_key, "model": model.server.base}), flush=True)
        world = World(node, model, stack)
        while line := await lines.readline():
            name, *rest = json.loads(line)
            print(json.dumps(await getattr(world, name)(*rest)), flush=True)


class WorldProcess:
    """The process, from outside, as an async context manager.

    Attributes:
        node: its public key, hex.
        model: base address of its model.
    """

    def __init__(self, url: str, seconds: float) -> None:
        self._arguments = (url, "--seconds", str(seconds))
        self._process: asyncio.subprocess.Process | None = None
        self.node = ""
        self.model = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bench.mediation_world", *self._arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        told = await self._line(START_SECONDS)
        self.node, self.model = told["node"], told["model"]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    async def tell(self, name: str, *rest: Any, seconds: float = START_SECONDS) -> Any:
        """Give it a command; returns its answer.

        Raises:
            RuntimeError: it ended.
            TimeoutError: it does not answer.
        """
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the world does not run")
        self._process.stdin.write(json.dumps([name, *rest]).encode() + b"\n")
        return await self._line(seconds)

    async def _line(self, seconds: float) -> Any:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("the world does not run")
        line = await within(CLOCK, seconds, self._process.stdout.readline())
        if not line:
            raise RuntimeError("the world's process ended")
        return json.loads(line)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.mediation_world", description=__doc__)
    parser.add_argument("url", help="of the relay")
    parser.add_argument("--seconds", type=float, default=2.0, help="that the model takes")
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.url, chosen.seconds))
