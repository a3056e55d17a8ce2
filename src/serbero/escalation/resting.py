"""Not now: a solver puts off one dispute, or everything that can wait."""

import sqlalchemy as sa

from serbero.model.duty import LONGEST_MUTE_SECONDS, LONGEST_SNOOZE_SECONDS
from serbero.store import journal, ladders


def snooze(tx: sa.Connection, solver: str, dispute_id: str, seconds: int, now: int) -> int | None:
    """Let a solver (hex) not be reminded of a dispute for a while.

    Returns:
        Until when, Unix seconds; None for a dispute nobody is reminded of.
    """
    if ladders.running(tx, dispute_id) is None:
        return None
    until = now + min(max(0, seconds), LONGEST_SNOOZE_SECONDS)
    ladders.snooze(tx, dispute_id, solver, until)
    payload = {"solver": solver, "until": until}
    journal.write(tx, "snoozed", now, dispute_id=dispute_id, payload=payload)
    return until


def mute(tx: sa.Connection, solver: str, seconds: int, now: int) -> int:
    """Hold back what can wait for a solver (hex); return until when, Unix seconds."""
    until = now + min(max(0, seconds), LONGEST_MUTE_SECONDS)
    ladders.mute(tx, solver, until)
    journal.write(tx, "muted", now, payload={"solver": solver, "until": until})
    return until
