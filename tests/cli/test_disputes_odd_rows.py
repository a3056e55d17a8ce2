"""Any value in any column: a story and a case file are told all the same.

SQLite keeps what it is given, whatever a column was declared as.
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy as sa
from tests.mediation.replay_rig import conversation
from tests.store.rig import Database

from serbero.cli import export_case
from serbero.cli.disputes import show
from serbero.cli.disputes.timeline import timeline
from serbero.cli.export_page import page
from serbero.cli.page import Page, print_document

NOW: Final = 1_767_300_000
VALUES: Final = ("x\x1b[1m", b"\xff\x00", 1e300, -(2**63), "[]", "\ud7ff<b>")
TABLES: Final = (
    "disputes",
    "dispute_state_transitions",
    "revisions",
    "notifications",
    "outbox",
    "takes",
    "parties",
    "journal",
    "mediation_sessions",
    "mediation_messages",
    "mediation_events",
    "mediation_summaries",
    "reasoning_rationales",
    "reasoning_calls",
    "session_facts",
    "session_sides",
)
KEYS: Final = frozenset({"dispute_id", "session_id", "id", "party", "rationale_id", "event_id"})
"""Rows with other ones belong to nothing that is shown; most cannot be the same twice."""


@pytest.fixture
def case(tmp_path: Path) -> Iterator[tuple[Database, str]]:
    database = Database(tmp_path / "serbero.db")
    told = conversation(database)
    with database.engine.begin() as tx:
        for statement in (
            "INSERT INTO takes (dispute_id, started_at, deadline_at, state) SELECT dispute_id, 1,"
            " 2, 'taken' FROM disputes",
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status) SELECT"
            " dispute_id, 'x', 3, 'sent' FROM disputes",
            "INSERT INTO dispute_state_transitions (dispute_id, to_state, transitioned_at) SELECT"
            " dispute_id, 'taken', 4 FROM disputes",
            "INSERT INTO journal (at, dispute_id, kind, payload_json) SELECT 5, dispute_id, 'x',"
            " '{}' FROM disputes",
            "INSERT INTO mediation_summaries (session_id, dispute_id, classification, confidence,"
            " suggested_next_step, summary_text, prompt_bundle_id, policy_hash, generated_at)"
            " SELECT session_id, dispute_id, 'x', 0.5, 'x', 'x', 'x', 'x', 6"
            " FROM mediation_sessions",
        ):
            tx.exec_driver_sql(statement)
    yield database, told.dispute
    database.close()


def columns(tx: sa.Connection, table: str) -> list[str]:
    found = [str(row[1]) for row in tx.exec_driver_sql(f"PRAGMA table_info({table})")]
    return [each for each in found if each not in KEYS]


def told_all_the_same(tx: sa.Connection, dispute: str) -> None:
    found = export_case.read(tx, dispute, NOW)
    shown = io.StringIO()
    for every in (False, True):
        show.show(found.story, NOW, Page(shown), every=every)
    for document in (
        show.document(found.story, NOW),
        export_case.document(found, NOW, chat=True),
    ):
        print_document(document, shown)
    json.dumps(document, allow_nan=False)
    shown.write(page(document, timeline(found.story, every=False)))
    assert dispute in shown.getvalue()
    assert "\x1b" not in shown.getvalue()


def changed(tx: sa.Connection, table: str, names: Iterable[str], value: object) -> int:
    """Write ``value`` to columns that take it; return how many do."""
    took = 0
    for name in names:
        try:
            with tx.begin_nested():
                tx.exec_driver_sql(f"UPDATE {table} SET {name} = ?", (value,))  # noqa: S608
        except sa.exc.IntegrityError:
            continue
        took += 1
    return took


@pytest.mark.parametrize("table", TABLES)
def test_every_column_at_once(case: tuple[Database, str], table: str) -> None:
    database, dispute = case
    for value in VALUES[:3]:
        with database.engine.connect() as tx:
            undone = tx.begin()
            assert tx.exec_driver_sql(f"SELECT 1 FROM {table}").first() is not None  # noqa: S608
            assert changed(tx, table, columns(tx, table), value) > 0
            told_all_the_same(tx, dispute)
            undone.rollback()


@pytest.mark.soak
@pytest.mark.parametrize("table", TABLES)
def test_every_column_by_itself(case: tuple[Database, str], table: str) -> None:
    database, dispute = case
    with database.engine.begin() as tx:
        names = columns(tx, table)
    for name in names:
        for value in VALUES:
            with database.engine.connect() as tx:
                undone = tx.begin()
                if changed(tx, table, [name], value):
                    told_all_the_same(tx, dispute)
                undone.rollback()
