"""``serbero audit log`` and ``serbero audit verify`` as an operator uses them."""

import ast
import importlib
import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.mediation.replay_rig import BUYER, CONFLICT, SELLER, Case
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database
from typer.testing import CliRunner, Result

import serbero
from serbero.cli.app import app
from serbero.cli.audit import log as audit_page
from serbero.cli.audit import verify as verify_page
from serbero.cli.audit.words import JOURNAL, entry_words
from serbero.cli.page import Page
from serbero.model.mediation import AuditKind
from serbero.model.taking import TakeState
from serbero.store import audit_log, journal, verification
from serbero.store.audit_log import Entry, Source

SAID = "I paid with my cousin's card on Monday."


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments, "--db", "serbero.db"])


def read(*arguments: str) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def log(*arguments: str) -> Any:
    return json.loads(read("log", *arguments, "--json"))


def mediated(database: Database, number: int = 1) -> Case:
    case = Case(database, number, now=T0 + 1000 * number)
    case.begin()
    case.hears(BUYER, SAID)
    case.verdict("escalate", CONFLICT)
    return case


# --- words ----------------------------------------------------------------------------------------


def entry(source: Source, kind: str, **payload: object) -> Entry:
    return Entry(source, 1, T0, kind, "d", None, payload)


@pytest.mark.parametrize("kind", list(AuditKind))
def test_every_kind_of_event_has_words(kind: AuditKind) -> None:
    said = entry_words(entry(Source.EVENTS, kind.value))
    assert " " in said
    assert kind.value not in said


def test_every_kind_of_the_journal_has_words() -> None:
    written = set(kinds_in_the_code())
    assert {"acknowledged", "standing_changed", "take_taken", "contents_purged"} <= written
    assert written == set(JOURNAL)
    for kind in written:
        said = entry_words(entry(Source.JOURNAL, kind))
        assert " " in said
        assert kind not in said


def kinds_in_the_code() -> Iterator[str]:
    """What stands behind ``tx`` in every call of ``journal.write``."""
    root = Path(serbero.__file__).parent
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text())
        name = ".".join(("serbero", *path.relative_to(root).with_suffix("").parts))
        for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
            if ast.unparse(call.func) != "journal.write":
                continue
            kind = call.args[1]
            if isinstance(kind, ast.Constant):
                yield str(kind.value)
            elif isinstance(kind, ast.JoinedStr):
                assert ast.unparse(kind) == "f'take_{state.value}'"
                yield from (f"take_{each}" for each in TakeState if each is not TakeState.OPEN)
            elif ast.unparse(kind) == "kind":  # handed in by a function beside it
                yield from named_kinds(tree, name)
            else:
                yield str(getattr(importlib.import_module(name), ast.unparse(kind)))


def named_kinds(tree: ast.Module, module: str) -> Iterator[str]:
    for call in (each for each in ast.walk(tree) if isinstance(each, ast.Call)):
        if ast.unparse(call.func) == "_note":
            yield str(getattr(importlib.import_module(module), ast.unparse(call.args[1])))


# --- the log --------------------------------------------------------------------------------------


def test_one_trail_in_order_the_newest_last(database: Database) -> None:
    case = mediated(database)
    database.run(
        journal.write,
        "acknowledged",
        T0 + 1001,
        dispute_id=case.dispute,
        payload={"solver": "aa" * 32, "expires_at": T0 + 1901},
    )
    entries = log()
    assert [each["at"] for each in entries] == sorted(each["at"] for each in entries)
    tables = {each["table"] for each in entries}
    assert tables == {"mediation_events", "journal"}
    kinds = [each["kind"] for each in entries]
    assert kinds.index("session_opened") < kinds.index("inbound_ingested")
    assert kinds[-2:] == ["escalation_recommended", "handoff_prepared"]
    assert log("--limit", "2") == entries[-2:]
    assert {each["dispute_id"] for each in entries} == {case.dispute}
    told = next(each for each in entries if each["kind"] == "inbound_ingested")
    assert told["words"] == "the buyer wrote"
    assert told["payload"]["stale"] is False
    assert "npub142424242… has it" in next(
        e["words"] for e in entries if e["kind"] == "acknowledged"
    )


def test_it_can_be_narrowed(database: Database) -> None:
    first, second = mediated(database, 1), mediated(database, 2)
    everything = log()
    assert {each["dispute_id"] for each in everything} == {first.dispute, second.dispute}
    own = log("--dispute", first.dispute[:8])
    assert own == [each for each in everything if each["dispute_id"] == first.dispute]
    session = log("--session", second.session[:8])
    assert session == [each for each in everything if each["session_id"] == second.session]
    chosen = log("--kind", "session_opened", "--kind", "handoff_prepared")
    assert [each["kind"] for each in chosen] == ["session_opened", "handoff_prepared"] * 2
    later = log("--since", str(T0 + 1500))
    assert later == [each for each in everything if each["at"] >= T0 + 1500]
    assert log("--until", str(T0 + 1500)) == [e for e in everything if e["at"] < T0 + 1500]


def test_no_words_of_anybody_are_in_it(database: Database) -> None:
    case = mediated(database)
    texts = [text for (text,) in database.rows("SELECT content FROM mediation_messages")]
    texts += [text for (text,) in database.rows("SELECT rationale_text FROM reasoning_rationales")]
    assert SAID in texts
    shown = read("log") + json.dumps(log(), ensure_ascii=False)
    assert not [each for each in texts if each and each in shown]
    assert case.dispute[:8] in shown
    assert "[rationale " in shown


