"""``serbero disputes`` as an operator uses it: any database, any terminal, beside the daemon."""

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from inline_snapshot import snapshot
from tests.mediation.replay_rig import BUYER_TRADE_KEY, SELLER_TRADE_KEY, Case, conversation
from tests.store import reference_databases as reference
from tests.store.rig import NODE, T0, Database, audience, dispute_id, key, revision
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.cli.disputes import listing, show
from serbero.cli.page import Page
from serbero.model.lifecycle import Lifecycle
from serbero.nostr.keys import npub
from serbero.store import dispute_lookup, dispute_story, ladders
from serbero.store.dispute_lookup import Wanted
from serbero.store.dispute_story import Story

HOUR = 3600
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f]")


class Terminal(io.StringIO):
    """A terminal of so many columns, as far as Rich asks for it in the environment."""

    def isatty(self) -> bool:
        return True


pytestmark = pytest.mark.usefixtures("elsewhere")


def run(*arguments: str, db: Path | str = "serbero.db") -> Result:
    return CliRunner().invoke(app, ["disputes", *arguments, "--db", str(db)])


def listed(*arguments: str, db: Path | str = "serbero.db") -> list[dict[str, Any]]:
    done = run("list", "--json", *arguments, db=db)
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def ids(*arguments: str) -> list[str]:
    return [each["dispute_id"] for each in listed(*arguments)]


def several(database: Database) -> None:
    """One told, one taken, one closed, one of nobody's; each an hour after the one before."""
    for number in range(1, 5):
        at = T0 + number * HOUR
        who = "seller" if number % 2 else "buyer"
        database.record(revision(number, at=at, initiator=who), audience=audience(2), now=at)
        if number < 4:
            database.answer(database.claim(at), delivered=True, now=at)
    taken, closed = T0 + 10 * HOUR, T0 + 11 * HOUR
    database.record(
        revision(2, "in-progress", taken, solver=key(1)), audience=audience(2), now=taken
    )
    database.record(revision(3, "settled", closed), audience=audience(2), now=closed)


def test_the_list_and_its_filters(database: Database) -> None:
    several(database)
    one, two, three, four = map(dispute_id, range(1, 5))
    assert ids() == [four, three, two, one]
    assert ids("--limit", "2") == [four, three]
    assert ids("--open") == [four, two, one]
    assert ids("--state", "new", "--state", "RESOLVED") == [four, three]
    assert ids("--initiator", "seller") == [three, one]
    assert ids("--since", str(T0 + 2 * HOUR), "--until", str(T0 + 4 * HOUR)) == [three, two]
    assert ids("--state", "escalated") == []
    [first] = listed("--state", "taken")
    assert first["solvers_told"] == 2
    assert first["opened_at"] == T0 + 2 * HOUR
    assert first["held_by_serbero"] is False


