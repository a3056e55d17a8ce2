"""``serbero purge`` as an operator uses it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pexpect
import pytest
from inline_snapshot import snapshot
from tests.cli.test_sessions import lines_on
from tests.store import reference_databases as reference
from tests.store.purge_rig import ENDED, close, found, mediated, unmediated, words_of
from tests.store.rig import T0, Database, audience, revision
from typer.testing import CliRunner, Result

from serbero.cli import purging
from serbero.cli.app import app
from serbero.cli.page import Page
from serbero.cli.source import Asked
from serbero.store import free_space
from serbero.store.purge import Emptied
from serbero.store.purge_search import Estimate
from serbero.store.sqlite import WriterLock

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("elsewhere"),
]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """One dispute that ended long ago, and one that is open."""
    opened = Database(tmp_path / "serbero.db")
    close(opened, mediated(opened, 1))
    mediated(opened, 2)
    yield opened
    opened.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["purge", *arguments, "--db", "serbero.db"])


def flat(text: str) -> str:
    return " ".join(text.split())


def test_it_empties_and_says_what(database: Database) -> None:
    done = run("--older-than", "1w", "--yes")
    assert done.exit_code == 0, done.output
    began, _, rest = done.stdout.partition("\n")
    assert began.startswith("  ended       until 20")
    assert rest == snapshot("""\
  disputes    1
  the first   ended 2026-01-01 00:16:40 UTC
  messages    4 of conversations, 1 sent or given up
  reasons     5 a model gave in their sessions

Emptied 1 dispute:
  4 messages of conversations
  5 reasons a model gave
  1 summary
  1 failure in a provider's words
  1 payment method of an order
  1 message that was sent or given up
  1 message in the form relays were given
Nothing of what was emptied is left in the file. Older backups still hold it.
""")
    assert found(database.path, words_of(1)) == []
    assert found(database.path, words_of(2)) == words_of(2)


def test_its_document(database: Database) -> None:
    done = run("--older-than", "1w", "--yes", "--json")
    said = json.loads(done.stdout)
    assert said.pop("before") > 0
    assert said == snapshot(
        {
            "ok": True,
            "dry_run": False,
            "found": {
                "disputes": 1,
                "oldest_ended_at": 1767226600,
                "messages": 4,
                "rationales": 5,
                "outbox": 1,
                "under_way": 0,
            },
            "emptied": {
                "disputes": 1,
                "messages": 4,
                "rationales": 5,
                "summaries": 1,
                "reasons": 1,
                "order_facts": 1,
                "outbox": 1,
                "wraps": 1,
            },
            "free_space_rewritten": True,
        }
    )


def test_a_dry_run_changes_nothing(database: Database) -> None:
    before = database.dump()
    done = run("--older-than", "1w", "--dry-run")
    assert (done.exit_code, database.dump()) == (0, before)
    assert "4 of conversations, 1 sent or given up" in flat(done.stdout)
    said = json.loads(run("--older-than", "1w", "--dry-run", "--json").stdout)
    assert (said["dry_run"], said["found"]["disputes"]) == (True, 1)
    assert said["emptied"]["disputes"] == 0
    assert database.dump() == before


def test_again_there_is_nothing_to_empty(database: Database) -> None:
    run("--older-than", "1w", "--yes")
    before = database.dump()
    done = run("--older-than", "1w")
    assert (done.exit_code, database.dump()) == (0, before)
    assert "Nothing to empty" in done.stdout


def test_what_is_younger_stays(database: Database) -> None:
    before = database.dump()
    done = run("--older-than", "99y", "--yes")
    assert "Nothing to empty" in done.stdout
    assert database.dump() == before


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nobody_is_there_to_say_yes(database: Database, arguments: tuple[str, ...]) -> None:
    before = database.dump()
    done = run("--older-than", "1w", *arguments)
    assert (done.exit_code, database.dump()) == (2, before)
    assert "--yes" in done.stderr


@pytest.mark.parametrize("answer", ["y", "n"])
def test_somebody_is_asked(database: Database, tmp_path: Path, answer: str) -> None:
    before = database.dump()
    command = ["-m", "serbero", "purge", "--older-than", "1w", "--db", "serbero.db"]
    child = pexpect.spawn(sys.executable, command, cwd=tmp_path, encoding="utf-8", timeout=60)
    child.expect("Empty 1 dispute for ever")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == (0 if answer == "y" else 2)
    assert (database.dump() == before) is (answer == "n")


def test_a_span_that_is_none(database: Database) -> None:
    before = database.dump()
    for span in ("", "soon", "-3d", "3", "3 fortnights", "2026-01-01"):
        done = run("--older-than", span, "--yes")
        assert done.exit_code == 2, span
        assert "expected a span such as" in flat(done.stderr)
    assert database.dump() == before


def test_without_a_span(database: Database) -> None:
    assert run("--yes").exit_code == 2


@pytest.mark.parametrize("version", range(1, 6))
def test_a_database_of_the_reference_is_written_by_a_daemon_first(
    tmp_path: Path, version: int
) -> None:
    reference.create(tmp_path / "serbero.db", version)
    before = reference.tables(tmp_path / "serbero.db")
    done = run("--older-than", "1s", "--yes")
    assert done.exit_code == 1
    assert "start its daemon once" in done.stderr
    assert reference.tables(tmp_path / "serbero.db") == before


def test_few_go_in_one_transaction(database: Database) -> None:
    close(database, *(unmediated(database, number, f"why {number}") for number in range(3, 60)))
    asked = Asked(None, database.path, as_json=False)
    sizes = [len(each) for each in purging.batches(asked, ENDED)]
    whole, rest = divmod(58, purging.BATCH)
    assert sizes == [purging.BATCH] * whole + [rest]


INTERRUPTED: Final = """
import os, signal
from serbero.cli.main import main
from serbero.store import purge

