"""``serbero outbox`` as an operator uses it: found, shown, tried again, dropped."""

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest
from inline_snapshot import snapshot
from tests.keys import SECRET
from tests.mediation.replay_rig import BUYER_TRADE_KEY, Case
from tests.store import reference_databases as reference
from tests.store.rig import OTHER, RELAY, T0, Database, audience, dispute_id, key, revision
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.cli.outbox import listing
from serbero.cli.page import Page
from serbero.clock import SystemClock
from serbero.model.notification import Purpose
from serbero.store import outbox_lookup
from serbero.store.outbox_lookup import Wanted

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("elsewhere"),
]

REAL = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
DAY = 86_400
SOLVERS = audience(2)
D1 = dispute_id(1)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["outbox", *arguments, "--db", "serbero.db"])


def document(*arguments: str, code: int = 0) -> Any:
    done = run(*arguments, "--json")
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def ids(*arguments: str) -> list[int]:
    return [each["id"] for each in document("list", *arguments)]


def various(database: Database, now: int = T0) -> None:
    """Numbers 1 and 2 are dead, 3 was sent, 4 waits after one attempt; 1 and 3 to one solver."""
    database.record(revision(1, at=now), audience=SOLVERS, now=now)
    claimed = database.claim(now, relays=(RELAY, f"{OTHER}/?token=hidden"))
    database.answer(claimed, delivered=False, now=now, reason="blocked: \x1b[31mgo away")
    database.claim(now + DAY)
    later = now + DAY + 100
    database.record(revision(2, at=later), audience=SOLVERS, now=later)
    claimed = database.claim(later, limit=1)
    database.answer(claimed, delivered=True, now=later)
    claimed = database.claim(later)
    database.answer(claimed, delivered=False, now=later, again=300)


# --- list and show --------------------------------------------------------------------------------


