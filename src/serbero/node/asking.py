"""Asking the node for one dispute until it answers or our patience ends.

Everything the node does not like it drops in silence (mostro: src/app.rs). So we listen before we
ask, look for what may have been missed before we ask again, and ask with an event made anew each
time: an old id is a replay, an old time is stale.
"""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock, within
from serbero.mostro.dispute_event import DISPUTE_KIND, Revision, parse_dispute_event
from serbero.mostro.message import take_request
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.mostro.transport import MESSAGE_KIND, draft
from serbero.node import pacing
from serbero.node.exchange import Exchange
from serbero.node.request import Build, craft
from serbero.node.standing import NoWay, Way
from serbero.nostr.replies import PublishReply
from serbero.nostr.work import Draft
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND
from serbero.relays.asking import Answer as RelayAnswer
from serbero.relays.subscriptions import Filter

LISTEN_SECONDS: Final = 5.0
"""How long relays may take to confirm that we hear before we ask."""
PUBLISH_SECONDS: Final = 5.0
"""A request no relay took by then is too old; a new one is made."""
LOOK_SECONDS: Final = 5.0
"""For looking at what the relays hold."""
REREAD_SECONDS: Final = 5.0
"""For reading the node's info event again."""
REQUEST_ID_BITS: Final = 53
"""Of the number of a request: JavaScript clients read these, too."""
EXPIRATION_SECONDS: Final = 30 * 86_400
"""Of a request, as the node dates its own answers (mostro: src/util.rs)."""
OVERLAP_SECONDS: Final = 900
"""Asked for again before a time of ours: clocks differ."""
MAX_REPLIES: Final = 500
"""Gift wraps of anybody asked for at once; relays give the newest."""
READ_AT_ONCE: Final = 4
"""Events opened between two looks at the rest of the world: some milliseconds."""

_log = structlog.get_logger(__name__)


class Wire(Protocol):
    """What taking needs of the relays."""

    def listening(self) -> tuple[str, ...]:
        """Every relay listened on."""

    def heard_on(self, subscription_id: str) -> frozenset[str]:
        """On which relays a subscription stands now."""

    async def until_heard(self, subscription_id: str, timeout: float) -> frozenset[str]:
        """Wait until a subscription stands; on which relays it does."""

    async def publish(self, url: str, event: Event) -> PublishReply:
        """Give an event to one relay."""

    async def ask_all(
        self,
        filters: Sequence[Filter],
        timeout: float,
        page: int | None = None,
        *,
        extra: bool = False,
    ) -> tuple[RelayAnswer, ...]:
        """Ask every relay for what it has stored."""


class Watch(Protocol):
    """What taking needs to know of the node."""

    @property
    def way(self) -> Way | NoWay:
        """How to reach it."""

    @property
    def info(self) -> NodeInfo | None:
        """What it says of itself."""

    @property
    def confirmed_at(self) -> float | None:
        """Monotonic seconds at which a relay last confirmed that."""

    async def reread(self, timeout: float) -> Way | NoWay:
        """Ask the relays again."""


@dataclass(frozen=True, slots=True)
class TakingSettings:
    """``[mostro]``, as far as taking needs it.

    Attributes:
        max_bits: the most proof of work we do for one request.
        patience_seconds: how long one exchange may last.
        subscription: the subscription that carries the node's answers.
    """

    max_bits: int
    patience_seconds: float
    subscription: str


def reply_filter(transport: Transport, node: str, own: str, since: int) -> Filter:
    """Return what the node's messages to us look like.

    Args:
        transport: what it speaks.
        node: its key, hex.
        own: ours, hex.
        since: Unix seconds; a gift wrap is dated up to two days before it was sent.
    """
    if transport is Transport.GIFT_WRAP:
        early = max(0, since - BACKDATING_SECONDS)
        wraps = {"kinds": [GIFT_WRAP_KIND], "#p": [own]}
        return {**wraps, "since": early, "limit": MAX_REPLIES}
    return {"kinds": [MESSAGE_KIND], "authors": [node], "#p": [own], "since": max(0, since)}


