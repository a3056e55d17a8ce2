"""What a final report is made from: substance only, the newest session, whatever stands there."""

from typing import Any, Final

import pytest
from tests.store.mediation_rig import BUYER, LABEL, PINS, Talk, hold, opened, pair, session_id
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.model.mediation import StartTrigger, StopReason, Trigger, VerdictDecision
from serbero.model.reasoning import Classification
from serbero.store import (
    escalations,
    mediation_events,
    resolution_report,
    session_messages,
    session_moves,
    start_events,
)
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import FailedCall, Label, Report
from serbero.store.resolution_report import NoSession, ReportContext
from serbero.store.session_moves import EndCause

D1: Final = dispute_id(1)
OTHER: Final = Label(Classification.UNCLEAR, 0.31)


def context(database: Database) -> ReportContext | None:
    return database.run(resolution_report.context, D1)


@pytest.fixture
def detected(database: Database) -> Database:
    database.record(revision(1), audience=audience(1))
    return database


def test_nothing_without_mediation(detected: Database) -> None:
    assert context(detected) is None


def test_bookkeeping_is_no_substance(detected: Database) -> None:
    call = FailedCall("openai", "m", "timeout")
    for _ in range(3):
        detected.run(start_events.start_attempt_started, D1, StartTrigger.DETECTED, T0)
        detected.run(mediation_events.reasoning_call_failed, D1, call, T0, pins=PINS)
        detected.run(start_events.start_attempt_stopped, D1, StopReason.REASONING_UNHEALTHY, T0)
    assert context(detected) is None


def verdict(database: Database, decision: VerdictDecision, label: Label = LABEL) -> None:
    database.run(
        start_events.reasoning_verdict, D1, decision, label, T0, pins=PINS, rationale_id=None
    )


@pytest.mark.parametrize("decision", VerdictDecision)
@pytest.mark.parametrize("failure", [None, "refused"])
@pytest.mark.parametrize("escalated", [False, True])
def test_why_there_is_no_session(
    detected: Database, decision: VerdictDecision, failure: str | None, *, escalated: bool
) -> None:
    verdict(detected, VerdictDecision.ASK_CLARIFICATION, OTHER)
    verdict(detected, decision)
    if failure:
        detected.run(start_events.take_dispute_issued, D1, T0, pins=PINS, failure=failure)
    if escalated:
        handoff = Handoff(Trigger.LOW_CONFIDENCE)
        detected.run(escalations.escalate_dispute, D1, handoff, PINS, T0)
    why = NoSession.UNSAID
    if failure:
        why = NoSession.TAKE_FAILED
    elif escalated or decision == "escalate":
        why = NoSession.ESCALATED_BEFORE
    assert context(detected) == ReportContext(None, None, LABEL, 0, why)


def test_a_hand_off_of_a_failed_model_has_no_label(detected: Database) -> None:
    handoff = Handoff(Trigger.REASONING_UNAVAILABLE)
    detected.run(escalations.escalate_dispute, D1, handoff, PINS, T0)
    assert context(detected) == ReportContext(None, None, None, 0, NoSession.ESCALATED_BEFORE)


def test_the_newest_session_and_its_state_after_the_end(database: Database) -> None:
    session = opened(database)
    end = EndCause.RESOLVED
    database.run(session_moves.end_sessions, D1, end, T0, event_id="e", status="settled")
    assert context(database) == ReportContext(session, "closed", LABEL, 2, None)


def test_who_was_written_to_is_counted_once(database: Database) -> None:
    session = opened(database)
    Talk(database, session).hears(BUYER)
    database.run(session_messages.put_pair, session, pair(session, 2), T0 + 5)
    found = context(database)
    assert found is not None
    assert found.messaged == 2
    # A second session nobody was written to in.
    database.rows("UPDATE mediation_sessions SET state = 'closed' RETURNING 1")
    hold(database, 2)
    database.rows(
        "INSERT INTO mediation_sessions (session_id, dispute_id, state, prompt_bundle_id,"
        " policy_hash, started_at, last_transition_at)"
        " VALUES (?, ?, 'closed', 'b', 'h', ?, ?) RETURNING 1",
        session_id(2),
        D1,
        T0 + 10,
        T0 + 10,
    )
    found = context(database)
    assert found == ReportContext(session_id(2), "closed", LABEL, 0, None)


WRITTEN_BY_HAND: Final[list[Any]] = [
    "not json",
    "[]",
    "null",
    "[" * 100_000,
    '{"dispute_id": 7}',
    '{"classification": "unclear", "confidence": true}',
    '{"classification": "nonsense", "confidence": 0.5}',
    '{"classification": ["unclear"], "confidence": 0.5}',
    '{"classification": "unclear", "confidence": ' + "9" * 400 + "}",
    '{"confidence": 0.5}',
]


@pytest.mark.parametrize("payload", WRITTEN_BY_HAND, ids=range(len(WRITTEN_BY_HAND)))
def test_a_row_written_by_hand_silences_no_report(database: Database, payload: str) -> None:
    session = opened(database)
    for of in (None, session):
        for kind in ("classification_produced", "reasoning_verdict", "handoff_prepared"):
            database.rows(
                "INSERT INTO mediation_events (session_id, kind, payload_json, occurred_at)"
                " VALUES (?, ?, ?, 1) RETURNING 1",
                of,
                kind,
                payload,
            )
    database.reopen()
    found = context(database)
    assert found is not None
    assert (found.session_id, found.label) == (session, LABEL)


def test_the_report_is_on_the_trail_in_the_scope_of_its_session(database: Database) -> None:
    session = opened(database)
    for of in (None, session):
        report = Report(D1, of, "settled", "Dispute closed.", 2, None if of else LABEL)
        database.run(mediation_events.resolved_externally_reported, report, T0)
    rows = database.rows(
        "SELECT session_id, payload_json, policy_hash FROM mediation_events"
        " WHERE kind = 'resolved_externally_reported' ORDER BY id"
    )
    assert [row[0] for row in rows] == [None, session]
    assert [row[2] for row in rows] == [None, None]
    assert rows[0][1] == (
        '{"classification":"coordination_failure_resolvable","confidence":0.8,'
        f'"dispute_id":"{D1}","final_dispute_status":"settled","narrative":"Dispute closed.",'
        '"outbound_party_messages_count":2,"session_id":null}'
    )
    assert '"classification":null,"confidence":null' in rows[1][1]
