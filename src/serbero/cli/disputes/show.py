"""``serbero disputes show``: the whole story of a dispute on a screen, and as a document."""

from collections.abc import Sequence

from serbero.cli.disputes.entry import Entry
from serbero.cli.disputes.listing import facts, holder
from serbero.cli.disputes.standing import standing
from serbero.cli.disputes.timeline import timeline
from serbero.cli.disputes.words import MESSAGES, because
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
from serbero.cli.sessions import show as session_show
from serbero.cli.solver_keys import solver_name
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import CHAT_CHANNELS, OutboxState
from serbero.store.dispute_story import Story
from serbero.store.dispute_story_deliveries import Delivery

_ROOM = 44
"""Columns that the title takes on one line."""


def document(story: Story, now: int) -> dict[str, object]:
    """The story as JSON: ids and solvers' keys in full, no key of a party, no words of theirs."""
    stands = standing(story, now)
    return facts(story.dispute) | {
        "words": stands.words,
        "next": stands.next,
        "awaited": stands.awaited,
        "node": story.node,
        "event_id": story.event_id,
        "node_opened_at": story.opened_at,
        "last_notified_at": story.last_notified_at,
        "reminders": story.reminders,
        "revision": None
        if story.applied is None
        else dict(zip(("event_id", "status", "created_at"), story.applied, strict=True)),
        "timeline": [
            {"at": each.at, "kind": each.kind, "words": each.words, "more": list(each.more)}
            for each in timeline(story, every=True)
        ],
        "transitions": [
            {"at": each.at, "from": each.before, "to": each.after, "trigger": each.trigger}
            for each in story.changes
        ],
        "deliveries": [delivery_document(each) for each in story.deliveries],
        "notifications": [
            {
                "id": each.id,
                "solver": each.solver,
                "sent_at": each.sent_at,
                "status": each.status,
                "type": each.type,
                "error": None if each.error is None else word(each.error),
            }
            for each in story.notifications
        ],
        **_dealings(story),
        "sessions": [session_show.document(each) for each in story.sessions],
    }


def delivery_document(row: Delivery) -> dict[str, object]:
    """One message as JSON; a party stands in it as such."""
    to_party = row.channel in CHAT_CHANNELS
    return {
        "id": row.id,
        "purpose": row.purpose,
        "type": row.type,
        "session_id": row.session_id,
        "solver": None if to_party else row.solver,
        "to_party": to_party,
        "channel": row.channel,
        "state": row.state,
        "created_at": row.created_at,
        "enqueued_ms": row.enqueued_ms,
        "settled_at": row.settled_at,
        "delivery_ms": row.delivery_ms,
        "deadline_at": row.deadline_at,
        "relays": [
            {
                "relay": each.relay.partition("?")[0],
                "source": each.source,
                "state": each.state,
                "attempts": each.attempts,
                "round_trip_ms": each.round_trip_ms,
                "reason": word(each.reason) if each.reason else None,
                "updated_at": each.updated_at,
            }
            for each in row.relays
        ],
    }


def _dealings(story: Story) -> dict[str, object]:
    """Takes, hand-offs, reminders and notes as JSON."""
    return {
        "takes": [
            {
                "started_at": each.started_at,
                "finished_at": each.finished_at,
                "state": each.state,
                "reason": each.reason or None,
                "attempts": each.attempts,
            }
            for each in story.takes
        ],
        "dispatches": [
            {
                "dispatch_id": each.dispatch_id,
                "session_id": each.session_id,
                "handoff_event_id": each.handoff_event_id,
                "target_solver": each.target_solver,
                "dispatched_at": each.dispatched_at,
                "status": each.status,
                "fallback_broadcast": each.fallback_broadcast,
            }
            for each in story.dispatches
        ],
        "ladders": [
            {
                "started_at": each.started_at,
                "next_at": each.next_at,
                "ended_at": each.ended_at,
                "ended_by": each.ended_by or None,
                "steps": [
                    {
                        "number": step.number,
                        "at": step.at,
                        "audience": step.audience,
                        "recipients": list(step.recipients),
                    }
                    for step in each.steps
                ],
            }
            for each in story.ladders
        ],
        "acknowledgements": [
            {
                "solver": each.solver,
                "at": each.at,
                "expires_at": each.expires_at,
                "ended_at": each.ended_at,
                "ended_by": each.ended_by or None,
            }
            for each in story.acknowledgements
        ],
        "snoozes": [{"solver": solver, "until": until} for solver, until in story.snoozed],
        "deadline_warnings": [
            {"at": each.at, "deadline": each.deadline, "before_seconds": each.before_seconds}
            for each in story.warnings
        ],
        "events": [
            {"id": each.id, "at": each.at, "kind": each.kind}
            | {"payload": without_addresses(each.payload), "rationale_id": each.rationale_id}
            for each in story.events
        ],
        "journal": [
            {"at": each.at, "kind": each.kind, "payload": without_addresses(each.payload)}
            for each in story.journal
        ],
    }