def test_the_list_is_of_what_needs_attention(database: Database) -> None:
    various(database)
    assert ids() == [4, 2, 1]
    assert ids("--state", "sent") == [3]
    assert ids("--state", "sent", "--state", "dead") == [3, 2, 1]
    assert ids("--state", "withdrawn") == []
    assert ids("--limit", "2") == [4, 2]
    assert ids("--dispute", D1[:6]) == [2, 1]
    assert ids("--recipient", key(1)[:6].upper()) == [1]
    assert ids("--recipient", key(1), "--state", "sent") == [3]
    assert ids("--purpose", "initial") == [4, 2, 1]
    assert ids("--purpose", "digest") == []
    assert ids("--since", str(T0 + DAY)) == [4]
    assert ids("--until", str(T0 + DAY)) == [2, 1]
    [newest, *_] = document("list")
    assert newest == snapshot(
        {
            "id": 4,
            "purpose": "initial",
            "state": "pending",
            "dispute_id": "157ef922-3a72-5824-8cc0-26a4ddf6c526",
            "session_id": None,
            "recipient": "0202020202020202020202020202020202020202020202020202020202020202",
            "party": None,
            "channel": "nip17",
            "decided_at": 1767312100,
            "deadline_at": 1767398500,
            "settled_at": None,
            "delivery_ms": None,
            "next_attempt_at": 1767312400,
            "kept": True,
            "sent_on_other_channel": False,
            "relays": [
                {
                    "relay": "wss://one.example",
                    "source": "configured",
                    "state": "open",
                    "attempts": 1,
                    "next_attempt_at": 1767312400,
                    "reason": "timeout",
                    "updated_at": 1767312100,
                    "round_trip_ms": None,
                }
            ],
        }
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--state", "odd"),
        ("list", "--purpose", "odd"),
        ("list", "--recipient", "zz"),
        ("list", "--dispute", "ab"),
        ("list", "--since", "someday"),
        ("show", "0"),
        ("retry",),
        ("retry", "1", "--all-dead"),
        ("retry", "1", "--since", "1d"),
        ("drop",),
        ("drop", "1"),
        ("drop", "x", "--yes"),
    ],
)
def test_wrong_usage(database: Database, arguments: tuple[str, ...]) -> None:
    various(database)
    before = database.dump()
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stderr
    assert database.dump() == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(database: Database, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    found = database.run(outbox_lookup.newest, Wanted(), 50)
    listing.show_list(found, T0 + DAY + 160, Page(stream))
    return re.sub(r"\x1b\[[12]?m|\x1b\[0m", "", stream.getvalue())


def test_the_list_on_a_terminal(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    various(database)
    text = printed(database, 80, monkeypatch)
    assert text == snapshot("""\
ID  AGE    STATE    WHAT         TO              BY     NEXT
4   1 min  pending  new dispute  npub1qgpqyqsz…  nip17  in 4 min
    dispute 157ef922
    wss://one.example: 1 attempt, timeout
3   1 min  sent     new dispute  npub1qyqszqgp…  nip17  -
    dispute 157ef922
2   1 d    dead     new dispute  npub1qgpqyqsz…  nip17  -
    dispute 4fa0359d
    wss://one.example: 1 attempt, blocked: [31mgo away
    wss://two.example/?…: 1 attempt, blocked: [31mgo away
1   1 d    dead     new dispute  npub1qyqszqgp…  nip17  -
    dispute 4fa0359d
    wss://one.example: 1 attempt, blocked: [31mgo away
    wss://two.example/?…: 1 attempt, blocked: [31mgo away
""")
    assert "\x1b[31m" not in text
    assert "hidden" not in text


def test_the_list_on_a_narrow_terminal(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    various(database)
    text = printed(database, 40, monkeypatch)
    assert text == snapshot("""\
ID  STATE    WHAT
4   pending  new dispute
    1 min ago to npub1qgpqyqsz… by
    nip17, due in 4 min
    dispute 157ef922
    wss://one.example: 1 attempt,
    timeout
3   sent     new dispute
    1 min ago to npub1qyqszqgp… by nip17
    dispute 157ef922
2   dead     new dispute
    1 d ago to npub1qgpqyqsz… by nip17
    dispute 4fa0359d
    wss://one.example: 1 attempt,
    blocked: [31mgo away
    wss://two.example/?…: 1 attempt,
    blocked: [31mgo away
1   dead     new dispute
    1 d ago to npub1qyqszqgp… by nip17
    dispute 4fa0359d
    wss://one.example: 1 attempt,
    blocked: [31mgo away
    wss://two.example/?…: 1 attempt,
    blocked: [31mgo away
""")
    assert max(map(len, text.splitlines())) <= 40


def test_one_message_with_its_relays(database: Database) -> None:
    various(database)
    done = run("show", "1")
    assert done.exit_code == 0
    lines = " ".join(done.stdout.split())
    assert "dead: given up: no relay took it before its deadline" in lines
    assert f"dispute {D1}" in lines
    assert "open after 1 attempt; asked as configured" in lines
    assert "said: blocked: [31mgo away" in lines
    assert "hidden" not in done.output
    shown = document("show", "3")
    assert shown["state"] == "sent"
    assert [each["state"] for each in shown["relays"]] == ["accepted"]
    assert run("show", "99").exit_code == 1


def test_of_a_party_only_the_side_is_shown(database: Database) -> None:
    case = Case(database)
    case.begin()
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient,"
            " recipient_typed, channel, rumor_id, rumor_json, urgency, created_at, enqueued_ms,"
            " deadline_at, state, next_attempt_at) VALUES ('k', 'party_message', ?, 'a', ?, ?,"
            " 'chat', 'r', '{\"content\": \"When did you pay?\"}', 0, ?, ?, ?, 'pending', ?)",
            (case.dispute, BUYER_TRADE_KEY, BUYER_TRADE_KEY, T0, T0 * 1000, T0 + DAY, T0),
        )
    for arguments in (("list",), ("list", "--json"), ("show", "3"), ("show", "3", "--json")):
        said = run(*arguments).output
        assert BUYER_TRADE_KEY not in said
        assert "When did you pay" not in said
    number = database.one("SELECT id FROM outbox WHERE purpose = 'party_message'")
    assert document("show", str(number))["recipient"] == BUYER_TRADE_KEY[:8]


def test_odd_rows_are_shown_and_left_alone(database: Database) -> None:
    various(database)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE outbox SET purpose = '\x1b[2Jodd', channel = 'pigeon', enqueued_ms = 'soon',"
            " settled_at = 'late', recipient = '' WHERE id = 1"
        )
        tx.exec_driver_sql("UPDATE outbox_targets SET reason = x'ff', attempts = 'many'")
    done = run("list")
    assert done.exit_code == 0
    assert "\x1b[2J" not in done.output
    assert document("show", "1")["decided_at"] == 0
    assert document("retry", "1", code=1)["messages"][0]["outcome"] == "refused"
    assert document("drop", "1", "--yes", code=1)["messages"][0]["outcome"] == "refused"


def test_nothing_that_waits_is_said_as_the_good_news_it_is(database: Database) -> None:
    assert "nothing waits, and nothing was given up" in run("list").stderr
    for narrowed in (("--state", "dead"), ("--since", "1h"), ("--purpose", "initial")):
        assert "no such messages" in run("list", *narrowed).stderr
    various(database)
    assert not run("list").stderr


@pytest.mark.parametrize("version", [1, 5])
def test_a_database_of_the_reference_has_no_outbox(tmp_path: Path, version: int) -> None:
    reference.create(tmp_path / "serbero.db", version)
    assert document("list") == []
    done = run("list")
    assert done.exit_code == 0
    assert "without an outbox" in done.stderr
    assert run("show", "1").exit_code == 1
    done = run("retry", "1")
    assert done.exit_code == 1
    assert "serbero run" in done.stderr


# --- retry and drop -------------------------------------------------------------------------------


def test_all_dead_are_tried_again_and_each_is_answered(database: Database) -> None:
    various(database)
    done = run("retry", "--all-dead", "--since", str(T0 + DAY + 1))
    assert done.exit_code == 0
    assert "no message was given up" in done.stderr
    done = run("retry", "--all-dead")
    assert done.exit_code == 0
    assert [line.split()[:4] for line in done.stdout.splitlines()] == [
        [str(number), "lives", "again,", "due"] for number in (1, 2)
    ]
    assert "No configuration" in done.stderr
    assert "withdraws it if not" in done.stderr
    assert ids("--state", "pending") == [4, 2, 1]
    now = SystemClock().now()
    deadline = database.one("SELECT deadline_at FROM outbox WHERE id = 1")
    assert 0 <= now + DAY - deadline <= 60


def test_more_dead_ones_than_one_transaction_takes(database: Database) -> None:
    many = [revision(number, at=T0) for number in range(120)]
    database.record(*many, audience=SOLVERS)
    while database.claim(T0 + DAY).more:
        pass
    assert len(ids("--limit", "500")) == 240
    said = document("retry", "--all-dead")
    assert said["ok"]
    assert len(said["messages"]) == 240
    assert database.one("SELECT count(*) FROM outbox WHERE state = 'pending'") == 240


def test_some_are_done_and_some_are_not(database: Database) -> None:
    various(database)
    done = run("retry", "1", "3", "99", "1")
    assert done.exit_code == 1
    assert [" ".join(line.split()[:2]) for line in done.stdout.splitlines()] == [
        "1 lives",
        "3 left",
        "99 not",
    ]
    said = document("retry", "3", code=1)
    assert said == {
        "ok": False,
        "messages": [
            {
                "id": 3,
                "outcome": "refused",
                "reason": "a relay has it already",
                "purpose": "initial",
                "dispute_id": dispute_id(2),
                "was": "sent",
            }
        ],
    }


def configure(tmp_path: Path, database: str, *solvers: str) -> None:
    (tmp_path / "config.toml").write_text(
        f'[serbero]\nprivate_key = "{SECRET}"\ndb_path = "{database}"\n'
        f'[mostro]\npubkey = "{REAL}"\n'
        '[[relays]]\nurl = "wss://relay.example"\n[delivery]\ndeadline_seconds = 7200\n'
        + "".join(f'[[solvers]]\npubkey = "{each}"\n' for each in solvers)
    )


def test_the_daemons_configuration_is_asked_and_no_other(
    tmp_path: Path, database: Database
) -> None:
    """It says who is a solver, which key is ours and how long messages live."""
    various(database)
    configure(tmp_path, "another.db")
    assert document("retry", "1")["messages"][0]["outcome"] == "revived"
    configure(tmp_path, "serbero.db")
    [said] = document("retry", "2", code=1)["messages"]
    assert said["outcome"] == "refused"
    assert "another key" in said["reason"]


def test_dropping_takes_it_off_the_list(database: Database) -> None:
    various(database)
    done = run("drop", "2", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2  dropped (new dispute, dispute ")
    assert ids() == [4, 1]
    by = database.one("SELECT json_extract(payload_json, '$.by') FROM journal")
    assert by


def test_on_a_terminal_it_asks_first(database: Database) -> None:
    various(database)
    database.close()
    command = ["-m", "serbero", "outbox", "drop", "2", "--db", "serbero.db"]
    for answer, code in (("n", 1), ("y", 0)):
        child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=60)
        child.expect("new dispute of dispute")
        child.expect("Drop 1 message for good")
        child.sendline(answer)
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == code
        assert (ids() == [4, 1]) is (answer == "y")


def test_every_purpose_has_words() -> None:
    from serbero.cli.outbox.words import PURPOSES  # noqa: PLC0415

    assert set(PURPOSES) == set(Purpose)
