"""Columns as other programs or a hand may have filled them: SQLite keeps any value in any column.

What is only looked at is read through these, so that one odd row hides nothing else.
"""

from typing import Final

_BEYOND: Final = 2**63
"""SQLite's integers end before it."""


def whole(value: object) -> int | None:
    """Return a time or count as a column may hold it; None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN compares with nothing, and what SQLite cannot store it cannot be asked for.
    return int(value) if -_BEYOND < value < _BEYOND else None


def text(value: object) -> str:
    """Return what should be a text; bytes that a hand wrote as well as they can be read."""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "" if value is None else str(value)


def since_epoch(value: object) -> int:
    """Return a time that must be one, in Unix seconds; 0 for anything that is none."""
    return whole(value) or 0


def maybe(value: object) -> str | None:
    """Return a text that may be missing."""
    return None if value is None else text(value)