def test_whose_it_is(database: Database) -> None:
    """By the node's word, or by a solver's own: however the key is spelt."""
    several(database)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE disputes SET assigned_solver = ? WHERE dispute_id = ?",
            (npub(key(1)).upper(), dispute_id(2)),
        )
        tx.exec_driver_sql(
            "INSERT INTO acknowledgements (dispute_id, solver, at, expires_at) VALUES (?, ?, 1, ?)",
            (dispute_id(4), key(1), 2**40),
        )
    for spelt in (key(1), key(1).upper(), npub(key(1))):
        assert ids("--assigned", spelt) == [dispute_id(4), dispute_id(2)]
    assert ids("--assigned", key(2)) == []
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE acknowledgements SET ended_at = 2")
    assert ids("--assigned", key(1)) == [dispute_id(2)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--state", "gone"), "there are: new, notified"),
        (("list", "--initiator", "node"), "there are: buyer, seller"),
        (("list", "--assigned", "nobody"), "expected a public key"),
        (("list", "--since", "soon"), "expected a span"),
        (("show", "abc"), "at least 4 characters"),
    ],
)
def test_wrong_usage(database: Database, arguments: tuple[str, ...], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in " ".join(re.sub("[│╭╮╰╯─]", " ", done.stderr).split())


def test_nothing_there(database: Database) -> None:
    done = run("list")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no disputes\n")
    assert listed() == []
    assert run("show", "12345678").exit_code == 1
    gone = run("show", "12345678", "--json")
    assert json.loads(gone.stdout)["ok"] is False
    missing = run("list", db="nowhere.db")
    assert missing.exit_code == 1
    assert "there is no such database" in missing.stderr


def shown(
    database: Database, now: int, columns: int | None, monkeypatch: pytest.MonkeyPatch
) -> str:
    stream = io.StringIO() if columns is None else Terminal()
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    rows = database.run(dispute_lookup.newest, Wanted(), now)
    listing.show(rows, now, Page(stream))
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


def test_the_list_on_paper(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    several(database)
    text = shown(database, T0 + 12 * HOUR, None, monkeypatch)
    assert text == snapshot("""\
DISPUTE   STATE     OPENED (UTC)      AGE       BY      WHO HAS IT      TOLD
bf6cc5f3  new       2026-01-01 04:00  8 h ago   buyer   nobody          0
3b38545b  resolved  2026-01-01 03:00  9 h ago   seller  closed          2
157ef922  taken     2026-01-01 02:00  10 h ago  buyer   npub1qyqszqgp…  2
4fa0359d  notified  2026-01-01 01:00  11 h ago  seller  nobody          2
""")
    assert shown(database, T0 + 12 * HOUR, 80, monkeypatch) == text
    narrow = shown(database, T0 + 12 * HOUR, 40, monkeypatch)
    assert narrow == snapshot("""\
bf6cc5f3  new       8 h ago
          2026-01-01 04:00 UTC, by the
          buyer
          nobody; 0 told
3b38545b  resolved  9 h ago
          2026-01-01 03:00 UTC, by the
          seller
          closed; 2 told
157ef922  taken     10 h ago
          2026-01-01 02:00 UTC, by the
          buyer
          npub1qyqszqgp…; 2 told
4fa0359d  notified  11 h ago
          2026-01-01 01:00 UTC, by the
          seller
          nobody; 2 told
""")
    assert max(map(len, narrow.splitlines())) <= 40


def story(database: Database, dispute: str, now: int) -> Story:
    found = database.run(dispute_story.read, dispute, now)
    assert found is not None
    return found


def told(story: Story, now: int, *, every: bool = False) -> str:
    stream = io.StringIO()
    show.show(story, now, Page(stream), every=every)
    return stream.getvalue()


def escalated(database: Database, number: int = 1) -> Case:
    """A mediation that ended with a human, and the lifecycle that goes with it."""
    case = conversation(database, number)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE disputes SET lifecycle_state = 'escalated' WHERE dispute_id = ?",
            (case.dispute,),
        )
    return case


def test_the_story_of_a_mediation(database: Database) -> None:
    case = escalated(database)
    text = told(story(database, case.dispute, case.now + HOUR), case.now + HOUR)
    assert text == snapshot("""\
Dispute 4fa0359d-ad63-5222-9186-a6b7a95f1bbe
  state       escalated: Serbero asks for a human
  next        Nothing by itself: no reminder is planned.
  awaited     a human, to take it
  opened      by the buyer, 2026-01-01 00:00:00 UTC, 1 h ago
  held by     Serbero
  told        0 solvers; 1 message still on the way
  session     55e1f662, escalation_recommended

What happened (UTC)
  2026-01-01
  00:00:00  opened by the buyer, revision e6a66ab1
            detected by Serbero, 0 s later
            an attempt began: detected (as the dispute appeared)
            new dispute: 0 of 1 solver told; 1 on the way
  00:00:02  verdict before the take: coordination_failure_resolvable 0.80, ask_clarification
            took the dispute
            mediation session 55e1f662 began
            verdict: coordination_failure_resolvable 0.80
  00:00:14  the buyer wrote
  00:00:19  verdict: coordination_failure_resolvable 0.80
  00:00:29  the seller wrote
  00:00:34  verdict: coordination_failure_resolvable 0.80
  00:00:45  the seller wrote
  00:00:55  the buyer wrote
  00:01:00  verdict: conflicting_claims 0.90
            handed over to a human: conflicting_claims (the two accounts cannot both be true)
            hand-off prepared

What was said: serbero sessions transcript 55e1f662
""")
    document = json.dumps(show.document(story(database, case.dispute, case.now), case.now))
    for secret in (BUYER_TRADE_KEY, SELLER_TRADE_KEY, "I sent it on Monday", "Nothing has arrived"):
        assert secret not in document
        assert secret not in text
        assert secret not in told(story(database, case.dispute, 0), case.now, every=True)


def test_a_story_by_its_command(database: Database) -> None:
    case = escalated(database)
    done = run("show", case.dispute[:6])
    assert done.exit_code == 0, done.output
    assert "handed over to a human" in done.stdout
    document = json.loads(run("show", case.dispute[:6], "--json").stdout)
    assert document["dispute_id"] == case.dispute
    assert document["state"] == "escalated"
    assert document["awaited"] == "a human, to take it"
    assert {each["kind"] for each in document["timeline"]} >= {"opened", "detected", "delivery"}
    assert [each["session_id"] for each in document["sessions"]] == [case.session]
    times = [each["at"] for each in document["timeline"]]
    assert times == sorted(times)


def refusing(database: Database) -> str:
    """Told by one relay, refused by the other; to a third solver by nobody."""
    one, two = "wss://one.example", "wss://two.example/?token=secret"
    opened = revision(1, at=T0)
    database.record(opened, audience=audience(3), now=T0)
    for each in ("accepted", "refused"):
        with database.engine.begin() as tx:
            tx.exec_driver_sql(
                "INSERT INTO outbox_targets (outbox_id, relay, source, state, attempts, reason,"
                " updated_at, round_trip_ms) SELECT id, ?, 'configured', ?, 1, ?, ?, ? FROM outbox"
                " WHERE id < 3",
                (
                    one if each == "accepted" else two,
                    each,
                    None if each == "accepted" else "blocked: not\x1b[31m here",
                    T0,
                    12 if each == "accepted" else None,
                ),
            )
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE outbox SET state = 'sent', settled_at = ?, delivery_ms = 40 * id WHERE id < 3",
            (T0,),
        )
        tx.exec_driver_sql(
            "UPDATE outbox SET state = 'dead', settled_at = ? WHERE id = 3", (T0 + 86_400,)
        )
    return opened.dispute_id


