"""``serbero demo`` as its users run it: piped, in a terminal, interrupted, and when it fails."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
import sqlalchemy as sa
import typer

from serbero.cli.demo_playing import prepared
from serbero.config.loader import load
from serbero.messages import solver as texts
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType
from serbero.simulator.demo_ledger import Ledger, Note, Told, percentile, read_text
from serbero.simulator.demo_stage import MARK, Truth, solver_names
from serbero.simulator.demo_verdict import contradictions, span
from serbero.store.engine import run_once
from serbero.store.schema import outbox, transitions

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

SERBERO = (sys.executable, "-m", "serbero")
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
LONG_SECONDS = 110
"""A demo takes ten seconds on an idle machine; tests run beside many others."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary folders where the test can count them, and none of our variables but wrong ones."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    # What an operator may have exported must not reach the daemon on show.
    monkeypatch.setenv("SERBERO_DB_PATH", str(tmp_path / "operators-own.db"))
    monkeypatch.setenv("SERBERO_PRIVATE_KEY", "nonsense")
    # A width in the environment would win over the terminal's own.
    for name in ("SERBERO_CONFIG", "COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def serbero(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SERBERO, *arguments],
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **extra},
    )


def terminal(*arguments: str, columns: int = 100) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        SERBERO[0],
        [*SERBERO[1:], *arguments],
        encoding="utf-8",
        timeout=LONG_SECONDS,
        dimensions=(60, columns),
        env={**os.environ, "TERM": "xterm-256color"},
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_in(text: str) -> int:
    match = re.search(r"pid (\d+), ready", text)
    assert match is not None, text
    return int(match[1])


# --- as a whole -----------------------------------------------------------------------------------


