"""States, triggers, reasons and events of a session in plain words."""

from collections.abc import Mapping
from typing import Final

from serbero.cli.page import short, word
from serbero.mediation.hindsight import Done, Outcome, label_of
from serbero.model.mediation import (
    PARTY_UNREACHABLE,
    UNDELIVERED,
    AuditKind,
    EscalationReason,
    SessionState,
    StartTrigger,
    StopReason,
    Trigger,
)
from serbero.model.party import Party
from serbero.model.taking import CHAT_KEYS_UNKNOWN, Release
from serbero.store.audit_trail import AuditEvent
from serbero.store.session_moves import EndCause
from serbero.store.start_events import OUTCOME_SUCCESS

STATES: Final[Mapping[str, str]] = {
    SessionState.OPENING: "the first questions are being put",
    SessionState.AWAITING_RESPONSE: "the parties were asked; it is their turn",
    SessionState.CLASSIFIED: "ready for a summary",
    SessionState.FOLLOW_UP_PENDING: "further questions are being put",
    SessionState.SUMMARY_PENDING: "the summary is being made or delivered",
    SessionState.SUMMARY_DELIVERED: "a solver has the summary",
    SessionState.ESCALATION_RECOMMENDED: "handed over to a human",
    SessionState.SUPERSEDED_BY_HUMAN: "a human took over, or the dispute was resolved",
    SessionState.CLOSED: "over",
}

TRIGGERS: Final[Mapping[str, str]] = {
    Trigger.CONFLICTING_CLAIMS: "the two accounts cannot both be true",
    Trigger.FRAUD_INDICATOR: "the model saw signs of fraud",
    Trigger.LOW_CONFIDENCE: "the model was not sure enough, or a person was asked for",
    Trigger.PARTY_UNRESPONSIVE: "a party did not answer in time",
    Trigger.ROUND_LIMIT: "as many questions were put as are allowed",
    Trigger.REASONING_UNAVAILABLE: "the model gave no usable answer, or would not go on itself",
    Trigger.AUTHORIZATION_LOST: "Serbero may not act for this dispute any more",
    Trigger.AUTHORITY_BOUNDARY_ATTEMPT: "something reached for what only the human solver may do",
    Trigger.MEDIATION_TIMEOUT: "the mediation took longer than it may",
    Trigger.POLICY_BUNDLE_MISSING: "the prompts it was begun with are gone",
    Trigger.INVALID_MODEL_OUTPUT: "the model's answer contradicted itself or could not be used",
    Trigger.NOTIFICATION_FAILED: "no solver could be reached",
}

REASONS: Final[Mapping[str, str]] = {
    EscalationReason.FRAUD_FLAG: "the model raised its warning of fraud",
    EscalationReason.FRAUD_LABEL: "the model's label is suspected fraud",
    EscalationReason.CONFLICT_FLAG: "the model raised its warning of conflicting claims",
    EscalationReason.CONFLICT_LABEL: "the model's label is conflicting claims",
    EscalationReason.AUTHORITY_FLAG: "the model saw somebody reach for the solver's authority",
    EscalationReason.HUMAN_REQUESTED: "a party asked for a person",
    EscalationReason.CONFIDENCE_OUT_OF_RANGE: "its confidence is no number from 0 to 1",
    EscalationReason.CONFIDENCE_LOW: "its confidence is below what is asked for",
    EscalationReason.UNKNOWN_VALUE: "it used a word outside the vocabulary",
    EscalationReason.MODEL_ESCALATED: "the model itself suggested a human",
    EscalationReason.NOT_SUITABLE: "its label says that questions cannot help",
    EscalationReason.SUMMARY_WITHOUT_ANSWERS: "it wanted to summarise before anybody had answered",
    EscalationReason.SUMMARY_OF_OTHER_LABEL: "it wanted to summarise what its label calls open",
    EscalationReason.ROUNDS_USED_UP: "it wanted to ask once more than is allowed",
    EscalationReason.TEXT_STOPPED: "screening stopped a text the model had written",
    EscalationReason.REASONING_FAILED: "no model gave a usable answer, after all attempts",
    EscalationReason.OWN_FAULT: "beginning failed again and again, by a fault of Serbero's own",
    CHAT_KEYS_UNKNOWN: "the reference led it, and recorded no keys of its chats",
    PARTY_UNREACHABLE: "the node named no key by which a party can be written to",
    Release.KEY_CHANGED: "Serbero runs with another key than the one it took the dispute with",
}

