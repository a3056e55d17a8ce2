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


_UPTO: Final = _M.id <= sa.bindparam("upto", type_=sa.Integer)
# No clock of a writer is believed that is ahead of ours.
_BY_OURS: Final = (sa.func.min(_M.inner_event_created_at, _M.persisted_at), _M.id)


def _of(direction: str, party: Party | None) -> tuple[sa.ColumnElement[bool], ...]:
    said = (_OF, _UPTO, _M.direction == direction)
    return said if party is None else (*said, _M.party == party.value)


def _newest(
    conditions: tuple[sa.ColumnElement[bool], ...], order: tuple[sa.ColumnElement[int], ...]
) -> sa.Select[*tuple[int, ...]]:
    newest_first = (column.desc() for column in order)
    query = sa.select(*_COLUMNS).where(*conditions).order_by(*newest_first)
    return query.limit(sa.bindparam("each", type_=sa.Integer))


_SPEAKERS: Final = (
    _of(OUTBOUND, None),
    _of(INBOUND, Party.BUYER),
    _of(INBOUND, Party.SELLER),
)
_FRESH: Final = tuple(_newest((*said, _M.stale == 0), _BY_CLOCK) for said in _SPEAKERS)
_SHOWN: Final = tuple(_newest(said, _BY_OURS) for said in _SPEAKERS)
_COUNTED: Final = tuple(
    sa.select(sa.func.count()).select_from(messages).where(*said) for said in _SPEAKERS
)
_ASKED: Final = (
    # In the order of ids, since the first message of a session is a question as a rule.
    sa.select(_M.id).where(_OF, _M.direction == OUTBOUND).order_by(_M.id).limit(1)
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
    found = [line for query in _FRESH for line in _lines(tx.execute(query, asked))]
    return sorted(found, key=lambda line: (line.at, line.id))


def whole(tx: sa.Connection, session_id: str) -> list[Line]:
    """Return everything that was said in a session, for a person to read."""
    return _lines(tx.execute(_WHOLE, {"of": session_id}))


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What a person is shown of a chat that may be long.

    Attributes:
        lines: the newest of each speaker, in order; no clock is believed that is ahead of ours.
        ours: how many messages of ours there are in all.
        buyer: and of the buyer.
        seller: and of the seller.
    """

    lines: tuple[Line, ...]
    ours: int
    buyer: int
    seller: int


def excerpt(tx: sa.Connection, session_id: str, *, upto: int, each: int) -> Excerpt:
    """Return the newest messages of each speaker, those that count for nothing included.

    Args:
        tx: the transaction.
        session_id: which session.
        upto: the newest message to look at, by id.
        each: how many of each speaker.
    """
    asked = {"of": session_id, "upto": upto, "each": each}
    found = [line for query in _SHOWN for line in _lines(tx.execute(query, asked))]
    found.sort(key=lambda line: (min(line.at, line.stored_at), line.id))
    counts = (tx.execute(query, asked).scalar_one() for query in _COUNTED)
    return Excerpt(tuple(found), *counts)


def asked(tx: sa.Connection, session_id: str) -> bool:
    """Whether anything was written to a party in a session."""
    return tx.execute(_ASKED, {"of": session_id}).first() is not None


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
