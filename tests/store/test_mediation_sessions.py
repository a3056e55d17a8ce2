"""Sessions begin, move and end as the table says, each with its event, or nothing is written."""

import json
from itertools import product

import pytest
from tests.store.mediation_rig import (
    BUYER,
    PINS,
    SELLER,
    Talk,
    hold,
    kinds,
    new_session,
    opened,
    session_id,
    state,
)
from tests.store.rig import SENDER, T0, Database, audience, dispute_id, key, revision

from serbero.model.mediation import LIVE, SESSION_TRANSITIONS, SessionState, Trigger
from serbero.model.taking import Release
from serbero.store import (
    escalations,
    parties,
    session_moves,
    sessions,
    start_events,
)
from serbero.store.escalations import Escalated, Handoff
from serbero.store.parties import NewParties
from serbero.store.session_moves import EndCause, Ended, Moved, MoveRefused, OpenRefusal

S = SessionState


def put_in(database: Database, session: str, wanted: S) -> None:
    """What no function of ours would do: any state, at once."""
    database.rows(
        "UPDATE mediation_sessions SET state = ? WHERE session_id = ? RETURNING 1", wanted, session
    )


def end(database: Database, dispute: str, cause: EndCause = EndCause.RESOLVED) -> list[Ended]:
    return database.run(
        session_moves.end_sessions, dispute, cause, T0 + 90, event_id="ee" * 32, status="settled"
    )


def test_a_session_begins_with_its_pins(database: Database) -> None:
    session = opened(database)
    assert database.rows(
        "SELECT state, prompt_bundle_id, policy_hash, buyer_shared_pubkey, seller_shared_pubkey,"
        " started_at, last_transition_at, assigned_solver, current_classification,"
        " current_confidence FROM mediation_sessions"
    ) == [
        (
            "awaiting_response",
            PINS.bundle_id,
            PINS.policy_hash,
            "b0" * 32,
            "c0" * 32,
            T0,
            T0,
            SENDER,
            "coordination_failure_resolvable",
            0.8,
        )
    ]
    found = database.run(sessions.load, session)
    assert found is not None
    assert (found.taken_at, found.pairs_put, found.evaluations) == (T0, 1, 0)
    assert found.opening_event_id == revision(1).event_id
    assert found.pins == PINS


def test_events_of_an_opening_are_in_order(database: Database) -> None:
    """Verdict, take, session, classification: by their ids, over both scopes."""
    opened(database)
    found = [kind for (kind,) in database.rows("SELECT kind FROM mediation_events ORDER BY id")]
    assert found == [
        "reasoning_verdict",
        "take_dispute_issued",
        "session_opened",
        "classification_produced",
    ]


def test_no_session_of_a_dispute_that_is_not_held(database: Database) -> None:
    database.record(revision(1), audience=audience(1))
    new = new_session(dispute_id(1))
    assert database.run(session_moves.open_session, new, T0) is OpenRefusal.NOT_HELD
    hold(database, 2)
    database.run(parties.release, dispute_id(2), Release.TAKEOVER, T0 + 1)
    new = new_session(dispute_id(2))
    assert database.run(session_moves.open_session, new, T0 + 2) is OpenRefusal.NOT_HELD
    assert database.one("SELECT count(*) FROM mediation_sessions") == 0
    assert database.one("SELECT count(*) FROM session_facts") == 0


@pytest.mark.parametrize("failure", [None, "refused"])
def test_no_session_without_a_take_on_the_trail(database: Database, failure: str | None) -> None:
    database.record(revision(1), audience=audience(1))
    dispute = dispute_id(1)
    held = NewParties(
        dispute, "order", key(3), key(4), "buyer", {}, None, own_key=SENDER, answered_at=T0
    )
    database.run(parties.save, held, T0)
    if failure is not None:
        database.run(start_events.take_dispute_issued, dispute, T0, pins=PINS, failure=failure)
    new = new_session(dispute)
    assert database.run(session_moves.open_session, new, T0) is OpenRefusal.NOT_TAKEN
    assert database.one("SELECT count(*) FROM mediation_sessions") == 0


@pytest.mark.parametrize("there", ["escalated", "resolved"])
def test_no_session_of_a_dispute_that_was_closed_meanwhile(database: Database, there: str) -> None:
    hold(database)
    database.rows("UPDATE disputes SET lifecycle_state = ? RETURNING 1", there)
    new = new_session(dispute_id(1))
    assert database.run(session_moves.open_session, new, T0) is OpenRefusal.NOT_HELD


def test_one_verdict_stands(database: Database) -> None:
    """Two attempts at once must not leave a hand-off and a session of one dispute."""
    handoff = Handoff(Trigger.FRAUD_INDICATOR)
    first, second = hold(database, 1), hold(database, 2)
    assert database.run(escalations.escalate_dispute, first, handoff, PINS, T0)
    said = database.run(session_moves.open_session, new_session(first, 1), T0)
    assert said is OpenRefusal.ESCALATED
    said = database.run(session_moves.open_session, new_session(second, 2), T0)
    assert said is S.AWAITING_RESPONSE
    assert database.run(escalations.escalate_dispute, second, handoff, PINS, T0) is None
    assert database.one("SELECT count(*) FROM dispute_events WHERE kind = 'handoff_prepared'") == 1


