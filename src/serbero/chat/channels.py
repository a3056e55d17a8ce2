"""The live chats: which channels are read, and what is accepted on them.

Three things run at once: relays push events through the gate into the inbox, the inbox is
decrypted and stored in batches, and every few seconds each relay is read for what the pushing
missed. What is accepted is committed before anybody hears of it.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Never, Protocol

import structlog
from nostr_sdk import Keys

from serbero.chat.accepting import Accepting, Listener, OwnListener
from serbero.chat.channel import Channel, Lane
from serbero.chat.envelopes import PartyUse
from serbero.chat.gate import Gate
from serbero.chat.inbox import Inbox
from serbero.chat.opening import close_in, open_in
from serbero.chat.reading import Asker, RelayReader
from serbero.chat.recording import Record
from serbero.chat.standing import Standing, Subscriber
from serbero.chat.tally import Tally
from serbero.clock import Clock, wait_for_event
from serbero.model.party import Party
from serbero.mostro.chat_keys import BadChatKeyError, ChatKeys, derive
from serbero.observe.metrics import Metrics
from serbero.store import chats
from serbero.store.chats import StoredChannel
from serbero.store.patient import PatientStore

KEPT_SECONDS: Final = 86_400
"""How long a closed channel is read."""

_log = structlog.get_logger(__name__)


class Relays(Asker, Subscriber, Protocol):
    """What the chats need of the relays."""

    def listening(self) -> tuple[str, ...]:
        """The relays listened on."""


class Chats:
    """Every chat channel of this process.

    Args:
        keys: ours; channels are derived from them.
        store: where channels and cursors are.
        relays: the pool.
        clock: ours.
        metrics: counts.
        interval_seconds: between two readings of the relays beside the live stream.
        record: stores a message, in the transaction that accepts it.
        on_own: called with each message of ours that came back.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        store: PatientStore,
        relays: Relays,
        clock: Clock,
        metrics: Metrics,
        interval_seconds: float,
        record: Record = lambda _tx, _message: None,
        on_own: OwnListener | None = None,
    ) -> None:
        self._secret = keys.secret_key()
        self._own = keys.public_key().to_hex()
        self._store = store
        self._relays = relays
        self._clock = clock
        self._metrics = metrics
        self._interval = interval_seconds
        self._listeners: list[Listener] = []
        self._channels: dict[chats.Key, Channel] = {}
        self._broken: set[tuple[chats.Key, str]] = set()
        self._tally = Tally(metrics)
        self._look = asyncio.Event()
        self._changed = asyncio.Event()
        self._refreshing = asyncio.Lock()
        self._crypto = ThreadPoolExecutor(1, thread_name_prefix="chat-crypto")
        self._inbox = Inbox()
        self._accepting = Accepting(
            inbox=self._inbox,
            store=store,
            crypto=self._crypto,
            clock=clock,
            metrics=metrics,
            tally=self._tally,
            record=record,
            read_to=self._read_to,
            listeners=self._listeners,
            on_own=on_own,
        )
        self._gate = Gate(
            inbox=self._inbox, tally=self._tally, clock=clock, on_arrival=self._accepting.wake
        )
        self._standing = Standing(
            subscriber=relays,
            screen=self._gate.screen,
            on_event=self._gate.arrived,
            clock=clock,
        )
        self._readers: dict[str, RelayReader] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    # --- channels --------------------------------------------------------------------------

    async def load(self) -> int:
        """Take up the channels of the database; return how many are read."""
        await self.refresh()
        return len(self._channels)

    async def open(self, dispute_id: str, trade_keys: Mapping[Party, str], since: int) -> None:
        """Open a dispute's channels and begin to listen; see :func:`~serbero.chat.opening.open_in`.

        Raises:
            BadChatKeyError: a trade key is no key; nothing was opened.
            SharedTradeKeyError: both parties have one key; nothing was opened.
        """
        for trade_key in trade_keys.values():
            self._derive(trade_key)
        await self._store.transact(
            open_in, dispute_id, dict(trade_keys), since=since, now=self._clock.now()
        )
        await self.refresh()

    async def close(self, dispute_id: str) -> None:
        """End the writing on a dispute's channels; see :func:`~serbero.chat.opening.close_in`."""
        await self._store.transact(close_in, dispute_id, self._clock.now())
        await self.refresh()

    async def refresh(self) -> None:
        """Make what is listened to what the database says: the only place that decides it."""
        async with self._refreshing:
            stored = await self._store.read(chats.channels, self._clock.now() - KEPT_SECONDS)
            wanted = {(each.dispute_id, each.party): each for each in stored}
            gone = [
                channel
                for key, channel in self._channels.items()
                if key not in wanted or wanted[key].trade_key != channel.trade_key
            ]
            for channel in gone:
                self._drop(channel)
            new = []
            for key, row in wanted.items():
                if (known := self._channels.get(key)) is not None:
                    self._note_closing(known, row.closed_at)
                elif (taken := await self._take_up(row)) is not None:
                    new.append(taken)
            self._standing.change(gone, new)
            self._metrics.chat_channels.set(len(self._channels))
        if new:
            self._look.set()

    async def _take_up(self, row: StoredChannel) -> Channel | None:
        key = (row.dispute_id, row.party)
        loop = asyncio.get_running_loop()
        try:
            keys = await loop.run_in_executor(self._crypto, self._derive, row.trade_key)
        except BadChatKeyError as error:
            if (key, row.trade_key) not in self._broken:
                self._broken.add((key, row.trade_key))
                _log.error(
                    "chat_channel_unusable",
                    dispute_id=row.dispute_id,
                    party=row.party.value,
                    reason=str(error),
                    consequence="nothing is read from this party",
                )
            return None
        channel = self._channels[key] = Channel(
            dispute_id=row.dispute_id,
            party=row.party,
            trade_key=row.trade_key,
            keys=keys,
            own=self._own,
            cursor=row.cursor,
            uses=_uses(row),
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            now=self._clock.monotonic(),
        )
        if beside := self._gate.admit(channel):
            _log.error(
                "chat_channels_share_a_key",
                dispute_id=row.dispute_id,
                party=row.party.value,
                with_disputes=[each.dispute_id for each in beside],
                consequence="messages are taken for the one that is open, of several the youngest",
            )
        _log.info(
            "chat_opened",
            dispute_id=row.dispute_id,
            party=row.party.value,
            writing=row.closed_at is None,
        )
        return channel

    def _derive(self, trade_key: str) -> ChatKeys:
        return derive(self._secret.to_hex(), trade_key)

    def _drop(self, channel: Channel) -> None:
        self._gate.dismiss(channel)
        del self._channels[channel.key]
        _log.info("chat_dropped", dispute_id=channel.dispute_id, party=channel.party.value)

    @staticmethod
    def _note_closing(channel: Channel, closed_at: int | None) -> None:
        if closed_at is not None and channel.closed_at is None:
            _log.info("chat_closed", dispute_id=channel.dispute_id, party=channel.party.value)
        channel.closed_at = closed_at

    # --- listeners -------------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each message once it is committed; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def look_now(self) -> None:
        """Read the relays without waiting for the next time: one is back, or events were lost."""
        self._look.set()

    def channels_changed(self) -> None:
        """Channels were opened or closed in the database: follow at once. Costs no reading."""
        self._changed.set()

    @property
    def idle(self) -> bool:
        """Whether everything that arrived was accepted or refused."""
        return self._accepting.idle

    @property
    def hears(self) -> bool:
        """Whether any relay is listened on."""
        return bool(self._relays.listening())

    def is_caught_up(self, dispute_id: str, party: Party) -> bool:
        """Whether what a party wrote until a moment ago has been accepted or refused.

        False where a relay that is listened on has not been read completely since it was
        connected, in this life, and for a channel that is not read.
        """
        channel = self._channels.get((dispute_id, party))
        if channel is None or not self._accepting.idle:
            return False
        return all(self._read_to(lane) is not None for lane in channel.lanes)

    # --- running ---------------------------------------------------------------------------

    async def run(self) -> Never:
        """Read and accept, for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._accepting.run(), name="chat-accept")
            tasks.create_task(self._read_forever(tasks), name="chat-read")
            tasks.create_task(self._follow(), name="chat-follow")
        raise AssertionError("the chat's tasks end only by cancellation")

    def stop(self) -> None:
        """Release the thread. Call it after :meth:`run` ended."""
        self._crypto.shutdown(wait=False, cancel_futures=True)

    async def _follow(self) -> Never:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.refresh()

    async def _read_forever(self, tasks: asyncio.TaskGroup) -> Never:
        while True:
            self._look.clear()
            await self.refresh()
            self._tally.report()
            for url in self._current_relays():
                running = self._reading.get(url)
                # A relay that is slow to answer delays only itself.
                if running is None or running.done():
                    self._reading[url] = tasks.create_task(self._read(url), name=f"chat {url}")
            await wait_for_event(self._clock, self._look, self._interval)

    def _current_relays(self) -> tuple[str, ...]:
        urls = self._relays.listening()
        for url in [each for each in self._readers if each not in urls]:
            del self._readers[url]
            for channel in self._channels.values():
                for lane in channel.lanes:
                    lane.missed.pop(url, None)
        for url in urls:
            if url not in self._readers:
                self._readers[url] = RelayReader(
                    url, asker=self._relays, gate=self._gate, clock=self._clock
                )
        return urls

    async def _read(self, url: str) -> None:
        reader = self._readers[url]
        lanes = [lane for channel in self._channels.values() for lane in channel.lanes]
        if lanes:
            await reader.round(lanes)

    def _read_to(self, lane: Lane) -> int | None:
        """Up to when every relay listened on was read completely; None if one never was.

        Where something was left out, no later reading counts until it was taken up.
        """
        readers = [self._readers.get(url) for url in self._relays.listening()]
        times = [None if reader is None else reader.read_at(lane) for reader in readers]
        known = [each for each in times if each is not None]
        return min(known) if known and len(known) == len(times) else None


def _uses(row: StoredChannel) -> PartyUse | None:
    if row.envelope is None or row.envelope_at is None:
        return None
    return PartyUse(row.envelope, row.envelope_at)
