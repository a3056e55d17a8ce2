"""An honest conversation beside two hostile ones, and alone: how much later it is.

Phases alternate in one run: alone, attacked, alone, attacked. In each an honest party of its own
exchanges messages with us, one each way at a time. The two hostile parties are one process; they
hold keys of channels of ours and send, as fast as the rate says, valid messages, replays, garbage,
forged authors, misdated and misaddressed events, and events of strangers on their address. The
pace is bounded, so that what is compared is not the machine's share for the attackers.

``accepted``: from the honest party's publishing to the message's commit. ``heard``: from our
decision to say something to the party's hearing it.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from nostr_sdk import Keys

from bench.common import (
    CLOCK,
    START_SECONDS,
    folder,
    quantiles,
    report,
    round_trip_floor_ms,
    say,
    transaction_floor_ms,
    until,
)
from bench.take import notes
from serbero.chat import speaking
from serbero.chat.channel import AcceptedMessage
from serbero.clock import SystemClock, within
from serbero.config.loader import loads
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.model.party import Party
from serbero.observe.logging import configure_logging
from serbero.observe.service_manager import ServiceManager
from serbero.simulator.party_chat import ChatSide
from serbero.simulator.party_hostile import HostileSide
from serbero.simulator.relay import RelayProcess

ROUNDS: Final = 20
"""Of a phase: with the echoes of ours, fewer messages than a channel's burst."""
SPELL: Final = 2_000
"""Events an attacker sends on one connection; the embedded relay cuts one after 6,000."""
PAUSE_SECONDS: Final = 0.1


# --- the attackers' process ----------------------------------------------------------------


async def attack(url: str, solver: str, secrets: list[str], rate: float) -> None:
    """Attack until killed."""
    print("ready", flush=True)
    await asyncio.gather(*(_villain(url, solver, Keys.parse(each), rate) for each in secrets))


async def _villain(url: str, solver: str, keys: Keys, rate: float) -> None:
    while True:
        async with HostileSide([url], keys=keys) as villain:
            await villain.meet(solver)
            await villain.say("a genuine word")
            begun, sent = time.monotonic(), 0
            while sent < SPELL:
                sent += len(await villain.flood(20))
                sent += len(await villain.outsider(5))
                if sent % 200 < 25:
                    sent += await _tricks(villain)
                ahead = sent / rate - (time.monotonic() - begun)
                await CLOCK.sleep(max(0.0, ahead))


async def _tricks(villain: HostileSide) -> int:
    sent = [
        await villain.replay(),
        await villain.from_the_future(86_400),
        await villain.from_the_future(86_400, inner_only=True),
        await villain.wrong_p(),
        await villain.two_p_tags(),
        await villain.foreign_signer(),
        await villain.garbage(),
    ]
    await villain.oversize()
    return sum(map(len, sent)) + 1


@contextlib.asynccontextmanager
async def attacked(url: str, solver: str, villains: list[Keys], rate: float) -> AsyncIterator[None]:
    """:func:`attack` in a process of its own, for as long as this lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench.hostile", "--attack", url, "--solver", solver, "--rate", str(rate)),
        *("--secrets", *(each.secret_key().to_hex() for each in villains)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no pipe")
        if await within(CLOCK, START_SECONDS, process.stdout.readline()) != b"ready\n":
            raise RuntimeError("the attackers ended")
        yield
        if process.returncode is not None:
            raise RuntimeError("the attackers ended")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


# --- the daemon and the honest party -------------------------------------------------------


@contextlib.asynccontextmanager
async def daemon(path: Path, keys: Keys, url: str) -> AsyncIterator[Parts]:
    """The daemon's parts, running, of a node that says nothing."""
    node = Keys.generate().public_key().to_hex()
    text = (
        f'[serbero]\nprivate_key = "{keys.secret_key().to_hex()}"\n'
        f'db_path = "{path / "serbero.db"}"\n[mostro]\npubkey = "{node}"\n'
        f'[[relays]]\nurl = "{url}"\n'
    )
    parts = await build(loads(text, {}).config, SystemClock())
    stop = asyncio.Event()
    running = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
    try:
        await until(lambda: parts.pool.hearing_count() > 0 or running.done(), START_SECONDS)
        yield parts
    finally:
        stop.set()
        await running
        await parts.close()