def test_lines_are_for_people(database: Database) -> None:
    case = mediated(database)
    first, *lines = read("log", "--kind", "session_opened", "--kind", "handoff_prepared").split(
        "\n"
    )
    assert re.fullmatch(r"2026-01-01 00:16:4\d  [0-9a-f]{8}  session opened", first)
    assert first[21:29] == case.dispute[:8]
    assert lines[0].endswith("  hand-off prepared")


def test_it_fits_forty_columns(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    mediated(database)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    entries, verified = database.run(
        lambda tx: (audit_log.newest(tx, audit_log.Wanted(), 50), verification.verify(tx, T0))
    )
    screen = Terminal()
    audit_page.show(entries, Page(screen))
    verify_page.show(verified, "whole database", Page(screen))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert len(entries) >= 8
    assert max(map(len, lines)) <= 40
    assert "the trail" in screen.getvalue()


def test_what_is_typed_wrong_is_said(database: Database) -> None:
    mediated(database)
    wrong = run("log", "--kind", "funds_released")
    assert wrong.exit_code == 2
    assert "session_opened" in wrong.stderr
    assert run("log", "--since", "yesterday").exit_code == 2
    assert run("log", "--dispute", "ffffffff").exit_code == 1
    assert run("log", "--session", "ffffffff").exit_code == 1
    assert "Nothing on record" in read("log", "--until", "2001-01-01")


@pytest.mark.parametrize("version", [1, 2, 3, 5])
def test_it_reads_what_the_reference_wrote(tmp_path: Path, version: int) -> None:
    reference.create(tmp_path / "serbero.db", version)
    found = {each["kind"] for each in log()}
    wanted = {1: set(), 2: {"lifecycle"}, 3: {"lifecycle", "x"}, 5: {"lifecycle", "x", "dispatch"}}
    assert found == wanted[version]
    assert {e["dispute_id"] for e in log("--dispute", reference.TAKEN)} <= {reference.TAKEN}


def test_it_survives_what_anybody_wrote(database: Database) -> None:
    mediated(database)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE mediation_events SET payload_json = x'ff00', occurred_at = 'z' WHERE id = 2"
        )
        tx.exec_driver_sql("UPDATE mediation_events SET kind = char(27) || '[2J' WHERE id = 3")
        tx.exec_driver_sql("INSERT INTO journal (at, kind, payload_json) VALUES (9e300, '', '[')")
    assert "\x1b" not in read("log")
    assert len(log()) > 5


def test_what_is_added_is_followed_until_interrupted(database: Database) -> None:
    case = mediated(database)
    command = (
        sys.executable,
        "-m",
        "serbero",
        "audit",
        "log",
        "--follow",
        "--json",
        "--limit",
        "1",
    )
    process = subprocess.Popen(
        [*command, "--db", str(database.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        first = json.loads(process.stdout.readline())
        assert first["kind"] == "handoff_prepared"
        database.run(journal.write, "muted", T0 + 5000, payload={"solver": "aa", "until": T0})
        case.hears(SELLER, SAID)
        added = [json.loads(process.stdout.readline())["kind"] for _ in range(2)]
        assert sorted(added) == ["inbound_ingested", "muted"]
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, rest, errors) == (130, "", "")


def test_a_reader_that_leaves_is_no_error(database: Database) -> None:
    mediated(database)
    command = f"{sys.executable} -m serbero audit log --follow --db {database.path} | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


# --- verifying ------------------------------------------------------------------------------------


def test_a_trail_that_holds(database: Database) -> None:
    assert "the trail holds" in read("verify")
    found = json.loads(read("verify", "--json"))
    assert (found["ok"], found["findings"], found["damage"], found["notes"]) == (True, [], 0, 0)
    assert "lifecycle chain" in found["checked"]
    assert "ids of rumors" in found["skipped"]
    assert json.loads(read("verify", "--json", "--deep"))["skipped"] == []


def test_a_trail_that_does_not(database: Database) -> None:
    case = mediated(database)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, notif_type)"
            " VALUES (?, 'npub1x', ?, 'failed', 'admin_settle')",
            (case.dispute, T0),
        )
    for arguments in ((), ("--dispute", case.dispute[:6])):
        done = run("verify", *arguments)
        assert done.exit_code == 1
        assert "notification types" in done.stdout
        assert "admin_settle, failed" in done.stdout
        assert f"dispute {case.dispute[:8]}" in done.stdout
        assert "break the trail" in done.stdout or "breaks the trail" in done.stdout
    done = run("verify", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    [named] = [each for each in found["findings"] if each["check"] == "notification types"]
    assert named == {
        "check": "notification types",
        "level": "damage",
        "table": "notifications",
        "row": "1",
        "dispute_id": case.dispute,
        "expected": "a known type, sent or failed",
        "found": "admin_settle, failed",
        "meaning": "nothing of Serbero's may ever decide about funds: ask who wrote this row",
    }
    assert found["ok"] is False
    assert run("verify", "--dispute", "ffffffff").exit_code == 1


def test_gaps_of_the_reference_do_no_harm(tmp_path: Path) -> None:
    reference.create(tmp_path / "serbero.db", 2)
    told = read("verify")
    assert "known gaps of the reference" in told
    assert "the trail holds" in told
    assert reference.NEVER[:8] in told
    assert json.loads(read("verify", "--json"))["notes"] == 2
