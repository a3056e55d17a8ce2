"""The leash: whatever a model says and whatever comes between, it leads nowhere it must not.

The engine's transactions run against a real database file, in the engine's order, with anything in
between that may come between: revisions in any order, replies, time, restarts, deliveries. After
every transaction the invariants of :mod:`leash_checks` are looked at.

``SERBERO_LEASH=1000000`` plays so many examples, and
``SERBERO_LEASH_REPLAY='6.1.0:AXic…'`` plays the one that a failure names as ``reproduce_failure``.
"""

import ast
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, Phase, given, reproduce_failure, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test
from tests.mediation import corpus
from tests.mediation import leash_words as words
from tests.mediation.leash_machine import NEGATIVE, SUMMARIZES, Leash

import serbero
from serbero.model.party import Party
from serbero.model.reasoning import Classification, Flag, SuggestedAction

WANTED: Final = int(os.environ.get("SERBERO_LEASH", "0"))
REPLAY: Final = os.environ.get("SERBERO_LEASH_REPLAY")
EXAMPLES: Final = 10_000
"""Of one part of a long run: what hypothesis remembers of its examples grows with them."""
LONGEST: Final = 30


def parts() -> list[tuple[int, int]]:
    """Return steps and examples of each part."""
    if REPLAY:
        return [(LONGEST, 1)]
    if WANTED:
        return [(LONGEST, min(EXAMPLES, WANTED - done)) for done in range(0, WANTED, EXAMPLES)]
    return [(6, 300), (6, 300), (LONGEST, 25), (LONGEST, 25)]


_QUESTIONS: Final = "benign/questions"


def _written(members: dict[str, Any]) -> str:
    """As a model writes them, each text with its mark."""
    marked = {
        "buyer_clarification": words.mark(0, "buyer"),
        "seller_clarification": words.mark(0, "seller"),
        "rationale": words.mark(0, "rationale"),
    }
    return json.dumps(
        {
            name: f"{value} {marked[name]}" if name in marked else value
            for name, value in members.items()
        }
    )


_MEMBERS: Final = st.fixed_dictionaries(
    {
        "classification": st.sampled_from(Classification) | st.text(max_size=5),
        "confidence": st.floats() | st.integers() | st.booleans(),
        "suggested_action": st.sampled_from(SuggestedAction),
        "buyer_clarification": st.text(max_size=80) | st.sampled_from(corpus.texts(_QUESTIONS)),
        "seller_clarification": st.text(max_size=80) | st.sampled_from(corpus.texts(_QUESTIONS)),
        "rationale": st.text(max_size=40),
        "flags": st.lists(st.sampled_from(Flag), max_size=1),
        "wants_human": st.sampled_from([None, "none", "none", "none", "both"]),
    }
)
TEXTS = st.text(max_size=60) | _MEMBERS.map(_written)
"""Any answer at all: any text, and any members of the right names."""


def machine() -> Any:
    """The machine, or the one example of it to replay."""
    chosen = type("Leash", (Leash,), {})
    if REPLAY:
        version, _, blob = REPLAY.partition(":")
        return reproduce_failure(version, blob.encode())(chosen)
    return chosen


