"""Reading what one relay has stored of the chats: at the opening, after gaps, and for safety.

Many channels share a question as long as its answer fits a page. A full page may hide some of
them behind one that is flooded, so they are then asked for apart, down to one channel whose pages
are read to the end. However much a relay holds, a round asks a bounded number of questions.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Protocol

import structlog
from nostr_sdk import Event

from serbero.chat.channel import Lane
from serbero.chat.cursor import first_since, next_since
from serbero.chat.gate import Gate
from serbero.clock import Clock
from serbero.mostro.chat import CHAT_KIND, MAX_SKEW_SECONDS, Envelope
from serbero.nostr.wrap import GIFT_WRAP_KIND
from serbero.relays.asking import Answer
from serbero.relays.subscriptions import Filter

PAGE: Final = 100
"""Events a question."""
CROWDED_PAGE: Final = 500
"""The same where one second fills a page: as many as relays usually serve."""
MAX_TOGETHER: Final = 100
"""Lanes a question about the last minutes."""
MAX_TOGETHER_LONG: Final = 20
"""Lanes a question about longer: more of it is to be expected."""
LONG_SECONDS: Final = 900
MAX_QUESTIONS: Final = 24
"""Questions a round; the rest waits for the next."""
MAX_STALE: Final = 2
"""Full answers a round without anything new: the live stream does its work, and reading all of a
busy time again would cost more than hearing it did."""
MAX_PAGES: Final = 50
"""Pages of one lane: what lies deeper than 5,000 events is given up."""
TIMEOUT_SECONDS: Final = 10.0
GIFT_WRAP_INTERVAL_SECONDS: Final = 60
"""Gift wraps are back-dated, so each look reads two days; live ones come by subscription."""

PATIENCE_SECONDS: Final = 60
"""How long a relay is not asked again for what a spent budget left out. A trickle of events that
keeps the budget low must not put that off for ever."""

_LEAST_CLAMP: Final = 20
_CLAMP_STEP: Final = 10

_log = structlog.get_logger(__name__)


class Asker(Protocol):
    """What reading needs of the relays."""

    async def ask(self, url: str, filters: Sequence[Filter], timeout: float) -> Answer:
        """Ask one relay for what it has stored."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """How often something happened to a lane at a relay.

    Attributes:
        missed: what it brought was left out.
        gaps: the live stream, or the relay, may have been away.
    """

    missed: int
    gaps: int


@dataclass(slots=True)
class _Progress:
    """How far a lane was read.

    Attributes:
        read_at: when the last complete reading began, Unix seconds; None before one.
        gaps: its :class:`_Mark` then.
        planned_at: monotonic seconds of the last reading, complete or not.
    """

    read_at: int | None = None
    gaps: int = 0
    planned_at: float = -inf


@dataclass(frozen=True, slots=True)
class _Question:
    lanes: tuple[Lane, ...]
    since: int
    asked_at: int
    """When the reading began that this is a part of."""
    marks: tuple[_Mark, ...]
    """Of each lane, then."""
    until: int
    """Not later than our clock allows: events dated ahead would match every question for ever."""
    pages: int = 0
    limit: int = PAGE


def lane_filter(envelope: Envelope, names: Iterable[str]) -> dict[str, object]:
    """The filter of lanes of one envelope: by author for kind 14, by address for gift wraps.

    Never kind 14 by address: anybody can flood a known one (protocol: ``src/chat.md``).
    """
    if envelope is Envelope.KIND14:
        return {"kinds": [CHAT_KIND], "authors": list(names)}
    return {"kinds": [GIFT_WRAP_KIND], "#p": list(names)}


class RelayReader:
    """How far one relay was read, and what is still to be asked."""

    def __init__(self, url: str, *, asker: Asker, gate: Gate, clock: Clock) -> None:
        self._url = url
        self._asker = asker
        self._gate = gate
        self._clock = clock
        self._progress: dict[Lane, _Progress] = {}
        self._failures = 0
        self._work: deque[_Question] = deque()
        self._stale = 0

    def read_at(self, lane: Lane) -> int | None:
        """When the last complete reading of a lane began, Unix seconds; None if never."""
        progress = self._progress.get(lane)
        return None if progress is None else progress.read_at

    async def round(self, lanes: Sequence[Lane]) -> bool:
        """Ask what is due of ``lanes``, at most :data:`MAX_QUESTIONS`; True if all was asked."""
        self._progress = {lane: self._progress.get(lane) or _Progress() for lane in lanes}
        # What is left of a flooded lane comes last: the others are read at their times.
        pending = {lane for question in self._work for lane in question.lanes}
        self._work.extendleft(
            reversed([*self._plan(lane for lane in lanes if lane not in pending)])
        )
        self._stale = 0
        for _ in range(MAX_QUESTIONS):
            if not self._work:
                return True
            if self._stale >= MAX_STALE:
                return False
            question = self._work.popleft()
            if not await self._ask(question):
                # It does not answer: nothing was read, and all of it is planned anew.
                self._work.clear()
                self._failures += 1
                return True
        return not self._work

    def _plan(self, lanes: Iterable[Lane]) -> Iterable[_Question]:
        now, monotonic = self._clock.now(), self._clock.monotonic()
        due: dict[Envelope, list[tuple[int, Lane]]] = {each: [] for each in Envelope}
        for lane in lanes:
            progress = self._progress[lane]
            if self._is_due(lane, progress, now) and self._is_worth_it(lane, progress, monotonic):
                progress.planned_at = monotonic
                due[lane.envelope].append((self._since(lane, progress, now), lane))
        for envelope, found in due.items():
            yield from self._grouped(sorted(found, key=lambda each: each[0]), envelope, now)

    def _is_due(self, lane: Lane, progress: _Progress, now: int) -> bool:
        read_at = progress.read_at
        if read_at is None or read_at > now or self._url in lane.missed:
            return True
        return lane.envelope is Envelope.KIND14 or now - read_at >= GIFT_WRAP_INTERVAL_SECONDS

    def _is_worth_it(self, lane: Lane, progress: _Progress, monotonic: float) -> bool:
        if self._url not in lane.missed or lane.budget.recovered(monotonic):
            return True
        return monotonic - progress.planned_at >= PATIENCE_SECONDS

    def _since(self, lane: Lane, progress: _Progress, now: int) -> int:
        channel, read_at = lane.channel, progress.read_at
        if read_at is None or read_at > now:
            since = first_since(lane.envelope, channel.read_from, channel.opened_at, now)
        else:
            after_gap = progress.gaps != self._mark(lane).gaps
            since = next_since(lane.envelope, read_at, after_gap=after_gap)
        if (missed := lane.missed.get(self._url)) is not None:
            since = min(since, first_since(lane.envelope, missed, channel.opened_at, now))
        return since

    def _mark(self, lane: Lane) -> _Mark:
        return _Mark(lane.times_missed[self._url], lane.times_asked + self._failures)

    async def _ask(self, question: _Question) -> bool:
        """Ask one question and see to what follows from its answer; False if there is none."""
        [envelope] = {lane.envelope for lane in question.lanes}
        wanted = lane_filter(envelope, (lane.name for lane in question.lanes))
        wanted |= {"since": question.since, "until": question.until, "limit": question.limit}
        answer = await self._asker.ask(self._url, [wanted], TIMEOUT_SECONDS)
        if not answer.complete:
            return False
        news = self._gate.fetched(self._url, answer.events)
        if not _may_hide_more(len(answer.events)):
            self._finished(question)
            return True
        self._stale += not news
        if len(question.lanes) > 1:
            self._work.extendleft(_halves(question))
        else:
            self._next_page(question, answer.events)
        return True

    def _next_page(self, question: _Question, events: Sequence[Event]) -> None:
        oldest = min(event.created_at().as_secs() for event in events)
        # `until` is inclusive. A second that fills a page is asked for with a larger one, and
        # stepped over then.
        until, limit = oldest, PAGE
        if oldest == question.until:
            crowded = question.limit == PAGE
            until, limit = (oldest, CROWDED_PAGE) if crowded else (oldest - 1, PAGE)
        if question.pages + 1 >= MAX_PAGES or until < question.since:
            if until >= question.since:
                self._give_up(question.lanes[0])
            self._finished(question)
            return
        self._work.append(replace(question, until=until, pages=question.pages + 1, limit=limit))

    def _give_up(self, lane: Lane) -> None:
        _log.warning(
            "chat_flooded",
            dispute_id=lane.channel.dispute_id,
            party=lane.channel.party.value,
            envelope=lane.envelope.value,
            relay=self._url,
            consequence=f"older messages than the newest {MAX_PAGES * PAGE} are not read there",
        )

    def _finished(self, question: _Question) -> None:
        for lane, before in zip(question.lanes, question.marks, strict=True):
            progress = self._progress.get(lane)
            if progress is not None and lane.times_missed[self._url] == before.missed:
                lane.missed.pop(self._url, None)
                progress.read_at, progress.gaps = question.asked_at, before.gaps

    def _grouped(
        self, due: Sequence[tuple[int, Lane]], envelope: Envelope, now: int
    ) -> Iterable[_Question]:
        """Questions about lanes sorted by ``since``, those about much time with fewer lanes."""
        recent = next_since(envelope, now - LONG_SECONDS, after_gap=True)
        start = 0
        while start < len(due):
            size = MAX_TOGETHER if due[start][0] >= recent else MAX_TOGETHER_LONG
            group = tuple(lane for _, lane in due[start : start + size])
            yield _Question(
                lanes=group,
                since=due[start][0],
                asked_at=now,
                marks=tuple(self._mark(lane) for lane in group),
                until=now + MAX_SKEW_SECONDS,
            )
            start += size


def _halves(question: _Question) -> Iterable[_Question]:
    middle = len(question.lanes) // 2
    for part in (slice(middle), slice(middle, None)):
        yield replace(question, lanes=question.lanes[part], marks=question.marks[part])


def _may_hide_more(count: int) -> bool:
    """Whether an answer of this size may have been cut short, by our limit or the relay's own."""
    return count >= PAGE or (count >= _LEAST_CLAMP and count % _CLAMP_STEP == 0)
