"""Events on their way to one relay, each matched with its ``OK``."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Never

from nostr_sdk import ClientMessage, Event

from serbero.clock import Clock
from serbero.nostr.replies import PublishOutcome, PublishReply, parse_ok
from serbero.relays.publish_pace import PublishPace
from serbero.relays.settings import RelaySettings

Send = Callable[[ClientMessage], Awaitable[bool]]
"""Puts one message on the wire; False if there is no connection."""


@dataclass(slots=True, eq=False)
class _Flight:
    event: Event
    event_id: str
    reply: asyncio.Future[PublishReply] = field(repr=False)
    deadline: float = 0.0
    launched: float = 0.0
    resent: bool = False

    def resolve(self, reply: PublishReply) -> None:
        if not self.reply.done():
            self.reply.set_result(reply)


class Outgoing:
    """The events of one relay: a short backlog, a bounded number in flight, those awaiting AUTH.

    Two publishes of one event at one time share one flight. What cannot be sent soon is given
    back: the durable backlog is the caller's.

    Args:
        clock: time.
        settings: times and sizes.
        send: puts a message on the wire.
        authenticated: set while the relay holds us for authenticated.
        on_mute: told True when the relay stops answering, False when it answers again.
    """

    def __init__(
        self,
        clock: Clock,
        settings: RelaySettings,
        send: Send,
        authenticated: asyncio.Event,
        on_mute: Callable[[bool], None],
    ) -> None:
        self._clock, self._settings, self._send = clock, settings, send
        self._authenticated = authenticated
        self._on_mute = on_mute
        self._pace = PublishPace(settings)
        self._known: dict[str, _Flight] = {}
        self._backlog: deque[_Flight] = deque()
        self._flying: dict[str, _Flight] = {}
        self._refused: dict[str, tuple[_Flight, PublishReply]] = {}
        self._work = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether anything is still on its way."""
        return bool(self._known)

    async def publish(self, event: Event) -> PublishReply:
        """Send ``event`` and return the relay's answer; never raises for the relay's faults."""
        event_id = event.id().to_hex()
        flight = self._known.get(event_id)
        if flight is None:
            if (paused := self._pace.paused(self._clock.monotonic())) is not None:
                return paused
            reply = asyncio.get_running_loop().create_future()
            flight = self._known[event_id] = _Flight(event, event_id, reply)
            self._enqueue(flight)
        # One caller's cancellation must not take the answer from the others.
        return await asyncio.shield(flight.reply)

    async def run(self) -> Never:
        """Send the backlog, in order, as far as the relay may owe us answers."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._backlog and self._pace.room(len(self._flying)):
                await self._launch(self._backlog.popleft())

    async def _launch(self, flight: _Flight) -> None:
        # In flight before the send: the answer may be processed before the send returns.
        flight.launched = self._clock.monotonic()
        flight.deadline = flight.launched + self._settings.publish_timeout_seconds
        self._flying[flight.event_id] = flight
        if not await self._send(ClientMessage.event(flight.event)):
            # The loss of a connection would have settled it: this one stands, so nobody will be
            # told that the relay is back.
            self._finish(flight, PublishReply(PublishOutcome.BUSY, "could not be sent"))

    def answered(self, event_id: str, accepted: bool, message: str) -> bool:
        """An OK came; whether it is of an event of ours that waits for one."""
        flight = self._flying.get(event_id)
        if flight is None:
            return False
        reply = parse_ok(accepted, message)
        self._heed(flight, reply)
        if reply.outcome is not PublishOutcome.AUTH_REQUIRED or flight.resent:
            self._finish(flight, reply)
            return True
        del self._flying[event_id]
        flight.deadline = self._clock.monotonic() + self._settings.auth_wait_seconds
        self._refused[event_id] = (flight, reply)
        if self._authenticated.is_set():
            self.authenticated()
        self._work.set()
        return True

    def authenticated(self) -> None:
        """Our AUTH was accepted: what was refused for want of it goes out once more."""
        for flight, _ in self._refused.values():
            flight.resent = True
            self._enqueue(flight)
        self._refused.clear()

    def next_due(self) -> float | None:
        """The nearest deadline of anything in flight."""
        dues = [flight.deadline for flight in self._flying.values()]
        dues += [flight.deadline for flight, _ in self._refused.values()]
        dues += [flight.deadline for flight in self._backlog]
        return min(dues, default=None)

    def expire(self, now: float) -> None:
        """Give up on what is past its deadline."""
        silent = PublishReply(PublishOutcome.TIMEOUT, "no OK in time")
        for flight in [each for each in self._flying.values() if now >= each.deadline]:
            self._unanswered(flight)
            self._finish(flight, silent)
        self._give_back(
            [each for each in self._backlog if now >= each.deadline],
            PublishReply(PublishOutcome.BUSY, "busy with what was sent before"),
        )
        for flight, reply in [each for each in self._refused.values() if now >= each[0].deadline]:
            self._finish(flight, reply)

    def connection_lost(self) -> None:
        """Settle everything: what was sent is unknown, what was not is not."""
        unknown = PublishReply(PublishOutcome.TIMEOUT, "connection lost before the answer")
        unsent = PublishReply(PublishOutcome.NOT_CONNECTED, "connection lost")
        for flight in list(self._known.values()):
            self._finish(flight, unknown if flight.event_id in self._flying else unsent)
        self._backlog.clear()
        self._pace.connection_lost()

    def _heed(self, flight: _Flight, reply: PublishReply) -> None:
        """Take from an answer how the relay wants to be treated."""
        now, was_mute = self._clock.monotonic(), self._pace.mute
        self._pace.answered(reply, flight.launched, now, random.random())
        if was_mute:
            self._on_mute(False)
        if (paused := self._pace.paused(now)) is not None:
            self._give_back(list(self._backlog), paused)

    def _unanswered(self, flight: _Flight) -> None:
        was_mute = self._pace.mute
        self._pace.silent(flight.launched)
        if self._pace.mute and not was_mute:
            # A relay that answers nothing takes no more events: give back soon what waits its turn.
            soon = self._clock.monotonic() + self._pace.patience()
            for waiting in self._backlog:
                waiting.deadline = min(waiting.deadline, soon)
            self._on_mute(True)

    def _give_back(self, flights: list[_Flight], reply: PublishReply) -> None:
        for flight in flights:
            self._backlog.remove(flight)
            self._finish(flight, reply)

    def _enqueue(self, flight: _Flight) -> None:
        flight.deadline = self._clock.monotonic() + self._pace.patience()
        self._backlog.append(flight)
        self._work.set()

    def _finish(self, flight: _Flight, reply: PublishReply) -> None:
        self._known.pop(flight.event_id, None)
        self._flying.pop(flight.event_id, None)
        self._refused.pop(flight.event_id, None)
        flight.resolve(reply)
        self._work.set()
