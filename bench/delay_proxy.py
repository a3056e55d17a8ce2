"""A TCP proxy that adds a round trip and counts what a relay says, in a process of its own.

``python -m bench.delay_proxy ws://127.0.0.1:7000`` prints its own URL as its first line, obeys one
JSON object a line on standard input (``{"round_trip_ms": 50}``, ``{"reset": true}``,
``{"report": true}``) and ends with its input. It looks at no WebSocket frame: a relay's
frames are plain text on the wire, so counting a few byte patterns on their way down is enough,
and costs next to nothing. asyncio sets ``TCP_NODELAY`` on both of its sockets.
"""

import asyncio
import json
import sys
import time
from collections import deque
from typing import Any, Final
from urllib.parse import urlsplit

PATTERNS: Final = {
    "ok": b'["OK","',
    "eose": b'["EOSE","',
    "live": b'["EVENT","disputes:',
    "asked": b'["EVENT","ask:',
}
"""What is counted on its way down, by how the relay writes it."""
_LONGEST: Final = max(map(len, PATTERNS.values()))


class Counts:
    """How often each pattern came down since the last reset, and when.

    Times are of the machine's monotonic clock, the same in every process, at the moment the
    bytes are handed to the client's socket.
    """

    def __init__(self) -> None:
        self.moments: dict[str, list[float]] = {}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.moments = {name: [] for name in PATTERNS}

    def saw(self, tail: bytes, data: bytes) -> None:
        """Count what ends in ``data``; ``tail`` is what came right before it."""
        now = time.monotonic()
        joined = tail + data
        for name, pattern in PATTERNS.items():
            found = joined.count(pattern) - tail.count(pattern)
            if found:
                self.moments[name] += [now] * found


class Pipe:
    """One direction of one connection: bytes that arrive ``delay`` seconds after they came."""

    def __init__(self, proxy: "Proxy", counted: bool) -> None:
        self._proxy = proxy
        self._counted = counted
        self._tail = b""
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._held: list[bytes] = []
        self.sink: asyncio.Transport | None = None

    def put(self, data: bytes) -> None:
        """Take bytes; with no delay they go on at once."""
        delay = self._proxy.one_way_seconds
        if delay <= 0 and not self._waiting:
            self._write(data)
            return
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_at(loop.time() + delay, self._flush)
        self._waiting.append((loop.time() + delay, data))

    def connect(self, sink: asyncio.Transport) -> None:
        """Say where the bytes go; what waited for that goes now."""
        self.sink = sink
        for data in self._held:
            self._write(data)
        self._held.clear()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._waiting and self._waiting[0][0] <= now + 0.0002:
            self._write(self._waiting.popleft()[1])
        if self._waiting:
            loop.call_at(self._waiting[0][0], self._flush)

    def _write(self, data: bytes) -> None:
        if self.sink is None:
            self._held.append(data)
            return
        if self._counted:
            self._proxy.counts.saw(self._tail, data)
            self._tail = (self._tail + data)[-(_LONGEST - 1) :]
        if not self.sink.is_closing():
            self.sink.write(data)


class Side(asyncio.Protocol):
    """One socket: what it reads goes into ``pipe``, its end ends the ``other``."""

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket's transport."""
        if isinstance(transport, asyncio.Transport):
            self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self.pipe.put(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """End the other socket as well."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Proxy:
    """Listens, connects on, delays, counts."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._connecting: set[asyncio.Task[None]] = set()
        self.one_way_seconds = 0.0
        self.counts = Counts()

    def client(self) -> Side:
        """Take a new client and connect on for it."""
        up, down = Pipe(self, counted=False), Pipe(self, counted=True)
        side = Side(up)
        task = asyncio.ensure_future(self._connect(side, up, down))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        return side

    async def _connect(self, client: Side, up: Pipe, down: Pipe) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, relay = await loop.create_connection(lambda: Side(down), *self._upstream)
        except OSError:
            if client.transport is not None:
                client.transport.close()
            return
        client.other, relay.other = relay, client
        if client.transport is not None:
            down.connect(client.transport)
        up.connect(transport)

    def obey(self, command: dict[str, Any]) -> None:
        """Carry out one line of standard input."""
        if "round_trip_ms" in command:
            self.one_way_seconds = command["round_trip_ms"] / 2000
        if "reset" in command:
            self.counts.reset()
        if "report" in command:
            print(json.dumps(self.counts.moments), flush=True)


async def _serve(upstream: str) -> None:
    parts = urlsplit(upstream)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 80)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(proxy.client, "127.0.0.1", 0)
    print(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        proxy.obey(json.loads(line))
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
