"""What ``serbero backup`` does; loaded when it is run."""

import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, Self

import typer

from serbero.cli.page import Page, counted, print_document
from serbero.cli.source import FAILED, Asked, Source, Stop, leave, let_streams_spell
from serbero.clock import SystemClock
from serbero.store.backup import BackupFailed, Copied, check_target, copy

TOLD_AFTER_SECONDS: Final = 1.0
"""A copy that takes longer says how far it is, on a terminal."""
_UNITS: Final = (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10))


def make(asked: Asked, file: Path, *, replace: bool) -> None:
    """Copy, and say what there is now and how to go back to it.

    Raises:
        typer.Exit: with 1 where there is no copy.
    """
    let_streams_spell()
    target = file.absolute()
    try:
        source = Source.named(asked.config, asked.db)
        source.read(lambda _tx: None)  # fails where there is none, or none of Serbero's
        try:
            # Before anything is written: what is asked for may not be possible.
            check_target(source.path, target, replace=replace)
            with _leaving_nothing(), _Telling() as telling:
                done = copy(source.path, target, replace=replace, progress=telling.say)
        except BackupFailed as failure:
            raise Stop(str(failure), FAILED) from None
        except KeyboardInterrupt:
            raise Stop(
                "stopped; there is no new copy, and nothing was left behind", FAILED
            ) from None
    except Stop as stop:
        leave(stop, asked.as_json)
    if asked.as_json:
        print_document(document(done, source.path), sys.stdout)
    else:
        show(done, source.path, Page(sys.stdout))


def document(done: Copied, database: Path) -> dict[str, object]:
    """The copy, for programs."""
    return {
        "ok": True,
        "path": str(done.path),
        "database": str(database.absolute()),
        "size_bytes": done.size,
        "disputes": done.disputes,
    }


def show(done: Copied, database: Path, page: Page) -> None:
    """The copy, and how to restore it."""
    # SQLite keeps the log beside the file itself, not beside a link to it.
    live = os.path.realpath(database)
    page.pieces(("Copied ", ""), (counted(done.disputes, "dispute"), "bold"), (" to", ""))
    page.line(f"  {done.path}", "bold")
    page.line(f"  {size(done.size)}, whole and checked, readable by its owner alone")
    page.heading("To go back to it")
    page.line("  stop the daemon, and as its user:")
    page.line(f"    rm -f {shlex.quote(live + '-wal')} {shlex.quote(live + '-shm')}")
    page.line(f"    cp {shlex.quote(str(done.path))} {shlex.quote(live)}")
    page.line("  start the daemon: it goes on from there.")


def size(number: int) -> str:
    """Return so many bytes, roughly."""
    for unit, worth in _UNITS:
        if number >= worth:
            return f"{number / worth:.1f} {unit}"
    return f"{number} bytes"


@contextlib.contextmanager
def _leaving_nothing() -> Iterator[None]:
    """Let whoever ends us orderly, a service manager too, do it like Ctrl-C."""

    def on_signal(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Telling:
    """How far the copy is, in one line of a terminal that is gone afterwards."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._due = self._clock.monotonic() + TOLD_AFTER_SECONDS
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._told:
            typer.echo("\r\x1b[2K", err=True, nl=False)

    def say(self, written: int) -> None:
        """Tell, at most once a second."""
        if not sys.stderr.isatty() or self._clock.monotonic() < self._due:
            return
        self._due = self._clock.monotonic() + TOLD_AFTER_SECONDS
        self._told = True
        typer.echo(f"\r\x1b[2Kcopied {size(written)} ...", err=True, nl=False)
