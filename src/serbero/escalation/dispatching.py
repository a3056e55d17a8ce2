"""The transactions of a dispatch: one hand-off judged, enqueued, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

import sqlalchemy as sa
import structlog

from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.handoff import handoff
from serbero.model.handoff import BadPackage, HandoffPackage, read_package, route_handoff
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.texts import BadFilling, Fixed
from serbero.store import audit_trail, dispatch_events, disputes, handoffs, journal
from serbero.store.believed_time import believed
from serbero.store.dispatch_events import HandoffEvent
from serbero.store.handoffs import Parked, Pending, UnderWay
from serbero.store.outbox_work import Row

DISPATCHED: Final = "dispatched"
SEND_FAILED: Final = "send_failed"
DESERIALIZE_FAILED: Final = "deserialize_failed"
ORPHAN: Final = "orphan_dispute_reference"

_HANDOFF: Final = Kind(
    Purpose.HANDOFF, NotificationType.MEDIATION_ESCALATION_RECOMMENDED, Urgency.ALERT
)

_log = structlog.get_logger(__name__)

Deadline = Callable[[sa.Connection, str], Fixed | None]
"""``deadline(tx, dispute_id)``: the line that says when the escrow ends, where that is known."""

OnDispatched = Callable[[sa.Connection, Pending, HandoffPackage, int], None]
"""``on_dispatched(tx, pending, package, now)``: what begins with a dispatch."""


def no_deadline(_tx: sa.Connection, _dispute_id: str) -> None:
    """The :data:`Deadline` of a configuration that wants none."""


def nothing_begins(
    _tx: sa.Connection, _pending: Pending, _package: HandoffPackage, _now: int
) -> None:
    """The :data:`OnDispatched` where reminders are off."""


class Outcome(StrEnum):
    """What became of a hand-off."""

    ENQUEUED = "enqueued"
    SEND_FAILED = "send_failed"
    SUPERSEDED = "superseded"
    UNROUTABLE = "unroutable"
    EXPIRED = "expired"
    PARSE_FAILED = "parse_failed"
    GONE = "gone"
    """Somebody dealt with it meanwhile."""


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """How hand-offs are dispatched.

    Attributes:
        audience: every solver.
        fallback_to_all: to all of them, for want of one who may write.
        max_age_seconds: older ones rest; 0 is no limit.
        deadline: the escrow's line.
        on_dispatched: what begins with a dispatch.
    """

    audience: Audience
    fallback_to_all: bool
    max_age_seconds: int = 0
    deadline: Deadline = no_deadline
    on_dispatched: OnDispatched = nothing_begins


def dispatch(tx: sa.Connection, rules: DispatchRules, event_id: int, at_ms: int) -> Outcome:
    """Judge one hand-off and enqueue it, or write down why not.

    Args:
        tx: the transaction.
        rules: how.
        event_id: of its ``handoff_prepared``.
        at_ms: Unix milliseconds.
    """
    now = at_ms // 1000
    pending = handoffs.load(tx, event_id)
    if pending is None:
        return Outcome.GONE
    package = read_package(pending.payload)
    if isinstance(package, BadPackage):
        return _unreadable(tx, pending, package.dispute_id, DESERIALIZE_FAILED, package.detail, now)
    known = disputes.load_known(tx, [package.dispute_id]).get(package.dispute_id)
    if known is None:
        detail = "dispute_id not found"
        return _unreadable(tx, pending, package.dispute_id, ORPHAN, detail, now)
    about = _about(pending, package.dispute_id)
    if known.state is Lifecycle.RESOLVED:
        handoffs.park(tx, event_id, Parked.SUPERSEDED)
        if not _said_before(tx, about, AuditKind.ESCALATION_SUPERSEDED):
            dispatch_events.escalation_superseded(tx, about, now)
        return Outcome.SUPERSEDED
    age = believed(tx, now) - pending.at
    if rules.max_age_seconds and age > rules.max_age_seconds:
        handoffs.park(tx, event_id, Parked.EXPIRED)
        payload = {"handoff_event_id": event_id, "age_seconds": age}
        journal.write(tx, "handoff_expired", now, dispute_id=package.dispute_id, payload=payload)
        return Outcome.EXPIRED
    return _send(tx, rules, pending, package, at_ms)


def _send(
    tx: sa.Connection,
    rules: DispatchRules,
    pending: Pending,
    package: HandoffPackage,
    at_ms: int,
) -> Outcome:
    now, audience = at_ms // 1000, rules.audience
    about = _about(pending, package.dispute_id)
    assigned = disputes.assigned_solver(tx, package.dispute_id)
    route = route_handoff(audience.solvers, assigned, fallback_to_all=rules.fallback_to_all)
    if not route.routable:
        handoffs.park(tx, pending.event_id, Parked.UNROUTABLE)
        if not _said_before(tx, about, AuditKind.ESCALATION_DISPATCH_UNROUTABLE):
            dispatch_events.escalation_dispatch_unroutable(
                tx, about, now, solvers=len(audience.solvers), to_all=False
            )
        return Outcome.UNROUTABLE
    deadline = rules.deadline(tx, package.dispute_id)
    try:
        text = handoff(package, *(() if deadline is None else (deadline,)))
    except BadFilling as error:
        return _unreadable(tx, pending, package.dispute_id, DESERIALIZE_FAILED, str(error), now)
    message = Message(_HANDOFF, package.dispute_id, str(pending.event_id), text, pending.session_id)
    added = announce(tx, audience.only(route.recipients), message, at_ms)
    one = UnderWay(
        event_id=pending.event_id,
        dispatch_id=str(uuid4()),
        dispute_id=package.dispute_id,
        session_id=pending.session_id,
        target_solver=",".join(each.typed for each in route.recipients),
        fallback=route.fallback,
        enqueued_at=now,
    )
    handoffs.begin_dispatch(tx, one)
    rules.on_dispatched(tx, pending, package, now)
    if not added and not handoffs.may_arrive(tx, one):
        conclude(tx, one, SEND_FAILED, now)
        return Outcome.SEND_FAILED
    return Outcome.ENQUEUED


def conclude(tx: sa.Connection, one: UnderWay, status: str, now: int) -> None:
    """Write the dispatch with its event, together."""
    pending = handoffs.finish_dispatch(tx, one, status)
    pins = None if pending is None else pending.pins
    dispatch_events.escalation_dispatched(
        tx,
        HandoffEvent(one.event_id, one.dispute_id, one.session_id, pins),
        now,
        dispatch_id=one.dispatch_id,
        status=status,
        target_solver=one.target_solver,
        fallback_broadcast=one.fallback,
    )
    if status == SEND_FAILED:
        _log.error(
            "phase4_dispatch: nobody has the hand-off",
            dispute_id=one.dispute_id,
            handoff_event_id=one.event_id,
            remedy="see `serbero doctor` for the solvers' keys and relays",
        )


def _about(pending: Pending, dispute_id: str) -> HandoffEvent:
    return HandoffEvent(pending.event_id, dispute_id, pending.session_id, pending.pins)


def _said_before(tx: sa.Connection, about: HandoffEvent, kind: AuditKind) -> bool:
    """Whether the newest event of a kind about this dispute or session names this hand-off."""
    event = (
        audit_trail.newest_of_dispute(tx, about.dispute_id, kind)
        if about.session_id is None
        else audit_trail.newest_of_session(tx, about.session_id, kind)
    )
    return event is not None and event.payload.get("handoff_event_id") == about.id


def _unreadable(
    tx: sa.Connection, pending: Pending, dispute_id: str, reason: str, detail: str, now: int
) -> Outcome:
    handoffs.consume(tx, pending.event_id)
    dispatch_events.escalation_dispatch_parse_failed(
        tx, _about(pending, dispute_id), now, reason=reason, detail=detail
    )
    return Outcome.PARSE_FAILED


def handoff_sent(tx: sa.Connection, row: Row, now: int) -> None:
    """A relay took a hand-off for one solver: it is dispatched."""
    one = _of(tx, row)
    if one is not None:
        conclude(tx, one, DISPATCHED, now)


def handoff_dead(tx: sa.Connection, row: Row, now: int) -> None:
    """It reached this solver nowhere; the last one's makes it everybody's."""
    one = _of(tx, row)
    if one is not None and not handoffs.may_arrive(tx, one):
        conclude(tx, one, SEND_FAILED, now)


def conclude_stranded(tx: sa.Connection, now: int) -> int:
    """Conclude what nothing is tried for any more, as after a solver was removed."""
    stranded = [one for one in handoffs.all_under_way(tx) if not handoffs.may_arrive(tx, one)]
    for one in stranded:
        conclude(tx, one, SEND_FAILED, now)
    return len(stranded)


def _of(tx: sa.Connection, row: Row) -> UnderWay | None:
    return handoffs.under_way(tx, int(row.anchor)) if row.anchor.isdigit() else None
