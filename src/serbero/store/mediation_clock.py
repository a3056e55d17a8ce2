"""What our own clock wrote into mediation's rows while it was ahead, corrected.

Waits are cut to the longest there is: nothing that waits as it should is hurried.
"""

from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import LIVE
from serbero.store.mediation_schema import (
    session_facts,
    session_sides,
    sessions,
    standing,
    starts,
)

LONGEST_SETTLING_SECONDS: Final = 300
"""No message is left unevaluated longer, and no failed evaluation untried."""
LONGEST_START_WAIT_SECONDS: Final = 1_800
LONGEST_PROBE_WAIT_SECONDS: Final = 3_600

_F, _P = session_facts.c, session_sides.c
_LIVE: Final = sa.select(sessions.c.session_id).where(
    sessions.c.state.in_(sorted(each.value for each in LIVE))
)


def correct_mediation(tx: sa.Connection, now: int) -> None:
    """Date nothing of a live session later than ``now``, and let nothing wait too long."""
    latest = now + LONGEST_SETTLING_SECONDS
    tx.execute(sa.update(session_facts).where(_F.evaluate_at > latest).values(evaluate_at=latest))
    for column in (_F.unsettled_at, _F.taken_at):
        tx.execute(
            sa.update(session_facts)
            .where(_F.session_id.in_(_LIVE), column > now)
            .values({column: now})
        )
    for column in (_P.asked_at, _P.reached_at, _P.answered_at):
        tx.execute(
            sa.update(session_sides)
            .where(_P.session_id.in_(_LIVE), column > now)
            .values({column: now})
        )
    for column in (sessions.c.started_at, sessions.c.last_transition_at):
        tx.execute(
            sa.update(sessions)
            .where(sessions.c.session_id.in_(_LIVE), column > now)
            .values({column: now})
        )
    _shorten(tx, starts.c.next_attempt_at, now + LONGEST_START_WAIT_SECONDS)
    _shorten(tx, starts.c.first_failed_at, now)
    _shorten(tx, standing.c.next_probe_at, now + LONGEST_PROBE_WAIT_SECONDS)
    _shorten(tx, standing.c.since, now)


def _shorten(tx: sa.Connection, column: sa.Column[int], latest: int) -> None:
    """Few rows: of starts that fail now, of nodes."""
    tx.execute(sa.update(column.table).where(column > latest).values({column: latest}))
