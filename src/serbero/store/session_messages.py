"""The words of a session: pairs of questions out, messages of the parties in, each once."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as insert_or

from serbero.model.mediation import LIVE, SPEAKING, SessionState
from serbero.model.party import Party
from serbero.store import mediation_events, sessions
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import (
    INBOUND,
    OUTBOUND,
    messages,
    session_facts,
    session_sides,
)
from serbero.store.mediation_schema import sessions as session_rows

EARLIEST_BEFORE_TAKE_SECONDS: Final = 60
"""What a party dates earlier than this before our take was not written to us."""
LONGEST_SETTLING: Final = 12
"""Quiet periods: somebody who never stops typing is evaluated after so many all the same."""

_M, _F, _P, _S = messages.c, session_facts.c, session_sides.c, session_rows.c


@dataclass(frozen=True, slots=True)
class Question:
    """One half of a pair.

    Attributes:
        address: where it is addressed, hex.
        inner_id: the signed inner event's id.
        created_at: that event's time.
        text: as it is sent, prefix and identity line included.
    """

    address: str
    inner_id: str
    created_at: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Put:
    """A pair that was stored.

    Attributes:
        number: 1 for the opening.
        rows: its message ids.
    """

    number: int
    rows: Mapping[Party, int]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A party's message, as the chat verified it.

    Attributes:
        address: the key it was addressed to, hex.
        created_at: the inner event's time, by the party's clock.
        outer_id: the envelope's id.
    """

    session_id: str
    party: Party
    address: str
    inner_id: str
    created_at: int
    outer_id: str
    text: str = field(repr=False)


class Intake(StrEnum):
    """What became of an arrived message."""

    FRESH = "fresh"
    """Stored; it counts."""
    STALE = "stale"
    """Stored; it counts for nothing."""
    DUPLICATE = "duplicate"
    """It was stored before; nothing changed."""
    NO_SESSION = "no_session"
    """There is no such session."""


_INSERT: Final = sa.insert(messages)
_INSERT_ONCE: Final = insert_or(messages).on_conflict_do_nothing()
_ASK: Final = (
    sa.update(session_sides)
    .where(_P.session_id == sa.bindparam("of"), _P.party == sa.bindparam("side"))
    .values(
        question_id=sa.bindparam("row", type_=sa.Integer),
        asked_at=sa.bindparam("now", type_=sa.Integer),
        reached_at=None,
    )
)
_COUNT_PAIR: Final = (
    sa.update(session_facts)
    .where(_F.session_id == sa.bindparam("of"))
    .values(pairs_put=_F.pairs_put + 1, evaluations=0)
)
_TOUCH: Final = (
    sa.update(session_rows)
    .where(_S.session_id == sa.bindparam("of"))
    .values(last_transition_at=sa.bindparam("now"))
)
_ANSWER: Final = (
    sa.update(session_sides)
    .where(_P.session_id == sa.bindparam("of"), _P.party == sa.bindparam("side"))
    .values(
        fresh=_P.fresh + 1,
        answer_id=sa.bindparam("row", type_=sa.Integer),
        answered_at=sa.bindparam("now", type_=sa.Integer),
    )
)
_QUIETER: Final = (
    sa.select(sa.func.min(_P.fresh)).where(_P.session_id == sa.bindparam("of")).scalar_subquery()
)


def _seen(party: Party) -> sa.Update:
    """Count the rounds again and note when a party last wrote, never backwards."""
    column = _S[f"{party.value}_last_seen_inner_ts"]
    at = sa.bindparam("seen", type_=sa.Integer)
    return (
        sa.update(session_rows)
        .where(_S.session_id == sa.bindparam("of"))
        .values(
            {
                _S.round_count: _QUIETER,
                column: sa.func.max(sa.func.coalesce(column, at), at),
            }
        )
    )


_SEEN: Final = {party: _seen(party) for party in Party}
_SETTLE: Final = (
    sa.update(session_facts)
    .where(_F.session_id == sa.bindparam("of"))
    .values(
        unsettled_at=sa.func.coalesce(_F.unsettled_at, sa.bindparam("now", type_=sa.Integer)),
        evaluate_at=sa.bindparam("due", type_=sa.Integer),
    )
)
_UNSETTLED: Final = sa.select(_F.unsettled_at, _F.evaluate_at).where(
    _F.session_id == sa.bindparam("of")
)
_SENT: Final = (
    sa.update(messages)
    .where(
        _M.session_id == sa.bindparam("of"),
        _M.inner_event_id == sa.bindparam("inner"),
        _M.direction == OUTBOUND,
        _M.outer_event_id.is_(None),
    )
    .values(outer_event_id=sa.bindparam("outer"))
    .returning(_M.id, _M.shared_pubkey, _M.prompt_bundle_id, _M.policy_hash)
)
_REACHED: Final = (
    sa.update(session_sides)
    .where(_P.session_id == sa.bindparam("of"), _P.question_id == sa.bindparam("row"))
    .values(reached_at=sa.bindparam("now"))
)


