"""``serbero sessions`` as an operator uses it: beside the daemon, without a configuration."""

import asyncio
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
from tests.keys import MODEL_KEY, NSEC, SECRET
from tests.mediation.replay_rig import (
    BUNDLE,
    BUYER,
    BUYER_TRADE_KEY,
    CONFLICT,
    SELLER,
    SELLER_TRADE_KEY,
    Case,
    conversation,
    purge,
)
from tests.store import reference_databases as reference
from tests.store.mediation_rig import ADDRESS
from tests.store.rig import T0, Database, dispute_id, revision
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.cli.page import Page
from serbero.cli.sessions import listing, show, transcript
from serbero.model.mediation import Trigger
from serbero.reasoning.bundle import file_names
from serbero.simulator.model_endpoint import HangsUp, ModelServer, Says, verdict
from serbero.store import session_lookup, start_events, summaries
from serbero.store.engine import Store
from serbero.store.mediation_events import Label
from serbero.store.session_moves import EndCause, end_sessions, finish_summary

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.usefixtures("elsewhere"),
]

LONG_SECONDS = 110
SERBERO = (sys.executable, "-m", "serbero")
CONFIG = f"""
[serbero]
private_key = "{SECRET}"
db_path = "serbero.db"
[mostro]
pubkey = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
[[relays]]
url = "wss://relay.example"
"""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sessions", *arguments])


def read(*arguments: str) -> str:
    """What a command prints that must succeed, in a pipe."""
    done = run(*arguments, "--db", "serbero.db")
    assert done.exit_code == 0, done.output
    return done.stdout


def document(*arguments: str) -> Any:
    return json.loads(read(*arguments, "--json"))


def flat(text: str) -> str:
    return " ".join(text.split())


# --- list -----------------------------------------------------------------------------------------


def test_the_list_names_the_newest_first(database: Database) -> None:
    first, second = Case(database, 1), Case(database, 2, now=T0 + 1000)
    first.begin()
    first.hears(BUYER, "Paid.")
    first.verdict("escalate", CONFLICT)
    second.begin()
    assert document("list") == [
        {
            "session_id": second.session,
            "dispute_id": second.dispute,
            "state": "awaiting_response",
            "classification": "coordination_failure_resolvable",
            "confidence": 0.8,
            "rounds": 1,
            "started_at": T0 + 1002,
            "last_transition_at": T0 + 1002,
            "prompt_bundle_id": "phase3-default",
            "policy_hash": BUNDLE.policy_hash,
        },
        {
            "session_id": first.session,
            "dispute_id": first.dispute,
            "state": "escalation_recommended",
            "classification": "conflicting_claims",
            "confidence": 0.9,
            "rounds": 1,
            "started_at": T0 + 2,
            "last_transition_at": T0 + 17,
            "prompt_bundle_id": "phase3-default",
            "policy_hash": BUNDLE.policy_hash,
        },
    ]
    title, *lines = read("list").splitlines()
    assert title.split()[:4] == ["SESSION", "DISPUTE", "STATE", "VERDICT"]
    assert [line.split()[:4] for line in lines] == [
        [second.session[:8], second.dispute[:8], "awaiting_response", document("list")[0]
         ["classification"]],
        [first.session[:8], first.dispute[:8], "escalation_recommended", "conflicting_claims"],
    ]  # fmt: skip
    assert "2026-01-01 00:16" in lines[0]
    assert lines[0].endswith(" ago")


def test_the_list_is_narrowed(database: Database) -> None:
    cases = [Case(database, number, now=T0 + number) for number in (1, 2, 3)]
    for each in cases:
        each.begin()
    cases[1].hand_over(Trigger.MEDIATION_TIMEOUT)

    def ids(*arguments: str) -> list[str]:
        return [each["session_id"] for each in document("list", *arguments)]

    assert ids("--limit", "2") == [cases[2].session, cases[1].session]
    assert ids("--state", "escalation_recommended") == [cases[1].session]
    assert ids("--dispute", cases[0].dispute[:6].upper()) == [cases[0].session]
    assert ids("--state", "closed") == []


@pytest.mark.parametrize("arguments", [("--state", "odd"), ("--limit", "0"), ("--dispute", "ab")])
def test_wrong_usage_of_the_list(database: Database, arguments: tuple[str, ...]) -> None:
    done = run("list", *arguments, "--db", "serbero.db")
    assert done.exit_code == 2
    assert done.stderr


def test_an_empty_list_says_so_aside(database: Database) -> None:
    done = run("list", "--db", "serbero.db")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no sessions\n")
    assert document("list") == []


