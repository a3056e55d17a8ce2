"""From what a model proposes to what is done: ask, summarize or escalate.

The order of the rules is the reference's; it decides which trigger a human reads when several
apply. A rule only ever makes the outcome safer: there is no way from a model's words to a person
but through ``release``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, get_args

from serbero.mediation.policy.release import Stopped, release
from serbero.mediation.policy.screening import NEXT_STEP, SUMMARY, TO_PARTY, Finding
from serbero.model.mediation import EscalationReason, Trigger
from serbero.model.reasoning import (
    Classification,
    Flag,
    SuggestedAction,
    Summary,
    Verdict,
    WantsHuman,
)
from serbero.model.texts import VettedText

CONFIDENT: Final = 0.5
"""From here on a verdict counts as sure."""
PATIENT_EVALUATIONS: Final = 3
"""Asking is allowed without confidence at the opening and in so many evaluations after it."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A call of the model that failed for good, after every attempt its caller had.

    Attributes:
        crossed_boundary: whether the adapter itself saw the output reach for authority.
    """

    crossed_boundary: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What the policy must know of a session besides the verdict.

    Attributes:
        evaluations: verdicts on record for the session before this one; 0 at the opening.
        pairs_put: pairs of questions put to the parties so far.
        max_rounds: how many pairs may be put.
        party_texts: messages of the parties that the verdict was made from.
        open_question: whether a party has yet to answer the last question put to it.
        human_requested: whether a party's own words ask for a person.
    """

    evaluations: int
    pairs_put: int
    max_rounds: int
    party_texts: int
    open_question: bool = False
    human_requested: bool = False


def opening(max_rounds: int) -> Facts:
    """Return the facts before a take: nobody was asked, nobody has spoken."""
    return Facts(evaluations=0, pairs_put=0, max_rounds=max_rounds, party_texts=0)


@dataclass(frozen=True, slots=True)
class Ask:
    """Put one question to each party; see :func:`acts_now`."""

    buyer: VettedText
    seller: VettedText


@dataclass(frozen=True, slots=True)
class Summarize:
    """Have a summary made for the solvers."""


@dataclass(frozen=True, slots=True)
class Escalate:
    """Hand over to a human.

    Attributes:
        trigger: what solvers and hand-offs are told.
        reason: which rule it was.
        findings: what screening found, where it stopped a text; sorted.
    """

    trigger: Trigger
    reason: EscalationReason
    findings: tuple[Finding, ...] = ()


Decision = Ask | Summarize | Escalate


@dataclass(frozen=True, slots=True)
class Deliver:
    """A summary that may be read."""

    body: VettedText
    next_step: VettedText


def decide(outcome: Verdict | NoAnswer, facts: Facts) -> Decision:
    """Decide what happens after a classification.

    Args:
        outcome: what the model said, or that it said nothing usable.
        facts: the session as it was when the model was asked.
    """
    if isinstance(outcome, NoAnswer):
        return _unanswered(outcome)
    stopped = next(_grave(outcome, facts), None)
    if stopped is not None:
        return stopped
    match outcome.action:
        case SuggestedAction.ESCALATE:
            return Escalate(Trigger.REASONING_UNAVAILABLE, EscalationReason.MODEL_ESCALATED)
        case _ if outcome.classification == Classification.NOT_SUITABLE_FOR_MEDIATION:
            return Escalate(Trigger.INVALID_MODEL_OUTPUT, EscalationReason.NOT_SUITABLE)
        case SuggestedAction.ASK_CLARIFICATION:
            return _ask(outcome, facts)
        case _:
            return _summarize(outcome, facts)


def decide_summary(outcome: Summary | NoAnswer) -> Deliver | Escalate:
    """Decide whether a summary may be delivered.

    Args:
        outcome: what the model wrote, or that it wrote nothing usable.
    """
    if isinstance(outcome, NoAnswer):
        return _unanswered(outcome)
    body, next_step = release(outcome.body, SUMMARY), release(outcome.next_step, NEXT_STEP)
    if isinstance(body, Stopped) or isinstance(next_step, Stopped):
        return _stopped(body, next_step)
    return Deliver(body, next_step)


def acts_now(decision: Decision, facts: Facts) -> bool:
    """Whether a decision is carried out at once.

    Further questions wait until both parties have answered the last ones; the evaluation that
    their answer brings decides anew, so a decision that waits is dropped.
    """
    return not (isinstance(decision, Ask) and facts.open_question)


