"""What the commands of ``serbero sessions`` do; loaded when one of them is run."""

import sys
from collections.abc import Mapping

import sqlalchemy as sa
import typer

from serbero.cli.options import sources
from serbero.cli.page import Page, print_document
from serbero.cli.sessions import asking, listing, replay, show, transcript
from serbero.cli.sessions.asking import Wishes
from serbero.cli.sessions.source import judged_meant, record_meant, state_named
from serbero.cli.source import (
    FAILED,
    Asked,
    Source,
    Stop,
    dispute_meant,
    leave,
    let_streams_spell,
)
from serbero.clock import SystemClock
from serbero.config.environment import LOG_VARIABLE, variable
from serbero.mediation.replay import plan
from serbero.observe.logging import configure_logging
from serbero.store import session_lookup, session_record
from serbero.store.session_lookup import Glance
from serbero.store.session_record import Record

_SILENT_LOGS = "off"
"""The report says it all; ``SERBERO_LOG`` shows more."""


def list_sessions(asked: Asked, state: str | None, dispute: str | None, limit: int) -> None:
    """``list``."""
    found, mediates = asked.read(lambda tx: _chosen(tx, state, dispute, limit))
    if asked.as_json:
        print_document(listing.document(found), sys.stdout)
    elif found:
        listing.show(found, SystemClock().now(), Page(sys.stdout))
    elif not mediates:
        typer.echo("this database is of a version that did not mediate: no sessions", err=True)
    else:
        typer.echo("no sessions", err=True)


def _chosen(
    tx: sa.Connection, state: str | None, dispute: str | None, limit: int
) -> tuple[list[Glance], bool]:
    states = () if state is None else (state_named(state),)
    meant = None if dispute is None else dispute_meant(tx, dispute)
    found = session_lookup.newest(tx, limit, states=states, dispute_id=meant)
    return found, session_lookup.kept(tx).sessions


def show_session(asked: Asked, beginning: str) -> None:
    """``show``."""
    record = asked.read(lambda tx: record_meant(tx, beginning))
    if asked.as_json:
        print_document(show.document(record), sys.stdout)
    else:
        show.show(record, SystemClock().now(), Page(sys.stdout))


def show_transcript(asked: Asked, beginning: str) -> None:
    """``transcript``."""
    record = asked.read(lambda tx: record_meant(tx, beginning))
    if asked.as_json:
        print_document(transcript.document(record), sys.stdout)
    else:
        transcript.show(record, Page(sys.stdout))


def replay_session(asked: Asked, beginning: str, wishes: Wishes) -> None:
    """``replay``."""
    let_streams_spell()
    path, environ = sources(asked.config, asked.db)
    configure_logging(variable(environ, LOG_VARIABLE) or _SILENT_LOGS, "console", sys.stderr)
    try:
        config = asking.configured(path, environ, wishes)
        source = Source(config.db_path)
        record, stored = source.read(lambda tx: _with_prompts(tx, beginning))
        prompts = asking.prompts_for(config, stored, wishes)
        planned = plan(record, prompts, config.mediation.max_rounds)
        done = asking.run(record, planned, config, prompts.instead, _say)
    except Stop as stop:
        leave(stop, asked.as_json)
    if asked.as_json:
        print_document(replay.document(done), sys.stdout)
    else:
        replay.show(done, Page(sys.stdout))
    if not done.ok:
        raise typer.Exit(FAILED)


def _with_prompts(
    tx: sa.Connection, beginning: str
) -> tuple[Record, Mapping[str, Mapping[str, bytes]]]:
    record = judged_meant(tx, beginning)
    hashes = {each.policy_hash for each in record.calls} - {None}
    found = {each: session_record.bundle(tx, each) for each in hashes if each is not None}
    return record, {each: parts for each, parts in found.items() if parts is not None}


def _say(line: str) -> None:
    typer.echo(line, err=True)
