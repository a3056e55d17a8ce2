"""Session states, their moves, and the strings that other programs read."""

from serbero.model.mediation import (
    BLOCKING,
    FIRST_STATE,
    LIVE,
    SESSION_TRANSITIONS,
    SPEAKING,
    AuditKind,
    SessionState,
    Trigger,
)

LEGAL = {
    ("opening", "awaiting_response"),
    ("opening", "escalation_recommended"),
    ("opening", "superseded_by_human"),
    ("awaiting_response", "classified"),
    ("awaiting_response", "escalation_recommended"),
    ("awaiting_response", "superseded_by_human"),
    ("classified", "follow_up_pending"),
    ("classified", "summary_pending"),
    ("classified", "escalation_recommended"),
    ("classified", "superseded_by_human"),
    ("follow_up_pending", "awaiting_response"),
    ("follow_up_pending", "escalation_recommended"),
    ("follow_up_pending", "superseded_by_human"),
    ("summary_pending", "summary_delivered"),
    ("summary_pending", "escalation_recommended"),
    ("summary_pending", "superseded_by_human"),
    ("summary_delivered", "closed"),
    ("escalation_recommended", "closed"),
    ("superseded_by_human", "closed"),
}


def test_the_moves_are_the_references() -> None:
    moves = {
        (current.value, wanted.value)
        for current, ends in SESSION_TRANSITIONS.items()
        for wanted in ends
    }
    assert moves == LEGAL


def test_every_state_is_in_the_table() -> None:
    assert set(SESSION_TRANSITIONS) == set(SessionState)


def test_live_sessions_are_those_a_human_or_an_escalation_can_end() -> None:
    for state in SessionState:
        ends = {SessionState.ESCALATION_RECOMMENDED, SessionState.SUPERSEDED_BY_HUMAN}
        assert (state in LIVE) == (ends <= SESSION_TRANSITIONS[state])
    assert (
        set(SessionState)
        - {
            "closed",
            "summary_delivered",
            "escalation_recommended",
            "superseded_by_human",
        }
        == LIVE
    )


def test_state_sets() -> None:
    assert FIRST_STATE in SPEAKING
    assert SPEAKING < LIVE < BLOCKING
    assert {"closed", "superseded_by_human"} == set(SessionState) - BLOCKING


def test_the_twelve_triggers() -> None:
    assert {str(trigger) for trigger in Trigger} == {
        "conflicting_claims",
        "fraud_indicator",
        "low_confidence",
        "party_unresponsive",
        "round_limit",
        "reasoning_unavailable",
        "authorization_lost",
        "authority_boundary_attempt",
        "mediation_timeout",
        "policy_bundle_missing",
        "invalid_model_output",
        "notification_failed",
    }


def test_audit_kinds_are_the_references() -> None:
    assert {str(kind) for kind in AuditKind} == {
        "start_attempt_started",
        "start_attempt_stopped",
        "reasoning_verdict",
        "take_dispute_issued",
        "session_opened",
        "classification_produced",
        "outbound_sent",
        "inbound_ingested",
        "reasoning_call_failed",
        "summary_generated",
        "state_transition",
        "escalation_recommended",
        "handoff_prepared",
        "superseded_by_human",
        "session_closed",
        "resolved_externally_reported",
        "authorization_lost",
        "auth_retry_attempt",
        "auth_retry_recovered",
        "auth_retry_terminated",
        "escalation_dispatched",
        "escalation_superseded",
        "escalation_dispatch_unroutable",
        "escalation_dispatch_parse_failed",
    }
