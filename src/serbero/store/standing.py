"""Whether a node lets us act as a solver: what was learned, kept over restarts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.mediation_schema import standing

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
    """

    state: StandingState
    since: int
    attempts: int = 0
    waited_seconds: int = 0
    next_probe_at: int | None = None
    info_created_at: int | None = None


_LOAD: Final = sa.select(
    _N.state,
    _N.since,
    _N.attempts,
    _N.waited_seconds,
    _N.next_probe_at,
    _N.info_created_at,
).where(_N.node == sa.bindparam("of"))
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
        },
    )
