"""The intake loop: events from every relay, parsed, de-duplicated, recorded in batches.

Nothing here waits for a relay, a model or a message: an event's way ends in the database. When the
database cannot be written, events are kept; when too many are kept, they are dropped and looked
up again afterwards, because the relay library will not hand one over twice.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Final, Never

import structlog
from nostr_sdk import Event

from serbero.clock import Clock, now_ms
from serbero.intake.announcing import Audience, at_once
from serbero.intake.custody import Custody
from serbero.intake.decision import Outcome
from serbero.intake.recording import Follow, RecordedRevision, record_revisions
from serbero.mostro.dispute_event import Rejection, Revision, parse_dispute_event
from serbero.observe.lifecycle import log_move
from serbero.observe.metrics import Metrics
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore

MAX_WAITING: Final = 50_000
"""Revisions kept while the database is away: some 25 MB, hours of any real node's traffic."""
BATCH: Final = 100
"""Revisions a transaction at most; fewer where each is told to more than ten solvers."""
OVERLAP_SECONDS: Final = 60
"""Asked for again before the newest accepted revision: nodes and relays do not share a clock."""
MAX_REMEMBERED: Final = 20_000
"""Ids of recorded revisions kept to skip the copies other relays send; the database decides. As
many of refused events, so that copies do not fill the log."""

_log = structlog.get_logger(__name__)


def _remember(ids: OrderedDict[str, None], event_id: str) -> None:
    ids[event_id] = None
    ids.move_to_end(event_id)
    if len(ids) > MAX_REMEMBERED:
        ids.popitem(last=False)


