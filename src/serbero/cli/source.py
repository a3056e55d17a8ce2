"""Where a command's answer comes from: which database, which dispute. Nothing is locked."""

import signal
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Protocol, TypeVar

import sqlalchemy as sa
import typer

from serbero.cli.options import sources
from serbero.cli.page import print_document, word
from serbero.config.environment import DB_VARIABLE, variable
from serbero.store import session_lookup
from serbero.store.engine import run_once, write_once
from serbero.store.errors import StoreError, StoreRejected

FAILED: Final = 1
USAGE: Final = 2
SHORTEST_BEGINNING: Final = 4

T = TypeVar("T")


class Stop(Exception):  # noqa: N818 - what the command does next
    """The command ends here.

    Attributes:
        code: its exit code.
        candidates: ids among which one has to be chosen.
    """

    def __init__(self, message: str, code: int, candidates: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.candidates = tuple(candidates)


def leave(stop: Stop, as_json: bool) -> NoReturn:
    """Say why, on standard error, and as the document where one is wanted; then leave.

    Raises:
        typer.Exit: always.
    """
    if as_json:
        document: dict[str, object] = {"ok": False, "error": str(stop)}
        if stop.candidates:
            document["candidates"] = list(stop.candidates)
        print_document(document, sys.stdout)
    typer.echo(str(stop), err=True)
    raise typer.Exit(stop.code)


@dataclass(frozen=True, slots=True)
class Source:
    """A database to read."""

    path: Path

    @classmethod
    def named(cls, config: Path | None, db: Path | None) -> "Source":
        """The database that options, environment or configuration name, in this order.

        Of the configuration only that one value is needed: no key, no node.

        Raises:
            Stop: nothing names one.
        """
        path, environ = sources(config, db)
        given = variable(environ, DB_VARIABLE)
        return cls(_configured_path(path, environ) if given is None else Path(given))

    def read(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one read-only transaction, beside a daemon or without one.

        Raises:
            Stop: the database cannot be read, or is none of Serbero's.
        """
        return self._run(run_once, fn)

    def write(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one short writing transaction, beside a daemon or without one.

        Raises:
            Stop: nothing was written: the database cannot be, or is of another version.
        """
        return self._run(write_once, fn)

    def _run(self, run: "Runner", fn: Callable[[sa.Connection], T]) -> T:
        if not self.path.is_file():
            message = f"{self.path}: there is no such database; name one with --db"
            raise Stop(message, FAILED)
        try:
            if not run_once(self.path, session_lookup.kept).disputes:
                raise Stop(f"{self.path} is not a database of Serbero's", FAILED)
            return run(self.path, fn)
        except StoreRejected as error:
            message = f"{self.path} has tables that are not Serbero's: {error}"
            raise Stop(message, FAILED) from None
        except StoreError as error:
            raise Stop(f"{self.path}: {error}", FAILED) from None


@contextmanager
def ended_by_an_interruption() -> Iterator[None]:
    """Let SIGINT end the process meanwhile: Python hears of it only when SQLite has finished.

    For long looks of commands that do nothing else, and so leave nothing half done. Whoever handles
    it otherwise goes on to.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class Runner(Protocol):
    """One transaction, of either kind."""

    def __call__(self, path: Path, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` and return its value."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What every command over a database is given.

    Attributes:
        config: the configuration's path, if one was named.
        db: likewise.
        as_json: one document on standard output.
    """

    config: Path | None
    db: Path | None
    as_json: bool

    def read(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one read-only transaction.

        Raises:
            typer.Exit: it cannot be, or ``fn`` stopped the command; the reason is said.
        """
        return self._in(lambda source: source.read(fn))

    def write(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one writing transaction.

        Raises:
            typer.Exit: as :meth:`read`; nothing was written then.
        """
        return self._in(lambda source: source.write(fn))

    def _in(self, run: Callable[[Source], T]) -> T:
        let_streams_spell()
        try:
            return run(Source.named(self.config, self.db))
        except Stop as stop:
            leave(stop, self.as_json)


def let_streams_spell() -> None:
    """Let a terminal that cannot show a sign show its number instead."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _configured_path(path: Path, environ: Mapping[str, str]) -> Path:
    """The database that the configuration names.

    Raises:
        Stop: the configuration does not say, because it cannot be used.
    """
    # Imported here: half of the time of a short command, which --db saves it.
    from serbero.config.loader import load  # noqa: PLC0415
    from serbero.config.models import SerberoSection  # noqa: PLC0415
    from serbero.config.problems import ConfigError, Problem  # noqa: PLC0415
    from serbero.config.tables import table  # noqa: PLC0415

    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        problems: list[Problem] = []
        own = table(SerberoSection, "serbero", document.get("serbero", {}), problems)
    except (OSError, ValueError, RecursionError):
        own = None
    try:
        # Where the section cannot be read, the whole loader runs: it says what is wrong.
        return Path((own or load(path, environ).config.serbero).db_path)
    except ConfigError as error:
        message = f"{error}\nor name the database itself with --db or {DB_VARIABLE}"
        raise Stop(message, USAGE) from None


def dispute_meant(tx: sa.Connection, beginning: str) -> str:
    """Return the dispute whose id begins like this.

    Raises:
        Stop: none does, or several do.
    """
    found = session_lookup.disputes_beginning(tx, beginning)
    check_long_enough(beginning, found)
    if not found:
        raise Stop(f"no dispute begins with {word(beginning)}", FAILED)
    if len(found) > 1:
        raise ambiguous(beginning, [(each, "dispute") for each in found])
    return found[0]


def check_long_enough(beginning: str, found: Sequence[str]) -> None:
    """Refuse a beginning that is no whole id and too short to mean one.

    Raises:
        Stop: it is.
    """
    whole = beginning.lower() in (each.lower() for each in found)
    if len(beginning) < SHORTEST_BEGINNING and not whole:
        message = f"expected at least {SHORTEST_BEGINNING} characters of an id, found fewer"
        raise Stop(message, USAGE)


def ambiguous(beginning: str, found: Sequence[tuple[str, str]]) -> Stop:
    """Return the end of a command whose id fits several: each with what it is."""
    shown = [f"  {word(each)}  {what}" for each, what in found[: session_lookup.MOST_CANDIDATES]]
    if len(found) > len(shown):
        shown.append("  and more")
    message = "\n".join((f"{word(beginning)} is the beginning of several ids:", *shown))
    return Stop(message, USAGE, [each for each, _ in found])
