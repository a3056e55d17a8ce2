"""Hand-offs, one transaction each: who gets them, what rests, what is written, what is not."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from tests.store.mediation_rig import PINS, hold, open_in
from tests.store.rig import NODE, T0, Database, key, revision

from serbero.delivery.settlement import Settlement
from serbero.escalation.dispatching import (
    DispatchRules,
    Outcome,
    conclude_stranded,
    dispatch,
    handoff_dead,
    handoff_sent,
)
from serbero.intake.announcing import Audience
from serbero.model.handoff import BadPackage, HandoffPackage, read_package, route_handoff
from serbero.model.lifecycle import DisputeStatus
from serbero.model.mediation import Trigger
from serbero.model.notification import Purpose
from serbero.model.people import Permission, Solver
from serbero.store import disputes, handoffs, node_info
from serbero.store.escalations import Handoff, escalate_dispute, escalate_session

SETTLEMENTS = {Purpose.HANDOFF: Settlement(on_sent=handoff_sent, on_dead=handoff_dead)}
DEADLINE = 86_400
WRITER, SECOND, READER = (
    Solver(key(11), key(11), permission=Permission.WRITE),
    Solver(key(12), key(12), permission=Permission.WRITE),
    Solver(key(13), key(13)),
)
BROKEN = Solver("npub1nothing", None, problem="not a key", permission=Permission.WRITE)


@dataclass
class Case:
    """A database with disputes to hand over."""

    database: Database
    people: tuple[Solver, ...] = (WRITER, SECOND, READER)
    fallback: bool = False
    max_age: int = 0

    @property
    def rules(self) -> DispatchRules:
        audience = Audience("bb" * 32, self.people, DEADLINE)
        return DispatchRules(audience, self.fallback, self.max_age)

    def escalated(self, number: int = 1, *, session: bool = True) -> tuple[str, int]:
        """A dispute that was handed over; returns its id and the hand-off's event."""
        dispute = hold(self.database, number)
        handoff = Handoff(Trigger.CONFLICTING_CLAIMS, evidence_refs=["ee" * 32])
        if session:
            session_id = self.database.run(open_in, dispute, number, T0)
            self.database.run(escalate_session, session_id, handoff, T0 + 5)
        else:
            self.database.run(escalate_dispute, dispute, handoff, PINS, T0 + 5)
        query = "SELECT max(id) FROM mediation_events WHERE kind = 'handoff_prepared'"
        return dispute, int(self.database.one(query))

    def dispatch(self, event_id: int, now: int = T0 + 10) -> Outcome:
        return self.database.run(dispatch, self.rules, event_id, now * 1000)

    def cycle(self, now: int = T0 + 10) -> list[Outcome]:
        """What one look of the dispatcher does."""
        ids = self.database.run(handoffs.due, 128)
        done = [self.dispatch(each, now) for each in ids]
        self.database.run(conclude_stranded, now)
        return done

    def deliver(self, *, delivered: bool = True, now: int = T0 + 11) -> None:
        claimed = self.database.claim(now, settlements=SETTLEMENTS)
        self.database.answer(claimed, delivered=delivered, now=now, settlements=SETTLEMENTS)

    def sent(self, dispute: str) -> list[str]:
        rows = self.database.rows(
            "SELECT recipient FROM outbox WHERE dispute_id = ? AND purpose = 'escalation_handoff'"
            " ORDER BY id",
            dispute,
        )
        return [each for (each,) in rows]

    def dispatches(self) -> list[dict[str, Any]]:
        names = (
            "dispute_id", "session_id", "handoff_event_id", "target_solver", "dispatched_at",
            "created_at", "status", "fallback_broadcast", "dispatch_id",
        )  # fmt: skip
        rows = self.database.rows(f"SELECT {', '.join(names)} FROM escalation_dispatches")  # noqa: S608
        return [dict(zip(names, row, strict=True)) for row in rows]

    def events(self, kind: str) -> list[dict[str, Any]]:
        rows = self.database.rows(
            "SELECT payload_json FROM mediation_events WHERE kind = ? ORDER BY id", kind
        )
        return [json.loads(text) for (text,) in rows]

    def plant(self, payload: str, session_id: str | None = None) -> int:
        """A hand-off another program wrote, taken up as at an open."""
        with self.database.engine.begin() as tx:
            cursor = tx.exec_driver_sql(
                "INSERT INTO mediation_events (session_id, kind, payload_json, occurred_at)"
                " VALUES (?, 'handoff_prepared', ?, ?)",
                (session_id, payload, T0),
            )
            event_id = int(cursor.lastrowid)
        self.database.run(handoffs.take_up)
        return event_id


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    database = Database(tmp_path / "serbero.db")
    yield Case(database)
    database.close()


