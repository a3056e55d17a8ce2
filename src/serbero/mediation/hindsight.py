"""What was made of each verdict of a session, read from its record. Pure.

The opening's decision is on the audit trail. A later one is not: it shows in what followed, which
is the next pair of questions, a summary, a hand-off, or nothing because a party had yet to answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from serbero.model.mediation import AuditKind, SessionState, Trigger
from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.store.audit_trail import AuditEvent
from serbero.store.reasoning_calls import CallRecord
from serbero.store.session_record import Record
from serbero.store.transcripts import Line


class Outcome(StrEnum):
    """What became of a verdict."""

    ASK = "ask_clarification"
    SUMMARIZE = "summarize"
    ESCALATE = "escalate"
    WAIT = "wait"
    """It would have asked, but a party had yet to answer: dropped for the next one."""
    NONE = "none"
    """Nothing followed: the session was over by then, or ended in the same moment."""
    UNKNOWN = "unknown"
    """The record does not say."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was decided.

    Attributes:
        trigger: why a human was asked, where one was.
        reason: which rule it was, where that is on record.
        findings: what screening found in a text it stopped.
    """

    outcome: Outcome
    trigger: str | None = None
    reason: str | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict on record.

    Attributes:
        number: 1 for the opening's.
        at: Unix seconds.
        label: None where the record does not say.
        call: what it cost and what the model was shown; None where nobody kept that.
    """

    number: int
    at: int
    label: str | None
    confidence: float | None
    done: Done
    call: CallRecord | None

    @property
    def opening(self) -> bool:
        """Whether it is the verdict the session was begun for."""
        return self.number == 1


_WITHOUT_VERDICT: Final = frozenset(
    {
        Trigger.ROUND_LIMIT,
        Trigger.PARTY_UNRESPONSIVE,
        Trigger.MEDIATION_TIMEOUT,
        Trigger.AUTHORIZATION_LOST,
        Trigger.POLICY_BUNDLE_MISSING,
        Trigger.NOTIFICATION_FAILED,
    }
)
"""Triggers by which the reference ends a session whatever a model said last."""

_OVER: Final = frozenset(
    {
        AuditKind.ESCALATION_RECOMMENDED,
        AuditKind.SUPERSEDED_BY_HUMAN,
        AuditKind.SESSION_CLOSED,
    }
)
"""After one of these a verdict that was under way comes too late."""

_SUMMARIZED: Final = frozenset({SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING})


def judgements(record: Record) -> list[Judgement]:
    """Return every verdict of a session, in order."""
    produced = _of_kind(record.events, AuditKind.CLASSIFICATION_PRODUCED)
    verdicts = _of_kind(record.before, AuditKind.REASONING_VERDICT)
    found = []
    if produced or verdicts:
        found.append(_opening(record, produced[:1], verdicts[-1:]))
    calls = _matched(record, produced[1:])
    for index, event in enumerate(produced[1:]):
        following = produced[index + 2] if index + 2 < len(produced) else None
        next_call = calls[index + 1] if index + 1 < len(calls) else None
        window = _Window(event, following, calls[index], next_call)
        label, confidence = label_of(event)
        done = _followed(record, window)
        found.append(Judgement(index + 2, event.at, label, confidence, done, calls[index]))
    return found


def failed_calls(record: Record) -> list[CallRecord]:
    """Return the calls that brought no usable answer, in order."""
    return [each for each in record.calls if each.failure is not None]


def open_question(lines: Iterable[Line]) -> bool:
    """Whether a party had yet to answer the last question put to it, as far as these lines go."""
    asked = dict.fromkeys(Party, 0)
    said = dict.fromkeys(Party, 0)
    for each in lines:
        if each.ours or not each.stale:
            newest = asked if each.ours else said
            newest[each.party] = max(newest[each.party], each.id)
    return any(asked[party] > said[party] for party in Party)


@dataclass(frozen=True, slots=True)
class _Window:
    """A verdict and what limits what followed of it: the next one, or the end of the record."""

    event: AuditEvent
    following: AuditEvent | None
    call: CallRecord | None
    next_call: CallRecord | None


