"""Many live chats, a message a second in each: how late each is accepted, and what it costs.

The parties write from a process of their own, each message at its appointed moment. Accepted means
committed: the moment is taken when the chats hand a message on, which they do after the commit.
Both processes read the same monotonic clock. From the latency the relay's round trip is taken off,
measured in the same run with one event at a time.

The bare cryptography of a message (verify outside, decrypt, verify inside) is measured in the same
run, on the same messages, and is what the processor time of a message is compared with. Processor
time is that of the whole receiving process, its library threads and the database included. What
it takes merely to receive and verify the same messages through the relay pool is measured as well:
a message costs that before the chats see it.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from nostr_sdk import Event, Keys, nip44_decrypt
from websockets.asyncio.client import connect

from bench.common import CLOCK, folder, quantiles, report, round_trip_floor_ms, say
from serbero.chat.channel import AcceptedMessage
from serbero.chat.channels import Chats
from serbero.chat.opening import open_in
from serbero.clock import within
from serbero.model.party import Party
from serbero.mostro import chat
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.observe.health import Health
from serbero.observe.logging import configure_logging
from serbero.observe.metrics import Metrics
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Subscription
from serbero.simulator.relay import RelayProcess
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

LEAD_SECONDS: Final = 5.0
"""For the writer to sign and connect."""
PATIENCE_SECONDS: Final = 30.0
FLOOR_MESSAGES: Final = 300
TEXT: Final = "I sent the money this morning at ten, the reference is 4821, please look. "


def party(number: int) -> Keys:
    """The trade key of one channel: both processes know it."""
    return Keys.parse(hashlib.sha256(f"bench chat {number}".encode()).hexdigest())


def words(number: int, turn: int, solver: str, characters: int, at: int) -> tuple[Event, Event]:
    """The inner and the outer event of one message."""
    keys = party(number)
    text = f"{turn} {TEXT * (characters // len(TEXT) + 1)}"[:characters]
    inner = chat.inner_message(keys, text, at)
    return inner, chat.wrap(derive(keys.secret_key().to_hex(), solver), inner)


# --- the writing process -------------------------------------------------------------------


async def write(options: argparse.Namespace) -> None:
    """Write every message at its moment; print when each was sent."""
    wall = CLOCK.time() - time.monotonic()
    schedule = []
    for turn in range(options.seconds):
        for number in range(options.channels):
            moment = options.begin + turn + number / options.channels
            inner, outer = words(
                number, turn, options.solver, options.characters, int(wall + moment)
            )
            schedule.append((moment, inner.id().to_hex(), f'["EVENT",{outer.as_json()}]'))
    sent: dict[str, float] = {}
    async with connect(options.write, compression=None, ping_interval=None, proxy=None) as socket:
        taken = asyncio.create_task(count_taken(socket, len(schedule)))
        for moment, inner_id, frame in schedule:
            if (left := moment - time.monotonic()) > 0:
                await CLOCK.sleep(left)
            sent[inner_id] = time.monotonic()
            await socket.send(frame)
        refused = await within(CLOCK, PATIENCE_SECONDS, taken)
    print(json.dumps({"sent": sent, "refused": refused}))


async def count_taken(socket: Any, count: int) -> int:
    """Read every OK; return how many were refusals."""
    refused = 0
    for _ in range(count):
        refused += json.loads(await socket.recv())[2] is not True
    return refused


# --- the receiving process -----------------------------------------------------------------


@dataclass
class Receiver:
    """The chats as the daemon runs them, and when each message was accepted."""

    keys: Keys
    path: Path
    url: str
    accepted: dict[str, float] = field(default_factory=dict)

    def on_accepted(self, message: AcceptedMessage) -> None:
        """Note the moment."""
        self.accepted[message.message.inner_id] = time.monotonic()

    @contextlib.asynccontextmanager
    async def running(self, channels: int) -> Any:
        """Run the chats with this many open channels; yields once they are listened to."""
        metrics = Metrics()
        raw = Store.open(self.path / "chat.db", CLOCK.now())
        store = PatientStore(raw, CLOCK, Health(CLOCK), metrics)
        pool = RelayPool(keys=self.keys, clock=CLOCK, urls=[self.url])
        chats = Chats(
            keys=self.keys,
            store=store,
            relays=pool,
            clock=CLOCK,
            metrics=metrics,
            interval_seconds=10,
        )
        chats.listen(self.on_accepted)
        for number in range(channels):
            key = {Party.BUYER: party(number).public_key().to_hex()}
            about = str(uuid5(UUID(int=3), str(number)))
            await store.transact(open_in, about, key, since=CLOCK.now(), now=CLOCK.now())
        await chats.load()
        tasks = [asyncio.create_task(pool.run()), asyncio.create_task(chats.run())]
        try:
            for group in range(-(-channels // 100)):
                if not await pool.until_heard(f"chat-{group}", PATIENCE_SECONDS):
                    raise RuntimeError("the relay is not heard")
            yield metrics
        finally:
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            chats.stop()
            await pool.close()
            raw.close()


def crypto_floor_us(keys: Keys, characters: int) -> float:
    """Microseconds of processor time of a message's bare cryptography, the same messages."""
    solver, at = keys.public_key().to_hex(), CLOCK.now()
    messages: list[tuple[Event, Event, ChatKeys, str]] = []
    for number in range(FLOOR_MESSAGES):
        inner, outer = words(number, 0, solver, characters, at)
        channel = derive(keys.secret_key().to_hex(), party(number).public_key().to_hex())
        messages.append((inner, outer, channel, outer.content()))
    started = time.process_time()
    for inner, outer, channel, content in messages:
        outer.verify()
        pair = channel.conversation
        nip44_decrypt(pair.secret_key(), pair.public_key(), content)
        inner.verify()
    return (time.process_time() - started) / len(messages) * 1e6


