"""The outbox worker: it alone sends, and only what was committed.

Three stages run at once, so that the relays' round trips, the cryptography and the database
overlap: claim due messages, make and commit their wraps, publish and record. What is in flight is
remembered only here; a process that dies finds everything due again, with the same bytes.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Never, Protocol

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.delivery import ledger
from serbero.delivery.envelopes import Envelopes, UnsealableError, has_fixed_time
from serbero.delivery.judgement import Pace, judge, reason_of
from serbero.delivery.mining import REST_SECONDS, Miner, special_for, wants_work
from serbero.delivery.settlement import Settlements
from serbero.delivery.telling import tell_failures, tell_settled
from serbero.model.notification import TargetState
from serbero.model.target import Target, TargetUpdate
from serbero.nostr.addresses import loggable
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.nostr.wrap import Special
from serbero.observe.metrics import Metrics
from serbero.store.outbox_work import NewWrap, Row, next_due_at, put_off, wake_relay
from serbero.store.patient import PatientStore

CLAIM_LIMIT: Final = 64
"""Messages a pass: some 40 ms of cryptography, so the first go out while the rest are made."""
MAX_HELD: Final = 1024
"""Messages in flight at most; what waits beyond that waits in the database, not in memory."""
LEAST_LIFE_SECONDS: Final = 3600
"""A wrap that expires sooner is replaced: its reader needs some time to fetch it."""
UNENCRYPTABLE: Final = "unencryptable"
"""The outcome of a pass that came to no relay, because there is nothing to give them."""
LONGEST_REST_SECONDS: Final = 5.0
"""Commands beside the daemon change rows; they are noticed within this time."""

_log = structlog.get_logger(__name__)


class Publisher(Protocol):
    """What delivery needs of the relays."""

    async def publish(self, url: str, event: Event) -> PublishReply:
        """Give ``event`` to one relay and return what it said; never raises for relay faults."""


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[delivery]``, as far as the worker needs it."""

    pace: Pace
    expiration_seconds: int

    @property
    def wrap_life_seconds(self) -> int:
        """For how long a wrap may be given to relays; half its time where that is short."""
        return self.expiration_seconds - min(LEAST_LIFE_SECONDS, self.expiration_seconds // 2)


@dataclass(frozen=True, slots=True)
class _Job:
    """One claimed message with the relays to ask now and, soon, the wrap for each."""

    row: Row
    targets: list[Target]
    wrap_for: dict[str, Event]


class DeliveryWorker:
    """Sends what the outbox holds."""

    def __init__(
        self,
        *,
        store: PatientStore,
        publisher: Publisher,
        keys: Keys,
        clock: Clock,
        relays_of: ledger.RelaysOf,
        settlements: Settlements,
        settings: DeliverySettings,
        metrics: Metrics,
        draw: Callable[[], float] = random.random,
        deadlines_by: Callable[[], int] | None = None,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._envelopes = Envelopes(keys, settings.expiration_seconds)
        self._clock = clock
        self._relays_of = relays_of
        self._settlements = settlements
        self._settings = settings
        self._metrics = metrics
        self._draw = draw
        self._deadlines_by = deadlines_by or clock.now
        self._stopping = False
        self._held: set[int] = set()
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._outcomes = ledger.Batch()
        self._returned: set[str] = set()
        self._returns: Counter[str] = Counter()
        self._something_to_record = asyncio.Event()
        self._miner = Miner(
            store=store,
            envelopes=self._envelopes,
            clock=clock,
            on_mined=self.wake,
            on_broken=self._refuse_broken,
        )
        # One thread for all other cryptography: more would not be faster (the library calls back
        # into Python), and the event loop stays free.
        self._crypto = ThreadPoolExecutor(1, thread_name_prefix="crypto")

    def wake(self) -> None:
        """Say that something may be due; cheap, never blocks."""
        self._wake.set()

    def relay_returned(self, url: str) -> None:
        """Say that a relay is connected (again): what waits for it is due now.

        It becomes due after the answers that came before have been recorded. One of them may be
        that the relay is away, and would otherwise put the message off though it is back.
        """
        self._returns[url] += 1
        self._returned.add(url)
        self._something_to_record.set()

    async def run(self) -> Never:
        """Send until cancelled; cancellation leaves nothing half recorded."""
        jobs: asyncio.Queue[list[_Job]] = asyncio.Queue(maxsize=1)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._claim_forever(jobs), name="delivery-claim")
            group.create_task(self._wrap_forever(jobs, group), name="delivery-wrap")
            group.create_task(self._record_forever(), name="delivery-record")
            group.create_task(self._miner.run(), name="delivery-mine")
        raise AssertionError("the delivery stages never return")

    async def drain(self, seconds: float) -> None:
        """Claim nothing more and wait until nothing is in flight, at most ``seconds``."""
        self._stopping = True
        deadline = self._clock.monotonic() + seconds
        while self._held and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)

    def close(self) -> None:
        """Release the threads."""
        self._crypto.shutdown(wait=False, cancel_futures=True)
        self._miner.close()

    # --- claim -----------------------------------------------------------------------------

    async def _claim_forever(self, jobs: asyncio.Queue[list[_Job]]) -> None:
        while not self._stopping:
            self._wake.clear()
            claimed = await self._store.transact(
                ledger.claim,
                self._clock.now(),
                CLAIM_LIMIT,
                frozenset(self._held),
                self._relays_of,
                self._settlements,
                wraps_since=self._clock.now() - self._settings.wrap_life_seconds,
                deadlines_by=self._deadlines_by(),
            )
            tell_settled(claimed.settled, self._metrics)
            if claimed.rows:
                await self._hand_over(claimed, jobs)
            elif not claimed.more:
                await self._rest()

    async def _hand_over(self, claimed: ledger.Claim, jobs: asyncio.Queue[list[_Job]]) -> None:
        batch = [_Job(row, claimed.targets[row.id], {}) for row in claimed.rows]
        self._held.update(job.row.id for job in batch)
        await jobs.put(batch)
        if len(self._held) >= MAX_HELD:
            self._room.clear()
        await self._room.wait()

    async def _rest(self) -> None:
        due_at = await self._store.read(next_due_at, frozenset(self._held))
        rest = LONGEST_REST_SECONDS
        if due_at is not None:
            rest = min(rest, max(0.05, due_at - self._clock.time()))
        await wait_for_event(self._clock, self._wake, rest)

    def _release(self, row_id: int) -> None:
        self._held.discard(row_id)
        if len(self._held) < MAX_HELD:
            self._room.set()

    # --- wrap ------------------------------------------------------------------------------

    async def _wrap_forever(
        self, jobs: asyncio.Queue[list[_Job]], group: asyncio.TaskGroup
    ) -> Never:
        loop = asyncio.get_running_loop()
        while True:
            batch = await jobs.get()
            now = self._clock.now()
            await self._leave_to_miner(batch, now)
            wraps, broken = await loop.run_in_executor(self._crypto, self._wrap_all, batch, now)
            ids = [job.row.id for job in batch]
            over = await self._store.transact(ledger.commit_wraps, wraps, now, ids)
            for job in batch:
                if job.row.id in over:
                    self._release(job.row.id)
                elif job.row.id in broken:
                    self._give_up(job, broken[job.row.id])
                elif job.targets:
                    group.create_task(self._send(job), name=f"deliver-{job.row.id}")
                else:
                    self._outcomes.finished.append(job.row.id)
                    self._something_to_record.set()

    async def _leave_to_miner(self, batch: list[_Job], now: int) -> None:
        """Take relays out of their jobs that want work; they are due again once it is done."""
        costly = [(job.row, each) for job in batch for each in job.targets if wants_work(each)]
        if not costly:
            return
        await self._store.transact(
            put_off, [(row.id, each.relay) for row, each in costly], now + REST_SECONDS
        )
        for job in batch:
            job.targets[:] = [each for each in job.targets if not wants_work(each)]
        for row, target in costly:
            self._miner.take(row, target)

    def _wrap_all(self, batch: list[_Job], now: int) -> tuple[list[NewWrap], dict[int, str]]:
        """Runs on the crypto thread: one call for the whole batch."""
        wraps: list[NewWrap] = []
        broken: dict[int, str] = {}
        for job in batch:
            try:
                wraps += self._wrap_job(job, now)
            except UnsealableError as error:
                broken[job.row.id] = str(error)
        return wraps, broken

    def _wrap_job(self, job: _Job, now: int) -> list[NewWrap]:
        wanted: dict[Special | None, list[str]] = {}
        for target in job.targets:
            if target.event_json is not None:
                job.wrap_for[target.relay] = Event.from_json(target.event_json)
            else:
                wanted.setdefault(special_for(target, now), []).append(target.relay)
        made = []
        for special, relays in wanted.items():
            wrap = self._envelopes.make(job.row, special, now)
            job.wrap_for.update(dict.fromkeys(relays, wrap.event))
            made.append(NewWrap(job.row.id, wrap.id, wrap.json, tuple(relays)))
        return made

    def _give_up(self, job: _Job, reason: str) -> None:
        """A key nothing can be encrypted for: no relay can help."""
        for target in job.targets:
            self._refuse_broken(job.row, target, reason)
        failed = ledger.FailedRound(job.row, frozenset({UNENCRYPTABLE}), reason)
        self._outcomes.failed_rounds.append(failed)
        self._outcomes.finished.append(job.row.id)
        self._something_to_record.set()

    def _refuse_broken(self, row: Row, target: Target, reason: str) -> None:
        update = TargetUpdate(row.id, target.relay, TargetState.REFUSED, None, reason, None)
        self._outcomes.attempts.append(ledger.Attempt(row, update, delivered=False))
        self._something_to_record.set()

    # --- publish ---------------------------------------------------------------------------

    async def _send(self, job: _Job) -> None:
        """Give one message to every relay it must reach, all at once."""
        replies = await asyncio.gather(*(self._send_to(job, target) for target in job.targets))
        if not any(reply.outcome.delivered for reply in replies):
            said = (
                f"{loggable(target.relay)} {reason_of(reply)}"
                for target, reply in zip(job.targets, replies, strict=True)
            )
            outcomes = frozenset(reply.outcome.value for reply in replies)
            failed = ledger.FailedRound(job.row, outcomes, "; ".join(sorted(said)))
            self._outcomes.failed_rounds.append(failed)
        self._outcomes.finished.append(job.row.id)
        self._something_to_record.set()

    async def _send_to(self, job: _Job, target: Target) -> PublishReply:
        started, returns = self._clock.monotonic(), self._returns[target.relay]
        reply = await self._publisher.publish(target.relay, job.wrap_for[target.relay])
        round_trip_ms = round((self._clock.monotonic() - started) * 1000)
        self._metrics.delivery_attempts.labels(reply.outcome.value).inc()
        update = judge(
            job.row.id,
            target,
            reply,
            now=self._clock.now(),
            pace=self._settings.pace,
            draw=self._draw(),
            round_trip_ms=round_trip_ms,
            fixed_time=has_fixed_time(job.row.channel),
        )
        self._outcomes.attempts.append(
            ledger.Attempt(job.row, update, delivered=reply.outcome.delivered)
        )
        away = reply.outcome is PublishOutcome.NOT_CONNECTED
        if away and self._returns[target.relay] != returns:
            # The relay came back while this answer was on its way: what waits for it is due.
            self._returned.add(target.relay)
        self._something_to_record.set()
        return reply

    # --- record ----------------------------------------------------------------------------

    async def _record_forever(self) -> Never:
        while True:
            await self._something_to_record.wait()
            self._something_to_record.clear()
            batch, self._outcomes = self._outcomes, ledger.Batch()
            returned, self._returned = self._returned, set()
            if batch:
                await self._record(batch)
            for url in returned:
                await self._store.transact(wake_relay, url, self._clock.now())
            # What was refused with a remedy (another wrap) is due at once.
            self._wake.set()

    async def _record(self, batch: ledger.Batch) -> None:
        recorded = await self._store.transact(
            ledger.record, batch, now_ms(self._clock), self._settlements
        )
        for row_id in batch.finished:
            self._release(row_id)
        tell_settled(recorded.settled, self._metrics)
        tell_failures(recorded.failures)