_OF_A_PARTY: Final[Mapping[str, str]] = {
    "silent": "the {} did not answer in time",
    UNDELIVERED: "no relay took the question to the {}",
}
"""Reasons of which the party stands behind a colon."""

ENDS: Final[Mapping[str, str]] = {
    EndCause.RESOLVED: "the dispute was resolved",
    EndCause.TAKEN_BY_HUMAN: "a human took the dispute",
    EndCause.REOPENED: "the dispute was opened anew",
    EndCause.SUMMARY_DELIVERED: "a solver has the summary",
}

_STARTS: Final[Mapping[str, str]] = {
    StartTrigger.DETECTED: "as the dispute appeared",
    StartTrigger.TICK_RETRY: "once more",
}

_STOPS: Final[Mapping[str, str]] = {
    StopReason.INELIGIBLE: "the dispute may not be mediated (any more)",
    StopReason.AUTH_PENDING: "the node does not let Serbero act, or somebody else was first",
    StopReason.AUTH_TERMINATED: "the node does not let Serbero act",
    StopReason.REASONING_UNHEALTHY: "the model could not be had",
    StopReason.POLICY_ESCALATE: "it goes to a human instead",
    StopReason.TAKE_FAILED: "the node did not answer",
}

_FIXED: Final[Mapping[AuditKind, str]] = {
    AuditKind.SESSION_OPENED: "session opened",
    AuditKind.HANDOFF_PREPARED: "hand-off prepared",
    AuditKind.AUTHORIZATION_LOST: "the node stopped letting Serbero act",
    AuditKind.ESCALATION_SUPERSEDED: "hand-off not sent: the dispute was closed before",
    AuditKind.ESCALATION_DISPATCH_UNROUTABLE: (
        "hand-off not sent: nobody is configured to receive it"
    ),
}

_OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.ASK: "asked both parties",
    Outcome.SUMMARIZE: "went on to the summary",
    Outcome.ESCALATE: "handed over to a human",
    Outcome.WAIT: "waited for a party that had yet to answer",
    Outcome.NONE: "nothing followed of it",
    Outcome.UNKNOWN: "what followed is not on record",
}


def plain(meanings: Mapping[str, str], found: object) -> str:
    """Return a value with what it means; a value nobody knows alone."""
    key = word(found)
    meaning = meanings.get(key)
    return key if meaning is None else f"{key} ({meaning})"


def outcome_words(done: Done) -> str:
    """What was decided about a verdict."""
    said = _OUTCOMES[done.outcome]
    if done.trigger is None:
        return said
    return f"{said}: {word(done.trigger)}{_because(done.reason, done.findings)}"


def _because(reason: str | None, findings: tuple[str, ...]) -> str:
    parts = [] if reason is None else [word(reason)]
    parts += [word(each) for each in findings]
    return f" ({', '.join(parts)})" if parts else ""


def why_handed_over(done: Done) -> str:
    """Why a human was asked, as a sentence: the rule that it was, or what the trigger means."""
    if done.trigger is None:
        return "Why is not on record."
    meaning = TRIGGERS.get(done.trigger, "a reason this version does not know")
    if done.reason is not None:
        meaning = reason_words(done.reason) or f"{meaning} ({word(done.reason)})"
    if done.findings:
        meaning += f" (found: {', '.join(map(word, done.findings))})"
    return f"{word(done.trigger)}: {meaning}."


def reason_words(reason: str) -> str | None:
    """What stood behind a trigger, in plain words; None where we have none."""
    name, _, party = reason.partition(":")
    if name in _OF_A_PARTY and party in tuple(Party):
        return _OF_A_PARTY[name].format(party)
    return REASONS.get(reason)


