"""From the queue to the database, and from there to whoever listens.

What arrived is decrypted and stored in batches. What is accepted is committed before anybody hears
of it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, Never

import structlog

from serbero.chat.channel import AcceptedMessage, Lane, OwnMessage
from serbero.chat.cursor import advanced
from serbero.chat.inbox import Arrival, Inbox
from serbero.chat.recording import (
    Accepted,
    Candidate,
    Record,
    accept,
    accepted_message,
    open_all,
)
from serbero.chat.tally import Tally
from serbero.clock import Clock
from serbero.mostro.chat import ChatMessage, ChatRejection, Envelope
from serbero.observe.metrics import Metrics
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore

BUSY_PER_SECOND: Final = 50
"""Messages a second from which on they are gathered for a moment: ten rows cost what one does."""
GATHER_SECONDS: Final = 0.035

Listener = Callable[[AcceptedMessage], None]
OwnListener = Callable[[OwnMessage], None]

_log = structlog.get_logger(__name__)


class Accepting:
    """Empties the inbox.

    Args:
        inbox: what arrived.
        store: where messages and cursors are.
        crypto: runs the decryption; one thread.
        clock: ours.
        metrics: counts.
        tally: told of what is refused.
        record: stores a message, in the transaction that accepts it.
        read_to: up to when every relay was read of a lane, Unix seconds; None if one never was.
        listeners: called with each message after it was committed; may change meanwhile.
        on_own: called with each message of ours that came back.
    """

    def __init__(
        self,
        *,
        inbox: Inbox,
        store: PatientStore,
        crypto: Executor,
        clock: Clock,
        metrics: Metrics,
        tally: Tally,
        record: Record,
        read_to: Callable[[Lane], int | None],
        listeners: list[Listener],
        on_own: OwnListener | None,
    ) -> None:
        self._inbox = inbox
        self._store = store
        self._crypto = crypto
        self._clock = clock
        self._metrics = metrics
        self._tally = tally
        self._record = record
        self._read_to = read_to
        self._listeners = listeners
        self._on_own = on_own
        self._arrived = asyncio.Event()
        self._busy_since = 0.0
        self._busy_count = 0
        self._at_work = False

    @property
    def idle(self) -> bool:
        """Whether everything that arrived was accepted or refused."""
        return not len(self._inbox) and not self._at_work

    def wake(self) -> None:
        """The inbox gained something."""
        self._arrived.set()

    async def run(self) -> Never:
        """Accept what arrives, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while len(self._inbox):
                await self._gather()
                batch = self._inbox.take()
                self._at_work = True
                try:
                    await self._accept(batch)
                except BaseException:
                    # Not lost: the next run reads these messages from the relays again.
                    for arrival in batch:
                        self._left_out(arrival)
                    raise
                finally:
                    self._at_work = False

    def _left_out(self, arrival: Arrival) -> None:
        self._inbox.forget(arrival.fields["id"])
        arrival.lane.miss(arrival.url, arrival.fields["created_at"])

    async def _gather(self) -> None:
        """When many messages come, wait a moment for more: a transaction costs what ten do."""
        now = self._clock.monotonic()
        if now - self._busy_since >= 1:
            self._busy_since, self._busy_count = now, self._busy_count // 2
        if self._busy_count >= BUSY_PER_SECOND:
            await self._clock.sleep(GATHER_SECONDS)

    async def _accept(self, batch: list[Arrival]) -> None:
        self._busy_count += len(batch)
        now = self._clock.now()
        loop = asyncio.get_running_loop()
        opened = await loop.run_in_executor(self._crypto, open_all, batch, now)
        candidates = []
        for arrival, outcome in opened:
            if isinstance(outcome, ChatRejection):
                self._tally.rejected(arrival.lane, outcome)
                if arrival.lane.envelope is Envelope.GIFT_WRAP:
                    self._inbox.junk(arrival.fields["id"])
            elif not self._within_budget(arrival, outcome):
                self._left_out(arrival)
                self._tally.rejected(arrival.lane, ChatRejection.BUDGET)
            else:
                candidates.append(
                    Candidate(arrival, outcome, self._cursor_after(outcome, arrival, now))
                )
        if candidates:
            await self._commit(candidates, now)

    def _within_budget(self, arrival: Arrival, message: ChatMessage) -> bool:
        """Whether this message is accepted now; only here it is known who wrote it."""
        lane, now = arrival.lane, self._clock.monotonic()
        if message.author == lane.channel.own:
            lane.budget.came_back(arrival.url, now, live=arrival.live)
            return True
        return lane.budget.may_accept(now)

    def _cursor_after(self, message: ChatMessage, arrival: Arrival, now: int) -> int:
        lane = arrival.lane
        # Gift wraps never move it: their time means nothing.
        if lane.envelope is Envelope.GIFT_WRAP:
            return lane.channel.cursor
        return advanced(lane.channel.cursor, message.outer_created_at, now, self._read_to(lane))

    async def _commit(self, candidates: list[Candidate], now: int) -> None:
        """Store a batch; if the database refuses it, one by one, so that one costs only itself."""
        try:
            await self._store_and_tell(candidates, now)
        except StoreRejected:
            pass
        else:
            return
        for candidate in candidates:
            try:
                await self._store_and_tell([candidate], now)
            except StoreRejected as error:
                channel = candidate.arrival.lane.channel
                self._left_out(candidate.arrival)
                _log.error(
                    "persistence_failed",
                    dispute_id=channel.dispute_id,
                    party=channel.party.value,
                    inner_id=candidate.message.inner_id,
                    reason=str(error),
                )

    async def _store_and_tell(self, candidates: list[Candidate], now: int) -> None:
        accepted = await self._store.transact(accept, candidates, now, self._record)
        self._settle(accepted, now)

    def _settle(self, accepted: Accepted, now: int) -> None:
        """Do what follows from a transaction."""
        for channel, standing in accepted.moved.items():
            channel.cursor, channel.uses = standing.cursor, standing.uses
        for candidate in accepted.foreign:
            self._tally.rejected(candidate.arrival.lane, ChatRejection.INNER_SIGNER)
        for candidate in accepted.known:
            if not candidate.ours:
                self._tally.rejected(candidate.arrival.lane, ChatRejection.INNER_DUPLICATE)
        for candidate in accepted.new:
            if candidate.ours:
                self._came_back(candidate)
            else:
                self._tell(candidate, now)

    def _came_back(self, candidate: Candidate) -> None:
        channel, message = candidate.arrival.lane.channel, candidate.message
        self._metrics.chat_echoes.labels(message.envelope.value).inc()
        if self._on_own is None:
            return
        try:
            self._on_own(
                OwnMessage(channel.dispute_id, channel.party, message.inner_id, message.envelope)
            )
        except Exception:  # noqa: BLE001
            # A boundary: a listener's fault must not end the hearing.
            _log.exception("chat_listener_failed", dispute_id=channel.dispute_id)

    def _tell(self, candidate: Candidate, now: int) -> None:
        channel, message = candidate.arrival.lane.channel, candidate.message
        self._metrics.chat_accepted.labels(message.envelope.value).inc()
        _log.info(
            "chat_message_accepted",
            dispute_id=channel.dispute_id,
            party=channel.party.value,
            envelope=message.envelope.value,
            attachment=message.attachment is not None,
        )
        accepted = accepted_message(candidate, now)
        for listener in tuple(self._listeners):
            try:
                listener(accepted)
            except Exception:  # noqa: BLE001
                # A boundary: one listener's fault must not keep the message from the others.
                _log.exception("chat_listener_failed", dispute_id=channel.dispute_id)
