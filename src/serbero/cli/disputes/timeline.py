"""Everything that happened to a dispute, in order: from the node, at solvers, with the parties."""

from collections.abc import Iterator

from serbero.cli.disputes import delivering
from serbero.cli.disputes.entry import MIDDLE, Entry, folded, in_order
from serbero.cli.disputes.words import change_words, ended_words, note_words, take_words
from serbero.cli.page import moment, short, span, word, words
from serbero.cli.sessions.words import event_words
from serbero.cli.solver_keys import solver_name
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind
from serbero.model.taking import TakeState
from serbero.store.audit_trail import AuditEvent
from serbero.store.dispute_story import Acknowledged, LadderRecord, Story
from serbero.store.session_record import Record

_TOLD_BY_TAKES = frozenset(f"take_{each.value}" for each in TakeState)
_TOLD_ELSEWHERE = _TOLD_BY_TAKES | {
    "outbound_sent",
    "ladder_began",
    "ladder_step",
    "ladder_ended",
    "acknowledged",
    "dispute_reopened",
    "deadline_warned",
}
"""Notes about what a row of another table says better."""
_OF_A_SECOND = frozenset({AuditKind.STATE_TRANSITION.value, AuditKind.OUTBOUND_SENT.value})
"""Events that repeat, where our own tables are kept, what stands beside them."""
_REPEATED = frozenset(
    {
        AuditKind.START_ATTEMPT_STARTED.value,
        AuditKind.START_ATTEMPT_STOPPED.value,
        AuditKind.REASONING_CALL_FAILED.value,
        AuditKind.INBOUND_INGESTED.value,
        AuditKind.OUTBOUND_SENT.value,
        AuditKind.TAKE_DISPUTE_ISSUED.value,
        AuditKind.REASONING_VERDICT.value,
        AuditKind.ESCALATION_DISPATCH_UNROUTABLE.value,
    }
)
_FIRST, _DETECTED, _ATTEMPT, _REQUEST, _CHANGE = 0, 10, 20, 30, 40
_CONSEQUENCE, _ENDING, _LAST = 60, 80, 90
"""Ranks of what can be nowhere else among the rows of a second."""
_RANKS = {
    AuditKind.START_ATTEMPT_STARTED.value: _ATTEMPT,
    AuditKind.REASONING_VERDICT.value: _ATTEMPT,
    AuditKind.START_ATTEMPT_STOPPED.value: _REQUEST + 1,
    AuditKind.TAKE_DISPUTE_ISSUED.value: _REQUEST,
    AuditKind.SESSION_OPENED.value: _CHANGE + 5,
    AuditKind.SESSION_CLOSED.value: _ENDING + 1,
    AuditKind.SUPERSEDED_BY_HUMAN.value: _ENDING,
    AuditKind.RESOLVED_EXTERNALLY_REPORTED.value: _LAST,
}
_BEGINNING = "mediation:session_opened"
"""The one move by mediation that is no consequence of what stands beside it."""
_NARRATIVE = 1000
"""Characters of the final report's words."""
_LOUD = frozenset(
    {AuditKind.ESCALATION_RECOMMENDED.value, AuditKind.ESCALATION_DISPATCH_UNROUTABLE.value}
)


def timeline(story: Story, *, every: bool) -> list[Entry]:
    """Return what happened, in order; every row of it, or what repeats itself told once."""
    entries = [
        *_beginning(story),
        *_changes(story),
        *_takes(story),
        *_events(story, every=every),
        *(delivering.each_message(story) if every else delivering.rounds(story)),
        *delivering.notified(delivering.without_message(story), together=not every),
        *_handing_over(story),
        *_notes(story, every=every),
    ]
    ordered = in_order(entries)
    return ordered if every else folded(ordered)


def _beginning(story: Story) -> Iterator[Entry]:
    dispute = story.dispute
    initiator = word(dispute.initiator)
    if dispute.opened_at is not None:
        revision = f"revision {short(story.event_id)}"
        if story.opening_event_id is None and story.applied is not None:
            said = f"first seen of it: {revision}"
            yield Entry(dispute.opened_at, "revision", said, "bold", rank=_FIRST)
        else:
            said = f"opened by the {initiator}, {revision}"
            yield Entry(dispute.opened_at, "opened", said, "bold", rank=_FIRST)
    late = ""
    if dispute.opened_at is not None and dispute.detected_at is not None:
        late = f", {span(dispute.detected_at - dispute.opened_at)} later"
    said = f"detected by Serbero{late}"
    yield Entry(dispute.detected_at, "detected", said, rank=_DETECTED)