def test_every_writer_gets_it_and_the_row_follows_the_first_success(case: Case) -> None:
    dispute, event_id = case.escalated()
    assert case.cycle() == [Outcome.ENQUEUED]
    assert case.sent(dispute) == [key(11), key(12)]
    assert case.dispatches() == []
    case.deliver()
    [row] = case.dispatches()
    assert row["target_solver"] == f"{key(11)},{key(12)}"
    assert (row["status"], row["fallback_broadcast"]) == ("dispatched", 0)
    assert row["dispatched_at"] == row["created_at"] == T0 + 10
    [event] = case.events("escalation_dispatched")
    assert event == {
        "dispatch_id": row["dispatch_id"],
        "dispute_id": dispute,
        "fallback_broadcast": False,
        "handoff_event_id": event_id,
        "status": "dispatched",
        "target_solver": row["target_solver"],
    }
    types = case.database.rows(
        "SELECT DISTINCT notif_type, status FROM notifications WHERE notif_type <> 'initial'"
    )
    assert types == [("mediation_escalation_recommended", "sent")]


def test_once_however_often_it_is_looked_for(case: Case) -> None:
    dispute, _ = case.escalated()
    case.cycle()
    case.deliver()
    before = case.database.dump()
    for later in range(5):
        assert case.cycle(T0 + 100 + later) == []
    assert case.database.dump() == before
    case.database.reopen()
    assert case.cycle(T0 + 200) == []
    assert len(case.sent(dispute)) == 2


def test_a_restart_between_enqueueing_and_the_first_success(case: Case) -> None:
    dispute, _ = case.escalated()
    case.cycle()
    case.database.reopen()
    assert case.cycle() == []
    case.deliver()
    assert [each["status"] for each in case.dispatches()] == ["dispatched"]
    assert len(case.sent(dispute)) == 2


def test_the_message_to_the_letter(case: Case) -> None:
    dispute, _ = case.escalated()
    case.people = (WRITER,)
    case.cycle()
    [(rumor,)] = case.database.rows(
        "SELECT rumor_json FROM outbox WHERE purpose = 'escalation_handoff'"
    )
    session = case.dispatches() or case.database.one("SELECT session_id FROM mediation_sessions")
    text = json.loads(rumor)["content"].replace(dispute, "DISPUTE").replace(session, "SESSION")
    assert text == snapshot(
        """\
escalation_handoff/v1
Dispute: DISPUTE
Session: SESSION
Trigger: conflicting_claims

Escalation required for dispute DISPUTE. Trigger: conflicting_claims. This dispute was evaluated by Serbero's mediation assistance system and requires human judgment. Please run TakeDispute for dispute DISPUTE on your Mostro instance to review the full context.

Handoff payload (JSON):
{"dispute_id":"DISPUTE","session_id":"SESSION","trigger":"conflicting_claims","evidence_refs":["eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee"],"prompt_bundle_id":"phase3-default","policy_hash":"abababababababababababababababababababababababababababababababab","rationale_refs":[],"assembled_at":1767225605}\
"""  # noqa: E501
    )


def test_without_a_session_the_third_line_says_so(case: Case) -> None:
    dispute, _ = case.escalated(session=False)
    case.cycle()
    [(rumor,), _second] = case.database.rows(
        "SELECT rumor_json FROM outbox WHERE purpose = 'escalation_handoff'"
    )
    lines = json.loads(rumor)["content"].split("\n")
    assert lines[2] == "Session: <none — dispute-scoped handoff>"
    assert "session_id" not in json.loads(lines[-1])
    assert json.loads(lines[-1])["dispute_id"] == dispute
    case.deliver()
    assert case.dispatches()[0]["session_id"] is None


def test_the_assigned_solver_alone_if_it_may_write(case: Case) -> None:
    dispute, event_id = case.escalated()
    case.database.run(disputes.set_assigned_solver, dispute, key(12))
    case.dispatch(event_id)
    assert case.sent(dispute) == [key(12)]


def test_an_assigned_reader_counts_for_nothing(case: Case) -> None:
    dispute, event_id = case.escalated()
    case.database.run(disputes.set_assigned_solver, dispute, key(13))
    case.dispatch(event_id)
    assert case.sent(dispute) == [key(11), key(12)]


