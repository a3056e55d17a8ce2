"""Who may open a database: one daemon, of a version that knows it, and nobody else may read it."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database, audience, revision

from serbero.store import sqlite
from serbero.store.engine import Store, run_once
from serbero.store.errors import StoreInUse, StoreRejected, StoreTooNew, StoreUnavailable, Trouble
from serbero.store.schema import metadata

HOLD = """
import sys, time
from pathlib import Path
from serbero.store.engine import Store
Store.open(Path(sys.argv[1]), 1)
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serbero.db"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database open as a daemon would."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "open\n"
        yield process
        process.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_second_daemon_is_told_the_first_ones_pid(
    path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(StoreInUse) as refused:
        Store.open(path, T0)
    assert refused.value.pid == holder.pid
    assert f"process {holder.pid}" in str(refused.value)
    assert sqlite.holder_pid(path) == holder.pid


def test_the_lock_dies_with_its_holder(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    Store.open(path, T0).close()
    assert sqlite.holder_pid(path) is None


def test_a_link_to_a_database_has_the_same_lock(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "linked.db"
    link.parent.mkdir()
    first = Store.open(path, T0)
    link.symlink_to(path)
    try:
        with pytest.raises(StoreInUse) as refused:
            Store.open(link, T0)
        assert refused.value.pid == os.getpid()
    finally:
        first.close()
    Store.open(link, T0).close()
    assert not link.with_name("linked.db.lock").exists()


def test_closing_gives_the_lock_back(path: Path) -> None:
    first = Store.open(path, T0)
    with pytest.raises(StoreInUse, match=f"process {os.getpid()}"):
        Store.open(path, T0)
    first.close()
    Store.open(path, T0).close()


def test_a_failed_opening_gives_the_lock_back(path: Path) -> None:
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    for _ in range(2):
        with pytest.raises(StoreUnavailable) as refused:
            Store.open(path, T0)
        assert refused.value.trouble is Trouble.CORRUPT


def test_nobody_else_may_read_it(path: Path) -> None:
    """The files hold plaintext messages."""
    path.touch(mode=0o644)
    path.chmod(0o644)
    store = Store.open(path, T0)
    run_once(path, lambda tx: tx.execute(sa.text("SELECT 1")).scalar())
    modes = {each.name: mode(each) for each in path.parent.iterdir()}
    store.close()
    names = ("serbero.db", "serbero.db-shm", "serbero.db-wal", "serbero.db.lock")
    assert modes == dict.fromkeys(names, 0o600)


@pytest.mark.parametrize("version", [6, 17])
def test_a_newer_reference_is_refused_untouched(path: Path, version: int) -> None:
    reference.create(path, 5)
    connection = reference.connect(path)
    connection.execute("INSERT INTO schema_version VALUES (?)", (version,))
    connection.close()
    before = reference.tables(path)
    with pytest.raises(StoreTooNew, match=f"version {version}.*version 5"):
        Store.open(path, T0)
    assert reference.tables(path) == before


def test_a_newer_serbero_is_refused_untouched(path: Path) -> None:
    Store.open(path, T0).close()
    connection = reference.connect(path)
    connection.execute("UPDATE serbero_schema SET version_num = 'ffff'")
    connection.close()
    before = reference.tables(path)
    with pytest.raises(StoreTooNew, match="ffff"):
        Store.open(path, T0)
    assert reference.tables(path) == before


def test_a_failing_migration_leaves_nothing_behind(path: Path) -> None:
    """A name of ours is taken by a view: neither ladder has moved afterwards."""
    reference.create(path, 2)
    connection = reference.connect(path)
    connection.execute("CREATE VIEW outbox AS SELECT 1 AS one")
    connection.close()
    before = reference.tables(path)
    with pytest.raises(StoreRejected, match="outbox"):
        Store.open(path, T0)
    assert reference.tables(path) == before


def test_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "serbero.db"
    with pytest.raises(StoreUnavailable) as refused:
        Store.open(path, T0)
    assert refused.value.trouble is Trouble.CANNOT_OPEN
    # The database, not the lock file that was tried first.
    assert str(refused.value) == (
        f"database cannot-open: {path}: No such file or directory; name a file in a folder this "
        "user may write to, in [serbero].db_path or SERBERO_DB_PATH"
    )


def test_a_folder_in_its_place(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreUnavailable) as refused:
        Store.open(path, T0)
    assert refused.value.trouble is Trouble.CANNOT_OPEN


def test_migrations_make_the_tables_the_code_knows(database: Database) -> None:
    """The schema is written twice; the two must not drift apart."""
    # Their keys allow NULL, as the reference declared them.
    theirs = (
        "disputes",
        "notifications",
        "dispute_state_transitions",
        "mediation_sessions",
        "mediation_messages",
        "reasoning_rationales",
        "mediation_summaries",
        "mediation_events",
        "escalation_dispatches",
    )
    with database.engine.begin() as tx:
        context = MigrationContext.configure(
            tx, opts={"compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, metadata)
    known = {table.name for table in metadata.tables.values()}
    found = [
        each
        for each in map(repr, differences)
        if any(f"'{name}'" in each for name in known - set(theirs))
    ]
    assert found == []
    for name in sorted(known):
        actual = {row[1]: row[2:6] for row in database.rows(f"PRAGMA table_info({name})")}
        declared = metadata.tables[name].columns
        assert list(actual) == [column.name for column in declared]
        for column in declared:
            affinity, not_null, _, _ = actual[column.name]
            assert affinity == str(column.type), (name, column.name)
            assert bool(not_null) == (not column.nullable) or column.primary_key


def test_partial_indexes_are_partial_on_both_sides(database: Database) -> None:
    sql = dict(database.rows("SELECT name, sql FROM sqlite_master WHERE type = 'index'"))
    declared = [each for table in metadata.tables.values() for each in table.indexes]
    assert len(declared) > 5
    for index in declared:
        condition = index.dialect_options["sqlite"]["where"]
        assert (condition is None) or sql[index.name].endswith(f"WHERE {condition}")
        assert ("WHERE" in sql[index.name]) == (condition is not None)


def test_a_restart_finds_what_was_committed(path: Path) -> None:
    database = Database(path)
    database.record(revision(1), audience=audience(2))
    before = database.dump()
    database.reopen()
    assert database.dump() == before
    database.close()
