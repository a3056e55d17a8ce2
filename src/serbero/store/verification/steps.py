"""Rows that are numbered as they are written: their numbers, their times, the clock behind them."""

from collections.abc import Iterator
from typing import Final

from serbero.store.verification.finding import Check, Finding, name_of, said
from serbero.store.verification.scope import Row, Scope

_UNBROKEN: Final = (
    "notifications",
    "dispute_state_transitions",
    "mediation_events",
    "mediation_summaries",
    "journal",
    "takes",
    "reasoning_calls",
    "acknowledgements",
)
"""Tables whose every number is used: nothing is deleted from them, and a row that is not written
takes no number. In `outbox` and `mediation_messages` a message that is there already does."""
_DATED: Final = {
    "notifications": "sent_at",
    "dispute_state_transitions": "transitioned_at",
    "mediation_events": "occurred_at",
    "journal": "at",
}
"""Where the time of a row is the time of its writing."""
_LOWEST: Final = -(2**63)
_SLACK_SECONDS: Final = 3600
"""A decision waits so long, at most, for a database that cannot be written for a while."""
_STEP_SECONDS: Final = 60
_SEQUENCE: Final = "SELECT seq FROM sqlite_sequence WHERE name = :name"
_BOUNDS: Final = "SELECT count(*), max(id) FROM table_"
_NEWEST: Final = """
SELECT (SELECT count(*) FROM table_ WHERE id >= :first), (SELECT max(id) FROM table_)
"""
_BEFORE: Final = "SELECT max(id) FROM table_ WHERE id < :first"
_GAPS: Final = """
SELECT before + 1, id - 1 FROM (
  SELECT id, lag(id, 1, :before) OVER (ORDER BY id) AS before FROM table_ WHERE id >= :first)
WHERE id > before + 1
"""
_SUSPECT: Final = """
SELECT EXISTS (SELECT 1 FROM table_ x WHERE x.id >= :before AND (typeof(x.time_) <> 'integer'
  OR (SELECT y.time_ FROM table_ y WHERE y.id > x.id ORDER BY y.id LIMIT 1) < x.time_ - :slack))
"""
"""Whether any time can be odd: a window over all rows takes several times as long."""
_ODD: Final = """
SELECT id, at, before, after FROM (
  SELECT id, time_ AS at, lag(time_) OVER w AS before, lead(time_) OVER w AS after
  FROM table_ WHERE id >= :before WINDOW w AS (ORDER BY id)
) WHERE id >= :first AND (typeof(at) <> 'integer'
  OR (before <= after AND (at < before - :slack OR at > after + :slack)))
"""
_BACK: Final = """
SELECT before, at FROM (
  SELECT time_ AS at, lag(time_) OVER (ORDER BY id) AS before FROM table_)
WHERE at < before - :step
"""
_MINUTES: Final = """
SELECT DISTINCT time_ / 60 FROM table_ WHERE id >= :first AND typeof(time_) = 'integer'
"""


def _on(query: str, table: str, time: str = "") -> str:
    """Name the table, and the column of its times, in a query: constants of this module."""
    return query.replace("table_", table).replace("time_", time)


def _numbers(scope: Scope) -> Iterator[Finding]:
    for table in _UNBROKEN:
        if not scope.has(table):
            continue
        first, before = _beginning(scope, table)
        bounds = _BOUNDS if scope.period is None else _NEWEST
        [(count, highest)] = scope.rows(_on(bounds, table), first=first)
        [(used,)] = [*scope.rows(_SEQUENCE, name=table)] or [(0,)]
        last = highest or 0
        if not isinstance(used, int) or used < last:
            expected = f"a row count of at least {last} in sqlite_sequence"
            yield Finding(table, None, None, expected, said(used), "the counter was changed")
            continue
        if used > last:
            yield _gap(table, last + 1, used)
        if before + count != last:
            for missing, until in scope.rows(_on(_GAPS, table), first=first, before=before):
                yield _gap(table, missing, until)


def _beginning(scope: Scope, table: str) -> tuple[int, int]:
    """The number of the first row that is looked at, and of the row before it."""
    if scope.period is None:
        return _LOWEST, 0
    first = scope.first(table)
    [(before,)] = scope.rows(_on(_BEFORE, table), first=first)
    return first, before or 0


def _gap(table: str, first: int, last: int) -> Finding:
    which = str(first) if first == last else f"{first} to {last}"
    meaning = "rows were deleted: nothing is ever removed from this table"
    return Finding(table, which, None, "a row of this number", "none", meaning)


