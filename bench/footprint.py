"""What the daemon costs while nothing happens, and what a burst leaves behind.

``subscribed`` is from exec to the moment the relay's EOSE reaches the daemon's socket: the dispute
subscription stands and is answered. The idle CPU covers canaries, timers and all threads.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

from nostr_sdk import Keys

from bench.burst import LOOKBACK_SECONDS, signed
from bench.common import (
    CLOCK,
    START_SECONDS,
    Daemon,
    folder,
    quantiles,
    relay_and_proxy,
    report,
    say,
    until,
)
from serbero.clock import within
from serbero.simulator.peer import publish_many

PUBLISHED_AT_ONCE = 250
PAUSE_SECONDS = 0.5

_BARE = """
import json, resource, sys, time
started = time.perf_counter()
import {module}
took = time.perf_counter() - started
status = open("/proc/self/status").read()
kilobytes = next(int(l.split()[1]) for l in status.splitlines() if l.startswith("VmRSS:"))
print(json.dumps([kilobytes / 1024, took]))
"""


async def bare(module: str) -> dict[str, float]:
    """Resident megabytes and import seconds of a process that imports ``module`` alone."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _BARE.format(module=module), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await within(CLOCK, START_SECONDS, process.communicate())
    megabytes, seconds = json.loads(out)
    return {"resident_mb": round(megabytes, 1), "import_s": round(seconds, 3)}


async def one(path: Path, options: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> Any:
    """Start, rest, burst, rest."""
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    node = Keys.generate()
    solvers = [Keys.generate().public_key().to_hex() for _ in range(options.solvers)]
    lookback = {"mostro": {"cold_start_lookback_seconds": LOOKBACK_SECONDS}}
    disputes = signed(node, options.disputes)
    subscribed = []
    for number in range(options.starts):
        started = await _time_to_subscribed(path / f"start-{number}", node, solvers)
        subscribed.append(started)
    (path / "run").mkdir()
    async with relay_and_proxy() as (relay, proxy):
        daemon = Daemon(
            path / "run", node.public_key().to_hex(), [proxy.url], solvers, {**lookback, **settings}
        )
        async with daemon:
            await daemon.ready()
            await CLOCK.sleep(2.0)
            idle_mb, idle_cpu = daemon.resident_mb(), await _cpu_percent(daemon, options.idle)
            # At a pace at which the embedded relay drops no live event: asking every few seconds
            # for what it dropped would be measured as idleness.
            for start in range(0, len(disputes), PUBLISHED_AT_ONCE):
                await publish_many(relay, disputes[start : start + PUBLISHED_AT_ONCE])
                await CLOCK.sleep(PAUSE_SECONDS)
            await until(
                lambda: daemon.number("SELECT count(*) FROM disputes") >= len(disputes), 120.0, 0.2
            )
            wanted = len(disputes) * len(solvers)
            sent = "SELECT count(*) FROM outbox WHERE state = 'sent'"
            await until(lambda: daemon.number(sent) >= wanted, 120.0, 0.2)
            await CLOCK.sleep(2.0)
            after_mb = daemon.resident_mb()
            await CLOCK.sleep(options.rest)
            return {
                "subscribed_after_s": quantiles(subscribed, 3),
                "resident_mb": {
                    "idle": round(idle_mb, 1),
                    "right_after_burst": round(after_mb, 1),
                    "after_burst": round(daemon.resident_mb(), 1),
                    "most": round(daemon.peak_mb(), 1),
                },
                "cpu_percent": {
                    "idle": idle_cpu,
                    "idle_after_burst": await _cpu_percent(daemon, options.idle),
                },
                "burst": {"disputes": len(disputes), "solvers": len(solvers)},
            }


async def _time_to_subscribed(path: Path, node: Keys, solvers: list[str]) -> float:
    path.mkdir()  # noqa: ASYNC240 - nothing else runs yet
    async with relay_and_proxy() as (_relay, proxy):
        daemon = Daemon(path, node.public_key().to_hex(), [proxy.url], solvers)
        async with daemon:
            await daemon.ready()
            deadline = time.monotonic() + START_SECONDS
            while not (moments := await proxy.moments())["eose"]:
                if time.monotonic() > deadline:
                    raise TimeoutError("never subscribed")
                await CLOCK.sleep(0.02)
            return moments["eose"][0] - daemon.started_at


async def _cpu_percent(daemon: Daemon, seconds: float) -> float:
    used, started = daemon.cpu_seconds(), time.monotonic()
    await CLOCK.sleep(seconds)
    return round((daemon.cpu_seconds() - used) / (time.monotonic() - started) * 100, 2)


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    floors = {name: await bare(name) for name in ("sys", "nostr_sdk", "sqlalchemy", "pydantic")}
    cases = {}
    with folder() as path:
        for name, settings in (
            ("http_off", {}),
            ("http_on", {"observe": {"http_listen": "127.0.0.1:0", "log_format": "json"}}),
        ):
            cases[name] = await one(path / name, options, settings)
            say(f"{name}: {json.dumps(cases[name])}")
    report("footprint", {"floors": floors, "cases": cases})


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.footprint", description=__doc__)
    parser.add_argument("--disputes", type=int, default=5_000, help="of the burst")
    parser.add_argument("--solvers", type=int, default=1)
    parser.add_argument("--starts", type=int, default=5, help="how often the start is timed")
    parser.add_argument("--rest", type=float, default=35.0, help="seconds after the burst")
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of watching the CPU")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