async def reception_floor_us(options: argparse.Namespace) -> float:
    """Microseconds of processor time to receive and verify a message, and drop it."""
    keys = Keys.generate()
    received = 0

    def drop(_url: str, _event: Event) -> None:
        nonlocal received
        received += 1

    async with RelayProcess() as relay:
        pool = RelayPool(keys=keys, clock=CLOCK, urls=[relay.url])
        pool.subscribe(Subscription("floor", lambda: [{"kinds": [chat.CHAT_KIND]}], drop))
        running = asyncio.create_task(pool.run())
        await pool.until_heard("floor", PATIENCE_SECONDS)
        begin = time.monotonic() + LEAD_SECONDS + options.channels * options.seconds / 1_000
        solver = keys.public_key().to_hex()
        writing = asyncio.create_task(written(relay.url, begin, solver, options))
        await CLOCK.sleep(begin - time.monotonic())
        started = time.process_time()
        await writing
        used = time.process_time() - started
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await pool.close()
    return used / max(1, received) * 1e6


async def written(url: str, begin: float, solver: str, options: argparse.Namespace) -> Any:
    """Run the writing process to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.chat",
        *("--write", url, "--begin", str(begin), "--solver", solver),
        *("--channels", str(options.channels), "--seconds", str(options.seconds)),
        *("--characters", str(options.characters)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError("the writer failed")
    return json.loads(output)


async def measure(path: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One run: floors, then the chats."""
    keys = Keys.generate()
    solver = keys.public_key().to_hex()
    crypto = [crypto_floor_us(keys, options.characters)]
    say("receiving alone")
    reception = await reception_floor_us(options)
    say("the chats")
    async with RelayProcess() as relay:
        foreign = Keys.generate().public_key().to_hex()
        probes = [words(n, 0, foreign, options.characters, CLOCK.now())[1] for n in range(200)]
        trip = await round_trip_floor_ms(relay.url, probes)
        receiver = Receiver(keys, path, relay.url)
        async with receiver.running(options.channels) as metrics:
            begin = time.monotonic() + LEAD_SECONDS + options.channels * options.seconds / 1_000
            writing = asyncio.create_task(written(relay.url, begin, solver, options))
            await CLOCK.sleep(begin - time.monotonic())
            started = time.process_time()
            told = await writing
            await settled(receiver, len(told["sent"]))
            used = time.process_time() - started
            rejected = sum(
                sample.value
                for family in metrics.chat_rejected.collect()
                for sample in family.samples
                if sample.name.endswith("_total")
            )
    crypto.append(crypto_floor_us(keys, options.characters))
    found = figures(receiver, told, trip, used, crypto, rejected)
    return {**found, "receiving_alone_each_us": round(reception, 1)}


async def settled(receiver: Receiver, count: int) -> None:
    """Wait until everything sent was accepted, as long as that may take."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(receiver.accepted) < count and time.monotonic() < deadline:
        await CLOCK.sleep(0.05)


def figures(
    receiver: Receiver,
    told: dict[str, Any],
    trip: dict[str, float],
    used: float,
    crypto: Sequence[float],
    rejected: float,
) -> dict[str, Any]:
    """What was measured, beside what it is compared with."""
    sent = told["sent"]
    took = [
        (receiver.accepted[each] - sent[each]) * 1000 for each in sent.keys() & receiver.accepted
    ]
    latency, floor = quantiles(took), sum(crypto) / len(crypto)
    each_us = used / max(1, len(took)) * 1e6
    return {
        "messages_sent": len(sent),
        "refused_by_the_relay": told["refused"],
        "accepted": len(took),
        "rejected": rejected,
        "relay_round_trip_ms": trip,
        "sent_to_accepted_ms": latency,
        "beyond_the_round_trip_ms": round(latency["median"] - trip["median"], 2),
        "goal_beyond_the_round_trip_ms": 50,
        "cpu_each_us": round(each_us, 1),
        "bare_cryptography_each_us": round(floor, 1),
        "cpu_to_bare_cryptography": round(each_us / floor, 2),
        "goal_cpu_to_bare_cryptography": 3,
    }


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    # Lines are made and thrown away: what a daemon spends on them counts, the terminal does not.
    with Path(os.devnull).open("w") as nowhere, folder() as path:  # noqa: ASYNC230
        configure_logging("info", "json", nowhere)
        say(f"{options.channels} channels for {options.seconds} s")
        found = await measure(path, options)
    report("chat", {"characters": options.characters, "channels": options.channels, **found})


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.chat", description=__doc__)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=15, help="messages a channel")
    parser.add_argument("--characters", type=int, default=200, help="of a message")
    parser.add_argument("--write", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--begin", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--solver", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    asyncio.run(write(chosen) if chosen.write else main(chosen))
