"""What was said in a session, in order of its authors' clocks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from serbero.model.party import Party
from serbero.store.mediation_schema import INBOUND, OUTBOUND, messages
from serbero.store.odd_values import since_epoch, text

SHOWN_OF_EACH: Final = 40
"""Newest messages of each speaker: the model sees no more than so many in all, and whoever picks
them can only be fair to a speaker of whom there are enough to pick from."""

_M = messages.c
_COLUMNS: Final = (
    _M.id,
    _M.direction,
    _M.party,
    _M.inner_event_created_at,
    _M.inner_event_id,
    _M.persisted_at,
    _M.outer_event_id,
    _M.stale,
    _M.content,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One message.

    Attributes:
        id: in order of storing.
        party: who wrote it, or whom Serbero wrote to.
        ours: whether Serbero wrote it.
        at: when, by its author's clock.
        stored_at: when it was stored, by ours.
        sent: whether a relay took it; always true of a party's.
        stale: whether it counts for nothing.
        text: its words, untrusted.
    """

    id: int
    party: Party
    ours: bool
    at: int
    stored_at: int
    inner_id: str
    sent: bool
    stale: bool
    text: str = field(repr=False)


_OF: Final = _M.session_id == sa.bindparam("of")
_BY_CLOCK: Final = (_M.inner_event_created_at, _M.id)


def _newest(direction: str, party: Party | None) -> sa.Select[*tuple[int, ...]]:
    query = sa.select(*_COLUMNS).where(
        _OF,
        _M.direction == direction,
        _M.stale == 0,
        _M.id <= sa.bindparam("upto", type_=sa.Integer),
    )
    if party is not None:
        query = query.where(_M.party == party.value)
    newest_first = query.order_by(*(column.desc() for column in _BY_CLOCK))
    return newest_first.limit(sa.bindparam("each", type_=sa.Integer))


_SPEAKERS: Final = (
    _newest(OUTBOUND, None),
    _newest(INBOUND, Party.BUYER),
    _newest(INBOUND, Party.SELLER),
)
_WHOLE: Final = sa.select(*_COLUMNS).where(_OF).order_by(*_BY_CLOCK)
_NEWEST_ID: Final = sa.select(sa.func.max(_M.id)).where(_OF)
_ANY_ID: Final = 2**63 - 1


def fresh(
    tx: sa.Connection, session_id: str, *, upto: int | None = None, each: int = SHOWN_OF_EACH
) -> list[Line]:
    """Return the newest messages that count, of each speaker, in order of their authors' clocks.

    Args:
        tx: the transaction.
        session_id: which session; one that is not known has said nothing.
        upto: the newest message to look at, by id: what was there then.
        each: how many of each speaker.
    """
    asked = {"of": session_id, "upto": _ANY_ID if upto is None else upto, "each": each}
    found = [line for query in _SPEAKERS for line in _lines(tx.execute(query, asked))]
    return sorted(found, key=lambda line: (line.at, line.id))


def whole(tx: sa.Connection, session_id: str) -> list[Line]:
    """Return everything that was said in a session, for a person to read."""
    return _lines(tx.execute(_WHOLE, {"of": session_id}))


def newest_id(tx: sa.Connection, session_id: str) -> int | None:
    """Return the id of the message stored last, None before the first."""
    return tx.execute(_NEWEST_ID, {"of": session_id}).scalar()


def _lines(rows: Iterable[sa.Row[*tuple[object, ...]]]) -> list[Line]:
    """Read rows; one of an unknown speaker, which another program wrote, is left out."""
    return [
        Line(
            id=row.id,
            party=Party(row.party),
            ours=row.direction == OUTBOUND,
            at=since_epoch(row.inner_event_created_at),
            stored_at=since_epoch(row.persisted_at),
            inner_id=text(row.inner_event_id),
            sent=row.outer_event_id is not None,
            stale=bool(row.stale),
            text=text(row.content),
        )
        for row in rows
        if row.direction in (OUTBOUND, INBOUND) and row.party in tuple(Party)
    ]
