"""Every kind of the audit trail, with the keys other programs read, its scope and its pins."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from tests.store.mediation_rig import LABEL, PINS, opened, rationale
from tests.store.rig import T0, Database, dispute_id

import serbero.store
from serbero.model.mediation import (
    AuditKind,
    SessionState,
    StartTrigger,
    StopReason,
    Trigger,
    VerdictDecision,
)
from serbero.model.party import Party
from serbero.store import (
    audit_trail,
    dispatch_events,
    escalations,
    mediation_events,
    rationales,
    start_events,
)
from serbero.store.dispatch_events import HandoffEvent
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import FailedCall, Report

D: Final = dispute_id(1)
CALL: Final = FailedCall("openai", "gpt", "timeout", 3)
HANDOFF: Final = Handoff(Trigger.ROUND_LIMIT)
GLOBAL: Final = "global"
DISPUTE: Final = "dispute"
SESSION: Final = "session"

Writer = Callable[[sa.Connection, str, str], int]
"""Of a transaction, a session and a rationale."""

LABELLED: Final = {"classification", "confidence", "rationale_id"}
ESCALATION: Final = {"dispute_id", "evidence_refs", "rationale_refs", "trigger"}
PACKAGE: Final = {
    "dispute_id",
    "trigger",
    "evidence_refs",
    "prompt_bundle_id",
    "policy_hash",
    "rationale_refs",
    "assembled_at",
}
REPORT: Final = {
    "classification",
    "confidence",
    "dispute_id",
    "final_dispute_status",
    "narrative",
    "outbound_party_messages_count",
    "session_id",
}


def about(session: str | None) -> HandoffEvent:
    return HandoffEvent(1, D, session, PINS)


def verdict(tx: sa.Connection, said: VerdictDecision, why: str, trigger: Trigger | None) -> int:
    return start_events.reasoning_verdict(
        tx, D, said, LABEL, T0, pins=PINS, rationale_id=why, trigger=trigger
    )


KINDS: Final[list[tuple[AuditKind, str, bool, set[str], Writer]]] = [
    (
        AuditKind.START_ATTEMPT_STARTED,
        DISPUTE,
        False,
        {"dispute_id", "trigger"},
        lambda tx, _s, _r: start_events.start_attempt_started(tx, D, StartTrigger.TICK_RETRY, T0),
    ),
    (
        AuditKind.START_ATTEMPT_STOPPED,
        DISPUTE,
        False,
        {"dispute_id", "reason", "stop_reason"},
        lambda tx, _s, _r: start_events.start_attempt_stopped(tx, D, StopReason.INELIGIBLE, T0),
    ),
    (
        AuditKind.START_ATTEMPT_STOPPED,
        DISPUTE,
        True,
        {"dispute_id", "reason", "stop_reason", "trigger"},
        lambda tx, _s, _r: start_events.start_attempt_stopped(
            tx, D, StopReason.POLICY_ESCALATE, T0, pins=PINS, trigger=Trigger.FRAUD_INDICATOR
        ),
    ),
    (
        AuditKind.REASONING_VERDICT,
        DISPUTE,
        True,
        LABELLED | {"decision", "dispute_id"},
        lambda tx, _s, r: verdict(tx, VerdictDecision.ASK_CLARIFICATION, r, None),
    ),
    (
        AuditKind.REASONING_VERDICT,
        DISPUTE,
        True,
        LABELLED | {"decision", "dispute_id", "trigger"},
        lambda tx, _s, r: verdict(tx, VerdictDecision.ESCALATE, r, Trigger.LOW_CONFIDENCE),
    ),
    (
        AuditKind.TAKE_DISPUTE_ISSUED,
        DISPUTE,
        True,
        {"dispute_id", "outcome"},
        lambda tx, _s, _r: start_events.take_dispute_issued(tx, D, T0, pins=PINS),
    ),
    (
        AuditKind.TAKE_DISPUTE_ISSUED,
        DISPUTE,
        True,
        {"dispute_id", "outcome", "reason"},
        lambda tx, _s, _r: start_events.take_dispute_issued(tx, D, T0, pins=PINS, failure="no"),
    ),
    (
        AuditKind.SESSION_OPENED,
        SESSION,
        True,
        set(),
        lambda tx, s, _r: mediation_events.session_opened(tx, s, T0, pins=PINS),
    ),
    (
        AuditKind.CLASSIFICATION_PRODUCED,
        SESSION,
        True,
        LABELLED,
        lambda tx, s, r: mediation_events.classification_produced(tx, s, LABEL, r, T0, pins=PINS),
    ),
    (
        AuditKind.SUMMARY_GENERATED,
        SESSION,
        True,
        LABELLED,
        lambda tx, s, r: mediation_events.summary_generated(tx, s, LABEL, r, T0, pins=PINS),
    ),
    (
        AuditKind.OUTBOUND_SENT,
        SESSION,
        True,
        {"inner_event_id", "shared_pubkey"},
        lambda tx, s, _r: mediation_events.outbound_sent(tx, s, "1a", "b0", T0, pins=PINS),
    ),
    (
        AuditKind.INBOUND_INGESTED,
        SESSION,
        True,
        {"inner_event_id", "party", "stale"},
        lambda tx, s, _r: mediation_events.inbound_ingested(
            tx, s, "1a", Party.BUYER, T0, stale=True, pins=PINS
        ),
    ),
    *(
        (
            AuditKind.REASONING_CALL_FAILED,
            scope,
            True,
            {"attempt_count", "dispute_id", "error_category", "model", "provider"},
            writer,
        )
        for scope, writer in (
            (
                DISPUTE,
                lambda tx, _s, _r: mediation_events.reasoning_call_failed(
                    tx, D, CALL, T0, pins=PINS
                ),
            ),
            (
                SESSION,
                lambda tx, s, _r: mediation_events.reasoning_call_failed(
                    tx, D, CALL, T0, pins=PINS, session_id=s
                ),
            ),
        )
    ),
    (
        AuditKind.STATE_TRANSITION,
        SESSION,
        True,
        {"from", "to"},
        lambda tx, s, _r: mediation_events.state_transition(
            tx, s, SessionState.AWAITING_RESPONSE, SessionState.CLASSIFIED, T0, pins=PINS
        ),
    ),
    (
        AuditKind.ESCALATION_RECOMMENDED,
        DISPUTE,
        True,
        ESCALATION,
        lambda tx, _s, _r: escalations.escalation_recommended(tx, D, HANDOFF, T0, pins=PINS),
    ),
    (
        AuditKind.ESCALATION_RECOMMENDED,
        SESSION,
        True,
        ESCALATION | {"session_id", "reason", "findings"},
        lambda tx, s, _r: escalations.escalation_recommended(
            tx,
            D,
            Handoff(Trigger.AUTHORITY_BOUNDARY_ATTEMPT, "text_stopped", ["link"]),
            T0,
            pins=PINS,
            session_id=s,
        ),
    ),
    (
        AuditKind.HANDOFF_PREPARED,
        DISPUTE,
        True,
        PACKAGE,
        lambda tx, _s, _r: escalations.handoff_prepared(tx, D, HANDOFF, T0, pins=PINS),
    ),
    (
        AuditKind.HANDOFF_PREPARED,
        SESSION,
        True,
        PACKAGE | {"session_id"},
        lambda tx, s, _r: escalations.handoff_prepared(tx, D, HANDOFF, T0, pins=PINS, session_id=s),
    ),
    (
        AuditKind.SUPERSEDED_BY_HUMAN,
        SESSION,
        True,
        {"dispute_id", "event_id", "reason", "resolution_status"},
        lambda tx, s, _r: mediation_events.superseded_by_human(
            tx, s, D, T0, event_id="e", reason="r", status="settled", pins=PINS
        ),
    ),
    (
        AuditKind.SESSION_CLOSED,
        SESSION,
        True,
        {"dispute_id", "reason"},
        lambda tx, s, _r: mediation_events.session_closed(tx, s, D, T0, reason="r", pins=PINS),
    ),
    (
        AuditKind.RESOLVED_EXTERNALLY_REPORTED,
        DISPUTE,
        False,
        REPORT,
        lambda tx, _s, _r: mediation_events.resolved_externally_reported(
            tx, Report(D, None, "settled", "Closed.", 0, None), T0
        ),
    ),
    (
        AuditKind.RESOLVED_EXTERNALLY_REPORTED,
        SESSION,
        False,
        REPORT,
        lambda tx, s, _r: mediation_events.resolved_externally_reported(
            tx, Report(D, s, "settled", "Closed.", 2, LABEL), T0
        ),
    ),
    (
        AuditKind.AUTHORIZATION_LOST,
        SESSION,
        True,
        {"dispute_id", "session_id"},
        lambda tx, s, _r: mediation_events.authorization_lost(tx, s, D, T0, pins=PINS),
    ),
    (
        AuditKind.AUTH_RETRY_ATTEMPT,
        GLOBAL,
        False,
        {"attempt", "error"},
        lambda tx, _s, _r: start_events.auth_retry_attempt(tx, 1, "refused", T0),
    ),
    (
        AuditKind.AUTH_RETRY_RECOVERED,
        GLOBAL,
        False,
        {"attempt"},
        lambda tx, _s, _r: start_events.auth_retry_recovered(tx, 3, T0),
    ),
    (
        AuditKind.AUTH_RETRY_TERMINATED,
        GLOBAL,
        False,
        {"attempt", "cumulative_secs"},
        lambda tx, _s, _r: start_events.auth_retry_terminated(tx, 24, 79_000, T0),
    ),
    (
        AuditKind.ESCALATION_DISPATCHED,
        SESSION,
        True,
        {
            "dispatch_id",
            "dispute_id",
            "fallback_broadcast",
            "handoff_event_id",
            "status",
            "target_solver",
        },
        lambda tx, s, _r: dispatch_events.escalation_dispatched(
            tx,
            about(s),
            T0,
            dispatch_id="d",
            status="dispatched",
            target_solver="x,y",
            fallback_broadcast=False,
        ),
    ),
    (
        AuditKind.ESCALATION_SUPERSEDED,
        DISPUTE,
        True,
        {"dispute_id", "handoff_event_id", "reason"},
        lambda tx, _s, _r: dispatch_events.escalation_superseded(tx, about(None), T0),
    ),
    (
        AuditKind.ESCALATION_DISPATCH_UNROUTABLE,
        DISPUTE,
        True,
        {
            "configured_solver_count",
            "dispute_id",
            "fallback_to_all_solvers",
            "handoff_event_id",
        },
        lambda tx, _s, _r: dispatch_events.escalation_dispatch_unroutable(
            tx, about(None), T0, solvers=2, to_all=False
        ),
    ),
    (
        AuditKind.ESCALATION_DISPATCH_PARSE_FAILED,
        SESSION,
        True,
        {"detail", "dispute_id", "handoff_event_id", "reason"},
        lambda tx, s, _r: dispatch_events.escalation_dispatch_parse_failed(
            tx, about(s), T0, reason="deserialize_failed", detail="no object"
        ),
    ),
]


def test_every_kind_has_a_writer() -> None:
    assert {kind for kind, *_ in KINDS} == set(AuditKind)


@pytest.mark.parametrize(
    ("kind", "scope", "pinned", "keys", "writer"),
    KINDS,
    ids=[f"{kind} {scope} {number}" for number, (kind, scope, *_) in enumerate(KINDS)],
)
def test_a_kind_is_written_as_documented(
    database: Database, kind: AuditKind, scope: str, keys: set[str], writer: Writer, *, pinned: bool
) -> None:
    session = opened(database)
    why = database.run(rationales.save, rationale(D, session, "secret words"), T0)
    event_id = database.run(writer, session, why)
    [row] = database.rows(
        "SELECT session_id, kind, payload_json, rationale_id, prompt_bundle_id, policy_hash,"
        " occurred_at FROM mediation_events WHERE id = ?",
        event_id,
    )
    payload = json.loads(row[2])
    assert (row[0], row[1], row[6]) == (session if scope == SESSION else None, kind, T0)
    assert set(payload) == keys
    assert (row[3] == why) == ("rationale_id" in keys)
    assert row[4:6] == ((PINS.bundle_id, PINS.policy_hash) if pinned else (None, None))
    assert "secret words" not in row[2]
    assert row[2] == json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    if kind is not AuditKind.HANDOFF_PREPARED:
        assert list(payload) == sorted(payload)
    filed = database.rows(
        "SELECT dispute_id, kind FROM dispute_events WHERE event_id = ?", event_id
    )
    assert filed == ([(D, kind)] if scope == DISPUTE else [])


def test_the_trail_is_read_in_order(database: Database) -> None:
    session = opened(database)
    of_dispute = database.run(audit_trail.of_dispute, D)
    of_session = database.run(audit_trail.of_session, session)
    assert [each.kind for each in of_dispute] == ["reasoning_verdict", "take_dispute_issued"]
    assert [each.kind for each in of_session] == ["session_opened", "classification_produced"]
    assert of_dispute[-1].id < of_session[0].id
    assert of_dispute[1].payload == {"dispute_id": D, "outcome": "success"}
    assert of_session[1].pins == PINS
    assert database.run(audit_trail.of_session, "nobody") == []


def test_events_are_only_ever_added() -> None:
    """No statement of the store changes or deletes what is append-only, but for a purge's."""
    append_only = ("events", "summaries", "dispatches", "notifications", "transitions")
    found: list[Any] = []

    for path in Path(serbero.store.__file__).parent.glob("*.py"):
        if path.name == "purge.py":
            continue
        text = path.read_text()
        found += [
            (path.name, name)
            for name in append_only
            for verb in ("update", "delete")
            if f"sa.{verb}({name})" in text
        ]
    assert found == []
