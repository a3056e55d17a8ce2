"""``serbero audit ladder`` as an operator uses it: beside the daemon, without a configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.store import reference_databases as reference
from tests.store.mediation_rig import PINS, hold
from tests.store.rig import T0, Database
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.clock import SystemClock
from serbero.model.mediation import Trigger
from serbero.store import watches
from serbero.store.engine import Store
from serbero.store.escalations import Handoff, escalate_dispute
from serbero.store.watches import Duty, Post

POSTS = (Post(Duty.HANDOFFS, 30), Post(Duty.REMINDERS))


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "ladder", "--db", "serbero.db", *arguments])


def stand(database: Database, began: int, ended: int) -> None:
    for now in range(began, ended + 1, 30):
        database.run(watches.stand, POSTS, now)


def forgotten(database: Database, began: int) -> str:
    """A hand-off that nobody dispatched while the daemon ran for half an hour."""
    dispute = hold(database, 1, began)
    database.run(escalate_dispute, dispute, Handoff(Trigger.ROUND_LIMIT), PINS, began + 60)
    stand(database, began, began + 1800)
    return dispute


def document(expected_code: int) -> Any:
    done = run("--json")
    assert done.exit_code == expected_code, done.output
    return json.loads(done.stdout)


def test_what_is_as_it_should_be(database: Database) -> None:
    now = SystemClock().now()
    hold(database, 1, now - 600)
    stand(database, now - 600, now)
    done = run()
    assert done.exit_code == 0, done.output
    assert "all as it should be" in done.stdout
    assert "warnings" in done.stdout
    assert "not audited: off" in done.stdout
    found = document(0)
    assert found["ok"] is True
    assert found["discrepancies"] == []
    assert found["audited"] == {"handoffs": True, "reminders": True, "deadlines": False}
    assert abs(found["daemon_seen_at"] - now) <= 30


def test_what_is_not(database: Database) -> None:
    dispute = forgotten(database, T0)
    done = run()
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["DISPUTE", "WHAT", "IS", "WRONG", "EXPECTED", "(UTC)"]
    assert lines[1].split("  ") == [
        dispute[:8],
        "nobody was given the hand-off",
        "2026-01-01 00:01:00",
    ]
    assert "still waits" in lines[2]
    assert "1 discrepancy" in lines
    assert "nothing became late since" in done.stdout
    found = document(1)
    event_id = database.one("SELECT event_id FROM pending_handoffs")
    assert found["ok"] is False
    assert found["daemon_seen_at"] == T0 + 1800
    assert found["discrepancies"] == [
        {
            "dispute_id": dispute,
            "kind": "handoff_missing",
            "expected_at": T0 + 60,
            "found": f"hand-off {event_id} still waits",
        }
    ]


def test_it_reads_beside_a_daemon_and_writes_nothing(database: Database, tmp_path: Path) -> None:
    forgotten(database, T0)
    before = database.dump()
    store = Store.open(tmp_path / "serbero.db", T0 + 1800)
    try:
        assert run().exit_code == 1
    finally:
        store.close()
    after = database.dump()
    assert {name: rows for name, rows in after.items() if name != "cursors"} == {
        name: rows for name, rows in before.items() if name != "cursors"
    }


def test_before_any_dispute_there_is_nothing_to_say(database: Database) -> None:
    done = run()
    assert done.exit_code == 0
    assert done.stdout.startswith("Nothing to audit")
    assert document(0)["daemon_seen_at"] is None


def test_the_references_database_is_read(tmp_path: Path) -> None:
    reference.create(tmp_path / "serbero.db", 5)
    done = run()
    assert done.exit_code == 0, done.output
    assert "nothing to audit" in done.stdout
    assert document(0)["ok"] is True


def test_no_database_is_a_failure(tmp_path: Path) -> None:
    done = run("--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["ok"] is False
    assert "there is no such database" in done.stderr


def test_the_database_may_be_named_before_the_command(database: Database) -> None:
    forgotten(database, T0)
    done = CliRunner().invoke(app, ["--db", "serbero.db", "audit", "ladder"])
    assert done.exit_code == 1
    assert "still waits" in done.stdout
