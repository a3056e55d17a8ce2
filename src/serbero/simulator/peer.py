"""A plain, honest client of one relay: what simulated nodes, solvers and parties stand on.

It speaks frames over ``websockets``, so that the daemon's library is tried against another
implementation. It connects again by itself, repeats what was not acknowledged and renews its
subscriptions. Its waiting is for sockets and therefore real time.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from nostr_sdk import Event, Keys, NostrSdkError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from serbero.clock import SystemClock, within
from serbero.simulator.events import auth_event

Filter = dict[str, Any]

RETRY_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.5)
"""Waits between attempts to connect; the last one repeats."""

REPLY_SECONDS = 15.0
"""How long an answer may take, reconnecting included."""

PAGE_EVENTS = 250
"""Events a page of :meth:`RelayPeer.fetch_all`: half of what the embedded relay serves."""


class PeerError(Exception):
    """A relay did not do what was asked; the text says which and what."""


@dataclass(frozen=True, slots=True)
class Ok:
    """A relay's answer to an event."""

    accepted: bool
    reason: str


@dataclass(slots=True)
class _Request:
    """An open REQ. ``page`` collects events until EOSE; None marks a live subscription."""

    filters: Sequence[Filter]
    heard: Callable[[Event], None]
    done: asyncio.Future[None] | None = None
    live: asyncio.Event = field(default_factory=asyncio.Event)


