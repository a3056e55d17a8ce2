"""What every benchmark stands on: processes, a database to look into, floors, one JSON object.

The relay, the delaying proxy and the daemon each run in a process of their own, on the loopback
interface, in a folder that is removed afterwards.
"""

import asyncio
import contextlib
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import nostr_sdk
import sqlalchemy as sa
from nostr_sdk import Event, Keys
from websockets.asyncio.client import ClientConnection, connect

from serbero import __version__
from serbero.clock import SystemClock, within
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.simulator.relay import RelayProcess
from serbero.store.engine import Store, run_once
from serbero.store.schema import cursors
from serbero.store.sqlite import driver

T = TypeVar("T")

CLOCK = SystemClock()
START_SECONDS = 20.0
"""A process that says nothing for so long does not start."""
_TICKS = os.sysconf("SC_CLK_TCK")


# --- numbers -------------------------------------------------------------------------------


def quantiles(values: Iterable[float], digits: int = 2) -> dict[str, float]:
    """Median, 99th percentile, least and greatest of some values."""
    ordered = sorted(values)
    if not ordered:
        return {}
    return {
        "median": round(statistics.median(ordered), digits),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], digits),
        "min": round(ordered[0], digits),
        "max": round(ordered[-1], digits),
    }


def machine() -> dict[str, Any]:
    """What was measured on, and with which versions."""
    model = ""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model,
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "nostr_sdk": getattr(nostr_sdk, "__version__", ""),
        "sqlite": driver.sqlite_version,
        "serbero": __version__,
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """Print the one JSON object of a benchmark."""
    print(json.dumps({"benchmark": name, "machine": machine(), **figures}, indent=2))


def say(text: str) -> None:
    """Tell a watching person how far it is, beside the JSON."""
    print(text, file=sys.stderr, flush=True)


# --- floors --------------------------------------------------------------------------------


def wraps_floor_seconds(count: int) -> float:
    """Seconds that ``count`` gift wraps of a typical message take on one thread, nothing else."""
    sender, recipient = Keys.generate(), Keys.generate().public_key().to_hex()
    rumor = direct_message(
        sender=sender.public_key().to_hex(),
        recipient=recipient,
        text="New Mostro dispute\n" + "x" * 180,
        created_at=CLOCK.now(),
        subject="Dispute 8a3f",
        root=None,
    )

    def wrap() -> float:
        started = time.perf_counter()
        for _ in range(count):
            gift_wrap(sender, recipient, rumor.json, expires_at=CLOCK.now() + 86_400)
        return time.perf_counter() - started

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(wrap).result()


async def transaction_floor_ms(folder: Path, count: int = 200) -> dict[str, float]:
    """Milliseconds of one committed row through the store, from the event loop."""
    store = Store.open(folder / "floor.db", CLOCK.now())

    def one_row(tx: sa.Connection, number: int) -> None:
        tx.execute(sa.insert(cursors).values(name=f"floor-{number}", value=number))

    took = []
    try:
        for number in range(count):
            started = time.perf_counter()
            await store.transact(one_row, number)
            took.append((time.perf_counter() - started) * 1000)
    finally:
        store.close()
    return quantiles(took)


async def round_trip_floor_ms(url: str, events: Sequence[Event]) -> dict[str, float]:
    """Milliseconds from one bare event on the wire to its OK, one at a time."""
    took = []
    async with Publisher(url) as publisher:
        for event in events:
            started = time.perf_counter()
            await publisher.publish([event])
            took.append((time.perf_counter() - started) * 1000)
    return quantiles(took)


# --- processes -----------------------------------------------------------------------------


