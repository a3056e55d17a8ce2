"""A real relay on the loopback interface.

:class:`LoopbackRelay` runs rust-nostr's embedded relay inside this process;
:class:`RelayProcess` runs the same relay in a process of its own, so that a benchmark's relay
has its own interpreter and a test can kill a client without taking the relay along.

``python -m serbero.simulator.relay --port 7000`` prints the relay's URL as its first line and
exits when it gets SIGTERM or its standard input closes.

Facts of the embedded relay (0.45.1) that its users meet: at most 500 events a filter, a
connection is cut after 6,000 client messages, and nothing outlives a restart.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import stat
import sys
from pathlib import Path
from typing import Self

from nostr_sdk import (
    LocalRelay,
    LocalRelayBuilder,
    LocalRelayBuilderNip42,
    LocalRelayBuilderNip42Mode,
    NostrSdkError,
    RateLimit,
)

from serbero.clock import SystemClock, within

HOST = "127.0.0.1"

MAX_FILTER_EVENTS = 500
"""What the embedded relay serves a filter, whatever the filter's ``limit`` says."""

MAX_CLIENT_MESSAGES = 6_000
"""After so many messages of one client the embedded relay cuts the connection."""

_BIND_ATTEMPTS = 20
"""Tries of a port: another process may take a free one first, a restart may come too early."""

_BIND_PAUSE_SECONDS = 0.05


def free_port() -> int:
    """A TCP port of the loopback interface that is free now (and may not be a moment later)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class LoopbackRelay:
    """The embedded relay, as an async context manager.

    Args:
        port: where to listen; 0 picks a free port, which a later :meth:`start` keeps.
        auth: which requests need NIP-42 authentication: "", "read", "write" or "both".
        auth_dm: whether gift wraps are served only to their authenticated receiver.
        min_pow: NIP-13 bits every event needs.
        max_connections: clients at once.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        auth: str = "",
        auth_dm: bool = False,
        min_pow: int = 0,
        max_connections: int = 1_000,
    ) -> None:
        self._port = port
        self._fixed = port != 0
        self._auth = auth
        self._auth_dm = auth_dm
        self._min_pow = min_pow
        self._max_connections = max_connections
        self._relay: LocalRelay | None = None

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:port``; known once it was started."""
        return f"ws://{HOST}:{self._port}"

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._relay is not None

    async def start(self) -> None:
        """Listen; after a :meth:`stop` on the same port again, with an empty store.

        Raises:
            OSError: the port is taken and stays so.
        """
        clock = SystemClock()
        problem: NostrSdkError | None = None
        for _ in range(_BIND_ATTEMPTS):
            if not self._fixed:
                self._port = free_port()
            relay = self._build()
            try:
                await relay.run()
            except NostrSdkError as error:
                problem = error
                await clock.sleep(_BIND_PAUSE_SECONDS)
                continue
            self._relay, self._fixed = relay, True
            _nodelay(self._port)
            return
        raise OSError(f"cannot listen on {self.url}: {problem}")

    async def stop(self) -> None:
        """Stop listening and cut every client; what was stored is gone."""
        relay, self._relay = self._relay, None
        if relay is not None:
            await _shut_down(relay, self._port)

    async def restart(self) -> None:
        """Stop and start on the same port, empty."""
        await self.stop()
        await self.start()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def _build(self) -> LocalRelay:
        builder = (
            LocalRelayBuilder()
            .addr(HOST)
            .port(self._port)
            .max_connections(self._max_connections)
            .rate_limit(RateLimit(max_reqs=100_000, notes_per_minute=1_000_000_000))
        )
        if self._auth:
            modes = LocalRelayBuilderNip42Mode
            mode = {"read": modes.READ, "write": modes.WRITE, "both": modes.BOTH}[self._auth]
            builder = builder.nip42(LocalRelayBuilderNip42(mode=mode))
        if self._auth_dm:
            builder = builder.auth_dm(True)
        if self._min_pow:
            builder = builder.min_pow(self._min_pow)
        return builder.build()


class RelayProcess:
    """The embedded relay in a process of its own, as an async context manager."""

    def __init__(self, port: int = 0) -> None:
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the process and wait for its URL.

        Raises:
            OSError: the process ended, or said nothing for 20 s.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "serbero.simulator.relay",
            "--port",
            str(self._port),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        out = self._process.stdout
        line = await within(SystemClock(), 20.0, out.readline()) if out is not None else b""
        self.url = line.decode().strip()
        if not self.url:
            await self.stop()
            raise OSError("the relay process ended before it named its address")
        self._port = int(self.url.rsplit(":", 1)[1])

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """Ask it to end, and wait until it did; :meth:`start` takes the same port again."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        if process.stdin is not None:
            process.stdin.close()
        await process.communicate()  # reads to the end: an unread pipe outlives the event loop

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def _nodelay(port: int) -> None:
    """Set TCP_NODELAY on the listening socket of ``port``; Linux hands it on to what it accepts.

    The bindings offer no such setting, and with Nagle's algorithm a burst of small frames waits
    40 ms for the peer's delayed acknowledgement. Best effort: without ``/proc`` nothing happens.
    """
    here = Path("/proc/self/fd")
    if not here.is_dir():
        return
    for entry in list(here.iterdir()):
        with contextlib.suppress(OSError, ValueError):
            number = int(entry.name)
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as shared:
                if shared.family == socket.AF_INET and shared.getsockname()[1] == port:
                    shared.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _shut_down(relay: LocalRelay, port: int) -> None:
    """Return once nothing listens on ``port``.

    The relay's accept loop misses the word when it is busy at that moment, so it is told
    again until it heard.
    """
    clock = SystemClock()
    for _ in range(_BIND_ATTEMPTS * 5):
        relay.shutdown()
        await clock.sleep(0.001)
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            return
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await clock.sleep(0.01)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    async with LoopbackRelay(port) as relay:
        sys.stdout.write(f"{relay.url}\n")
        sys.stdout.flush()
        if _is_pipe(sys.stdin.fileno()):
            # A parent that ends takes its end of the pipe with it, however it ends.
            await loop.connect_read_pipe(lambda: _UntilClosed(done), sys.stdin)
        await done.wait()


def _is_pipe(descriptor: int) -> bool:
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _UntilClosed(asyncio.Protocol):
    """Sets an event when the other side is gone."""

    def __init__(self, done: asyncio.Event) -> None:
        self._done = done

    def connection_lost(self, _error: Exception | None) -> None:
        """Take note."""
        self._done.set()


def main() -> None:
    """Run the relay until SIGTERM, SIGINT or the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m serbero.simulator.relay")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    asyncio.run(_serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
