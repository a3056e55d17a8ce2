"""Every relay, as one thing: listen on the configured ones, write to any.

The library gives sockets, framing and parsing, driven raw; what is wanted, what is heard and
what became of an event is ours. No Python object is ever handed into the library's client: its
threads would call back into an interpreter that is finalizing, and crash it.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Never

import structlog
from nostr_sdk import (
    Client,  # noqa: TID251 - this room may
    ClientBuilder,  # noqa: TID251
    ClientNotification,
    Event,
    Keys,
    NostrSdkError,
    RelayMessage,
    RelayUrl,
)

from serbero.clock import Clock
from serbero.nostr.addresses import BadAddressError, normalise
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.relays.asking import ASK_PREFIX, Answer, ask_in_pages
from serbero.relays.link import LinkContext, RelayLink
from serbero.relays.listening import PROBE_PREFIX
from serbero.relays.observer import QuietObserver, RelayObserver
from serbero.relays.settings import RelaySettings
from serbero.relays.state import RelayState
from serbero.relays.subscriptions import Filter, Subscription

_log = structlog.get_logger(__name__)

BATCH_MESSAGES: Final = 64
"""Handled in one go before others get the loop: an event costs 50 to 100 µs to verify and
match, so some 5 ms."""

_STREAM_PAUSE_SECONDS: Final = 1.0
"""Before the library is started anew."""


class RelayPool:
    """The relays of this process.

    Args:
        keys: ours; signs canaries and AUTH.
        clock: time.
        urls: the configured relays: listened to, always connected.
        observer: told what happens.
        settings: times and sizes.

    Raises:
        BadAddressError: a configured address cannot be one.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        clock: Clock,
        urls: Sequence[str],
        observer: RelayObserver | None = None,
        settings: RelaySettings | None = None,
    ) -> None:
        self._clock = clock
        self._settings = settings or RelaySettings()
        self._observer = observer or QuietObserver()
        self._client = self._new_client()
        self._subscriptions: dict[str, Subscription] = {}
        self._queue: deque[tuple[str, RelayMessage]] = deque()
        self._arrived = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._closed = False
        self._context = LinkContext(
            client=lambda: self._client,
            keys=keys,
            clock=clock,
            settings=self._settings,
            observer=self._observer,
            subscriptions=self._subscriptions,
        )
        self._links: dict[str, RelayLink] = {}
        # The library's spelling of an address may differ from ours.
        self._by_library_url: dict[str, RelayLink] = {}
        for url in urls:
            self._link(normalise(url), configured=True)

    def subscribe(self, wanted: Subscription) -> None:
        """Want ``wanted`` on every configured relay, from now on; the same id replaces."""
        if ":" in wanted.id or not wanted.id or wanted.id in (ASK_PREFIX, PROBE_PREFIX):
            raise ValueError(f"{wanted.id!r} cannot name a subscription")
        others = [each for each in self._subscriptions.values() if each.id != wanted.id]
        if wanted.proves_hearing and any(each.proves_hearing for each in others):
            raise ValueError("only one subscription can prove hearing")
        self._subscriptions[wanted.id] = wanted
        self._wants_changed()

    def unsubscribe(self, id: str) -> None:  # noqa: A002 - NIP-01's word
        """Want it no longer; unknown ids are fine."""
        if self._subscriptions.pop(id, None) is not None:
            self._wants_changed()

    async def run(self) -> Never:
        """Drive everything until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._drain(), name="relay stream")
                tasks.create_task(self._process(), name="relay messages")
                for link in self._links.values():
                    tasks.create_task(link.run(), name=f"link {link.url}")
        finally:
            self._tasks = None
            # Whoever still waits for an answer must not wait for ever.
            for link in self._links.values():
                link.stop()
        raise AssertionError("the pool's tasks end only by cancellation")

    async def publish(self, url: str, event: Event) -> PublishReply:
        """Send ``event`` to one relay and return its answer; relay faults are outcomes.

        A relay that is not known yet is connected (only to write) and the first attempt waited
        for; one that is known to be down answers ``NOT_CONNECTED`` at once. An event refused
        with ``auth-required`` goes out once more after our AUTH.
        """
        try:
            link = self._link_to(url)
        except BadAddressError as error:
            return PublishReply(PublishOutcome.BLOCKED, f"not a relay address: {error}")
        return await link.publish(event)

    async def ask(
        self,
        url: str,
        filters: Sequence[Filter],
        timeout: float,
        page: int | None = None,
    ) -> Answer:
        """Ask one relay for what it has stored.

        Args:
            url: the relay, known or not.
            filters: what to ask for.
            timeout: seconds for the whole answer.
            page: events a REQ; None leaves paging (and ``limit``) to the filters.
        """
        try:
            link = self._link_to(url)
        except BadAddressError as error:
            return Answer(url, complete=False, reason=f"not a relay address: {error}")
        if page is None:
            return await link.ask(list(filters), timeout)
        if not await link.usable():
            return await link.ask([], timeout)
        deadline = self._clock.monotonic() + timeout
        events: dict[str, Event] = {}
        reasons: list[str] = []
        # One filter at a time: several share a REQ, but not the second where a page ends.
        for each in filters:
            left = deadline - self._clock.monotonic()
            part = await ask_in_pages(link.questions, self._clock, link.url, each, left, page)
            events |= {event.id().to_hex(): event for event in part.events}
            if part.reason is not None:
                reasons.append(part.reason)
        return Answer(link.url, tuple(events.values()), not reasons, next(iter(reasons), None))

    async def ask_all(
        self,
        filters: Sequence[Filter],
        timeout: float,
        page: int | None = None,
    ) -> tuple[Answer, ...]:
        """Ask every configured relay at once. One answer for each."""
        asked = [link.url for link in self._links.values() if link.configured]
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(self.ask(url, filters, timeout, page)) for url in asked]
        return tuple(each.result() for each in asking)

    def states(self) -> tuple[RelayState, ...]:
        """Every relay as it stands, the configured ones first."""
        states = [link.state() for link in self._links.values()]
        return tuple(sorted(states, key=lambda each: not each.configured))

    def hearing_count(self) -> int:
        """How many configured relays hear, proven or not."""
        return sum(each.hears for each in self.states() if each.configured)

    async def close(self) -> None:
        """Leave every relay and release the library's threads. Call it after :meth:`run` ended."""
        if self._closed:
            return
        self._closed = True
        for link in self._links.values():
            link.stop()
        await self._client.shutdown()

    def _link_to(self, url: str) -> RelayLink:
        # What is linked is normal already; most calls spare the library's reading of it.
        return self._links.get(url) or self._link(normalise(url), configured=False)

    def _link(self, url: str, *, configured: bool) -> RelayLink:
        link = self._links.get(url)
        if link is None:
            try:
                library_url = str(RelayUrl.parse(url))
            except NostrSdkError as error:
                raise BadAddressError(str(error)) from None
            # The library knows a relay by this name alone: two links would take each other's
            # connection and messages away.
            if (link := self._by_library_url.get(library_url)) is not None:
                return link
            link = self._links[url] = RelayLink(url, configured=configured, context=self._context)
            self._by_library_url[library_url] = link
            if self._tasks is not None:
                self._tasks.create_task(link.run(), name=f"link {url}")
        return link

    def _new_client(self) -> Client:
        channel = self._settings.notification_channel_size
        return ClientBuilder().notification_channel_size(channel).build()

    def _wants_changed(self) -> None:
        for link in self._links.values():
            if link.configured:
                link.wants_changed()

    async def _drain(self) -> Never:
        """Take everything off the library's channel at once: it drops what it cannot hold.

        The queue stays short all the same: it gains one message a pass of the loop, and loses
        a batch. A burst that is faster than verification waits in the library's channel.
        """
        stream = self._client.notifications()
        while True:
            notification = await stream.next()
            match notification:
                case ClientNotification.MESSAGE():
                    self._enqueue(str(notification.relay_url), notification.message)
                case None | ClientNotification.SHUTDOWN():
                    await self._clock.sleep(_STREAM_PAUSE_SECONDS)
                    # A client whose stream ended is of no use any more. The relays notice the
                    # loss of their connections and return through the new one.
                    await self._client.shutdown()
                    self._client = self._new_client()
                    stream = self._client.notifications()
                    self._lagged("the library's stream ended")
                case _:
                    pass  # NEW_EVENT repeats a MESSAGE

    def _enqueue(self, url: str, message: RelayMessage) -> None:
        self._queue.append((url, message))
        self._arrived.set()

    async def _process(self) -> Never:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                for _ in range(min(BATCH_MESSAGES, len(self._queue))):
                    url, message = self._queue.popleft()
                    if (link := self._by_library_url.get(url)) is not None:
                        link.handle(message.as_enum())
                await self._clock.sleep(0)

    def _lagged(self, reason: str) -> None:
        _log.warning("relay_stream_lagged", reason=reason)
        for link in self._links.values():
            link.renew()
        self._observer.stream_lagged()
