"""Where sessions are read from, and which one is meant. Nothing is written, nothing is locked."""

import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeVar

import sqlalchemy as sa
import typer

from serbero.cli.options import sources
from serbero.cli.sessions_page import moment, print_document, short, word
from serbero.cli.sessions_words import STATES, event_words, why_handed_over
from serbero.config.environment import variable
from serbero.config.loader import DB_VARIABLE, load
from serbero.config.models import SerberoSection
from serbero.config.problems import ConfigError, Problem
from serbero.config.tables import table
from serbero.mediation.hindsight import handed_over
from serbero.model.mediation import AuditKind, SessionState
from serbero.store import session_lookup, session_record
from serbero.store.engine import run_once
from serbero.store.errors import StoreError, StoreRejected
from serbero.store.session_lookup import Glance
from serbero.store.session_record import Record

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
        if given is not None:
            return cls(Path(given))
        try:
            section = _own_section(path)
            return cls(Path((section or load(path, environ).config.serbero).db_path))
        except ConfigError as error:
            message = f"{error}\nor name the database itself with --db or {DB_VARIABLE}"
            raise Stop(message, USAGE) from None

    def read(self, fn: Callable[[sa.Connection], T]) -> T:
        """Run ``fn`` in one read-only transaction, beside a daemon or without one.

        Raises:
            Stop: the database cannot be read, or is none of Serbero's.
        """
        if not self.path.is_file():
            message = f"{self.path}: there is no such database; name one with --db"
            raise Stop(message, FAILED)
        try:
            if not run_once(self.path, session_lookup.kept).disputes:
                raise Stop(f"{self.path} is not a database of Serbero's", FAILED)
            return run_once(self.path, fn)
        except StoreRejected as error:
            message = f"{self.path} has tables that are not Serbero's: {error}"
            raise Stop(message, FAILED) from None
        except StoreError as error:
            raise Stop(f"{self.path}: {error}", FAILED) from None


def _own_section(path: Path) -> SerberoSection | None:
    """``[serbero]`` of the configuration; None where the loader has something to say about it."""
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    problems: list[Problem] = []
    return table(SerberoSection, "serbero", document.get("serbero", {}), problems)


def state_named(typed: str) -> str:
    """Return a state as it is stored.

    Raises:
        Stop: there is no such state.
    """
    if typed.lower() in tuple(SessionState):
        return typed.lower()
    raise Stop(f"no state is called {word(typed)}; there are: {', '.join(STATES)}", USAGE)


def dispute_meant(tx: sa.Connection, beginning: str) -> str:
    """Return the dispute whose id begins like this.

    Raises:
        Stop: none does, or several do.
    """
    found = session_lookup.disputes_beginning(tx, beginning)
    _check_long_enough(beginning, found)
    if not found:
        raise Stop(f"no dispute begins with {word(beginning)}", FAILED)
    if len(found) > 1:
        raise _ambiguous(beginning, [(each, "dispute") for each in found])
    return found[0]


@dataclass(frozen=True, slots=True)
class Meant:
    """What an id names.

    Attributes:
        session_id: None for a dispute that has no session.
        dispute_id: None where a session was named.
    """

    session_id: str | None
    dispute_id: str | None


def meant(tx: sa.Connection, beginning: str) -> Meant:
    """Return the session whose id, or whose dispute's id, begins like this; the newest of several.

    Raises:
        Stop: none does, or several do.
    """
    have = session_lookup.kept(tx)
    if not have.sessions:
        raise Stop("this database is of a version that did not mediate: no sessions", FAILED)
    own = session_lookup.sessions_beginning(tx, beginning)
    disputes = session_lookup.disputes_beginning(tx, beginning)
    _check_long_enough(beginning, [each.session_id for each in own] + disputes)
    if len(own) + len(disputes) > 1:
        named = [(each.session_id, _described(each)) for each in own]
        raise _ambiguous(beginning, named + [(each, "dispute") for each in disputes])
    if own:
        return Meant(own[0].session_id, None)
    if not disputes:
        message = (
            f"no session or dispute begins with {word(beginning)}; "
            "`serbero sessions list` shows what there is"
        )
        raise Stop(message, FAILED)
    newest = session_lookup.newest(tx, 1, dispute_id=disputes[0])
    return Meant(newest[0].session_id if newest else None, disputes[0])


def record_meant(tx: sa.Connection, beginning: str) -> Record:
    """Return everything on record about the session that is meant.

    Raises:
        Stop: there is none; of a dispute without one it says why.
    """
    found = meant(tx, beginning)
    if found.session_id is None:
        raise Stop(_without_session(tx, found.dispute_id or ""), FAILED)
    record = session_record.read(tx, found.session_id)
    if record is None:
        raise Stop(f"session {word(found.session_id)} is gone", FAILED)
    return record


def judged_meant(tx: sa.Connection, beginning: str) -> Record:
    """Return the same, or what there is of a dispute that was judged and never had a session.

    Raises:
        Stop: there is neither.
    """
    found = meant(tx, beginning)
    if found.session_id is None and found.dispute_id is not None:
        record = session_record.unopened(tx, found.dispute_id)
        if record is not None:
            return record
    return record_meant(tx, beginning)


def _check_long_enough(beginning: str, found: Sequence[str]) -> None:
    whole = beginning.lower() in (each.lower() for each in found)
    if len(beginning) < SHORTEST_BEGINNING and not whole:
        message = f"expected at least {SHORTEST_BEGINNING} characters of an id, found fewer"
        raise Stop(message, USAGE)


def _ambiguous(beginning: str, found: Sequence[tuple[str, str]]) -> Stop:
    shown = [f"  {word(each)}  {what}" for each, what in found[: session_lookup.MOST_CANDIDATES]]
    if len(found) > len(shown):
        shown.append("  and more")
    message = "\n".join((f"{word(beginning)} is the beginning of several ids:", *shown))
    return Stop(message, USAGE, [each for each, _ in found])


def _described(session: Glance) -> str:
    return f"session of dispute {short(session.dispute_id)}, {word(session.state)}"


def _without_session(tx: sa.Connection, dispute_id: str) -> str:
    """Why there is nothing to show of a dispute, as far as the trail says."""
    message = f"dispute {word(dispute_id)} has no session: nobody was asked anything."
    trail = session_record.events_without_session(tx, dispute_id)
    handovers = [each for each in trail if each.kind == AuditKind.ESCALATION_RECOMMENDED]
    if handovers:
        why = why_handed_over(handed_over(handovers[-1]))
        return f"{message} At {moment(handovers[-1].at)} it was handed over to a human: {why}"
    if trail:
        last = trail[-1]
        return f"{message} The last on record, at {moment(last.at)}: {event_words(last, {})}"
    return f"{message} No attempt to start one is on record"
