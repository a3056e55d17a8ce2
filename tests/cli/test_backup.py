"""``serbero backup`` as an operator uses it."""

import asyncio
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.mediation.replay_rig import conversation
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database, audience, revision
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.store import backup
from serbero.store.backup import copy
from serbero.store.engine import Store, run_once
from serbero.store.sqlite import driver

SERBERO = (sys.executable, "-m", "serbero")


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    conversation(opened)
    yield opened
    opened.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["backup", *arguments, "--db", "serbero.db"])


def files(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if not each.name.startswith("serbero.db")}


def contents(path: Path) -> dict[str, list[Any]]:
    connection = driver.connect(f"{path.as_uri()}?mode=ro", uri=True)
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    found = {
        name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # noqa: S608
        for (name,) in names
    }
    connection.close()
    return found


def test_a_copy_holds_everything(database: Database, tmp_path: Path) -> None:
    done = run("copy.db")
    assert done.exit_code == 0, done.output
    copied = tmp_path / "copy.db"
    assert files(tmp_path) == {"copy.db"}, "one plain file"
    assert copied.stat().st_mode & 0o777 == 0o600
    assert contents(copied) == contents(database.path)
    assert copied.read_bytes()[18:20] == b"\1\1", "not in the mode that needs a log"
    Store.open(copied, T0).close()  # a daemon can go on from it


def test_what_it_says(database: Database, tmp_path: Path) -> None:
    done = run("copy.db")
    size = (tmp_path / "copy.db").stat().st_size
    said = done.stdout.replace(str(tmp_path), "DIR").replace(f"{size / 1024:.1f}", "N")
    assert said == snapshot("""\
Copied 1 dispute to
  DIR/copy.db
  N kB, whole and checked, readable by its owner alone

To go back to it
  stop the daemon, and as its user:
    rm -f DIR/serbero.db-wal DIR/serbero.db-shm
    cp DIR/copy.db DIR/serbero.db
  start the daemon: it goes on from there.
""")


def test_the_way_back_goes_to_the_file_itself(database: Database, tmp_path: Path) -> None:
    """SQLite keeps the log beside it, not beside a link that leads there."""
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "live.db").symlink_to(database.path)
    done = CliRunner().invoke(app, ["backup", "copy.db", "--db", "links/live.db"])
    assert f"{database.path.resolve()}-wal" in done.stdout
    assert "live.db" not in done.stdout


def test_the_document(database: Database, tmp_path: Path) -> None:
    done = run("copy.db", "--json")
    assert json.loads(done.stdout) == {
        "ok": True,
        "path": str(tmp_path / "copy.db"),
        "database": str(tmp_path / "serbero.db"),
        "size_bytes": (tmp_path / "copy.db").stat().st_size,
        "disputes": 1,
    }
    again = run("copy.db", "--json")
    assert again.exit_code == 1
    assert json.loads(again.stdout)["ok"] is False


def test_a_file_that_is_there_is_replaced_only_by_force(database: Database, tmp_path: Path) -> None:
    kept = tmp_path / "copy.db"
    kept.write_text("mine")
    done = run("copy.db")
    assert (done.exit_code, kept.read_text()) == (1, "mine")
    assert "--force" in done.stderr
    assert run("copy.db", "--force").exit_code == 0
    assert contents(kept) == contents(database.path)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("serbero.db", "belongs to the live database"),
        ("serbero.db-wal", "belongs to the live database"),
        ("serbero.db.lock", "belongs to the live database"),
        ("./nowhere/../serbero.db", "there is no such folder"),
        ("hard.db", "belongs to the live database"),
        ("soft.db", "belongs to the live database"),
        ("folder", "is no file"),
        ("nowhere/copy.db", "there is no such folder"),
    ],
)
def test_a_place_where_no_copy_may_be(
    database: Database, tmp_path: Path, target: str, says: str
) -> None:
    (tmp_path / "hard.db").hardlink_to(database.path)
    (tmp_path / "soft.db").symlink_to(database.path)
    (tmp_path / "folder").mkdir()
    before, there = contents(database.path), files(tmp_path)
    done = run(target, "--force")
    assert done.exit_code == 1, done.output
    assert says in done.stderr
    assert (contents(database.path), files(tmp_path)) == (before, there)


def test_the_live_database_by_another_name(database: Database, tmp_path: Path) -> None:
    """The database that is named is a link; what it leads to is no place for a copy either."""
    (tmp_path / "link.db").symlink_to(database.path)
    done = CliRunner().invoke(app, ["backup", "serbero.db-wal", "--db", "link.db", "--force"])
    assert (done.exit_code, "belongs to the live" in done.stderr) == (1, True)


def test_a_damaged_database_gives_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    database = Database(path)
    database.record(*(revision(n, at=T0 + n) for n in range(300)), audience=audience(2))
    root = database.one("SELECT rootpage FROM sqlite_master WHERE name = 'outbox'")
    database.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    done = run("copy.db")
    assert done.exit_code == 1, done.output
    assert "doctor" in done.stderr
    assert files(tmp_path) == set()


def test_what_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "serbero.db").write_text("a letter to my aunt, and not a short one either" * 40)
    assert run("copy.db").exit_code == 1
    assert files(tmp_path) == set()


