"""Taking a dispute: one exchange with the node, on either transport.

Here an exchange is opened in the database, its answer recognised and its outcome recorded, also
when the answer comes late or we died in between. How the node is asked is
:mod:`serbero.node.asking`.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Final, Never, TypeVar

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.model.lifecycle import DisputeStatus
from serbero.model.taking import Cause, TakeState
from serbero.mostro.answers import CannotDo, TookDispute, read_answer
from serbero.mostro.node_info import Transport
from serbero.mostro.transport import Inbound, TransportRejection, unwrap_from_node
from serbero.node import records
from serbero.node.asking import (
    LISTEN_SECONDS,
    LOOK_SECONDS,
    OVERLAP_SECONDS,
    REREAD_SECONDS,
    NodeAsker,
    TakingSettings,
    Watch,
    Wire,
    reply_filter,
)
from serbero.node.causes import Evidence, remaining
from serbero.node.exchange import Answer, Exchange
from serbero.node.records import Recorders
from serbero.node.result import NoAnswer, Refused, Taken, TakeResult
from serbero.node.standing import NoWay, NoWayReason, Way
from serbero.observe.metrics import Metrics
from serbero.relays.subscriptions import Filter
from serbero.store import takes
from serbero.store.patient import PatientStore

CONFIRMED_SECONDS: Final = 90.0
"""The node's info event counts as read just now if a relay confirmed it this lately; it is read
again all the same, beside the first request."""
MAX_REMEMBERED: Final = 4096
"""Ids of events read already: every relay sends each."""
REQUEST_ID_BITS: Final = 53
"""JavaScript clients read these numbers too."""
MAX_LATE: Final = 64
"""Late answers that wait to be recorded."""

Outcome = TypeVar("Outcome", TakeResult, TakeResult | None)
Status = tuple[DisputeStatus, int]
"""Of the newest revision known, with its ``created_at``."""

_log = structlog.get_logger(__name__)


class Taker:
    """Takes disputes.

    Args:
        keys: ours: author, identity and chat key in one (a node authorises the identity and
            answers a refusal to the author, so they must be the same).
        node: the node's key in hex.
        watch: what the node says of itself.
        wire: the relays.
        store: where exchanges are kept.
        clock: time.
        metrics: counts of outcomes.
        recorders: what else an outcome changes, in its transaction.
        on_revision: given every dispute event that was found while looking.
        on_concluded: told of an outcome after it was committed, however late it came.
        settings: times and limits.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        node: str,
        watch: Watch,
        wire: Wire,
        store: PatientStore,
        clock: Clock,
        metrics: Metrics,
        recorders: Recorders,
        on_revision: Callable[[str, Event], None],
        on_concluded: Callable[[TakeResult], None],
        settings: TakingSettings,
    ) -> None:
        self._keys, self._node = keys, node
        self._own = keys.public_key().to_hex()
        self._watch, self._wire, self._store = watch, wire, store
        self._clock, self._metrics, self._settings = clock, metrics, settings
        self._recorders, self._on_concluded = recorders, on_concluded
        self._asker = NodeAsker(
            keys=keys,
            node=node,
            watch=watch,
            wire=wire,
            clock=clock,
            settings=settings,
            on_reply=self._read,
            on_revision=on_revision,
            on_attempt=self._count_attempt,
        )
        self._exchanges: dict[str, Exchange] = {}
        self._joined: dict[str, asyncio.Future[TakeResult | None]] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._late: asyncio.Queue[Inbound] = asyncio.Queue(MAX_LATE)

    # --- what comes in ---------------------------------------------------------------------

    def reply_filters(self) -> list[Filter]:
        """Return what to subscribe to for the node's answers, by today's transport."""
        way = self._watch.way
        transport = way.transport if isinstance(way, Way) else Transport.NIP44
        since = self._clock.now() - OVERLAP_SECONDS
        return [reply_filter(transport, self._node, self._own, since)]

    def on_event(self, url: str, event: Event) -> None:
        """Take one event that may be the node's answer. Never blocks, never raises."""
        event_id = event.id().to_hex()
        if event_id in self._seen:
            return
        self._seen[event_id] = None
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)
        self._read(url, event)

    def _read(self, url: str, event: Event) -> None:
        now = self._clock.now()
        inbound = unwrap_from_node(event, self._keys, self._node, now=now)
        if isinstance(inbound, TransportRejection):
            self._metrics.node_messages.labels(inbound.value).inc()
            _log.debug("node_message_rejected", reason=inbound.value, relay=url)
            return
        self._metrics.node_messages.labels("read").inc()
        for exchange in self._exchanges.values():
            exchange.saw_node(url, inbound.created_at, now)
        self._take_up(inbound)

    def saw_node_event(self, url: str, event: Event) -> None:
        """Note any other live event of the node: it runs, and this relay is shared with it."""
        created_at = event.created_at().as_secs()
        for exchange in self._exchanges.values():
            exchange.saw_node(url, created_at, self._clock.now())

    def way_changed(self) -> None:
        """The node is reached in another way from now on: requests under way are stale."""
        self._asker.forget_bits()
        for exchange in self._exchanges.values():
            exchange.changed.set()

    def _take_up(self, inbound: Inbound) -> None:
        said = read_answer(inbound.message)
        if not isinstance(said, TookDispute | CannotDo):
            _log.debug("node_message_read", action=inbound.message.action)
            return
        for exchange in self._exchanges.values():
            if exchange.matches(said):
                exchange.settle(Answer(said, inbound.created_at))
                return
        if isinstance(said, TookDispute) and not self._late.full():
            self._late.put_nowait(inbound)

    async def run(self) -> Never:
        """Finish what an earlier life left open, then take up late answers for ever."""
        await self._resume()
        while True:
            await self._record_late(await self._late.get())

    # --- one take --------------------------------------------------------------------------

    async def take(self, dispute_id: str, patience: float | None = None) -> TakeResult:
        """Take a dispute; callers about the same one share one exchange.

        Args:
            dispute_id: its UUID in lower case.
            patience: seconds for everything; None takes the configured one.
        """
        while (joined := self._joined.get(dispute_id)) is not None:
            if (result := await asyncio.shield(joined)) is not None:
                return result
        return await self._alone(dispute_id, self._take(dispute_id, patience))

    async def _alone(self, dispute_id: str, work: Coroutine[None, None, Outcome]) -> Outcome:
        """Do something about a dispute while whoever wants it taken waits for the outcome."""
        joined = self._joined[dispute_id] = asyncio.get_running_loop().create_future()
        try:
            result = await work
            joined.set_result(result)
            return result
        finally:
            # Cancelled or failed: whoever joined is told by the cancellation of the future.
            joined.cancel()
            del self._joined[dispute_id]

    async def _take(self, dispute_id: str, patience: float | None) -> TakeResult:
        deadline = self._clock.monotonic() + (patience or self._settings.patience_seconds)
        left = await self._left_open(dispute_id)
        if left is not None:
            result, _ = await self._look_after(left)
            if result is not None:
                return result
        return await self._ask(dispute_id, max(0.0, deadline - self._clock.monotonic()))

    async def _ask(self, dispute_id: str, patience: float) -> TakeResult:
        deadline = self._clock.monotonic() + patience
        way = await self._way(deadline)
        if (cause := self._impossible(way)) is not None:
            return self._unasked(dispute_id, cause)
        now = self._clock.now()
        request_id = secrets.randbits(REQUEST_ID_BITS)
        begun = await self._store.transact(
            records.begin, dispute_id, request_id, now, now + int(patience)
        )
        exchange = Exchange(
            dispute_id,
            request_id,
            begun.take_id,
            now,
            deadline,
            dispute_known=begun.dispute_known,
            attempts=begun.earlier_attempts,
        )
        self._exchanges[dispute_id] = exchange
        try:
            await self._asker.converse(exchange)
            result = self._result(exchange)
            await self._conclude(exchange.take_id, result)
        finally:
            del self._exchanges[dispute_id]
        return result

    async def _count_attempt(self, take_id: int) -> None:
        await self._store.transact(takes.count_attempt, take_id)

    async def _way(self, deadline: float) -> Way | NoWay:
        """How to reach the node, by what was confirmed lately, else after asking."""
        confirmed = self._watch.confirmed_at
        if confirmed is not None and self._clock.monotonic() - confirmed <= CONFIRMED_SECONDS:
            way = self._watch.way
            if isinstance(way, Way):
                return way
        left = max(0.0, deadline - self._clock.monotonic())
        return await self._watch.reread(min(REREAD_SECONDS, left))

    def _impossible(self, way: Way | NoWay) -> Cause | None:
        """Why asking would be in vain, or None."""
        if isinstance(way, Way):
            return Cause.TOO_LITTLE_WORK if way.bits > self._settings.max_bits else None
        if way.reason is NoWayReason.NO_INFO:
            return Cause.NO_INFO_EVENT
        return Cause.UNSUPPORTED_VERSION

    def _unasked(self, dispute_id: str, cause: Cause) -> NoAnswer:
        _log.warning("take_not_possible", dispute_id=dispute_id, reason=cause.value)
        self._metrics.takes.labels(TakeState.NO_ANSWER.value).inc()
        return NoAnswer(dispute_id, (cause,), 0)

    # --- the end ---------------------------------------------------------------------------

    def _result(self, exchange: Exchange) -> TakeResult:
        about, attempts = exchange.dispute_id, exchange.attempts
        match exchange.answer:
            case Answer(said=TookDispute() as took, at=at):
                return Taken(about, took.info, at, attempts)
            case Answer(said=CannotDo() as cannot):
                return Refused(about, cannot.reason, attempts)
            case _:
                return NoAnswer(about, remaining(_evidence(exchange)), attempts)

    async def _conclude(self, take_id: int, result: TakeResult) -> None:
        at_ms = int(self._clock.time() * 1000)
        await self._store.transact(records.conclude, take_id, result, at_ms, self._recorders)
        about = {"dispute_id": result.dispute_id, "attempts": result.attempts}
        match result:
            case Taken():
                self._metrics.takes.labels(TakeState.TAKEN.value).inc()
                _log.info("dispute_taken_by_us", **about, can_mediate=result.can_mediate)
            case Refused():
                self._metrics.takes.labels(TakeState.REFUSED.value).inc()
                _log.warning("take_refused", **about, reason=result.reason)
            case NoAnswer():
                self._metrics.takes.labels(TakeState.NO_ANSWER.value).inc()
                _log.error("take_unanswered", **about, possible=records.causes_text(result.causes))
        self._on_concluded(result)

    async def _record_late(self, inbound: Inbound) -> None:
        """An answer nobody waits for any more: if it is to a take of ours, we hold the dispute."""
        said = read_answer(inbound.message)
        if not isinstance(said, TookDispute) or said.request_id is None:
            return
        if said.request_id >= 2**REQUEST_ID_BITS:
            return  # none of ours, and perhaps no number the database can look for
        take = await self._store.read(takes.by_request, said.dispute_id, said.request_id)
        if take is None or take.state is TakeState.TAKEN:
            return
        _log.info("take_answered_late", dispute_id=said.dispute_id, was=take.state.value)
        taken = Taken(said.dispute_id, said.info, inbound.created_at, max(1, take.attempts))
        await self._conclude(take.id, taken)

    # --- after a restart -------------------------------------------------------------------

    async def _resume(self) -> None:
        """Find out what became of the takes that our last end interrupted."""
        for take in await self._store.read(takes.all_open):
            # Whoever takes it already finds out.
            if take.dispute_id not in self._joined:
                await self._alone(take.dispute_id, self._finish(take.dispute_id))

    async def _finish(self, dispute_id: str) -> TakeResult | None:
        """End an exchange of an earlier life; None where nothing was found out."""
        take = await self._left_open(dispute_id)
        if take is None:
            return None
        result, status = await self._look_after(take)
        if result is not None:
            return result
        status = status or await self._store.read(records.status_of, dispute_id)
        if status is not None and _may_be_ours(status, take.started_at):
            _log.info("take_repeated_after_restart", dispute_id=dispute_id)
            return await self._ask(dispute_id, self._settings.patience_seconds)
        at_ms = int(self._clock.time() * 1000)
        await self._store.transact(records.interrupt, take.id, dispute_id, at_ms, self._recorders)
        return None

    async def _left_open(self, dispute_id: str) -> takes.Take | None:
        found = await self._store.read(takes.all_open)
        return next((take for take in found if take.dispute_id == dispute_id), None)

    async def _look_after(self, take: takes.Take) -> tuple[TakeResult | None, Status | None]:
        """Look for the answer to an exchange of an earlier life, and for the dispute's state."""
        await self._wire.until_heard(self._settings.subscription, LISTEN_SECONDS)
        exchange = Exchange(
            take.dispute_id,
            take.request_id,
            take.id,
            take.started_at,
            self._clock.monotonic() + 2 * LOOK_SECONDS,
            dispute_known=True,
            attempts=max(1, take.attempts),
        )
        self._exchanges[take.dispute_id] = exchange
        try:
            if isinstance(self._watch.way, NoWay):
                await self._watch.reread(REREAD_SECONDS)
            await self._asker.look(exchange)
        finally:
            del self._exchanges[take.dispute_id]
        if exchange.answer is None:
            return None, exchange.status
        result = self._result(exchange)
        await self._conclude(take.id, result)
        return result, exchange.status


def _may_be_ours(status: Status, started_at: int) -> bool:
    return status[0] is DisputeStatus.IN_PROGRESS and status[1] >= started_at


def _evidence(exchange: Exchange) -> Evidence:
    return Evidence(
        attempts=exchange.attempts,
        heard=exchange.heard,
        accepted=frozenset(exchange.accepted),
        node_seen=bool(exchange.node_heard),
        shared=bool(exchange.node_heard & exchange.accepted),
        skew_seconds=exchange.skew_seconds,
        forced=exchange.forced,
        work_known=exchange.work_known,
        dispute_known=exchange.dispute_known,
        changed_hands=exchange.changed_hands,
        closed=exchange.closed,
    )
