"""What solvers are told of a mediation, enqueued in the transaction of the decision that causes it.

Each message is told once; telling it again changes nothing. Log lines hold ids and counts only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.mediation.routing import route
from serbero.messages import handover as texts
from serbero.model.handoff import route_handoff
from serbero.model.lifecycle import DisputeStatus
from serbero.model.mediation import AuditKind, Trigger
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.people import Solver
from serbero.model.texts import VettedText
from serbero.store import (
    audit_trail,
    disputes,
    mediation_events,
    outbox,
    resolution_report,
    sessions,
)
from serbero.store.mediation_events import Label
from serbero.store.resolution_report import ReportContext
from serbero.store.summaries import StoredSummary

_ESCALATION: Final = Kind(
    Purpose.MEDIATION_ESCALATION,
    NotificationType.MEDIATION_ESCALATION_RECOMMENDED,
    Urgency.ALERT,
)
_SUMMARY: Final = Kind(
    Purpose.MEDIATION_SUMMARY, NotificationType.MEDIATION_SUMMARY, Urgency.NOTICE
)
_REPORT: Final = Kind(
    Purpose.RESOLUTION_REPORT, NotificationType.MEDIATION_RESOLUTION_REPORT, Urgency.NOTICE
)
_BEFORE_TAKE: Final = "before_take"
"""Anchor of the one escalation a dispute can have outside its sessions."""
_ONCE: Final = "once"
"""Anchor of what is told once a dispute."""

_log = structlog.get_logger(__name__)


def tell_escalated(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    trigger: Trigger,
    at_ms: int,
    *,
    session_id: str | None,
) -> int:
    """Ask for a human; return how many rows were enqueued.

    Args:
        tx: the transaction that escalates.
        audience: everybody configured; who of them is told depends on whom the dispute is
            assigned to, unless it has no session.
        dispute_id: which dispute.
        trigger: why.
        at_ms: Unix milliseconds.
        session_id: which session of it ends, None before any take.
    """
    if session_id is None:
        chosen: tuple[Solver, ...] = audience.solvers
        text = texts.escalated_before_take(dispute_id, trigger)
    else:
        chosen = _routed(tx, audience, dispute_id)
        text = texts.session_escalated(session_id, dispute_id, trigger)
    anchor = session_id or _BEFORE_TAKE
    message = Message(_ESCALATION, dispute_id, anchor, text, session_id)
    left = _without_handoff(tx, audience, dispute_id, chosen)
    return tell(tx, audience, left, message, at_ms) if left or not chosen else 0


def _without_handoff(
    tx: sa.Connection, audience: Audience, dispute_id: str, chosen: Sequence[Solver]
) -> tuple[Solver, ...]:
    """Leave out who will get the hand-off itself, which says the same and more."""
    if audience.handoffs_fall_back is None:
        return tuple(chosen)
    assigned = disputes.assigned_solver(tx, dispute_id)
    route = route_handoff(audience.solvers, assigned, fallback_to_all=audience.handoffs_fall_back)
    return tuple(each for each in chosen if each not in route.recipients)


@dataclass(frozen=True, slots=True)
class Told:
    """Whom a summary was addressed to.

    Attributes:
        configured: solvers it is meant for, those who cannot be reached included; without any
            nobody can decide.
        enqueued: outbox rows that carry it, those of an earlier call included; without any all
            its sends have failed.
    """

    configured: int
    enqueued: int


def tell_summary(
    tx: sa.Connection,
    audience: Audience,
    summary: StoredSummary,
    body: VettedText,
    next_step: VettedText,
    at_ms: int,
) -> Told:
    """Hand a summary to whoever decides.

    Args:
        tx: the transaction that stores it, or a later one.
        audience: everybody configured.
        summary: what was stored.
        body: its words as the policy released them.
        next_step: likewise.
        at_ms: Unix milliseconds.
    """
    dispute_id, session_id = summary.dispute_id, summary.session_id
    chosen = _routed(tx, audience, dispute_id)
    label = _labelled(summary.label)
    text = texts.summary(dispute_id, session_id, label, body, next_step)
    anchor = f"{session_id}.{summary.id}"
    tell(tx, audience, chosen, Message(_SUMMARY, dispute_id, anchor, text, session_id), at_ms)
    rows = outbox.recipients_of(tx, dispute_id, _SUMMARY.purpose, anchor)
    return Told(configured=len(chosen), enqueued=len(rows))


def tell_report(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    final_status: DisputeStatus,
    at_ms: int,
) -> bool:
    """Report how a dispute ended, where mediation had to do with it, once.

    Args:
        tx: the transaction that resolves it, after its sessions were closed.
        audience: everybody configured.
        dispute_id: which dispute.
        final_status: how it was closed.
        at_ms: Unix milliseconds.

    Returns:
        Whether it was reported now; False if there is nothing to tell, or it was told before.
    """
    if _was_reported(tx, dispute_id):
        return False
    context = resolution_report.context(tx, dispute_id)
    if context is None:
        return False
    report = _report(dispute_id, final_status, context)
    kept = mediation_events.Report(
        dispute_id=dispute_id,
        session_id=context.session_id,
        final_status=final_status.value,
        narrative=texts.narrative(report).text,
        messaged=context.messaged,
        label=context.label,
    )
    mediation_events.resolved_externally_reported(tx, kept, at_ms // 1000)
    text = texts.resolution_report(report)
    message = Message(_REPORT, dispute_id, _ONCE, text, context.session_id)
    tell(tx, audience, _routed(tx, audience, dispute_id), message, at_ms)
    return True


def tell(
    tx: sa.Connection,
    audience: Audience,
    chosen: Sequence[Solver],
    message: Message,
    at_ms: int,
) -> int:
    """Enqueue a message to some of the audience; return how many rows were added.

    Args:
        tx: the transaction of the decision.
        audience: everybody configured.
        chosen: who of them is told; nobody is warned of.
        message: what.
        at_ms: Unix milliseconds.
    """
    if not chosen:
        _log.warning(
            "no_solver_to_tell",
            dispute_id=message.dispute_id,
            session_id=message.session_id,
            purpose=message.kind.purpose.value,
            remedy='add [[solvers]]; a brief needs one with permission = "write"',
        )
        return 0
    return announce(tx, audience.only(chosen), message, at_ms)


def _routed(tx: sa.Connection, audience: Audience, dispute_id: str) -> tuple[Solver, ...]:
    """Return who is told about a dispute; nobody if it is not there, rather than everybody."""
    if dispute_id not in disputes.load_known(tx, [dispute_id]):
        _log.warning("dispute_unknown", dispute_id=dispute_id, consequence="nobody is told")
        return ()
    routed = route(audience.solvers, disputes.assigned_solver(tx, dispute_id), audience.sender)
    if routed.stranger:
        _log.warning(
            "assigned_solver_unknown",
            dispute_id=dispute_id,
            consequence="everybody is told",
            remedy="add the solver who has this dispute to [[solvers]]",
        )
    return routed.recipients


def _labelled(label: Label) -> texts.Labelled:
    return texts.Labelled(label.classification, label.stored)


def _was_reported(tx: sa.Connection, dispute_id: str) -> bool:
    """Whether a report is on record, with or without a session."""
    kind = AuditKind.RESOLVED_EXTERNALLY_REPORTED
    if audit_trail.newest_of_dispute(tx, dispute_id, kind) is not None:
        return True
    return any(
        audit_trail.newest_of_session(tx, each.session_id, kind) is not None
        for each in sessions.of_dispute(tx, dispute_id)
    )


def _report(dispute_id: str, status: DisputeStatus, context: ReportContext) -> texts.Report:
    return texts.Report(
        dispute_id=dispute_id,
        status=status.value,
        session_id=context.session_id,
        state=context.state,
        label=None if context.label is None else _labelled(context.label),
        messaged=context.messaged,
        no_session=None if context.no_session is None else context.no_session.value,
    )