@pytest.mark.parametrize("version", range(1, 6))
def test_databases_of_the_reference(tmp_path: Path, version: int) -> None:
    reference.create(tmp_path / "serbero.db", version)
    assert run("copy.db").exit_code == 0
    assert contents(tmp_path / "copy.db") == contents(tmp_path / "serbero.db")


def test_what_a_killed_backup_left_is_in_nobodys_way(database: Database, tmp_path: Path) -> None:
    (tmp_path / ".copy.db.unfinished").write_text("half of a copy")
    (tmp_path / ".copy.db.unfinished").chmod(0o644)
    assert run("copy.db").exit_code == 0
    assert files(tmp_path) == {"copy.db"}
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600


def test_the_copy_is_its_owners_from_the_first_byte(database: Database, tmp_path: Path) -> None:
    """Also while it is written, under an umask that would let everybody read it."""
    seen: set[int] = set()

    def look(_written: int) -> None:
        seen.add((tmp_path / ".copy.db.unfinished").stat().st_mode & 0o777)

    fill(database, 1000)
    before = os.umask(0)
    try:
        done = copy(database.path, tmp_path / "copy.db", replace=False, progress=look)
    finally:
        os.umask(before)
    assert (seen, done.disputes) == ({0o600}, 1001)


def fill(database: Database, many: int) -> None:
    batch = [revision(number, at=T0 + number) for number in range(10, many + 10)]
    database.record(*batch, audience=audience(2))


def test_the_daemon_writes_meanwhile(database: Database, tmp_path: Path) -> None:
    """The copy is of one moment, and what was written since is in the original alone."""
    fill(database, 1000)
    written: list[str] = []

    def write(_size: int) -> None:
        if len(written) < 2:
            opened = revision(9000 + len(written), at=T0)
            database.record(opened, audience=audience(2))
            written.append(opened.dispute_id)

    done = copy(database.path, tmp_path / "copy.db", replace=False, progress=write)
    assert written
    assert done.disputes == 1001
    assert database.one("SELECT count(*) FROM disputes") == 1001 + len(written)
    assert run_once(tmp_path / "copy.db", lambda tx: tx.exec_driver_sql(
        "SELECT count(*) FROM outbox o LEFT JOIN disputes d USING (dispute_id)"
        " WHERE d.dispute_id IS NULL").scalar()) == 0  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_nothing_behind(
    database: Database, tmp_path: Path, number: signal.Signals
) -> None:
    fill(database, 1000)
    (tmp_path / "copy.db").write_text("mine")
    main = threading.main_thread().ident
    assert main is not None

    def stop(_written: int) -> None:
        signal.pthread_kill(main, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serbero.cli.backup_making._Telling.say", lambda _self, size: stop(size))
        done = run("copy.db", "--force")
    assert done.exit_code == 1, done.output
    assert "stopped" in done.stderr
    assert files(tmp_path) == {"copy.db"}
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_what_the_next_one_has_begun_is_left_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that has its name gives the first one up: another process may use that at once."""
    begun, to_disk = tmp_path / ".copy.db.unfinished", backup._to_disk

    def begin(path: Path) -> None:
        to_disk(path)
        if path == tmp_path:
            begun.write_text("the next one's")

    monkeypatch.setattr(backup, "_to_disk", begin)
    copy(database.path, tmp_path / "copy.db", replace=True, progress=lambda _written: None)
    assert begun.read_text() == "the next one's"


async def test_two_at_once_do_not_meet(database: Database, tmp_path: Path) -> None:
    """Each of two processes ends with a good copy, or says that the other one makes it."""
    fill(database, 500)

    async def one() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *SERBERO,
            *("backup", "copy.db", "--db", "serbero.db", "--force"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        return process.returncode, said.decode()

    ended = await asyncio.gather(one(), one())
    assert 0 in {code for code, _ in ended}
    assert all(code == 0 or "another process" in said for code, said in ended), ended
    assert contents(tmp_path / "copy.db") == contents(database.path)
    assert files(tmp_path) == {"copy.db"}


def test_one_that_ends_between_two_steps_of_another_stays_whole(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It got the name of the file that the other one had opened just before."""
    lock, kept = fcntl.flock, os.umask(0o022)

    def after_the_first(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        copy(database.path, tmp_path / "copy.db", replace=True, progress=lambda _: None)
        lock(handle, how)

    def seen(_written: int) -> None:
        whole.append((tmp_path / "copy.db").stat().st_size)
        modes.add((tmp_path / ".copy.db.unfinished").stat().st_mode & 0o777)

    whole: list[int] = []
    modes: set[int] = set()
    (tmp_path / ".copy.db.unfinished").touch(0o600)
    monkeypatch.setattr(fcntl, "flock", after_the_first)
    fill(database, 1000)
    try:
        copy(database.path, tmp_path / "copy.db", replace=True, progress=seen)
    finally:
        os.umask(kept)
    assert (min(whole) > 0, modes) == (True, {0o600})
    assert contents(tmp_path / "copy.db") == contents(database.path)


def test_a_file_of_somebody_else_is_not_written_into(database: Database, tmp_path: Path) -> None:
    """Under two names, it may be anything; who put it there may read it."""
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".copy.db.unfinished").hardlink_to(tmp_path / "precious")
    done = run("copy.db")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "precious").read_text() == "precious"
    assert contents(tmp_path / "copy.db") == contents(database.path)
