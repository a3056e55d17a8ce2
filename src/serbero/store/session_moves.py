"""How a session begins, moves and ends: each move guarded in SQL, with its audit event.

A move that is not legal from the state that is stored writes nothing and says so. Every move
leaves exactly one event that names it: ``state_transition``, where no other kind does.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import sqlalchemy as sa

from serbero.model import reference_names
from serbero.model.mediation import BLOCKING, FIRST_STATE, LIVE, AuditKind, SessionState
from serbero.model.mediation import SESSION_TRANSITIONS as TABLE
from serbero.model.party import Party
from serbero.store import audit_trail, mediation_events
from serbero.store.eligibility import STARTABLE
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import session_facts, session_sides, sessions
from serbero.store.schema import disputes, parties, revisions
from serbero.store.start_events import OUTCOME_SUCCESS

_S, _F = sessions.c, session_facts.c
_BLOCKING: Final = sorted(each.value for each in BLOCKING)
_DISPUTE: Final = sa.bindparam("dispute", type_=sa.Text)


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session begins with.

    Attributes:
        session_id: a new UUID.
        pins: the bundle it goes on with to its end.
        buyer_address: where messages to the buyer are addressed (hex), as the reference stores
            it: the public key of the bare shared secret.
        seller_address: likewise.
        assigned_solver: our own key, hex.
    """

    session_id: str
    dispute_id: str
    pins: Pins
    buyer_address: str
    seller_address: str
    assigned_solver: str | None = None


class OpenRefusal(StrEnum):
    """Why a session was not opened; nothing was written."""

    NOT_HELD = "not_held"
    """We do not hold the dispute (any more), it is closed, or we never heard of it."""
    ESCALATED = "escalated"
    """It went to a human before any session."""
    NOT_TAKEN = "not_taken"
    """Its take is not on the audit trail."""
    ALREADY_OPEN = "already_open"
    """Another session of it is not over."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A move that was written."""

    session_id: str
    dispute_id: str
    pins: Pins
    current: SessionState
    wanted: SessionState


@dataclass(frozen=True, slots=True)
class MoveRefused:
    """A move the stored state does not allow; nothing was written.

    Attributes:
        current: that state; None for a session that is not known.
    """

    current: SessionState | None
    wanted: SessionState

    def __str__(self) -> str:
        return f"invalid state transition: {self.current or 'none'} -> {self.wanted}"


class EndCause(StrEnum):
    """Why a session ended; ``reason`` in its events."""

    RESOLVED = reference_names.TRIGGER_RESOLVED_EXTERNALLY
    TAKEN_BY_HUMAN = "dispute_taken_by_human"
    REOPENED = "dispute_reopened"
    SUMMARY_DELIVERED = "summary_delivered"


@dataclass(frozen=True, slots=True)
class Ended:
    """A session that was closed.

    Attributes:
        was: its state before.
    """

    session_id: str
    was: SessionState


IN_SESSION: Final = (
    sa.select(_S.session_id).where(_S.dispute_id == _DISPUTE, _S.state.in_(_BLOCKING)).limit(1)
)
"""Whether a dispute has a session that is not over."""
_NOT_OVER: Final = sa.exists().where(_S.dispute_id == _DISPUTE, _S.state.in_(_BLOCKING))
_HELD: Final = (
    sa.select(parties.c.taken_at, revisions.c.opening_event_id)
    .join(disputes, disputes.c.dispute_id == parties.c.dispute_id)
    .outerjoin(revisions, revisions.c.dispute_id == parties.c.dispute_id)
    .where(
        parties.c.dispute_id == _DISPUTE,
        parties.c.released_at.is_(None),
        disputes.c.lifecycle_state.in_(sorted(each.value for each in STARTABLE)),
    )
)
_NEW: Final = sa.select(
    sa.bindparam("session", type_=sa.Text),
    parties.c.dispute_id,
    sa.literal(FIRST_STATE.value),
    sa.bindparam("bundle", type_=sa.Text),
    sa.bindparam("hash", type_=sa.Text),
    sa.bindparam("solver", type_=sa.Text),
    sa.bindparam("buyer", type_=sa.Text),
    sa.bindparam("seller", type_=sa.Text),
    sa.bindparam("now", type_=sa.Integer),
    sa.bindparam("now", type_=sa.Integer),
).where(parties.c.dispute_id == _DISPUTE, parties.c.released_at.is_(None), ~_NOT_OVER)
_OPEN: Final = sa.insert(sessions).from_select(
    [
        _S.session_id,
        _S.dispute_id,
        _S.state,
        _S.prompt_bundle_id,
        _S.policy_hash,
        _S.assigned_solver,
        _S.buyer_shared_pubkey,
        _S.seller_shared_pubkey,
        _S.started_at,
        _S.last_transition_at,
    ],
    _NEW,
    include_defaults=False,
)
_INSERT_FACTS: Final = sa.insert(session_facts)
_INSERT_SIDE: Final = sa.insert(session_sides)
_STORED: Final = sa.select(_S.state, _S.dispute_id, _S.prompt_bundle_id, _S.policy_hash).where(
    _S.session_id == sa.bindparam("of")
)
_MOVE: Final = (
    sa.update(sessions)
    .where(_S.session_id == sa.bindparam("of"), _S.state == sa.bindparam("current"))
    .values(state=sa.bindparam("wanted"), last_transition_at=sa.bindparam("at"))
)
_REST: Final = (
    sa.update(session_facts)
    .where(_F.session_id == sa.bindparam("of"))
    .values(evaluate_at=None, unsettled_at=None)
)
_UNENDED: Final = (
    sa.select(_S.session_id, _S.state)
    .where(_S.dispute_id == _DISPUTE, _S.state != SessionState.CLOSED.value)
    .order_by(_S.started_at, _S.session_id)
)