def _opening(
    record: Record, produced: Sequence[AuditEvent], verdicts: Sequence[AuditEvent]
) -> Judgement:
    """The verdict before the take, and the event that gave it to the session, as far as known."""
    [source, *_] = (*verdicts, *produced)
    label, confidence = label_of(source)
    if label is None and produced:
        # The reference does not write the label of a verdict that asks.
        label, confidence = label_of(produced[0])
    decision = _text(source.payload.get("decision")) if verdicts else None
    outcome = Outcome(decision) if decision in tuple(Outcome) else Outcome.ASK
    done = Done(outcome, trigger=_text(source.payload.get("trigger")) if verdicts else None)
    known = {each.rationale_id for each in (*verdicts, *produced)} - {None}
    calls = [
        each
        for each in record.calls
        if each.session_id is None and _classified(each) and each.rationale_id in known
    ]
    return Judgement(1, source.at, label, confidence, done, calls[-1] if calls else None)


def _matched(record: Record, produced: Sequence[AuditEvent]) -> list[CallRecord | None]:
    """The call of each later verdict: two that gave the same reasons share a rationale."""
    waiting = [each for each in record.calls if each.session_id is not None and _classified(each)]
    found: list[CallRecord | None] = []
    for event in produced:
        fits = (each for each in waiting if each.rationale_id == event.rationale_id)
        call = None if event.rationale_id is None else next(fits, None)
        if call is not None:
            waiting.remove(call)
        found.append(call)
    return found


def _followed(record: Record, window: _Window) -> Done:
    if any(each.id < window.event.id and each.kind in _OVER for each in record.events):
        return Done(Outcome.NONE)
    if any(_in(window, each) for each in record.lines if each.ours):
        return Done(Outcome.ASK)
    after = [
        each
        for each in record.events
        if each.id > window.event.id and (window.following is None or each.id < window.following.id)
    ]
    for each in after:
        if _begins_summary(each):
            return Done(Outcome.SUMMARIZE)
        if each.kind == AuditKind.ESCALATION_RECOMMENDED and _by_verdict(each, window.event):
            return handed_over(each)
    if window.call is None:
        return Done(Outcome.UNKNOWN)
    shown = record.shown.get(window.call.seen_message_id or 0, ())
    return Done(Outcome.WAIT if open_question(shown) else Outcome.NONE)


def handed_over(event: AuditEvent) -> Done:
    """What an ``escalation_recommended`` says."""
    findings = event.payload.get("findings")
    return Done(
        Outcome.ESCALATE,
        _text(event.payload.get("trigger")),
        _text(event.payload.get("reason")),
        tuple(map(str, findings)) if isinstance(findings, list) else (),
    )


def _in(window: _Window, line: Line) -> bool:
    """Whether a message of ours was put because of a verdict."""
    if window.call is not None and (window.next_call is not None or window.following is None):
        upto = None if window.next_call is None else window.next_call.seen_message_id
        seen = window.call.seen_message_id or 0
        return line.id > seen and (upto is None or line.id <= upto)
    before = None if window.following is None else window.following.at
    return line.stored_at >= window.event.at and (before is None or line.stored_at < before)


def _by_verdict(event: AuditEvent, verdict: AuditEvent) -> bool:
    """Whether a hand-off is what the policy made of this verdict.

    Ours names the verdict's rationale. The reference names none; there, what is no clock's and no
    fault's is the policy's.
    """
    refs = event.payload.get("rationale_refs")
    if not isinstance(refs, list):
        return False
    if refs:
        return verdict.rationale_id in refs
    return (
        "reason" not in event.payload
        and _text(event.payload.get("trigger")) not in _WITHOUT_VERDICT
    )


def _begins_summary(event: AuditEvent) -> bool:
    if event.kind == AuditKind.SUMMARY_GENERATED:
        return True
    if event.kind == AuditKind.ESCALATION_RECOMMENDED:
        # How the reference hands over when a summary fails; its other payloads have the key.
        return "rationale_refs" not in event.payload and "reason" in event.payload
    return (
        event.kind == AuditKind.STATE_TRANSITION and _text(event.payload.get("to")) in _SUMMARIZED
    )


def _of_kind(events: Iterable[AuditEvent], kind: AuditKind) -> list[AuditEvent]:
    return [each for each in events if each.kind == kind]


def _classified(call: CallRecord) -> bool:
    return call.purpose == Purpose.CLASSIFY and call.failure is None


def label_of(event: AuditEvent) -> tuple[str | None, float | None]:
    """The label and the confidence in an event's payload, each None where it is none."""
    label, confidence = _text(event.payload.get("classification")), event.payload.get("confidence")
    # Rows may be written by hand: a huge integer is no float.
    if isinstance(confidence, int | float) and abs(confidence) <= 1:
        return label, float(confidence)
    return label, None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
