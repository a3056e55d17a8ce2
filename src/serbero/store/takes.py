"""Exchanges with the node in which we take a dispute: committed before they begin."""

import json
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.taking import TakeState
from serbero.store import journal
from serbero.store.schema import takes

SLACK_SECONDS: Final = 60
"""An exchange that is open so long after its deadline was given up without a word."""
_LATEST: Final = 50
"""Exchanges about one dispute that a late answer is looked for in."""

_COLUMNS = (
    takes.c.id,
    takes.c.dispute_id,
    takes.c.request_ids,
    takes.c.known_created_at,
    takes.c.started_at,
    takes.c.attempts,
    takes.c.state,
)
_OF = takes.c.dispute_id == sa.bindparam("of")
_OPEN = takes.c.state == TakeState.OPEN.value
_LIVE_OF = sa.select(takes.c.id).where(
    _OF, _OPEN, takes.c.deadline_at >= sa.bindparam("since", type_=sa.Integer)
)


@dataclass(frozen=True, slots=True)
class Take:
    """One exchange.

    Attributes:
        id: its number.
        dispute_id: about which.
        request_ids: the number of each request, oldest first.
        known_created_at: stamp of the revision we held when it began, None if none.
        started_at: Unix seconds.
        attempts: requests that were published, or about to be.
        state: what became of it.
    """

    id: int
    dispute_id: str
    request_ids: tuple[int, ...]
    known_created_at: int | None
    started_at: int
    attempts: int
    state: TakeState


def _take(row: sa.Row[int, str, str, int | None, int, int, str]) -> Take:
    ids = tuple(json.loads(row[2]))
    return Take(row[0], row[1], ids, row[3], row[4], row[5], TakeState(row[6]))


def begin(
    tx: sa.Connection, dispute_id: str, known_created_at: int | None, *, now: int, deadline_at: int
) -> int:
    """Open an exchange and return its id.

    One that was left open about the dispute is over, and the news that waited for its outcome
    waits for that of the new one.
    """
    waits = tx.execute(
        sa.select(sa.func.min(takes.c.held_at)).where(_OF, _OPEN), {"of": dispute_id}
    ).scalar()
    left_open = tx.execute(
        sa.update(takes)
        .where(takes.c.dispute_id == dispute_id, _OPEN)
        .values(state=TakeState.INTERRUPTED.value, finished_at=now, held_at=None)
    )
    for _ in range(left_open.rowcount):
        journal.write(tx, "take_interrupted", now, dispute_id=dispute_id)
    result = tx.execute(
        sa.insert(takes).values(
            dispute_id=dispute_id,
            known_created_at=known_created_at,
            started_at=now,
            deadline_at=deadline_at,
            state=TakeState.OPEN.value,
            held_at=waits,
        )
    )
    [take_id] = result.inserted_primary_key or (0,)
    return int(take_id)


def count_attempt(tx: sa.Connection, take_id: int, request_id: int) -> None:
    """Note the number of a request that is about to be published."""
    tx.execute(
        sa.update(takes)
        .where(takes.c.id == take_id)
        .values(
            attempts=takes.c.attempts + 1,
            request_ids=sa.func.json_insert(takes.c.request_ids, "$[#]", request_id),
        )
    )


def live_take_of(tx: sa.Connection, dispute_id: str, now: int) -> int | None:
    """Return the id of the exchange about a dispute that is under way, or None."""
    return tx.execute(_LIVE_OF, {"of": dispute_id, "since": now - SLACK_SECONDS}).scalar()


def open_of(tx: sa.Connection, dispute_id: str) -> Take | None:
    """Return the exchange about a dispute that nobody closed, or None."""
    row = tx.execute(sa.select(*_COLUMNS).where(_OF, _OPEN), {"of": dispute_id}).first()
    return None if row is None else _take(row)


def all_open(tx: sa.Connection) -> list[Take]:
    """Return every open exchange, oldest first."""
    found = tx.execute(sa.select(*_COLUMNS).where(_OPEN).order_by(takes.c.started_at))
    return [_take(row) for row in found]


def by_request(tx: sa.Connection, dispute_id: str, request_id: int) -> Take | None:
    """Return the exchange about a dispute with this request, or None."""
    rows = tx.execute(
        sa.select(*_COLUMNS).where(_OF).order_by(takes.c.id.desc()).limit(_LATEST),
        {"of": dispute_id},
    )
    return next((take for take in map(_take, rows) if request_id in take.request_ids), None)


def finish(tx: sa.Connection, take_id: int, state: TakeState, reason: str | None, now: int) -> bool:
    """Record the outcome; return whether news waited for it.

    What an earlier outcome left is overwritten: a late answer knows better than silence.
    """
    owed = stop_holding(tx, take_id)
    tx.execute(
        sa.update(takes)
        .where(takes.c.id == take_id)
        .values(state=state.value, reason=reason, finished_at=now)
    )
    return owed


def hold(tx: sa.Connection, take_id: int, now: int) -> None:
    """Let the news of an ``in-progress`` revision wait for the outcome of an exchange."""
    tx.execute(
        sa.update(takes).where(takes.c.id == take_id, takes.c.held_at.is_(None)).values(held_at=now)
    )


def held_since(tx: sa.Connection, before: int) -> list[tuple[int, str]]:
    """Return exchange and dispute of all news that waits since before Unix second ``before``."""
    rows = tx.execute(sa.select(takes.c.id, takes.c.dispute_id).where(takes.c.held_at < before))
    return [(row[0], row[1]) for row in rows]


def stop_holding(tx: sa.Connection, take_id: int) -> bool:
    """Let no news wait for an exchange any more; return whether some did."""
    stopped = tx.execute(
        sa.update(takes)
        .where(takes.c.id == take_id, takes.c.held_at.is_not(None))
        .values(held_at=None)
    )
    return stopped.rowcount == 1


def forget_news(tx: sa.Connection, dispute_id: str) -> None:
    """Drop what waits about a dispute that was closed or opened anew: it is no news any more."""
    tx.execute(
        sa.update(takes)
        .where(takes.c.dispute_id == dispute_id, takes.c.held_at.is_not(None))
        .values(held_at=None)
    )
