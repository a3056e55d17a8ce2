"""Mediation sessions as they stand. How one moves is :mod:`serbero.store.session_moves`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.mediation import LIVE, SPEAKING, SessionState
from serbero.model.party import Party
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import session_facts, session_sides, sessions, summaries

_S, _F = sessions.c, session_facts.c
_BUYER = session_sides.alias("buyer_side")
_SELLER = session_sides.alias("seller_side")
_LIVE: Final = sorted(each.value for each in LIVE)
_SPEAKING: Final = sorted(each.value for each in SPEAKING)


@dataclass(frozen=True, slots=True)
class Side:
    """One party of a session. Message ids are those of ``mediation_messages``.

    Attributes:
        address: where messages to it are addressed, hex.
        last_seen: when it last wrote, by its own clock but never after ours.
        fresh: its messages that count.
        question_id: the last question put to it; None before the first.
        asked_at: when that was put.
        reached_at: when a relay took it; None until then.
        answer_id: its newest fresh message.
        answered_at: when that arrived.
        language: what it writes in, where known.
    """

    address: str | None
    last_seen: int | None
    fresh: int
    question_id: int | None
    asked_at: int | None
    reached_at: int | None
    answer_id: int | None
    answered_at: int | None
    language: str | None

    @property
    def open_question(self) -> bool:
        """Whether it has not written since the last question was put to it."""
        return self.question_id is not None and (self.answer_id or 0) < self.question_id


@dataclass(frozen=True, slots=True)
class Session:
    """A session. Times are Unix seconds.

    Attributes:
        round_count: rounds as the reference counts them: fresh messages of the quieter party.
        evaluated: fresh messages that were evaluated.
        failures: evaluations that failed in a row.
        opening_event_id: the revision that had opened the dispute.
        taken_at: when we took it.
        pairs_put: pairs of questions put.
        evaluations: evaluations since the last of them.
        evaluate_at: when the next one is due; None when there is nothing to evaluate.
        classification: the newest label, None before the first.
    """

    session_id: str
    dispute_id: str
    state: SessionState
    pins: Pins
    round_count: int
    evaluated: int
    failures: int
    started_at: int
    last_transition_at: int
    opening_event_id: str | None
    taken_at: int
    pairs_put: int
    evaluations: int
    evaluate_at: int | None
    classification: str | None
    confidence: float | None
    buyer: Side
    seller: Side

    def side(self, party: Party) -> Side:
        """One party's side."""
        return self.buyer if party is Party.BUYER else self.seller

    @property
    def fresh(self) -> int:
        """Messages of the parties that count."""
        return self.buyer.fresh + self.seller.fresh

    @property
    def open_question(self) -> bool:
        """Whether a party has yet to answer."""
        return self.buyer.open_question or self.seller.open_question


_KEPT_OF_A_SIDE: Final = (
    "fresh",
    "question_id",
    "asked_at",
    "reached_at",
    "answer_id",
    "answered_at",
    "language",
)


def _side_columns(side: Any, party: Party) -> list[sa.ColumnElement[Any]]:
    """Select the fields of :class:`Side` in their order."""
    return [
        _S[f"{party.value}_shared_pubkey"].label(f"{party.value}_address"),
        _S[f"{party.value}_last_seen_inner_ts"].label(f"{party.value}_last_seen"),
        *(side.c[name].label(f"{party.value}_{name}") for name in _KEPT_OF_A_SIDE),
    ]


