"""D disputes at once to S solvers, at several relay round trips; a sequential sender beside it.

Two figures a dispute. ``published``: from handing the dispute to the relay to the moment the last
OK reaches the daemon's socket. The dispute itself first needs half a round trip to the daemon.
``heard``: from the dispute reaching the daemon's socket to that same last OK, which is what the
daemon can do anything about. Both ends are seen by the proxy on the daemon's socket, so the
daemon's own view is not what is measured.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

from nostr_sdk import ClientBuilder, Event, Keys, RelayUrl  # noqa: TID251 - what is measured against

from bench.common import (
    CLOCK,
    Daemon,
    DelayProxy,
    Publisher,
    folder,
    quantiles,
    relay_and_proxy,
    report,
    round_trip_floor_ms,
    say,
    transaction_floor_ms,
    wraps_floor_seconds,
)
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.relays.sockets import disable_nagle
from serbero.simulator import events
from serbero.simulator.node import MostroNode

PATIENCE_SECONDS = 60.0


async def fan_out(
    daemon: Daemon, proxy: DelayProxy, publisher: Publisher, disputes: list[Event]
) -> dict[str, float]:
    """Publish disputes and wait for every solver's message to be acknowledged; milliseconds."""
    wanted = len(disputes) * len(daemon.solvers)
    await proxy.reset()
    cpu = daemon.cpu_seconds()
    published = await publisher.publish(disputes)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len((moments := await proxy.moments())["ok"]) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(moments['ok'])} of {wanted} messages acknowledged")
        await CLOCK.sleep(0.05)
    used = daemon.cpu_seconds() - cpu
    last = moments["ok"][wanted - 1]
    return {
        "published": (last - published) * 1000,
        # Reconciling may ask at this very moment and hear of it first.
        "heard": (last - min(moments["live"] + moments["asked"])) * 1000,
        "cpu": used * 1000,
    }


async def at_round_trip(path: Path, round_trip: float, options: argparse.Namespace) -> Any:
    """Every case at one relay round trip."""
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    node = MostroNode([])
    solvers = [Keys.generate().public_key().to_hex() for _ in range(options.solvers)]
    async with relay_and_proxy() as (relay, proxy):
        await proxy.round_trip(round_trip)
        floor = await round_trip_floor_ms(proxy.url, _notes(20))
        daemon = Daemon(path, node.public_key, [proxy.url], solvers)
        async with daemon, Publisher(relay) as publisher:
            await daemon.ready()
            single, burst = [], []
            for number in range(options.repeats + 1):
                one = _signed(node, 1)
                figures = await fan_out(daemon, proxy, publisher, one)
                await CLOCK.sleep(0.3)
                if number:  # the first one finds cold caches
                    single.append(figures)
            for _ in range(options.bursts):
                burst.append(await fan_out(daemon, proxy, publisher, _signed(node, options.burst)))
                await CLOCK.sleep(1.5)
            exact = _exactly_once(daemon)
        if options.keep_log:
            say((path / "serbero.log").read_text()[-5000:])
        sequential = await _sequential(proxy, solvers, options) if round_trip else None
    return {
        "round_trip_floor_ms": floor,
        f"1x{options.solvers}": _table(single),
        f"{options.burst}x{options.solvers}": _table(burst),
        "every_message_acknowledged_once": exact,
        **({"sequential": sequential} if sequential else {}),
    }


def _table(runs: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "runs": len(runs),
        "published_to_last_ok_ms": quantiles(each["published"] for each in runs),
        "heard_to_last_ok_ms": quantiles(each["heard"] for each in runs),
        "daemon_cpu_ms": quantiles(each["cpu"] for each in runs),
    }


def _exactly_once(daemon: Daemon) -> bool:
    """Whether every message has one wrap and every relay took it at its first attempt."""
    messages = daemon.number("SELECT count(*) FROM outbox")
    accepted = "SELECT count(*) FROM outbox_targets WHERE state = 'accepted' AND attempts = 1"
    wraps = daemon.number("SELECT count(*) FROM outbox_wraps")
    return messages == wraps == daemon.number(accepted)


def _signed(node: MostroNode, count: int) -> list[Event]:
    return [dispute.revisions[-1] for dispute in node.sign_many(count)]