def test_deliveries_by_relay(database: Database) -> None:
    found = story(database, refusing(database), T0)
    text = told(found, T0 + 60)
    assert (
        "new dispute: 2 of 3 solvers told after 40 ms to 80 ms; 1 reached nobody in time; by"
        " one.example; two.example refused it: blocked: not[31m here"
    ) in text
    whole = told(found, T0 + 60, every=True)
    assert whole.count("one.example (configured): accepted in 12 ms") == 2
    assert "token" not in text + whole + json.dumps(show.document(found, T0))
    assert CONTROLS.search(text + whole) is None


def test_two_thousand_rows_stay_readable(database: Database) -> None:
    """Days of reminders are one line; what happens between two of them stands by itself."""
    database.record(revision(1), audience=audience(3))
    database.answer(database.claim(), delivered=True)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700)"
            " INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient,"
            " recipient_typed, channel, notif_type, rumor_id, urgency, created_at, enqueued_ms,"
            " deadline_at, state, settled_at, delivery_ms) SELECT dedupe_key || i,"
            " 're-notification', dispute_id, i, recipient, recipient_typed, channel,"
            " 're-notification', rumor_id || i, 0, created_at + i * 300,"
            " enqueued_ms + i * 300000, deadline_at, 'sent', created_at + i * 300, 20"
            " FROM outbox, n"
        )
        tx.exec_driver_sql(
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, notif_type)"
            " SELECT dispute_id, recipient_typed, settled_at, 'sent', notif_type FROM outbox"
            " WHERE purpose = 're-notification' ORDER BY id"
        )
    now = T0 + 300_000
    found = story(database, dispute_id(1), now)
    assert len(found.deliveries) == 2103
    text = told(found, now)
    assert len(text.splitlines()) < 30
    assert "reminder that nobody took it: 3 of 3 solvers told after 20 ms" in text
    assert "699 more times, the last at 2026-01-03 10:20:00" in text
    assert len(told(found, now, every=True).splitlines()) > 2100