def _grave(verdict: Verdict, facts: Facts) -> Iterator[Escalate]:
    """Yield what ends a session whatever the model suggests, the first to count."""
    label, flags = verdict.classification, verdict.flags
    if Flag.FRAUD_RISK in flags:
        yield Escalate(Trigger.FRAUD_INDICATOR, EscalationReason.FRAUD_FLAG)
    if label == Classification.SUSPECTED_FRAUD:
        yield Escalate(Trigger.FRAUD_INDICATOR, EscalationReason.FRAUD_LABEL)
    if Flag.CONFLICTING_CLAIMS in flags:
        yield Escalate(Trigger.CONFLICTING_CLAIMS, EscalationReason.CONFLICT_FLAG)
    if label == Classification.CONFLICTING_CLAIMS:
        yield Escalate(Trigger.CONFLICTING_CLAIMS, EscalationReason.CONFLICT_LABEL)
    if Flag.AUTHORITY_BOUNDARY_ATTEMPT in flags:
        yield Escalate(Trigger.AUTHORITY_BOUNDARY_ATTEMPT, EscalationReason.AUTHORITY_FLAG)
    if facts.human_requested or verdict.wants_human in {"buyer", "seller", "both"}:
        yield Escalate(Trigger.LOW_CONFIDENCE, EscalationReason.HUMAN_REQUESTED)
    if not _known(verdict):
        yield Escalate(Trigger.INVALID_MODEL_OUTPUT, EscalationReason.UNKNOWN_VALUE)
    if not _in_range(verdict.confidence):
        yield Escalate(Trigger.INVALID_MODEL_OUTPUT, EscalationReason.CONFIDENCE_OUT_OF_RANGE)
    elif verdict.confidence < CONFIDENT and not _patient(verdict, facts):
        yield Escalate(Trigger.LOW_CONFIDENCE, EscalationReason.CONFIDENCE_LOW)


def _known(verdict: Verdict) -> bool:
    """Whether every value is one of its vocabulary: types promise it, a caller may not keep it."""
    return (
        isinstance(verdict.classification, Classification)
        and isinstance(verdict.action, SuggestedAction)
        and all(isinstance(flag, Flag) for flag in verdict.flags)
        and verdict.wants_human in get_args(WantsHuman)
    )


def _in_range(confidence: float) -> bool:
    """Whether this is a number from 0 to 1; NaN compares with none."""
    return (
        isinstance(confidence, int | float)
        and not isinstance(confidence, bool)
        and 0 <= confidence <= 1
    )


def _patient(verdict: Verdict, facts: Facts) -> bool:
    """Whether asking may go on without confidence: early on, little is known."""
    return (
        verdict.action == SuggestedAction.ASK_CLARIFICATION
        and facts.evaluations <= PATIENT_EVALUATIONS
    )


def _ask(verdict: Verdict, facts: Facts) -> Ask | Escalate:
    buyer = release(verdict.buyer_text or "", TO_PARTY)
    seller = release(verdict.seller_text or "", TO_PARTY)
    if isinstance(buyer, Stopped) or isinstance(seller, Stopped):
        return _stopped(buyer, seller)
    if facts.pairs_put >= facts.max_rounds and not facts.open_question:
        return Escalate(Trigger.ROUND_LIMIT, EscalationReason.ROUNDS_USED_UP)
    return Ask(buyer, seller)


def _summarize(verdict: Verdict, facts: Facts) -> Summarize | Escalate:
    if verdict.classification != Classification.COORDINATION_FAILURE_RESOLVABLE:
        return Escalate(Trigger.INVALID_MODEL_OUTPUT, EscalationReason.SUMMARY_OF_OTHER_LABEL)
    if facts.party_texts < 1:
        return Escalate(Trigger.INVALID_MODEL_OUTPUT, EscalationReason.SUMMARY_WITHOUT_ANSWERS)
    return Summarize()


def _stopped(*texts: VettedText | Stopped) -> Escalate:
    """Return the escalation for texts of which at least one was stopped."""
    findings = frozenset(
        finding for text in texts if isinstance(text, Stopped) for finding in text.findings
    )
    return Escalate(
        Stopped(findings).trigger, EscalationReason.TEXT_STOPPED, tuple(sorted(findings))
    )


def _unanswered(outcome: NoAnswer) -> Escalate:
    trigger = (
        Trigger.AUTHORITY_BOUNDARY_ATTEMPT
        if outcome.crossed_boundary
        else Trigger.REASONING_UNAVAILABLE
    )
    return Escalate(trigger, EscalationReason.REASONING_FAILED)