@pytest.mark.timeout(0 if WANTED else 600)
@pytest.mark.parametrize(("steps", "examples"), parts())
def test_the_leash_holds(steps: int, examples: int) -> None:
    run_state_machine_as_test(
        machine(),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(0 if WANTED else 600)
@settings(
    max_examples=max(150, WANTED // 10),
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
@given(first=TEXTS, second=TEXTS)
def test_any_answer_at_all_leads_nowhere_else(first: str, second: str) -> None:
    """Whatever text a model answers with, before a take and in a session."""
    machine = Leash()
    try:
        machine.disputes_are_opened([5, 1], 0)
        world = machine.world
        world.judge(machine.case(1).id, words.answer_of(first))
        machine.a_start_moves(1, "well", 0)
        machine.a_party_writes(0, None, 0, 0, 6)
        [session_id] = world.memory.views
        world.evaluated(session_id, words.answer_of(second))
        machine.it_is_at_rest()
    finally:
        machine.teardown()


SOURCES: Final = Path(serbero.__file__).parent
_READERS: Final = {"mostro/message.py", "mostro/answers.py"}
"""They name the other actions to read them."""


def test_a_take_is_the_only_thing_the_node_is_ever_asked_for() -> None:
    """Messages are made in one module, by three functions; and only the taker makes requests."""
    made: dict[str, set[str]] = {}
    for path in SOURCES.rglob("*.py"):
        name = path.relative_to(SOURCES).as_posix()
        if name.startswith("simulator/"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        for word in ("take_request", "send_dm", "Message", "message_of"):
            if any(_imports(node, word) for node in ast.walk(tree)):
                made.setdefault(word, set()).add(name)
        if name not in _READERS:
            other = {"ADMIN_SETTLE", "ADMIN_CANCEL", "ADMIN_ADD_SOLVER", "RELEASE", "CANCEL"}
            used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
            assert "Action" not in named or not used & other, name
    assert made["take_request"] == {"node/asking.py", "cli/doctor_checks/probes.py"}
    assert not any(name.startswith("mediation/") for several in made.values() for name in several)
    assert all(name.startswith("mostro/") for name in made["Message"] | made["message_of"])


def _imports(node: ast.AST, word: str) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and node.module == "serbero.mostro.message"
        and any(each.name == word for each in node.names)
    )


def test_messages_are_made_of_these_actions_alone() -> None:
    """Two functions make a message of ours; a third one reads those of others."""
    tree = ast.parse((SOURCES / "mostro/message.py").read_text(encoding="utf-8"))
    makers = {
        function.name: {
            node.attr
            for node in ast.walk(call)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Action"
        }
        for function in tree.body
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "Message"
    }
    assert makers.pop("message_of", set()) == set()
    assert makers == {"take_request": {"ADMIN_TAKE_DISPUTE"}, "send_dm": {"SEND_DM"}}


@pytest.fixture
def story() -> Iterator[Leash]:
    """One dispute in a session, its questions not delivered yet."""
    machine = Leash()
    machine.disputes_are_opened([5], 0)
    assert machine.world.checks.opened == 1
    yield machine
    machine.teardown()


def test_a_question_no_relay_has_is_not_put_once_a_summary_is_due(story: Leash) -> None:
    """One party answered and the model is satisfied: the other is not asked any more."""
    story.a_party_writes(0, Party.BUYER, 0, 0, 6)
    story.the_model_speaks(SUMMARIZES, None)
    world = story.world
    assert world.file.rows("SELECT state FROM mediation_sessions") == [("summary_pending",)]
    query = "SELECT state, next_attempt_at FROM outbox WHERE purpose = 'party_message'"
    assert world.file.rows(query) == [("withdrawn", None)] * 2


def test_a_mediation_that_goes_well_comes_to_its_end() -> None:
    """What the machine begins with is what it says, so that it does not check nothing."""
    machine = Leash()
    try:
        machine.disputes_are_opened([7], 0)
        machine.the_outbox_moves(2, 100, True, 0, None)
        world = machine.world
        assert world.file.rows("SELECT state FROM mediation_sessions") == [("closed",)]
        assert world.file.rows("SELECT lifecycle_state FROM disputes") == [("taken",)]
        sent = "SELECT DISTINCT purpose FROM outbox WHERE state = 'sent'"
        assert {row[0] for row in world.file.rows(sent)} >= {"mediation_summary"}
        machine.it_is_at_rest()
    finally:
        machine.teardown()


def test_a_dispute_that_is_ours_after_it_went_to_a_human_stays_with_the_human() -> None:
    """The node's answer was lost; the next verdict called a human; then the answer came."""
    machine = Leash()
    try:
        machine.disputes_are_opened([4], 0)
        world, case = machine.world, machine.case(0)
        machine.a_start_moves(0, "lost", 0)
        world.clock.at += 40
        machine.a_start_moves(0, "well", 0)
        machine.a_start_moves(0, "any", NEGATIVE)
        world.hear(*case.published)
        world.take_up_late()
        assert world.file.rows("SELECT released_at FROM parties") == [(None,)]
        assert world.file.rows("SELECT lifecycle_state FROM disputes") == [("escalated",)]
        assert world.candidates() == []
    finally:
        machine.teardown()