async def converse(parts: Parts, url: str, solver: str, rounds: int) -> dict[str, list[float]]:
    """One honest conversation of its own; milliseconds of each message."""
    dispute_id = str(uuid4())
    accepted: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    def on_message(message: AcceptedMessage) -> None:
        if message.dispute_id == dispute_id:
            accepted.put_nowait((message.message.text, time.monotonic()))

    took: dict[str, list[float]] = {"accepted_ms": [], "heard_ms": []}
    async with ChatSide([url], name="honest") as party:
        await party.meet(solver)
        await parts.chats.open(dispute_id, {Party.BUYER: party.public_key}, CLOCK.now())
        await CLOCK.sleep(1.0)
        forget = parts.chats.listen(on_message)
        for number in range(rounds):
            began = time.monotonic()
            await parts.base.store.transact(
                speaking.say,
                parts.speaker,
                dispute_id,
                Party.BUYER,
                f"question {number}",
                anchor=f"round-{number}",
                at_ms=int(CLOCK.time() * 1000),
            )
            parts.delivery.worker.wake()
            await until(lambda n=number: len(party.heard) > n, START_SECONDS, 0.001)  # type: ignore[misc]
            took["heard_ms"].append((party.heard[-1].monotonic - began) * 1000)
            began = time.monotonic()
            await party.say(f"answer {number}")
            text, at = await within(CLOCK, START_SECONDS, accepted.get())
            if text != f"answer {number}":
                raise RuntimeError("messages were lost or exchanged")
            took["accepted_ms"].append((at - began) * 1000)
            await CLOCK.sleep(PAUSE_SECONDS)
        forget()
    await parts.chats.close(dispute_id)
    return took


def refused(parts: Parts) -> dict[str, int]:
    """How many events were not accepted, by reason."""
    return {
        sample.labels["reason"]: int(sample.value)
        for metric in parts.base.metrics.chat_rejected.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def peak_mb() -> float:
    """The most that was ever resident of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    configure_logging("error", "json", sys.stderr)
    keys, villains = Keys.generate(), [Keys.generate(), Keys.generate()]
    solver = keys.public_key().to_hex()
    phases: dict[str, list[dict[str, list[float]]]] = {"alone": [], "attacked": []}
    with folder() as path:
        transactions = await transaction_floor_ms(path)
        async with RelayProcess() as relay, daemon(path, keys, relay.url) as parts:
            floor = await round_trip_floor_ms(relay.url, notes(50))
            theirs = {
                side: each.public_key().to_hex() for side, each in zip(Party, villains, strict=True)
            }
            await parts.chats.open(str(uuid4()), theirs, CLOCK.now())
            await converse(parts, relay.url, solver, 5)  # finds cold caches
            before = peak_mb()
            for number in range(options.repeats):
                phases["alone"].append(await converse(parts, relay.url, solver, ROUNDS))
                async with attacked(relay.url, solver, villains, options.rate):
                    await CLOCK.sleep(2.0)
                    phases["attacked"].append(await converse(parts, relay.url, solver, ROUNDS))
                await CLOCK.sleep(1.0)
                say(f"{number + 1} of {options.repeats}")
            stopped = refused(parts)
            grown = peak_mb() - before
    figures = {
        name: {
            kind: quantiles(value for each in runs for value in each[kind])
            for kind in ("accepted_ms", "heard_ms")
        }
        for name, runs in phases.items()
    }
    report(
        "hostile",
        {
            "attackers": len(villains),
            "events_a_second_each": options.rate,
            "floors": {"round_trip_ms": floor, "transaction_ms": transactions},
            **figures,
            "later_at_the_median_ms": {
                kind: round(
                    figures["attacked"][kind]["median"] - figures["alone"][kind]["median"], 2
                )
                for kind in ("accepted_ms", "heard_ms")
            },
            "refused": stopped,
            "peak_memory_grew_mb": round(grown, 1),
        },
    )


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="of both phases")
    parser.add_argument("--rate", type=float, default=100.0, help="events a second, each attacker")
    parser.add_argument("--attack", default="", help=argparse.SUPPRESS)
    parser.add_argument("--solver", default="", help=argparse.SUPPRESS)
    parser.add_argument("--secrets", nargs="*", default=[], help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = arguments()
    if chosen.attack:
        asyncio.run(attack(chosen.attack, chosen.solver, chosen.secrets, chosen.rate))
    else:
        asyncio.run(main(chosen))
