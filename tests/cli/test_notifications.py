"""``serbero notifications``: the shared table, readable, whoever wrote it."""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database, audience, dispute_id, key, revision
from typer.testing import CliRunner, Result

from serbero.cli import notifications_listing
from serbero.cli.app import app
from serbero.cli.page import Page
from serbero.nostr.keys import npub
from serbero.store import notification_lookup
from serbero.store.notification_lookup import Wanted

ERROR = "notification error: gift-wrap send failed: wss://one.example: \x1b[31mtimeout"


pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    for number in (1, 2):
        at = T0 + number * 100
        opened.record(revision(number, at=at), audience=audience(2), now=at)
        opened.answer(opened.claim(at), delivered=True, now=at)
    with opened.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, error_message,"
            " notif_type) VALUES (?, ?, ?, 'failed', ?, 're-notification')",
            (dispute_id(1), npub(key(1)), T0 + 300, ERROR),
        )
    yield opened
    opened.close()


def run(*arguments: str, db: Path | str = "serbero.db") -> Result:
    return CliRunner().invoke(app, ["notifications", *arguments, "--db", str(db)])


def listed(*arguments: str, db: Path | str = "serbero.db") -> list[dict[str, Any]]:
    done = run("--json", *arguments, db=db)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), [5, 4, 3, 2, 1]),
        (("--limit", "2"), [5, 4]),
        (("--status", "failed"), [5]),
        (("--type", "initial"), [4, 3, 2, 1]),
        (("--solver", key(1)), [5, 3, 1]),
        (("--solver", npub(key(1)).upper()), [5, 3, 1]),
        (("--solver", key(2), "--status", "SENT"), [4, 2]),
        (("--since", str(T0 + 200)), [5, 4, 3]),
        (("--until", str(T0 + 200)), [2, 1]),
        (("--dispute", dispute_id(1)[:8]), [5, 2, 1]),
        (("--dispute", dispute_id(2), "--type", "assignment"), []),
    ],
)
@pytest.mark.usefixtures("database")
def test_filters(arguments: tuple[str, ...], expected: list[int]) -> None:
    assert [each["id"] for each in listed(*arguments)] == expected


@pytest.mark.usefixtures("database")
def test_the_document() -> None:
    newest = listed("--limit", "1")[0]
    assert newest == {
        "id": 5,
        "dispute_id": dispute_id(1),
        "solver": npub(key(1)),
        "sent_at": T0 + 300,
        "status": "failed",
        "type": "re-notification",
        "error": "notification error: gift-wrap send failed: wss://one.example: [31mtimeout",
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--status", "lost"), 2),
        (("--type", "postcard"), 2),
        (("--solver", "nobody"), 2),
        (("--since", "soon"), 2),
        (("--dispute", "abc"), 2),
        (("--dispute", "12345678"), 1),
    ],
)
@pytest.mark.usefixtures("database")
def test_what_means_nothing(arguments: tuple[str, ...], code: int) -> None:
    assert run(*arguments).exit_code == code


def test_on_paper(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = database.run(notification_lookup.newest, Wanted(limit=3))
    stream = io.StringIO()
    notifications_listing.show(rows, T0 + 3700, Page(stream))
    assert stream.getvalue() == snapshot("""\
TIME (UTC)           AGE         DISPUTE   SOLVER          STATUS  TYPE
2026-01-01 00:05:00  56 min ago  4fa0359d  npub1qyqszqgp…  failed  re-notification
    notification error: gift-wrap send failed: wss://one.example: [31mtimeout
2026-01-01 00:03:20  58 min ago  157ef922  npub1qgpqyqsz…  sent    initial
2026-01-01 00:03:20  58 min ago  157ef922  npub1qyqszqgp…  sent    initial
""")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    narrow = Terminal()
    notifications_listing.show(rows, T0 + 3700, Page(narrow))
    text = re.sub(r"\x1b\[[0-9;]*m", "", narrow.getvalue())
    assert text == snapshot("""\
4fa0359d  npub1qyqszqgp…  failed
    re-notification, 2026-01-01
    00:05:00, 56 min ago
    notification error: gift-wrap send
    failed: wss://one.example:
    [31mtimeout
157ef922  npub1qgpqyqsz…  sent
    initial, 2026-01-01 00:03:20, 58 min
    ago
157ef922  npub1qyqszqgp…  sent
    initial, 2026-01-01 00:03:20, 58 min
    ago
""")
    assert max(map(len, text.splitlines())) <= 40
    assert "\x1b" not in text


@pytest.mark.parametrize("version", [1, 5])
def test_a_database_of_the_reference(tmp_path: Path, version: int) -> None:
    path = tmp_path / "theirs.db"
    reference.create(path, version)
    assert len(listed(db=path)) == 9
    [failed] = listed("--status", "failed", db=path)
    assert failed["solver"] == "npub1typo"
    done = run("--limit", "100", db=path)
    assert "npub1typo" in done.stdout


def test_none(tmp_path: Path) -> None:
    reference.create(tmp_path / "empty.db", 3, rows=False)
    done = run(db=tmp_path / "empty.db")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no notifications\n")
