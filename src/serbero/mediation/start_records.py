"""The transactions of a start attempt, up to the take."""

from dataclasses import dataclass
from typing import Final
from uuid import uuid4

import sqlalchemy as sa

from serbero.intake.announcing import Audience
from serbero.mediation.escalating import escalate_unstarted
from serbero.mediation.mind import Asked, failed_call, rationale_of, record_call
from serbero.mediation.opening import Prepared
from serbero.mediation.policy import Ask, Decision, Escalate
from serbero.mediation.standing import Gate
from serbero.model.backoff import exponential
from serbero.model.mediation import (
    AuditKind,
    EscalationReason,
    StartTrigger,
    StopReason,
    Trigger,
    VerdictDecision,
)
from serbero.model.taking import Holding, TakeState
from serbero.reasoning.calls import Classified, ReasoningFailed
from serbero.store import (
    audit_trail,
    eligibility,
    mediation_events,
    parties,
    rationales,
    start_events,
)
from serbero.store.eligibility import Candidate, FailedStarts, Ineligible
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Label, Pins

FIRST_WAIT_SECONDS: Final = 30
LONGEST_WAIT_SECONDS: Final = 1800

_REFUSED: Final = "Mostro chat transport error: Mostro refused AdminTakeDispute for dispute {}: {}"
_SILENT: Final = (
    "Mostro chat transport error: timed out waiting for AdminTookDispute response from Mostro"
)
_INTERRUPTED: Final = "interrupted: Serbero ended before an answer came"


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt that may go on.

    Attributes:
        holding: what we hold of the dispute; None before a take.
    """

    candidate: Candidate
    holding: Holding | None


def begin(
    tx: sa.Connection, dispute_id: str, gate: Gate, now: int
) -> Begun | Ineligible | StopReason:
    """Begin an attempt, or say why there is none."""
    found = eligibility.judge(tx, dispute_id, now)
    if isinstance(found, Ineligible):
        if found is not Ineligible.BACKING_OFF:
            start_events.start_attempt_stopped(tx, dispute_id, StopReason.INELIGIBLE, now)
        return found
    start_events.start_attempt_started(tx, dispute_id, _trigger(tx, dispute_id), now)
    closed = {Gate.PENDING: StopReason.AUTH_PENDING, Gate.TERMINATED: StopReason.AUTH_TERMINATED}
    if (reason := closed.get(gate)) is not None:
        start_events.start_attempt_stopped(tx, dispute_id, reason, now)
        return reason
    return Begun(found, parties.holding(tx, dispute_id))


def _trigger(tx: sa.Connection, dispute_id: str) -> StartTrigger:
    return StartTrigger.TICK_RETRY if was_tried(tx, dispute_id) else StartTrigger.DETECTED


def was_tried(tx: sa.Connection, dispute_id: str) -> bool:
    """Whether there was an attempt with a dispute."""
    kind = AuditKind.START_ATTEMPT_STARTED
    return audit_trail.newest_of_dispute(tx, dispute_id, kind) is not None


def unhealthy(
    tx: sa.Connection, audience: Audience, dispute_id: str, pins: Pins, deadline: int, at_ms: int
) -> FailedStarts | None:
    """The model cannot be had: try again later, or hand over if that goes on for too long.

    Args:
        tx: the transaction.
        audience: the solvers.
        dispute_id: which dispute.
        pins: of the bundle of today.
        deadline: seconds after the first failed attempt.
        at_ms: Unix milliseconds.

    Returns:
        The attempts so far; None when the dispute goes to a human.
    """
    now = at_ms // 1000
    before = eligibility.failed_starts(tx, dispute_id)
    since = now if before is None else before.first_at
    start_events.start_attempt_stopped(tx, dispute_id, StopReason.REASONING_UNHEALTHY, now)
    if now - since >= deadline:
        reason = EscalationReason.REASONING_FAILED.value
        handoff = Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason)
        escalate_unstarted(tx, audience, dispute_id, handoff, pins, at_ms)
        return None

    def wait(failures: int) -> int:
        # The deadline is kept even where the next attempt would come after it.
        return min(backoff(failures), max(1, since + deadline - now))

    return eligibility.start_failed(tx, dispute_id, wait, now)


def backoff(failures: int) -> int:
    """Seconds until the next attempt after so many failed."""
    return int(exponential(failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS))


def no_verdict(
    tx: sa.Connection,
    audience: Audience,
    asked: Asked,
    failed: ReasoningFailed,
    deadline: int,
    at_ms: int,
) -> FailedStarts | None:
    """The model gave no verdict; otherwise as :func:`unhealthy`."""
    now = at_ms // 1000
    rejected = None
    if failed.raw is not None:
        rejected = rationales.save(tx, rationale_of(asked, failed.call, failed.raw), now)
    record_call(tx, asked, failed.call, now, failure=failed.kind, rationale_id=rejected)
    mediation_events.reasoning_call_failed(
        tx, asked.dispute_id, failed_call(failed), now, pins=asked.pins
    )
    if isinstance(eligibility.judge(tx, asked.dispute_id, now), Ineligible):
        start_events.start_attempt_stopped(tx, asked.dispute_id, StopReason.INELIGIBLE, now)
        return None
    return unhealthy(tx, audience, asked.dispute_id, asked.pins, deadline, at_ms)


def verdict(
    tx: sa.Connection,
    audience: Audience,
    asked: Asked,
    outcome: Classified,
    decision: Ask | Escalate,
    at_ms: int,
) -> Prepared | None:
    """Record a verdict and what was decided; a negative one goes to a human without a take.

    Returns:
        What a session begins with; None where there will be none.
    """
    now, dispute_id = at_ms // 1000, asked.dispute_id
    found = outcome.verdict
    label = Label(found.classification, found.confidence)
    text = kept_text(outcome, decision)
    rationale_id = rationales.save(tx, rationale_of(asked, outcome.call, text), now)
    record_call(tx, asked, outcome.call, now, rationale_id=rationale_id)
    trigger = decision.trigger if isinstance(decision, Escalate) else None
    start_events.reasoning_verdict(
        tx,
        dispute_id,
        VerdictDecision.ASK_CLARIFICATION
        if isinstance(decision, Ask)
        else VerdictDecision.ESCALATE,
        label,
        now,
        pins=asked.pins,
        rationale_id=rationale_id,
        trigger=trigger,
    )
    if isinstance(eligibility.judge(tx, dispute_id, now), Ineligible):
        # Somebody took it, or it was closed, while the model thought.
        start_events.start_attempt_stopped(tx, dispute_id, StopReason.INELIGIBLE, now)
        return None
    if isinstance(decision, Ask):
        return Prepared(dispute_id, str(uuid4()), asked.pins, label, rationale_id, decision)
    start_events.start_attempt_stopped(
        tx, dispute_id, StopReason.POLICY_ESCALATE, now, pins=asked.pins, trigger=trigger
    )
    handoff = handoff_of(decision, rationale_id)
    escalate_unstarted(tx, audience, dispute_id, handoff, asked.pins, at_ms)
    return None


def kept_text(outcome: Classified, decision: Decision) -> str:
    """What is kept of an answer: its reasons, and all of it where a text was stopped."""
    if isinstance(decision, Escalate) and decision.reason is EscalationReason.TEXT_STOPPED:
        return outcome.raw
    return outcome.verdict.rationale


def handoff_of(decision: Escalate, rationale_id: str | None) -> Handoff:
    """Why the policy hands over, in ids and fixed words."""
    return Handoff(
        decision.trigger,
        reason=decision.reason.value,
        findings=[each.value for each in decision.findings],
        rationale_refs=[] if rationale_id is None else [rationale_id],
    )


def take_failed(
    tx: sa.Connection,
    dispute_id: str,
    state: TakeState,
    reason: str | None,
    now: int,
    pins: Pins,
) -> None:
    """A take of ours gave us nothing: on record, and not tried again at once."""
    refused = state is TakeState.REFUSED
    words = _REFUSED.format(dispute_id, reason or "no reason") if refused else _SILENT
    if state is TakeState.INTERRUPTED:
        words = _INTERRUPTED
    start_events.take_dispute_issued(tx, dispute_id, now, pins=pins, failure=words)
    stop = StopReason.AUTH_PENDING if refused else StopReason.TAKE_FAILED
    start_events.start_attempt_stopped(tx, dispute_id, stop, now, pins=pins)
    # The process ended amid the take, which says nothing of the node: try again at once, but only
    # the first time, in case it is the take that ends the process.
    wait = _after_interruption if state is TakeState.INTERRUPTED else backoff
    eligibility.start_failed(tx, dispute_id, wait, now)


def _after_interruption(failures: int) -> int:
    return 0 if failures == 1 else backoff(failures)


def escalate_unled(
    tx: sa.Connection, audience: Audience, dispute_id: str, before: int, at_ms: int
) -> bool:
    """Hand over a dispute that we took before ``before`` and could not begin with since.

    Returns:
        False if that is not so (any more), or it was never judged; nothing was written then.
    """
    pins = pins_of_verdict(tx, dispute_id)
    if pins is None or dispute_id not in eligibility.unled(tx, before):
        return False
    reason = EscalationReason.REASONING_FAILED.value
    handoff = Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason)
    return escalate_unstarted(tx, audience, dispute_id, handoff, pins, at_ms) is not None


def took(tx: sa.Connection, dispute_id: str) -> bool:
    """Whether the newest take on the audit trail succeeded."""
    event = audit_trail.newest_of_dispute(tx, dispute_id, AuditKind.TAKE_DISPUTE_ISSUED)
    return event is not None and event.payload.get("outcome") == start_events.OUTCOME_SUCCESS


def pins_of_verdict(tx: sa.Connection, dispute_id: str) -> Pins | None:
    """The pins a dispute was judged under; None where it never was."""
    event = audit_trail.newest_of_dispute(tx, dispute_id, AuditKind.REASONING_VERDICT)
    return None if event is None else event.pins