@pytest.mark.parametrize("before", S)
def test_a_second_session_waits_for_the_end_of_the_first(database: Database, before: S) -> None:
    opened(database)
    put_in(database, session_id(), before)
    new = new_session(dispute_id(1), 2)
    said = database.run(session_moves.open_session, new, T0 + 5)
    if before in (S.CLOSED, S.SUPERSEDED_BY_HUMAN):
        assert said is S.AWAITING_RESPONSE
    else:
        assert said is OpenRefusal.ALREADY_OPEN
        assert database.one("SELECT count(*) FROM mediation_sessions") == 1


@pytest.mark.parametrize(("before", "wanted"), list(product(S, S)))
def test_only_legal_moves_are_written(database: Database, before: S, wanted: S) -> None:
    session = opened(database)
    put_in(database, session, before)
    unmoved = database.dump()
    said = database.run(session_moves.move, session, wanted, T0 + 7)
    if wanted in SESSION_TRANSITIONS[before]:
        assert said == Moved(session, dispute_id(1), PINS, before, wanted)
        assert state(database, session) == wanted
        assert database.one("SELECT last_transition_at FROM mediation_sessions") == T0 + 7
    else:
        assert said == MoveRefused(before, wanted)
        assert str(said) == f"invalid state transition: {before} -> {wanted}"
        assert database.dump() == unmoved


def test_a_move_of_no_session(database: Database) -> None:
    said = database.run(session_moves.advance, "nobody", S.CLASSIFIED, T0)
    assert said == MoveRefused(None, S.CLASSIFIED)
    assert str(said) == "invalid state transition: none -> classified"


def test_the_way_to_a_delivered_summary(database: Database) -> None:
    session = opened(database)
    steps: tuple[session_moves.Step, ...] = (S.CLASSIFIED, S.SUMMARY_PENDING)
    for step in steps:
        assert isinstance(database.run(session_moves.advance, session, step, T0 + 1), Moved)
    assert isinstance(database.run(session_moves.finish_summary, session, T0 + 2), Moved)
    assert state(database, session) == "closed"
    assert kinds(database, session)[2:] == ["state_transition"] * 3 + ["session_closed"]
    payloads = database.rows(
        "SELECT payload_json FROM mediation_events WHERE kind IN"
        " ('state_transition', 'session_closed') ORDER BY id"
    )
    assert [json.loads(text) for (text,) in payloads] == [
        {"from": "awaiting_response", "to": "classified"},
        {"from": "classified", "to": "summary_pending"},
        {"from": "summary_pending", "to": "summary_delivered"},
        {"dispute_id": dispute_id(1), "reason": "summary_delivered"},
    ]
    assert isinstance(database.run(session_moves.finish_summary, session, T0 + 3), MoveRefused)


@pytest.mark.parametrize("before", S)
def test_escalation_is_one_pair_or_nothing(database: Database, before: S) -> None:
    session = opened(database)
    put_in(database, session, before)
    unmoved = database.dump()
    handoff = Handoff(Trigger.ROUND_LIMIT, reason="rounds_used_up", evidence_refs=["1a"])
    said = database.run(escalations.escalate_session, session, handoff, T0 + 9)
    if before not in LIVE:
        assert said == MoveRefused(before, S.ESCALATION_RECOMMENDED)
        assert database.dump() == unmoved
        return
    assert isinstance(said, Escalated)
    assert state(database, session) == "escalation_recommended"
    [*_, recommended, prepared] = database.rows(
        "SELECT id, kind, payload_json, prompt_bundle_id, policy_hash, session_id"
        " FROM mediation_events ORDER BY id"
    )
    assert recommended[1] == "escalation_recommended"
    assert json.loads(recommended[2]) == {
        "dispute_id": dispute_id(1),
        "evidence_refs": ["1a"],
        "rationale_refs": [],
        "reason": "rounds_used_up",
        "session_id": session,
        "trigger": "round_limit",
    }
    assert prepared[:2] == (said.handoff_event_id, "handoff_prepared")
    assert prepared[2] == (
        f'{{"dispute_id":"{dispute_id(1)}","session_id":"{session}","trigger":"round_limit",'
        f'"evidence_refs":["1a"],"prompt_bundle_id":"{PINS.bundle_id}",'
        f'"policy_hash":"{PINS.policy_hash}","rationale_refs":[],"assembled_at":{T0 + 9}}}'
    )
    assert recommended[3:] == prepared[3:] == (PINS.bundle_id, PINS.policy_hash, session)
    again = database.run(escalations.escalate_session, session, handoff, T0 + 10)
    assert isinstance(again, MoveRefused)
    assert kinds(database, session).count("handoff_prepared") == 1


