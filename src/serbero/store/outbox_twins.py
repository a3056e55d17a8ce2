"""Twins: one logical message that travels in two envelopes, an outbox row each.

A solver may be written to as a private message and as Mostro's own clients read it, a party in
the current chat envelope and in the older one. The two rows differ in channel and id alone. The
message counts as sent at the first success of either, and as lost once neither can succeed.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.notification import CHAT_CHANNELS, SOLVER_CHANNELS, OutboxState
from serbero.store.schema import outbox

_TWIN: Final = outbox.alias("twin")
_OTHER_CHANNEL: Final[Mapping[str, str]] = {
    one.value: other.value
    for pair in (SOLVER_CHANNELS, CHAT_CHANNELS)
    for one, other in (pair, pair[::-1])
}


_BETTER_THAN: Final[Mapping[OutboxState, tuple[OutboxState, ...]]] = {
    OutboxState.PENDING: (OutboxState.SENT,),
    OutboxState.DEAD: (OutboxState.SENT, OutboxState.PENDING),
}


def _is_twin(of: sa.FromClause) -> sa.ColumnElement[bool]:
    """Find the twin by its unique key: that of the row, which ends in its channel, with the other.

    One seek in the index of the keys, however long the history of the dispute is.
    """
    row = of.c
    stem = sa.func.substr(
        row.dedupe_key, 1, sa.func.length(row.dedupe_key) - sa.func.length(row.channel)
    )
    other = sa.case(dict(_OTHER_CHANNEL), value=row.channel)
    return _TWIN.c.dedupe_key == stem.concat(other)


def twin_sent(of: sa.FromClause) -> sa.ColumnElement[bool]:
    """Whether the other row of the same message was taken by a relay."""
    return sa.exists().where(_is_twin(of), _TWIN.c.state == OutboxState.SENT.value)


def stands_alone(of: sa.FromClause, state: OutboxState) -> sa.ColumnElement[bool]:
    """Whether a row in ``state`` stands for its message when messages in ``state`` are counted.

    It does not where its twin fares better, and of two alike only the first does.
    """
    same = sa.and_(_TWIN.c.state == state.value, _TWIN.c.id < of.c.id)
    better = _TWIN.c.state.in_([each.value for each in _BETTER_THAN[state]])
    return ~sa.exists().where(_is_twin(of), sa.or_(better, same))


@dataclass(frozen=True, slots=True)
class FailureNote:
    """Which outcomes the last ``failed`` rows of a row told of, and when (Unix seconds)."""

    outcomes: frozenset[str]
    at: int | None


@dataclass(frozen=True, slots=True)
class Twin:
    """The other row of a message."""

    id: int
    state: OutboxState
    note: FailureNote


_TWINS: Final = (
    sa.select(
        outbox.c.id, _TWIN.c.id, _TWIN.c.state, _TWIN.c.failure_noted, _TWIN.c.failure_noted_at
    )
    .select_from(outbox.join(_TWIN, _is_twin(outbox)))
    .where(
        outbox.c.id.in_(
            sa.select(
                sa.func.json_each(sa.bindparam("given", type_=sa.Text)).table_valued("value").c[0]
            )
        )
    )
)


def twins_of(tx: sa.Connection, ids: Collection[int]) -> dict[int, Twin]:
    """Return the twin of each of these rows that has one."""
    if not ids:
        return {}
    found = tx.execute(_TWINS, {"given": json.dumps(list(ids))})
    return {row[0]: Twin(row[1], OutboxState(row[2]), note(row[3], row[4])) for row in found}


def note(outcomes: str | None, at: int | None) -> FailureNote:
    """Read the two columns of a note."""
    return FailureNote(frozenset((outcomes or "").split()), at)
