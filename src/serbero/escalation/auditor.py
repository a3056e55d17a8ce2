"""A second opinion on ourselves: were the people of every open dispute told what they should be?

What should have happened is worked out in SQL (:mod:`serbero.escalation.auditor_sql`) from what
happened to the disputes, by the rules and not by the code that keeps them. An alarm means that a
person may not know of a dispute, or is bothered about one in vain.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.escalation import auditor_sql, auditor_steps_sql
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.store import watches
from serbero.store.patient import PatientStore
from serbero.store.watches import Duty, Post, Watched

EVERY_SECONDS: Final = 300.0
STAND_SECONDS: Final = 30.0
"""Between two signs of life: how exactly an outage is known."""
LATE_SECONDS: Final = 120
"""Later than this is late, while somebody was there."""
_NAMED: Final = 20
"""So many discrepancies are logged one by one at a time; the rest is counted."""

_log = structlog.get_logger(__name__)


class DiscrepancyKind(StrEnum):
    """How what was told differs from what should have been; also a metric's label."""

    HANDOFF_MISSING = "handoff_missing"
    """A prepared hand-off was not dispatched."""
    HANDOFF_LATE = "handoff_late"
    """It was, after more than the interval."""
    HANDOFF_LOST = "handoff_lost"
    """It was by the record, and there is no message."""
    HANDOFF_TWICE = "handoff_twice"
    """Somebody got it more than once."""
    LADDER_MISSING = "ladder_missing"
    """Nobody is reminded of it."""
    LADDER_STOPPED = "ladder_stopped"
    """Nobody is any more, although nobody has the dispute."""
    STEP_MISSING = "step_missing"
    """A reminder is due, or is not on record."""
    STEP_LATE = "step_late"
    """It came, too late."""
    REMINDER_LOST = "reminder_lost"
    """It is on record, and there is no message for somebody."""
    REMINDER_UNEXPLAINED = "reminder_unexplained"
    """There is a message, and nothing on record."""
    REMINDER_TWICE = "reminder_twice"
    """Somebody got it more than once, or two at once."""
    REMINDER_AFTER = "reminder_after"
    """It was sent when somebody had the dispute."""
    REMINDED_NOBODY = "reminded_nobody"
    """It was meant for nobody."""
    WARNING_MISSING = "warning_missing"
    """Nobody was warned of an escrow's end."""
    WARNING_LOST = "warning_lost"
    """Somebody was by the record, and there is no message."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that is not as it should be.

    Attributes:
        expected_at: Unix seconds at which it was due or happened; None where it never should.
        found: what there is instead, in ids, numbers and words of ours.
    """

    dispute_id: str
    kind: DiscrepancyKind
    expected_at: int | None
    found: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be judged, and when nobody could do it.

    Attributes:
        handoffs: with the dispatch interval; None where none are dispatched.
        reminders: None where nobody is reminded.
        deadlines: with the seconds from an invoice's holding to the escrow's end, and the node;
            None where nobody is warned.
    """

    handoffs: Watched | None = None
    reminders: Watched | None = None
    deadlines: Watched | None = None


def facts_of(tx: sa.Connection, now: int) -> Facts:
    """Return the facts as the daemon keeps them, while it runs or as it left them."""
    found = watches.watched(tx, now)
    return Facts(*(found.get(each) for each in (Duty.HANDOFFS, Duty.REMINDERS, Duty.DEADLINES)))


def audit(tx: sa.Connection, now: int, facts: Facts) -> list[Discrepancy]:
    """Compare what people were told with what they should have been by now.

    Args:
        tx: a transaction; nothing is written.
        now: Unix seconds.
        facts: what is to be judged.
    """
    found: list[Discrepancy] = []
    if facts.handoffs is not None:
        found += _ask(tx, (auditor_sql.HANDOFFS, auditor_sql.TWICE), now, facts.handoffs)
    if facts.reminders is not None:
        wanted = [auditor_steps_sql.STEPS, auditor_steps_sql.RECIPIENTS, auditor_sql.LADDERS]
        if facts.handoffs is None:
            wanted.append(auditor_sql.TWICE)
        found += _ask(tx, wanted, now, facts.reminders)
    if facts.deadlines is not None:
        found += _ask(tx, (auditor_sql.WARNINGS,), now, facts.deadlines)
    return found


def _ask(
    tx: sa.Connection, queries: Iterable[sa.TextClause], now: int, facts: Watched
) -> list[Discrepancy]:
    values: dict[str, Any] = {
        "now": now,
        "slack": LATE_SECONDS,
        "term": facts.term_seconds,
        "node": facts.node,
        "unwatched": json.dumps(facts.unwatched),
        "relived": json.dumps(facts.relived),
    }
    return [
        Discrepancy(row[0], DiscrepancyKind(row[1]), row[2], row[3])
        for query in queries
        for row in tx.execute(query, values)
    ]


class Auditor:
    """Says that somebody is there, and looks whether everybody is told.

    Args:
        store: what is looked at.
        clock: ours.
        metrics: counts what is found.
        health: says so.
        posts: what is looked after now.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        posts: Callable[[], Sequence[Post]],
    ) -> None:
        self._store, self._clock = store, clock
        self._metrics, self._health = metrics, health
        self._posts = posts
        self._known: frozenset[Discrepancy] = frozenset()

    async def run(self) -> Never:
        """Look, for ever."""
        while True:
            until = self._clock.monotonic() + EVERY_SECONDS
            await self.stand()
            await self.look()
            while self._clock.monotonic() < until:
                await self._clock.sleep(STAND_SECONDS)
                await self.stand()

    async def stand(self) -> None:
        """Say that somebody is there."""
        await self._store.transact(watches.stand, self._posts(), self._clock.now())

    async def look(self) -> list[Discrepancy]:
        """Look once, and raise an alarm where something is not as it should be."""
        found = await self._store.read(_look, self._clock.now())
        known, self._known = self._known, frozenset(found)
        self._say([each for each in found if each not in known])
        counts = dict.fromkeys(DiscrepancyKind, 0)
        for each in found:
            counts[each.kind] += 1
        for kind, count in counts.items():
            self._metrics.escalation_discrepancies.labels(kind.value).set(count)
        reason = "people were not told as they should be: see `serbero audit ladder`"
        self._health.set(Part.ESCALATION, ok=not found, reason=reason)
        return found

    def _say(self, news: Sequence[Discrepancy]) -> None:
        for each in news[:_NAMED]:
            _log.error(
                "escalation_discrepancy",
                kind=each.kind.value,
                dispute_id=each.dispute_id,
                expected_at=each.expected_at,
                found=each.found,
                remedy="look after the dispute yourself, and at `serbero audit ladder`",
            )
        if len(news) > _NAMED:
            _log.error("escalation_discrepancies", more=len(news) - _NAMED)


def _look(tx: sa.Connection, now: int) -> list[Discrepancy]:
    return audit(tx, now, facts_of(tx, now))