def test_what_nothing_folds_is_cut_in_the_middle(database: Database) -> None:
    database.record(revision(1), audience=audience(1))
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            " INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state,"
            " transitioned_at, trigger) SELECT ?, 'new', 'resolved', ? + i, 'x' || i FROM n",
            (dispute_id(1), T0),
        )
    text = told(story(database, dispute_id(1), T0), T0 + HOUR)
    assert "more lines; --all shows them" in text
    assert "x500" in text
    assert len(text.splitlines()) < 190


@pytest.mark.parametrize("version", range(1, 6))
def test_a_database_of_the_reference(tmp_path: Path, version: int) -> None:
    path = tmp_path / "theirs.db"
    reference.create(path, version)
    states = {each["dispute_id"]: each["state"] for each in listed(db=path)}
    assert len(states) == 5
    assert states[reference.TAKEN] == ("taken" if version > 1 else "new")
    for each in states:
        done = run("show", each, db=path)
        assert done.exit_code == 0, done.output
        assert "opened by the buyer" in done.stdout
    never = run("show", reference.NEVER, db=path).stdout
    assert "npub1typo not reached (failed): invalid pubkey: bad" in never
    text = run("show", reference.RESOLVED, db=path).stdout
    assert "new dispute: 2 solvers told" in text
    assert ("closed at the node" in text) == (version > 1)


def test_rows_written_by_hand(database: Database) -> None:
    """Odd values in every column: shown as well as can be, never a fault, never a control."""
    odd = "x\x1b]0;title\x07\u202e\ud7ff" + "y" * 5000
    database.record(revision(1), audience=audience(1))
    with database.engine.begin() as tx:
        tx.exec_driver_sql("PRAGMA ignore_check_constraints = 1")
        values = (dispute_id(1), odd, odd, odd)
        tx.exec_driver_sql(
            "INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state,"
            " transitioned_at, trigger) VALUES (?, ?, ?, 'never', ?)",
            values,
        )
        tx.exec_driver_sql(
            "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, error_message,"
            " notif_type) VALUES (?, ?, 1e300, ?, ?, x'ff00')",
            values,
        )
        tx.exec_driver_sql(
            "INSERT INTO takes (dispute_id, started_at, deadline_at, state, reason, attempts)"
            " VALUES (?, -5, 0, ?, ?, 'many')",
            values[:3],
        )
        tx.exec_driver_sql(
            "INSERT INTO journal (at, dispute_id, kind, payload_json) VALUES (99999999999999, ?,"
            " ?, '[1')",
            values[:2],
        )
        tx.exec_driver_sql(
            "INSERT INTO ladders (dispute_id, handoff_event_id, started_at, policy_json, ended_at,"
            " ended_by) VALUES (?, 1, 'x', '', 5, ?)",
            values[:2],
        )
        tx.exec_driver_sql("INSERT INTO ladder_steps VALUES (1, 1, 7, ?, '{')", (odd,))
        tx.exec_driver_sql(
            "INSERT INTO outbox_targets (outbox_id, relay, source, state, reason, updated_at)"
            " VALUES (1, ?, ?, ?, ?, 0)",
            (odd, odd, odd, odd),
        )
        tx.exec_driver_sql(
            "UPDATE disputes SET lifecycle_state = ?, initiator_role = ?, detected_at = 'soon',"
            " event_timestamp = -9223372036854775808, assigned_solver = ?",
            values[1:],
        )
    for arguments in (("list",), ("show", dispute_id(1)), ("show", dispute_id(1), "--all")):
        done = run(*arguments)
        assert done.exit_code == 0, done.output
        assert CONTROLS.search(done.output) is None
        document = run(*arguments, "--json")
        assert document.exit_code == 0
        assert json.loads(document.stdout)
        assert CONTROLS.search(document.stdout) is None


