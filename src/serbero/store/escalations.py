"""Handing a dispute to a human: ``escalation_recommended`` and ``handoff_prepared``, together.

At most one pair a session, and at most one of a dispute without a session. Nothing is sent here:
the caller enqueues what solvers are told in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.mediation import AuditKind, SessionState, Trigger
from serbero.store import audit_trail, handoffs
from serbero.store.mediation_events import Pins, append
from serbero.store.session_moves import IN_SESSION, MoveRefused, move


@dataclass(frozen=True, slots=True)
class Handoff:
    """Why a dispute goes to a human, in ids and fixed words.

    Attributes:
        trigger: which of the twelve.
        reason: what exactly, as a word or fixed words of ours; None leaves the key out.
        findings: what screening found in a text it stopped.
        evidence_refs: inner ids of messages.
        rationale_refs: ids of rationales.
        loaded_hash: the bundle we have, where the one needed is gone.
    """

    trigger: Trigger
    reason: str | None = None
    findings: Sequence[str] = ()
    evidence_refs: Sequence[str] = ()
    rationale_refs: Sequence[str] = ()
    loaded_hash: str | None = None


def escalation_recommended(
    tx: sa.Connection,
    dispute_id: str,
    handoff: Handoff,
    at: int,
    *,
    pins: Pins,
    session_id: str | None = None,
) -> int:
    """A human is asked to take over."""
    payload: dict[str, object] = {
        "dispute_id": dispute_id,
        "evidence_refs": list(handoff.evidence_refs),
        "rationale_refs": list(handoff.rationale_refs),
        "trigger": handoff.trigger.value,
    }
    if session_id is not None:
        payload["session_id"] = session_id
    if handoff.reason is not None:
        payload["reason"] = handoff.reason
    if handoff.findings:
        payload["findings"] = [str(each) for each in handoff.findings]
    if handoff.loaded_hash is not None:
        payload |= {"loaded_hash": handoff.loaded_hash, "pinned_hash": pins.policy_hash}
    kind = AuditKind.ESCALATION_RECOMMENDED
    return append(tx, kind, payload, at, session_id=session_id, dispute_id=dispute_id, pins=pins)


def handoff_prepared(
    tx: sa.Connection,
    dispute_id: str,
    handoff: Handoff,
    at: int,
    *,
    pins: Pins,
    session_id: str | None = None,
) -> int:
    """The package a dispatcher sends: keys in the reference's order, no session no key."""
    payload: dict[str, object] = {"dispute_id": dispute_id}
    if session_id is not None:
        payload["session_id"] = session_id
    payload |= {
        "trigger": handoff.trigger.value,
        "evidence_refs": list(handoff.evidence_refs),
        "prompt_bundle_id": pins.bundle_id,
        "policy_hash": pins.policy_hash,
        "rationale_refs": list(handoff.rationale_refs),
        "assembled_at": at,
    }
    kind = AuditKind.HANDOFF_PREPARED
    return append(
        tx,
        kind,
        payload,
        at,
        session_id=session_id,
        dispute_id=dispute_id,
        pins=pins,
        sort=False,
    )


@dataclass(frozen=True, slots=True)
class Escalated:
    """A hand-off on record.

    Attributes:
        session_id: None for a dispute nobody was asked about.
        handoff_event_id: what a dispatcher knows it by.
        was: the session's state before.
    """

    dispute_id: str
    session_id: str | None
    pins: Pins
    handoff_event_id: int
    was: SessionState | None


def escalate_session(
    tx: sa.Connection, session_id: str, handoff: Handoff, now: int
) -> Escalated | MoveRefused:
    """End a session's conversation and prepare its hand-off; any live session can."""
    moved = move(tx, session_id, SessionState.ESCALATION_RECOMMENDED, now)
    if isinstance(moved, MoveRefused):
        return moved
    event_id = _pair(tx, moved.dispute_id, handoff, now, moved.pins, session_id)
    return Escalated(moved.dispute_id, session_id, moved.pins, event_id, moved.current)


def escalate_dispute(
    tx: sa.Connection, dispute_id: str, handoff: Handoff, pins: Pins, now: int
) -> Escalated | None:
    """Prepare the hand-off of a dispute that has no session.

    Returns:
        None if it was escalated like this before, or has a session that is not over, whose own
        hand-off it would contradict; nothing was written then.
    """
    kind = AuditKind.ESCALATION_RECOMMENDED
    if tx.execute(IN_SESSION, {"dispute": dispute_id}).first() is not None:
        return None
    if audit_trail.newest_of_dispute(tx, dispute_id, kind) is not None:
        return None
    event_id = _pair(tx, dispute_id, handoff, now, pins, None)
    return Escalated(dispute_id, None, pins, event_id, None)


def _pair(
    tx: sa.Connection,
    dispute_id: str,
    handoff: Handoff,
    now: int,
    pins: Pins,
    session_id: str | None,
) -> int:
    escalation_recommended(tx, dispute_id, handoff, now, pins=pins, session_id=session_id)
    event_id = handoff_prepared(tx, dispute_id, handoff, now, pins=pins, session_id=session_id)
    handoffs.add(tx, event_id, dispute_id)
    return event_id
