"""Running ladders and the steps they took; who does not want to be reminded."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.duty import LONGEST_MUTE_SECONDS, LONGEST_SNOOZE_SECONDS
from serbero.model.ladder import Policy
from serbero.store import acknowledgements
from serbero.store.escalation_schema import (
    deadline_warnings,
    ladder_steps,
    ladders,
    mutes,
    snoozes,
)

_L = ladders.c
_COLUMNS: Final = (
    _L.id,
    _L.dispute_id,
    _L.session_id,
    _L.handoff_event_id,
    _L.started_at,
    _L.policy_json,
    _L.steps_taken,
    _L.next_at,
)
_DUE: Final = (
    sa.select(_L.id)
    .where(_L.next_at <= sa.bindparam("now", type_=sa.Integer))
    .order_by(_L.next_at, _L.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_NEXT: Final = sa.select(sa.func.min(_L.next_at)).where(_L.next_at.is_not(None))


@dataclass(frozen=True, slots=True)
class Ladder:
    """A ladder. Times are Unix seconds.

    Attributes:
        steps_taken: so far.
        next_at: when the next one is due; None once it is over.
    """

    id: int
    dispute_id: str
    session_id: str | None
    handoff_event_id: int
    started_at: int
    policy: Policy
    steps_taken: int
    next_at: int | None


def _ladder(row: Any) -> Ladder:
    return Ladder(
        id=row.id,
        dispute_id=row.dispute_id,
        session_id=row.session_id,
        handoff_event_id=row.handoff_event_id,
        started_at=row.started_at,
        policy=Policy.of_json(row.policy_json),
        steps_taken=row.steps_taken,
        next_at=row.next_at,
    )


def load(tx: sa.Connection, ladder_id: int) -> Ladder | None:
    """Return a ladder."""
    row = tx.execute(sa.select(*_COLUMNS).where(_L.id == ladder_id)).first()
    return None if row is None else _ladder(row)


def running(tx: sa.Connection, dispute_id: str) -> Ladder | None:
    """Return the ladder of a dispute that is not over."""
    row = tx.execute(
        sa.select(*_COLUMNS).where(_L.dispute_id == dispute_id, _L.ended_at.is_(None))
    ).first()
    return None if row is None else _ladder(row)


def all_running(tx: sa.Connection) -> list[Ladder]:
    """Return every ladder that is not over, oldest first."""
    rows = tx.execute(sa.select(*_COLUMNS).where(_L.next_at.is_not(None)).order_by(_L.id))
    return [_ladder(row) for row in rows]


def due(tx: sa.Connection, now: int, limit: int) -> list[int]:
    """Return ladders with a step that is due, longest due first."""
    return list(tx.execute(_DUE, {"now": now, "at_most": limit}).scalars())


def next_at(tx: sa.Connection) -> int | None:
    """Return when the next step of any ladder is due; None without any."""
    return tx.execute(_NEXT).scalar()


def begin(
    tx: sa.Connection,
    dispute_id: str,
    session_id: str | None,
    handoff_event_id: int,
    policy: Policy,
    now: int,
) -> bool:
    """Begin a ladder; one of the same hand-off that is there stays as it is (False)."""
    added = tx.execute(
        insert(ladders)
        .values(
            dispute_id=dispute_id,
            session_id=session_id,
            handoff_event_id=handoff_event_id,
            started_at=now,
            policy_json=policy.to_json(),
            next_at=now + policy.step(1).after_seconds,
        )
        .on_conflict_do_nothing()
    )
    return added.rowcount == 1


def put_off(tx: sa.Connection, ladder_id: int, until: int) -> None:
    """Let the next step wait until Unix second ``until``."""
    tx.execute(
        sa.update(ladders).where(_L.id == ladder_id, _L.next_at.is_not(None)).values(next_at=until)
    )


def took_step(
    tx: sa.Connection,
    ladder: Ladder,
    number: int,
    audience: str,
    recipients: Sequence[str],
    now: int,
    next_step_at: int,
) -> None:
    """Write a step that was taken, and when the next one is due."""
    tx.execute(
        sa.insert(ladder_steps).values(
            ladder_id=ladder.id,
            number=number,
            at=now,
            audience=audience,
            recipients_json=json.dumps(list(recipients)),
        )
    )
    tx.execute(
        sa.update(ladders)
        .where(_L.id == ladder.id)
        .values(steps_taken=number, next_at=next_step_at)
    )


def end(tx: sa.Connection, dispute_id: str, by: str, now: int) -> int:
    """End a dispute's ladder; return how many ended."""
    ended = tx.execute(
        sa.update(ladders)
        .where(_L.dispute_id == dispute_id, _L.ended_at.is_(None))
        .values(ended_at=now, ended_by=by, next_at=None)
    )
    return int(ended.rowcount)