# --- which one ------------------------------------------------------------------------------------


def test_a_beginning_is_enough(database: Database) -> None:
    case = conversation(database)
    for name in (case.session, case.session[:4], case.dispute[:5].upper(), case.dispute):
        assert document("show", name)["session_id"] == case.session


def test_a_dispute_means_its_newest_session(database: Database) -> None:
    first = Case(database, 1)
    first.begin()
    later = first.now + 1000
    database.run(
        end_sessions, first.dispute, EndCause.REOPENED, later, event_id="e", status="initiated"
    )
    second = Case(database, 1, now=later)
    second.session = "0000" + first.session[4:]
    second.begin()
    assert document("show", first.dispute[:8])["session_id"] == second.session
    assert document("show", first.session[:8])["session_id"] == first.session


def test_a_beginning_of_several_names_them(database: Database) -> None:
    cases = [Case(database, number) for number in (1, 2)]
    for number, each in enumerate(cases):
        each.session = f"abcd{number}" + each.session[5:]
        each.begin()
    done = run("transcript", "ABCD", "--db", "serbero.db", "--json")
    assert done.exit_code == 2
    assert sorted(json.loads(done.stdout)["candidates"]) == [each.session for each in cases]
    for each in cases:
        assert f"{each.session}  session of dispute {each.dispute[:8]}" in done.stderr


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("ffff0000", 1, "`serbero sessions list` shows what there is"),
        ("ff", 2, "at least 4 characters"),
        ("\x1b[31m%\u202e", 1, "no session or dispute begins with [31m%;"),
    ],
)
def test_an_id_that_is_none(database: Database, name: str, code: int, says: str) -> None:
    conversation(database)
    for command in ("show", "transcript"):
        done = run(command, name, "--db", "serbero.db")
        assert (done.exit_code, done.stdout) == (code, "")
        assert says in done.stderr


def test_a_dispute_without_a_session_says_why(database: Database) -> None:
    case = Case(database)

    def said() -> str:
        done = run("transcript", case.dispute[:8], "--db", "serbero.db")
        assert done.exit_code == 1
        return done.stderr

    assert f"dispute {case.dispute} has no session: nobody was asked anything. No attempt" in said()
    case.failed_start()
    assert "at 2026-01-01 00:00:00: an attempt began: detected (as the dispute appeared)" in said()
    case.refused_start()
    assert said().endswith(
        " At 2026-01-01 00:00:02 it was handed over to a human: fraud_indicator: the model raised"
        " its warning of fraud.\n"
    )


# --- show -----------------------------------------------------------------------------------------


def test_show_tells_the_story(database: Database) -> None:
    case = conversation(database)
    told = flat(read("show", case.session))
    for words in (
        f"Session {case.session}",
        "state escalation_recommended (handed over to a human)",
        "why conflicting_claims: the model's label is conflicting claims.",
        "2 pairs of questions put, 4 answers counted",
        "phase3-default, the texts are kept here",
        f"hash {BUNDLE.policy_hash[:16]}",
        "buyer asked 2026-01-01 00:00:34; at a relay 2026-01-01 00:00:35; 2 answers, the last"
        " 2026-01-01 00:00:55",
        "seller asked 2026-01-01 00:00:34; no relay took it so far; 2 answers",
        "1 00:00:02 coordination_failure_resolvable 0.80: asked both parties"
        " [openai/gpt-then, 1200 tokens in, 90 out, 850 ms]",
        "2 00:00:19 coordination_failure_resolvable 0.80: waited for a party that had yet to",
        "4 00:01:00 conflicting_claims 0.90: handed over to a human: conflicting_claims"
        " (conflict_label)",
        "classify failed: timeout",
        "00:00:00 an attempt began: detected (as the dispute appeared)",
        "00:00:03 a relay took our question to the buyer",
        "00:00:14 the buyer wrote",
    ):
        assert words in told, words