class NodeAsker:
    """Asks, listens, looks and asks again.

    Args:
        keys: ours: author, identity and chat key in one (a node authorises the identity and
            answers a refusal to the author, so they must be the same).
        node: the node's key in hex.
        watch: what the node says of itself.
        wire: the relays.
        clock: time.
        settings: times and limits.
        on_reply: given every event that may be the node's answer.
        on_revision: given every dispute event that was found while looking.
        on_attempt: awaited with the take's id and a request's number before it is made.
        draw: a random number in [0, 1), for pauses.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        node: str,
        watch: Watch,
        wire: Wire,
        clock: Clock,
        settings: TakingSettings,
        on_reply: Callable[[str, Event], None],
        on_revision: Callable[[str, Event], None],
        on_attempt: Callable[[int, int], Awaitable[None]],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._keys, self._node = keys, node
        self._own = keys.public_key().to_hex()
        self._watch, self._wire, self._clock = watch, wire, clock
        self._settings = settings
        self._on_reply, self._on_revision, self._on_attempt = on_reply, on_revision, on_attempt
        self._draw = draw
        self._learned_bits = 0

    def forget_bits(self) -> None:
        """What was learned of the node's wish for work is no longer true."""
        self._learned_bits = 0

    async def converse(self, exchange: Exchange) -> None:
        """Ask until there is an answer or our patience ends."""
        beside: list[asyncio.Task[None]] = []
        try:
            async with asyncio.TaskGroup() as group:
                # A request made by outdated information is never answered, so the node's info is
                # read again now. Nobody waits for it: a change starts a fresh request at once.
                beside.append(group.create_task(self._reread(), name="read the node's info"))
                await self._keep_asking(exchange, group, beside)
                # It no longer matters whether slow relays took the request.
                for task in beside:
                    task.cancel()
        finally:
            for task in beside:
                task.cancel()

    async def _reread(self) -> None:
        await self._watch.reread(REREAD_SECONDS)

    async def _keep_asking(
        self, exchange: Exchange, group: asyncio.TaskGroup, beside: list[asyncio.Task[None]]
    ) -> None:
        tries, probed = 0, False
        while exchange.answer is None and self._left(exchange) > 0:
            way = self._watch.way
            if isinstance(way, NoWay):
                return
            if way.bits > self._settings.max_bits:
                exchange.work_known = False
                return
            exchange.changed.clear()
            if await self._heard(exchange):
                await self._ask_once(exchange, way, tries, group, beside)
            if exchange.answer is not None or exchange.changed.is_set():
                continue
            await self.look(exchange)
            if exchange.answer is not None or exchange.closed:
                return
            if exchange.changed_hands and exchange.attempts:
                # The answer may have been lost: asking once more tells whether it was us.
                if probed:
                    return
                probed = True
            else:
                tries += 1
            await self._rest(exchange, pacing.pause_seconds(way, max(0, tries - 1), self._draw()))

    async def _heard(self, exchange: Exchange) -> bool:
        """Whether at least one relay will bring us the answer."""
        subscription = self._settings.subscription
        limit = min(LISTEN_SECONDS, self._left(exchange))
        hearing = self._wire.heard_on(subscription)
        exchange.heard = bool(hearing or await self._wire.until_heard(subscription, limit))
        return exchange.heard

    async def _ask_once(
        self,
        exchange: Exchange,
        way: Way,
        tries: int,
        group: asyncio.TaskGroup,
        beside: list[asyncio.Task[None]],
    ) -> None:
        """Publish one fresh request and wait for its answer."""
        bits = pacing.bits_for(way, tries, self._settings.max_bits, self._learned_bits)
        info = self._watch.info
        exchange.forced = info is not None and info.transport is not way.transport
        exchange.work_known = not pacing.is_rising(way)
        try:
            # Written down first: between making a request and publishing it nothing may take time.
            request_id = secrets.randbits(REQUEST_ID_BITS)
            noting = self._on_attempt(exchange.take_id, request_id)
            await within(self._clock, self._left(exchange), noting)
            exchange.ask_as(request_id)
            work = craft(self._builder(exchange, way), bits, self._clock)
            event = await within(self._clock, self._left(exchange), work)
        except TimeoutError:
            return
        exchange.attempts += 1
        taken, over = asyncio.Event(), asyncio.Event()
        giving = self._give_all(exchange, event, taken, over)
        beside.append(group.create_task(giving, name="publish take"))
        await self._first_of((taken, over, exchange.answered), PUBLISH_SECONDS)
        if not taken.is_set() and exchange.answer is None:
            return
        _log.info(
            "take_dispute_issued",
            dispute_id=exchange.dispute_id,
            attempt=exchange.attempts,
            transport=way.transport.value,
            bits=bits,
        )
        wait = min(pacing.answer_seconds(way, tries), self._left(exchange))
        await self._first_of((exchange.answered, exchange.changed), wait)
        if exchange.answer is not None:
            self._learned_bits = bits if pacing.is_rising(way) else 0

    def _builder(self, exchange: Exchange, way: Way) -> Build:
        message = take_request(exchange.dispute_id, exchange.request_id or 0, way.version)

        def build(created_at: int) -> tuple[Draft, Keys]:
            return draft(
                way.transport,
                self._keys,
                self._node,
                message,
                created_at=created_at,
                expires_at=created_at + EXPIRATION_SECONDS,
            )

        return build

    async def _give_all(
        self, exchange: Exchange, event: Event, taken: asyncio.Event, over: asyncio.Event
    ) -> None:
        """Give the request to every relay at once; say when the first took it, and the last."""

        async def give(url: str) -> None:
            reply = await self._wire.publish(url, event)
            if reply.outcome.delivered:
                exchange.accepted.add(url)
                taken.set()

        await asyncio.gather(*(give(url) for url in self._wire.listening()))
        over.set()

    async def look(self, exchange: Exchange) -> bool:
        """Ask the relays for an answer we missed, and for the dispute's state.

        Returns:
            Whether at least one relay told all it has.
        """
        way = self._watch.way
        transport = way.transport if isinstance(way, Way) else Transport.NIP44
        since = exchange.started_at - OVERLAP_SECONDS
        filters: list[Filter] = [
            reply_filter(transport, self._node, self._own, since),
            {"kinds": [DISPUTE_KIND], "authors": [self._node], "#d": [exchange.dispute_id]},
        ]
        limit = min(LOOK_SECONDS, self._left(exchange))
        if limit <= 0:
            return False
        asking = asyncio.ensure_future(self._wire.ask_all(filters, limit, extra=True))
        waiting = asyncio.ensure_future(exchange.answered.wait())
        try:
            await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                return False  # the live subscription brought the answer meanwhile
            answers = asking.result()
        finally:
            asking.cancel()
            waiting.cancel()
            await asyncio.gather(asking, waiting, return_exceptions=True)
        await self._read_all(exchange, answers)
        return any(answer.complete for answer in answers)

    async def _read_all(self, exchange: Exchange, answers: Sequence[RelayAnswer]) -> None:
        """Read what relays hold, a few at a time: on protocol 1 anybody may have written it."""
        found = {
            event.id().to_hex(): (answer.url, event)
            for answer in answers
            for event in answer.events
        }
        for number, (url, event) in enumerate(found.values(), 1):
            if event.kind().as_u16() == DISPUTE_KIND:
                self._found_revision(exchange, url, event)
            elif exchange.answer is None:
                self._on_reply(url, event)
            if number % READ_AT_ONCE == 0:
                await self._clock.sleep(0)

    def _found_revision(self, exchange: Exchange, url: str, event: Event) -> None:
        revision = parse_dispute_event(event, self._node, self._clock.now())
        if isinstance(revision, Revision) and revision.dispute_id == exchange.dispute_id:
            exchange.saw_revision(revision.status, revision.created_at)
            self._on_revision(url, event)

    async def _rest(self, exchange: Exchange, seconds: float) -> None:
        limit = min(seconds, self._left(exchange))
        if limit > 0:
            await self._first_of((exchange.answered, exchange.changed), limit)

    async def _first_of(self, events: Sequence[asyncio.Event], seconds: float) -> None:
        """Wait until one of ``events`` is set, at most ``seconds``."""
        waiting = [asyncio.ensure_future(each.wait()) for each in events]
        timer = asyncio.ensure_future(self._clock.sleep(max(0.0, seconds)))
        try:
            await asyncio.wait((*waiting, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (*waiting, timer):
                each.cancel()
            await asyncio.gather(*waiting, timer, return_exceptions=True)

    def _left(self, exchange: Exchange) -> float:
        return max(0.0, exchange.deadline - self._clock.monotonic())
