"""What ``serbero purge`` does; loaded when it is run."""

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import typer

from serbero.cli.page import Page, counted, moment, print_document
from serbero.cli.source import FAILED, USAGE, Asked, Source, Stop, leave
from serbero.cli.times import NoTime, parse_span
from serbero.clock import SystemClock
from serbero.store import free_space, purge, purge_search
from serbero.store.migrate import check_version
from serbero.store.purge import Emptied
from serbero.store.purge_search import START, Estimate, Look
from serbero.store.sqlite import is_held

BATCH: Final = 10
"""Disputes of one transaction: some ten milliseconds, in which the daemon waits."""
_NOUNS: Final = {
    "messages": ("message of a conversation", "messages of conversations"),
    "rationales": ("reason a model gave", "reasons a model gave"),
    "summaries": ("summary", "summaries"),
    "reasons": ("failure in a provider's words", "failures in a provider's words"),
    "order_facts": ("payment method of an order", "payment methods of orders"),
    "outbox": ("message that was sent or given up", "messages that were sent or given up"),
    "wraps": ("message in the form relays were given", "messages in the form relays were given"),
}


@dataclass(frozen=True, slots=True)
class Purged:
    """What was done.

    Attributes:
        disputes: how many had something to empty.
        whole: whether nothing of it is left in the file, its free parts included.
        under_way: messages that were left, because relays are still asked.
    """

    disputes: int
    emptied: Emptied
    whole: bool
    under_way: int


def run(asked: Asked, older_than: str, *, dry_run: bool, yes: bool) -> None:
    """Look, ask, empty, and say what was done.

    Raises:
        typer.Exit: with another code than 0 where it was not done.
    """
    now = SystemClock().now()
    seconds = _span(older_than)
    before = max(0, now - seconds)
    found = asked.read(lambda tx: _estimated(asked, tx, before))
    done = Purged(0, Emptied(), whole=False, under_way=0)
    if found.disputes and not dry_run:
        if not asked.as_json:
            announce(found, before, Page(sys.stdout))
        _ask(asked, found, yes=yes)
        done = _empty(asked, before, found)
    if asked.as_json:
        print_document(_document(found, done, before, dry_run=dry_run), sys.stdout)
    elif dry_run or not found.disputes:
        announce(found, before, Page(sys.stdout))
    else:
        show(done, _path(asked), Page(sys.stdout))


def _span(text: str) -> int:
    try:
        return parse_span(text)
    except NoTime as problem:
        raise typer.BadParameter(str(problem), param_hint="--older-than") from None


def _path(asked: Asked) -> Path:
    return Source.named(asked.config, asked.db).path


def _estimated(asked: Asked, tx: sa.Connection, before: int) -> Estimate:
    # Older tables are written by a daemon of this version first.
    check_version(tx, _path(asked))
    return purge_search.estimate(tx, before)


def _ask(asked: Asked, found: Estimate, *, yes: bool) -> None:
    """Have somebody say yes.

    Raises:
        typer.Exit: nobody did.
    """
    if yes:
        return
    if asked.as_json or not sys.stdin.isatty():
        leave(
            Stop("expected --yes where nobody can be asked; nothing was emptied", USAGE),
            asked.as_json,
        )
    if not typer.confirm(f"Empty {counted(found.disputes, 'dispute')} for ever?", err=True):
        leave(Stop("nothing was emptied", USAGE), asked.as_json)


def _empty(asked: Asked, before: int, found: Estimate) -> Purged:
    """Empty everything, some disputes at a time.

    Raises:
        typer.Exit: it was stopped; what was emptied until then stays so.
    """
    looked, disputes, emptied, tell = 0, 0, Emptied(), _telling(found.disputes)
    try:
        for ids in _until_stopped(batches(asked, before)):
            # Another purge, or the daemon's own, may be at work on the same ones.
            count, done = asked.write(partial(_empty_batch, ids, before))
            disputes, emptied = disputes + count, emptied + done
            looked += len(ids)
            tell(looked)
        path = _path(asked)
        largest = free_space.QUICK_BYTES if is_held(path) else free_space.LARGEST_BYTES
        whole = free_space.rewrite(path, largest)
    except KeyboardInterrupt:
        message = f"stopped after {counted(disputes, 'dispute')}; run it again to go on"
        leave(Stop(message, FAILED), asked.as_json)
    return Purged(disputes, emptied, whole, found.under_way)


