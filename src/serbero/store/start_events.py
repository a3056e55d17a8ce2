"""The part of mediation's audit trail that comes before a session, or without one."""

from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind, StartTrigger, StopReason, Trigger, VerdictDecision
from serbero.store.mediation_events import Label, Pins, append

OUTCOME_SUCCESS: Final = "success"
OUTCOME_FAILURE: Final = "failure"


def start_attempt_started(
    tx: sa.Connection, dispute_id: str, trigger: StartTrigger, at: int
) -> int:
    """An attempt to start mediation begins."""
    payload = {"dispute_id": dispute_id, "trigger": trigger.value}
    return append(tx, AuditKind.START_ATTEMPT_STARTED, payload, at, dispute_id=dispute_id)


def start_attempt_stopped(
    tx: sa.Connection,
    dispute_id: str,
    reason: StopReason,
    at: int,
    *,
    pins: Pins | None = None,
    trigger: Trigger | None = None,
) -> int:
    """It ended without a session; ``trigger`` says why a human is asked instead."""
    payload = {"dispute_id": dispute_id, "reason": reason.value, "stop_reason": reason.value}
    if trigger is not None:
        payload["trigger"] = trigger.value
    kind = AuditKind.START_ATTEMPT_STOPPED
    return append(tx, kind, payload, at, dispute_id=dispute_id, pins=pins)


def reasoning_verdict(
    tx: sa.Connection,
    dispute_id: str,
    decision: VerdictDecision,
    label: Label,
    at: int,
    *,
    pins: Pins,
    rationale_id: str | None,
    trigger: Trigger | None = None,
) -> int:
    """What was decided about a dispute nobody was asked about yet."""
    payload: dict[str, object] = {
        "classification": label.classification.value,
        "confidence": label.stored,
        "decision": decision.value,
        "dispute_id": dispute_id,
    }
    if rationale_id is not None:
        payload["rationale_id"] = rationale_id
    if trigger is not None:
        payload["trigger"] = trigger.value
    kind = AuditKind.REASONING_VERDICT
    return append(
        tx, kind, payload, at, dispute_id=dispute_id, pins=pins, rationale_id=rationale_id
    )


def take_dispute_issued(
    tx: sa.Connection, dispute_id: str, at: int, *, pins: Pins, failure: str | None = None
) -> int:
    """How our take of a dispute ended; ``failure`` is a fixed word or words, None for success."""
    payload = {"dispute_id": dispute_id, "outcome": OUTCOME_SUCCESS}
    if failure is not None:
        payload |= {"outcome": OUTCOME_FAILURE, "reason": failure}
    kind = AuditKind.TAKE_DISPUTE_ISSUED
    return append(tx, kind, payload, at, dispute_id=dispute_id, pins=pins)


def auth_retry_attempt(tx: sa.Connection, attempt: int, error: str, at: int) -> int:
    """The node was found not to let us act; ``error`` is a fixed word or words."""
    return append(tx, AuditKind.AUTH_RETRY_ATTEMPT, {"attempt": attempt, "error": error}, at)


def auth_retry_recovered(tx: sa.Connection, attempt: int, at: int) -> int:
    """It lets us act again."""
    return append(tx, AuditKind.AUTH_RETRY_RECOVERED, {"attempt": attempt}, at)


def auth_retry_terminated(tx: sa.Connection, attempt: int, waited_seconds: int, at: int) -> int:
    """It is not asked any more for a while."""
    payload = {"attempt": attempt, "cumulative_secs": waited_seconds}
    return append(tx, AuditKind.AUTH_RETRY_TERMINATED, payload, at)