def test_the_document_of_show(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.reaches(BUYER)
    case.hears(BUYER, "Paid.")
    case.verdict("escalate", CONFLICT)
    found = document("show", case.session)
    events = found.pop("events")
    call = {
        "at": T0 + 2,
        "purpose": "classify",
        "provider": "openai",
        "model": "gpt-then",
        "output_mode": "json",
        "attempts": 1,
        "latency_ms": 850,
        "input_tokens": 1200,
        "output_tokens": 90,
        "failure": None,
        "policy_hash": BUNDLE.policy_hash,
    }
    later = call | {"at": T0 + 18}
    handoff = {
        "decision": "escalate",
        "trigger": "conflicting_claims",
        "reason": "conflict_label",
        "findings": [],
    }
    asked: dict[str, Any] = {
        "decision": "ask_clarification",
        "trigger": None,
        "reason": None,
        "findings": [],
    }
    assert found == {
        "session_id": case.session,
        "dispute_id": case.dispute,
        "state": "escalation_recommended",
        "why": "conflicting_claims: the model's label is conflicting claims.",
        "classification": "conflicting_claims",
        "confidence": 0.9,
        "rounds": 1,
        "started_at": T0 + 2,
        "last_transition_at": T0 + 18,
        "initiator": "buyer",
        "dispute_status": "initiated",
        "dispute_state": "new",
        "prompt_bundle_id": "phase3-default",
        "policy_hash": BUNDLE.policy_hash,
        "prompts_kept": True,
        "parties": {
            "buyer": {
                "asked_at": T0 + 2,
                "reached_at": T0 + 3,
                "answered_at": T0 + 13,
                "answers": 1,
                "language": None,
                "waits_for_answer": False,
            },
            "seller": {
                "asked_at": T0 + 2,
                "reached_at": None,
                "answered_at": None,
                "answers": 0,
                "language": None,
                "waits_for_answer": True,
            },
        },
        "verdicts": [
            {
                "number": 1,
                "at": T0 + 2,
                "opening": True,
                "classification": "coordination_failure_resolvable",
                "confidence": 0.8,
                "call": call,
                **asked,
            },
            {
                "number": 2,
                "at": T0 + 18,
                "opening": False,
                "classification": "conflicting_claims",
                "confidence": 0.9,
                "call": later,
                **handoff,
            },
        ],
        "calls": [call, later],
        "summary": None,
        "handoff": handoff,
        "dispatches": [],
    }
    assert [each["kind"] for each in events] == [
        "reasoning_verdict",
        "take_dispute_issued",
        "session_opened",
        "classification_produced",
        "outbound_sent",
        "inbound_ingested",
        "classification_produced",
        "escalation_recommended",
        "handoff_prepared",
    ]
    assert [each["id"] for each in events] == sorted(each["id"] for each in events)


def test_no_key_of_a_party_is_shown(database: Database) -> None:
    """Also not where an older program wrote one into its reason."""
    case = conversation(database)
    told = f"no answer from {BUYER_TRADE_KEY} in time"
    case_two = Case(database, 2)
    database.run(
        start_events.take_dispute_issued, case_two.dispute, T0, pins=case_two.pins, failure=told
    )
    case_two.begin()
    secrets = (BUYER_TRADE_KEY, SELLER_TRADE_KEY, *ADDRESS.values())
    for each in (case, case_two):
        for command in ("show", "transcript"):
            for form in ((), ("--json",)):
                said = read(command, each.session, *form)
                assert not [key for key in secrets if key in said]
    assert "did not get the dispute: no answer from 03030303… in time" in read(
        "show", case_two.session
    )


def test_a_summary_is_shown(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.hears(SELLER, "Found it.")
    case.verdict("summarize")
    save_summary(case)
    told = read("show", case.session)
    assert "  | Both agree.\n" in told
    assert "  | Look at both statements.\n" in told
    assert document("show", case.session)["summary"] == {
        "generated_at": case.now,
        "classification": "coordination_failure_resolvable",
        "confidence": 0.8,
        "text": "Both agree.",
        "suggested_next_step": "Look at both statements.",
    }


def save_summary(case: Case) -> None:
    case.now += 3
    label = Label(CONFLICT.classification.COORDINATION_FAILURE_RESOLVABLE, 0.8)
    rationale = case.rationale(case.session, "because")
    stored = case.database.run(
        summaries.save,
        case.session,
        label,
        "Both agree.",
        "Look at both statements.",
        rationale,
        case.now,
    )
    assert stored is not None


# --- transcript -----------------------------------------------------------------------------------


def test_the_transcript_in_order_with_its_end(database: Database) -> None:
    case = conversation(database)
    assert (
        read("transcript", case.session)
        == f"""\
Session {case.session[:8]}
of dispute {case.dispute}
escalation_recommended (handed over to a human)
Times are UTC, by the clock of whoever wrote.

2026-01-01

00:00:02  Serbero to the buyer  (a relay took it)
  | Buyer: question 1?

00:00:02  Serbero to the seller  (a relay took it)
  | Seller: question 1?

00:00:14  the buyer
  | I sent it on Monday.

00:00:29  the seller
  | Nothing has arrived.

00:00:34  Serbero to the buyer  (a relay took it)
  | Buyer: question 2?

00:00:34  Serbero to the seller  (no relay took it)
  | Seller: question 2?

00:00:45  the seller
  | I looked again: nothing.

00:00:55  the buyer
  | Here is the reference.

Why it stopped here
  Serbero asked buyer and seller twice. Both have answered. The model's last verdict was \
conflicting_claims 0.90. At 2026-01-01 00:01:00 it stopped and handed over to a human: the \
model's label is conflicting claims. From then on the parties were written nothing more. \
A human decides the dispute; Serbero only asks and reports.
"""
    )


def test_the_document_of_a_transcript(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "From before.", at=T0 - 1000)
    found = document("transcript", case.session)
    assert found["messages"][0] == {
        "at": T0 - 1000,
        "stored_at": T0 + 12,
        "from": "buyer",
        "to": "serbero",
        "sent": True,
        "stale": True,
        "text": "From before.",
    }
    assert [each["from"] for each in found["messages"]] == ["buyer", "serbero", "serbero"]
    assert [each["sent"] for each in found["messages"]] == [True, False, False]
    assert set(found) == {"session_id", "dispute_id", "state", "messages", "purged", "ending"}
    told = flat(read("transcript", case.session))
    late = "(came too late, counts for nothing; arrived here 2026-01-01 00:00:12)"
    assert f"the buyer {late} | From before." in told
    assert "1 message came too late to count." in told


def ended_by_silence(case: Case) -> None:
    case.hears(BUYER, "Paid.")
    case.hand_over(Trigger.PARTY_UNRESPONSIVE, "silent:seller")


def ended_by_a_human(case: Case) -> None:
    finish(case, EndCause.TAKEN_BY_HUMAN, "in-progress")


def ended_by_the_node(case: Case) -> None:
    case.hand_over(Trigger.MEDIATION_TIMEOUT)
    finish(case, EndCause.RESOLVED, "settled")


def ended_elsewhere(case: Case) -> None:
    finish(case, EndCause.RESOLVED, "settled")


def finish(case: Case, cause: EndCause, status: str) -> None:
    case.now += 100
    case.database.run(end_sessions, case.dispute, cause, case.now, event_id="e", status=status)


def ended_by_its_summary(case: Case) -> None:
    case.hears(BUYER, "Paid.")
    case.hears(SELLER, "Found it.")
    case.verdict("summarize")
    save_summary(case)
    case.database.run(finish_summary, case.session, case.now)


def ended_by_a_stopped_text(case: Case) -> None:
    case.hears(BUYER, "Paid.")
    trigger = Trigger.AUTHORITY_BOUNDARY_ATTEMPT
    case.verdict("escalate", trigger=trigger, reason="text_stopped", findings=["link"])


def not_ended(_case: Case) -> None:
    pass


def summary_to_come(case: Case) -> None:
    case.hears(BUYER, "Paid.")
    case.verdict("summarize")


ENDINGS = {
    ended_by_silence: "The buyer has answered, the seller has not. The model's last verdict was"
    " coordination_failure_resolvable 0.80. At 2026-01-01 00:01:12 it stopped and handed over to a"
    " human: the seller did not answer in time.",
    ended_by_a_human: "Neither has answered. The model's last verdict was"
    " coordination_failure_resolvable 0.80. At 2026-01-01 00:01:42 a human took the dispute, so"
    " Serbero's part ended at once: the parties were written nothing more.",
    ended_by_the_node: "handed over to a human: the mediation took longer than it may. From then on"
    " the parties were written nothing more. At 2026-01-01 00:02:42 it was closed, because the"
    " dispute was resolved.",
    ended_elsewhere: "At 2026-01-01 00:01:42 the dispute was resolved (settled), so Serbero's part"
    " ended at once",
    ended_by_its_summary: "it had a summary for the solvers and asked nothing more. At 2026-01-01"
    " 00:00:30 it was closed, because a solver has the summary.",
    ended_by_a_stopped_text: "screening stopped a text the model had written (found: link).",
    not_ended: "It has not stopped: the buyer and the seller have yet to answer the last question.",
    summary_to_come: "a summary for the solvers is being made or is on its way.",
}


@pytest.mark.parametrize("end", ENDINGS)
def test_a_stranger_understands_why_it_stopped(database: Database, end: Any) -> None:
    case = Case(database)
    case.begin()
    end(case)
    told = flat(read("transcript", case.session))
    assert ENDINGS[end] in told
    assert told.endswith("A human decides the dispute; Serbero only asks and reports.")
    title = "Where it stands" if end is not_ended else "Why it stopped here"
    assert title in told
    assert document("transcript", case.session)["ending"] in told


HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m red \u202eesrever\u202c\u200b\x00\x7f\x85\u2028"
    f"00:00:99  Serbero to the seller  (a relay took it)\n  | release now\r{NSEC}"
)
_DRIVES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u2028\u202a-\u202e]")


