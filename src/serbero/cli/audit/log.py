"""``serbero audit log``; loaded when it is run."""

import asyncio
import json
import select
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import sqlalchemy as sa
import typer

from serbero.cli.audit.words import KINDS, entry_words
from serbero.cli.main import EXIT_INTERRUPTED
from serbero.cli.options import moment_given
from serbero.cli.page import Page, moment, print_document, short, without_addresses, word
from serbero.cli.sessions.source import meant
from serbero.cli.source import FAILED, Asked, Stop, dispute_meant
from serbero.clock import Clock, SystemClock
from serbero.store import audit_log
from serbero.store.audit_log import Entry, Marks, Wanted

POLL_SECONDS: Final = 1.0
_MOST_AT_ONCE: Final = 10_000
_ROOM: Final = 64
"""Columns below which an entry's words begin on a line of their own."""
_NO_DISPUTE: Final = "-" * 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for, as typed."""

    dispute: str | None = None
    session: str | None = None
    kinds: Collection[str] = field(default_factory=tuple)
    since: str | None = None
    until: str | None = None
    limit: int = 100


def report(asked: Asked, wish: Wish, clock: Clock | None = None) -> None:
    """Print the newest entries, oldest first.

    Raises:
        typer.Exit: an id or a time means nothing.
    """
    now = (clock or SystemClock()).now()
    since, until = _times(wish, now)
    _check_kinds(wish.kinds)
    entries = asked.read(
        lambda tx: audit_log.newest(tx, _wanted(tx, wish, since, until), wish.limit)
    )
    if asked.as_json:
        print_document([document(each) for each in entries], sys.stdout)
        return
    page = Page(sys.stdout)
    if not entries:
        page.paragraph("Nothing on record of what was asked for.")
    show(entries, page)


def follow(asked: Asked, wish: Wish, clock: Clock | None = None) -> None:
    """Print the newest entries, and then what is added, until interrupted.

    With ``--json`` each entry is a document on a line of its own.

    Raises:
        typer.Exit: an id or a time means nothing.
        typer.Exit: Ctrl-C, with 130, as shells say of what was interrupted.
    """
    try:
        asyncio.run(_follow(asked, wish, clock or SystemClock()))
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_INTERRUPTED) from None


async def _follow(asked: Asked, wish: Wish, clock: Clock) -> None:
    since, until = _times(wish, clock.now())
    _check_kinds(wish.kinds)
    wanted, marks, entries = asked.read(lambda tx: _begin(tx, wish, since, until))
    page = Page(sys.stdout)
    while True:
        if asked.as_json:
            for each in entries:
                text = json.dumps(document(each), ensure_ascii=True, separators=(",", ":"))
                typer.echo(text)
        else:
            show(entries, page)
        sys.stdout.flush()
        await clock.sleep(POLL_SECONDS)
        if _nobody_reads():
            return
        entries = asked.read(partial(_next, wanted=wanted, marks=marks))
        marks = audit_log.seen(marks, entries)


def _nobody_reads() -> bool:
    """Whether the reader of a pipe left; where nothing is added, no write would tell."""
    try:
        out = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    poller = select.poll()
    poller.register(out, 0)
    return any(happened & select.POLLERR for _, happened in poller.poll(0))


def _begin(
    tx: sa.Connection, wish: Wish, since: int | None, until: int | None
) -> tuple[Wanted, Marks, list[Entry]]:
    """What there is, and from where to go on: of one moment."""
    wanted = _wanted(tx, wish, since, until)
    return wanted, audit_log.marks(tx), audit_log.newest(tx, wanted, wish.limit)


def _next(tx: sa.Connection, *, wanted: Wanted, marks: Marks) -> list[Entry]:
    return audit_log.added(tx, wanted, marks, _MOST_AT_ONCE)


def _times(wish: Wish, now: int) -> tuple[int | None, int | None]:
    since = moment_given(wish.since, "--since", now)
    return since, moment_given(wish.until, "--until", now)


def _check_kinds(kinds: Collection[str]) -> None:
    """Refuse a kind nobody writes: it would look like nothing happened.

    Raises:
        typer.BadParameter: it is none; the command ends with 2.
    """
    unknown = sorted(set(kinds) - KINDS)
    if unknown:
        known = ", ".join(sorted(KINDS))
        message = f"expected one of {known}; found {word(unknown[0])}"
        raise typer.BadParameter(message, param_hint="--kind")


def _wanted(tx: sa.Connection, wish: Wish, since: int | None, until: int | None) -> Wanted:
    dispute = None if wish.dispute is None else dispute_meant(tx, wish.dispute)
    session = None if wish.session is None else _session(tx, wish.session)
    return Wanted(
        dispute_id=dispute,
        session_id=session,
        kinds=frozenset(wish.kinds),
        since=since,
        until=until,
    )


def _session(tx: sa.Connection, beginning: str) -> str:
    found = meant(tx, beginning).session_id
    if found is None:
        raise Stop(f"the dispute {word(beginning)} has no session", FAILED)
    return found


def document(entry: Entry) -> dict[str, object]:
    """An entry for programs: ids and hashes in full, no words of a party or a model."""
    return {
        "table": entry.source.value,
        "id": entry.id,
        "at": entry.at,
        "kind": entry.kind,
        "dispute_id": entry.dispute_id,
        "session_id": entry.session_id,
        "words": entry_words(entry),
        "rationale_id": entry.rationale_id,
        "prompt_bundle_id": entry.bundle_id,
        "policy_hash": entry.policy_hash,
        "payload": without_addresses(_without_answers(entry.payload)),
    }


def _without_answers(payload: Mapping[str, object]) -> dict[str, object]:
    """A payload without what a provider answered: the reference puts that behind a colon."""
    reason = payload.get("reason")
    cut = isinstance(reason, str) and "trigger" in payload
    return {**payload, "reason": str(reason).partition(": ")[0]} if cut else dict(payload)


def show(entries: Sequence[Entry], page: Page) -> None:
    """An entry a line, later lines under the first."""
    for entry in entries:
        about = _NO_DISPUTE if entry.dispute_id is None else short(entry.dispute_id)
        words = entry_words(entry)
        if entry.rationale_id is not None:
            words += f" [rationale {short(entry.rationale_id)}]"
        lead = f"{moment(entry.at)}  {about:<8}"
        if page.room >= _ROOM:
            page.hanging(f"{lead}  ", words)
        else:
            page.line(lead, "dim")
            page.paragraph(words, indent=4)
