"""The proxy's machinery below its behaviours: frames, delay queues, the client's socket."""

import asyncio
import heapq
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode


@dataclass(frozen=True, slots=True)
class Split:
    """A text message sent as ``pieces`` WebSocket fragments."""

    text: str
    pieces: int = 3

    def parts(self) -> list[str]:
        """The text cut into pieces of about one length."""
        size = max(1, -(-len(self.text) // self.pieces))
        return [self.text[at : at + size] for at in range(0, len(self.text), size)] or [""]


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes put on the client's TCP connection as they are, in their place in the order."""

    data: bytes


Frame = str | bytes | Split | Raw
"""A text message, a binary message, a fragmented message, or bare bytes."""

Delay = Callable[[], tuple[float, bool]]
"""Seconds the next frame takes, and whether it may overtake earlier ones."""


class DeadlineQueue:
    """Frames on their way in one direction, each with the moment it arrives."""

    def __init__(self, delay: Delay) -> None:
        self._delay = delay
        self._heap: list[tuple[float, int, Frame]] = []
        self._order = itertools.count()
        self._last = 0.0
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        """Frames that have not arrived yet."""
        return len(self._heap)

    def put(self, frame: Frame) -> None:
        """Send ``frame`` on its way."""
        seconds, overtakes = self._delay()
        due = asyncio.get_running_loop().time() + seconds
        if not overtakes:
            due = max(due, self._last)
            self._last = due
        heapq.heappush(self._heap, (due, next(self._order), frame))
        self._empty.clear()
        self._wake.set()

    async def pump(self, send: Callable[[Any], Awaitable[None]]) -> None:
        """Hand each frame to ``send`` when it is due, until cancelled or ``send`` fails."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            if not self._heap:
                self._empty.set()
                await self._wake.wait()
                continue
            due = self._heap[0][0]
            if due > loop.time():
                timer = loop.call_at(due, self._wake.set)
                try:
                    await self._wake.wait()
                finally:
                    timer.cancel()
                continue
            await send(heapq.heappop(self._heap)[2])

    async def drained(self) -> None:
        """Return once nothing is on its way."""
        await self._empty.wait()


class ClientSide(ServerConnection):
    """The connection to the client, with the switches the library has no words for.

    Args:
        arrived: called with this object when the TCP connection was made.
        left: called with it when the connection is gone.
        args: passed on, as are ``options``.
    """

    def __init__(
        self,
        arrived: Callable[["ClientSide"], None],
        left: Callable[["ClientSide"], None],
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._arrived = arrived
        self._left = left
        self.pongs = True
        self.muted = False
        send_frame = self.protocol.send_frame

        def gated(frame: WebSocketFrame) -> None:
            if not self.muted and (self.pongs or frame.opcode is not Opcode.PONG):
                send_frame(frame)

        # The library answers pings and close frames by itself, inside its protocol object.
        setattr(self.protocol, "send_frame", gated)  # noqa: B010 - it shadows a method

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell the proxy, after the library is ready."""
        super().connection_made(transport)
        self._arrived(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the proxy, after the library cleaned up."""
        super().connection_lost(exc)
        self._left(self)


def half_frame(text: str) -> bytes:
    """The first half of an unmasked WebSocket text frame."""
    whole = WebSocketFrame(Opcode.TEXT, text.encode()).serialize(mask=False)
    return whole[: max(2, len(whole) // 2)]


def peek(text: str) -> tuple[str, str]:
    """The verb and the first text argument of a frame; empty where it has none."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        return "", ""
    subject = message[1] if len(message) > 1 else ""
    if isinstance(subject, dict):  # ["EVENT", {...}] of a client
        subject = subject.get("id", "")
    return message[0], subject if isinstance(subject, str) else ""
