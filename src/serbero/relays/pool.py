"""Every relay, as one thing: listen on the configured ones and some more, write to any.

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

from serbero.clock import Clock, wait_for_event
from serbero.nostr.addresses import BadAddressError, normalise
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.relays.asking import ASK_PREFIX, Answer
from serbero.relays.canary import Proof
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
        self._stir = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._closed = False
        self._context = LinkContext(
            client=lambda: self._client,
            keys=keys,
            clock=clock,
            settings=self._settings,
            observer=self._observer,
            subscriptions=self._subscriptions,
            on_change=self._stirred,
            forget=self._forget,
        )
        self._links: dict[str, RelayLink] = {}
        # The library's spelling of an address may differ from ours.
        self._by_library_url: dict[str, RelayLink] = {}
        for url in urls:
            self._link(normalise(url), configured=True)

    def subscribe(self, wanted: Subscription) -> None:
        """Want ``wanted`` on every relay listened on, from now on; the same id replaces."""
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

    def listen_also(self, urls: Sequence[str]) -> None:
        """Listen on these as well, and on no others but the configured ones.

        They carry every subscription, and that is all: they count for nothing that is judged or
        waited for at the start. One that is no longer named is left when idle. What cannot be an
        address is skipped.
        """
        wanted: list[RelayLink] = []
        for url in urls:
            try:
                wanted.append(self._link_to(url))
            except BadAddressError as error:
                _log.info("extra_relay_skipped", relay=url, reason=str(error))
        for link in list(self._links.values()):
            link.listen(link in wanted)
        self._stirred()

    def listening(self) -> tuple[str, ...]:
        """The relays listened on, the configured ones first."""
        return tuple(link.url for link in self._listening_links())

    def heard_on(self, subscription_id: str) -> frozenset[str]:
        """Where that subscription stands: asked and answered on the connection of now."""
        links = self._listening_links()
        return frozenset(link.url for link in links if link.hears(subscription_id))

    async def until_heard(self, subscription_id: str, timeout: float) -> frozenset[str]:
        """Wait until the subscription stands on all relays that are connected, at least on one.

        A relay that refuses it, or left our last question unanswered, is not waited for.

        Args:
            subscription_id: which.
            timeout: the longest wait, seconds.

        Returns:
            Where it stands then; empty if nowhere in time.
        """
        deadline = self._clock.monotonic() + timeout
        while True:
            stir, heard = self._stir, self.heard_on(subscription_id)
            others = [each for each in self._listening_links() if each.url not in heard]
            if heard and not any(each.may_hear_soon(subscription_id) for each in others):
                return heard
            left = deadline - self._clock.monotonic()
            if left <= 0 or not await wait_for_event(self._clock, stir, left):
                return self.heard_on(subscription_id)

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
        return await link.ask(filters, timeout, page)

    async def ask_all(
        self,
        filters: Sequence[Filter],
        timeout: float,
        page: int | None = None,
        *,
        extra: bool = False,
    ) -> tuple[Answer, ...]:
        """Ask every configured relay at once, and the extra ones if wanted. One answer for each."""
        links = self._listening_links()
        asked = [link.url for link in links if link.configured or extra]
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(self.ask(url, filters, timeout, page)) for url in asked]
        return tuple(each.result() for each in asking)

    def states(self) -> tuple[RelayState, ...]:
        """Every relay as it stands: configured ones, extra ones, the others."""
        states = [link.state() for link in self._links.values()]
        return tuple(sorted(states, key=lambda each: (not each.configured, not each.extra)))

    def hearing_count(self) -> int:
        """How many configured relays hear, proven or not."""
        configured = [link for link in self._links.values() if link.configured]
        return sum(link.hearing is not Proof.DEAF for link in configured)

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
            if link.listens:
                link.wants_changed()

    def _listening_links(self) -> list[RelayLink]:
        links = [link for link in self._links.values() if link.listens]
        return sorted(links, key=lambda each: not each.configured)

    def _stirred(self) -> None:
        """Wake whoever waits for a subscription to stand somewhere."""
        self._stir.set()
        self._stir = asyncio.Event()

    def _forget(self, url: str) -> None:
        link = self._links.pop(url)
        self._by_library_url = {k: v for k, v in self._by_library_url.items() if v is not link}
        self._observer.relay_forgotten(url)

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
                    pass  # NEW_EVENT tells again of an event that came as MESSAGE

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
