"""Rationales and their ids, summaries, bundles, calls, our standing: kept as they were given."""

import hashlib
from dataclasses import replace
from itertools import product

import pytest
import sqlalchemy as sa
from tests.store.mediation_rig import LABEL, PINS, hold, kinds, opened, rationale
from tests.store.rig import NODE, T0, Database, audience, dispute_id, revision

from serbero.model.mediation import SessionState
from serbero.model.reasoning import Classification
from serbero.model.taking import TakeState
from serbero.reasoning.bundle import PARTS, PromptBundle, packaged
from serbero.reasoning.calls import FailureKind
from serbero.store import (
    evaluations,
    prompt_bundles,
    rationales,
    reasoning_calls,
    session_moves,
    standing,
    summaries,
    takes,
)
from serbero.store.mediation_events import Label, Pins
from serbero.store.reasoning_calls import CallRecord
from serbero.store.standing import LastAnswer, Standing, StandingState

D1, D2 = dispute_id(1), dispute_id(2)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


# --- rationales -----------------------------------------------------------------------------


def test_the_id_is_the_hash_of_the_text(database: Database) -> None:
    said = rationale(D1, None, "señor")
    first = database.run(rationales.save, said, T0)
    assert first == sha("señor")
    assert database.run(rationales.text, first) == "señor"
    assert "señor" not in repr(said)
    assert database.run(rationales.save, said, T0 + 9) == first, "the same provenance"
    assert database.rows("SELECT count(*), min(generated_at) FROM reasoning_rationales") == [
        (1, T0)
    ]


