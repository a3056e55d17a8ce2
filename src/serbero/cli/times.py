"""Times as people type them: ``90min``, ``3d``, ``2026-11-23``, ``2026-11-23 14:05``."""

import re
from datetime import UTC, datetime
from typing import Final

_UNITS: Final = {
    "s": 1,
    "m": 60,
    "min": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}
_SPAN: Final = re.compile(r"(\d{1,9})\s*(s|min|m|h|d|w|y)")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SECONDS: Final = re.compile(r"\d{9,11}")
_MOST_SHOWN: Final = 30
EXPECTED: Final = (
    "expected a span such as 90min, 12h, 3d or 2w, or a time (UTC) such as 2026-11-23 or"
    " 2026-11-23T14:05"
)


class NoTime(ValueError):  # noqa: N818 - what was found
    """What was typed is no time; the text says what was expected."""


def parse_span(text: str) -> int:
    """Return a duration in seconds.

    Raises:
        NoTime: it is none.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None:
        raise NoTime(f"expected a span such as 90min, 12h, 3d or 2w; found {_shown(text)}")
    return int(found[1]) * _UNITS[found[2]]


def parse_time(text: str, now: int) -> int:
    """Return a moment in Unix seconds: so long before ``now``, or an absolute time.

    Without an offset an absolute time is UTC; Unix seconds are taken as well.

    Raises:
        NoTime: it is neither.
    """
    typed = text.strip()
    if _SPAN.fullmatch(typed.lower()):
        return max(0, now - parse_span(typed))
    if _SECONDS.fullmatch(typed):
        return int(typed)
    if not _DAY.match(typed):
        raise NoTime(f"{EXPECTED}; found {_shown(text)}")
    try:
        moment = datetime.fromisoformat(typed)
    except ValueError:
        raise NoTime(f"{EXPECTED}; found {_shown(text)}") from None
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max(0, int(known.timestamp()))


def _shown(text: str) -> str:
    """What was typed, safe to print: its beginning, without what draws nothing."""
    typed = "".join(each for each in text.strip() if each.isprintable())
    if not typed:
        return "nothing"
    return f"`{typed}`" if len(typed) <= _MOST_SHOWN else f"`{typed[:_MOST_SHOWN]}…`"
