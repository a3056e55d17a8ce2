"""``serbero audit verify``; loaded when it is run."""

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, TextIO

import typer

from serbero.cli.options import moment_given
from serbero.cli.page import Page, counted, moment, print_document, short, word
from serbero.cli.source import FAILED, Asked, dispute_meant, ended_by_an_interruption
from serbero.clock import SystemClock
from serbero.store import verification
from serbero.store.verification import Finding, Level, Verified

_SHOWN: Final = 10
"""Rows of one check that a page names; the document names more."""


def report(asked: Asked, beginning: str | None, since: str | None, deep: bool) -> None:
    """Verify, print, and leave.

    Raises:
        typer.Exit: with 1 where the trail does not hold.
        typer.BadParameter: a time is none, or a period is asked for of one dispute.
    """
    now = SystemClock().now()
    begun = moment_given(since, "--since", now)
    if begun is not None and beginning is not None:
        message = "one dispute is looked at from its beginning; leave out --since or --dispute"
        raise typer.BadParameter(message, param_hint="--since")
    progress = Progress(sys.stderr)
    dispute: str | None = None
    if beginning is not None:
        dispute = asked.read(lambda tx: dispute_meant(tx, beginning))
    with ended_by_an_interruption():
        verified = asked.read(
            lambda tx: verification.verify(
                tx, now, dispute=dispute, since=begun, deep=deep, progress=progress.tell
            )
        )
    progress.end()
    if asked.as_json:
        print_document(document(verified, dispute, begun, now), sys.stdout)
    else:
        show(verified, _what(verified, dispute, begun), Page(sys.stdout))
    if verified.damage:
        raise typer.Exit(FAILED)


class Progress:
    """One line that says what is being looked at; nothing where nobody watches."""

    def __init__(self, stream: TextIO) -> None:
        # A dumb terminal cannot go back in a line.
        watched = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._stream = stream if watched else None

    def tell(self, name: str, number: int, of: int) -> None:
        """Show the check that begins."""
        if self._stream is not None:
            self._stream.write(f"\r\x1b[K{number} of {of}: {name}")
            self._stream.flush()

    def end(self) -> None:
        """Leave no trace."""
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


def _what(verified: Verified, dispute: str | None, since: int | None) -> str:
    """What was looked at, in words."""
    if dispute is not None:
        return f"dispute {short(dispute)}"
    if since is None:
        return "whole database"
    touched = counted(verified.touched or 0, "dispute")
    return f"{touched} touched since {moment(since)} UTC"


def document(
    verified: Verified, dispute: str | None, since: int | None, now: int
) -> dict[str, object]:
    """The report for programs."""
    return {
        "ok": not verified.damage,
        "verified_at": now,
        "dispute_id": dispute,
        "since": since,
        "disputes_touched": verified.touched,
        "first_start": verified.first_start,
        "damage": verified.damage,
        "notes": verified.notes,
        "checked": list(verified.checked),
        "skipped": list(verified.skipped),
        "findings": [
            {
                "check": each.check,
                "level": each.level.value,
                "table": each.table,
                "row": each.row,
                "dispute_id": each.dispute_id,
                "expected": word(each.expected),
                "found": word(each.found),
                "meaning": each.meaning,
            }
            for each in verified.findings
        ],
    }


def show(verified: Verified, what: str, page: Page) -> None:
    """The report for people; ``what`` was looked at."""
    damage = [each for each in verified.findings if each.level is Level.DAMAGE]
    notes = [each for each in verified.findings if each.level is Level.NOTE]
    for check, found in _grouped(damage):
        page.paragraph(check, style="bold red")
        _rows(found, page)
    if notes:
        page.paragraph("known gaps of the reference, or a wrong clock", style="bold")
        for check, found in _grouped(notes):
            page.line(check)
            _rows(found, page)
    looked = f"{counted(len(verified.checked), 'check')} of the {what}"
    if verified.damage:
        rows = "row breaks" if verified.damage == 1 else "rows break"
        page.paragraph(f"{verified.damage} {rows} the trail; {looked}", style="bold red")
        page.paragraph(
            "Keep this file as it is and work on a copy: `serbero backup FILE` makes one."
        )
    else:
        page.paragraph(f"the trail holds; {looked}", style="green")
    if verified.notes:
        page.paragraph(
            f"{counted(verified.notes, 'note')} on what the reference is known to leave out, or "
            "on a clock that was wrong: nothing to do."
        )
    if verified.skipped:
        page.paragraph(f"Left to --deep: {', '.join(verified.skipped)}.")


def _grouped(findings: Sequence[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    for check, found in groupby(findings, key=lambda each: each.check):
        yield check, list(found)


def _rows(findings: Sequence[Finding], page: Page) -> None:
    for each in findings[:_SHOWN]:
        row = "" if each.row is None else f" {word(each.row)}"
        about = "" if each.dispute_id is None else f", dispute {short(each.dispute_id)}"
        page.paragraph(f"{word(each.table)}{row}{about}", indent=2)
        page.hanging("    expected  ", word(each.expected))
        page.hanging("    found     ", word(each.found))
        page.hanging("    perhaps   ", each.meaning)
    if len(findings) > _SHOWN:
        page.paragraph(f"and {len(findings) - _SHOWN} more; see --json", indent=2, style="dim")
    page.line()
