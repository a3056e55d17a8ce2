"""Mediation rows of the reference are taken up, and it finds its own columns in ours."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.store import reference_databases as reference
from tests.store.mediation_rig import ADDRESS, BUYER, PINS, SELLER, opened
from tests.store.rig import T0, Database, audience, dispute_id, key, revision

from serbero.model.mediation import AuditKind, SessionState, Trigger
from serbero.model.party import Party
from serbero.store import (
    audit_trail,
    eligibility,
    escalations,
    resolution_report,
    session_messages,
    session_moves,
    sessions,
    transcripts,
)
from serbero.store.eligibility import Ineligible
from serbero.store.escalations import Handoff
from serbero.store.resolution_report import NoSession
from serbero.store.session_messages import Arrived, Intake
from serbero.store.session_moves import EndCause

NOW: Final = T0 + 10_000
OPEN, ESCALATED, SUMMARIZED, BEFORE, REFUSED = (dispute_id(each) for each in range(201, 206))
DISPUTES: Final = (OPEN, ESCALATED, SUMMARIZED, BEFORE, REFUSED)
STATES: Final = {
    OPEN: "awaiting_response",
    ESCALATED: "escalation_recommended",
    SUMMARIZED: "closed",
}


@pytest.fixture(params=[3, 4, 5])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file as the reference leaves it, with sessions and trails in it."""
    path = tmp_path / "serbero.db"
    reference.create(path, request.param, rows=False)
    connection = reference.connect(path)
    for number, dispute in enumerate(DISPUTES):
        row = (dispute, key(number), reference.NODE, "buyer", "initiated", T0 + number, T0 + 9)
        connection.execute(reference.INSERT_DISPUTE, row)
        connection.execute(reference.SET_STATE, ("notified", T0 + 9, dispute))
    for dispute, state in STATES.items():
        write_session(connection, dispute, state)
        event(connection, None, "take_dispute_issued", dispute_id=dispute, outcome="success")
        event(connection, f"s {dispute}", "session_opened")
        event(
            connection,
            f"s {dispute}",
            "classification_produced",
            classification="unclear",
            confidence=0.55,
            rationale_id="r",
        )
    write_words(connection, f"s {OPEN}")
    event(connection, None, "reasoning_verdict", decision="escalate", dispute_id=BEFORE)
    event(connection, None, "escalation_recommended", dispute_id=BEFORE, trigger="low_confidence")
    event(connection, None, "handoff_prepared", dispute_id=BEFORE, trigger="low_confidence")
    event(connection, None, "reasoning_verdict", decision="ask_clarification", dispute_id=REFUSED)
    event(connection, None, "take_dispute_issued", dispute_id=REFUSED, outcome="failure")
    connection.execute(
        "INSERT INTO mediation_events (kind, payload_json, occurred_at)"
        " VALUES ('handoff_prepared', 'typed by hand', 1)"
    )
    connection.close()
    return path


def write_session(connection: Any, dispute: str, state: str) -> None:
    connection.execute(
        "INSERT INTO mediation_sessions (session_id, dispute_id, state, round_count,"
        " prompt_bundle_id, policy_hash, buyer_shared_pubkey, seller_shared_pubkey, started_at,"
        " last_transition_at) VALUES (?, ?, ?, 1, 'phase3-default', 'hh', 'bb', 'ss', ?, ?)",
        (f"s {dispute}", dispute, state, T0 + 20, T0 + 30),
    )


def write_words(connection: Any, session: str) -> None:
    said = [
        ("outbound", "buyer", "bb", 21, "Buyer: what?", 0),
        ("outbound", "seller", "ss", 21, "Seller: what?", 0),
        ("inbound", "buyer", "bb", 25, "mine", 0),
        ("inbound", "buyer", "bb", 24, "older", 1),
        ("inbound", "seller", "ss", 26, "theirs", 0),
        ("outbound", "buyer", "bb", 40, "Round 1. Buyer: and?", 0),
        ("outbound", "seller", "ss", 40, "Round 1. Seller: and?", 0),
        ("inbound", "seller", "ss", 45, "again", 0),
    ]
    for number, (direction, party, address, at, words, stale) in enumerate(said):
        connection.execute(
            "INSERT INTO mediation_messages (session_id, direction, party, shared_pubkey,"
            " inner_event_id, inner_event_created_at, outer_event_id, content, persisted_at,"
            " stale) VALUES (?, ?, ?, ?, ?, ?, 'outer', ?, ?, ?)",
            (session, direction, party, address, f"i{number}", T0 + at, words, T0 + at + 1, stale),
        )


def event(connection: Any, session: str | None, kind: str, **payload: object) -> None:
    connection.execute(
        "INSERT INTO mediation_events (session_id, kind, payload_json, occurred_at)"
        " VALUES (?, ?, ?, ?)",
        (session, kind, json.dumps(payload), T0 + 21),
    )


