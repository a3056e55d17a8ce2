"""Deadlines of messages: they count the time in which a message was tried, and no other.

A deadline is a time of the wall clock, and that is set, wrong for a while, or goes on while nobody
runs. So deadlines move with it: by what was not spent trying at a start, by each step of the clock
while we run. A message that was not tried for its time is never given up, and one that was is, even
if the clock never comes to that time. What stops being true meanwhile is withdrawn, not sent late.
"""

from typing import Final

import sqlalchemy as sa

from serbero.store import cursors
from serbero.store.schema import outbox

NOTE_SECONDS: Final = 60
"""Between two notes that we are there; a gap of no more counts as trying: restarts add up."""
_FRESH_SECONDS: Final = 10
"""What was decided so shortly ago was dated after a step that was just noticed."""

_O: Final = outbox.c
_LIVE: Final = _O.next_attempt_at.is_not(None)
_ANY_LIVE: Final = sa.select(_O.id).where(_LIVE).limit(1)


def resume(tx: sa.Connection, now: int) -> int:
    """At a start: give live messages the time back in which nobody tried; return how many.

    Counted from when we were last there, or from the decision of what was decided later. By a
    clock that was ahead then, or is behind now, it is less than nothing, and deadlines come nearer.

    Args:
        tx: the transaction.
        now: Unix seconds.
    """
    last = cursors.get(tx, cursors.TRYING)
    cursors.put(tx, cursors.TRYING, now)
    if last is None:  # all that is known: no message was decided in the future
        return _move(tx, now - _O.created_at, _O.created_at > now)
    since = sa.func.max(_O.created_at, last)
    return _move(tx, now - since, sa.func.abs(now - since) > NOTE_SECONDS)


def step(tx: sa.Connection, now: int, by: int) -> int:
    """While we run, the clock was set, or stood still: move live messages along; return how many.

    Args:
        tx: the transaction.
        now: Unix seconds, after it.
        by: seconds forward; negative where it was set back.
    """
    cursors.put(tx, cursors.TRYING, now)
    return _move(tx, by, ~_O.created_at.between(now - _FRESH_SECONDS, now))


def note(tx: sa.Connection, now: int) -> None:
    """Say that what waits was tried until now; nothing is written where nothing waits."""
    if tx.execute(_ANY_LIVE).first() is not None:
        cursors.put(tx, cursors.TRYING, now)


def _move(tx: sa.Connection, by: int | sa.ColumnElement[int], which: sa.ColumnElement[bool]) -> int:
    moved = tx.execute(
        sa.update(outbox).where(_LIVE, which).values(deadline_at=_O.deadline_at + by)
    )
    return int(moved.rowcount)