def open_session(tx: sa.Connection, new: NewSession, now: int) -> SessionState | OpenRefusal:
    """Begin a session, in the transaction that puts its first questions.

    Only of a dispute that we hold, whose take is on the audit trail, and that has no other: what
    was true before the take may not be any more.

    Returns:
        The state it begins in, or why it does not.
    """
    held = tx.execute(_HELD, {"dispute": new.dispute_id}).first()
    if held is None:
        return OpenRefusal.NOT_HELD
    kind = AuditKind.ESCALATION_RECOMMENDED
    if audit_trail.newest_of_dispute(tx, new.dispute_id, kind) is not None:
        return OpenRefusal.ESCALATED
    if not _was_taken(tx, new.dispute_id):
        return OpenRefusal.NOT_TAKEN
    opened = tx.execute(
        _OPEN,
        {
            "session": new.session_id,
            "dispute": new.dispute_id,
            "bundle": new.pins.bundle_id,
            "hash": new.pins.policy_hash,
            "solver": new.assigned_solver,
            "buyer": new.buyer_address,
            "seller": new.seller_address,
            "now": now,
        },
    )
    if opened.rowcount != 1:
        return OpenRefusal.ALREADY_OPEN
    tx.execute(
        _INSERT_FACTS,
        {
            "session_id": new.session_id,
            "opening_event_id": held.opening_event_id,
            "taken_at": held.taken_at,
        },
    )
    tx.execute(
        _INSERT_SIDE,
        [{"session_id": new.session_id, "party": party.value} for party in Party],
    )
    mediation_events.session_opened(tx, new.session_id, now, pins=new.pins)
    return FIRST_STATE


def _was_taken(tx: sa.Connection, dispute_id: str) -> bool:
    event = audit_trail.newest_of_dispute(tx, dispute_id, AuditKind.TAKE_DISPUTE_ISSUED)
    return event is not None and event.payload.get("outcome") == OUTCOME_SUCCESS


Step = Literal[
    SessionState.AWAITING_RESPONSE,
    SessionState.CLASSIFIED,
    SessionState.FOLLOW_UP_PENDING,
    SessionState.SUMMARY_PENDING,
]
"""Moves within a session's life; its ends have functions of their own."""


def advance(tx: sa.Connection, session_id: str, wanted: Step, now: int) -> Moved | MoveRefused:
    """Move a session one step on."""
    return _named(tx, session_id, wanted, now)


def finish_summary(tx: sa.Connection, session_id: str, now: int) -> Moved | MoveRefused:
    """A solver has the summary: ``summary_delivered``, and with that the session is closed."""
    moved = _named(tx, session_id, SessionState.SUMMARY_DELIVERED, now)
    if isinstance(moved, Moved):
        _close(tx, session_id, EndCause.SUMMARY_DELIVERED, now)
    return moved


def end_sessions(
    tx: sa.Connection,
    dispute_id: str,
    cause: EndCause,
    now: int,
    *,
    event_id: str,
    status: str,
) -> list[Ended]:
    """End whatever sessions a dispute has: a human took it, it was closed, or opened anew.

    Live ones are superseded and closed; those that only waited for this are closed.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        cause: what happened.
        now: Unix seconds.
        event_id: the revision that shows it.
        status: that revision's status.
    """
    ended = []
    for session_id, stored in tx.execute(_UNENDED, {"dispute": dispute_id}).all():
        was = SessionState(stored)
        if was in LIVE:
            moved = move(tx, session_id, SessionState.SUPERSEDED_BY_HUMAN, now)
            if isinstance(moved, Moved):
                mediation_events.superseded_by_human(
                    tx,
                    session_id,
                    dispute_id,
                    now,
                    event_id=event_id,
                    reason=cause.value,
                    status=status,
                    pins=moved.pins,
                )
        _close(tx, session_id, cause, now)
        ended.append(Ended(session_id, was))
    return ended


def _close(tx: sa.Connection, session_id: str, cause: EndCause, now: int) -> None:
    moved = move(tx, session_id, SessionState.CLOSED, now)
    if isinstance(moved, Moved):
        mediation_events.session_closed(
            tx, session_id, moved.dispute_id, now, reason=cause.value, pins=moved.pins
        )


def _named(
    tx: sa.Connection, session_id: str, wanted: SessionState, now: int
) -> Moved | MoveRefused:
    moved = move(tx, session_id, wanted, now)
    if isinstance(moved, Moved):
        mediation_events.state_transition(
            tx, session_id, moved.current, wanted, now, pins=moved.pins
        )
    return moved


def move(tx: sa.Connection, session_id: str, wanted: SessionState, now: int) -> Moved | MoveRefused:
    """Write a move and nothing else: for callers in this room that write its event.

    A session that leaves the state in which it listens has nothing to evaluate any more.
    """
    row = tx.execute(_STORED, {"of": session_id}).first()
    if row is None:
        return MoveRefused(None, wanted)
    current = SessionState(row.state)
    if wanted not in TABLE[current]:
        return MoveRefused(current, wanted)
    done = tx.execute(
        _MOVE, {"of": session_id, "current": current.value, "wanted": wanted.value, "at": now}
    )
    if done.rowcount != 1:
        return MoveRefused(current, wanted)
    if wanted is not SessionState.AWAITING_RESPONSE:
        tx.execute(_REST, {"of": session_id})
    pins = Pins(row.prompt_bundle_id, row.policy_hash)
    return Moved(session_id, row.dispute_id, pins, current, wanted)