def _notes(count: int) -> list[Event]:
    """Plain events to time a bare relay with."""
    keys = Keys.generate()
    return [events.signed(keys, 1, f"{n}", [], CLOCK.now()) for n in range(count)]


async def _sequential(
    proxy: DelayProxy, solvers: list[str], options: argparse.Namespace
) -> dict[str, Any]:
    """Wrap, send and await one message after the other, through the library's own client."""
    keys = Keys.generate()
    client = ClientBuilder().build()
    await client.add_relay(RelayUrl.parse(proxy.url))
    await client.connect()
    await CLOCK.sleep(1.0)
    disable_nagle()
    whole = options.burst * options.solvers
    count = whole if options.full else min(whole, options.slice)
    started = time.monotonic()
    for number in range(count):
        rumor = direct_message(
            sender=keys.public_key().to_hex(),
            recipient=solvers[number % len(solvers)],
            text="New Mostro dispute\n" + "x" * 180,
            created_at=CLOCK.now(),
            subject="Dispute 8a3f",
            root=None,
        )
        recipient = solvers[number % len(solvers)]
        wrap = gift_wrap(keys, recipient, rumor.json, expires_at=CLOCK.now() + 86_400)
        await client.send_event(Event.from_json(wrap.json))
    took = time.monotonic() - started
    await client.shutdown()
    return {
        "messages_sent": count,
        "took_ms": round(took * 1000, 1),
        "messages_of_the_case": whole,
        "whole_case_ms": round(took * 1000 * whole / count, 1),
        "extrapolated": count != whole,
    }


def _judged(cases: dict[str, Any], wraps_ms: float, options: argparse.Namespace) -> dict[str, Any]:
    """The issue's comparisons as plain ratios; the reader judges."""
    single, burst = f"1x{options.solvers}", f"{options.burst}x{options.solvers}"
    found: dict[str, Any] = {}
    for name, case in cases.items():
        floor = case["round_trip_floor_ms"]["median"]
        heard = case[burst]["heard_to_last_ok_ms"]["median"]
        published = case[burst]["published_to_last_ok_ms"]["median"]
        found[name] = {
            "single_heard_over_round_trip_ms": round(
                case[single]["heard_to_last_ok_ms"]["median"] - floor, 1
            ),
            "single_published_over_round_trip_ms": round(
                case[single]["published_to_last_ok_ms"]["median"] - floor, 1
            ),
            "burst_over_floor": round(heard / max(wraps_ms, floor), 2),
            "burst_published_over_floor": round(published / max(wraps_ms, floor), 2),
        }
        if "sequential" in case:
            slower = case["sequential"]["whole_case_ms"] / published
            found[name]["sequential_over_burst"] = round(slower, 1)
    return found


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    whole = options.burst * options.solvers
    with folder() as path:
        wraps = [wraps_floor_seconds(whole) * 1000 for _ in range(3)]
        floors = {
            f"{whole}_wraps_ms": quantiles(wraps, 1),
            "transaction_ms": await transaction_floor_ms(path),
        }
        say(f"floors: {json.dumps(floors)}")
        cases = {}
        for round_trip in options.round_trips:
            case = await at_round_trip(path / f"rtt-{round_trip:g}", round_trip, options)
            cases[f"{round_trip:g}_ms"] = case
            say(f"round trip {round_trip:g} ms: {json.dumps(case)}")
    wraps_ms = floors[f"{whole}_wraps_ms"]["median"]
    report(
        "fanout",
        {"floors": floors, "cases": cases, "compared": _judged(cases, wraps_ms, options)},
    )


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.fanout", description=__doc__)
    parser.add_argument("--solvers", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=20, help="of one dispute alone")
    parser.add_argument("--burst", type=int, default=100, help="disputes at once")
    parser.add_argument("--bursts", type=int, default=3, help="how many such bursts")
    parser.add_argument("--round-trips", type=float, nargs="+", default=[0, 50, 200], help="ms")
    parser.add_argument("--slice", type=int, default=200, help="messages of the sequential sender")
    parser.add_argument("--full", action="store_true", help="send all of them, no extrapolation")
    parser.add_argument("--keep-log", action="store_true", help="show the daemon's last lines")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
