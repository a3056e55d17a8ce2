"""A WebSocket proxy that stands between a client and a relay and misbehaves on demand.

Every connection of the client is a :class:`Link` with a connection of its own to the relay.
Frames pass the proxy's *behaviours* in order; each may rewrite, drop, multiply or delay them,
add frames of its own, or cut the link. Switches on the proxy act below the frames: refusing,
stalling, falling silent, latency. All waiting is real time: what is on trial is I/O.

    client <--(ServerConnection)--> Link <--(ClientConnection)--> relay
             down: relay to client        up: client to relay

asyncio sets TCP_NODELAY on both sockets by itself, so small frames are not held back.
"""

import asyncio
import random
from collections import Counter
from types import TracebackType
from typing import Any, Self, cast

from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response

from serbero.clock import Clock, SystemClock
from serbero.simulator.behaviour import Behaviour, Hook, HookBehaviour, Refusal, Way
from serbero.simulator.relay import HOST
from serbero.simulator.wire import ClientSide, DeadlineQueue, Frame, Raw, Split, half_frame, peek


class Link:
    """One client connection and its connection to the relay.

    Attributes:
        requests: open subscriptions, id to the REQ text last sent up.
    """

    def __init__(self, proxy: "FaultProxy", client: ClientSide) -> None:
        self._proxy = proxy
        self._client = client
        self._up = DeadlineQueue(proxy.delay)
        self._down = DeadlineQueue(proxy.delay)
        self.requests: dict[str, str] = {}

    @property
    def muted(self) -> bool:
        """Whether nothing passes any more, pings included, until the client gives up."""
        return self._client.muted

    @property
    def in_transit(self) -> int:
        """Frames taken from one side and not given to the other yet."""
        return len(self._up) + len(self._down)

    def send_down(self, frame: Frame) -> None:
        """Send a frame of the proxy's own to the client; it passes no behaviour."""
        self._down.put(frame)

    def send_up(self, text: str) -> None:
        """Send a frame of the proxy's own to the relay; it passes no behaviour."""
        self._up.put(text)

    def write_raw(self, data: bytes) -> None:
        """Put bytes on the client's TCP connection as they are."""
        self._client.transport.write(data)

    def cut(self) -> None:
        """End the client's TCP connection now, without a close frame."""
        self._client.transport.abort()

    def cut_mid_frame(self, text: str) -> None:
        """Write the first half of a text frame, then end the TCP connection."""
        self._client.transport.write(half_frame(text))
        self._client.transport.close()

    def close(self, code: int, reason: str = "") -> None:
        """Close properly: a close frame with ``code``."""
        self._proxy.spawn(self._client.close(code, reason))

    def mute(self) -> None:
        """Be half-open from now on: take everything, answer nothing, keep the socket."""
        self._client.muted = True

    def ignore_pings(self, ignore: bool) -> None:
        """Whether the client's pings stay unanswered while frames still pass."""
        self._client.pongs = not ignore

    async def run(self) -> None:
        """Carry frames both ways until either side ends."""
        async with connect(
            self._proxy.upstream,
            compression=None,
            ping_interval=None,
            max_size=None,
            proxy=None,
            open_timeout=3,
            close_timeout=1,
        ) as relay:
            self._proxy.opened(self)
            tasks = [
                asyncio.ensure_future(work)
                for work in (
                    self._read("up", self._client, self._up),
                    self._read("down", relay, self._down),
                    self._up.pump(relay.send),
                    self._down.pump(self._send_down),
                )
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                results = await asyncio.gather(*tasks, return_exceptions=True)
        if relay.close_code in {None, 1006} or self.muted:
            self.cut()  # the relay vanished: the client sees the same
        for result in results:
            if isinstance(result, Exception) and not isinstance(
                result, WebSocketException | OSError
            ):
                raise result

    async def _read(self, way: Way, source: Any, queue: DeadlineQueue) -> None:
        async for message in source:
            await self._proxy.flowing(way)
            if self.muted:
                continue
            if isinstance(message, bytes):
                queue.put(message)
                continue
            self._proxy.note(way, message, self)
            frames = self._proxy.through(way, message, self)
            if frames is None:
                self.cut()
                return
            for frame in frames:
                queue.put(frame)
        await queue.drained()  # what the source sent before it closed still arrives

    async def _send_down(self, frame: Frame) -> None:
        if self.muted:
            return
        if isinstance(frame, Raw):
            self.write_raw(frame.data)
        elif isinstance(frame, Split):
            await self._client.send(frame.parts())
        else:
            await self._client.send(frame)


class FaultProxy:
    """The proxy, as an async context manager listening on 127.0.0.1.

    Leaving it raises an ExceptionGroup if a behaviour failed by a bug of its own.

    Args:
        upstream: the relay's URL.
        fault: a first behaviour, or a plain hook function.
        clock: dates attempts and requests: the clock of who is on trial, so that "one attempt
            in ten seconds" is judged by its seconds. Waiting stays real.

    Attributes:
        latency: seconds each frame spends on its way, in each direction.
        jitter: up to so many seconds more, evenly drawn.
        reordering: whether a later frame may overtake an earlier one (needs jitter).
        refusal: what new connections meet.
        frame_pause: seconds between two frames read from the client (a slow reader).
        attempts: monotonic time of every TCP connection attempt, refused ones included.
        asked: monotonic time and subscription id of every REQ.
        counts: how many frames of each verb went up ("REQ", "EVENT", ...) and, as
            "down:EVENT" and so on, came down from the relay.
        links: the open connections.
    """

    def __init__(
        self,
        upstream: str,
        fault: Behaviour | Hook | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        self.upstream = upstream
        self.latency = 0.0
        self.jitter = 0.0
        self.reordering = False
        self.refusal: Refusal = ""
        self.frame_pause = 0.0
        self.attempts: list[float] = []
        self.asked: list[tuple[float, str]] = []
        self.counts: Counter[str] = Counter()
        self.links: set[Link] = set()
        self._half_open = False
        self._behaviours: list[Behaviour] = []
        self._initial = fault
        self._flowing = {"up": asyncio.Event(), "down": asyncio.Event()}
        for event in self._flowing.values():
            event.set()
        self._clock = clock or SystemClock()
        self._port = 0
        self._server: Server | None = None
        self._sides: set[ClientSide] = set()
        self._spawned: set[asyncio.Task[None]] = set()
        self._unstalled = asyncio.Event()
        self._problems: list[Exception] = []

    @property
    def url(self) -> str:
        """``ws://127.0.0.1:port``."""
        return f"ws://{HOST}:{self._port}"

    @property
    def in_transit(self) -> int:
        """Frames on their way through it: while there are any, time on trial should stand still."""
        return sum(link.in_transit for link in self.links)

    def add(self, fault: Behaviour | Hook) -> Behaviour:
        """Put a behaviour on, after those already on; returns it for :meth:`remove`."""
        behaviour = fault if isinstance(fault, Behaviour) else HookBehaviour(fault)
        self._behaviours.append(behaviour)
        behaviour.started(self)
        return behaviour

    def remove(self, behaviour: Behaviour) -> None:
        """Take a behaviour off; links it silenced stay silent, as a real peer's would."""
        self._behaviours.remove(behaviour)
        behaviour.stopped(self)

    def clear(self) -> None:
        """Take every behaviour off."""
        for behaviour in list(self._behaviours):
            self.remove(behaviour)

    def cut(self) -> None:
        """End every TCP connection now; new ones are welcome."""
        for link in list(self.links):
            link.cut()

    def half_open(self, on: bool) -> None:
        """Accept and swallow everything: open links for good, new ones while it is on."""
        self._half_open = on
        if on:
            for link in self.links:
                link.mute()

    def pause(self, way: Way) -> None:
        """Stop reading in one direction; the peer's TCP window fills up."""
        self._flowing[way].clear()

    def resume(self, way: Way) -> None:
        """Read on; what waited is delivered."""
        self._flowing[way].set()

    async def __aenter__(self) -> Self:
        if self._initial is not None:
            self.add(self._initial)
        self._server = await serve(
            self._serve_client,
            HOST,
            0,
            compression=None,
            ping_interval=None,
            max_size=None,
            open_timeout=None,
            close_timeout=1,
            process_request=self._process_request,
            create_connection=cast("Any", self._new_side),  # the library calls it like the class
        )
        self._port = int(next(iter(self._server.sockets)).getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server, self._server = self._server, None
        self._unstalled.set()
        for event in self._flowing.values():
            event.set()
        if server is not None:
            server.close(close_connections=False)
            for side in list(self._sides):
                side.transport.abort()
            await server.wait_closed()
        for task in self._spawned:
            task.cancel()
        await asyncio.gather(*self._spawned, return_exceptions=True)
        if self._problems and error is None:
            raise ExceptionGroup("behaviours failed", self._problems)

    # What links ask for.

    def delay(self) -> tuple[float, bool]:
        """Seconds the next frame takes, and whether it may overtake others."""
        extra = self.jitter * random.random() if self.jitter else 0.0
        return self.latency + extra, self.reordering

    def through(self, way: Way, text: str, link: Link) -> list[Frame] | None:
        """``text`` as the behaviours leave it; only text frames pass the later ones."""
        frames: list[Frame] = [text]
        for behaviour in tuple(self._behaviours):
            after: list[Frame] = []
            for frame in frames:
                if not isinstance(frame, str):
                    after.append(frame)
                    continue
                result = behaviour.frame(way, frame, link)
                if result is None:
                    return None
                after += result
            frames = after
        return frames

    def opened(self, link: Link) -> None:
        """Take a link in whose both connections stand, before its first frame."""
        self.links.add(link)
        if self._half_open:
            link.mute()
        for behaviour in tuple(self._behaviours):
            behaviour.connected(link)

    def note(self, way: Way, text: str, link: Link) -> None:
        """Count a frame and keep the link's list of subscriptions."""
        verb, subject = peek(text)
        self.counts[verb if way == "up" else f"down:{verb}"] += 1
        if way == "up" and verb == "REQ":
            link.requests[subject] = text
            self.asked.append((self._clock.monotonic(), subject))
        elif (way == "up" and verb == "CLOSE") or (way == "down" and verb == "CLOSED"):
            link.requests.pop(subject, None)

    async def flowing(self, way: Way) -> None:
        """Wait while reading is paused, or as long as a slow reader takes for a frame."""
        await self._flowing[way].wait()
        if way == "up" and self.frame_pause:
            await SystemClock().sleep(self.frame_pause)

    def spawn(self, work: Any) -> None:
        """Run a coroutine that belongs to the proxy."""
        task = asyncio.ensure_future(work)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    # The server's callbacks.

    def _new_side(self, *args: Any, **options: Any) -> ClientSide:
        return ClientSide(self._arrived, self._left, *args, **options)

    def _arrived(self, side: ClientSide) -> None:
        """Count an attempt; a refusal by TCP reset happens here."""
        self.attempts.append(self._clock.monotonic())
        self._sides.add(side)
        if self.refusal == "reset":
            side.transport.abort()

    def _left(self, side: ClientSide) -> None:
        """Forget a client's connection."""
        self._sides.discard(side)

    async def _process_request(
        self, connection: ServerConnection, _request: Request
    ) -> Response | None:
        if self.refusal == "http":
            return connection.respond(503, "down for maintenance\n")
        if self.refusal == "stall":
            await self._unstalled.wait()
        return None

    async def _serve_client(self, connection: ServerConnection) -> None:
        if not isinstance(connection, ClientSide):
            raise TypeError(f"expected a connection of this proxy, found {type(connection)}")
        if self.refusal == "close":
            await connection.close(1013, "try again later")
            return
        link = Link(self, connection)
        try:
            await link.run()
        except (OSError, WebSocketException):
            link.cut()  # the relay cannot be reached
        except Exception as error:  # noqa: BLE001 - raised again when the proxy is left
            # A behaviour's own bug; the server would only log it, and a test pass.
            self._problems.append(error)
            link.cut()
        finally:
            self.links.discard(link)
