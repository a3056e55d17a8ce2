"""``serbero audit ladder``; loaded when it is run."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import typer

from serbero.cli.page import Page, columns, moment, print_document, short, span, word
from serbero.cli.source import FAILED, Asked
from serbero.clock import SystemClock
from serbero.escalation.auditor import Discrepancy, DiscrepancyKind, Facts, audit, facts_of
from serbero.store import watches
from serbero.store.watches import LONGEST_GAP_SECONDS, Watched

_WORDS: Final = {
    DiscrepancyKind.HANDOFF_MISSING: "nobody was given the hand-off",
    DiscrepancyKind.HANDOFF_LATE: "the hand-off was late",
    DiscrepancyKind.HANDOFF_LOST: "the hand-off is lost",
    DiscrepancyKind.HANDOFF_TWICE: "the hand-off was sent twice",
    DiscrepancyKind.LADDER_MISSING: "nobody is reminded",
    DiscrepancyKind.LADDER_STOPPED: "nobody is reminded any more",
    DiscrepancyKind.STEP_MISSING: "a reminder is missing",
    DiscrepancyKind.STEP_LATE: "a reminder was late",
    DiscrepancyKind.REMINDER_LOST: "a reminder is lost",
    DiscrepancyKind.REMINDER_UNEXPLAINED: "a reminder nobody meant",
    DiscrepancyKind.REMINDER_TWICE: "two reminders for one",
    DiscrepancyKind.REMINDER_AFTER: "a reminder in vain",
    DiscrepancyKind.REMINDED_NOBODY: "a reminder for nobody",
    DiscrepancyKind.WARNING_MISSING: "nobody was warned",
    DiscrepancyKind.WARNING_LOST: "a warning is lost",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look brought.

    Attributes:
        kept: whether this database is of a version that keeps what is audited.
        seen_at: when a daemon last said that it is there, Unix seconds; None if none ever did.
    """

    kept: bool
    seen_at: int | None
    facts: Facts
    found: Sequence[Discrepancy]


def report(asked: Asked) -> None:
    """Look, print, and leave.

    Raises:
        typer.Exit: with 1 where something is not as it should be.
    """
    now = SystemClock().now()
    looked = asked.read(lambda tx: look(tx, now))
    if asked.as_json:
        print_document(document(looked, now), sys.stdout)
    else:
        show(looked, now, Page(sys.stdout))
    if looked.found:
        raise typer.Exit(FAILED)


def look(tx: sa.Connection, now: int) -> Finding:
    """Audit a database of any version."""
    if not sa.inspect(tx).has_table(watches.watches.name):
        return Finding(False, None, Facts(), ())
    facts = facts_of(tx, now)
    return Finding(True, watches.last_seen(tx), facts, audit(tx, now, facts))


def document(looked: Finding, now: int) -> dict[str, object]:
    """The report for programs."""
    facts = looked.facts
    return {
        "ok": not looked.found,
        "checked_at": now,
        "daemon_seen_at": looked.seen_at,
        "audited": {
            "handoffs": facts.handoffs is not None,
            "reminders": facts.reminders is not None,
            "deadlines": facts.deadlines is not None,
        },
        "discrepancies": [
            {
                "dispute_id": each.dispute_id,
                "kind": each.kind.value,
                "expected_at": each.expected_at,
                "found": each.found,
            }
            for each in looked.found
        ],
    }


def show(looked: Finding, now: int, page: Page) -> None:
    """The report for people."""
    if looked.found:
        rows = [("DISPUTE", "WHAT IS WRONG", "EXPECTED (UTC)")]
        rows += [
            (
                short(each.dispute_id),
                _WORDS[each.kind],
                "never" if each.expected_at is None else moment(each.expected_at),
            )
            for each in looked.found
        ]
        heading, *lines = columns(rows)
        page.line(heading, "bold")
        for line, each in zip(lines, looked.found, strict=True):
            page.line(line)
            page.paragraph(word(each.found), indent=10, style="dim")
        page.line()
        many = "discrepancy" if len(looked.found) == 1 else "discrepancies"
        page.line(f"{len(looked.found)} {many}", "bold red")
        page.paragraph("Look after these disputes yourself: `serbero doctor` checks the daemon.")
    elif not looked.kept:
        page.paragraph("This database is of a version that handed nothing over: nothing to audit.")
    elif looked.seen_at is None:
        page.paragraph(
            "Nothing to audit: since hand-offs, reminders or warnings were switched on in "
            "[escalation], no dispute was open while the daemon ran."
        )
    else:
        page.line("all as it should be", "green")
    _footing(looked, now, page)


def _footing(looked: Finding, now: int, page: Page) -> None:
    """What the words above rest on."""
    if looked.seen_at is None:
        return
    facts = looked.facts
    page.line()
    for name, watched in (
        ("hand-offs", facts.handoffs),
        ("reminders", facts.reminders),
        ("warnings", facts.deadlines),
    ):
        page.field(name, "not audited: off" if watched is None else _times(watched))
    if now - looked.seen_at > LONGEST_GAP_SECONDS:
        ago = span(now - looked.seen_at)
        page.field("daemon", f"last seen {ago} ago with a dispute open: nothing became late since")


def _times(watched: Watched) -> str:
    since = next((ended for began, ended in watched.unwatched if began == 0), 0)
    return f"audited from {moment(since)}"