class Publisher:
    """An open connection that publishes events as fast as they are taken."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._socket: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        self._socket = await connect(
            self._url, compression=None, ping_interval=None, max_size=None, proxy=None
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def publish(self, events: Sequence[Event]) -> float:
        """Send all, await every OK; return the monotonic time of the first send.

        Raises:
            RuntimeError: the relay refused one.
        """
        socket = self._socket
        if socket is None:
            raise RuntimeError("not connected")
        frames = [f'["EVENT",{event.as_json()}]' for event in events]
        started = time.monotonic()
        for frame in frames:
            await socket.send(frame)
        for _ in frames:
            answer = json.loads(await within(CLOCK, START_SECONDS, socket.recv()))
            if answer[:1] != ["OK"] or answer[2] is not True:
                raise RuntimeError(f"the relay said {answer}")
        return started


class DelayProxy:
    """:mod:`bench.delay_proxy` as a process, as an async context manager."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.delay_proxy",
            self._upstream,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        self.url = await self._line()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        process = self._process
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    async def round_trip(self, milliseconds: float) -> None:
        """Delay what passes from now on, half of it each way."""
        await self._tell({"round_trip_ms": milliseconds})

    async def reset(self) -> None:
        """Count from now on."""
        await self._tell({"reset": True})

    async def moments(self) -> dict[str, list[float]]:
        """When each counted thing came down since the reset (monotonic seconds)."""
        await self._tell({"report": True})
        found: dict[str, list[float]] = json.loads(await self._line())
        return found

    async def _tell(self, command: dict[str, Any]) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the proxy does not run")
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        await self._process.stdin.drain()

    async def _line(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("the proxy does not run")
        line = await within(CLOCK, START_SECONDS, self._process.stdout.readline())
        if not line:
            raise RuntimeError("the proxy ended")
        return line.decode().strip()


@dataclass
class Daemon:
    """The real daemon as a process.

    Attributes:
        folder: its configuration, database and log.
        node: public key (hex) of the node it watches.
        relays: addresses.
        solvers: public keys (hex).
        settings: further lines of configuration, by section.
        environ: further environment variables.
    """

    folder: Path
    node: str
    relays: Sequence[str]
    solvers: Sequence[str]
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    keys: Keys = field(default_factory=Keys.generate)
    started_at: float = 0.0
    _process: asyncio.subprocess.Process | None = None

    @property
    def database(self) -> Path:
        """The database file."""
        return self.folder / "serbero.db"

    @property
    def log(self) -> Path:
        """Its log, one JSON object a line."""
        return self.folder / "serbero.log"

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("the daemon does not run")
        return self._process.pid

    def _configuration(self) -> str:
        sections: dict[str, dict[str, Any]] = {
            "serbero": {
                "private_key": self.keys.secret_key().to_hex(),
                "db_path": str(self.database),
            },
            "mostro": {"pubkey": self.node},
            "observe": {"log_format": "json"},
        }
        for name, values in self.settings.items():
            sections.setdefault(name, {}).update(values)
        lines = []
        for name, values in sections.items():
            lines.append(f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        lines += [f'[[relays]]\nurl = "{url}"' for url in self.relays]
        lines += [f'[[solvers]]\npubkey = "{solver}"' for solver in self.solvers]
        return "\n".join(lines) + "\n"

    async def __aenter__(self) -> Self:
        path = self.folder / "config.toml"
        path.write_text(self._configuration())
        path.chmod(0o600)
        with self.log.open("wb") as log:
            self.started_at = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "serbero",
                "--config",
                str(path),
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environ},
            )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            await within(CLOCK, START_SECONDS, process.wait())
        except TimeoutError:
            process.kill()
            await process.wait()

    async def ready(self) -> None:
        """Wait until it says so.

        Raises:
            RuntimeError: it ended instead; the text holds its log.
            TimeoutError: it said nothing.
        """
        await until(lambda: '"ready"' in self.log.read_text() or self._ended(), START_SECONDS)

    def _ended(self) -> bool:
        if self._process is not None and self._process.returncode is not None:
            raise RuntimeError(f"the daemon ended:\n{self.log.read_text()[-2000:]}")
        return False

    def query(self, sql: str) -> Sequence[Any]:
        """Rows of a reading query on its database, from this process."""
        return run_once(self.database, lambda tx: tx.exec_driver_sql(sql).all())

    def number(self, sql: str) -> int:
        """The one number of a reading query; 0 for NULL."""
        return int(self.query(sql)[0][0] or 0)

    def resident_mb(self) -> float:
        """Resident memory now."""
        return _status_kb(self.pid, "VmRSS") / 1024

    def peak_mb(self) -> float:
        """The most that was ever resident."""
        return _status_kb(self.pid, "VmHWM") / 1024

    def cpu_seconds(self) -> float:
        """Processor time used so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS


def _status_kb(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise RuntimeError(f"no {name} for process {pid}")


async def until(reached: Callable[[], bool], seconds: float, pause: float = 0.02) -> None:
    """Look until ``reached()``.

    Raises:
        TimeoutError: it never was.
    """
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not reached within {seconds} s")
        await CLOCK.sleep(pause)


@contextlib.contextmanager
def folder() -> Any:
    """A temporary folder, gone afterwards; on the disk of ``$TMPDIR``."""
    path = Path(tempfile.mkdtemp(prefix="serbero-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.asynccontextmanager
async def relay_and_proxy() -> AsyncIterator[tuple[str, DelayProxy]]:
    """A relay in one process and a delaying proxy before it in another: (relay URL, proxy)."""
    async with RelayProcess() as relay, DelayProxy(relay.url) as proxy:
        yield relay.url, proxy
