"""Mediation's audit trail (``mediation_events``), one typed writer for each kind. Append-only.

Payloads hold ids, states, labels, numbers and fixed words, never a text of a model or a party:
rationales stand in their own table alone. Every key is the reference's; a few are added. The four
kinds about dispatched hand-offs are in :mod:`serbero.store.dispatch_events`, those before a session
in :mod:`serbero.store.start_events`, an escalation's pair in :mod:`serbero.store.escalations`.

Writers return the event's id, which orders the trail.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind, SessionState
from serbero.model.party import Party
from serbero.model.reasoning import Classification
from serbero.store.mediation_schema import dispute_events, events

_INSERT: Final = sa.insert(events)
_INSERT_OF_DISPUTE: Final = sa.insert(dispute_events)


@dataclass(frozen=True, slots=True)
class Pins:
    """Which prompts a row was made under.

    Attributes:
        bundle_id: as configured.
        policy_hash: of the exact bytes, hex.
    """

    bundle_id: str
    policy_hash: str


@dataclass(frozen=True, slots=True)
class Label:
    """What a model made of a dispute.

    Attributes:
        confidence: 0 to 1; anything else is stored as the nearest of these, no number as 0.
    """

    classification: Classification
    confidence: float

    @property
    def stored(self) -> float:
        """The confidence as it may stand in a column or a payload."""
        if not math.isfinite(self.confidence):
            return 0.0
        return min(1.0, max(0.0, float(self.confidence)))


@dataclass(frozen=True, slots=True)
class FailedCall:
    """A call of a model that brought no answer.

    Attributes:
        category: which fault (``serbero.reasoning``'s word).
        attempts: requests sent.
    """

    provider: str
    model: str
    category: str
    attempts: int = 1


def compact(payload: Mapping[str, object], *, sort: bool = True) -> str:
    """Return a payload as it is stored: compact JSON, keys in order of the alphabet."""
    return json.dumps(
        payload, sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def append(
    tx: sa.Connection,
    kind: AuditKind,
    payload: Mapping[str, object],
    at: int,
    *,
    session_id: str | None = None,
    dispute_id: str | None = None,
    pins: Pins | None = None,
    rationale_id: str | None = None,
    sort: bool = True,
) -> int:
    """Append one event; for this module and those of other kinds beside it.

    Without a session it is filed under ``dispute_id``; without either it is daemon-wide.
    """
    result = tx.execute(
        _INSERT,
        {
            "session_id": session_id,
            "kind": kind.value,
            "payload_json": compact(payload, sort=sort),
            "rationale_id": rationale_id,
            "prompt_bundle_id": None if pins is None else pins.bundle_id,
            "policy_hash": None if pins is None else pins.policy_hash,
            "occurred_at": at,
        },
    )
    [event_id] = result.inserted_primary_key or (0,)
    if session_id is None and dispute_id is not None:
        tx.execute(
            _INSERT_OF_DISPUTE,
            {"dispute_id": dispute_id, "kind": kind.value, "event_id": event_id},
        )
    return int(event_id)


def reasoning_call_failed(
    tx: sa.Connection,
    dispute_id: str,
    call: FailedCall,
    at: int,
    *,
    pins: Pins,
    session_id: str | None = None,
) -> int:
    """A model gave no usable answer."""
    payload = {
        "attempt_count": call.attempts,
        "dispute_id": dispute_id,
        "error_category": call.category,
        "model": call.model,
        "provider": call.provider,
    }
    kind = AuditKind.REASONING_CALL_FAILED
    return append(tx, kind, payload, at, session_id=session_id, dispute_id=dispute_id, pins=pins)


def session_opened(tx: sa.Connection, session_id: str, at: int, *, pins: Pins) -> int:
    """A session exists."""
    return append(tx, AuditKind.SESSION_OPENED, {}, at, session_id=session_id, pins=pins)


def classification_produced(
    tx: sa.Connection, session_id: str, label: Label, rationale_id: str, at: int, *, pins: Pins
) -> int:
    """A model classified the dispute of a session."""
    return _labelled(
        tx, AuditKind.CLASSIFICATION_PRODUCED, session_id, label, rationale_id, at, pins
    )


def summary_generated(
    tx: sa.Connection, session_id: str, label: Label, rationale_id: str, at: int, *, pins: Pins
) -> int:
    """A summary for the solvers was made and kept."""
    return _labelled(tx, AuditKind.SUMMARY_GENERATED, session_id, label, rationale_id, at, pins)


def _labelled(
    tx: sa.Connection,
    kind: AuditKind,
    session_id: str,
    label: Label,
    rationale_id: str,
    at: int,
    pins: Pins,
) -> int:
    payload = {
        "classification": label.classification.value,
        "confidence": label.stored,
        "rationale_id": rationale_id,
    }
    return append(
        tx, kind, payload, at, session_id=session_id, pins=pins, rationale_id=rationale_id
    )


def outbound_sent(
    tx: sa.Connection, session_id: str, inner_id: str, address: str, at: int, *, pins: Pins
) -> int:
    """A relay took a message of ours to a party."""
    payload = {"inner_event_id": inner_id, "shared_pubkey": address}
    return append(tx, AuditKind.OUTBOUND_SENT, payload, at, session_id=session_id, pins=pins)


def inbound_ingested(
    tx: sa.Connection,
    session_id: str,
    inner_id: str,
    party: Party,
    at: int,
    *,
    stale: bool,
    pins: Pins,
) -> int:
    """A message of a party was stored."""
    payload = {"inner_event_id": inner_id, "party": party.value, "stale": stale}
    return append(tx, AuditKind.INBOUND_INGESTED, payload, at, session_id=session_id, pins=pins)


def state_transition(
    tx: sa.Connection,
    session_id: str,
    current: SessionState,
    wanted: SessionState,
    at: int,
    *,
    pins: Pins,
) -> int:
    """A session moved where no other kind says so."""
    payload = {"from": current.value, "to": wanted.value}
    return append(tx, AuditKind.STATE_TRANSITION, payload, at, session_id=session_id, pins=pins)


def superseded_by_human(
    tx: sa.Connection,
    session_id: str,
    dispute_id: str,
    at: int,
    *,
    event_id: str,
    reason: str,
    status: str,
    pins: Pins,
) -> int:
    """The dispute is somebody else's, or closed, by revision ``event_id`` of ``status``."""
    payload = {
        "dispute_id": dispute_id,
        "event_id": event_id,
        "reason": reason,
        "resolution_status": status,
    }
    kind = AuditKind.SUPERSEDED_BY_HUMAN
    return append(tx, kind, payload, at, session_id=session_id, pins=pins)


def session_closed(
    tx: sa.Connection, session_id: str, dispute_id: str, at: int, *, reason: str, pins: Pins
) -> int:
    """A session is over."""
    payload = {"dispute_id": dispute_id, "reason": reason}
    return append(tx, AuditKind.SESSION_CLOSED, payload, at, session_id=session_id, pins=pins)


def authorization_lost(
    tx: sa.Connection, session_id: str, dispute_id: str, at: int, *, pins: Pins
) -> int:
    """The node stopped letting us act while a session was open."""
    payload = {"dispute_id": dispute_id, "session_id": session_id}
    kind = AuditKind.AUTHORIZATION_LOST
    return append(tx, kind, payload, at, session_id=session_id, pins=pins)


@dataclass(frozen=True, slots=True)
class Report:
    """The final report about a dispute, as far as it is kept.

    Attributes:
        narrative: sentences of ours, filled with ids, states, labels and numbers.
        messaged: parties we wrote to, 0 to 2.
    """

    dispute_id: str
    session_id: str | None
    final_status: str
    narrative: str
    messaged: int
    label: Label | None


def resolved_externally_reported(tx: sa.Connection, report: Report, at: int) -> int:
    """The final report was decided, with the resolution that causes it."""
    label = report.label
    payload = {
        "classification": None if label is None else label.classification.value,
        "confidence": None if label is None else label.stored,
        "dispute_id": report.dispute_id,
        "final_dispute_status": report.final_status,
        "narrative": report.narrative,
        "outbound_party_messages_count": report.messaged,
        "session_id": report.session_id,
    }
    kind = AuditKind.RESOLVED_EXTERNALLY_REPORTED
    return append(tx, kind, payload, at, session_id=report.session_id, dispute_id=report.dispute_id)