empty_all, begun = purge.empty_all, []

def interrupted(*arguments):
    begun.append(arguments)
    if len(begun) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return empty_all(*arguments)

purge.empty_all = interrupted
signal.signal(signal.SIGINT, signal.default_int_handler)
main()
"""
"""The command, with Ctrl-C pressed amid its third transaction; from without it could be over."""


def test_stopped_in_the_middle_it_goes_on(database: Database, tmp_path: Path) -> None:
    many = 50
    database.record(*(revision(n, at=T0) for n in range(10, 10 + many)), audience=audience(2))
    ends = (revision(n, "settled", ENDED) for n in range(10, 10 + many))
    database.record(*ends, audience=audience(2), now=ENDED)
    stopped = subprocess.run(
        [
            *(sys.executable, "-c", INTERRUPTED),
            *("purge", "--older-than", "1w", "--yes", "--db", "serbero.db"),
        ],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    done = 3 * purging.BATCH
    assert stopped.returncode == 1, stopped.stderr
    assert f"stopped after {done} disputes".encode() in stopped.stderr
    assert purged(database) == done, "no dispute is half emptied, no batch either"
    again = json.loads(run("--older-than", "1w", "--yes", "--json").stdout)
    assert again["emptied"]["disputes"] == many + 1 - done
    assert purged(database) == many + 1
    assert database.one("SELECT count(*) FROM outbox WHERE rumor_json IS NOT NULL") == 1


def purged(database: Database) -> int:
    """Disputes that the journal says were emptied."""
    return int(database.one("SELECT count(*) FROM journal WHERE kind = 'contents_purged'"))


def test_beside_a_daemon_a_large_file_is_not_locked_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_space, "QUICK_BYTES", 1000)
    lock = WriterLock(database.path)
    try:
        done = run("--older-than", "1w", "--yes")
    finally:
        lock.release()
    assert done.exit_code == 0
    assert "serbero backup" in flat(done.stdout)
    assert database.one("SELECT count(*) FROM mediation_messages WHERE content = ''") == 4


def test_sessions_say_that_they_were_purged(database: Database) -> None:
    session = database.one("SELECT session_id FROM mediation_sessions ORDER BY rowid LIMIT 1")
    run("--older-than", "1w", "--yes")
    runner = CliRunner()
    told = {
        verb: runner.invoke(app, ["sessions", verb, session, "--db", "serbero.db"])
        for verb in ("show", "transcript")
    }
    assert {each.exit_code for each in told.values()} == {0}
    assert told["show"].stdout.count("(emptied by a purge)") == 2
    assert told["transcript"].stdout.count("(its words were emptied by a purge)") == 4


def test_it_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    estimate = Estimate(100_000, 1_700_000_000, 1_000_000, 1_000_000, 1_000_000, 100_000)
    everything = Emptied(*[1_000_000] * 7)
    done = purging.Purged(100_000, everything, whole=False, under_way=1)

    def draw(page: Page) -> None:
        purging.announce(estimate, 1_700_000_000, page)
        purging.show(done, Path("/var/lib/serbero.db"), page)

    assert max(map(len, lines_on(80, draw, monkeypatch))) <= 80
