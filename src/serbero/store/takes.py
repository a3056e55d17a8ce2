"""Exchanges with the node in which we take a dispute: committed before they begin."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.taking import HeldRevision, TakeState
from serbero.store.schema import takes

_OPEN_OF = sa.select(takes.c.id).where(
    takes.c.dispute_id == sa.bindparam("of"), takes.c.state == TakeState.OPEN.value
)

_LEFT_OPEN = (
    sa.select(
        takes.c.attempts,
        takes.c.held_event_id,
        takes.c.held_created_at,
        takes.c.held_at,
        takes.c.held_more,
    )
    .where(takes.c.dispute_id == sa.bindparam("of"), takes.c.state == TakeState.OPEN.value)
    .order_by(takes.c.id.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Take:
    """One exchange. Times are Unix seconds."""

    id: int
    dispute_id: str
    request_id: int
    started_at: int
    deadline_at: int
    attempts: int
    state: TakeState


_COLUMNS = (
    takes.c.id,
    takes.c.dispute_id,
    takes.c.request_id,
    takes.c.started_at,
    takes.c.deadline_at,
    takes.c.attempts,
    takes.c.state,
)


def _take(row: sa.Row[int, str, int, int, int, int, str]) -> Take:
    return Take(row[0], row[1], row[2], row[3], row[4], row[5], TakeState(row[6]))


def begin(
    tx: sa.Connection, dispute_id: str, request_id: int, *, now: int, deadline_at: int
) -> tuple[int, int]:
    """Open an exchange.

    One that was left open about the dispute is over, and what waited for its outcome waits for
    that of the new one.

    Returns:
        Its id, and how many requests the one before it published.
    """
    left = tx.execute(_LEFT_OPEN, {"of": dispute_id}).mappings().first()
    inherited = dict(left) if left is not None else {}
    if left is not None:
        tx.execute(
            sa.update(takes)
            .where(takes.c.dispute_id == dispute_id, takes.c.state == TakeState.OPEN.value)
            .values(state=TakeState.INTERRUPTED.value, finished_at=now, held_at=None)
        )
    result = tx.execute(
        sa.insert(takes).values(
            dispute_id=dispute_id,
            request_id=request_id,
            started_at=now,
            deadline_at=deadline_at,
            state=TakeState.OPEN.value,
            **inherited,
        )
    )
    [take_id] = result.inserted_primary_key or (0,)
    return int(take_id), int(inherited.get("attempts") or 0)


def count_attempt(tx: sa.Connection, take_id: int) -> None:
    """Note that one more request is about to be published."""
    tx.execute(sa.update(takes).where(takes.c.id == take_id).values(attempts=takes.c.attempts + 1))


def open_take_of(tx: sa.Connection, dispute_id: str) -> int | None:
    """Return the id of the open exchange about a dispute, or None."""
    return tx.execute(_OPEN_OF, {"of": dispute_id}).scalar()


def all_open(tx: sa.Connection) -> list[Take]:
    """Return every open exchange, oldest first."""
    found = tx.execute(
        sa.select(*_COLUMNS)
        .where(takes.c.state == TakeState.OPEN.value)
        .order_by(takes.c.started_at)
    )
    return [_take(row) for row in found]


def by_request(tx: sa.Connection, dispute_id: str, request_id: int) -> Take | None:
    """Return the exchange about a dispute with this request id, or None."""
    row = tx.execute(
        sa.select(*_COLUMNS).where(
            takes.c.dispute_id == dispute_id, takes.c.request_id == request_id
        )
    ).first()
    return None if row is None else _take(row)


def finish(
    tx: sa.Connection, take_id: int, state: TakeState, reason: str | None, now: int
) -> HeldRevision | None:
    """Record the outcome; return the revision that waited for it, if any.

    What an earlier outcome left is overwritten: a late answer knows better than silence.
    """
    held = tx.execute(
        sa.select(takes.c.held_event_id, takes.c.held_created_at, takes.c.held_more).where(
            takes.c.id == take_id, takes.c.held_event_id.is_not(None)
        )
    ).first()
    tx.execute(
        sa.update(takes)
        .where(takes.c.id == take_id)
        .values(state=state.value, reason=reason, finished_at=now, held_at=None)
    )
    return None if held is None else HeldRevision(*held)


def hold(tx: sa.Connection, take_id: int, event_id: str, created_at: int, now: int) -> None:
    """Let the news of an ``in-progress`` revision wait for the outcome of an exchange."""
    first = tx.execute(
        sa.update(takes)
        .where(takes.c.id == take_id, takes.c.held_event_id.is_(None))
        .values(held_event_id=event_id, held_created_at=created_at, held_at=now)
    )
    if first.rowcount == 0:
        tx.execute(
            sa.update(takes).where(takes.c.id == take_id).values(held_more=takes.c.held_more + 1)
        )


@dataclass(frozen=True, slots=True)
class LongHeld:
    """News that waited too long for the outcome of an exchange."""

    take_id: int
    dispute_id: str
    revision: HeldRevision


def held_since(tx: sa.Connection, before: int) -> list[LongHeld]:
    """Return what is held since before Unix second ``before``."""
    rows = tx.execute(
        sa.select(
            takes.c.id,
            takes.c.dispute_id,
            takes.c.held_event_id,
            takes.c.held_created_at,
            takes.c.held_more,
        ).where(takes.c.held_at < before)
    )
    return [LongHeld(row[0], row[1], HeldRevision(*row[2:])) for row in rows]


def stop_holding(tx: sa.Connection, take_id: int) -> None:
    """Note that the news was told; the outcome may still correct it."""
    tx.execute(sa.update(takes).where(takes.c.id == take_id).values(held_at=None))