_OWN: Final = (
    _S.session_id,
    _S.dispute_id,
    _S.state,
    _S.prompt_bundle_id,
    _S.policy_hash,
    _S.round_count,
    _S.round_count_last_evaluated,
    _S.consecutive_eval_failures,
    _S.started_at,
    _S.last_transition_at,
    _F.opening_event_id,
    _F.taken_at,
    _F.pairs_put,
    _F.evaluations,
    _F.evaluate_at,
    _S.current_classification,
    _S.current_confidence,
)
_SIDE_WIDTH: Final = 2 + len(_KEPT_OF_A_SIDE)
_ALL: Final = (
    sa.select(*_OWN, *_side_columns(_BUYER, Party.BUYER), *_side_columns(_SELLER, Party.SELLER))
    .join(session_facts, _F.session_id == _S.session_id)
    .join(
        _BUYER,
        sa.and_(_BUYER.c.session_id == _S.session_id, _BUYER.c.party == Party.BUYER.value),
    )
    .join(
        _SELLER,
        sa.and_(_SELLER.c.session_id == _S.session_id, _SELLER.c.party == Party.SELLER.value),
    )
)
_ONE: Final = _ALL.where(_S.session_id == sa.bindparam("of"))
_OF_DISPUTE: Final = _ALL.where(_S.dispute_id == sa.bindparam("of")).order_by(
    _S.started_at.desc(), _S.session_id
)
_ALL_LIVE: Final = _ALL.where(_S.state.in_(_LIVE)).order_by(_S.started_at, _S.session_id)
_DUE: Final = (
    _ALL.where(
        _F.evaluate_at <= sa.bindparam("now", type_=sa.Integer),
        # The unary plus keeps SQLite from the index on `state`, which would visit every session
        # that waits for an answer; the index on `evaluate_at` finds the few that are due.
        sa.literal_column("+mediation_sessions.state", sa.Text)
        == SessionState.AWAITING_RESPONSE.value,
        _BUYER.c.fresh + _SELLER.c.fresh > _S.round_count_last_evaluated,
    )
    .order_by(_F.evaluate_at, _S.session_id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_WITHOUT_SUMMARY: Final = _ALL.where(
    _S.state.in_([SessionState.CLASSIFIED.value, SessionState.SUMMARY_PENDING.value]),
    ~sa.exists().where(summaries.c.session_id == _S.session_id),
).order_by(_S.started_at, _S.session_id)
_NEXT_DUE: Final = (
    sa.select(_F.evaluate_at).where(_F.evaluate_at.is_not(None)).order_by(_F.evaluate_at).limit(1)
)
_SPEAKS: Final = sa.select(_S.session_id).where(
    _S.session_id == sa.bindparam("of"), _S.state.in_(_SPEAKING)
)
_NEWEST: Final = _ALL.order_by(_S.started_at.desc(), _S.session_id).limit(
    sa.bindparam("at_most", type_=sa.Integer)
)


def _session(row: Any) -> Session:
    sides = row[len(_OWN) :]
    return Session(
        session_id=row.session_id,
        dispute_id=row.dispute_id,
        state=SessionState(row.state),
        pins=Pins(row.prompt_bundle_id, row.policy_hash),
        round_count=row.round_count,
        evaluated=row.round_count_last_evaluated,
        failures=row.consecutive_eval_failures,
        started_at=row.started_at,
        last_transition_at=row.last_transition_at,
        opening_event_id=row.opening_event_id,
        taken_at=row.taken_at,
        pairs_put=row.pairs_put,
        evaluations=row.evaluations,
        evaluate_at=row.evaluate_at,
        classification=row.current_classification,
        confidence=row.current_confidence,
        buyer=Side(*sides[:_SIDE_WIDTH]),
        seller=Side(*sides[_SIDE_WIDTH:]),
    )


def _sessions(rows: Iterable[Any]) -> list[Session]:
    return [_session(row) for row in rows]


def load(tx: sa.Connection, session_id: str) -> Session | None:
    """Return a session, or None."""
    row = tx.execute(_ONE, {"of": session_id}).first()
    return None if row is None else _session(row)


def of_dispute(tx: sa.Connection, dispute_id: str) -> list[Session]:
    """Return a dispute's sessions, newest first."""
    return _sessions(tx.execute(_OF_DISPUTE, {"of": dispute_id}))


def live(tx: sa.Connection) -> list[Session]:
    """Return every session that is ours to lead, oldest first: what a restart takes up again."""
    return _sessions(tx.execute(_ALL_LIVE))


def newest(tx: sa.Connection, limit: int) -> list[Session]:
    """Return the sessions begun last, for a person to look at; reads all of them."""
    return _sessions(tx.execute(_NEWEST, {"at_most": limit}))


def due_for_evaluation(tx: sa.Connection, now: int, limit: int) -> list[Session]:
    """Return sessions with words nobody evaluated whose time has come, longest due first."""
    return _sessions(tx.execute(_DUE, {"now": now, "at_most": limit}))


def next_evaluation_at(tx: sa.Connection) -> int | None:
    """Return when a session is due next, in Unix seconds; None when none waits."""
    return tx.execute(_NEXT_DUE).scalar()


def without_summary(tx: sa.Connection) -> list[Session]:
    """Return the sessions whose summary has yet to be made, oldest first."""
    return _sessions(tx.execute(_WITHOUT_SUMMARY))


def may_speak(tx: sa.Connection, session_id: str) -> bool:
    """Whether a message to a party may be enqueued or claimed in this session."""
    return tx.execute(_SPEAKS, {"of": session_id}).first() is not None