def correct(tx: sa.Connection, now: int) -> None:
    """Let nothing wait longer than it may by a clock that says ``now``, which was ahead before."""
    acknowledgements.correct(tx, now)
    for ladder in all_running(tx):
        latest = now + ladder.policy.gap(ladder.steps_taken + 1)
        planned = ladder.policy.step(ladder.steps_taken + 1).after_seconds
        values = {"started_at": min(ladder.started_at, latest - planned)}
        has_it = acknowledgements.counting(tx, ladder.dispute_id, now)
        if has_it is not None:
            latest = has_it.expires_at
        if ladder.next_at is not None:
            values["next_at"] = min(ladder.next_at, latest)
        tx.execute(sa.update(ladders).where(_L.id == ladder.id).values(values))
    for table, longest in ((snoozes, LONGEST_SNOOZE_SECONDS), (mutes, LONGEST_MUTE_SECONDS)):
        latest = now + longest
        tx.execute(sa.update(table).where(table.c.until > latest).values(until=latest))
    # Somebody was warned too early, and is warned again when it is time.
    tx.execute(sa.delete(deadline_warnings).where(deadline_warnings.c.at > now))


# --- rest ----------------------------------------------------------------------------------


def snooze(tx: sa.Connection, dispute_id: str, solver: str, until: int) -> None:
    """A solver (hex) does not want to be reminded of a dispute until then."""
    statement = insert(snoozes).values(dispute_id=dispute_id, solver=solver, until=until)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["dispute_id", "solver"], set_={"until": until}
        )
    )


def forget_snoozes(tx: sa.Connection, dispute_id: str) -> None:
    """Nobody is reminded of a dispute any more."""
    tx.execute(sa.delete(snoozes).where(snoozes.c.dispute_id == dispute_id))


def snoozing(tx: sa.Connection, dispute_id: str, now: int) -> frozenset[str]:
    """Return who (hex) does not want to be reminded of a dispute now."""
    rows = tx.execute(
        sa.select(snoozes.c.solver).where(snoozes.c.dispute_id == dispute_id, snoozes.c.until > now)
    )
    return frozenset(rows.scalars())


def mute(tx: sa.Connection, solver: str, until: int) -> None:
    """A solver (hex) wants nothing that can wait until then."""
    statement = insert(mutes).values(solver=solver, until=until)
    tx.execute(statement.on_conflict_do_update(index_elements=["solver"], set_={"until": until}))


def muted(tx: sa.Connection, now: int) -> dict[str, int]:
    """Return who (hex) wants nothing that can wait, and until when."""
    rows = tx.execute(sa.select(mutes.c.solver, mutes.c.until).where(mutes.c.until > now))
    return {row.solver: row.until for row in rows}


def told(tx: sa.Connection, ladder_ids: Iterable[int]) -> frozenset[str]:
    """Return everybody (hex) these ladders reminded."""
    rows = tx.execute(
        sa.select(ladder_steps.c.recipients_json).where(
            ladder_steps.c.ladder_id.in_(list(ladder_ids))
        )
    ).scalars()
    return frozenset(each for text in rows for each in json.loads(text))
