"""What a shell is offered while somebody types."""

from pathlib import Path

import pytest
from tests.store import reference_databases as reference
from typer.testing import CliRunner

from serbero.cli.app import app


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
