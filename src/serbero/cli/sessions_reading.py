"""What the commands of ``serbero sessions`` do; loaded when one of them is run."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
import typer

from serbero.cli import (
    sessions_asking,
    sessions_list,
    sessions_replay,
    sessions_show,
    sessions_transcript,
)
from serbero.cli.options import sources
from serbero.cli.sessions_asking import Wishes
from serbero.cli.sessions_page import Page, print_document
from serbero.cli.sessions_source import (
    FAILED,
    Source,
    Stop,
    dispute_meant,
    judged_meant,
    leave,
    record_meant,
    state_named,
)
from serbero.clock import SystemClock
from serbero.config.environment import variable
from serbero.config.loader import LOG_VARIABLE
from serbero.mediation.replay import plan
from serbero.observe.logging import configure_logging
from serbero.store import session_lookup, session_record
from serbero.store.session_lookup import Glance
from serbero.store.session_record import Record

_SILENT_LOGS = "off"
"""The report says it all; ``SERBERO_LOG`` shows more."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What every command is given.

    Attributes:
        config: the configuration's path, if one was named.
        db: likewise.
        as_json: one document on standard output.
    """

    config: Path | None
    db: Path | None
    as_json: bool


def list_sessions(asked: Asked, state: str | None, dispute: str | None, limit: int) -> None:
    """``list``."""
    _prepare()
    try:
        states = () if state is None else (state_named(state),)
        source = Source.named(asked.config, asked.db)
        found, mediates = source.read(lambda tx: _chosen(tx, states, dispute, limit))
    except Stop as stop:
        leave(stop, asked.as_json)
    if asked.as_json:
        print_document(sessions_list.document(found), sys.stdout)
    elif found:
        sessions_list.show(found, SystemClock().now(), Page(sys.stdout))
    elif not mediates:
        typer.echo("this database is of a version that did not mediate: no sessions", err=True)
    else:
        typer.echo("no sessions", err=True)


def _chosen(
    tx: sa.Connection, states: tuple[str, ...], dispute: str | None, limit: int
) -> tuple[list[Glance], bool]:
    meant = None if dispute is None else dispute_meant(tx, dispute)
    found = session_lookup.newest(tx, limit, states=states, dispute_id=meant)
    return found, session_lookup.kept(tx).sessions


def show_session(asked: Asked, beginning: str) -> None:
    """``show``."""
    record = _record(asked, beginning)
    if asked.as_json:
        print_document(sessions_show.document(record), sys.stdout)
    else:
        sessions_show.show(record, SystemClock().now(), Page(sys.stdout))


def show_transcript(asked: Asked, beginning: str) -> None:
    """``transcript``."""
    record = _record(asked, beginning)
    if asked.as_json:
        print_document(sessions_transcript.document(record), sys.stdout)
    else:
        sessions_transcript.show(record, Page(sys.stdout))


def replay_session(asked: Asked, beginning: str, wishes: Wishes) -> None:
    """``replay``."""
    _prepare()
    path, environ = sources(asked.config, asked.db)
    configure_logging(variable(environ, LOG_VARIABLE) or _SILENT_LOGS, "console", sys.stderr)
    try:
        config = sessions_asking.configured(path, environ, wishes)
        source = Source(config.db_path)
        record, stored = source.read(lambda tx: _with_prompts(tx, beginning))
        prompts = sessions_asking.prompts_for(config, stored, wishes)
        planned = plan(record, prompts, config.mediation.max_rounds)
        done = sessions_asking.run(record, planned, config, prompts.instead, _say)
    except Stop as stop:
        leave(stop, asked.as_json)
    if asked.as_json:
        print_document(sessions_replay.document(done), sys.stdout)
    else:
        sessions_replay.show(done, Page(sys.stdout))
    if not done.ok:
        raise typer.Exit(FAILED)


def _record(asked: Asked, beginning: str) -> Record:
    """The session that is meant, or the end of the command."""
    _prepare()
    try:
        return Source.named(asked.config, asked.db).read(lambda tx: record_meant(tx, beginning))
    except Stop as stop:
        leave(stop, asked.as_json)


def _with_prompts(
    tx: sa.Connection, beginning: str
) -> tuple[Record, Mapping[str, Mapping[str, bytes]]]:
    record = judged_meant(tx, beginning)
    hashes = {each.policy_hash for each in record.calls} - {None}
    found = {each: session_record.bundle(tx, each) for each in hashes if each is not None}
    return record, {each: parts for each, parts in found.items() if parts is not None}


def _prepare() -> None:
    """Let a terminal that cannot show a sign show its number instead."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _say(line: str) -> None:
    typer.echo(line, err=True)
