"""Thousands of disputes published as fast as a relay takes them: none missed, memory bounded.

The embedded relay forgets live events when a listener lags by 1,024, without a word; the daemon
finds those by asking, every few seconds here. The proxy counts what came live and what came as an
answer. The disputes' stamps are spread over the past, fifty a second, as a relay that serves 500
events a page needs it: a node that opens a thousand disputes in one second has other troubles.

The embedded relay also cuts a client after 6,000 messages; with a solver the outbox drains over
more than one connection, and the ten seconds between two are in its time.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from nostr_sdk import Event, Keys

from bench.common import (
    CLOCK,
    Daemon,
    folder,
    relay_and_proxy,
    report,
    say,
    transaction_floor_ms,
    wraps_floor_seconds,
)
from serbero.simulator import events
from serbero.simulator.peer import publish_many

STAMPS_A_SECOND = 50
LOOKBACK_SECONDS = 86_400
SAMPLE_SECONDS = 0.25


def signed(node: Keys, count: int) -> list[Event]:
    """Dispute events, oldest first, the newest of now."""
    first = CLOCK.now() - count // STAMPS_A_SECOND
    return [
        events.dispute_event(node, str(uuid4()), "initiated", first + number // STAMPS_A_SECOND)
        for number in range(count)
    ]


def verify_floor_us(some: Sequence[Event]) -> float:
    """Microseconds to verify one event, nothing else."""
    started = time.perf_counter()
    for event in some:
        event.verify()
    return (time.perf_counter() - started) / len(some) * 1e6


async def burst(path: Path, disputes: list[Event], node: Keys, solvers: int, limit: float) -> Any:
    """One burst, watched until everything is recorded and sent."""
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    people = [Keys.generate().public_key().to_hex() for _ in range(solvers)]
    settings = {
        "mostro": {"reconcile_interval_seconds": 5, "cold_start_lookback_seconds": LOOKBACK_SECONDS}
    }
    async with relay_and_proxy() as (relay, proxy):
        daemon = Daemon(path, node.public_key().to_hex(), [proxy.url], people, settings)
        async with daemon:
            await daemon.ready()
            idle_mb = daemon.resident_mb()
            await proxy.reset()
            started, cpu = time.monotonic(), daemon.cpu_seconds()
            publishing = asyncio.create_task(publish_many(relay, disputes))
            samples = await watch(daemon, len(disputes), solvers, started, limit)
            answers = await publishing
            moments = await proxy.moments()
            missed = len(disputes) - daemon.number("SELECT count(*) FROM disputes")
            sent = daemon.number("SELECT count(*) FROM outbox WHERE state = 'sent'")
            return {
                "disputes": len(disputes),
                "solvers": solvers,
                "taken_by_the_relay": sum(each.accepted for each in answers),
                "missed": missed,
                "events_that_came_live": len(moments["live"]),
                "events_that_came_as_an_answer": len(moments["asked"]),
                "messages_sent": sent,
                "daemon_cpu_s": round(daemon.cpu_seconds() - cpu, 2),
                "resident_mb": {
                    "idle_before": round(idle_mb, 1),
                    "most": round(daemon.peak_mb(), 1),
                    "after": round(daemon.resident_mb(), 1),
                },
                **rates(samples, len(disputes), len(disputes) * solvers),
            }


async def watch(
    daemon: Daemon, disputes: int, solvers: int, started: float, limit: float
) -> list[tuple[float, int, int, float]]:
    """Sample (seconds, disputes recorded, messages sent, megabytes) until all is done."""
    samples = []
    while True:
        recorded = daemon.number("SELECT count(*) FROM disputes")
        sent = daemon.number("SELECT count(*) FROM outbox WHERE state = 'sent'") if solvers else 0
        now = time.monotonic() - started
        samples.append((round(now, 2), recorded, sent, round(daemon.resident_mb(), 1)))
        if (recorded >= disputes and sent >= disputes * solvers) or now > limit:
            return samples
        await CLOCK.sleep(SAMPLE_SECONDS)


def rates(samples: list[tuple[float, int, int, float]], disputes: int, messages: int) -> Any:
    """How fast the database filled: over all, and per second while it did."""

    def reached(index: int, share: float, whole: int) -> float | None:
        return next((each[0] for each in samples if each[index] >= whole * share), None)

    half, whole = reached(1, 0.5, disputes), reached(1, 1.0, disputes)
    found: dict[str, Any] = {
        "half_recorded_after_s": half,
        "all_recorded_after_s": whole,
        "recorded_per_second": round(disputes / whole) if whole else None,
        "live_rate_per_second": round(disputes / 2 / half) if half else None,
        "samples_s_recorded_sent_mb": samples[:: max(1, len(samples) // 20)],
    }
    if messages:
        drained = reached(2, 1.0, messages)
        found["all_sent_after_s"] = drained
        found["sent_per_second"] = round(messages / drained) if drained else None
    return found


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    node = Keys.generate()
    cases = {}
    with folder() as path:
        say(f"signing {options.disputes} events")
        disputes = signed(node, options.disputes)
        floors = {
            "verify_us": round(verify_floor_us(disputes[:500]), 1),
            "transaction_ms": await transaction_floor_ms(path),
            "wrap_ms": round(wraps_floor_seconds(300) / 300 * 1000, 3),
        }
        for solvers in options.solvers:
            case = await burst(path / f"{solvers}", disputes, node, solvers, options.limit)
            cases[f"{solvers}_solvers"] = case
            say(f"{solvers} solvers: {case['missed']} missed")
    report("burst", {"floors": floors, "cases": cases})


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.burst", description=__doc__)
    parser.add_argument("--disputes", type=int, default=10_000)
    parser.add_argument("--solvers", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--limit", type=float, default=120.0, help="seconds a case may take")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
