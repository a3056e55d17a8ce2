"""Mediation's audit trail of hand-offs that were dispatched, or could not be."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.mediation import AuditKind
from serbero.store.mediation_events import Pins, append


@dataclass(frozen=True, slots=True)
class HandoffEvent:
    """The ``handoff_prepared`` event these are about; session and pins are copied from it.

    Attributes:
        dispute_id: as its payload says, ``unknown`` where that cannot be read.
        pins: None where it has none.
    """

    id: int
    dispute_id: str
    session_id: str | None
    pins: Pins | None


def escalation_dispatched(
    tx: sa.Connection,
    handoff: HandoffEvent,
    at: int,
    *,
    dispatch_id: str,
    status: str,
    target_solver: str,
    fallback_broadcast: bool,
) -> int:
    """A hand-off was sent (``dispatched``), or reached nobody (``send_failed``)."""
    payload = {
        "dispatch_id": dispatch_id,
        "fallback_broadcast": fallback_broadcast,
        "status": status,
        "target_solver": target_solver,
    }
    return _append(tx, AuditKind.ESCALATION_DISPATCHED, handoff, payload, at)


def escalation_superseded(tx: sa.Connection, handoff: HandoffEvent, at: int) -> int:
    """The dispute was closed before its hand-off was sent."""
    payload: dict[str, object] = {"reason": "dispute_already_resolved"}
    return _append(tx, AuditKind.ESCALATION_SUPERSEDED, handoff, payload, at)


def escalation_dispatch_unroutable(
    tx: sa.Connection, handoff: HandoffEvent, at: int, *, solvers: int, to_all: bool
) -> int:
    """Nobody may receive it; ``solvers`` are configured."""
    payload: dict[str, object] = {
        "configured_solver_count": solvers,
        "fallback_to_all_solvers": to_all,
    }
    return _append(tx, AuditKind.ESCALATION_DISPATCH_UNROUTABLE, handoff, payload, at)


def escalation_dispatch_parse_failed(
    tx: sa.Connection, handoff: HandoffEvent, at: int, *, reason: str, detail: str
) -> int:
    """Its payload cannot be used; ``detail`` says why without repeating what stands there."""
    payload: dict[str, object] = {"detail": detail, "reason": reason}
    return _append(tx, AuditKind.ESCALATION_DISPATCH_PARSE_FAILED, handoff, payload, at)


def _append(
    tx: sa.Connection, kind: AuditKind, handoff: HandoffEvent, payload: dict[str, object], at: int
) -> int:
    about = {"dispute_id": handoff.dispute_id, "handoff_event_id": handoff.id}
    return append(
        tx,
        kind,
        payload | about,
        at,
        session_id=handoff.session_id,
        dispute_id=handoff.dispute_id,
        pins=handoff.pins,
    )