def test_a_closed_dispute_is_superseded_once_and_wakes_with_it(case: Case) -> None:
    dispute, _ = case.escalated()
    closed = revision(1, DisputeStatus.SETTLED, at=T0 + 7)
    case.database.record(closed, audience=case.rules.audience, now=T0 + 7)
    assert case.cycle() == [Outcome.SUPERSEDED]
    for _ in range(3):
        assert case.cycle() == []
    assert len(case.events("escalation_superseded")) == 1
    assert (case.sent(dispute), case.dispatches()) == ([], [])
    back = revision(1, DisputeStatus.IN_PROGRESS, at=T0 + 60)
    case.database.record(back, audience=case.rules.audience, now=T0 + 60)
    assert case.database.run(handoffs.wake_dispute, dispute) == 1
    assert case.cycle(T0 + 61) == [Outcome.ENQUEUED]


def test_nothing_is_recalled_when_it_is_closed_afterwards(case: Case) -> None:
    dispute, _ = case.escalated()
    case.cycle()
    case.deliver()
    closed = revision(1, DisputeStatus.SETTLED, at=T0 + 70)
    case.database.record(closed, audience=case.rules.audience, now=T0 + 70)
    assert case.cycle(T0 + 80) == []
    assert len(case.sent(dispute)) == 2


def test_without_a_writer_it_rests_until_there_is_one(case: Case) -> None:
    dispute, _ = case.escalated()
    case.people = (READER,)
    assert case.cycle() == [Outcome.UNROUTABLE]
    assert case.cycle() == []
    [event] = case.events("escalation_dispatch_unroutable")
    assert event["configured_solver_count"] == 1
    assert event["fallback_to_all_solvers"] is False
    case.database.reopen()
    case.people = (READER, WRITER)
    assert case.database.run(handoffs.wake_unroutable) == 1
    assert case.cycle() == [Outcome.ENQUEUED]
    assert case.sent(dispute) == [key(11)]


def test_it_is_named_unroutable_once_over_restarts(case: Case) -> None:
    case.escalated()
    case.people = ()
    case.cycle()
    case.database.run(handoffs.wake_unroutable)
    assert case.cycle() == [Outcome.UNROUTABLE]
    assert len(case.events("escalation_dispatch_unroutable")) == 1


def test_the_fallback_reaches_everybody(case: Case) -> None:
    dispute, _ = case.escalated()
    case.people, case.fallback = (READER,), True
    case.cycle()
    case.deliver()
    assert case.sent(dispute) == [key(13)]
    assert case.dispatches()[0]["fallback_broadcast"] == 1
    assert case.events("escalation_dispatched")[0]["fallback_broadcast"] is True


def test_a_fallback_without_anybody_is_no_route(case: Case) -> None:
    case.escalated()
    case.people, case.fallback = (), True
    assert case.cycle() == [Outcome.UNROUTABLE]
    assert case.events("escalation_dispatch_unroutable")[0]["configured_solver_count"] == 0


@pytest.mark.parametrize(
    ("payload", "named", "detail"),
    [
        ("not json", "unknown", "expected JSON"),
        ("[]", "unknown", "expected an object"),
        ('{"dispute_id":"d","trigger":7}', "d", "expected a string: trigger"),
        ("[" * 100_000, "unknown", "expected JSON"),
    ],
)
def test_what_cannot_be_read_is_named_and_consumed(
    case: Case, payload: str, named: str, detail: str
) -> None:
    event_id = case.plant(payload)
    dispute, _ = case.escalated()
    assert case.cycle() == [Outcome.PARSE_FAILED, Outcome.ENQUEUED]
    [event] = case.events("escalation_dispatch_parse_failed")
    assert event == {
        "detail": detail,
        "dispute_id": named,
        "handoff_event_id": event_id,
        "reason": "deserialize_failed",
    }
    case.database.reopen()
    assert case.cycle() == []
    assert len(case.sent(dispute)) == 2


def package(**changes: object) -> str:
    values: dict[str, object] = {
        "dispute_id": "d1", "trigger": "fraud_indicator", "evidence_refs": [],
        "prompt_bundle_id": "phase3-default", "policy_hash": "ab", "rationale_refs": [],
        "assembled_at": 1,
    }  # fmt: skip
    return json.dumps(values | changes)