def test_a_dispute_is_escalated_once_before_any_session(database: Database) -> None:
    database.record(revision(1), revision(2), audience=audience(1))
    handoff = Handoff(Trigger.FRAUD_INDICATOR, rationale_refs=["2b"])
    first = database.run(escalations.escalate_dispute, dispute_id(1), handoff, PINS, T0)
    assert first is not None
    assert first.session_id is None
    assert database.run(escalations.escalate_dispute, dispute_id(1), handoff, PINS, T0 + 1) is None
    assert database.run(escalations.escalate_dispute, dispute_id(2), handoff, PINS, T0 + 1)
    found = database.rows("SELECT kind, payload_json FROM mediation_events ORDER BY id")
    assert [kind for kind, _ in found] == ["escalation_recommended", "handoff_prepared"] * 2
    assert "session_id" not in json.loads(found[1][1])
    assert list(json.loads(found[1][1])) == [
        "dispute_id",
        "trigger",
        "evidence_refs",
        "prompt_bundle_id",
        "policy_hash",
        "rationale_refs",
        "assembled_at",
    ]


def test_a_bundle_that_is_gone_names_both_hashes(database: Database) -> None:
    session = opened(database)
    handoff = Handoff(Trigger.POLICY_BUNDLE_MISSING, loaded_hash="cd" * 32)
    database.run(escalations.escalate_session, session, handoff, T0 + 1)
    payload = json.loads(
        database.one(
            "SELECT payload_json FROM mediation_events WHERE kind = 'escalation_recommended'"
        )
    )
    assert (payload["pinned_hash"], payload["loaded_hash"]) == (PINS.policy_hash, "cd" * 32)


@pytest.mark.parametrize("before", S)
def test_whatever_a_dispute_has_ends_with_it(database: Database, before: S) -> None:
    session = opened(database)
    put_in(database, session, before)
    told = len(kinds(database, session))
    ended = end(database, dispute_id(1))
    assert state(database, session) == "closed"
    if before is S.CLOSED:
        assert ended == []
        assert len(kinds(database, session)) == told
        return
    assert ended == [Ended(session, before)]
    expected = ["superseded_by_human"] * (before in LIVE) + ["session_closed"]
    assert kinds(database, session)[told:] == expected
    payloads = database.rows("SELECT payload_json FROM mediation_events ORDER BY id")
    told_now = [json.loads(text) for (text,) in payloads][-len(expected) :]
    reason = "dispute_resolved_externally"
    assert told_now[-1] == {"dispute_id": dispute_id(1), "reason": reason}
    if before in LIVE:
        assert told_now[0] == {
            "dispute_id": dispute_id(1),
            "event_id": "ee" * 32,
            "reason": reason,
            "resolution_status": "settled",
        }
    assert end(database, dispute_id(1)) == []


def test_a_session_that_ended_has_nothing_to_evaluate(database: Database) -> None:
    session = opened(database)
    Talk(database, session).hears(BUYER)
    assert database.run(sessions.next_evaluation_at) == T0 + 15
    end(database, dispute_id(1), EndCause.TAKEN_BY_HUMAN)
    assert database.run(sessions.next_evaluation_at) is None
    assert database.run(sessions.due_for_evaluation, T0 + 99, 10) == []


def test_a_transaction_that_fails_leaves_nothing_of_an_escalation(database: Database) -> None:
    session = opened(database)
    before = database.dump()

    def escalate_and_fail(tx: object) -> None:
        escalations.escalate_session(tx, session, Handoff(Trigger.ROUND_LIMIT), T0)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.run(escalate_and_fail)
    assert database.dump() == before


def test_a_restart_finds_every_session_that_is_ours(database: Database) -> None:
    for number, there in enumerate(S, start=1):
        put_in(database, opened(database, number), there)
    before = list(database.run(sessions.live))
    assert {each.state for each in before} == set(LIVE)
    database.reopen()
    assert database.run(sessions.live) == before


def test_who_may_be_spoken_to(database: Database) -> None:
    for number, there in enumerate(S, start=1):
        session = opened(database, number)
        put_in(database, session, there)
        expected = there in (S.OPENING, S.AWAITING_RESPONSE)
        assert database.run(sessions.may_speak, session) is expected
    assert not database.run(sessions.may_speak, "nobody")


def test_a_dispute_lists_its_sessions_newest_first(database: Database) -> None:
    opened(database)
    end(database, dispute_id(1))
    database.run(session_moves.open_session, new_session(dispute_id(1), 2), T0 + 100)
    opened(database, 7, T0 + 50)
    found = database.run(sessions.of_dispute, dispute_id(1))
    assert [each.session_id for each in found] == [session_id(2), session_id(1)]
    newest = database.run(sessions.newest, 2)
    assert [each.session_id for each in newest] == [session_id(2), session_id(7)]
    side = found[0].side(SELLER)
    assert (side.address, side.fresh, side.open_question) == ("c0" * 32, 0, False)