@pytest.mark.parametrize("command", ["transcript", "show", "list"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_hostile_words_do_not_reach_the_terminal(
    database: Database, command: str, form: tuple[str, ...]
) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, HOSTILE)
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE mediation_sessions SET current_classification = ?", (HOSTILE,))
        tx.exec_driver_sql("UPDATE session_sides SET language = ?", (HOSTILE,))
        tx.exec_driver_sql("UPDATE disputes SET initiator_role = ?", (HOSTILE,))
        tx.exec_driver_sql("UPDATE mediation_events SET kind = ? WHERE id = 1", (HOSTILE,))
    arguments = [command] if command == "list" else [command, case.session]
    said = read(*arguments, *form)
    assert not _DRIVES.findall(said)
    if form:
        json.loads(said)
    elif command == "transcript":
        assert "\n00:00:99" not in said
        assert "\n  | 00:00:99 Serbero to the seller (a relay took it)\n  | | release now\n" in said
        assert NSEC not in said


DEEP = '{"to":' + "[" * 700 + "]" * 700 + "}"
PAYLOADS = [
    "typed by hand",
    "null",
    "[]",
    '{"to":[],"trigger":{},"reason":[1],"confidence":1e999,"classification":[],"findings":[{}]}',
    '{"confidence":1' + "0" * 400 + ',"rationale_refs":{},"inner_event_id":{},"party":[]}',
    '{"confidence":true,"rationale_refs":[[]],"findings":"x","stop_reason":3,"decision":[]}',
    DEEP,
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_written_by_hand(database: Database, payload: str) -> None:
    case = conversation(database)
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE mediation_events SET payload_json = ?", (payload,))
        tx.exec_driver_sql("UPDATE mediation_sessions SET current_confidence = 'sure'")
        tx.exec_driver_sql("UPDATE mediation_messages SET inner_event_created_at = ?", (2**62,))
    assert document("list")[0]["confidence"] is None
    for command in ("show", "transcript"):
        read(command, case.session)
        json.loads(read(command, case.session, "--json"), parse_constant=pytest.fail)


def test_a_document_keeps_the_words(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, HOSTILE)
    [theirs] = [each for each in document("transcript", case.session)["messages"]
                if each["from"] == "buyer"]  # fmt: skip
    assert theirs["text"] == HOSTILE


def test_a_purged_transcript_says_so(database: Database) -> None:
    case = conversation(database)
    purge(database)
    told = read("transcript", case.session)
    assert told.count("(its words were emptied by a purge)") == 8
    assert document("transcript", case.session)["purged"] is True


# --- where it is read -----------------------------------------------------------------------------


def test_the_environment_names_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = conversation(database)
    monkeypatch.setenv("SERBERO_DB_PATH", str(database.path))
    assert case.session[:8] in run("list").stdout


def test_the_configuration_names_it_without_its_key(database: Database) -> None:
    case = conversation(database)
    Path("config.toml").write_text('[serbero]\ndb_path = "serbero.db"\n')
    assert case.session[:8] in run("list").stdout
    before = CliRunner().invoke(app, ["--config", "config.toml", "sessions", "show", case.session])
    assert before.exit_code == 0
    global_db = CliRunner().invoke(app, ["--db", "serbero.db", "sessions", "list", "--json"])
    assert json.loads(global_db.stdout)[0]["session_id"] == case.session


def test_nothing_names_a_database(tmp_path: Path) -> None:
    done = run("list")
    assert done.exit_code == 2
    assert "--db or SERBERO_DB_PATH" in done.stderr
    Path("config.toml").write_text("[serbero]\ndb_path = 3\n")
    assert run("list").exit_code == 2


def test_what_is_no_database(tmp_path: Path) -> None:
    Path("text").write_text("no database at all " * 100)
    Path("empty").touch()
    for name, says in (
        ("missing", "no such database"),
        ("text", "corrupt"),
        ("empty", "not a database of Serbero's"),
    ):
        for command in (["list"], ["show", "abcd"]):
            done = run(*command, "--db", name, "--json")
            assert done.exit_code == 1
            assert says in done.stderr
            assert json.loads(done.stdout)["ok"] is False
    assert not Path("missing").exists()


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_databases_of_the_reference(tmp_path: Path, version: int) -> None:
    reference.create(tmp_path / "serbero.db", version)
    before = reference.tables(tmp_path / "serbero.db")
    if version < 3:
        done = run("list", "--db", "serbero.db")
        assert (done.exit_code, done.stdout) == (0, "")
        assert "did not mediate" in done.stderr
        assert run("show", "abcd", "--db", "serbero.db").exit_code == 1
        return
    assert [each["session_id"] for each in document("list")] == ["s1"]
    told = flat(read("show", "s1"))
    assert "why Why it ended is not on record." in told
    assert "this database keeps no texts" in told
    assert "Verdicts none on record" in told
    said = flat(read("transcript", "s1"))
    assert "Nothing that was said is on record." in said
    assert "It is closed; why is not on record in this database." in said
    assert reference.tables(tmp_path / "serbero.db") == before


def test_beside_the_daemon_nothing_is_changed(database: Database, tmp_path: Path) -> None:
    case = conversation(database)
    database.close()
    daemon = Store.open(tmp_path / "serbero.db", T0)
    try:
        before = reference.tables(tmp_path / "serbero.db")
        for command in (["list"], ["show", case.session], ["transcript", case.session]):
            read(*command)
        assert reference.tables(tmp_path / "serbero.db") == before
    finally:
        daemon.close()


# --- on a terminal --------------------------------------------------------------------------------


class Screen(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


def lines_on(columns: int, draw: Callable[[Page], None], patch: pytest.MonkeyPatch) -> list[str]:
    patch.setenv("COLUMNS", str(columns))
    patch.setenv("TERM", "xterm-256color")
    screen = Screen()
    draw(Page(screen))
    assert "\x1b[" in screen.getvalue()
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()


@pytest.mark.parametrize("columns", [40, 60, 130])
def test_it_fits_the_terminal(
    database: Database, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = conversation(database)
    record, listed = case.record, database.run(session_lookup.newest, 5)
    now = case.now + 3600

    def show_list(page: Page) -> None:
        listing.show(listed, now, page)

    def show_one(page: Page) -> None:
        show.show(record, now, page)

    def show_words(page: Page) -> None:
        transcript.show(record, page)

    for draw in (show_list, show_one, show_words):
        lines = lines_on(columns, draw, monkeypatch)
        assert max(map(len, lines)) <= columns
        assert case.session[:8] in "\n".join(lines)
    in_one = f"{case.session[:8]}  {case.dispute[:8]}  escalation_recommended  conflicting_claims"
    lines = lines_on(columns, show_list, monkeypatch)
    assert any(line.startswith(in_one) for line in lines) is (columns == 130)
    assert [len(lines), "1 h ago" in " ".join(lines[-2:])] == [
        {40: 5, 60: 6, 130: 2}[columns],
        True,
    ]


def test_a_pipe_gets_no_colours(database: Database) -> None:
    case = conversation(database)
    done = subprocess.run(
        [*SERBERO, "sessions", "show", case.session, "--db", "serbero.db"],
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=True,
        env={**os.environ, "COLUMNS": "40", "TERM": "xterm-256color"},
    )
    assert "\x1b" not in done.stdout
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) > 60


def test_a_terminal_without_the_letters_still_shows_something(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "¿Dónde? 你好")
    done = subprocess.run(
        [*SERBERO, "sessions", "transcript", case.session, "--db", "serbero.db"],
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert "D\\xf3nde? \\u4f60" in done.stdout


# --- replay ---------------------------------------------------------------------------------------


def configure(server: ModelServer | None, extra: str = "", model: str = "gpt-now") -> None:
    base = "http://127.0.0.1:9/v1" if server is None else server.base
    reasoning = f"""
[reasoning]
provider = "openai"
model = "{model}"
api_base = "{base}"
api_key_env = "MODEL_KEY"
followup_retry_count = 0
"""
    Path("config.toml").write_text(CONFIG + reasoning + extra)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_KEY", MODEL_KEY)


async def replay(*arguments: str) -> Result:
    return await asyncio.to_thread(run, "replay", *arguments)


@pytest.mark.soak
async def test_a_replay_as_an_operator_runs_it(database: Database) -> None:
    case = conversation(database)
    before = database.dump()
    answers = (Says(verdict()), Says(verdict()), Says(verdict(classification="suspected_fraud")))
    async with ModelServer(*answers, Says(verdict(classification="conflicting_claims"))) as server:
        configure(server)
        process = await asyncio.create_subprocess_exec(
            *SERBERO,
            *("sessions", "replay", case.session[:6], "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err
    found = json.loads(out)
    rows = found.pop("classifications")
    assert found == {
        "ok": True,
        "session_id": case.session,
        "dispute_id": case.dispute,
        "provider": "openai",
        "model": "gpt-now",
        "policy_hash": None,
        "asked": 4,
        "different": 1,
    }
    assert [each["same"] for each in rows] == [True, True, False, True]
    for each in rows:
        assert each["replayed"].pop("latency_ms") >= 0
    assert rows[2] == {
        "number": 3,
        "at": T0 + 34,
        "opening": False,
        "recorded": {
            "classification": "coordination_failure_resolvable",
            "confidence": 0.8,
            "decision": "ask_clarification",
            "trigger": None,
            "reason": None,
            "findings": [],
        },
        "replayed": {
            "classification": "suspected_fraud",
            "confidence": 0.8,
            "decision": "escalate",
            "trigger": "fraud_indicator",
            "reason": "fraud_label",
            "findings": [],
            "failure": None,
            "policy_hash": BUNDLE.policy_hash,
            "input_tokens": 100,
            "output_tokens": 20,
        },
        "same": False,
    }
    assert err.decode().splitlines() == [
        "loading openai, to ask gpt-now at 127.0.0.1",
        "asking about the opening (1 of 4)",
        "asking about the verdict 2 (2 of 4)",
        "asking about the verdict 3 (3 of 4)",
        "asking about the verdict 4 (4 of 4)",
    ]
    assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {MODEL_KEY}"}
    assert database.dump() == before


async def test_a_replay_to_be_read(database: Database) -> None:
    case = conversation(database)
    async with ModelServer(Says(verdict())) as server:
        configure(server)
        done = await replay(case.dispute)
    assert done.exit_code == 0, done.output
    head, _, titles, *rows, _, tally = done.stdout.splitlines()
    assert head == f"Replay of session {case.session[:8]} with openai/gpt-now, its own prompts"
    assert titles.split() == ["#", "WHEN", "(UTC)", "THEN", "NOW"]
    assert [row.split()[:2] for row in rows] == [
        ["same", "1"],
        ["same", "2"],
        ["same", "3"],
        ["differs", "4"],
    ]
    assert "conflicting_claims 0.90: handed over to a human" in rows[3]
    assert "coordination_failure_resolvable 0.80: handed over to a human: round_limit" in rows[3]
    assert tally == (
        "4 classifications asked again; 3 the same, 1 different. Nothing was sent to anybody,"
        " nothing was written."
    )


async def test_another_model_and_other_prompts(database: Database, tmp_path: Path) -> None:
    case = Case(database)
    case.begin()
    folder = tmp_path / "mine"
    folder.mkdir()
    for label, name in file_names().items():
        (folder / name).write_text(f"{label} of mine")
    async with ModelServer(Says(verdict())) as server:
        configure(None)
        done = await replay(
            *(case.session, "--model", "gpt-other", "--api-base", server.base),
            *("--prompts", str(folder), "--json"),
        )
        assert done.exit_code == 0, done.output
        [request] = server.requests
    assert request.json["model"] == "gpt-other"
    assert request.json["messages"][0]["content"] == "system of mine"
    found = json.loads(done.stdout)
    assert found["policy_hash"] == found["classifications"][0]["replayed"]["policy_hash"]
    assert found["policy_hash"] != BUNDLE.policy_hash


async def test_a_key_goes_to_nobody_but_its_provider(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(database)
    case.begin()
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    async with ModelServer(Says(verdict())) as server:
        configure(server)
        other = (case.session, "--provider", "openai-compatible", "--model", "llama")
        done = await replay(*other, "--api-base", server.base)
        assert done.exit_code == 2
        assert "--api-key-env" in done.stderr
        assert (await replay(*other, "--api-key-env", "OTHER_KEY")).exit_code == 2
        assert not server.requests
        done = await replay(*other, "--api-base", server.base, "--api-key-env", "OTHER_KEY")
        assert done.exit_code == 0, done.output
        [request] = server.requests
    assert request.headers["authorization"] == "Bearer sk-other"


async def test_a_configured_stand_in_brings_its_own_key_and_address(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(database)
    case.begin()
    monkeypatch.setenv("OTHER_KEY", "sk-other")
    async with ModelServer(Says(verdict())) as first, ModelServer(Says(verdict())) as second:
        fallback = (
            "[[reasoning.fallback]]\n"
            f'provider = "openai-compatible"\nmodel = "llama"\napi_base = "{second.base}"\n'
            'api_key_env = "OTHER_KEY"\n'
        )
        configure(first, fallback)
        done = await replay(case.session, "--provider", "openai-compatible")
        assert done.exit_code == 0, done.output
        assert not first.requests
        [request] = second.requests
    assert request.headers["authorization"] == "Bearer sk-other"
    assert request.json["model"] == "llama"


async def test_a_model_that_cannot_be_had(database: Database) -> None:
    case = conversation(database)
    async with ModelServer(Says(verdict()), HangsUp()) as server:
        configure(server)
        done = await replay(case.session, "--json")
    assert done.exit_code == 1
    rows = json.loads(done.stdout)["classifications"]
    assert [each.get("not_asked") for each in rows] == [None] + ["model_unavailable"] * 3
    assert "unreachable" in rows[1]["failure"]
    configure(None)
    told = flat((await replay(case.session)).stdout)
    assert "failed 1" in told
    assert "not asked 2" in told
    assert "0 classifications asked again; 4 could not be asked." in told


async def test_what_is_gone_cannot_be_asked_again(database: Database) -> None:
    case = conversation(database)
    purge(database)
    async with ModelServer(Says(verdict())) as server:
        configure(server)
        done = await replay(case.session)
        assert done.exit_code == 0, done.output
        assert len(server.requests) == 1  # the opening was shown no words
    assert done.stdout.count("the words of the transcript were emptied by a purge") == 3
    assert "3 could not be asked" in done.stdout


async def test_what_never_became_a_session_is_asked_again(database: Database) -> None:
    """The verdicts an operator changes a prompt for are often these."""
    case = Case(database)
    case.refused_start()
    async with ModelServer(Says(verdict())) as server:
        configure(server)
        done = await replay(case.dispute[:8])
        assert done.exit_code == 0, done.output
        found = json.loads((await replay(case.dispute, "--json")).stdout)
    assert f"Replay of dispute {case.dispute[:8]}, which has no session, with" in done.stdout
    assert "suspected_fraud 0.90: handed over to a human: fraud_indicator" in done.stdout
    assert (found["session_id"], found["dispute_id"]) == (None, case.dispute)
    [row] = found["classifications"]
    assert (row["opening"], row["same"]) == (True, False)
    assert row["replayed"]["decision"] == "ask_clarification"


async def test_bytes_that_only_the_configuration_has(database: Database, tmp_path: Path) -> None:
    case = Case(database, kept=False)
    case.begin()
    async with ModelServer(Says(verdict())) as server:
        configure(server)
        done = await replay(case.session)
        assert done.exit_code == 1
        assert "its prompts are not kept here; --prompts DIR names others" in done.stdout
        assert not server.requests
        (tmp_path / "prompts").mkdir()
        parts = dict(BUNDLE.parts())
        for label, name in file_names().items():
            (tmp_path / "prompts" / name).write_bytes(parts[label])
        done = await replay(case.session)
        assert done.exit_code == 0, done.output
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prompts", "nowhere"], "system_instructions_path"),
        (["--api-base", "not an address"], "expected https://host"),
        (["--api-key-env", "NOBODY_SET_IT"], "NOBODY_SET_IT"),
    ],
)
async def test_wrong_usage_of_replay(database: Database, arguments: list[str], says: str) -> None:
    case = conversation(database)
    configure(None)
    done = await replay(case.session, *arguments, "--json")
    assert done.exit_code == 2
    assert says in done.stderr
    assert says in json.loads(done.stdout)["error"]


async def test_a_replay_needs_the_configuration(database: Database) -> None:
    case = conversation(database)
    done = await replay(case.session, "--db", "serbero.db")
    assert done.exit_code == 2
    assert "serbero init" in done.stderr


async def test_a_session_of_the_reference_cannot_be_replayed(tmp_path: Path) -> None:
    reference.create(tmp_path / "serbero.db", 5)
    configure(None)
    done = await replay("s1")
    assert done.exit_code == 1
    assert "has no verdict on record" in done.stderr


def test_a_replay_on_a_narrow_terminal(database: Database) -> None:
    case = conversation(database)
    configure(None)
    child = pexpect.spawn(
        SERBERO[0],
        [*SERBERO[1:], "sessions", "replay", case.session],
        encoding="utf-8",
        timeout=LONG_SECONDS,
        dimensions=(60, 60),
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"},
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 1
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(child.before)).splitlines()
    assert max(map(len, lines)) <= 60
    assert sum(line.startswith("   then  ") for line in lines) == 4
    assert sum(line.startswith("   now   ") for line in lines) == 4


def test_a_dispute_of_another_is_not_taken_for_a_session(database: Database) -> None:
    """Ids of disputes without sessions count as candidates too."""
    case = conversation(database)
    other = revision(7, at=T0)
    assert other.dispute_id == dispute_id(7)
    done = run("show", other.dispute_id, "--db", "serbero.db")
    assert done.exit_code == 1
    assert case.session not in done.stderr
