"""Mediation's vocabulary: session states and their moves, triggers, reasons, audit kinds.

Strings are the reference's wherever it has one: they stand in its tables and in payloads that
other programs read. Everything that decides a move of a session stands in this file.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class SessionState(StrEnum):
    """``mediation_sessions.state``."""

    OPENING = "opening"
    """Declared by the reference and never written: a session starts with its first questions."""
    AWAITING_RESPONSE = "awaiting_response"
    """Questions were put; the parties' turn."""
    CLASSIFIED = "classified"
    """An evaluation found the matter ready for a summary."""
    FOLLOW_UP_PENDING = "follow_up_pending"
    """Declared by the reference and never written: a follow-up is one transaction."""
    SUMMARY_PENDING = "summary_pending"
    """The summary is being made or delivered; until its first success."""
    SUMMARY_DELIVERED = "summary_delivered"
    """A solver has it."""
    ESCALATION_RECOMMENDED = "escalation_recommended"
    """Handed to a human. Closes when the dispute is resolved or a human takes it."""
    SUPERSEDED_BY_HUMAN = "superseded_by_human"
    """A human took the dispute, or it was resolved elsewhere."""
    CLOSED = "closed"


_END: Final = frozenset({SessionState.ESCALATION_RECOMMENDED, SessionState.SUPERSEDED_BY_HUMAN})
"""What may befall a session in any live state."""

SESSION_TRANSITIONS: Final[Mapping[SessionState, frozenset[SessionState]]] = {
    SessionState.OPENING: _END | {SessionState.AWAITING_RESPONSE},
    SessionState.AWAITING_RESPONSE: _END | {SessionState.CLASSIFIED},
    SessionState.CLASSIFIED: _END | {SessionState.FOLLOW_UP_PENDING, SessionState.SUMMARY_PENDING},
    SessionState.FOLLOW_UP_PENDING: _END | {SessionState.AWAITING_RESPONSE},
    SessionState.SUMMARY_PENDING: _END | {SessionState.SUMMARY_DELIVERED},
    SessionState.SUMMARY_DELIVERED: frozenset({SessionState.CLOSED}),
    SessionState.ESCALATION_RECOMMENDED: frozenset({SessionState.CLOSED}),
    SessionState.SUPERSEDED_BY_HUMAN: frozenset({SessionState.CLOSED}),
    SessionState.CLOSED: frozenset(),
}
"""No state follows itself: a follow-up leaves a session in ``awaiting_response`` unwritten."""

FIRST_STATE: Final = SessionState.AWAITING_RESPONSE
"""What a session is inserted as, together with its first two messages."""

LIVE: Final = frozenset(
    {
        SessionState.OPENING,
        SessionState.AWAITING_RESPONSE,
        SessionState.CLASSIFIED,
        SessionState.FOLLOW_UP_PENDING,
        SessionState.SUMMARY_PENDING,
    }
)
"""Sessions that are still ours to lead: resumed, swept for silence, ended by a human. Exactly
these can be escalated."""

SPEAKING: Final = frozenset({SessionState.OPENING, SessionState.AWAITING_RESPONSE})
"""Sessions in which a message to a party may be enqueued or claimed."""

BLOCKING: Final = frozenset(SessionState) - {SessionState.CLOSED, SessionState.SUPERSEDED_BY_HUMAN}
"""While a session of it is in one of these, a dispute starts no other."""


class Trigger(StrEnum):
    """Why a dispute goes to a human: the reference's twelve, in its hand-offs and alerts."""

    CONFLICTING_CLAIMS = "conflicting_claims"
    FRAUD_INDICATOR = "fraud_indicator"
    LOW_CONFIDENCE = "low_confidence"
    PARTY_UNRESPONSIVE = "party_unresponsive"
    ROUND_LIMIT = "round_limit"
    REASONING_UNAVAILABLE = "reasoning_unavailable"
    AUTHORIZATION_LOST = "authorization_lost"
    AUTHORITY_BOUNDARY_ATTEMPT = "authority_boundary_attempt"
    MEDIATION_TIMEOUT = "mediation_timeout"
    POLICY_BUNDLE_MISSING = "policy_bundle_missing"
    INVALID_MODEL_OUTPUT = "invalid_model_output"
    NOTIFICATION_FAILED = "notification_failed"


