"""The daemon as a process: signals, the service manager, and a restart on the same database."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.rig import Requests, firsts, write_lock

from serbero.clock import SystemClock, within
from serbero.simulator.clock import eventually
from serbero.simulator.node import MostroNode
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox

pytestmark = pytest.mark.slow

STOP_SECONDS = 30.0
"""A guard against hanging, not the promise: a busy machine stretches every second."""
CLOCK = SystemClock()


class Notified:
    """A service manager's socket: collects what it is told."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)
        self.lines: list[str] = []

    def has(self, line: str) -> bool:
        """Whether it was told so, up to now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.lines += self._socket.recv(4096).decode().split("\n")
        return line in self.lines

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[Notified]:
    """The service manager of one test, closed whatever happens."""
    with contextlib.closing(Notified(tmp_path)) as manager:
        yield manager


@contextlib.asynccontextmanager
async def _daemon(folder: Path, notified: Notified) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SERBERO_")},
        "NOTIFY_SOCKET": str(notified.path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "serbero",
        "--config",
        str(folder / "config.toml"),
        env=environ,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _configure(folder: Path, relay: str, node: str, *solvers: str) -> None:
    text = "\n".join(
        [
            f'[serbero]\nprivate_key = "{Keys.generate().secret_key().to_hex()}"',
            f'db_path = "{folder / "serbero.db"}"',
            f'[mostro]\npubkey = "{node}"',
            f'[[relays]]\nurl = "{relay}"',
            *(f'[[solvers]]\npubkey = "{each}"' for each in solvers),
        ]
    )
    config = folder / "config.toml"
    config.write_text(text)
    config.chmod(0o600)


async def _stop(process: asyncio.subprocess.Process, number: signal.Signals) -> str:
    """Signal it and return what it wrote; it must be gone in time."""
    process.send_signal(number)
    out, _ = await within(CLOCK, STOP_SECONDS, process.communicate())
    return out.decode()


async def test_a_life_with_a_service_manager(tmp_path: Path, notified: Notified) -> None:
    """Exit code 0 and the reference's last words; READY and STOPPING are said."""
    async with LoopbackRelay() as relay, MostroNode([relay.url]) as node:
        _configure(tmp_path, relay.url, node.public_key)
        async with _daemon(tmp_path, notified) as process:
            await eventually(lambda: notified.has("READY=1"), seconds=20)
            assert not notified.has("STOPPING=1")
            out = await _stop(process, signal.SIGTERM)
            assert process.returncode == 0
            assert "serbero exited cleanly" in out
            assert notified.has("STOPPING=1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_in_the_middle_of_a_start(
    tmp_path: Path, number: signal.Signals, notified: Notified
) -> None:
    """While the database is being made, nothing is connected: exit code 0 all the same."""
    _configure(tmp_path, "ws://127.0.0.1:1", Keys.generate().public_key().to_hex())
    async with _daemon(tmp_path, notified) as process:
        await eventually((tmp_path / "serbero.db.lock").exists, seconds=20)
        process.send_signal(number)
        # The start goes on to where it can be left: its time is not that of a stop.
        out, _ = await within(CLOCK, 20.0, process.communicate())
        assert process.returncode == 0
        assert "serbero exited cleanly" in out.decode()
        assert "Traceback" not in out.decode()


async def test_a_restart_announces_nothing_twice(tmp_path: Path, notified: Notified) -> None:
    """The relay replays, nobody hears again, and the REQ resumes a minute before."""
    requests = Requests()
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, requests) as proxy,
        MostroNode([relay.url]) as node,
        SolverInbox([relay.url]) as solver,
    ):
        _configure(tmp_path, proxy.url, node.public_key, solver.public_key)
        async with _daemon(tmp_path, notified) as process:
            await eventually(lambda: notified.has("READY=1"), seconds=20)
            dispute = await node.open_dispute()
            await eventually(lambda: firsts(solver, dispute))
            assert "serbero exited cleanly" in await _stop(process, signal.SIGINT)
        notified.lines.clear()
        resumed = len(requests.asked)
        async with _daemon(tmp_path, notified) as process:
            await eventually(lambda: notified.has("READY=1"), seconds=20)
            [live] = [
                filters
                for name, filters in requests.asked[resumed:]
                if name.startswith("disputes:")
            ]
            assert live[0]["since"] == dispute.stamp - 60
            # Past the start's own reconcile: what follows it is told, what came before is not.
            await eventually(
                lambda: any(
                    "#d" in filters[0] or "#s" in filters[0]
                    for _, filters in requests.asked[resumed:]
                )
            )
            later = await node.open_dispute()
            await eventually(lambda: firsts(solver, later))
            await _stop(process, signal.SIGTERM)
        assert [len(firsts(solver, each)) for each in (dispute, later)] == [1, 1]
        assert len(await solver.all_events(relay.url)) == 2


async def test_a_stop_while_the_database_is_locked(tmp_path: Path, notified: Notified) -> None:
    """The transaction under way fails after everybody left: no fault, and nothing said of it."""
    async with LoopbackRelay() as relay, MostroNode([relay.url]) as node:
        _configure(tmp_path, relay.url, node.public_key, Keys.generate().public_key().to_hex())
        async with _daemon(tmp_path, notified) as process:
            await eventually(lambda: notified.has("READY=1"), seconds=20)
            with write_lock(tmp_path / "serbero.db"):
                await node.open_dispute()
                said = await _stop(process, signal.SIGTERM)
            assert process.returncode == 0
            assert "serbero exited cleanly" in said
            assert "never retrieved" not in said


async def test_a_second_daemon_is_refused(tmp_path: Path, notified: Notified) -> None:
    """It names the first one's process and leaves the database alone."""
    async with LoopbackRelay() as relay, MostroNode([relay.url]) as node:
        _configure(tmp_path, relay.url, node.public_key)
        async with _daemon(tmp_path, notified) as first:
            await eventually(lambda: notified.has("READY=1"), seconds=20)
            async with _daemon(tmp_path, notified) as second:
                out, _ = await within(CLOCK, 20.0, second.communicate())
                assert second.returncode == 1
                assert str(first.pid) in out.decode()
            await _stop(first, signal.SIGTERM)
            assert first.returncode == 0
