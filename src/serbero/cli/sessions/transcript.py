"""``serbero sessions transcript``: what was said, in order, and why it stopped there."""

from serbero.cli.page import Page, day, moment, short, time_of_day, word
from serbero.cli.sessions.ending import story
from serbero.cli.sessions.words import STATES, plain
from serbero.store.session_record import Record
from serbero.store.transcripts import Line

_DRIFT_SECONDS = 60
"""An author's clock that is further from ours is told of."""


def document(record: Record) -> dict[str, object]:
    """The transcript as JSON."""
    session = record.session
    return {
        "session_id": session.session_id,
        "dispute_id": session.dispute_id,
        "state": session.state,
        "messages": [_line_document(each) for each in record.lines],
        "purged": record.purged,
        "ending": story(record),
    }


def _line_document(line: Line) -> dict[str, object]:
    return {
        "at": line.at,
        "stored_at": line.stored_at,
        "from": "serbero" if line.ours else line.party.value,
        "to": line.party.value if line.ours else "serbero",
        "sent": line.sent,
        "stale": line.stale,
        "text": line.text,
    }


def show(record: Record, page: Page) -> None:
    """Print the transcript."""
    session = record.session
    page.pieces(("Session ", ""), (short(session.session_id), "bold"))
    page.paragraph(f"of dispute {word(session.dispute_id)}")
    page.paragraph(plain(STATES, session.state))
    page.paragraph("Times are UTC, by the clock of whoever wrote.", style="dim")
    today = ""
    for line in record.lines:
        if day(line.at) != today:
            today = day(line.at)
            page.heading(today)
        _message(line, record, page)
    if not record.lines:
        page.paragraph("Nothing that was said is on record.", style="dim")
    page.heading("Why it stopped here" if _over(record) else "Where it stands")
    page.paragraph(story(record), indent=2)


def _message(line: Line, record: Record, page: Page) -> None:
    who = f"Serbero to the {line.party}" if line.ours else f"the {line.party}"
    notes = _notes(line, record)
    page.line()
    when, style = f"{time_of_day(line.at):<8}  ", "bold yellow" if line.ours else "bold green"
    noted = f"  ({'; '.join(notes)})" if notes else ""
    if len(when + who + noted) <= page.room:
        page.pieces((when, "dim"), (who, style), (noted, "dim"))
    else:
        page.pieces((when, "dim"), (who, style))
        if notes:
            page.paragraph(noted.strip(), indent=2, style="dim")
    if not line.text and record.purged:
        page.line("  (its words were emptied by a purge)", "dim")
        return
    page.quoted(line.text, style="dim" if line.stale else "")


def _notes(line: Line, record: Record) -> list[str]:
    notes = []
    if line.ours and not record.kept.facts:
        notes.append("whether a relay took it is not on record")
    elif line.ours:
        notes.append("a relay took it" if line.sent else "no relay took it")
    if line.stale:
        notes.append("came too late, counts for nothing")
    if abs(line.at - line.stored_at) > _DRIFT_SECONDS:
        verb = "written here" if line.ours else "arrived here"
        notes.append(f"{verb} {moment(line.stored_at)}")
    return notes


def _over(record: Record) -> bool:
    return record.session.state not in ("opening", "awaiting_response", "follow_up_pending")