def _changes(story: Story) -> Iterator[Entry]:
    at, rank = None, _CHANGE
    for each in story.changes:
        closed = each.after == Lifecycle.RESOLVED
        own = _CHANGE
        if closed:
            own = _ENDING
        elif each.trigger.startswith("mediation:") and each.trigger != _BEGINNING:
            own = _CONSEQUENCE
        # Changes of the same second keep their order, whatever else of that second is sorted in.
        at, rank = each.at, max(rank, own) if each.at == at else own
        style = "bold green" if closed else "bold"
        yield Entry(each.at, "state", change_words(each), style, rank=rank)


def _takes(story: Story) -> Iterator[Entry]:
    for each in story.takes:
        at = each.started_at if each.finished_at is None else each.finished_at
        like = None if each.state == TakeState.TAKEN else f"take {each.state} {each.reason}"
        yield Entry(at, "take", take_words(each), like=like, rank=_REQUEST)


def _events(story: Story, *, every: bool) -> Iterator[Entry]:
    for each in story.events:
        if every or not (each.kind == AuditKind.TAKE_DISPUTE_ISSUED and story.takes):
            yield _event(each, None)
    for record in story.sessions:
        for each in record.events:
            if every or not (each.kind in _OF_A_SECOND and record.kept.facts):
                yield _event(each, record)


def _event(event: AuditEvent, record: Record | None) -> Entry:
    who = {} if record is None else {each.inner_id: each.party.value for each in record.lines}
    said = event_words(event, who)
    if event.kind == AuditKind.SESSION_OPENED and record is not None:
        said = f"mediation session {short(record.session.session_id)} began"
    more: tuple[str, ...] = ()
    if event.kind == AuditKind.RESOLVED_EXTERNALLY_REPORTED:
        told = event.payload.get("narrative")
        more = (" ".join(words(told).split())[:_NARRATIVE],) if isinstance(told, str) else ()
    elif event.kind == AuditKind.ESCALATION_DISPATCHED:
        said = _dispatched(event)
    return Entry(
        event.at,
        word(event.kind),
        said,
        style="bold yellow" if event.kind in _LOUD else "",
        more=more,
        like=f"{event.kind} {said}" if event.kind in _REPEATED else None,
        rank=_RANKS.get(event.kind, MIDDLE),
    )


def _dispatched(event: AuditEvent) -> str:
    targets = str(event.payload.get("target_solver", "")).split(",")
    names = ", ".join(solver_name(each.strip()) for each in targets[:8] if each.strip())
    further = f" and {len(targets) - 8} more" if len(targets) > 8 else ""
    said = f"hand-off to {names or 'nobody'}{further}: {word(event.payload.get('status'))}"
    return f"{said}, to everybody" if event.payload.get("fallback_broadcast") is True else said


def _handing_over(story: Story) -> Iterator[Entry]:
    for ladder in story.ladders:
        yield from _ladder(ladder)
    for said in story.acknowledgements:
        yield from _acknowledgement(said)
    for warned in story.warnings:
        left = "some time" if warned.before_seconds is None else span(warned.before_seconds)
        yield Entry(warned.at, "deadline", f"the escrow ends in {left}: solvers were warned")


def _ladder(ladder: LadderRecord) -> Iterator[Entry]:
    yield Entry(ladder.started_at, "ladder", "reminders of the hand-off began")
    for step in ladder.steps:
        people = len(step.recipients)
        whom = f"{people} of {word(step.audience)}"
        yield Entry(
            step.at,
            "ladder_step",
            f"reminder {step.number} of the hand-off is due: {whom}",
            like=f"step {whom}",
        )
    if ladder.ended_at is not None:
        why = ended_words(ladder.ended_by)
        yield Entry(
            ladder.ended_at, "ladder", f"reminders of the hand-off ended: {why}", rank=_ENDING
        )


def _acknowledgement(said: Acknowledged) -> Iterator[Entry]:
    who = solver_name(said.solver)
    until = "" if said.expires_at is None else f", until {moment(said.expires_at)}"
    like = f"acknowledged {said.solver}"
    yield Entry(said.at, "acknowledged", f"{who} said to have it{until}", "bold", like=like)
    if said.ended_at is not None and said.ended_by != "renewed":
        why = f"what {who} said counts no longer: {ended_words(said.ended_by)}"
        over = f"{like} {said.ended_by}"
        yield Entry(said.ended_at, "acknowledged", why, like=over, rank=_ENDING)


def _notes(story: Story, *, every: bool) -> Iterator[Entry]:
    for each in story.journal:
        if every or each.kind not in _TOLD_ELSEWHERE:
            note = note_words(each)
            over = each.kind == "dispute_taken_over"
            style, like = ("bold yellow", None) if over else ("", f"{each.kind} {note}")
            rank = _ENDING if over else MIDDLE
            yield Entry(each.at, word(each.kind), note, style, like=like, rank=rank)
