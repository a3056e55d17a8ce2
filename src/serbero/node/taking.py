"""Taking a dispute: one exchange with the node, on either transport.

Here an exchange is opened in the database, its answer recognised and its outcome recorded, also
when the answer comes late or we died in between. How the node is asked is
:mod:`serbero.node.asking`.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Final, Never

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock, now_ms, within
from serbero.model.taking import Cause, TakeState
from serbero.mostro.answers import CannotDo, TookDispute, read_answer
from serbero.mostro.node_info import Transport
from serbero.mostro.transport import Inbound, TransportRejection, unwrap_from_node
from serbero.node import records
from serbero.node.asking import (
    LISTEN_SECONDS,
    LOOK_SECONDS,
    OVERLAP_SECONDS,
    REQUEST_ID_BITS,
    REREAD_SECONDS,
    NodeAsker,
    TakingSettings,
    Watch,
    Wire,
    reply_filter,
)
from serbero.node.causes import Evidence, remaining
from serbero.node.exchange import Answer, Exchange, is_taken_since
from serbero.node.gate import Gate
from serbero.node.records import Recorders
from serbero.node.result import TAKEN_OVER, NoAnswer, Refused, Taken, TakeResult
from serbero.node.standing import NoWay, NoWayReason, Way
from serbero.observe.metrics import Metrics
from serbero.relays.subscriptions import Fields, Filter
from serbero.store import takes
from serbero.store.patient import PatientStore
from serbero.store.takes import Take

CONFIRMED_SECONDS: Final = 90.0
"""The node's info event counts as read just now if a relay confirmed it this lately; it is read
again all the same, beside the first request."""
MAX_REMEMBERED: Final = 4096
"""Ids of events read already: every relay sends each."""
MAX_LATE: Final = 4096
"""Answers nobody waits for that wait to be looked up: after a start, a day of them comes again."""
LATE_SECONDS: Final = 86_400
"""How long ago an answer may have been given to a take that we gave up."""
RETRY_SECONDS: Final = 30.0
"""Between two looks for what became of a take, while no relay answers."""
GRACE_SECONDS: Final = 1.0
"""For recording the outcome after a caller's patience has ended."""

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
        self._gate = Gate(clock)
        self._exchanges: dict[str, Exchange] = {}
        self._tasks: dict[str, asyncio.Task[TakeResult | None]] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._late: asyncio.Queue[Inbound] = asyncio.Queue(MAX_LATE)

    # --- what comes in ---------------------------------------------------------------------

    def reply_filters(self) -> list[Filter]:
        """Return what to subscribe to for the node's answers, by today's transport."""
        way = self._watch.way
        transport = way.transport if isinstance(way, Way) else Transport.NIP44
        # Gift wraps come from anybody, so fewer of them are asked for.
        back = OVERLAP_SECONDS if transport is Transport.GIFT_WRAP else LATE_SECONDS
        return [reply_filter(transport, self._node, self._own, self._clock.now() - back)]

    def screen(self, _url: str, fields: Fields) -> bool:
        """Whether an event is worth verifying and opening now."""
        return self._gate.lets_in(fields, expecting=bool(self._exchanges))

    def on_event(self, url: str, event: Event) -> None:
        """Take one event that may be the node's answer. Never blocks, never raises."""
        if event.id().to_hex() not in self._seen:
            self._read(url, event)

    def _read(self, url: str, event: Event) -> None:
        event_id, now = event.id().to_hex(), self._clock.now()
        if self._gate.refused(event_id):
            return
        self._remember(event_id)
        inbound = unwrap_from_node(event, self._keys, self._node, now=now)
        if isinstance(inbound, TransportRejection):
            self._gate.refuse(event_id)
            self._metrics.node_messages.labels(inbound.value).inc()
            _log.debug("node_message_rejected", reason=inbound.value, relay=url)
            return
        self._metrics.node_messages.labels("read").inc()
        for exchange in self._exchanges.values():
            exchange.saw_node(url, inbound.created_at, now)
        self._take_up(inbound)

    def _remember(self, event_id: str) -> None:
        self._seen[event_id] = None
        if len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)

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
        answer = Answer(said, inbound.created_at)
        if any(exchange.takes(answer) for exchange in self._exchanges.values()):
            return
        if isinstance(said, TookDispute) and not self._late.full():
            self._late.put_nowait(inbound)

    async def run(self) -> Never:
        """Finish what an earlier life left open, and take up late answers for ever."""
        try:
            for take in await self._store.read(takes.all_open):
                if take.dispute_id not in self._tasks:
                    self._start(take.dispute_id, self._finish(take))
            while True:
                await self._record_late(await self._late.get())
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _stop(self) -> None:
        """Leave the exchanges under way to the next life, which finds their rows open."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- one take --------------------------------------------------------------------------

    async def take(self, dispute_id: str, patience: float | None = None) -> TakeResult:
        """Take a dispute; callers about the same one share one exchange.

        It goes on to its end when a caller is cancelled or loses patience.

        Args:
            dispute_id: its UUID in lower case.
            patience: seconds for everything; None takes the configured one.
        """
        seconds = patience or self._settings.patience_seconds
        deadline = self._clock.monotonic() + seconds
        while (left := deadline - self._clock.monotonic()) > 0:
            joined = self._tasks.get(dispute_id)
            task = joined or self._start(dispute_id, self._take(dispute_id, deadline))
            with contextlib.suppress(TimeoutError):
                waiting = within(self._clock, left + GRACE_SECONDS, asyncio.shield(task))
                result = await waiting
                # The exchange may have been begun by a caller with less patience than this one:
                # that nobody answered him in time is no result here, so ask again.
                if result is not None and (joined is None or not isinstance(result, NoAnswer)):
                    return result
        return NoAnswer(dispute_id, (Cause.OUT_OF_TIME,), 0)

    def _start(
        self, dispute_id: str, work: Coroutine[None, None, TakeResult | None]
    ) -> asyncio.Task[TakeResult | None]:
        task = asyncio.create_task(work, name=f"take {dispute_id}")
        self._tasks[dispute_id] = task

        def over(done: asyncio.Task[TakeResult | None]) -> None:
            if self._tasks.get(dispute_id) is done:
                del self._tasks[dispute_id]
            if not done.cancelled() and (fault := done.exception()) is not None:
                _log.error("take_failed", dispute_id=dispute_id, exc_info=fault)

        task.add_done_callback(over)
        return task

    async def _take(self, dispute_id: str, deadline: float) -> TakeResult:
        left = await self._store.read(takes.open_of, dispute_id)
        if left is not None:
            found = await self._look_after(left)
            if found.answer is not None:
                return await self._conclude(left.id, self._result(found))
        way = await self._way(deadline)
        if (cause := self._impossible(way)) is not None:
            return self._unasked(dispute_id, cause)
        return await self._ask(dispute_id, deadline)

    async def _ask(self, dispute_id: str, deadline: float) -> TakeResult:
        now, left = self._clock.now(), max(0.0, deadline - self._clock.monotonic())
        begun = await self._store.transact(records.begin, dispute_id, now, now + int(left))
        stamp = None if begun.known is None else begun.known[1]
        exchange = Exchange(dispute_id, begun.take_id, now, deadline, stamp)
        self._exchanges[dispute_id] = exchange
        try:
            await self._asker.converse(exchange)
        finally:
            del self._exchanges[dispute_id]
        self._gate.expect_late_answers()
        return await self._conclude(exchange.take_id, self._result(exchange))

    async def _count_attempt(self, take_id: int, request_id: int) -> None:
        await self._store.transact(takes.count_attempt, take_id, request_id)

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
        match exchange.best_answer():
            case Answer(said=TookDispute() as took, at=at):
                return Taken(about, took.info, at, attempts)
            case Answer(said=CannotDo() as cannot):
                return Refused(about, cannot.reason, attempts)
            case _:
                return NoAnswer(about, remaining(_evidence(exchange)), attempts)

    async def _conclude(self, take_id: int, result: TakeResult) -> TakeResult:
        """Record an outcome and tell of it; what we were given and lost again is a refusal."""
        at_ms = now_ms(self._clock)
        stands = await self._store.transact(
            records.conclude, take_id, result, at_ms, self._recorders
        )
        about = {"dispute_id": result.dispute_id, "attempts": result.attempts}
        match result:
            case Taken() if not stands:
                _log.warning("dispute_lost_before_it_was_recorded", **about)
                result = Refused(result.dispute_id, TAKEN_OVER, result.attempts)
                self._metrics.takes.labels(TakeState.REFUSED.value).inc()
            case Taken():
                self._metrics.takes.labels(TakeState.TAKEN.value).inc()
                _log.info("dispute_taken_by_us", **about, can_mediate=result.can_mediate)
            case Refused():
                self._metrics.takes.labels(TakeState.REFUSED.value).inc()
                _log.warning("take_refused", **about, reason=result.reason)
            case NoAnswer():
                self._metrics.takes.labels(TakeState.NO_ANSWER.value).inc()
                _log.error("take_unanswered", **about, possible=", ".join(result.causes))
        self._on_concluded(result)
        return result

    async def _record_late(self, inbound: Inbound) -> None:
        """An answer nobody waits for any more: if it is to a take of ours, we hold the dispute."""
        said = read_answer(inbound.message)
        if not isinstance(said, TookDispute) or said.request_id is None:
            return
        if said.request_id >= 2**REQUEST_ID_BITS:
            return  # our ids are smaller: somebody else's request
        take = await self._store.read(takes.by_request, said.dispute_id, said.request_id)
        if take is None or take.state is TakeState.OPEN:
            return  # its own exchange is still looking for this answer
        taken = Taken(said.dispute_id, said.info, inbound.created_at, max(1, take.attempts))
        if take.state is TakeState.TAKEN:
            # Usually the answer we have already. A newer one says that we still hold the dispute.
            at_ms = now_ms(self._clock)
            if await self._store.transact(records.conclude, take.id, taken, at_ms, self._recorders):
                self._on_concluded(taken)
            return
        _log.info("take_answered_late", dispute_id=said.dispute_id, was=take.state.value)
        await self._conclude(take.id, taken)

    # --- after a restart -------------------------------------------------------------------

    async def _finish(self, take: Take) -> TakeResult | None:
        """End an exchange of an earlier life; None where nothing was found out.

        While no relay answers nothing is known, so it stays open.
        """
        while True:
            found = await self._look_after(take)
            if found.answer is not None:
                return await self._conclude(take.id, self._result(found))
            if found.heard:
                break
            await self._clock.sleep(RETRY_SECONDS)
        status = found.status or await self._store.read(records.status_of, take.dispute_id)
        if status is not None and is_taken_since(status, take.known_created_at):
            _log.info("take_repeated_after_restart", dispute_id=take.dispute_id)
            deadline = self._clock.monotonic() + self._settings.patience_seconds
            return await self._ask(take.dispute_id, deadline)
        at_ms = now_ms(self._clock)
        await self._store.transact(records.interrupt, take, at_ms, self._recorders)
        return None

    async def _look_after(self, take: Take) -> Exchange:
        """Look for the answer to an exchange of an earlier life, and for the dispute's state.

        ``heard`` of what is returned says whether some relay told all it has.
        """
        await self._wire.until_heard(self._settings.subscription, LISTEN_SECONDS)
        deadline = self._clock.monotonic() + 2 * LOOK_SECONDS
        exchange = Exchange(
            take.dispute_id, take.id, take.started_at, deadline, take.known_created_at
        )
        exchange.attempts = max(1, take.attempts)
        for request_id in take.request_ids:
            exchange.ask_as(request_id)
        self._exchanges[take.dispute_id] = exchange
        try:
            if isinstance(self._watch.way, NoWay):
                await self._watch.reread(REREAD_SECONDS)
            exchange.heard = await self._asker.look(exchange)
        finally:
            del self._exchanges[take.dispute_id]
        exchange.answer = exchange.best_answer()
        return exchange


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
        dispute_known=exchange.known_created_at is not None,
        changed_hands=exchange.changed_hands,
        closed=exchange.closed,
    )
