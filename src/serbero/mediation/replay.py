"""A session's classifications once more, before another model or other prompts, for comparison.

Each is asked with exactly what was shown then, and judged by today's policy with the facts of that
moment. Nothing is sent to anybody, nothing is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from serbero.mediation.hindsight import Done, Judgement, Outcome, judgements, open_question
from serbero.mediation.mind import entries_of
from serbero.mediation.policy import (
    Ask,
    Escalate,
    Facts,
    NoAnswer,
    acts_now,
    asks_for_human,
    decide,
    opening,
)
from serbero.model.reasoning import Verdict
from serbero.reasoning.bundle import PromptBundle
from serbero.reasoning.calls import Call, ClassifyRequest, FailureKind, ReasoningFailed
from serbero.reasoning.reasoner import Reasoner
from serbero.store.session_record import Record, purged
from serbero.store.transcripts import Line


class Obstacle(StrEnum):
    """Why a classification cannot be asked again."""

    NOT_RECORDED = "not_recorded"
    """What the model was shown is not on record: another program made it."""
    PURGED = "purged"
    """The words of the transcript were emptied by a purge."""
    BUNDLE_MISSING = "bundle_missing"
    """The bytes of its prompts are not kept here."""
    INITIATOR_UNKNOWN = "initiator_unknown"
    """Who opened the dispute is not known, and the model is told."""


@dataclass(frozen=True, slots=True)
class Step:
    """A classification that can be asked again.

    Attributes:
        facts: the session as it was, with today's limit of rounds.
    """

    judgement: Judgement
    request: ClassifyRequest
    facts: Facts


@dataclass(frozen=True, slots=True)
class Left:
    """A classification that cannot."""

    judgement: Judgement
    obstacle: Obstacle


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the model is told.

    Attributes:
        kept: the bundles that can be had, by hash.
        instead: one for every classification, whatever it was asked with.
    """

    kept: Mapping[str, PromptBundle]
    instead: PromptBundle | None = None

    def of(self, policy_hash: str | None) -> PromptBundle | None:
        """The bundle to ask with; None where its bytes are gone."""
        return self.instead or self.kept.get(policy_hash or "")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says now, beside what was said then.

    Attributes:
        label: None without a usable answer.
        done: what the policy would make of it.
        failure: why there is no usable answer, in words of ours.
        asked: whether the model could be asked at all.
        same: whether label, decision and trigger are those on record, as far as these are known.
    """

    step: Step
    label: str | None
    confidence: float | None
    done: Done
    call: Call
    failure: str | None
    asked: bool
    same: bool


_NOT_TOLD: Final = frozenset({Outcome.NONE, Outcome.UNKNOWN})
"""What does not say what was decided."""


def plan(record: Record, prompts: Prompts, max_rounds: int) -> list[Step | Left]:
    """Return what can be asked again, and what cannot and why, in order.

    Args:
        record: the session.
        prompts: what the model is told.
        max_rounds: pairs of questions that may be put, as configured today.
    """
    return [_planned(record, each, prompts, max_rounds) for each in judgements(record)]


async def ask(step: Step, reasoner: Reasoner) -> Answer:
    """Ask a model the same once more, and let the policy decide."""
    outcome = await reasoner.classify(step.request)
    if isinstance(outcome, ReasoningFailed):
        crossed = outcome.kind is FailureKind.AUTHORITY
        done = _done(step, NoAnswer(crossed_boundary=crossed))
        # What cannot be read is an answer: the operator is to know that this model gives such.
        asked = outcome.kind is FailureKind.MALFORMED
        return Answer(step, None, None, done, outcome.call, str(outcome), asked, same=False)
    verdict = outcome.verdict
    done = _done(step, verdict)
    label = verdict.classification.value
    same = _same(step.judgement, label, done)
    return Answer(step, label, verdict.confidence, done, outcome.call, None, asked=True, same=same)


def _planned(
    record: Record, judgement: Judgement, prompts: Prompts, max_rounds: int
) -> Step | Left:
    call = judgement.call
    if call is None:
        return Left(judgement, Obstacle.NOT_RECORDED)
    initiator = _initiator(record)
    if initiator is None:
        return Left(judgement, Obstacle.INITIATOR_UNKNOWN)
    lines = () if judgement.opening else record.shown.get(call.seen_message_id or 0, ())
    if purged(lines):
        return Left(judgement, Obstacle.PURGED)
    bundle = prompts.of(call.policy_hash)
    if bundle is None:
        return Left(judgement, Obstacle.BUNDLE_MISSING)
    facts = _facts(judgement, lines, max_rounds)
    session = record.session
    request = ClassifyRequest(
        session_id=session.dispute_id if judgement.opening else session.session_id,
        dispute_id=session.dispute_id,
        initiator=initiator,
        round_count=facts.pairs_put,
        bundle=bundle,
        transcript=entries_of(lines),
    )
    return Step(judgement, request, facts)


def _initiator(record: Record) -> Literal["buyer", "seller"] | None:
    match record.dispute.initiator if record.dispute else "":
        case "buyer":
            return "buyer"
        case "seller":
            return "seller"
        case _:
            return None


def _facts(judgement: Judgement, lines: Sequence[Line], max_rounds: int) -> Facts:
    """What the policy knew at that moment."""
    if judgement.opening:
        return opening(max_rounds)
    said = [each for each in lines if not each.ours]
    call = judgement.call
    return Facts(
        evaluations=judgement.number - 1,
        pairs_put=(call.pairs_put if call else None) or 0,
        max_rounds=max_rounds,
        party_texts=len(said),
        open_question=open_question(lines),
        human_requested=any(asks_for_human(each.text) for each in said),
    )


def _done(step: Step, outcome: Verdict | NoAnswer) -> Done:
    decision = decide(outcome, step.facts)
    if isinstance(decision, Escalate):
        findings = tuple(each.value for each in decision.findings)
        return Done(Outcome.ESCALATE, decision.trigger.value, decision.reason.value, findings)
    if not isinstance(decision, Ask):
        return Done(Outcome.SUMMARIZE)
    return Done(Outcome.ASK if acts_now(decision, step.facts) else Outcome.WAIT)


def _same(then: Judgement, label: str, now: Done) -> bool:
    if then.label is not None and then.label != label:
        return False
    if then.done.outcome in _NOT_TOLD:
        return True
    return (then.done.outcome, then.done.trigger) == (now.outcome, now.trigger)