def batches(asked: Asked, before: int) -> Iterator[Sequence[str]]:
    """Yield the disputes to empty, those of one transaction at a time."""
    place: int | None = START
    while place is not None:
        found = asked.read(partial(_look, before, place))
        for first in range(0, len(found.ids), BATCH):
            yield found.ids[first : first + BATCH]
        place = found.place


def _until_stopped(found: Iterator[Sequence[str]]) -> Iterator[Sequence[str]]:
    """Let Ctrl-C wait until a transaction is over and counted: some ten milliseconds.

    Raises:
        KeyboardInterrupt: then.
    """
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        for ids in found:
            if pressed:
                raise KeyboardInterrupt
            yield ids
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def _look(before: int, place: int, tx: sa.Connection) -> Look:
    return purge_search.look(tx, before, place)


def _empty_batch(ids: Sequence[str], before: int, tx: sa.Connection) -> tuple[int, Emptied]:
    return purge.empty_all(tx, ids, before, SystemClock().now())


def _telling(expected: int) -> Callable[[int], None]:
    """How far it is, in one line of a terminal."""

    def tell(done: int) -> None:
        if sys.stderr.isatty():
            end = "\n" if done >= expected else ""
            typer.echo(f"\r\x1b[2K{done} of {expected} disputes{end}", err=True, nl=False)

    return tell


def announce(found: Estimate, before: int, page: Page) -> None:
    """What there is to empty."""
    page.field("ended", f"until {moment(before)} UTC")
    if not found.disputes:
        page.paragraph("Nothing to empty: no dispute that ended by then has any words left.")
        return
    page.field("disputes", str(found.disputes), "bold")
    if found.oldest is not None:
        page.field("the first", f"ended {moment(found.oldest)} UTC")
    page.field("messages", f"{found.messages} of conversations, {found.outbox} sent or given up")
    page.field("reasons", f"{found.rationales} a model gave in their sessions")
    if found.under_way:
        what = counted(found.under_way, "message")
        page.field("left", f"{what} still on the way to a relay; run it again later")


def show(done: Purged, path: Path, page: Page) -> None:
    """What was emptied, and where pieces of it may still be."""
    page.line()
    page.pieces(("Emptied ", ""), (counted(done.disputes, "dispute"), "bold"), (":", ""))
    for name, count in done.emptied.counts().items():
        if count:
            page.line(f"  {count} {_NOUNS[name][count != 1]}")
    if done.under_way:
        left = counted(done.under_way, "message")
        page.paragraph(f"{left} still on the way to a relay kept their words: run it again later.")
    if done.whole:
        page.paragraph(
            "Nothing of what was emptied is left in the file. Older backups still hold it."
        )
        return
    page.paragraph(
        "SQLite may still hold pieces of it in free parts of the file, which this one is too large"
        " or too busy to be freed of just now. To be rid of them too: stop the daemon, make a copy"
        f" with `serbero backup`, and put it in the place of {path}. Older backups still hold it."
    )


def _document(found: Estimate, done: Purged, before: int, *, dry_run: bool) -> dict[str, object]:
    """The purge, for programs."""
    return {
        "ok": True,
        "dry_run": dry_run,
        "before": before,
        "found": {
            "disputes": found.disputes,
            "oldest_ended_at": found.oldest,
            "messages": found.messages,
            "rationales": found.rationales,
            "outbox": found.outbox,
            "under_way": found.under_way,
        },
        "emptied": {"disputes": done.disputes, **done.emptied.counts()},
        "free_space_rewritten": done.whole,
    }