def test_who_is_awaited(database: Database) -> None:
    """By state: any solver, who took it, the parties, a human, whoever said to have it, nobody."""
    several(database)
    now = T0 + 12 * HOUR
    expected = {
        4: ("any solver, to take it", "2 messages still on the way"),
        2: (f"{npub(key(1))[:13]}…", "Nothing, until its outcome"),
        3: ("nobody", "Nothing, unless it is opened anew"),
    }
    for number, (awaited, following) in expected.items():
        document = show.document(story(database, dispute_id(number), now), now)
        assert document["awaited"] == awaited
        assert str(document["next"]).startswith(following)
    case = escalated(database, 9)
    at = case.now + 60
    assert show.document(story(database, case.dispute, at), at)["awaited"] == "a human, to take it"
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO ladders (dispute_id, handoff_event_id, started_at, policy_json, next_at)"
            " VALUES (?, 1, ?, '[]', ?)",
            (case.dispute, at, at + 600),
        )
    assert "in 10 min" in str(show.document(story(database, case.dispute, at), at)["next"])
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO acknowledgements (dispute_id, solver, at, expires_at) VALUES (?, ?, ?, ?)",
            (case.dispute, key(1), at, at + 900),
        )
        ladders.snooze(tx, case.dispute, key(1), at + 900)
    found = story(database, case.dispute, at)
    assert str(show.document(found, at)["awaited"]).endswith("who said to have it")
    assert "snoozed" in told(found, at)
    assert Lifecycle(found.dispute.state) is Lifecycle.ESCALATED
    assert found.node == NODE


def test_whose_turn_it_is_after_a_summary(database: Database) -> None:
    """Serbero still holds it at the node, and waits for nothing but a human."""
    several(database)
    dispute = dispute_id(2)
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO parties (dispute_id, order_id, initiator, facts_json, own_key,"
            " answered_at, taken_at) VALUES (?, 'o', 'buyer', '{}', ?, 1, 1)",
            (dispute, key(9)),
        )
        tx.exec_driver_sql(
            "INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state,"
            " transitioned_at, trigger) VALUES (?, 'waiting', 'taken', 1, ?)",
            (dispute, "mediation:summary_delivered"),
        )
    document = show.document(story(database, dispute, T0), T0)
    assert document["awaited"] == "a human, to decide by the summary"
    assert document["held_by_serbero"] is True


def test_a_dispute_first_seen_taken_was_opened_before(database: Database) -> None:
    seen = revision(1, status="in-progress", at=T0 + 500)
    database.record(seen, audience=audience(2), now=T0 + 500)
    known = story(database, seen.dispute_id, T0 + HOUR)
    assert known.opening_event_id is None
    unsaid, said = replace(known, opened_at=None), replace(known, opened_at=T0)
    assert "opened      by the buyer, before 2026-01-01 00:08:20 UTC, 51 min" in told(
        unsaid, T0 + HOUR
    )
    assert "opened      by the buyer, 2026-01-01 00:00:00 UTC, 1 h ago" in told(said, T0 + HOUR)


def test_the_order_within_a_second(database: Database) -> None:
    """Rows of one second stand as one follows from the other, and moves as they were made."""
    database.record(revision(1), audience=audience(1))
    database.answer(database.claim(), delivered=True)
    database.record(revision(1, "in-progress", T0), audience=audience(1))
    database.record(revision(1, "settled", T0), audience=audience(1))
    text = told(story(database, dispute_id(1), T0), T0)
    found = [line.strip() for line in text.partition("2026-01-01\n")[2].splitlines()]
    starts = (
        "00:00:00  opened by the buyer",
        "detected by Serbero",
        "new dispute: 1 of 1 solver told",
        "new -> notified",
        "notified -> taken: somebody took it",
        "taken -> resolved: closed",
        "somebody took it: ",
    )
    assert len(found) == len(starts)
    assert all(line.startswith(start) for line, start in zip(found, starts, strict=True)), text