# What a hand-off gives as its reason besides a trigger.
UNDELIVERED: Final = "question_undelivered"
"""No relay took our question: silence is not the party's."""
PARTY_UNREACHABLE: Final = "party_unreachable"
"""The node named no usable trade key of a party, or one for both."""


class EscalationReason(StrEnum):
    """What exactly stood behind a trigger of the policy (``reason`` in the payload; ours)."""

    FRAUD_FLAG = "fraud_flag"
    FRAUD_LABEL = "fraud_label"
    CONFLICT_FLAG = "conflict_flag"
    CONFLICT_LABEL = "conflict_label"
    AUTHORITY_FLAG = "authority_flag"
    HUMAN_REQUESTED = "human_requested"
    """A party asked for a person; the trigger is ``low_confidence``."""
    CONFIDENCE_OUT_OF_RANGE = "confidence_out_of_range"
    CONFIDENCE_LOW = "confidence_low"
    UNKNOWN_VALUE = "unknown_value"
    """A label, an action or a flag outside the vocabulary."""
    MODEL_ESCALATED = "model_escalated"
    NOT_SUITABLE = "not_suitable"
    """The label says that questions cannot help, the action asks or summarizes all the same."""
    SUMMARY_WITHOUT_ANSWERS = "summary_without_answers"
    """Nobody has said anything yet."""
    SUMMARY_OF_OTHER_LABEL = "summary_of_other_label"
    ROUNDS_USED_UP = "rounds_used_up"
    TEXT_STOPPED = "text_stopped"
    """Screening stopped a text: its findings say why."""
    REASONING_FAILED = "reasoning_failed"
    """No usable answer of any model, after all attempts."""
    OWN_FAULT = "own_fault"
    """Beginning failed again and again, by a fault of Serbero's own."""


class AuditKind(StrEnum):
    """``mediation_events.kind``: the reference's catalogue, and nothing else (ours: journal)."""

    START_ATTEMPT_STARTED = "start_attempt_started"
    START_ATTEMPT_STOPPED = "start_attempt_stopped"
    REASONING_VERDICT = "reasoning_verdict"
    TAKE_DISPUTE_ISSUED = "take_dispute_issued"
    SESSION_OPENED = "session_opened"
    CLASSIFICATION_PRODUCED = "classification_produced"
    OUTBOUND_SENT = "outbound_sent"
    INBOUND_INGESTED = "inbound_ingested"
    REASONING_CALL_FAILED = "reasoning_call_failed"
    SUMMARY_GENERATED = "summary_generated"
    STATE_TRANSITION = "state_transition"
    ESCALATION_RECOMMENDED = "escalation_recommended"
    HANDOFF_PREPARED = "handoff_prepared"
    SUPERSEDED_BY_HUMAN = "superseded_by_human"
    SESSION_CLOSED = "session_closed"
    RESOLVED_EXTERNALLY_REPORTED = "resolved_externally_reported"
    AUTHORIZATION_LOST = "authorization_lost"
    AUTH_RETRY_ATTEMPT = "auth_retry_attempt"
    AUTH_RETRY_RECOVERED = "auth_retry_recovered"
    AUTH_RETRY_TERMINATED = "auth_retry_terminated"
    ESCALATION_DISPATCHED = "escalation_dispatched"
    ESCALATION_SUPERSEDED = "escalation_superseded"
    ESCALATION_DISPATCH_UNROUTABLE = "escalation_dispatch_unroutable"
    ESCALATION_DISPATCH_PARSE_FAILED = "escalation_dispatch_parse_failed"


class StartTrigger(StrEnum):
    """``trigger`` of ``start_attempt_started``."""

    DETECTED = "detected"
    TICK_RETRY = "tick_retry"


class StopReason(StrEnum):
    """``stop_reason`` (and ``reason``) of ``start_attempt_stopped``."""

    INELIGIBLE = "ineligible"
    AUTH_PENDING = "auth_pending"
    AUTH_TERMINATED = "auth_terminated"
    REASONING_UNHEALTHY = "reasoning_unhealthy"
    POLICY_ESCALATE = "policy_escalate"
    TAKE_FAILED = "take_failed"
    """Ours: the node gave no answer to the take (a refusal is ``auth_pending`` until judged)."""


class VerdictDecision(StrEnum):
    """``decision`` of ``reasoning_verdict``."""

    ASK_CLARIFICATION = "ask_clarification"
    SUMMARIZE = "summarize"
    ESCALATE = "escalate"