def put_pair(
    tx: sa.Connection, session_id: str, pair: Mapping[Party, Question], now: int
) -> Put | None:
    """Store a question to each party, before either may be sent.

    A follow-up commits together with the marker of the evaluation it comes from
    (:func:`serbero.store.evaluations.settle`).

    Returns:
        None if the session does not speak (any more); nothing was written then.

    Raises:
        ValueError: a blank text, or the same event for both; nothing was written.
    """
    buyer, seller = pair[Party.BUYER], pair[Party.SELLER]
    if buyer.inner_id == seller.inner_id:
        raise ValueError("one event cannot be the question to both parties")
    if not (buyer.text.strip() and seller.text.strip()):
        raise ValueError("a question without words")
    session = sessions.load(tx, session_id)
    if session is None or session.state not in SPEAKING:
        return None
    rows = {party: _put(tx, session, party, pair[party], now) for party in Party}
    tx.execute(_COUNT_PAIR, {"of": session_id})
    tx.execute(_TOUCH, {"of": session_id, "now": now})
    return Put(session.pairs_put + 1, rows)


def _put(
    tx: sa.Connection, session: sessions.Session, party: Party, question: Question, now: int
) -> int:
    result = tx.execute(
        _INSERT,
        {
            "session_id": session.session_id,
            "direction": OUTBOUND,
            "party": party.value,
            "shared_pubkey": question.address,
            "inner_event_id": question.inner_id,
            "inner_event_created_at": question.created_at,
            "content": question.text,
            "prompt_bundle_id": session.pins.bundle_id,
            "policy_hash": session.pins.policy_hash,
            "persisted_at": now,
        },
    )
    [row] = result.inserted_primary_key or (0,)
    asked = {"of": session.session_id, "side": party.value, "row": row, "now": now}
    tx.execute(_ASK, asked)
    return int(row)


def mark_sent(tx: sa.Connection, session_id: str, inner_id: str, outer_id: str, now: int) -> bool:
    """Record that a relay took a message of ours, in whatever envelope came first.

    Returns:
        False if that is known already, or there is no such message; nothing was written then.
    """
    asked = {"of": session_id, "inner": inner_id, "outer": outer_id}
    row = tx.execute(_SENT, asked).first()
    if row is None:
        return False
    tx.execute(_REACHED, {"of": session_id, "row": row.id, "now": now})
    mediation_events.outbound_sent(
        tx,
        session_id,
        inner_id,
        row.shared_pubkey,
        now,
        pins=Pins(row.prompt_bundle_id, row.policy_hash),
    )
    return True


def take_in(tx: sa.Connection, arrived: Arrived, now: int, settle_seconds: int) -> Intake:
    """Store a party's message, once.

    It is stale when the session is not led any more, or when it is dated before our take; a
    fresh one is evaluated after ``settle_seconds`` without another.
    """
    session = sessions.load(tx, arrived.session_id)
    if session is None:
        return Intake.NO_SESSION
    too_old = arrived.created_at < session.taken_at - EARLIEST_BEFORE_TAKE_SECONDS
    stale = too_old or session.state not in LIVE
    result = tx.execute(
        _INSERT_ONCE,
        {
            "session_id": arrived.session_id,
            "direction": INBOUND,
            "party": arrived.party.value,
            "shared_pubkey": arrived.address,
            "inner_event_id": arrived.inner_id,
            "inner_event_created_at": arrived.created_at,
            "outer_event_id": arrived.outer_id,
            "content": arrived.text,
            "persisted_at": now,
            "stale": int(stale),
        },
    )
    if result.rowcount != 1:
        return Intake.DUPLICATE
    [row] = result.inserted_primary_key or (0,)
    mediation_events.inbound_ingested(
        tx,
        arrived.session_id,
        arrived.inner_id,
        arrived.party,
        now,
        stale=stale,
        pins=session.pins,
    )
    if stale:
        return Intake.STALE
    of = {"of": arrived.session_id}
    tx.execute(_ANSWER, of | {"side": arrived.party.value, "row": row, "now": now})
    # A clock that is ahead must not say that the party wrote later than now.
    tx.execute(_SEEN[arrived.party], of | {"seen": min(arrived.created_at, now)})
    if session.state is SessionState.AWAITING_RESPONSE:
        _settle(tx, session, now, settle_seconds)
    return Intake.FRESH


def _settle(tx: sa.Connection, session: sessions.Session, now: int, settle_seconds: int) -> None:
    unsettled_at, evaluate_at = tx.execute(_UNSETTLED, {"of": session.session_id}).one()
    since = now if unsettled_at is None else unsettled_at
    due = min(now + settle_seconds, since + LONGEST_SETTLING * settle_seconds)
    if session.failures and evaluate_at is not None:
        # After a failed evaluation a new message must not shorten the wait before the next one.
        due = max(due, evaluate_at)
    tx.execute(_SETTLE, {"of": session.session_id, "now": now, "due": due})