def test_an_open_session_goes_on(path: Path) -> None:
    database = Database(path, NOW)
    [live] = database.run(sessions.live)
    assert (live.dispute_id, live.pairs_put, live.fresh, live.taken_at) == (OPEN, 2, 3, T0 + 20)
    assert (live.pins.policy_hash, live.round_count) == ("hh", 1)
    assert (live.buyer.fresh, live.seller.fresh) == (1, 2)
    assert (live.buyer.open_question, live.seller.open_question) == (True, False)
    assert (live.buyer.asked_at, live.buyer.answered_at) == (T0 + 41, T0 + 26)
    # Its evaluator never came to the last words: it is due at once.
    assert [each.session_id for each in database.run(sessions.due_for_evaluation, NOW, 9)] == [
        live.session_id
    ]
    lines = database.run(transcripts.fresh, live.session_id)
    assert [line.text for line in lines] == [
        "Buyer: what?",
        "Seller: what?",
        "mine",
        "theirs",
        "Round 1. Buyer: and?",
        "Round 1. Seller: and?",
        "again",
    ]
    said = Arrived(live.session_id, BUYER, "bb", "i9", T0 + 60, "o9", "answer")
    again = Arrived(live.session_id, BUYER, "bb", "i2", T0 + 25, "o2", "mine")
    assert database.run(session_messages.take_in, again, NOW, 5) is Intake.DUPLICATE
    assert database.run(session_messages.take_in, said, NOW, 5) is Intake.FRESH
    now = database.run(sessions.load, live.session_id)
    assert now is not None
    assert (now.round_count, now.open_question) == (2, False)
    database.close()


def test_what_may_be_started_is_as_the_reference_left_it(path: Path) -> None:
    database = Database(path, NOW)
    judged = {each: database.run(eligibility.judge, each, NOW) for each in DISPUTES}
    assert judged[OPEN] is Ineligible.IN_SESSION
    assert judged[ESCALATED] is Ineligible.IN_SESSION
    assert judged[SUMMARIZED] is Ineligible.HAD_SESSION
    assert judged[BEFORE] is Ineligible.ESCALATED
    assert [each.dispute_id for each in database.run(eligibility.candidates, NOW, 99)] == [REFUSED]
    handoff = Handoff(Trigger.LOW_CONFIDENCE)
    assert database.run(escalations.escalate_dispute, BEFORE, handoff, PINS, NOW) is None
    database.close()


def test_reports_are_made_from_its_rows(path: Path) -> None:
    """The row typed by hand disturbs none."""
    database = Database(path, NOW)
    found = {}
    for dispute in DISPUTES:
        context = database.run(resolution_report.context, dispute)
        assert context is not None
        found[dispute] = context
    label = found[OPEN].label
    assert label is not None
    assert (label.classification, label.confidence) == ("unclear", 0.55)
    assert (found[OPEN].messaged, found[ESCALATED].messaged) == (2, 0)
    assert found[BEFORE].no_session is NoSession.ESCALATED_BEFORE
    assert found[REFUSED].no_session is NoSession.TAKE_FAILED
    database.close()


def test_its_sessions_end_with_their_disputes(path: Path) -> None:
    """Those it escalated stayed open for ever."""
    database = Database(path, NOW)
    for dispute in STATES:
        database.run(
            session_moves.end_sessions,
            dispute,
            EndCause.RESOLVED,
            NOW,
            event_id="e",
            status="settled",
        )
    assert database.rows("SELECT DISTINCT state FROM mediation_sessions") == [("closed",)]
    database.close()


def test_its_rows_stay_as_they_are(path: Path) -> None:
    names = ("mediation_sessions", "mediation_messages", "mediation_events")
    before = reference.tables(path)
    Database(path, NOW).close()
    once = reference.tables(path)
    for name in names:
        width = len(before[name][0])
        assert [row[:width] for row in once[name]] == before[name]
    Database(path, NOW + 500).close()
    assert reference.tables(path) == once


def test_it_goes_on_where_we_stopped_and_we_again(tmp_path: Path) -> None:
    """What it wrote meanwhile is filed under its dispute, and its sessions get their facts."""
    path = tmp_path / "serbero.db"
    database = Database(path, T0)
    mine = opened(database)
    database.record(revision(2), revision(3), audience=audience(1))
    database.close()

    connection = reference.connect(path)
    # Its own questions of a session, over our rows.
    assert connection.execute(
        "SELECT state, round_count, round_count_last_evaluated, consecutive_eval_failures FROM"
        " mediation_sessions WHERE session_id = ?",
        (mine,),
    ).fetchall() == [("awaiting_response", 0, 0, 0)]
    labels = connection.execute(
        "SELECT m.direction, CASE m.shared_pubkey WHEN s.buyer_shared_pubkey THEN 'buyer' WHEN"
        " s.seller_shared_pubkey THEN 'seller' END FROM mediation_messages m JOIN"
        " mediation_sessions s USING (session_id) ORDER BY m.id"
    ).fetchall()
    assert labels == [("outbound", "buyer"), ("outbound", "seller")]
    write_session(connection, dispute_id(2), "awaiting_response")
    write_words(connection, f"s {dispute_id(2)}")
    event(connection, None, "escalation_recommended", dispute_id=dispute_id(3), trigger="x")
    connection.close()

    again = Database(path, NOW)
    assert {each.dispute_id: each.pairs_put for each in again.run(sessions.live)} == {
        dispute_id(1): 1,
        dispute_id(2): 2,
    }
    assert again.run(eligibility.judge, dispute_id(3), NOW) is Ineligible.ESCALATED
    taken = again.run(audit_trail.newest_of_dispute, dispute_id(1), AuditKind.TAKE_DISPUTE_ISSUED)
    assert taken is not None
    again.close()


def test_the_references_words_for_states_and_sides() -> None:
    assert {each.value for each in Party} == {"buyer", "seller"}
    assert set(STATES.values()) < {each.value for each in SessionState}
    assert set(ADDRESS) == {BUYER, SELLER}