def test_piped_it_tells_the_story_and_keeps_what_it_promised(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = serbero("demo", "--json", "--keep", str(folder))
    assert done.returncode == 0, done.stderr
    check_document(json.loads(done.stdout), folder)
    check_words(done.stderr)
    check_folder(folder, done)
    check_afterwards(folder)
    assert not (tmp_path / "operators-own.db").exists()


def check_document(found: dict[str, Any], folder: Path) -> None:
    """Four disputes: three are taken, one of them after a reminder, one closed untaken.

    A fifth is taken by Serbero, then by a person, and closed.
    """
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["seconds"] > 4  # the reminder alone takes three
    for measured in (found["take"], found["chat"]):
        for key in [each for each in measured if each.endswith("ms")]:
            assert measured.pop(key) > 0, key
    fixed = {key: found[key] for key in found if key not in {"p50_ms", "p99_ms", "seconds"}}
    assert fixed == {
        "ok": True,
        "version": fixed["version"],
        "disputes": 5,
        "solvers": 3,
        "relays": 2,
        # Five openings, five takes, two of them of one dispute, and one reminder, to three solvers.
        "expected": (5 + 5 + 1) * 3,
        "delivered": (5 + 5 + 1) * 3,
        "duplicates": 0,
        "renotified": 1,
        "taken": 4,
        "resolved": 3,
        "database": str(folder / "serbero.db"),
        "kept": True,
        "problems": [],
        "protocol": 2,
        "take": {"outcome": "took"},
        "chat": {
            "sent": 4,
            "read": 4,
            "written": 3,
            "heard": 3,
            "after_takeover": 0,
            "envelopes": {"buyer": "kind14", "seller": "kind14"},
        },
    }


def check_words(story: str) -> None:
    assert "\x1b" not in story
    for name in ("Alice", "Bruno", "Chiara"):
        assert re.search(rf"{name} +hears of it after \d+ ms", story)
        assert re.search(rf"{name} +hears of all 3 after", story)
        assert len(re.findall(rf"{name} +knows it is taken after", story)) == 3
        assert re.search(rf"{name} +is reminded, .* after it was opened", story)
        assert re.search(rf"{name} +knows that Serbero has it", story)
        assert re.search(rf"{name} +knows that a person has it", story)
    assert re.search(r"Bruno .*\(own inbox\)", story)
    assert "New Mostro dispute requires attention." in story
    assert story.count("and bothers nobody") == 3
    assert "mediation is off in this configuration" in story
    assert "serbero demo --scenario all" in story
    for party in ("buyer", "seller"):
        assert len(re.findall(rf"{party} +reads it after", story)) == 2
        assert re.search(rf"serbero +hears the {party} after", story)
    assert "is told to ask once more and refuses" in story
    assert "All 33 messages arrived, each exactly once." in story
    assert "Protocol 2: one dispute taken in" in story
    assert "serbero init" in story.splitlines()[-3]


def check_folder(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    config = folder / "config.toml"
    assert config.stat().st_mode & 0o777 == 0o600
    loaded = load(config, {})
    assert loaded.warnings == ()
    assert loaded.config.db_path == folder / "serbero.db"
    secret = loaded.config.keys.secret_key()
    log = (folder / "serbero.log").read_text()
    for text in (log, done.stdout, done.stderr):
        assert secret.to_bech32() not in text
        assert secret.to_hex() not in text
    assert all(isinstance(json.loads(line), dict) for line in log.splitlines())
    assert "serbero exited cleanly" in log
    moves = run_once(folder / "serbero.db", read_moves)
    assert sorted(moves) == [
        ["new>notified", "notified>resolved"],
        ["new>notified", "notified>taken"],
        ["new>notified", "notified>taken"],
        ["new>notified", "notified>taken", "taken>resolved"],
        ["new>notified", "notified>taken", "taken>resolved"],
    ]
    # To solvers, and two to each party.
    assert run_once(folder / "serbero.db", read_outbox) == {"sent": 33 + 4}


def read_moves(tx: sa.Connection) -> list[list[str]]:
    lives: dict[str, list[str]] = {}
    for row in tx.execute(sa.select(transitions).order_by(transitions.c.id)):
        if row.from_state is not None:
            lives.setdefault(row.dispute_id, []).append(f"{row.from_state}>{row.to_state}")
    return list(lives.values())


def read_outbox(tx: sa.Connection) -> dict[str, int]:
    rows = tx.execute(sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state))
    return {row[0]: row[1] for row in rows}


def check_afterwards(folder: Path) -> None:
    """The kept configuration is one `doctor` reads; the relays are gone and it says so."""
    environ = {"SERBERO_PRIVATE_KEY": "", "SERBERO_DB_PATH": ""}
    looked = serbero("doctor", "--json", "--config", str(folder / "config.toml"), **environ)
    assert looked.returncode == 2
    report = json.loads(looked.stdout)
    levels = {(each["check"].split()[0], each["level"]) for each in report["findings"]}
    assert ("database", "ok") in levels
    assert any(level == "broken" and "relay" in check for check, level in levels)
    assert "Traceback" not in looked.stderr


def test_in_a_narrow_terminal_it_is_coloured_and_fits_on_the_old_protocol_too() -> None:
    child = terminal("demo", "-d", "1", "-s", "2", "--protocol", "1", columns=60)
    shown = child.read()
    child.wait()
    assert child.exitstatus == 0, shown
    # The time is dim, the name bold and coloured, what happens plain.
    assert re.search(r"\x1b\[2m +\d\.\d\d  \x1b\[0m\x1b\[1;36mAlice +\x1b\[0mhears of it", shown)
    lines = ESCAPE.sub("", shown).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 60, [line for line in lines if len(line) > 60]
    assert "All 12 messages arrived, each exactly once." in lines
    story = " ".join(" ".join(lines).split())
    assert "node speaks protocol 1: gift wraps" in story
    assert "buyer has an old client (gift wraps)" in story
    assert "seller has a current client (kind 14)" in story
    assert "Protocol 1: one dispute taken in" in story
    assert any("serbero init" in line for line in lines[-4:])


def test_many_are_told_of_together() -> None:
    done = serbero("demo", "--disputes", "12", "--solvers", "9")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.search(r"solvers +all hear of all 11 after", done.stdout)
    assert re.search(r"solvers +all are reminded", done.stdout)
    # Thirteen openings, thirteen takes, two of them of one dispute, and one reminder.
    assert f"All {(13 + 13 + 1) * 9} messages arrived, each exactly once." in done.stdout
    assert not list(Path(os.environ["TMPDIR"]).iterdir())


# --- when it does not go well ---------------------------------------------------------------------


@pytest.mark.parametrize(("moment", "runs"), [("hears of it", True), ('asks the buyer: "', False)])
def test_ctrl_c_leaves_nothing_behind(moment: str, runs: bool) -> None:
    """While the daemon is a process of its own, and while it runs in the script's."""
    child = terminal("demo", "-d", "1", "-s", "1")
    child.expect(r"pid (\d+), ready")
    pid = int(child.match[1])
    child.expect(moment)
    assert alive(pid) is runs
    child.sendintr()
    rest = child.read()
    child.wait()
    assert child.exitstatus == 1
    assert "Interrupted; what it had started has ended." in rest
    assert "Traceback" not in rest
    assert not alive(pid)
    assert not list(Path(os.environ["TMPDIR"]).iterdir())


def test_a_signal_still_gives_one_document() -> None:
    with subprocess.Popen(
        [*SERBERO, "demo", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        said = ""
        while "ready in" not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=LONG_SECONDS)
    assert child.returncode == 1
    found = json.loads(out)
    assert found["ok"] is False
    assert found["problems"] == ["interrupted; what it had started has ended"]
    assert not alive(pid_in(said))


def test_a_reader_that_leaves_ends_it() -> None:
    with subprocess.Popen(
        [*SERBERO, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert "Serbero demo" in child.stdout.readline()
        child.stdout.close()
        complaints = child.stderr.read()
        child.wait(LONG_SECONDS)
    assert child.returncode == 1
    assert complaints == ""
    assert not list(Path(os.environ["TMPDIR"]).iterdir())


@pytest.mark.parametrize("when", ["at the start", "later"])
def test_a_daemon_that_dies_is_reported_with_its_last_words(tmp_path: Path, when: str) -> None:
    """The interpreter's own start hook plays the accident, in the daemon's process only."""
    site = tmp_path / "site"
    site.mkdir()
    now = "os.write(1, b'the disk is on fire\\n'); os._exit(3)"
    # Later: once the first message went out, which is where "notification_sent" is logged.
    hook = {
        "at the start": f"    {now}\n",
        "later": (
            "    import threading, time\n"
            "    def watch():\n"
            "        log = os.readlink('/proc/self/fd/1')\n"
            "        while b'notification_sent' not in open(log, 'rb').read():\n"
            "            time.sleep(0.01)\n"
            f"        {now}\n"
            "    threading.Thread(target=watch, daemon=True).start()\n"
        ),
    }[when]
    (site / "sitecustomize.py").write_text(
        "import os, sys\nif 'run' in sys.orig_argv[1:]:\n" + hook
    )
    done = serbero("demo", "--json", PYTHONPATH=str(site))
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert "expected a running daemon, found it ended with 3" in found["problems"]
    assert "the disk is on fire" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_daemon_that_breaks_its_promises_does_not_pass(tmp_path: Path) -> None:
    """Faults planted in the daemon's process and in the script's: each of them is named.

    Each take is announced once more; the chats stay open when somebody else has taken over; and
    the log tells what the node said.
    """
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if 'run' in sys.orig_argv[1:]:\n"
        "    from serbero.intake import custody\n"
        "    once = custody.announce_taken\n"
        "    def twice(tx, audience, dispute, who, event, at):\n"
        "        first = once(tx, audience, dispute, who, event, at)\n"
        "        return first + once(tx, audience, dispute, who, 'again', at)\n"
        "    custody.announce_taken = twice\n"
        "if 'demo' in sys.orig_argv[1:]:\n"
        "    import structlog\n"
        "    from serbero.mediation import ending\n"
        "    from serbero.mostro import transport_v2\n"
        "    ending.close_in = lambda tx, dispute, now: 0\n"
        "    discreet = transport_v2.message_of\n"
        "    def chatty(value):\n"
        "        structlog.get_logger('serbero.leak').warning('read', said=str(value))\n"
        "        return discreet(value)\n"
        "    transport_v2.message_of = chatty\n"
    )
    done = serbero("demo", "--json", "-d", "1", "-s", "2", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["ok"], found["expected"], found["delivered"]) == (False, 12, 12)
    assert found["duplicates"] == 2
    first, *others, last = found["problems"]
    assert first == "expected each message once, found 2 more copies"
    assert others == [
        f"expected {what}"
        for party in ("buyer", "seller")
        for what in (
            f"Serbero to refuse to write to the {party} now, found it agreed",
            f"no more events of the {party}'s chat after the takeover, found 1",
        )
    ]
    assert last.startswith("expected no secrets on disk, found ")
    assert "the preimage in serbero.log" in last
    assert "the buyer's invoice in serbero.log" in last
    assert "The demo failed." in done.stderr
    assert "--keep DIR" in done.stderr
    assert "serbero init" not in done.stderr


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    precious = tmp_path / "mine" / "config.toml"
    precious.parent.mkdir()
    precious.write_text("[mostro]\n")
    done = serbero("demo", "--keep", str(precious.parent))
    assert done.returncode == 2
    assert done.stdout == ""
    assert "is not empty (it holds config.toml)" in done.stderr
    assert precious.read_text() == "[mostro]\n"


def test_an_earlier_demo_makes_room_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "config.toml").write_text(f"{MARK}\n[mostro]\n")
    (tmp_path / "demo" / "serbero.db-wal").write_text("")
    assert prepared(tmp_path / "demo") == tmp_path / "demo"
    assert list((tmp_path / "demo").iterdir()) == []
    (tmp_path / "demo" / "config.toml").write_text(f"{MARK}\n")
    (tmp_path / "demo" / "letters.txt").write_text("dear")
    with pytest.raises(typer.Exit):
        prepared(tmp_path / "demo")
    assert (tmp_path / "demo" / "letters.txt").exists()


def test_options_before_the_command_reach_it(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    for command in ("doctor", "run"):
        done = serbero("--config", str(absent), command)
        assert done.returncode == 2
        assert str(absent) in done.stdout + done.stderr
    nearer = tmp_path / "nearer.toml"
    done = serbero("--config", str(absent), "doctor", "--config", str(nearer))
    assert str(nearer) in done.stdout
    assert str(absent) not in done.stdout


# --- the bookkeeping ------------------------------------------------------------------------------

DISPUTE = "3f2a91bc-0000-4000-8000-000000000000"


def test_texts_are_known_by_their_first_line() -> None:
    assert read_text(texts.new_dispute(DISPUTE, "buyer", 1), "Alice") == Note(
        DISPUTE, Told.OPENED, "Alice"
    )
    assert read_text(texts.still_unattended(DISPUTE, 9), "Bo") == Note(DISPUTE, Told.REMINDED, "Bo")
    assert read_text(texts.dispute_taken(DISPUTE, None), "Bo") == Note(DISPUTE, Told.TAKEN, "Bo")
    ours = texts.dispute_taken(DISPUTE, "f" * 64, by_serbero=True)
    assert read_text(ours, "Bo") == Note(DISPUTE, Told.HELD, "Bo")
    assert read_text("hello", "Bo") is None
    assert read_text("", "Bo") is None


def ledger_with(*arrivals: tuple[str, str, str]) -> Ledger:
    """One dispute opened at 10 s, promised to Alice and Bo."""
    ledger = Ledger()
    ledger.published(DISPUTE, Told.OPENED, 10.0)
    ledger.expect([DISPUTE], Told.OPENED, ["Alice", "Bo"])
    for at, (solver, wrap, text) in enumerate(arrivals, start=11):
        ledger.arrive(solver, wrap, text, float(at))
    return ledger


def test_the_ledger_finds_what_is_missing_repeated_or_uncalled_for() -> None:
    opened = texts.new_dispute(DISPUTE, "buyer", 1)
    reminder = texts.still_unattended(DISPUTE, 9)
    fine = ledger_with(("Alice", "w1", opened), ("Bo", "w2", opened), ("Bo", "w2", opened))
    assert fine.problems() == []
    assert fine.latencies() == [1.0, 2.0]
    missing = ledger_with(("Alice", "w1", opened))
    assert missing.problems() == [
        "expected 2 messages, found 1; missing: opened 3f2a91bc to Bo",
    ]
    repeated = ledger_with(("Alice", "w1", opened), ("Alice", "w2", opened), ("Bo", "w3", opened))
    assert repeated.duplicates == repeated.copies("Alice") == 1
    assert repeated.problems() == ["expected each message once, found 1 more copies"]
    extra = ledger_with(("Alice", "w1", opened), ("Bo", "w2", opened), ("Bo", "w3", reminder))
    assert extra.problems() == [
        "expected no other messages, found 1: reminded 3f2a91bc to Bo",
    ]
    extra.allow([DISPUTE], Told.REMINDED, ["Bo"])
    assert extra.problems() == []
    strange = ledger_with(("Alice", "w1", opened), ("Bo", "w2", opened), ("Bo", "w3", "psst"))
    assert strange.problems() == ["expected messages of Serbero's alone, found Bo: ['psst']"]


def test_the_database_must_tell_the_same_story() -> None:
    told = {DISPUTE: Lifecycle.NOTIFIED}
    ledger = ledger_with()
    agreed = Truth({DISPUTE: Lifecycle.NOTIFIED}, {NotificationType.INITIAL: 2}, 0)
    assert contradictions(agreed, told, ledger) == []
    other = Truth({DISPUTE: Lifecycle.NEW, "more": Lifecycle.NEW}, {NotificationType.INITIAL: 1}, 3)
    assert contradictions(other, told, ledger) == [
        "expected dispute 3f2a91bc to be notified in the database, found new (1 such)",
        "expected 1 disputes in the database, found 1 more",
        "expected 2 sent rows of type initial in the database, found 1",
        "expected an empty outbox, found 3 messages in it",
    ]
    assert contradictions(None, told, ledger) != []


def test_figures() -> None:
    assert percentile([], 0.5) is None
    assert percentile([1.0], 0.99) == 1.0
    assert percentile([float(each) for each in range(1, 101)], 0.99) == 99.0
    assert percentile([1.0, 2.0, 3.0], 0.5) == 2.0
    assert [span([0.0234]), span([0.02, 0.05]), span([0.5, 2.0])] == [
        "23 ms",
        "20 to 50 ms",
        "500 ms to 2.0 s",
    ]


def test_every_solver_has_a_name_of_their_own() -> None:
    names = solver_names(50)
    assert len(set(names)) == 50
    assert max(map(len, names)) <= 8