def show(story: Story, now: int, page: Page, *, every: bool) -> None:
    """Print the story; ``now`` is Unix seconds, ``every`` leaves nothing out."""
    _head(story, now, page)
    page.heading("What happened (UTC)")
    _timeline(timeline(story, every=every), page)
    if story.sessions:
        page.line()
        newest = short(story.sessions[-1].session.session_id)
        hint = f"What was said: serbero sessions transcript {newest}"
        page.paragraph(hint, style="dim")


def _head(story: Story, now: int, page: Page) -> None:
    dispute, stands = story.dispute, standing(story, now)
    if page.room < _ROOM:
        page.line("Dispute")
        page.line(word(dispute.dispute_id), "bold")
    else:
        page.pieces(("Dispute ", ""), (word(dispute.dispute_id), "bold"))
    page.field("state", f"{word(dispute.state)}: {stands.words}", "bold")
    page.field("next", stands.next)
    page.field("awaited", stands.awaited)
    page.field("opened", f"by the {word(dispute.initiator)}, {_opened(story, now)}")
    if dispute.state != Lifecycle.RESOLVED:
        page.field("held by", holder(dispute))
    page.field("told", "; ".join(_told(story)))
    for solver, until in story.snoozed:
        if until is not None and until > now:
            page.field("snoozed", f"by {solver_name(solver)} until {moment(until)} UTC")
    for solver, purpose, since in story.held:
        what = f"held back from {solver_name(solver)}, for whom it is a quiet time"
        page.field("waiting", f"{because(MESSAGES, purpose)}: {what}; since {_when(since, now)}")
    for record in story.sessions:
        session = record.session
        page.field("session", f"{short(session.session_id)}, {word(session.state)}")


def _opened(story: Story, now: int) -> str:
    """When, also of a dispute that was taken or closed already when it was first seen."""
    first = _when(story.dispute.opened_at, now)
    if story.opening_event_id is not None or story.applied is None:
        return first
    return f"before {first}" if story.opened_at is None else _when(story.opened_at, now)


def _told(story: Story) -> list[str]:
    said = [counted(story.dispute.told, "solver")]
    for state, what in (
        (OutboxState.PENDING, "still on the way"),
        (OutboxState.DEAD, "reached nobody"),
    ):
        number = sum(each.state == state for each in story.deliveries)
        if number:
            said.append(f"{counted(number, 'message')} {what}")
    return said


def _when(at: int | None, now: int) -> str:
    return "at an unknown time" if at is None else f"{moment(at)} UTC, {span(now - at)} ago"


def _timeline(entries: Sequence[Entry], page: Page) -> None:
    today, second = "", ""
    for each in entries:
        date = "no time on record" if each.at is None else day(each.at)
        time = "" if each.at is None else time_of_day(each.at)
        if date != today:
            today, second = date, ""
            page.line(f"  {today}", "dim")
        lead = f"  {'' if time == second else time:<8}  "
        second = time
        page.hanging(lead, each.words, each.style)
        for more in each.more:
            page.paragraph(more, indent=len(lead) + 2, style="dim")