OTHERS = [
    {"provider": "anthropic"},
    {"model": "n"},
    {"pins": Pins("other", PINS.policy_hash)},
    {"pins": Pins(PINS.bundle_id, "cd" * 32)},
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_the_same_words_of_another_never_conflict(
    database: Database, other: dict[str, object]
) -> None:
    first = database.run(rationales.save, rationale(D1, None, ""), T0)
    second = database.run(rationales.save, rationale(D1, None, "", **other), T0 + 1)
    assert (first, second) == (sha(""), sha(f"\0{D1}\0{T0 + 1}"))
    # The same again, and a third in the same second.
    assert database.run(rationales.save, rationale(D1, None, "", **other), T0 + 1) == second
    third = database.run(rationales.save, rationale(D1, None, "", provider="third"), T0 + 1)
    assert len({first, second, third}) == 3
    assert database.one("SELECT count(*) FROM reasoning_rationales") == 3


def test_within_a_session_the_id_is_made_with_the_session(database: Database) -> None:
    session = opened(database)
    database.run(rationales.save, rationale(D1, None, "same"), T0)
    again = database.run(rationales.save, rationale(D1, session, "same"), T0 + 4)
    assert again == sha(f"same\0{session}\0{T0 + 4}")


def test_a_rationale_is_bound_once(database: Database) -> None:
    """Two disputes were given the same words before their takes: each session has its own row."""
    first, second = opened(database, 1), opened(database, 2)
    shared = database.run(rationales.save, rationale(D1, None, "same"), T0)
    assert database.run(rationales.save, rationale(D2, None, "same"), T0) == shared
    assert database.run(rationales.bind, shared, first, T0 + 1) == shared
    assert database.run(rationales.bind, shared, first, T0 + 2) == shared
    other = database.run(rationales.bind, shared, second, T0 + 2)
    assert other not in (None, shared)
    found = dict(database.rows("SELECT rationale_id, session_id FROM reasoning_rationales"))
    assert (found[shared], found[other]) == (first, second)
    assert database.run(rationales.bind, str(other), second, T0 + 9) == other
    assert database.run(rationales.text, str(other)) == "same"
    assert database.run(rationales.bind, "unknown", first, T0) is None


def test_a_text_that_cannot_be_encoded_is_stored_all_the_same(database: Database) -> None:
    found = database.run(rationales.save, rationale(D1, None, "a\ud800b"), T0)
    assert database.run(rationales.text, found) == "a?b"


def test_a_classification_is_on_record_whatever_became_of_its_session(
    database: Database,
) -> None:
    session = opened(database)
    end = session_moves.EndCause.RESOLVED
    database.run(session_moves.end_sessions, D1, end, T0, event_id="e", status="settled")
    said = rationale(D1, session, "late")
    recorded = database.run(evaluations.record, session, LABEL, said, T0 + 1)
    assert recorded is not None
    assert recorded.number == 1
    [row] = database.rows(
        "SELECT payload_json, rationale_id, prompt_bundle_id, policy_hash FROM mediation_events"
        " ORDER BY id DESC LIMIT 1"
    )
    assert row == (
        '{"classification":"coordination_failure_resolvable","confidence":0.8,'
        f'"rationale_id":"{recorded.rationale_id}"}}',
        recorded.rationale_id,
        PINS.bundle_id,
        PINS.policy_hash,
    )
    assert database.run(evaluations.record, "nobody", LABEL, said, T0) is None


def test_an_opening_without_its_rationale(database: Database) -> None:
    session = opened(database)
    args = (session, PINS, LABEL, "unknown", T0)
    assert database.run(evaluations.record_opening, *args) is None


@pytest.mark.parametrize(
    ("given", "kept"),
    [(float("nan"), 0.0), (float("inf"), 0.0), (-1, 0.0), (7, 1.0), (1, 1.0), (0.25, 0.25)],
)
def test_a_confidence_that_is_none_breaks_no_row(
    database: Database, given: float, kept: float
) -> None:
    session = opened(database)
    label = Label(Classification.UNCLEAR, given)
    assert database.run(evaluations.record, session, label, rationale(D1, session), T0)
    assert database.one("SELECT current_confidence FROM mediation_sessions") == kept


# --- summaries --------------------------------------------------------------------------------


def pending(database: Database) -> str:
    session = opened(database)
    for step in (SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING):
        database.run(session_moves.advance, session, step, T0)
    return session


def test_a_summary_its_rationale_and_its_event_are_one(database: Database) -> None:
    session = pending(database)
    said = rationale(D1, session, "why this summary")
    stored = database.run(summaries.save, session, LABEL, "body", "step", said, T0 + 8)
    assert stored is not None
    assert database.run(summaries.of_session, session) == stored
    assert (stored.pins, stored.rationale_id) == (PINS, sha("why this summary"))
    assert "body" not in repr(stored)
    assert "step" not in repr(stored)
    assert kinds(database, session)[-1] == "summary_generated"

    before = database.dump()

    def save_and_fail(tx: object) -> None:
        other = replace(said, text="another")
        assert summaries.save(tx, session, LABEL, "b", "s", other, T0)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.run(save_and_fail)
    assert database.dump() == before


@pytest.mark.parametrize("there", [each for each in SessionState if each != "summary_pending"])
def test_no_summary_of_a_session_that_waits_for_none(
    database: Database, there: SessionState
) -> None:
    session = pending(database)
    database.rows("UPDATE mediation_sessions SET state = ? RETURNING 1", there)
    before = database.dump()
    said = rationale(D1, session, "x")
    assert database.run(summaries.save, session, LABEL, "b", "s", said, T0) is None
    assert database.dump() == before
    assert database.run(summaries.of_session, session) is None


# --- bundles ----------------------------------------------------------------------------------


def test_a_bundle_comes_back_to_the_byte(database: Database) -> None:
    bundle = packaged()
    odd = PromptBundle.of(dict(bundle.parts()) | {"system": b"\xef\xbb\xbf Hola\r\n\n "})
    for each in (bundle, odd):
        args = (each.policy_hash, each.bundle_id, dict(each.parts()))
        assert database.run(prompt_bundles.save, *args, T0)
        assert not database.run(prompt_bundles.save, *args, T0 + 1)
        database.reopen()
        assert database.run(prompt_bundles.has, each.policy_hash)
        found = database.run(prompt_bundles.load, each.policy_hash)
        assert found is not None
        assert PromptBundle.of(found) == each
    assert database.run(prompt_bundles.load, "00" * 32) is None
    assert not database.run(prompt_bundles.has, "00" * 32)
    assert PARTS == prompt_bundles.PARTS


@pytest.mark.parametrize("parts", [{}, {"system": b"x"}, dict.fromkeys((*PARTS, "more"), b"x")])
def test_half_a_bundle_is_none(database: Database, parts: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="a bundle has these parts"):
        database.run(prompt_bundles.save, "h", "b", parts, T0)


# --- calls and standing -----------------------------------------------------------------------


def test_calls_are_kept_in_order(database: Database) -> None:
    session = opened(database)
    first = CallRecord(T0, D1, None, "classify", "openai", "m", "json", 1, 812, 900, 80)
    second = replace(
        first,
        session_id=session,
        failure=FailureKind.TIMEOUT.value,
        input_tokens=None,
        policy_hash=PINS.policy_hash,
        rationale_id="aa",
        seen_message_id=4,
        pairs_put=1,
    )
    health = CallRecord(T0, None, None, "health", "openai", "m", "plain", 1, 5)
    for call in (first, second, health):
        database.run(reasoning_calls.record, call)
    assert database.run(reasoning_calls.of_dispute, D1) == [first, second]
    assert database.run(reasoning_calls.of_session, session) == [second]


def test_standing_is_kept_over_restarts(database: Database) -> None:
    assert database.run(standing.load, NODE) is None
    for state, probe in product(StandingState, (None, T0 + 60)):
        ours = Standing(state, T0, 3, 420, probe, T0 - 5, "bb" * 32)
        database.run(standing.save, NODE, ours)
        database.reopen()
        assert database.run(standing.load, NODE) == ours
    assert database.run(standing.load, "cc" * 32) is None


def test_the_last_answer_is_the_newest_of_this_node(database: Database) -> None:
    assert database.run(standing.last_answer, NODE) is None
    for number in (1, 2, 3):
        database.record(revision(number), audience=audience(1))
    database.run(_answered, 1, TakeState.TAKEN, None, T0 + 5)
    database.run(_answered, 2, TakeState.REFUSED, "invalid_pubkey", T0 + 9)
    database.run(_answered, 3, TakeState.NO_ANSWER, "node_offline", T0 + 20)
    last = database.run(standing.last_answer, NODE)
    assert last == LastAnswer(dispute_id(2), False, "invalid_pubkey", T0 + 9)
    assert database.run(standing.last_answer, "cc" * 32) is None


def _answered(
    tx: sa.Connection, number: int, state: TakeState, reason: str | None, at: int
) -> None:
    take = takes.begin(tx, dispute_id(number), None, now=T0, deadline_at=T0 + 30)
    takes.finish(tx, take, state, reason, at)


def test_a_held_dispute_is_not_a_session(database: Database) -> None:
    hold(database)
    assert database.one("SELECT count(*) FROM mediation_sessions") == 0
