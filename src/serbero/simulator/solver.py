"""A human solver's client: it reads NIP-17 messages and remembers exactly what came, and how.

Everything is verified here by itself: the wrap's signature, the seal's author against the
rumor's, and the rumor's id against its content.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final, Self

from nostr_sdk import Event, Keys, NostrSdkError, UnsignedEvent, UnwrappedGift

from serbero.clock import Clock, SystemClock
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.simulator.events import KIND_GIFT_WRAP, inbox_relays_event
from serbero.simulator.peer import PeerError, RelayPeer

_LIFE_SECONDS: Final = 30 * 86_400
"""Of a private message; a relay may drop it after that."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one gift wrap held.

    Attributes:
        outer_id: id of the wrap.
        rumor_id: id of the message itself, computed here.
        sender: who sealed it, hex.
        kind: of the rumor.
        text: of the rumor.
        tags: of the rumor.
        created_at: of the rumor, seconds since the epoch.
        outer_tags: of the wrap.
    """

    outer_id: str
    rumor_id: str
    sender: str
    kind: int
    text: str
    tags: tuple[tuple[str, ...], ...]
    created_at: int
    outer_tags: tuple[tuple[str, ...], ...]

    def tag(self, name: str) -> str | None:
        """First value of the first rumor tag called ``name``."""
        return next((tag[1] for tag in self.tags if tag[0] == name and len(tag) > 1), None)


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it arrived live from one relay.

    Attributes:
        message: what it said.
        relay: who delivered it.
        at: wall clock, seconds since the epoch.
        monotonic: of the inbox's clock, for latencies.
    """

    message: Message
    relay: str
    at: float
    monotonic: float


class NotReadable(ValueError):  # noqa: N818 - named for what it says
    """A wrap that is forged, for somebody else, or not what NIP-17 describes."""


def unwrap(keys: Keys, wrap: Event) -> Message:
    """Open and check a gift wrap.

    Raises:
        NotReadable: a signature, an author or an id does not hold.
    """
    outer_id = wrap.id().to_hex()
    if not wrap.verify():
        raise NotReadable(f"{outer_id}: bad id or signature")
    try:
        gift = UnwrappedGift.from_gift_wrap(keys, wrap)
    except NostrSdkError as error:
        raise NotReadable(f"{outer_id}: {error}") from error
    claimed = json.loads(gift.rumor().as_json())
    stated = claimed.pop("id", None)
    rumor = UnsignedEvent.from_json(json.dumps(claimed)).ensure_id()
    computed = rumor.id()
    if computed is None or stated not in {None, computed.to_hex()}:
        raise NotReadable(f"{outer_id}: the rumor states another id than its own")
    return Message(
        outer_id=outer_id,
        rumor_id=computed.to_hex(),
        sender=gift.sender().to_hex(),
        kind=rumor.kind().as_u16(),
        text=rumor.content(),
        tags=tuple(tuple(tag.to_vec()) for tag in rumor.tags()),
        created_at=rumor.created_at().as_secs(),
        outer_tags=tuple(tuple(tag.to_vec()) for tag in wrap.tags()),
    )


