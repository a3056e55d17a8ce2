"""A period is verified by what was touched in it: the findings of the whole for little work."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.cli.large_database import NEWEST, make
from tests.store import reference_databases as reference
from tests.store.test_verification_damage import tamper

from serbero.store import reference_schema, sqlite
from serbero.store.engine import run_once
from serbero.store.verification import Verified, checks, verify
from serbero.store.verification.period import first_row

NOW = NEWEST + 600
WEEK = 7 * 86_400
MANY = 400


@pytest.fixture(scope="module")
def years(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("years") / "serbero.db", MANY)


@pytest.fixture
def path(years: Path, tmp_path: Path) -> Path:
    return Path(shutil.copyfile(years, tmp_path / "serbero.db"))


def look(path: Path, **how: Any) -> Verified:
    return run_once(path, lambda tx: verify(tx, NOW, **how))


def broken(found: Verified) -> set[tuple[str, str | None]]:
    return {(each.check, each.row) for each in found.findings}


def dispute(path: Path, number: int) -> str:
    query = "SELECT dispute_id FROM disputes WHERE rowid = ?"
    return str(tamper(path, lambda raw: raw.execute(query, (number,)).fetchone()[0]))


@pytest.mark.parametrize(
    ("table", "change", "check"),
    [
        ("disputes", "lifecycle_state = 'settled'", "dispute words"),
        ("disputes", "last_state_change = last_state_change + 9999", "time of the last move"),
        ("revisions", "status = 'gone'", "revisions"),
    ],
)
def test_a_dispute_is_looked_at_in_the_periods_that_touch_it(
    path: Path, table: str, change: str, check: str
) -> None:
    old, new = dispute(path, MANY // 2 + 1), dispute(path, MANY - 3)
    statement = f"UPDATE {table} SET {change} WHERE dispute_id IN (?, ?)"  # noqa: S608
    tamper(path, lambda raw: raw.execute(statement, (old, new)).close())
    assert {(check, old), (check, new)} <= broken(look(path))
    recent = look(path, since=NEWEST - WEEK)
    assert (check, new) in broken(recent)
    assert (check, old) not in broken(recent)
    assert recent.touched is not None
    assert 3 <= recent.touched < MANY // 20


def test_a_period_of_everything_is_the_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST", 10**6)
    harms = (
        "UPDATE notifications SET status = 'odd' WHERE id % 97 = 0",
        "DELETE FROM notifications WHERE id % 101 = 0",
        "DELETE FROM outbox WHERE id % 103 = 0",
        "UPDATE outbox SET dispute_id = NULL WHERE id % 107 = 0",
        "UPDATE journal SET payload_json = '[]', dispute_id = NULL WHERE id % 7 = 0",
        "UPDATE mediation_events SET session_id = 'none' WHERE id % 109 = 0",
        "DELETE FROM reasoning_rationales WHERE rowid % 11 = 0",
        "UPDATE reasoning_rationales SET session_id = NULL WHERE rowid % 13 = 0",
        "DELETE FROM disputes WHERE rowid % 37 = 0",
    )

    def harm(raw: Any) -> None:
        for each in harms:
            assert raw.execute(each).rowcount > 0, each

    tamper(path, harm)
    whole, recent = look(path, deep=True), look(path, deep=True, since=1)
    assert set(recent.findings) == set(whole.findings)
    assert (recent.damage, recent.notes) == (whole.damage, whole.notes)
    assert set(whole.checked) - set(recent.checked) == {"file"}


def test_what_is_about_no_dispute_is_looked_at_by_its_number(path: Path) -> None:
    newest = "UPDATE outbox SET dispute_id = NULL WHERE id = (SELECT max(id) FROM outbox)"
    oldest = "UPDATE outbox SET dispute_id = NULL WHERE id = (SELECT min(id) FROM outbox)"
    named = "SELECT min(id), max(id) FROM outbox"

    def harm(raw: Any) -> tuple[int, int]:
        raw.execute(newest).close()
        raw.execute(oldest).close()
        return tuple(raw.execute(named).fetchone())

    first, last = tamper(path, harm)
    found = broken(look(path, since=NEWEST - WEEK))
    assert ("keys of messages", str(last)) in found
    assert ("keys of messages", str(first)) not in found


def test_a_row_deleted_in_the_period_is_missed(path: Path) -> None:
    statement = "DELETE FROM notifications WHERE id IN (2, (SELECT max(id) - 1 FROM notifications))"

    def harm(raw: Any) -> int:
        raw.execute(statement).close()
        return int(raw.execute("SELECT max(id) - 1 FROM notifications").fetchone()[0])

    gone = tamper(path, harm)
    found = broken(look(path, since=NEWEST - WEEK))
    assert ("row numbers", str(gone)) in found
    assert ("row numbers", "2") not in found


def test_nothing_was_touched_after_the_last_row(path: Path) -> None:
    found = look(path, since=NEWEST + 10 * WEEK)
    assert (found.touched, found.damage) == (0, 0)


@pytest.mark.parametrize("version", range(1, reference_schema.VERSION + 1))
def test_a_database_of_the_reference_has_periods_too(tmp_path: Path, version: int) -> None:
    path = tmp_path / "reference.db"
    reference.create(path, version)
    whole, recent = look(path), look(path, since=1)
    assert set(recent.findings) == set(whole.findings)


def steps(path: Path, fn: Callable[[sa.Connection], object]) -> int:
    """Hundreds of SQLite's steps that something takes."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    def counted(tx: sa.Connection) -> None:
        raw: Any = tx.connection.driver_connection
        raw.set_progress_handler(count, 100)
        try:
            fn(tx)
        finally:
            raw.set_progress_handler(None, 0)

    run_once(path, counted)
    return taken


def test_a_period_takes_as_much_work_as_it_has_rows(path: Path) -> None:
    whole = steps(path, lambda tx: verify(tx, NOW))
    day = steps(path, lambda tx: verify(tx, NOW, since=NEWEST - 86_400))
    assert day < whole / 10


def test_one_wrong_time_does_not_mislead_the_search(tmp_path: Path) -> None:
    path = tmp_path / "numbers.db"
    raw = sqlite.driver.connect(str(path), isolation_level=None)
    raw.execute("CREATE TABLE n (id INTEGER PRIMARY KEY, at)")
    raw.executemany("INSERT INTO n VALUES (?, ?)", [(each * 3, each * 10) for each in range(1000)])
    for row, at in ((1500, 1), (1503, None), (1497, "soon"), (2250, 10**9), (750, 0)):
        raw.execute("UPDATE n SET at = ? WHERE id = ?", (at, row))
    raw.close()
    for since in (-5, 0, 4990, 5000, 5010, 7490, 9990, 20_000):
        found = run_once(path, lambda tx, since=since: first_row(tx, "n", "at", since))  # type: ignore[misc]
        wanted = min(max(since, 0) // 10 * 3, 2998)
        assert wanted - 12 <= found <= wanted