class Feed:
    """Takes verified events and records what they mean."""

    def __init__(
        self,
        *,
        node: str,
        store: PatientStore,
        audience: Audience,
        horizon: int,
        cursor: int,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
        on_gap: Callable[[], None],
        follow: Follow | None = None,
        on_custody: Callable[[str, Custody], None] = lambda _dispute_id, _custody: None,
    ) -> None:
        """Build it; :meth:`run` does the work.

        Args:
            node: the node's key in hex.
            store: where revisions go.
            audience: who is told.
            horizon: Unix seconds before which unknown disputes are not ours.
            cursor: Unix seconds to ask relays from, as stored.
            clock: ours.
            metrics: counts of outcomes and rejections.
            on_enqueued: called when something was written, so that there may be something to do.
            on_gap: called when events were dropped and must be looked up again.
            follow: what other rooms add to the transaction of a revision.
            on_custody: told of who holds a dispute, after that was committed.
        """
        self._node = node
        self._store = store
        self._audience = audience
        self._batch = at_once(audience, BATCH)
        self._horizon = horizon
        self._cursor = cursor
        self._clock = clock
        self._metrics = metrics
        self._on_enqueued = on_enqueued
        self._on_gap = on_gap
        self._follow = follow
        self._on_custody = on_custody
        self._waiting: deque[Revision] = deque()
        self._arrived = asyncio.Event()
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._rejected: OrderedDict[str, None] = OrderedDict()
        self._overflowed = False
        self._busy = False

    def on_event(self, url: str, event: Event) -> None:
        """Take one event from a relay: parse, refuse or queue. Never blocks, never raises."""
        parsed = parse_dispute_event(event, self._node, self._clock.now())
        if isinstance(parsed, Rejection):
            self._reject(url, event.id().to_hex(), parsed)
        else:
            self.offer([parsed])

    def _reject(self, url: str, event_id: str, why: Rejection) -> None:
        """Count it; the log hears of an event once, however often relays send it."""
        self._metrics.events_rejected.labels(why.value).inc()
        known = event_id in self._rejected
        _remember(self._rejected, event_id)
        if not known:
            _log.warning("event_rejected", reason=why.value, event_id=event_id, relay=url)

    def offer(self, revisions: Iterable[Revision]) -> None:
        """Queue revisions; copies of what was recorded lately are counted and skipped."""
        for revision in revisions:
            if revision.event_id in self._recent:
                self._metrics.dispute_events.labels(Outcome.DUPLICATE.value).inc()
            elif len(self._waiting) >= MAX_WAITING:
                self._overflow()
            else:
                _remember(self._recent, revision.event_id)
                self._waiting.append(revision)
        self._metrics.intake_queue_depth.set(len(self._waiting))
        self._arrived.set()

    @property
    def cursor(self) -> int:
        """Unix seconds to ask relays from; never in the future, even if our clock was set back."""
        now = self._clock.now()
        return self._cursor if self._cursor <= now else now - OVERLAP_SECONDS

    def look_back(self, horizon: int) -> None:
        """Our clock was ahead: what was refused as too old meanwhile may be ours.

        Args:
            horizon: Unix seconds, by the corrected clock.
        """
        self._horizon = horizon
        self._recent.clear()

    @property
    def idle(self) -> bool:
        """Whether everything that arrived has been recorded."""
        return not self._waiting and not self._busy

    async def run(self) -> Never:
        """Record what arrives, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                self._busy = True
                count = min(self._batch, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                self._metrics.intake_queue_depth.set(len(self._waiting))
                for recorded in await self._record(batch):
                    self._tell(recorded)
                self._busy = False
            if self._overflowed:
                self._overflowed = False
                self._on_gap()

    async def _record(self, batch: list[Revision]) -> list[RecordedRevision]:
        """Record a batch; if the database refuses it, one by one, so that one costs only itself."""
        try:
            recorded = await self._transact(batch)
        except StoreRejected:
            recorded = []
            for revision in batch:
                try:
                    recorded += await self._transact([revision])
                except StoreRejected as error:
                    self._recent.pop(revision.event_id, None)
                    _log.error(
                        "persistence_failed",
                        dispute_id=revision.dispute_id,
                        event_id=revision.event_id,
                        reason=str(error),
                    )
        if any(each.applied for each in recorded):
            self._on_enqueued()
        return recorded

    async def _transact(self, batch: list[Revision]) -> list[RecordedRevision]:
        return await self._store.transact(
            record_revisions,
            batch,
            self._audience,
            self._horizon,
            now_ms(self._clock),
            self._follow,
        )

    def _overflow(self) -> None:
        if not self._overflowed:
            self._overflowed = True
            _log.error(
                "intake_overflow",
                waiting=len(self._waiting),
                consequence="what is dropped now is looked up on the relays afterwards",
            )

    def _tell(self, recorded: RecordedRevision) -> None:
        revision = recorded.revision
        if recorded.applied:
            accepted = min(revision.created_at, self._clock.now()) - OVERLAP_SECONDS
            self._cursor = max(self._cursor, accepted)
        self._metrics.dispute_events.labels(recorded.outcome.value).inc()
        if recorded.custody is not None:
            self._on_custody(revision.dispute_id, recorded.custody)
        about = {"dispute_id": revision.dispute_id, "event_id": revision.event_id}
        match recorded.outcome:
            case Outcome.DETECTED | Outcome.REOPENED:
                _log.info(
                    "detected",
                    **about,
                    initiator=revision.initiator,
                    reopened=recorded.outcome is Outcome.REOPENED,
                    messages=recorded.enqueued,
                )
                if not recorded.enqueued:
                    _log.warning(
                        "nobody_to_notify",
                        **about,
                        reason=f"{recorded.solver_count} solvers configured, none reachable",
                        remedy="add [[solvers]] with valid keys; `serbero doctor` checks them",
                    )
            case Outcome.TAKEN:
                _log.info(
                    "assignment_detected",
                    **about,
                    assigned_solver=revision.assigned_solver,
                    custody=recorded.custody,
                )
            case Outcome.RESOLVED:
                _log.info("dispute_resolved_externally", **about, status=revision.status.value)
            case Outcome.DUPLICATE:
                _log.debug("duplicate_skip", **about)
            case Outcome.STALE | Outcome.BEFORE_HORIZON:
                _log.debug("revision_ignored", **about, outcome=recorded.outcome.value)
            case _:
                _log.info("revision_applied", **about, outcome=recorded.outcome.value)
        if recorded.custody is Custody.TAKEN_OVER:
            _log.warning("dispute_taken_over", **about)
        if recorded.moved is not None:
            log_move(recorded.moved)