class SolverInbox:
    """One solver listening on some relays, as an async context manager.

    Args:
        relay_urls: where to listen.
        keys: the solver's key; None makes one.
        clock: dates arrivals.
        name: for people who read about it.

    Attributes:
        received: every live delivery in order; one wrap on two relays counts twice here.
        unreadable: what could not be opened, as text.
    """

    def __init__(
        self,
        relay_urls: Iterable[str],
        *,
        keys: Keys | None = None,
        clock: Clock | None = None,
        name: str = "solver",
    ) -> None:
        self.keys = keys or Keys.generate()
        self.relay_urls = tuple(relay_urls)
        self.name = name
        self.received: list[Received] = []
        self.unreadable: list[str] = []
        self._clock = clock or SystemClock()
        self._peers: dict[str, RelayPeer] = {}
        self._stack = AsyncExitStack()
        self._opened: dict[str, Message] = {}
        self._seen: set[tuple[str, str]] = set()

    @property
    def public_key(self) -> str:
        """The solver's key, hex."""
        return self.keys.public_key().to_hex()

    @property
    def messages(self) -> list[Message]:
        """Each wrap once, in the order of its first arrival."""
        unique = {each.message.outer_id: each.message for each in reversed(self.received)}
        return list(reversed(unique.values()))

    async def __aenter__(self) -> Self:
        """Listen; stored messages have been read on return.

        Raises:
            PeerError: a relay did not answer.
        """
        try:
            for url in self.relay_urls:
                peer = await self._stack.enter_async_context(RelayPeer(url, keys=self.keys))
                self._peers[url] = peer
                await peer.subscribe(partial(self._heard, url), self._filter())
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def publish_inbox_relays(
        self, urls: Iterable[str] | None = None, *, to: str | None = None
    ) -> Event:
        """Publish kind 10050: ``urls``, or where it listens; on one relay, or on all.

        Raises:
            PeerError: a relay refused it.
        """
        listed = self.relay_urls if urls is None else tuple(urls)
        event = inbox_relays_event(self.keys, self._clock.now(), listed)
        for url in self.relay_urls if to is None else (to,):
            answer = await self._peers[url].publish(event)
            if not answer.accepted:
                raise PeerError(f"{url} refused the inbox relays: {answer.reason}")
        return event

    async def publish(self, event: Event) -> None:
        """Send any event to every relay and wait for the answers."""
        for peer in self._peers.values():
            await peer.publish(event)

    async def write(self, receiver: str, text: str) -> None:
        """Send a private message (NIP-17) to every relay, as any client does.

        Args:
            receiver: key, hex.
            text: plain.

        Raises:
            PeerError: a relay refused it or did not answer.
        """
        now = self._clock.now()
        rumor = direct_message(
            sender=self.public_key,
            recipient=receiver,
            text=text,
            created_at=now,
            subject="",
            root=None,
        )
        wrap = gift_wrap(self.keys, receiver, rumor.json, expires_at=now + _LIFE_SECONDS)
        for url, peer in self._peers.items():
            answer = await peer.publish(wrap.event)
            if not answer.accepted:
                raise PeerError(f"{url} refused a private message: {answer.reason}")

    def about(self, dispute_id: str) -> list[Message]:
        """Messages whose text names a dispute, each wrap once."""
        return [message for message in self.messages if dispute_id in message.text]

    def repeated_rumors(self) -> dict[str, list[str]]:
        """Rumor ids that came in more than one wrap, with the wraps' ids: told twice."""
        return _repeated((each.rumor_id, each.outer_id) for each in self.messages)

    def repeated_texts(self) -> dict[str, list[str]]:
        """Texts that came as more than one rumor, with the rumors' ids."""
        return _repeated((each.text, each.rumor_id) for each in self.messages)

    async def all_events(self, relay_url: str) -> list[Message]:
        """Every gift wrap a relay holds for this solver, opened, newest wrap first.

        Raises:
            PeerError: the relay did not answer.
            NotReadable: it holds a wrap that cannot be opened.
        """
        async with RelayPeer(relay_url, keys=self.keys) as peer:
            return [self._open(event) for event in await peer.fetch_all(self._filter())]

    def _filter(self) -> dict[str, list[int] | list[str]]:
        return {"kinds": [KIND_GIFT_WRAP], "#p": [self.public_key]}

    def _open(self, event: Event) -> Message:
        outer_id = event.id().to_hex()
        if outer_id not in self._opened:
            self._opened[outer_id] = unwrap(self.keys, event)
        return self._opened[outer_id]

    def _heard(self, url: str, event: Event) -> None:
        at, monotonic = self._clock.time(), self._clock.monotonic()
        place = (url, event.id().to_hex())
        if place in self._seen:
            return  # a relay's stored events come again with each connection
        try:
            message = self._open(event)
        except NotReadable as error:
            self.unreadable.append(f"{url}: {error}")
            return
        self._seen.add(place)
        self.received.append(Received(message, url, at, monotonic))


def _repeated(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        if value not in groups[key]:
            groups[key].append(value)
    return {key: values for key, values in groups.items() if len(values) > 1}
