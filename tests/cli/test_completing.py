"""What a shell is offered while somebody types."""

from pathlib import Path

import pytest
from tests.store import reference_databases as reference
from tests.store.rig import Database, audience, revision
from typer.testing import CliRunner

from serbero.cli.app import app
from serbero.nostr.keys import npub


def offered(typed: str) -> list[str]:
    """What bash shows behind what was typed so far; a blank at its end begins a word."""
    asked = {
        "_SERBERO_COMPLETE": "complete_bash",
        "COMP_WORDS": f"serbero {typed}",
        "COMP_CWORD": str(len(f"serbero {typed}".split()) - (not typed.endswith(" "))),
    }
    result = CliRunner().invoke(app, [], prog_name="serbero", env=asked)
    return result.stdout.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("disputes list --state ta", ["taken"]),
        ("disputes list --initiator ", ["buyer", "seller"]),
        ("sessions list --state sum", ["summary_pending", "summary_delivered"]),
        ("notifications --status ", ["sent", "failed"]),
        ("audit log --kind ack", ["acknowledged"]),
        ("demo --scenario pro", ["provider-down"]),
        ("outbox list --state de", ["dead"]),
        ("stats --by ", ["solver", "week"]),
        ("outbox list --purpose ass", ["assignment"]),
        ("notifications --type re", ["re-notification"]),
    ],
)
def test_words_that_an_option_takes(typed: str, expected: list[str]) -> None:
    assert offered(typed) == expected


def test_ids_of_the_database_that_was_named(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    reference.create(path, 5)
    whole = reference.TAKEN
    assert offered(f"disputes show --db {path} {whole[:3]}") == [whole]
    assert offered(f"--db {path} export {whole[:3]}") == [whole]
    assert offered(f"sessions show --db {path} ") == ["s1"]
    assert offered(f"disputes show --db {tmp_path / 'none.db'} ") == []


def test_solvers_of_the_configuration_and_of_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As npubs, in hex where that is typed; a broken file or none offers what there is."""
    monkeypatch.delenv("SERBERO_DB_PATH", raising=False)
    database = Database(tmp_path / "serbero.db")
    [told] = [each.hex for each in audience(1).solvers if each.hex]
    database.record(revision(1), audience=audience(1))
    database.answer(database.claim(), delivered=True)
    database.close()
    config = tmp_path / "config.toml"
    named = "ab" * 32
    config.write_text(f'[[solvers]]\npubkey = "{named}"\nname = "Ann"\n', "utf-8")
    typed = f"--config {config} --db {database.path}"
    assert offered(f"notifications {typed} --solver npub1") == [npub(named), npub(told)]
    assert offered(f"outbox list {typed} --recipient {told[:6]}") == [told]
    assert offered(f"disputes list {typed} --assigned abab") == [named]
    config.write_text("[[solvers", "utf-8")
    assert offered(f"notifications {typed} --solver npub1") == [npub(told)]
    none = f"--config {tmp_path / 'no.toml'} --db {tmp_path / 'no.db'}"
    assert offered(f"notifications {none} --solver ") == []


def test_numbers_of_messages_that_can_be_steered(tmp_path: Path) -> None:
    database = Database(tmp_path / "serbero.db")
    database.record(revision(1), audience=audience(3))
    database.answer(database.claim(limit=1), delivered=True)
    database.close()
    assert offered(f"outbox retry --db {database.path} ") == ["3", "2"]
    assert offered(f"outbox drop --db {database.path} 3") == ["3"]