def label_words(label: str | None, confidence: float | None) -> str:
    """A label with its confidence."""
    if label is None:
        return "label not on record"
    return word(label) if confidence is None else f"{word(label)} {confidence:.2f}"


def event_words(event: AuditEvent, who: Mapping[str, str]) -> str:
    """Return what an audit event says.

    Args:
        event: of this session, or of its dispute before it.
        who: whose a message is, by the id of its inner event.
    """
    try:
        kind = AuditKind(event.kind)
    except ValueError:
        return word(event.kind)
    said = _FIXED.get(kind) or _of_session(kind, event, who)
    return said or _of_dispute(kind, event)


def _of_session(kind: AuditKind, event: AuditEvent, who: Mapping[str, str]) -> str | None:
    payload = event.payload
    match kind:
        case AuditKind.CLASSIFICATION_PRODUCED:
            return f"verdict: {_label(event)}"
        case AuditKind.OUTBOUND_SENT:
            return f"a relay took our question to the {_whose(payload, who)}"
        case AuditKind.INBOUND_INGESTED:
            stale = " (came too late and counts for nothing)" if payload.get("stale") else ""
            return f"the {_whose(payload, who)} wrote{stale}"
        case AuditKind.SUMMARY_GENERATED:
            return f"summary made and kept: {_label(event)}"
        case AuditKind.STATE_TRANSITION:
            return f"{word(payload.get('from'))} -> {word(payload.get('to'))}"
        case AuditKind.SUPERSEDED_BY_HUMAN:
            status = word(payload.get("resolution_status"))
            return f"our part ended: {plain(ENDS, payload.get('reason'))}, status {status}"
        case AuditKind.SESSION_CLOSED:
            return f"session closed: {plain(ENDS, payload.get('reason'))}"
        case _:
            return None


def _of_dispute(kind: AuditKind, event: AuditEvent) -> str:
    payload = event.payload
    match kind:
        case AuditKind.START_ATTEMPT_STARTED:
            return f"an attempt began: {plain(_STARTS, payload.get('trigger'))}"
        case AuditKind.START_ATTEMPT_STOPPED:
            reason = payload.get("stop_reason", payload.get("reason"))
            return f"the attempt ended without a session: {plain(_STOPS, reason)}{_why(payload)}"
        case AuditKind.REASONING_VERDICT:
            decision = word(payload.get("decision"))
            return f"verdict before the take: {_label(event)}, {decision}{_why(payload)}"
        case AuditKind.TAKE_DISPUTE_ISSUED:
            taken = payload.get("outcome") == OUTCOME_SUCCESS
            reason = word(payload.get("reason", "no reason"))
            return "took the dispute" if taken else f"did not get the dispute: {reason}"
        case AuditKind.REASONING_CALL_FAILED:
            model = f"{word(payload.get('provider'))}/{word(payload.get('model'))}"
            return f"no usable answer of {model}: {word(payload.get('error_category'))}"
        case AuditKind.ESCALATION_RECOMMENDED:
            return f"handed over to a human: {plain(TRIGGERS, payload.get('trigger'))}"
        case AuditKind.ESCALATION_DISPATCHED:
            target = short(str(payload.get("target_solver")))
            return f"hand-off to {target}: {word(payload.get('status'))}"
        case AuditKind.ESCALATION_DISPATCH_PARSE_FAILED:
            return f"hand-off not sent: {word(payload.get('reason'))}"
        case AuditKind.RESOLVED_EXTERNALLY_REPORTED:
            return f"final report to solvers: {word(payload.get('final_dispute_status'))}"
        case _:
            return word(kind.value)


def _label(event: AuditEvent) -> str:
    return label_words(*label_of(event))


def _why(payload: Mapping[str, object]) -> str:
    trigger = payload.get("trigger")
    return "" if trigger is None else f" ({word(trigger)})"


def _whose(payload: Mapping[str, object], who: Mapping[str, str]) -> str:
    party = payload.get("party", who.get(str(payload.get("inner_event_id"))))
    return "party" if party is None else word(party)
