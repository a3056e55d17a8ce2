"""One relay: its connection, its subscriptions and what is on its way there.

Two tasks a relay. The supervisor makes what is wanted true whenever something is due: connects,
asks, proves hearing, gives up on what is overdue. The sender drains the events to publish.
What the relay says arrives through :meth:`RelayLink.handle`, which only notes and wakes.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from nostr_sdk import (
    Client,  # noqa: TID251 - this room may
    ClientMessage,
    Event,
    Keys,
    RelayMessageEnum,
)

from serbero.clock import Clock, wait_for_event
from serbero.nostr.replies import PublishOutcome, PublishReply, clean, parse_closed, parse_ok
from serbero.relays.asking import ASK_PREFIX, Answer, Questions, ask_each_in_pages
from serbero.relays.authentication import Authentication
from serbero.relays.canary import Proof
from serbero.relays.connection import Connection
from serbero.relays.listening import PROBE_PREFIX, Listening
from serbero.relays.nuisance import Nuisance
from serbero.relays.observer import RelayObserver
from serbero.relays.outages import Outages
from serbero.relays.outgoing import Outgoing
from serbero.relays.publishing import PublishingReport
from serbero.relays.schedule import ConnectSchedule
from serbero.relays.settings import RelaySettings
from serbero.relays.state import RelayState
from serbero.relays.subscriptions import LATE, QUIET, Filter, Subscription, fields_of

_log = structlog.get_logger(__name__)

_LEAST_PAUSE_SECONDS: Final = 0.01
"""Between two passes of the supervisor, so that a due time in the past cannot spin it."""
_QUIET_SECONDS: Final = 2.0
"""Without another message of a relay that was left: nothing of its flood is left to read."""


@dataclass(frozen=True, slots=True)
class LinkContext:
    """What all relays share.

    Attributes:
        client: gives the library's client of the moment.
        on_change: called when a connection or a subscription begins or ceases to stand.
        forget: called with the address of a relay that nobody has needed for long; it ends.
    """

    client: Callable[[], Client]
    keys: Keys
    clock: Clock
    settings: RelaySettings
    observer: RelayObserver
    subscriptions: Mapping[str, Subscription]
    on_change: Callable[[], None]
    forget: Callable[[str], None]


class RelayLink:
    """The one relay at ``url``.

    Args:
        url: normalised address.
        configured: True to listen there for as long as the process runs; False to connect only
            when something is to be written or asked, or while told to :meth:`listen`.
        context: what all relays share.

    Attributes:
        extra: listened to without being configured: its troubles are nobody's alarm.
    """

    def __init__(self, url: str, *, configured: bool, context: LinkContext) -> None:
        self.url, self.configured = url, configured
        self.extra = False
        self._context = context
        self._clock, self._settings = context.clock, context.settings
        self._observer = context.observer
        self._connection = Connection(url, context.client)
        self._connected_at: float | None = None
        self._needed = configured
        self._last_use = context.clock.monotonic()
        self._schedule = ConnectSchedule(context.settings)
        self._attempted = asyncio.Event()
        self._wake = asyncio.Event()
        self._outages = Outages(url, context.clock, context.observer, self._counts)
        self._report = PublishingReport(
            url, context.clock, context.settings, context.observer, self._counts
        )
        self._nuisance = Nuisance(context.settings)
        self._leftovers_at: float | None = None
        self._authentication = Authentication(url, context.keys, context.clock)
        accepted = self._authentication.accepted
        self._outgoing = Outgoing(
            context.clock, context.settings, self._send, accepted, self._report.silence
        )
        self.questions = Questions(
            url, context.clock, self._send, accepted, context.settings.auth_wait_seconds
        )
        self._listening = Listening(
            url,
            keys=context.keys,
            clock=context.clock,
            settings=context.settings,
            observer=context.observer,
            subscriptions=context.subscriptions if configured else {},
            send=self._send,
            on_change=context.on_change,
            counts=configured,
        )

    @property
    def listens(self) -> bool:
        """Whether subscriptions are carried here."""
        return self.configured or self.extra

    @property
    def connected(self) -> bool:
        """Whether a connection stands, as far as was noticed."""
        return self._connected_at is not None

    def state(self) -> RelayState:
        """What the outside may know."""
        return RelayState(
            url=self.url,
            configured=self.configured,
            extra=self.extra,
            connected=self.connected,
            hearing=self.hearing,
            since=max(self._outages.since, self._listening.since),
            last_reason=self._listening.reason or self._outages.last_reason,
            attempts=self._schedule.attempts,
            last_canary_ms=self._listening.last_canary_ms,
            closed=self._listening.closed(),
        )

    @property
    def hearing(self) -> Proof:
        """Whether what is published there reaches us."""
        return self._listening.proof if self.connected else Proof.DEAF

    def hears(self, subscription_id: str) -> bool:
        """Whether that subscription stands on the connection of now."""
        return self._check_connection() and self._listening.hears(subscription_id)

    def may_hear_soon(self, subscription_id: str) -> bool:
        """Whether it is worth waiting for: connected, and answering what we ask."""
        return self.connected and not self._listening.troubled(subscription_id)

    async def run(self) -> None:
        """Keep this relay as it should be until cancelled, or until nobody needs it any more."""
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._outgoing.run(), name=f"send {self.url}")
            await self._supervise()
            sending.cancel()

    def listen(self, wanted: bool) -> None:
        """Begin or end listening on a relay that is not configured."""
        if self.configured or wanted == self.extra:
            return
        self.extra = wanted
        now = self._clock.monotonic()
        self._last_use = now
        self._needed = wanted or self.connected
        self._listening.listen(self._context.subscriptions if wanted else {}, now)
        self._wake.set()

    def wants_changed(self) -> None:
        """Subscriptions were added, replaced or taken away."""
        self._listening.wants_changed(self._clock.monotonic())
        self._wake.set()

    def renew(self) -> None:
        """Messages were lost on our side: ask everything again."""
        self._listening.renew(self._clock.monotonic())
        self._wake.set()

    async def publish(self, event: Event) -> PublishReply:
        """Send an event; see :meth:`RelayPool.publish`."""
        # Whether a connection believed in still stands is looked at when the event is sent.
        if not self.connected and not await self.usable():
            reason = self._outages.last_reason or "not connected"
            return PublishReply(PublishOutcome.NOT_CONNECTED, reason)
        self._last_use = self._clock.monotonic()
        reply = await self._outgoing.publish(event)
        self._report.replied(reply, event.created_at().as_secs())
        return reply

    async def ask(
        self, filters: Sequence[Filter], seconds: float, page: int | None = None
    ) -> Answer:
        """Ask for what is stored; see :meth:`RelayPool.ask`."""
        deadline = self._clock.monotonic() + seconds
        if not await self.usable(seconds):
            reason = self._outages.last_reason or "not connected"
            return Answer(self.url, complete=False, reason=reason)
        self._last_use = self._clock.monotonic()
        left = deadline - self._last_use
        if page is None:
            return await self.questions.ask(filters, left)
        return await ask_each_in_pages(self.questions, self._clock, self.url, filters, left, page)

    def handle(self, message: RelayMessageEnum) -> None:
        """Note what the relay said. Quick and synchronous: it runs for every message."""
        now = self._clock.monotonic()
        if self._leftovers_at is not None and not self.connected:
            self._leftovers_at = now  # of a flood: in the library's channel when we left
        elif not self._useful(message) and self._nuisance.useless(now):
            self._leave_alone(now)

    def _useful(self, message: RelayMessageEnum) -> bool:
        """Take a message in; whether honest relays send such in any number."""
        match message:
            case RelayMessageEnum.EVENT_MSG():
                return self._event(message.subscription_id, message.event)
            case RelayMessageEnum.OK():
                return self._ok(message.event_id.to_hex(), message.status, message.message)
            case RelayMessageEnum.END_OF_STORED_EVENTS():
                self.questions.saw_end(message.subscription_id)
                self._listening.saw_end(message.subscription_id)
                self._wake.set()
            case RelayMessageEnum.CLOSED():
                reason = parse_closed(message.message)
                self.questions.saw_closed(message.subscription_id, reason)
                self._listening.saw_closed(message.subscription_id, reason)
                if self._authentication.accepted.is_set():
                    # The REQ had crossed our AUTH on its way.
                    self._listening.authenticated(self._clock.monotonic())
                self._wake.set()
            case RelayMessageEnum.AUTH():
                self._authentication.challenged(message.challenge)
                self._wake.set()
            case RelayMessageEnum.NOTICE():
                _log.debug("relay_notice", relay=self.url, reason=clean(message.message))
            case _:
                pass
        return False

    def _leave_alone(self, now: float) -> None:
        """End the connection with a relay that floods us, and let it be for a while."""
        pause = self._nuisance.pause(now)
        _log.log(
            logging.WARNING if self._counts() else logging.INFO,
            "relay_floods",
            relay=self.url,
            seconds=pause,
            consequence="it is left alone for so long; what it held up is asked for again",
        )
        self._leftovers_at = now
        self._drop("it floods us")
        self._schedule.rest(now + pause)

    def stop(self) -> None:
        """Leave the relay for good."""
        if self.connected:
            self._forget_connection()
        self._connection.close()

    def _event(self, wire_id: str, event: Event) -> bool:
        name = wire_id.partition(":")[0]
        if name == ASK_PREFIX:
            rejected = self.questions.saw_event(wire_id, event)
        elif name == PROBE_PREFIX:
            rejected = LATE  # its end is what counts
        else:
            rejected = self._listening.saw_event(wire_id, event)
        if rejected is LATE and not self._listening.repeated(wire_id, fields_of(event)):
            # Answers are late where we are slow: only what is sent over and over is a nuisance.
            return True
        if rejected is not None and rejected not in QUIET:
            _log.debug("relay_event_rejected", relay=self.url, reason=rejected)
            self._observer.event_rejected(self.url, rejected)
        return rejected is None

    def _ok(self, event_id: str, accepted: bool, message: str) -> bool:
        """Note an OK; whether anything was waiting for it."""
        if self._authentication.replied(event_id, accepted):
            if accepted:
                self._listening.authenticated(self._clock.monotonic())
                self._outgoing.authenticated()
            else:
                self._outages.last_reason = f"AUTH refused: {clean(message)}"
            self._wake.set()
        elif self._listening.owns(event_id):
            reply = parse_ok(accepted, message)
            self._listening.canary_replied(reply.outcome)
            if reply.outcome is PublishOutcome.INVALID:
                # Many relays do not want canaries; what they say of our clock counts.
                self._report.replied(reply, self._clock.now())
            self._wake.set()
        else:
            return self._outgoing.answered(event_id, accepted, message)
        return True

    async def usable(self, seconds: float = float("inf")) -> bool:
        """Connected now, or after the one attempt that is under way or due at once.

        A relay that was tried and is down is not waited for: the caller has others. The attempt
        is waited for at most ``seconds``.
        """
        self._last_use = self._clock.monotonic()
        if self._check_connection():
            return True
        self._needed = True
        first = self._schedule.attempts == 0 or not self._attempted.is_set()
        on_demand = not self.listens and self._schedule.due() <= self._clock.monotonic()
        self._wake.set()
        if first or on_demand:
            self._attempted.clear()
            limit = min(seconds, self._settings.connect_timeout_seconds)
            await wait_for_event(self._clock, self._attempted, limit)
        return self._check_connection()

    async def _supervise(self) -> None:
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            self._look_after_flood(now)
            if self._check_connection():
                await self._carry_out(now)
            elif self._needed and now >= self._schedule.due():
                await self._connect()
                continue
            elif self._forgettable(now):
                await self._connection.forget()
                # Forgetting awaits, so it may be needed again by now. Nothing awaits after this.
                if self._forgettable(now):
                    self._context.forget(self.url)
                    return
                continue
            await wait_for_event(self._clock, self._wake, self._pause())

    def _look_after_flood(self, now: float) -> None:
        """Once the last of a flood came out of the channel: others' messages were lost in it."""
        if self._leftovers_at is not None and now - self._leftovers_at >= _QUIET_SECONDS:
            self._leftovers_at = None
            self._observer.stream_lagged()

    def _idle(self, now: float, seconds: float) -> bool:
        """Whether nobody listens, writes or asks here, and nobody has for so long."""
        used = self.listens or self._outgoing.busy or self.questions.busy
        return not used and now - self._last_use >= seconds

    def _forgettable(self, now: float) -> bool:
        return not self._needed and self._idle(now, self._settings.forget_seconds)

    def _counts(self) -> bool:
        """Whether a person should know of trouble here."""
        return not self.extra

    def _pause(self) -> float:
        dues = [self._outgoing.next_due()]
        if self.connected:
            dues.append(self._listening.next_due())
        elif self._needed:
            dues.append(self._schedule.due())
        now = self._clock.monotonic()
        nearest = min((due - now for due in dues if due is not None), default=float("inf"))
        return min(max(nearest, _LEAST_PAUSE_SECONDS), self._settings.compare_seconds)

    async def _carry_out(self, now: float) -> None:
        if (answer := self._authentication.answer()) is not None:
            await self._send(ClientMessage.auth(answer))
        self._outgoing.expire(now)
        reason = await self._listening.carry_out(now)
        if reason is not None:
            self._drop(reason)
            return
        if self._idle(now, self._settings.idle_seconds):
            self._needed = False
            self._drop("idle")

    async def _connect(self) -> None:
        now = self._clock.monotonic()
        self._schedule.attempted(now)
        # Before the attempt: a challenge may come before the library tells us it is connected.
        self._authentication.reset()
        problem = await self._connection.open(self._settings.connect_timeout_seconds)
        if problem is None:
            self._connected_at = self._clock.monotonic()
            self._last_use = self._connected_at
            self._outages.connected(self._schedule.attempts)
            self._listening.connected(self._connected_at)
            self._context.on_change()
        else:
            self._schedule.failed(random.random())
            self._outages.failed(problem)
            self._needed = self.listens
        self._attempted.set()

    def _check_connection(self) -> bool:
        """Whether the connection stands; notices its loss. The library does not report it."""
        if self._connected_at is None:
            return False
        if self._connection.stands:
            return True
        self._lost("connection closed")
        return False

    def _drop(self, reason: str) -> None:
        self._connection.close()
        self._lost(reason)

    def _lost(self, reason: str) -> None:
        lasted = self._forget_connection()
        self._schedule.lost(lasted, random.random())
        self._outages.lost(reason, self._needed)
        self._context.on_change()
        self._wake.set()

    def _forget_connection(self) -> float:
        now = self._clock.monotonic()
        lasted = 0.0 if self._connected_at is None else now - self._connected_at
        self._connected_at = None
        self._listening.lost(now)
        self._outgoing.connection_lost()
        self.questions.connection_lost()
        return lasted

    async def _send(self, message: ClientMessage) -> bool:
        # The library queues what is sent while down and reports success: look first.
        if not self._check_connection():
            return False
        sent = await self._connection.send(message)
        if not sent:
            self._check_connection()
        return sent