def test_an_unknown_dispute_is_an_orphan(case: Case) -> None:
    case.plant(package())
    assert case.cycle() == [Outcome.PARSE_FAILED]
    [event] = case.events("escalation_dispatch_parse_failed")
    assert (event["reason"], event["dispute_id"]) == ("orphan_dispute_reference", "d1")


def test_a_payload_with_a_sentence_in_it_reaches_nobody(case: Case) -> None:
    """Whoever writes into the database must not speak through us."""
    dispute = hold(case.database)
    case.plant(package(dispute_id=dispute, trigger="please send me your key"))
    assert case.cycle() == [Outcome.PARSE_FAILED]
    assert case.sent(dispute) == []
    assert "please" not in repr(case.events("escalation_dispatch_parse_failed"))


def test_every_key_malformed_is_a_failed_dispatch(case: Case) -> None:
    case.escalated()
    case.people = (BROKEN,)
    assert case.cycle() == [Outcome.SEND_FAILED]
    [row] = case.dispatches()
    assert (row["status"], row["target_solver"]) == ("send_failed", "npub1nothing")
    statuses = case.database.rows("SELECT status, notif_type FROM notifications")
    assert ("failed", "mediation_escalation_recommended") in statuses
    assert case.cycle() == []


def test_one_good_key_of_two_is_a_dispatch_to_both(case: Case) -> None:
    case.escalated()
    case.people = (BROKEN, WRITER)
    case.cycle()
    case.deliver()
    assert case.dispatches()[0]["target_solver"] == f"npub1nothing,{key(11)}"
    assert case.dispatches()[0]["status"] == "dispatched"


def test_what_dies_everywhere_is_a_failed_dispatch(case: Case) -> None:
    case.escalated()
    case.cycle()
    case.deliver(delivered=False)
    case.database.claim(T0 + DEADLINE + 100, settlements=SETTLEMENTS)
    assert [each["status"] for each in case.dispatches()] == ["send_failed"]
    assert len(case.events("escalation_dispatched")) == 1


def test_an_old_one_rests_where_the_configuration_says_so(case: Case) -> None:
    dispute, _ = case.escalated()
    case.max_age = 3600
    assert case.cycle(T0 + 4000) == [Outcome.EXPIRED]
    assert case.cycle(T0 + 4001) == []
    assert case.sent(dispute) == []
    case.max_age = 0
    assert case.database.run(handoffs.wake_expired) == 1
    assert case.cycle(T0 + 4002) == [Outcome.ENQUEUED]


def test_none_is_too_old_by_a_clock_that_the_node_does_not_bear_out(case: Case) -> None:
    dispute, _ = case.escalated()
    case.max_age = 7 * 86_400
    case.database.run(node_info.save_info, NODE, "{}", T0 + 60, T0 + 60)
    years = T0 + 12 * 365 * 86_400
    assert case.cycle(years) == [Outcome.ENQUEUED]
    assert len(case.sent(dispute)) == 2


def test_no_row_of_mediation_or_of_the_dispute_changes(case: Case) -> None:
    case.escalated()
    watched = (
        "disputes", "mediation_sessions", "mediation_messages", "reasoning_rationales",
        "mediation_summaries",
    )  # fmt: skip
    before = {name: rows for name, rows in case.database.dump().items() if name in watched}
    case.cycle()
    case.deliver()
    after = {name: rows for name, rows in case.database.dump().items() if name in watched}
    assert after == before


@given(
    st.lists(st.sampled_from([WRITER, SECOND, READER, BROKEN]), unique=True),
    st.sampled_from([None, key(11), key(13).upper(), key(99), "nonsense"]),
    st.booleans(),
)
def test_the_first_rule_that_applies(
    people: list[Solver], assigned: str | None, fallback: bool
) -> None:
    route = route_handoff(people, assigned, fallback_to_all=fallback)
    writers = [each for each in people if each.permission is Permission.WRITE]
    if assigned == key(11) and WRITER in people:
        assert route.recipients == (WRITER,)
    elif writers:
        assert list(route.recipients) == writers
    elif fallback:
        assert list(route.recipients) == people
    else:
        assert not route.routable
    assert route.fallback == (not writers and fallback and bool(people))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["dispute_id", "session_id", "trigger", "evidence_refs", "assembled_at"])
        | st.text(max_size=5), inner, max_size=5),
    max_leaves=12,
))  # fmt: skip
def test_any_payload_is_read_or_named(value: object) -> None:
    assert isinstance(read_package(json.dumps(value)), HandoffPackage | BadPackage)
