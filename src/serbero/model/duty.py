"""When a solver sleeps and when it is on call, by the solver's own clock. Pure.

Local time is worked out from Unix time, never the other way round where two answers are possible:
a quiet span is judged by the wall clock the solver looks at, so a span over the change to or from
daylight saving is an hour shorter or longer, as the night is.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from serbero.model.people import Solver

MINUTES_A_DAY: Final = 1440
LONGEST_LOOK_MINUTES: Final = 2 * MINUTES_A_DAY
"""No quiet span ends later than this, whatever clocks do."""
LONGEST_SNOOZE_SECONDS: Final = 86_400
LONGEST_MUTE_SECONDS: Final = 3 * 86_400

_WEEK: Final = re.compile(r"([0-9]{4})-W([0-9]{2})")
_UNUSUAL: Final = re.compile(r"[^0-9A-Za-z_.-]+")
_SHOWN_OF_A_KEY: Final = 12


@lru_cache(maxsize=256)
def zone(name: str) -> tzinfo | None:
    """Return a time zone by its name; None where there is none of it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


def is_quiet(solver: Solver, now: int) -> bool:
    """Whether a solver is in quiet hours at ``now`` (Unix seconds)."""
    return solver.quiet is not None and solver.quiet.holds(_minute(_local(solver, now)))


def quiet_until(solver: Solver, now: int) -> int | None:
    """When the quiet hours that hold at ``now`` end, Unix seconds; None where none do."""
    if not is_quiet(solver, now):
        return None
    # Whole minutes of real time: right over any change of the clocks.
    minute = now - now % 60 + 60
    for _ in range(LONGEST_LOOK_MINUTES):
        if not is_quiet(solver, minute):
            return minute
        minute += 60
    return minute


def is_on_call(solver: Solver, now: int) -> bool:
    """Whether it is a solver's week at ``now``; one without weeks is always on call."""
    if not solver.on_call:
        return True
    year, week, _ = _local(solver, now).isocalendar()
    return f"{year:04}-W{week:02}" in solver.on_call


def is_week(text: str) -> bool:
    """Whether a text names an ISO week that exists, such as ``2026-W48``."""
    found = _WEEK.fullmatch(text)
    if found is None:
        return False
    try:
        datetime.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        return False
    return True


def on_duty(solvers: Iterable[Solver], now: int) -> tuple[Solver, ...]:
    """Return those of them who are on call, or all where nobody is: somebody has to be told."""
    everybody = tuple(solvers)
    called = tuple(each for each in everybody if is_on_call(each, now))
    return called or everybody


def display(solver: Solver) -> str:
    """Return what a solver is called in texts: the configured name, else the key's beginning.

    Only letters, digits and, after the first, ``_ . -``, so that no name can pass for a sentence
    and every name is a value for a text.
    """
    name = _UNUSUAL.sub("-", solver.name).strip("-._")[:40]
    return name or solver.typed.strip()[:_SHOWN_OF_A_KEY] or "somebody"


def _local(solver: Solver, now: int) -> datetime:
    moment = datetime.fromtimestamp(0, UTC) + timedelta(seconds=now)
    return moment.astimezone(zone(solver.timezone) or UTC)


def _minute(local: datetime) -> int:
    return local.hour * 60 + local.minute
