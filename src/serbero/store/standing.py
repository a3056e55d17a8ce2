"""Whether a node lets us act as a solver: what was learned, kept over restarts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.taking import TakeState
from serbero.store.mediation_schema import standing
from serbero.store.schema import disputes, takes

_N = standing.c


class StandingState(StrEnum):
    """``standing.state``."""

    UNKNOWN = "unknown"
    """Nothing was learned yet."""
    AUTHORIZED = "authorized"
    """It gave us a dispute, or says in its info event that it would."""
    REFUSED = "refused"
    """It refuses us; it is probed again from time to time."""
    TERMINATED = "terminated"
    """It has refused us for long; only news of it, or a day, start the probing again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Our standing with one node.

    Attributes:
        since: Unix seconds since when it is like this.
        attempts: probes since the refusal, the refusal included.
        waited_seconds: waits between them.
        next_probe_at: before that none is made; None where none is needed or none is to be made.
        info_created_at: the stamp of the node's info event when probing ended.
        own_key: which key of ours it is about, in hex; another one has to earn its own.
    """

    state: StandingState
    since: int
    attempts: int = 0
    waited_seconds: int = 0
    next_probe_at: int | None = None
    info_created_at: int | None = None
    own_key: str | None = None


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """How the node last answered a take.

    Attributes:
        taken: whether it gave us the dispute; else it refused.
        reason: the node's word, where it refused and gave one.
        at: Unix seconds.
    """

    dispute_id: str
    taken: bool
    reason: str | None
    at: int


_LOAD: Final = sa.select(
    _N.state,
    _N.since,
    _N.attempts,
    _N.waited_seconds,
    _N.next_probe_at,
    _N.info_created_at,
    _N.own_key,
).where(_N.node == sa.bindparam("of"))
_LAST_ANSWER: Final = (
    sa.select(takes.c.dispute_id, takes.c.state, takes.c.reason, takes.c.finished_at)
    .join(disputes, disputes.c.dispute_id == takes.c.dispute_id)
    .where(
        disputes.c.mostro_pubkey == sa.bindparam("of"),
        takes.c.state.in_([TakeState.TAKEN.value, TakeState.REFUSED.value]),
        takes.c.finished_at.is_not(None),
    )
    .order_by(takes.c.finished_at.desc(), takes.c.id.desc())
    .limit(1)
)
_NEW: Final = insert(standing)
_SAVE: Final = _NEW.on_conflict_do_update(
    index_elements=[_N.node],
    set_={column.name: _NEW.excluded[column.name] for column in _N if column.name != "node"},
)


def load(tx: sa.Connection, node: str) -> Standing | None:
    """Return our standing with a node (hex); None where nothing was ever learned."""
    row = tx.execute(_LOAD, {"of": node}).first()
    return None if row is None else Standing(StandingState(row[0]), *row[1:])


def save(tx: sa.Connection, node: str, now: Standing) -> None:
    """Keep our standing with a node (hex) in place of what was kept."""
    tx.execute(
        _SAVE,
        {
            "node": node,
            "state": now.state.value,
            "since": now.since,
            "attempts": now.attempts,
            "waited_seconds": now.waited_seconds,
            "next_probe_at": now.next_probe_at,
            "info_created_at": now.info_created_at,
            "own_key": now.own_key,
        },
    )


def last_answer(tx: sa.Connection, node: str) -> LastAnswer | None:
    """Return how a node (hex) last answered a take; None if it never did."""
    row = tx.execute(_LAST_ANSWER, {"of": node}).first()
    if row is None:
        return None
    return LastAnswer(row[0], row[1] == TakeState.TAKEN, row[2], row[3])
