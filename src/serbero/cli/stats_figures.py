"""Figures made of what was counted. Pure: rows in, numbers out.

Percentiles are of the nearest rank: of n values in order, p is the one at place ceil(p n / 100).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from serbero.model.lifecycle import DisputeStatus, Lifecycle
from serbero.model.reference_names import UNKNOWN
from serbero.nostr.keys import KeyProblem, parse_public_key
from serbero.store.statistics import Seen, Sheet

RANKS: Final = (50, 90, 99)
_WEEK: Final = 604_800
_FIRST_MONDAY: Final = 345_600
"""1970-01-05, the first Monday, in Unix seconds."""
_LAST_MONDAY: Final = 253_402_300_799 - _WEEK
_MOST_WEEKS: Final = 1000
SENT: Final = "dispatched"
OPEN: Final = "open"
_OUTCOMES: Final = frozenset(each.value for each in DisputeStatus if each.terminal)
_NOT_CLOSED: Final = frozenset(each.value for each in DisputeStatus) - _OUTCOMES


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took, in seconds: how many values, and their percentiles by rank."""

    count: int
    ranks: Mapping[int, int | None]


@dataclass(frozen=True, slots=True)
class Week:
    """One week of disputes; ``begins_at`` is its Monday 00:00 UTC, Unix seconds."""

    begins_at: int
    disputes: int
    told: int
    taken: int
    resolved: int
    to_notify: Times
    to_take: Times

    @property
    def name(self) -> str:
        """The day it begins, or the number of its first second where no calendar has one."""
        if not 0 <= self.begins_at <= _LAST_MONDAY:
            return f"second {self.begins_at}"
        return datetime.fromtimestamp(self.begins_at, UTC).strftime("%Y-%m-%d")


@dataclass(frozen=True, slots=True)
class SolverFigures:
    """One solver; ``key`` is hex, or as typed where that is no key; ``own`` if it is ours."""

    key: str
    own: bool
    told: int
    failed: int
    takes: int
    acknowledged: int
    to_take: Times


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is shown."""

    disputes: int
    by_state: Mapping[str, int]
    by_outcome: Mapping[str, int]
    to_notify: Times
    to_take: Times
    to_resolve: Times
    weeks: Sequence[Week]
    solvers: Sequence[SolverFigures]
    sessions: Mapping[str, int]
    verdicts: Mapping[str, int]
    prepared: Mapping[str, int]
    dispatched: int
    dispatch_failed: int
    to_human: Times
    sent: int
    failed: int
    dead: int
    waiting: int


def times(values: Iterable[int]) -> Times:
    """Return how long things took; what seems to end before it began took no time."""
    ordered = sorted(max(0, each) for each in values)
    count = len(ordered)
    ranks = {rank: ordered[-(-rank * count // 100) - 1] if count else None for rank in RANKS}
    return Times(count, ranks)


def figures(sheet: Sheet) -> Figures:
    """Make the figures of a sheet."""
    handed_over = [each for each in sheet.handed_over if each.status == SENT]
    return Figures(
        disputes=len(sheet.seen),
        by_state=_ordered(Counter(each.state for each in sheet.seen)),
        by_outcome=_ordered(Counter(_outcome(each) for each in sheet.seen)),
        to_notify=_to_notify(sheet.seen),
        to_take=_to_take(sheet.seen),
        to_resolve=times(each.resolved_at - each.at for each in sheet.seen if each.resolved_at),
        weeks=_weeks(sheet.seen),
        solvers=_solvers(sheet),
        sessions=_ordered(sheet.sessions),
        verdicts=_ordered(sheet.verdicts),
        prepared=_ordered(sheet.prepared),
        dispatched=len(handed_over),
        dispatch_failed=len(sheet.handed_over) - len(handed_over),
        to_human=times(each.human_at - each.at for each in handed_over if each.human_at),
        sent=sum(each.sent for each in sheet.told),
        failed=sum(each.failed for each in sheet.told),
        dead=sheet.dead,
        waiting=sheet.waiting,
    )


def _ordered(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def _outcome(seen: Seen) -> str:
    """How a dispute ended; a status nobody knows stands for itself.

    The reference does not keep what a dispute was closed with.
    """
    if seen.status not in _NOT_CLOSED:
        return seen.status
    return UNKNOWN if seen.state == Lifecycle.RESOLVED else OPEN


def _to_notify(seen: Iterable[Seen]) -> Times:
    return times(each.notified_at - each.at for each in seen if each.notified_at)


def _to_take(seen: Iterable[Seen]) -> Times:
    return times(each.taken_at - each.at for each in seen if each.taken_at)


def _weeks(seen: Iterable[Seen]) -> list[Week]:
    """Every week from the first with a dispute to the last, those without one as well."""
    by_week: dict[int, list[Seen]] = {}
    for each in seen:
        by_week.setdefault((each.at - _FIRST_MONDAY) // _WEEK, []).append(each)
    if not by_week:
        return []
    first, last = min(by_week), max(by_week)
    if last - first > _MOST_WEEKS:
        # Rows written by hand may lie centuries apart.
        return [_week(number, by_week[number]) for number in sorted(by_week)]
    return [_week(number, by_week.get(number, [])) for number in range(first, last + 1)]


def _week(number: int, seen: Sequence[Seen]) -> Week:
    return Week(
        begins_at=number * _WEEK + _FIRST_MONDAY,
        disputes=len(seen),
        told=sum(each.notified_at is not None for each in seen),
        taken=sum(each.taken_at is not None for each in seen),
        resolved=sum(each.resolved_at is not None for each in seen),
        to_notify=_to_notify(seen),
        to_take=_to_take(seen),
    )


@dataclass(slots=True)
class _Tally:
    told: int = 0
    failed: int = 0
    acknowledged: int = 0
    takes: int = 0
    waits: list[int] = field(default_factory=list)


def _solvers(sheet: Sheet) -> list[SolverFigures]:
    """One solver each, however the operator typed the key; those told most often first."""
    found: dict[str, _Tally] = {}
    keys: dict[str, str] = {}

    def of(typed: str) -> _Tally:
        if typed not in keys:
            keys[typed] = _key(typed)
        return found.setdefault(keys[typed], _Tally())

    for row in sheet.told:
        tally = of(row.solver)
        tally.told += row.sent
        tally.failed += row.failed
    for solver, number in sheet.acknowledged.items():
        of(solver).acknowledged += number
    for each in sheet.seen:
        if each.solver is None:
            continue
        tally = of(each.solver)
        tally.takes += 1
        if each.taken_at is not None:
            tally.waits.append(each.taken_at - each.at)
    made = [
        SolverFigures(
            key=key,
            own=key in sheet.own_keys,
            told=each.told,
            failed=each.failed,
            takes=each.takes,
            acknowledged=each.acknowledged,
            to_take=times(each.waits),
        )
        for key, each in found.items()
    ]
    return sorted(made, key=lambda each: (-each.told, each.key))


def _key(typed: str) -> str:
    try:
        return parse_public_key(typed)
    except KeyProblem:
        return typed
