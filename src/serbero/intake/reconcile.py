"""Reconcile: compare what we hold with what the relays hold, and converge.

The live stream can lose what a relay forgot to send, and says nothing about what happened while
we were away. At start, every few minutes, and whenever a relay is heard again, every relay is asked
for the current revisions of open disputes and of those we hold open.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Never, Protocol

import structlog
from nostr_sdk import Event

from serbero.clock import Clock, wait_for_event
from serbero.model.lifecycle import DisputeStatus, newer
from serbero.mostro.dispute_event import (
    DISPUTE_KIND,
    Rejection,
    Revision,
    parse_dispute_event,
)
from serbero.observe.metrics import Metrics
from serbero.relays.asking import Answer
from serbero.store import disputes
from serbero.store.patient import PatientStore

ANSWER_SECONDS: Final = 10.0
"""How long one relay may take for one page; a slow one is decided without."""
PAGE: Final = 500
"""Events asked for at once: the usual cap of relays."""
AT_ONCE: Final = 64
"""Events verified before others get the loop: some 5 ms."""
IDS_PER_FILTER: Final = 90
"""``#d`` values a filter; relays refuse long lists. Below the least number at which relays cut
pages short: a full answer of events of one second must not look like a page that hides some."""
QUESTIONS_AT_ONCE: Final = 4
"""Relays allow some twenty subscriptions a connection; the live ones come first."""
SETTLE_SECONDS: Final = 1.0
"""Several reasons to reconcile within this time are one."""

_log = structlog.get_logger(__name__)


class Asker(Protocol):
    """What reconciling needs of the relays."""

    async def ask_all(
        self, filters: Sequence[dict[str, object]], timeout: float, *, page: int | None = None
    ) -> tuple[Answer, ...]:
        """Ask every configured relay; each answer says whether it is complete."""


class Reconciler:
    """Asks, picks the newest revision of each dispute, and offers it to the feed."""

    def __init__(
        self,
        *,
        node: str,
        store: PatientStore,
        asker: Asker,
        offer: Callable[[Iterable[Revision]], None],
        horizon: int,
        interval: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._node = node
        self._store = store
        self._asker = asker
        self._offer = offer
        self._horizon = horizon
        self._interval = interval
        self._clock = clock
        self._metrics = metrics
        self._asked = asyncio.Event()
        self._turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    def request(self) -> None:
        """Ask for a pass soon; several requests are one."""
        self._asked.set()

    def look_back(self, horizon: int) -> None:
        """Our clock was ahead: ask from ``horizon`` (Unix seconds), and soon."""
        self._horizon = horizon
        self.request()

    async def run(self) -> Never:
        """Reconcile when asked to and every ``interval`` seconds."""
        while True:
            await wait_for_event(self._clock, self._asked, self._interval)
            if self._asked.is_set():
                await self._clock.sleep(SETTLE_SECONDS)
            self._asked.clear()
            await self.reconcile()

    async def reconcile(self) -> bool:
        """Run one pass; True if at least one relay answered every question."""
        held = await self._store.read(disputes.open_ids, self._node)
        found = await asyncio.gather(
            *(self._ask(each) for each in questions(self._node, self._horizon, held))
        )
        complete = all(answered for _, answered in found)
        self._metrics.reconciles.labels("complete" if complete else "incomplete").inc()
        _log.debug(
            "reconciled",
            revisions=sum(count for count, _ in found),
            held_open=len(held),
            complete=complete,
        )
        return complete

    async def _ask(self, question: dict[str, object]) -> tuple[int, bool]:
        """Offer the winners among the answers; return how many, and whether any was complete.

        They are offered as soon as this question is answered: a relay that is silent costs each
        question its time limit, and a long list of open disputes is many questions.

        Events are read as they come, some at a time: thousands at once would keep the loop from
        everybody else, and the memory they take until then would stay the process's own.
        """
        async with self._turns:
            answers = await self._asker.ask_all([question], timeout=ANSWER_SECONDS, page=PAGE)
        winners: list[Revision] = []
        events = [event for answer in answers for event in answer.events]
        for start in range(0, len(events), AT_ONCE):
            some = events[start : start + AT_ONCE]
            best, rejected = pick_newest(some, self._node, self._clock.now())
            for reason in rejected:
                self._metrics.events_rejected.labels(reason.value).inc()
            winners += best
            await self._clock.sleep(0)
        newest = newest_of(winners)
        self._offer(newest)
        return len(newest), any(answer.complete for answer in answers)


def questions(node: str, horizon: int, held_open: Sequence[str]) -> list[dict[str, object]]:
    """Return the filters of one pass: what is open since the horizon, and what we hold open.

    The second sort names no kind: rust-nostr's in-memory relay takes a filter of one author, one
    addressable kind and several ``#d`` for a question about one address, and answers with one
    event. What the node publishes under these ids is told apart by its kind when it is read.
    """
    mine: dict[str, object] = {"authors": [node]}
    open_states = [DisputeStatus.INITIATED.value, DisputeStatus.IN_PROGRESS.value]
    chunks = [
        list(held_open[start : start + IDS_PER_FILTER])
        for start in range(0, len(held_open), IDS_PER_FILTER)
    ]
    return [
        {**mine, "kinds": [DISPUTE_KIND], "#s": open_states, "since": max(0, horizon)},
        *({**mine, "#d": chunk} for chunk in chunks),
    ]


def pick_newest(
    events: Iterable[Event], node: str, now: int
) -> tuple[list[Revision], list[Rejection]]:
    """Return the winning revision of each dispute, oldest first, and why events were refused.

    Relays may hold different revisions of one dispute; only the winner is acted on.
    """
    parsed = [parse_dispute_event(event, node, now) for event in events]
    rejected = [each for each in parsed if isinstance(each, Rejection)]
    return newest_of(each for each in parsed if isinstance(each, Revision)), rejected


def newest_of(revisions: Iterable[Revision]) -> list[Revision]:
    """Return the winning revision of each dispute, oldest first."""
    winners: dict[str, Revision] = {}
    for each in revisions:
        held = winners.get(each.dispute_id)
        if held is None or newer(each.order, held.order):
            winners[each.dispute_id] = each
    return sorted(winners.values(), key=lambda each: each.order)
