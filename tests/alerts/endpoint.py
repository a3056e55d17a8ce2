"""A service on loopback that an alert may be sent to, and the ways in which one misbehaves."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from serbero.simulator.clock import eventually

Manner = Literal["take", "hang", "drip", "refuse", "redirect", "flood", "endless"]


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    line: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def text(self) -> str:
        """What a person would read: title and message."""
        return f"{self.json['title']}\n{self.json['message']}"


@dataclass
class Endpoint:
    """Takes HTTP requests and behaves as it is told.

    Attributes:
        manner: how it behaves to the next request.
        calls: requests so far, whole ones.
        elsewhere: where it redirects to.
        held: connections it lets wait.
    """

    port: int = 0
    manner: Manner = "take"
    calls: list[Call] = field(default_factory=list)
    elsewhere: str = ""
    held: int = 0
    held_by_all: ClassVar[int] = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/a-token-nobody-guesses"

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.calls]

    async def got(self, count: int) -> None:
        await eventually(
            lambda: len(self.calls) >= count, seconds=30, what=f"{count} calls of the service"
        )

    # The rig lets real things end before it moves the clock.

    @property
    def working(self) -> bool:
        """Whether a process of ours is on its way to or from here."""
        return len(children()) > Endpoint.held_by_all

    @property
    def activity(self) -> int:
        return len(self.calls)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rest = head.strip().split("\r\n")
            headers = dict(each.lower().split(": ", 1) for each in rest)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.calls.append(Call(line, headers, body.decode()))
            await self._answer(reader, writer)
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.manner in ("hang", "drip"):
            await self._hold(reader, writer)
            return
        if self.manner == "endless":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                writer.write(b"x" * 1_000_000)
                await writer.drain()
        answers = {
            "take": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "refuse": b"HTTP/1.1 500 No\r\nContent-Length: 12\r\n\r\nsecret words",
            "redirect": f"HTTP/1.1 307 There\r\nLocation: {self.elsewhere}\r\n"
            "Content-Length: 0\r\n\r\n".encode(),
            "flood": b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000,
        }
        writer.write(answers[self.manner])
        await writer.drain()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Say nothing, or next to nothing, until the other side is gone."""
        self.held += 1
        Endpoint.held_by_all += 1
        gone = asyncio.ensure_future(reader.read())
        try:
            if self.manner == "drip":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not gone.done():
                if self.manner == "drip":
                    writer.write(b".")
                await asyncio.wait([gone], timeout=0.2)
        finally:
            gone.cancel()
            self.held -= 1
            Endpoint.held_by_all -= 1


def children() -> list[int]:
    """The processes that this one started and that still run."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return [each for each in found if _is_courier(each)]


def _is_courier(pid: int) -> bool:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        # Between fork and exec it still has our own name.
        return (
            b"serbero.alerts.child" in command or command == Path("/proc/self/cmdline").read_bytes()
        )
    return False


@asynccontextmanager
async def endpoint(manner: Manner = "take") -> AsyncIterator[Endpoint]:
    """Run one."""
    place = Endpoint(manner=manner)
    server = await asyncio.start_server(place.handle, "127.0.0.1", 0)
    place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.close()
        await server.wait_closed()
