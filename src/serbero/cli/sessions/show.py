"""``serbero sessions show``: the story of one session on a screen."""

from collections.abc import Iterable

from serbero.cli.page import (
    Page,
    counted,
    day,
    moment,
    short,
    span,
    time_of_day,
    without_addresses,
    word,
)
from serbero.cli.sessions.ending import handed, headline
from serbero.cli.sessions.words import STATES, event_words, label_words, outcome_words, plain
from serbero.mediation.hindsight import Done, Judgement, failed_calls, judgements
from serbero.reasoning.calls import Purpose
from serbero.store.audit_trail import AuditEvent
from serbero.store.reasoning_calls import CallRecord
from serbero.store.session_record import Record, SideRecord

_ROOM = 44
"""Columns that the title takes on one line."""


def document(record: Record) -> dict[str, object]:
    """The session as JSON: ids in full, times in Unix seconds, no address of a party."""
    session, summary = record.session, record.summary
    return {
        "session_id": session.session_id,
        "dispute_id": session.dispute_id,
        "state": session.state,
        "why": headline(record),
        "classification": session.classification,
        "confidence": session.confidence,
        "rounds": session.pairs_put,
        "started_at": session.started_at,
        "last_transition_at": session.last_transition_at,
        "initiator": record.dispute.initiator if record.dispute else None,
        "dispute_status": record.dispute.status if record.dispute else None,
        "dispute_state": record.dispute.lifecycle if record.dispute else None,
        "prompt_bundle_id": session.pins.bundle_id,
        "policy_hash": session.pins.policy_hash,
        "prompts_kept": record.bundle_kept,
        "parties": {each.party.value: _side_document(each) for each in record.sides},
        "verdicts": [_verdict_document(each) for each in judgements(record)],
        "calls": [_call_document(each) for each in record.calls],
        "summary": None
        if summary is None
        else {
            "generated_at": summary.generated_at,
            "classification": summary.classification,
            "confidence": summary.confidence,
            "text": summary.body,
            "suggested_next_step": summary.next_step,
        },
        "handoff": None if (done := handed(record)) is None else _done_document(done),
        "dispatches": [
            {
                "target_solver": each.target_solver,
                "status": each.status,
                "dispatched_at": each.dispatched_at,
            }
            for each in record.dispatches
        ],
        "events": [_event_document(each) for each in (*record.before, *record.events)],
    }


def _side_document(side: SideRecord) -> dict[str, object]:
    return {
        "asked_at": side.asked_at,
        "reached_at": side.reached_at,
        "answered_at": side.answered_at,
        "answers": side.answers,
        "language": side.language,
        "waits_for_answer": side.waits,
    }


def _verdict_document(judgement: Judgement) -> dict[str, object]:
    call = judgement.call
    return {
        "number": judgement.number,
        "at": judgement.at,
        "opening": judgement.opening,
        "classification": judgement.label,
        "confidence": judgement.confidence,
        **_done_document(judgement.done),
        "call": None if call is None else _call_document(call),
    }


def _done_document(done: Done) -> dict[str, object]:
    return {
        "decision": done.outcome.value,
        "trigger": done.trigger,
        "reason": done.reason,
        "findings": list(done.findings),
    }


def _call_document(call: CallRecord) -> dict[str, object]:
    return {
        "at": call.at,
        "purpose": call.purpose,
        "provider": call.provider,
        "model": call.model,
        "output_mode": call.output_mode,
        "attempts": call.attempts,
        "latency_ms": call.latency_ms,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
        "failure": call.failure,
        "policy_hash": call.policy_hash,
    }


def _event_document(event: AuditEvent) -> dict[str, object]:
    return {
        "id": event.id,
        "at": event.at,
        "kind": event.kind,
        "payload": without_addresses(event.payload),
        "rationale_id": event.rationale_id,
    }


def show(record: Record, now: int, page: Page) -> None:
    """Print the session; ``now`` is Unix seconds."""
    _head(record, now, page)
    page.heading("Parties")
    for side in record.sides:
        page.hanging(f"  {side.party:<8}", "; ".join(_side(side, record)))
    _verdicts(record, page)
    _summary(record, page)
    _handoff(record, page)
    _timeline(record, page)