class RelayPeer:
    """One connection to one relay, as an async context manager.

    Args:
        url: the relay.
        keys: answers AUTH challenges; None leaves them unanswered.
    """

    def __init__(self, url: str, *, keys: Keys | None = None) -> None:
        self.url = url
        self._keys = keys
        self._clock = SystemClock()
        self._names = itertools.count()
        self._events: dict[str, tuple[str, asyncio.Future[Ok]]] = {}
        self._requests: dict[str, _Request] = {}
        self._auth_id = ""
        self._socket: ClientConnection | None = None
        self._up = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether a connection stands now."""
        return self._up.is_set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"peer {self.url}")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            (ended,) = await asyncio.gather(self._task, return_exceptions=True)
            if isinstance(ended, Exception):
                raise ended  # it died before: a bug here, not the relay's doing

    async def publish(self, event: Event, *, seconds: float = REPLY_SECONDS) -> Ok:
        """Send an event until the relay answers; a lost connection means the same bytes again.

        Raises:
            PeerError: no answer came in time.
        """
        return await self.publish_text(event.id().to_hex(), event.as_json(), seconds=seconds)

    async def publish_text(self, event_id: str, text: str, *, seconds: float = REPLY_SECONDS) -> Ok:
        """The same for an event given as JSON text, which need not be a proper one."""
        known = self._events.get(event_id)
        if known is None:
            known = (f'["EVENT",{text}]', asyncio.get_running_loop().create_future())
            self._events[event_id] = known
            await self._say(known[0])
        try:
            return await within(self._clock, seconds, asyncio.shield(known[1]))
        except TimeoutError:
            raise PeerError(f"{self.url}: no OK for {event_id} within {seconds} s") from None
        finally:
            self._events.pop(event_id, None)

    async def subscribe(
        self, heard: Callable[[Event], None], *filters: Filter, seconds: float = REPLY_SECONDS
    ) -> str:
        """Hear stored and live events from now on; returns once the stored ones were sent.

        Events reach ``heard`` unverified, perhaps more than once (after a reconnect).

        Raises:
            PeerError: no EOSE came in time; the subscription goes on being tried.
        """
        name, request = f"live-{next(self._names)}", _Request(filters, heard)
        self._requests[name] = request
        await self._ask(name, request)
        try:
            await within(self._clock, seconds, request.live.wait())
        except TimeoutError:
            raise PeerError(f"{self.url}: no EOSE within {seconds} s") from None
        return name

    async def unsubscribe(self, name: str) -> None:
        """Close a subscription."""
        self._requests.pop(name, None)
        await self._say(json.dumps(["CLOSE", name]))

    async def fetch(self, *filters: Filter, seconds: float = REPLY_SECONDS) -> list[Event]:
        """The stored events of one REQ, as the relay orders them, unverified.

        Raises:
            PeerError: the relay closed the request, or no EOSE came in time.
        """
        found: list[Event] = []
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        name, request = f"fetch-{next(self._names)}", _Request(filters, found.append, done)
        self._requests[name] = request
        try:
            await self._ask(name, request)
            await within(self._clock, seconds, asyncio.shield(done))
        except TimeoutError:
            raise PeerError(f"{self.url}: no EOSE within {seconds} s") from None
        finally:
            await self.unsubscribe(name)
        return found

    async def fetch_all(self, wanted: Filter) -> list[Event]:
        """Every stored event of a filter, newest first, in pages; each id once.

        Raises:
            PeerError: a page failed.
        """
        found: dict[str, Event] = {}
        page: Filter = wanted | {"limit": PAGE_EVENTS}
        while True:
            events = await self.fetch(page)
            fresh = {event.id().to_hex(): event for event in events}
            new = fresh.keys() - found.keys()
            found |= fresh
            if not events:
                return list(found.values())
            oldest = min(event.created_at().as_secs() for event in events)
            if not new:
                if page.get("until") == oldest and len(events) >= PAGE_EVENTS:
                    raise PeerError(f"{self.url}: more than a page of events in one second")
                return list(found.values())
            page = page | {"until": oldest}

    # The connection.

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                async with connect(
                    self.url,
                    compression=None,
                    ping_interval=None,
                    max_size=None,
                    proxy=None,
                    close_timeout=1,
                ) as socket:
                    failures = 0
                    await self._session(socket)
            except (OSError, WebSocketException):
                pass  # the next attempt is the answer
            finally:
                self._socket = None
                self._up.clear()
            await self._clock.sleep(RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
            failures += 1

    async def _session(self, socket: ClientConnection) -> None:
        self._socket = socket
        for name, request in list(self._requests.items()):
            await self._ask(name, request)
        for text, _ in list(self._events.values()):
            await self._say(text)
        self._up.set()
        async for message in socket:
            try:
                await self._hear(json.loads(message))
            except (ValueError, NostrSdkError):
                continue  # no message: an honest client goes on

    async def _say(self, text: str) -> None:
        """Send if connected; what matters is sent again by the next session."""
        if self._socket is not None:
            try:
                await self._socket.send(text)
            except (OSError, WebSocketException):
                return

    async def _ask(self, name: str, request: _Request) -> None:
        await self._say(json.dumps(["REQ", name, *request.filters]))

    async def _hear(self, message: Any) -> None:
        match message:
            case ["EVENT", str(name), dict(event)] if name in self._requests:
                self._requests[name].heard(Event.from_json(json.dumps(event)))
            case ["OK", str(event_id), bool(accepted), str(reason)]:
                await self._answered(event_id, Ok(accepted, reason))
            case ["EOSE", str(name)] if name in self._requests:
                _settle(self._requests[name], None)
            case ["CLOSED", str(name), str(reason)] if name in self._requests:
                await self._closed(name, reason)
            case ["AUTH", str(challenge)] if self._keys is not None:
                answer = auth_event(self._keys, self._clock.now(), self.url, challenge)
                self._auth_id = answer.id().to_hex()
                await self._say(f'["AUTH",{answer.as_json()}]')
            case _:
                pass  # notices, and answers to what was given up

    async def _answered(self, event_id: str, ok: Ok) -> None:
        if event_id == self._auth_id:
            self._auth_id = ""
            if ok.accepted:
                for name, request in list(self._requests.items()):
                    await self._ask(name, request)
                for text, _ in list(self._events.values()):
                    await self._say(text)
            return
        _, answer = self._events.get(event_id, ("", None))
        # The challenge may come before or after the refusal; accepted, everything is said again.
        waits_for_auth = self._keys is not None and ok.reason.startswith("auth-required:")
        if answer is not None and not answer.done() and not waits_for_auth:
            answer.set_result(ok)

    async def _closed(self, name: str, reason: str) -> None:
        request = self._requests[name]
        if reason.startswith("auth-required:") and self._keys is not None:
            return  # asked again once the answer was accepted
        if request.done is None:
            await self._clock.sleep(RETRY_SECONDS[1])
            await self._ask(name, request)
        elif reason:
            _settle(request, PeerError(f"{self.url}: closed: {reason}"))
        else:
            _settle(request, None)  # the embedded relay's word for "that was all"


def _settle(request: _Request, problem: PeerError | None) -> None:
    request.live.set()
    if request.done is not None and not request.done.done():
        if problem is None:
            request.done.set_result(None)
        else:
            request.done.set_exception(problem)


async def publish_many(
    url: str, events: Iterable[Event], *, connections: int = 4, in_flight: int = 200
) -> list[Ok]:
    """Publish as fast as a relay takes it, over several connections; answers in order.

    Each connection carries at most 5,000 events, since the embedded relay cuts a client after
    6,000 messages. What a lost connection left unanswered is sent again.

    Raises:
        PeerError: a relay let a connection stand for 60 s without an answer.
    """
    texts = {event.id().to_hex(): event.as_json() for event in events}
    answers: dict[str, Ok] = {}
    work = iter(texts.items())

    async def connection() -> None:
        while batch := list(itertools.islice(work, 5_000 // connections)):
            await _carry(url, dict(batch), answers, in_flight)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(connection())
    return [answers[event_id] for event_id in texts]


async def _carry(url: str, batch: dict[str, str], answers: dict[str, Ok], in_flight: int) -> None:
    """Publish a batch; a lean loop, because a benchmark measures what is behind it."""
    clock = SystemClock()
    while batch:
        try:
            async with connect(
                url, compression=None, ping_interval=None, max_size=None, proxy=None
            ) as socket:
                await within(clock, 60.0, _exchange(socket, batch, answers, in_flight))
        except TimeoutError:
            raise PeerError(f"{url}: {len(batch)} events unanswered") from None
        except (OSError, WebSocketException):
            await clock.sleep(RETRY_SECONDS[1])


async def _exchange(
    socket: ClientConnection, batch: dict[str, str], answers: dict[str, Ok], in_flight: int
) -> None:
    window = asyncio.Semaphore(in_flight)

    async def send() -> None:
        for text in list(batch.values()):
            await window.acquire()
            await socket.send(f'["EVENT",{text}]')

    sender = asyncio.create_task(send())
    try:
        while batch:
            match json.loads(await socket.recv()):
                case ["OK", str(event_id), bool(accepted), str(reason)] if event_id in batch:
                    del batch[event_id]
                    answers[event_id] = Ok(accepted, reason)
                    window.release()
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