def _times(scope: Scope) -> Iterator[Finding]:
    for table, time in _DATED.items():
        if not scope.has(table):
            continue
        elsewhere: set[object] | None = None
        for row, at, before, after in _odd(scope, table, time):
            if isinstance(at, int) and isinstance(after, int) and at > after:
                if elsewhere is None:
                    elsewhere = _minutes(scope, but=table)
                if not elsewhere.isdisjoint((at // 60 - 1, at // 60, at // 60 + 1)):
                    continue  # the clock was ahead for a while, and other rows say so
            if _on_record(scope, at, before, after):
                continue
            expected = f"a time between {said(before)} and {said(after)}, as its neighbours have"
            meaning = "its time was changed, or the clock was wrong for a moment"
            yield Finding(table, name_of(row), None, expected, said(at), meaning)


def _odd(scope: Scope, table: str, time: str) -> Iterator[Row]:
    """Rows whose time is none, or does not lie between those of their neighbours."""
    first, before = _beginning(scope, table)
    known = {"before": _LOWEST if scope.period is None else before, "slack": _SLACK_SECONDS}
    [(suspect,)] = scope.rows(_on(_SUSPECT, table, time), **known)
    if suspect:
        yield from scope.rows(_on(_ODD, table, time), first=first, **known)


def _minutes(scope: Scope, but: str) -> set[object]:
    """The minutes (of Unix time) of which other tables tell."""
    return {
        minute
        for table, time in _DATED.items()
        if table != but and scope.has(table)
        for (minute,) in scope.rows(_on(_MINUTES, table, time), first=_beginning(scope, table)[0])
    }


def _on_record(scope: Scope, at: object, before: object, after: object) -> bool:
    """Whether the journal tells of a step of the clock that explains an odd time."""
    if not isinstance(at, int) or not isinstance(before, int) or not isinstance(after, int):
        return False
    low, high = (after, at) if at > after else (at, before)
    return any(_spans(step, low, high) for step in steps_on_record(scope))


def steps_on_record(scope: Scope) -> list[tuple[int, int]]:
    """Steps back of the clock that were noticed: from when to when, Unix seconds."""
    return scope.remembered("steps on record", _look_for_steps)


def _look_for_steps(scope: Scope) -> list[tuple[int, int]]:
    if not scope.has("journal"):
        return []
    query = """
    SELECT {json j.payload_json clock_before}, j.at FROM journal j WHERE j.kind = 'clock_set_back'
    """
    rows = scope.rows(query)
    return [(high, low) for high, low in rows if isinstance(high, int) and isinstance(low, int)]


def clock_went_back(scope: Scope, low: int, high: int) -> bool:
    """Whether other rows, in the order of their writing, show a step back within these times.

    Looked for only where a time is odd: it reads every row's time.

    Args:
        scope: what is verified.
        low: the later row's time, Unix seconds.
        high: the earlier row's time.
    """
    if any(after < high and before > low for before, after in steps_on_record(scope)):
        return True
    return any(
        after < high and before > low
        for table in _DATED
        if table != "dispute_state_transitions"
        for before, after in _steps_back(scope, table)
    )


def clock_was_ahead(scope: Scope, low: int, high: int) -> bool:
    """Whether the clock once said ``high`` or more and ``low`` or less after that.

    As the journal or other rows show it; stricter than :func:`clock_went_back`.
    """
    steps = steps_on_record(scope) + [
        each for table in _DATED for each in _steps_back(scope, table)
    ]
    return any(_spans(step, low, high) for step in steps)


def _spans(step: tuple[int, int], low: int, high: int) -> bool:
    before, after = step
    return before >= high - _SLACK_SECONDS and after <= low + _SLACK_SECONDS


def _steps_back(scope: Scope, table: str) -> list[tuple[int, int]]:
    """From when to when the times of a table go back, in the order of its rows."""

    def look(scope: Scope) -> list[tuple[int, int]]:
        if not scope.has(table):
            return []
        rows = scope.rows(_on(_BACK, table, _DATED[table]), step=_STEP_SECONDS)
        return [(high, low) for high, low in rows if isinstance(high, int) and isinstance(low, int)]

    return scope.remembered(f"steps back in {table}", look)


CHECKS: Final = (
    Check("row numbers", frozenset({"sqlite_sequence"}), _numbers, whole=True),
    Check("row times", frozenset(), _times, whole=True),
)