def _head(record: Record, now: int, page: Page) -> None:
    session, dispute = record.session, record.dispute
    if page.room < _ROOM:
        page.line("Session")
        page.line(word(session.session_id), "bold")
    else:
        page.pieces(("Session ", ""), (word(session.session_id), "bold"))
    page.field("dispute", word(session.dispute_id))
    if dispute is not None:
        known = f"opened by the {word(dispute.initiator)}, status {word(dispute.status)}"
        page.field("", f"{known}, here {word(dispute.lifecycle)}")
    page.field("state", plain(STATES, session.state), "bold")
    page.field("why", headline(record))
    page.field("verdict", label_words(session.classification, session.confidence))
    put = counted(session.pairs_put, "pair")
    answers = sum(each.answers for each in record.sides)
    page.field("rounds", f"{put} of questions put, {counted(answers, 'answer')} counted")
    page.field("began", f"{moment(session.started_at)} UTC")
    changed = f"{moment(session.last_transition_at)} UTC"
    page.field("changed", f"{changed}, {span(now - session.last_transition_at)} ago")
    stored = {
        True: "the texts are kept here",
        False: "the texts are not kept here",
        None: "this database keeps no texts",
    }
    page.field("prompts", f"{word(session.pins.bundle_id)}, {stored[record.bundle_kept]}")
    page.field("hash", word(session.pins.policy_hash[:16]))


def _side(side: SideRecord, record: Record) -> Iterable[str]:
    if side.asked_at is None:
        yield "not asked"
    else:
        yield f"asked {moment(side.asked_at)}"
        if not record.kept.facts:
            yield "whether a relay took it is not on record"
        elif side.reached_at is None:
            yield "no relay took it so far"
        else:
            yield f"at a relay {moment(side.reached_at)}"
    if side.answered_at is None:
        yield "no answer"
    else:
        yield f"{counted(side.answers, 'answer')}, the last {moment(side.answered_at)}"
    if side.answers and side.waits:
        yield "none to the last question yet"
    if side.language is not None:
        yield f"writes {word(side.language)}"


def _verdicts(record: Record, page: Page) -> None:
    page.heading("Verdicts")
    found = judgements(record)
    for each in found:
        page.hanging(
            f"  {each.number}  {time_of_day(each.at)}  ",
            f"{label_words(each.label, each.confidence)}: {outcome_words(each.done)}"
            f" [{_cost(each.call)}]",
        )
    if not found:
        page.line("  none on record", "dim")
    for call in failed_calls(record):
        what = f"{word(call.purpose)} failed: {word(call.failure)}"
        page.hanging(f"  -  {time_of_day(call.at)}  ", f"{what} [{_cost(call)}]")
    for call in record.calls:
        if call.purpose == Purpose.SUMMARIZE and call.failure is None:
            page.hanging(f"  -  {time_of_day(call.at)}  ", f"summary written [{_cost(call)}]")


def _cost(call: CallRecord | None) -> str:
    if call is None:
        return "model and cost not on record"
    parts = [f"{word(call.provider)}/{word(call.model)}"]
    if call.input_tokens is not None or call.output_tokens is not None:
        parts.append(f"{call.input_tokens or 0} tokens in, {call.output_tokens or 0} out")
    parts.append(f"{call.latency_ms} ms")
    if call.attempts > 1:
        parts.append(f"{call.attempts} attempts")
    return ", ".join(parts)


def _summary(record: Record, page: Page) -> None:
    summary = record.summary
    if summary is None:
        return
    page.heading(f"Summary of {moment(summary.generated_at)}")
    page.quoted(summary.body or "(emptied by a purge)")
    page.line("  suggested next step:", "dim")
    page.quoted(summary.next_step or "(emptied by a purge)")


def _handoff(record: Record, page: Page) -> None:
    if handed(record) is None:
        return
    page.heading("Hand-off")
    page.paragraph(headline(record), indent=2)
    for each in record.dispatches:
        page.paragraph(
            f"{word(each.status)} to {short(each.target_solver)} at {moment(each.dispatched_at)}",
            indent=2,
        )
    if not record.dispatches:
        page.line("  no dispatch on record", "dim")


def _timeline(record: Record, page: Page) -> None:
    page.heading("Timeline (UTC)")
    who = {each.inner_id: each.party.value for each in record.lines}
    today = ""
    for event in (*record.before, *record.events):
        if day(event.at) != today:
            today = day(event.at)
            page.line(f"  {today}", "dim")
        page.hanging(f"  {time_of_day(event.at):<8}  ", event_words(event, who))
    if not (record.before or record.events):
        page.line("  nothing on record", "dim")
