"""What ``serbero notifications`` does; loaded when it is run."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import typer

from serbero.cli.disputes.reading import named
from serbero.cli.options import moment_given
from serbero.cli.page import Page, columns, moment, print_document, short, span, word
from serbero.cli.solver_keys import solver_name, spellings
from serbero.cli.source import Asked, dispute_meant
from serbero.clock import SystemClock
from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_FAILED, NOTIFICATION_SENT
from serbero.store import notification_lookup
from serbero.store.notification_lookup import Notification, Wanted

_STATUSES = (NOTIFICATION_SENT, NOTIFICATION_FAILED)
_TITLES = ("TIME (UTC)", "AGE", "DISPUTE", "SOLVER", "STATUS", "TYPE")


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed behind the command."""

    dispute: str | None
    solver: str | None
    status: str | None
    type: str | None
    since: str | None
    until: str | None
    limit: int

    def wanted(self, tx: sa.Connection, now: int) -> Wanted:
        """Return what is meant by it.

        Raises:
            Stop: a word of it means nothing, or too much.
            typer.BadParameter: a time is none.
        """
        return Wanted(
            dispute_id=None if self.dispute is None else dispute_meant(tx, self.dispute),
            solver=() if self.solver is None else (*spellings(self.solver), self.solver.strip()),
            status=None if self.status is None else named(self.status, _STATUSES, "status"),
            type=None if self.type is None else named(self.type, tuple(NotificationType), "type"),
            since=moment_given(self.since, "--since", now),
            until=moment_given(self.until, "--until", now),
            limit=self.limit,
        )


def list_notifications(asked: Asked, typed: Typed) -> None:
    """Look, and print."""
    now = SystemClock().now()
    found = asked.read(lambda tx: notification_lookup.newest(tx, typed.wanted(tx, now)))
    if asked.as_json:
        print_document(document(found), sys.stdout)
    elif found:
        show(found, now, Page(sys.stdout))
    else:
        typer.echo("no notifications", err=True)


def document(rows: Sequence[Notification]) -> list[dict[str, object]]:
    """The list as JSON."""
    return [
        {
            "id": each.id,
            "dispute_id": each.dispute_id,
            "solver": each.solver,
            "sent_at": each.sent_at,
            "status": each.status,
            "type": each.type,
            "error": None if each.error is None else word(each.error),
        }
        for each in rows
    ]


def show(rows: Sequence[Notification], now: int, page: Page) -> None:
    """Print the list, a failure's reason below its row; ``now`` is Unix seconds."""
    heading, *lines = columns([_TITLES, *(_row(each, now) for each in rows)])
    wide = len(max(heading, *lines, key=len)) <= page.room
    if wide:
        page.line(heading, "bold")
    else:
        lines = list(columns([_narrow(each, now) for each in rows]))
    for line, each in zip(lines, rows, strict=True):
        page.line(line, "" if each.status == NOTIFICATION_SENT else "yellow")
        if not wide:
            _, age, *_ = _row(each, now)
            page.paragraph(f"{word(each.type)}, {_time(each)}, {age}", indent=4, style="dim")
        if each.error is not None:
            page.paragraph(word(each.error), indent=4, style="dim")


def _row(row: Notification, now: int) -> tuple[str, ...]:
    return (
        _time(row),
        "?" if row.sent_at is None else f"{span(now - row.sent_at)} ago",
        short(row.dispute_id),
        solver_name(row.solver),
        word(row.status),
        word(row.type),
    )


def _narrow(row: Notification, now: int) -> tuple[str, ...]:
    _, _, dispute, solver, status, _ = _row(row, now)
    return (dispute, solver, status)


def _time(row: Notification) -> str:
    return "?" if row.sent_at is None else moment(row.sent_at)
