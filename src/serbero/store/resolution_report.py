"""What the final report about a resolved dispute is made from.

Only a dispute with substance has one: a session, a verdict, or a hand-off before any session.
Attempts that never came so far are bookkeeping.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind, VerdictDecision
from serbero.model.reasoning import Classification
from serbero.store import audit_trail
from serbero.store.audit_trail import AuditEvent
from serbero.store.mediation_events import Label
from serbero.store.mediation_schema import OUTBOUND, messages, sessions
from serbero.store.start_events import OUTCOME_FAILURE

SUBSTANCE: Final = frozenset(
    {
        AuditKind.REASONING_VERDICT.value,
        AuditKind.ESCALATION_RECOMMENDED.value,
        AuditKind.HANDOFF_PREPARED.value,
    }
)
_MOST_MESSAGED: Final = 2


class NoSession(StrEnum):
    """Why a dispute with substance has no session."""

    TAKE_FAILED = "take_failed"
    ESCALATED_BEFORE = "escalated_before"
    """The verdict asked for a human before any take."""
    UNSAID = "unsaid"


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What the report says.

    Attributes:
        session_id: the newest session, None without one.
        state: that session's, as stored.
        label: the newest classification; None where there is none.
        messaged: parties we wrote to in that session, 0 to 2.
        no_session: why there is none.
    """

    session_id: str | None
    state: str | None
    label: Label | None
    messaged: int
    no_session: NoSession | None


_NEWEST_SESSION: Final = (
    sa.select(sessions.c.session_id, sessions.c.state)
    .where(sessions.c.dispute_id == sa.bindparam("of"))
    .order_by(sessions.c.started_at.desc(), sessions.c.session_id)
    .limit(1)
)
_MESSAGED: Final = sa.select(sa.func.count(messages.c.party.distinct())).where(
    messages.c.session_id == sa.bindparam("of"), messages.c.direction == OUTBOUND
)


def context(tx: sa.Connection, dispute_id: str) -> ReportContext | None:
    """Return what is to be reported of a dispute; None where there is nothing of substance."""
    session = tx.execute(_NEWEST_SESSION, {"of": dispute_id}).first()
    kinds = audit_trail.kinds_of_dispute(tx, dispute_id)
    if session is None and not kinds & SUBSTANCE:
        return None
    verdict = audit_trail.newest_of_dispute(tx, dispute_id, AuditKind.REASONING_VERDICT)
    if session is None:
        return ReportContext(
            session_id=None,
            state=None,
            label=_label(verdict),
            messaged=0,
            no_session=_why_no_session(tx, dispute_id, verdict),
        )
    produced = audit_trail.newest_of_session(
        tx, session.session_id, AuditKind.CLASSIFICATION_PRODUCED
    )
    messaged = tx.execute(_MESSAGED, {"of": session.session_id}).scalar_one()
    return ReportContext(
        session_id=session.session_id,
        state=session.state,
        label=_label(produced) or _label(verdict),
        messaged=min(messaged, _MOST_MESSAGED),
        no_session=None,
    )


def _why_no_session(tx: sa.Connection, dispute_id: str, verdict: AuditEvent | None) -> NoSession:
    take = audit_trail.newest_of_dispute(tx, dispute_id, AuditKind.TAKE_DISPUTE_ISSUED)
    if take is not None and take.payload.get("outcome") == OUTCOME_FAILURE:
        return NoSession.TAKE_FAILED
    kind = AuditKind.ESCALATION_RECOMMENDED
    escalated = audit_trail.newest_of_dispute(tx, dispute_id, kind) is not None
    decision = None if verdict is None else verdict.payload.get("decision")
    if escalated or decision == VerdictDecision.ESCALATE.value:
        return NoSession.ESCALATED_BEFORE
    return NoSession.UNSAID


def _label(event: AuditEvent | None) -> Label | None:
    """Read a label; what another program or a hand wrote may hold none."""
    if event is None:
        return None
    name, confidence = event.payload.get("classification"), event.payload.get("confidence")
    if not isinstance(confidence, int | float) or isinstance(confidence, bool):
        return None
    try:
        return Label(Classification(str(name)), float(confidence))
    except (ValueError, OverflowError):
        return None
