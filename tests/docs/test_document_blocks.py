"""Every fenced block of every document is what it says: it runs, loads, or parses."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]
from tests.docs import reading, typed
from tests.docs.reading import Block

from serbero.config.loader import from_document
from serbero.store import sqlite

KINDS: Final = {
    "console": "commands; ours run, the others are looked up",
    "sh": "the same",
    "toml": "a configuration, loaded",
    "sql": "one query, asked",
    "ini": "parsed",
    "json": "parsed",
    "yaml": "parsed",
    "text": "what a program or a person writes; nothing to check",
}
"""Info strings there may be, and what is done with each."""

EMPTY: Final = "Must be empty"
"""Words above a query that has no rows in a sound database."""

SECRET: Final = "1" * 64
KEY_OF_A_SOLVER: Final = "npub1egrvlnzltztasakdqcjf0tlxxj72peeyj4nxwtn7fyma6jeh5wvqxgrxy5"

MINIMAL: Final = """
[mostro]
pubkey = "npub1lycg5qvjtrp3qjf5f7zl382j9x6nrjz9sdhenvyxq8c3808qxmus6gq266"
[[relays]]
url = "wss://relay.example"
"""


def of_kind(*kinds: str) -> list[Block]:
    every = [each for page in reading.pages() for each in reading.blocks(page)]
    return [each for each in every if each.info in kinds]


@pytest.mark.parametrize("page", reading.pages())
def test_every_block_says_what_it_is(page: str) -> None:
    assert [each.place for each in reading.blocks(page) if each.info not in KINDS] == []
    assert [each.place for each in reading.blocks(page) if each.options] == []


@pytest.mark.parametrize("block", of_kind("toml"), ids=lambda each: each.place)
def test_a_configuration_can_be_used_and_nothing_in_it_is_warned_of(block: Block) -> None:
    document: dict[str, Any] = tomllib.loads(MINIMAL) | tomllib.loads(block.text)
    if "solvers" not in document:
        document["solvers"] = [{"pubkey": KEY_OF_A_SOLVER, "permission": "write"}]
    environ = {
        "SERBERO_PRIVATE_KEY": SECRET,
        "SERBERO_REASONING_API_KEY": "any",
        "ALERTS_PHONE_URL": "ntfys://ntfy.example/topic",
    }
    loaded = from_document(document, environ)
    alone = {"mediation", "reasoning"} - set(tomllib.loads(block.text))
    assert [str(each) for each in loaded.warnings if each.section not in alone] == []


def as_yaml(text: str) -> object:
    return yaml.safe_load(text)


def as_ini(text: str) -> object:
    # A unit names a key as often as it likes.
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser.sections()


PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "ini": as_ini,
    "json": json.loads,
    "yaml": as_yaml,
}


@pytest.mark.parametrize("kind", PARSERS)
def test_what_is_meant_for_a_machine_can_be_parsed(kind: str) -> None:
    for block in of_kind(kind):
        assert PARSERS[kind](block.text), block.place


def test_everything_that_is_typed_names_things_that_exist() -> None:
    every = [each for block in of_kind("console", "sh") for each in typed.commands(block)]
    assert len(every) > 80
    assert [fault for each in every for fault in typed.faults(each)] == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("serbero disputs list", "serbero has no command disputs"),
        ("serbero sessions list --sate open", "list has no option --sate"),
        ("sudo -u serbero /opt/serbero/.venv/bin/serbero doctr", "serbero has no command doctr"),
        ("sudo /opt/serbero/.venv/bin/serbero backup --hurry x", "backup has no option --hurry"),
        ("docker compose exec serbero serbero sessions lst", "sessions has no command lst"),
        ("sudo install -m 644 deploy/systemd/no.service /etc/", "no.service does not exist"),
        ("sudo systemctl start serbero-bakup", "there is no unit serbero-bakup.service"),
        (".venv/bin/pip install -r requirements-none.lock", "requirements-none.lock does not"),
        ("make tset", "make has no target tset"),
        ("frobnicate --all", "nothing is known of frobnicate"),
    ],
)
def test_a_slip_in_a_command_is_noticed(line: str, fault: str) -> None:
    [command] = typed.commands(Block("page", 1, "console", (), line))
    assert fault in " ".join(typed.faults(command))


# --- against a database -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with configuration and database of a daemon that mediated and handed over."""
    folder = tmp_path_factory.mktemp("documents") / "played"
    command = ("-m", "serbero", "demo", "--scenario", "escalation", "--keep", str(folder))
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    # The newest changes move from the log into the file, which is then copied.
    database = sqlite.driver.connect(folder / "serbero.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return folder


def with_more(played: Path, path: Path) -> Path:
    """Copy the database, and add an open dispute and a purge to what the queries can find."""
    shutil.copy(played / "serbero.db", path)
    with sqlite.driver.connect(path) as database:
        database.execute(
            "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
            " event_timestamp, detected_at, lifecycle_state)"
            " SELECT '00000000-0000-4000-8000-000000000000', 'open', mostro_pubkey, 'seller',"
            " event_timestamp, detected_at, 'notified' FROM disputes LIMIT 1"
        )
        database.execute(
            "INSERT INTO journal (at, dispute_id, kind, payload_json) SELECT last_state_change,"
            " dispute_id, 'contents_purged', '{\"messages\":2}' FROM disputes"
            " WHERE lifecycle_state = 'resolved'"
        )
    database.close()
    return path


def placeholders(database: Path) -> dict[str, str]:
    """What a reader puts for the words of the documents."""
    with sqlite.driver.connect(f"file:{database}?mode=ro", uri=True) as connection:
        [[session]] = connection.execute("SELECT session_id FROM mediation_sessions LIMIT 1")
        [[dispute]] = connection.execute("SELECT dispute_id FROM mediation_sessions LIMIT 1")
    return {"ID": session, "DISPUTE": dispute, "1a2b": dispute[:4], "DIR": "folder"}


def ran(page: str, played: Path, folder: Path, before: set[tuple[str, ...]]) -> Iterator[str]:
    """Run what a page shows, in order, in a folder of its own; say what failed.

    What another page shows in the same words (``before``) ran there, in the same surroundings.
    """
    every = [each for block in reading.blocks(page) for each in typed_in(block)]
    wanted = [each for each in every if typed.runs(each) and each.words[1:] not in before]
    if not wanted:
        return
    furnish(folder, played)
    stand_for = placeholders(folder / "serbero.db")
    os.chdir(folder)
    for command in wanted:
        before.add(command.words[1:])
        kept = (folder / "config.toml").read_bytes()
        if "init" in command.words:
            (folder / "config.toml").unlink()  # it writes into an empty folder
        result = typed.run(command, stand_for)
        if not typed.is_fine(command, result):
            shown = f"{result.exit_code}: {result.output[-500:]} {result.exception or ''}"
            yield f"{command.place}: {' '.join(command.words)}: {shown}"
        if not (folder / "config.toml").is_file():
            yield f"{command.place}: no configuration was written"
        (folder / "config.toml").write_bytes(kept)


def typed_in(block: Block) -> Iterator[typed.Typed]:
    return typed.commands(block) if block.info in {"console", "sh"} else iter(())


def furnish(folder: Path, played: Path) -> None:
    """Make a folder as an operator has it: configuration and database beside each other."""
    folder.mkdir()
    shutil.copy(played / "serbero.db", folder / "serbero.db")
    text = (played / "config.toml").read_text("utf-8")
    text = re.sub(r'db_path = ".*"', 'db_path = "serbero.db"', text)
    (folder / "config.toml").write_text(text, "utf-8")
    (folder / "config.toml").chmod(0o600)


def above(block: Block) -> str:
    """The text between the last heading and a block."""
    lines = (reading.ROOT / block.page).read_text("utf-8").split("\n")[: block.line - 1]
    return "\n".join(lines).rpartition("\n## ")[2]


def asked(database: Path) -> Iterator[str]:
    """Ask every query of the documents; say what failed, or found what it should not."""
    connection = sqlite.driver.connect(f"file:{database}?mode=ro", uri=True)
    try:
        for block in of_kind("sql"):
            try:
                found = connection.execute(block.text).fetchall()
            except sqlite.driver.Error as error:
                yield f"{block.place}: {error}"
                continue
            should_be_empty = EMPTY in above(block) or "given up" in above(block)
            if bool(found) is should_be_empty:
                yield f"{block.place}: {len(found)} rows: {found[:3]}"
    finally:
        connection.close()


def test_every_command_and_every_query_works_on_a_database_that_was_lived_in(
    played: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERBERO_CONFIG", "config.toml")
    monkeypatch.setenv("DEMO_MODEL_KEY", "any")
    for name in ("SERBERO_DB_PATH", "SERBERO_PRIVATE_KEY", "SERBERO_PRIVATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    problems = [*asked(with_more(played, tmp_path / "more.db"))]
    problems += unexplained(played / "serbero.db")
    done: set[tuple[str, ...]] = set()
    for number, page in enumerate(reading.pages()):
        problems += ran(page, played, tmp_path / str(number), done)
    assert problems == []
    assert len(done) > 20


# --- what is written is what is explained ------------------------------------------------------


def unexplained(database: Path) -> Iterator[str]:
    """Kinds and keys of payloads in a database that the page of events does not have."""
    text = (reading.DOCS / "events.md").read_text("utf-8")
    connection = sqlite.driver.connect(f"file:{database}?mode=ro", uri=True)
    for table, heading in (
        ("mediation_events", "Audit trail of mediation"),
        ("journal", "Journal"),
    ):
        told = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        explained = {
            kind: set(re.findall(r"`(\w+)`", keys))
            for kind, keys in re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", told, re.MULTILINE)
        }
        query = f"SELECT DISTINCT kind, payload_json FROM {table}"  # noqa: S608 - one of ours
        for kind, payload in connection.execute(query):
            more = set(json.loads(payload)) - explained.get(kind, set())
            if kind not in explained or more:
                yield f"{table}: {kind}: {sorted(more)}"
    connection.close()


def test_a_kind_and_a_key_that_are_not_explained_are_noticed(tmp_path: Path) -> None:
    with sqlite.driver.connect(tmp_path / "small.db") as database:
        for table in ("mediation_events", "journal"):
            database.execute(f"CREATE TABLE {table} (kind TEXT, payload_json TEXT)")
        database.execute("INSERT INTO journal VALUES ('snoozed', '{\"until\":1}'), ('new', '{}')")
        database.execute("INSERT INTO mediation_events VALUES ('session_opened', '{\"key\":1}')")
    assert list(unexplained(tmp_path / "small.db")) == [
        "mediation_events: session_opened: ['key']",
        "journal: new: []",
    ]


@pytest.mark.soak
def test_what_every_scenario_writes_is_explained(tmp_path: Path) -> None:
    command = ("-m", "serbero", "demo", "--scenario", "all", "--keep", str(tmp_path / "all"))
    subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    found = sorted((tmp_path / "all").rglob("serbero.db"))
    assert len(found) > 1
    assert [each for path in found for each in unexplained(path)] == []
