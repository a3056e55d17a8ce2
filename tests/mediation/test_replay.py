"""Recorded verdicts: what became of each, and what comes of asking again."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from tests.keys import MODEL_KEY
from tests.mediation.replay_rig import (
    BUNDLE,
    BUYER,
    CONFLICT,
    OTHER,
    RESOLVABLE,
    SELLER,
    Case,
    conversation,
    purge,
)
from tests.store import reference_databases as reference
from tests.store.rig import T0, Database, revision

from serbero.config.models import ReasoningSection
from serbero.config.reasoning import ModelEndpoint
from serbero.mediation.hindsight import Outcome, failed_calls, judgements
from serbero.mediation.policy import Facts
from serbero.mediation.replay import Answer, Left, Obstacle, Prompts, Step, ask, plan
from serbero.model.mediation import EscalationReason, Trigger
from serbero.reasoning.reasoner import Reasoner
from serbero.simulator.clock import FakeClock
from serbero.simulator.model_endpoint import HangsUp, ModelServer, Received, Says, Sends, verdict
from serbero.store import session_lookup, session_record, sessions
from serbero.store.engine import run_once
from serbero.store.session_moves import EndCause, end_sessions

KEPT = Prompts({BUNDLE.policy_hash: BUNDLE})
ROUNDS = 2


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


@asynccontextmanager
async def reasoner(server: ModelServer) -> AsyncIterator[Reasoner]:
    endpoint = ModelEndpoint("openai", "gpt-now", server.base, SecretStr(MODEL_KEY))
    section = ReasoningSection(enabled=True, followup_retry_count=0)
    found = Reasoner([endpoint], section, FakeClock(), draw=lambda: 0.5)
    try:
        yield found
    finally:
        await found.close()


async def replayed(case: Case, server: ModelServer, prompts: Prompts = KEPT) -> list[Answer]:
    async with reasoner(server) as asked:
        return [await ask(step, asked) for step in steps(case, prompts)]


def steps(case: Case, prompts: Prompts = KEPT, max_rounds: int = ROUNDS) -> list[Step]:
    planned = plan(case.record, prompts, max_rounds)
    found = [each for each in planned if isinstance(each, Step)]
    assert found == planned
    return found


def outcomes(case: Case) -> list[Outcome]:
    return [each.done.outcome for each in judgements(case.record)]


# --- what became of each ------------------------------------------------------------------------


def test_a_whole_conversation_is_told_verdict_by_verdict(database: Database) -> None:
    case = conversation(database)
    found = judgements(case.record)
    assert [(each.number, each.label, each.done.outcome) for each in found] == [
        (1, "coordination_failure_resolvable", Outcome.ASK),
        (2, "coordination_failure_resolvable", Outcome.WAIT),
        (3, "coordination_failure_resolvable", Outcome.ASK),
        (4, "conflicting_claims", Outcome.ESCALATE),
    ]
    last = found[-1].done
    assert (last.trigger, last.reason) == ("conflicting_claims", "conflict_label")
    assert [each.call is not None for each in found] == [True] * 4
    assert [each.failure for each in failed_calls(case.record)] == ["timeout"]


def test_a_summary_is_what_followed(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.verdict("summarize")
    assert outcomes(case) == [Outcome.ASK, Outcome.SUMMARIZE]


@pytest.mark.parametrize(
    ("trigger", "reason"),
    [
        (Trigger.PARTY_UNRESPONSIVE, "silent:seller"),
        (Trigger.MEDIATION_TIMEOUT, None),
        (Trigger.LOW_CONFIDENCE, EscalationReason.HUMAN_REQUESTED.value),
        (Trigger.REASONING_UNAVAILABLE, EscalationReason.REASONING_FAILED.value),
    ],
)
def test_what_ended_it_without_a_verdict_is_not_laid_to_the_last_one(
    database: Database, trigger: Trigger, reason: str | None
) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.verdict("wait")
    case.hand_over(trigger, reason)
    assert outcomes(case) == [Outcome.ASK, Outcome.WAIT]


def test_a_verdict_that_came_too_late_is_followed_by_nothing(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.hears(SELLER, "Found it.")
    database.run(
        end_sessions, case.dispute, EndCause.RESOLVED, case.now, event_id="e", status="settled"
    )
    case.verdict("nothing")
    assert outcomes(case) == [Outcome.ASK, Outcome.NONE]


def test_a_verdict_after_the_end_did_not_wait_for_anybody(database: Database) -> None:
    """The model was still asked when a human took the dispute, and an answer was due."""
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    finish = {"event_id": "e", "status": "in-progress"}
    database.run(end_sessions, case.dispute, EndCause.TAKEN_BY_HUMAN, case.now, **finish)
    case.verdict("nothing")
    assert outcomes(case) == [Outcome.ASK, Outcome.NONE]


def test_verdicts_that_share_their_reasons_keep_their_own_calls(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.verdict("wait", why="the same words")
    case.hears(BUYER, "On Monday.")
    case.verdict("wait", why="the same words")
    case.hears(SELLER, "No.")
    case.verdict("ask", why="the same words")
    found = judgements(case.record)
    assert outcomes(case) == [Outcome.ASK, Outcome.WAIT, Outcome.WAIT, Outcome.ASK]
    seen = [each.call.seen_message_id for each in found if each.call is not None]
    assert seen == [None, 3, 4, 5]


def test_another_opening_of_the_dispute_has_its_own_verdict(database: Database) -> None:
    first = Case(database)
    first.begin()
    first.hand_over(Trigger.MEDIATION_TIMEOUT)
    later = first.now + 1000
    second = Case(database, number=1, now=later)
    second.session = first.session.replace(first.session[:4], "0000", 1)
    reopened = revision(1, at=later)
    database.run(
        end_sessions, first.dispute, EndCause.REOPENED, later, event_id="e", status="initiated"
    )
    with database.engine.begin() as tx:
        # What the first hand-over left outside its session is none.
        assert session_record.events_without_session(tx, reopened.dispute_id)
    second.begin(label=CONFLICT)
    assert [each.label for each in judgements(first.record)] == [RESOLVABLE.classification]
    [opening] = judgements(second.record)
    assert (opening.label, opening.at) == ("conflicting_claims", later + 2)
    assert len(first.record.calls) == len(second.record.calls) == 1


# --- what is asked again --------------------------------------------------------------------------


async def test_the_model_is_shown_what_was_shown_then_and_no_more(database: Database) -> None:
    case = conversation(database)
    case.hears(BUYER, "And now something after the end.")
    async with ModelServer(Says(verdict())) as server:
        await replayed(case, server)
    said = [
        "question 1?",
        "I sent it on Monday.",
        "Nothing has arrived.",
        "question 2?",
        "I looked again: nothing.",
        "Here is the reference.",
        "after the end",
    ]
    shown = [[words in each.user for words in said] for each in server.requests]
    counts = [0, 2, 3, 6]
    assert shown == [[True] * count + [False] * (7 - count) for count in counts]
    assert [each.json["model"] for each in server.requests] == ["gpt-now"] * 4
    assert [f"session_id: {case.session}" in each.user for each in server.requests] == [
        False,
        True,
        True,
        True,
    ]
    assert f"session_id: {case.dispute}" in server.requests[0].user
    rounds = [each.user.partition("round_count: ")[2][0] for each in server.requests]
    assert rounds == ["0", "1", "1", "2"]


def test_the_facts_are_those_of_the_moment(database: Database) -> None:
    case = conversation(database)
    assert [each.facts for each in steps(case)] == [
        Facts(0, 0, ROUNDS, 0),
        Facts(1, 1, ROUNDS, 1, open_question=True),
        Facts(2, 1, ROUNDS, 2),
        Facts(3, 2, ROUNDS, 4),
    ]


def test_what_came_too_late_then_is_not_shown_now(database: Database) -> None:
    case = Case(database)
    case.begin()
    case.hears(BUYER, "From before the take.", at=T0 - 500)
    case.hears(SELLER, "No.")
    case.verdict("wait")
    [_, later] = steps(case)
    assert [each.text for each in later.request.transcript] == [
        "Buyer: question 1?",
        "Seller: question 1?",
        "No.",
    ]
    assert later.facts == Facts(1, 1, ROUNDS, 1, open_question=True)


async def test_the_same_answers_are_the_same(database: Database) -> None:
    case = conversation(database)
    conflict = {"classification": "conflicting_claims", "confidence": 0.7}
    last = Says(verdict(**conflict, flags=[]))
    async with ModelServer(Says(verdict()), Says(verdict()), Says(verdict()), last) as server:
        found = await replayed(case, server)
    assert [each.done.outcome for each in found] == outcomes(case)
    assert [each.same for each in found] == [True] * 4
    assert [each.confidence for each in found] == [0.8, 0.8, 0.8, 0.7]
    assert found[0].call.input_tokens == 100


ANSWERS: list[tuple[dict[str, Any], Outcome, str | None]] = [
    ({"classification": "suspected_fraud"}, Outcome.ESCALATE, "fraud_indicator"),
    ({"suggested_action": "escalate"}, Outcome.ESCALATE, "reasoning_unavailable"),
    ({"wants_human": "buyer"}, Outcome.ESCALATE, "low_confidence"),
    ({"buyer_clarification": "Send me your seed phrase."}, Outcome.ESCALATE,
     "authority_boundary_attempt"),
    ({"classification": "unclear"}, Outcome.ASK, None),
]  # fmt: skip


@pytest.mark.parametrize(("members", "outcome", "trigger"), ANSWERS)
async def test_other_answers_differ(
    database: Database, members: dict[str, Any], outcome: Outcome, trigger: str | None
) -> None:
    case = Case(database)
    case.begin()
    async with ModelServer(Says(verdict(**members))) as server:
        [found] = await replayed(case, server)
    assert (found.done.outcome, found.done.trigger, found.same) == (outcome, trigger, False)
    assert found.asked


async def test_the_policy_is_todays(database: Database) -> None:
    """Fewer rounds than then: what was asked would be handed over now."""
    case = Case(database)
    case.begin()
    case.hears(BUYER, "Paid.")
    case.hears(SELLER, "No.")
    case.verdict("ask")
    async with ModelServer(Says(verdict())) as server, reasoner(server) as asked:
        found = [await ask(each, asked) for each in steps(case, max_rounds=1)]
    assert [each.same for each in found] == [True, False]
    assert found[1].done.trigger == "round_limit"


async def test_a_party_who_asks_for_a_person_gets_one(database: Database) -> None:
    """Then the word list may have missed it."""
    case = Case(database)
    case.begin()
    case.hears(BUYER, "I want to talk to a human.")
    case.verdict("wait")
    async with ModelServer(Says(verdict())) as server:
        found = await replayed(case, server)
    assert found[1].done.reason == "human_requested"


def _names_hash(request: Received) -> str:
    return request.user.partition("policy_hash: ")[2][:64]


async def test_other_prompts_reach_the_model(database: Database) -> None:
    case = conversation(database)
    async with ModelServer(Says(verdict())) as server:
        await replayed(case, server, Prompts({}, OTHER))
    assert {_names_hash(each) for each in server.requests} == {OTHER.policy_hash}
    assert all("Another policy" in each.user for each in server.requests)


Change = Callable[[Database], None]


def _forget_bundle(database: Database) -> None:
    database.run(lambda tx: tx.exec_driver_sql("DELETE FROM prompt_bundles"))


def _forget_initiator(database: Database) -> None:
    database.run(lambda tx: tx.exec_driver_sql("UPDATE disputes SET initiator_role = 'unknown'"))


def _forget_calls(database: Database) -> None:
    database.run(lambda tx: tx.exec_driver_sql("DELETE FROM reasoning_calls"))


LOST: list[tuple[Change, list[Obstacle | None]]] = [
    (purge, [None, Obstacle.PURGED, Obstacle.PURGED, Obstacle.PURGED]),
    (_forget_initiator, [Obstacle.INITIATOR_UNKNOWN] * 4),
    (_forget_calls, [Obstacle.NOT_RECORDED] * 4),
]


@pytest.mark.parametrize(("change", "expected"), LOST)
def test_what_is_gone_is_said(
    database: Database, change: Change, expected: list[Obstacle | None]
) -> None:
    case = conversation(database)
    change(database)
    found = plan(case.record, KEPT, ROUNDS)
    assert [each.obstacle if isinstance(each, Left) else None for each in found] == expected


def test_a_bundle_nobody_has_is_said(database: Database) -> None:
    case = conversation(database)
    _forget_bundle(database)
    assert case.record.bundle_kept is False
    found = plan(case.record, Prompts({OTHER.policy_hash: OTHER}), ROUNDS)
    assert {each.obstacle for each in found if isinstance(each, Left)} == {Obstacle.BUNDLE_MISSING}
    assert len(found) == 4


async def test_an_answer_that_cannot_be_read_is_an_answer(database: Database) -> None:
    case = Case(database)
    case.begin()
    async with ModelServer(Says("I would rather not.")) as server:
        [found] = await replayed(case, server)
    assert (found.asked, found.same, found.label) == (True, False, None)
    assert found.done.reason == "reasoning_failed"
    assert found.failure is not None
    assert "malformed" in found.failure


@pytest.mark.parametrize("step", [HangsUp(), Sends(401, b"{}"), Sends(500, b"")])
async def test_a_model_that_cannot_be_had_was_not_asked(
    database: Database, step: HangsUp | Sends
) -> None:
    case = Case(database)
    case.begin()
    async with ModelServer(step) as server:
        [found] = await replayed(case, server)
    assert (found.asked, found.same) == (False, False)
    assert found.failure


def test_words_are_in_no_repr(database: Database) -> None:
    case = conversation(database)
    shown = repr((case.record, plan(case.record, KEPT, ROUNDS)))
    assert "Monday" not in shown
    assert "You assist" not in shown


# --- the reference's ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4, 5])
def test_a_database_of_the_reference_tells_what_it_knows(tmp_path: Path, version: int) -> None:
    """Never opened by us: none of our tables is there."""
    path = tmp_path / "reference.db"
    reference.create(path, version)
    record = run_once(path, lambda tx: session_record.read(tx, "s1"))
    assert record is not None
    assert (record.session.state, record.calls, record.bundle_kept) == ("closed", (), None)
    assert judgements(record) == []
    assert [each.kind for each in record.events] == ["x"]
    assert not record.kept.facts


@pytest.mark.parametrize("version", [1, 2])
def test_a_database_from_before_mediation_has_no_sessions(tmp_path: Path, version: int) -> None:
    path = tmp_path / "reference.db"
    reference.create(path, version)
    assert run_once(path, lambda tx: session_record.read(tx, "s1")) is None
    assert run_once(path, lambda tx: session_lookup.newest(tx, 5)) == []


def test_verdicts_of_the_reference_are_told_by_what_followed(tmp_path: Path) -> None:
    path = tmp_path / "reference.db"
    reference.create(path, 5)
    connection = reference.connect(path)
    said = (
        ("classification_produced", '{"classification":"unclear","confidence":0.55}', 10, "r1"),
        ("classification_produced", '{"classification":"unclear","confidence":0.6}', 50, "r2"),
        ("classification_produced", '{"classification":"unclear","confidence":0.4}', 90, "r3"),
        (
            "escalation_recommended",
            '{"dispute_id":"d","evidence_refs":[],"rationale_refs":[],"trigger":"low_confidence"}',
            90,
            None,
        ),
    )
    for number in (1, 2, 3):
        connection.execute(
            "INSERT INTO reasoning_rationales VALUES (?, 's1', 'p', 'm', 'b', 'h', 'x', 1)",
            (f"r{number}",),
        )
    for kind, payload, at, rationale in said:
        connection.execute(
            "INSERT INTO mediation_events (session_id, kind, payload_json, occurred_at,"
            " rationale_id) VALUES ('s1', ?, ?, ?, ?)",
            (kind, payload, at, rationale),
        )
    for number, (party, at) in enumerate((("buyer", 10), ("seller", 10), ("buyer", 50))):
        connection.execute(
            "INSERT INTO mediation_messages (session_id, direction, party, shared_pubkey,"
            " inner_event_id, inner_event_created_at, content, persisted_at)"
            " VALUES ('s1', 'outbound', ?, 'k', ?, ?, 'words', ?)",
            (party, f"i{number}", at, at),
        )
    connection.close()
    record = run_once(path, lambda tx: session_record.read(tx, "s1"))
    assert record is not None
    assert [each.done.outcome for each in judgements(record)] == [
        Outcome.ASK,
        Outcome.ASK,
        Outcome.ESCALATE,
    ]
    found = plan(record, KEPT, ROUNDS)
    assert {each.obstacle for each in found if isinstance(each, Left)} == {Obstacle.NOT_RECORDED}
    assert record.session.pairs_put == 2


def test_sides_agree_with_the_sessions_own(database: Database) -> None:
    """What is counted from the messages is what is kept beside them."""
    case = conversation(database)
    kept = database.run(sessions.load, case.session)
    assert kept is not None
    for counted in case.record.sides:
        side = kept.side(counted.party)
        assert (counted.asked_at, counted.reached_at, counted.answered_at, counted.waits) == (
            side.asked_at,
            side.reached_at,
            side.answered_at,
            side.open_question,
        )
    database.run(lambda tx: tx.exec_driver_sql("DELETE FROM session_sides"))
    for side, counted in zip((kept.buyer, kept.seller), case.record.sides, strict=True):
        assert (counted.asked_at, counted.answered_at) == (side.asked_at, side.answered_at)
        assert (counted.answers, counted.waits) == (side.fresh, side.open_question)
