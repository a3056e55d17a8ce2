"""The second opinion: silent about every clean history, loud about every kind of damage."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from structlog.testing import capture_logs
from tests.store.mediation_rig import PINS, hold, open_in
from tests.store.rig import NODE, T0, Database, key, revision

from serbero.daemon.consequences import Consequences
from serbero.delivery.settlement import Settlement
from serbero.escalation import auditor as auditing
from serbero.escalation import ladder_records
from serbero.escalation.acknowledging import Acknowledged, acknowledge
from serbero.escalation.auditor import Auditor, Discrepancy, DiscrepancyKind, Facts, audit
from serbero.escalation.dispatching import (
    DispatchRules,
    Outcome,
    conclude_stranded,
    dispatch,
    handoff_dead,
    handoff_sent,
    nothing_begins,
)
from serbero.escalation.ladder_records import Climbing, take_step
from serbero.escalation.resting import snooze
from serbero.escalation.warning import Escrow, warn
from serbero.intake.announcing import Audience
from serbero.intake.recording import Follow, record_revisions
from serbero.mediation.ending import Endings
from serbero.model.ladder import DEFAULT_POLICY, Policy, Step
from serbero.model.mediation import Trigger
from serbero.model.notification import Purpose
from serbero.model.people import Permission, Solver
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, eventually
from serbero.store import corrected_clock, handoffs, ladders, sqlite, watches
from serbero.store.engine import Store
from serbero.store.escalations import (
    Handoff,
    escalate_dispute,
    escalate_session,
    handoff_prepared,
)
from serbero.store.patient import PatientStore
from serbero.store.watches import Duty, Post, Watched

SETTLEMENTS: Final = {Purpose.HANDOFF: Settlement(on_sent=handoff_sent, on_dead=handoff_dead)}
WRITER, SECOND, READER = (
    Solver(key(11), key(11), permission=Permission.WRITE),
    Solver(key(12), key(12), permission=Permission.WRITE),
    Solver(key(13), key(13)),
)
INTERVAL: Final = 30
LEASE: Final = 900
H: Final = T0 + 5
"""When the hand-off is prepared."""
CLTV, MARGIN = 144, 24
ALL: Final = Facts(Watched(INTERVAL), Watched(), Watched((CLTV - MARGIN) * 600, NODE))
ESCROW: Final = Escrow(lambda: CLTV, MARGIN, NODE)
KIND: Final = DiscrepancyKind


@dataclass
class Story:
    """Disputes as the daemon leads them, in plain transactions."""

    database: Database
    audience: Audience = field(
        default_factory=lambda: Audience("bb" * 32, (WRITER, SECOND, READER), 10**7)
    )
    policy: Policy = DEFAULT_POLICY

    # --- what happens -------------------------------------------------------------------------

    def prepare(self, number: int = 1, now: int = H, *, session: bool = True) -> tuple[str, int]:
        """A dispute with a hand-off that waits: its id and the hand-off's event."""
        dispute = hold(self.database, number, now - 5)
        handoff = Handoff(Trigger.CONFLICTING_CLAIMS, evidence_refs=["ee" * 32])
        if session:
            session_id = self.database.run(open_in, dispute, number, now - 5)
            self.database.run(escalate_session, session_id, handoff, now)
        else:
            self.database.run(escalate_dispute, dispute, handoff, PINS, now)
        query = "SELECT max(id) FROM mediation_events WHERE kind = 'handoff_prepared'"
        return dispute, int(self.database.one(query))

    def dispatch(self, event_id: int, now: int = H, *, climbed: bool = True) -> Outcome:
        def begin(tx: Any, pending: Any, package: Any, at: int) -> None:
            about = (package.dispute_id, pending.session_id, pending.event_id)
            ladder_records.begin(tx, *about, self.policy, at)

        begins = begin if climbed else nothing_begins
        rules = DispatchRules(self.audience, False, on_dispatched=begins)
        return self.database.run(dispatch, rules, event_id, now * 1000)

    def deliver(self, now: int) -> None:
        claimed = self.database.claim(now, settlements=SETTLEMENTS)
        self.database.answer(claimed, delivered=True, now=now, settlements=SETTLEMENTS)

    def handed(self, number: int = 1, now: int = H, *, session: bool = True) -> str:
        """A dispute whose hand-off went out at once."""
        dispute, event_id = self.prepare(number, now, session=session)
        assert self.dispatch(event_id, now) is Outcome.ENQUEUED
        self.deliver(now + 1)
        return dispute

    def climb(self, *moments: int) -> int:
        """Look at these moments, as the daemon does; return how many messages were enqueued."""
        climbing, added = Climbing(self.audience, lambda _tx, _dispute: None), 0
        for now in moments:
            for each in self.database.run(ladders.due, now, 100):
                added += self.database.run(take_step, climbing, each, now * 1000)
        return added

    def live(self, began: int, ended: int) -> None:
        """Look a few seconds after anything is due."""
        now = began
        while True:
            due = self.database.run(ladders.next_at)
            if due is None or max(due, now) + 3 >= ended:
                return
            now = max(due, now) + 3
            self.climb(now)

    def say(self, dispute: str, solver: Solver, now: int) -> None:
        said = self.database.run(acknowledge, self.audience, solver, dispute, now * 1000, LEASE)
        assert isinstance(said, Acknowledged)

    def node_says(self, dispute: str, status: str, now: int) -> None:
        follow = Consequences(Endings(self.audience))
        self.database.run(
            record_revisions,
            [revision(dispute, status, now)],
            self.audience,
            0,
            now * 1000,
            Follow(follow.released, follow.applied),
        )

    # --- what is said of it -------------------------------------------------------------------

    def audit(self, now: int, facts: Facts = ALL) -> list[Discrepancy]:
        return self.database.run(audit, now, facts)

    def kinds(self, now: int, facts: Facts = ALL) -> list[DiscrepancyKind]:
        return [each.kind for each in self.audit(now, facts)]

    def damage(self, statement: str, *values: object) -> None:
        """What no code of ours would do: foreign keys are not looked at."""
        raw = sqlite.driver.connect(self.database.path)
        changed = raw.execute(statement, values)
        assert changed.rowcount > 0, statement
        raw.commit()
        raw.close()


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    database = Database(tmp_path / "serbero.db")
    yield Story(database)
    database.close()


def off(*spans: tuple[int, int]) -> Facts:
    """The same duties, with outages."""
    return Facts(Watched(INTERVAL, "", spans), Watched(0, "", spans), None)


# --- clean histories ---------------------------------------------------------------------------


def test_nothing_is_wrong_with_nothing(story: Story) -> None:
    assert story.audit(T0) == []
    assert story.audit(T0, Facts()) == []


@pytest.mark.parametrize("session", [True, False], ids=["session", "no session"])
def test_a_ladder_climbed_for_a_day_is_as_it_should_be(story: Story, session: bool) -> None:
    facts = Facts(ALL.handoffs, ALL.reminders)
    story.handed(session=session)
    for hour in range(24):
        story.live(H + hour * 3600, H + (hour + 1) * 3600)
        assert story.audit(H + (hour + 1) * 3600, facts) == []
    assert story.database.one("SELECT max(number) FROM ladder_steps") == 25


def test_acknowledged_and_let_lapse_again_and_again(story: Story) -> None:
    dispute = story.handed()
    story.live(H, H + 700)
    story.say(dispute, WRITER, H + 700)
    story.live(H + 700, H + 1500)
    story.say(dispute, WRITER, H + 1500)  # again, before it lapses
    story.live(H + 1500, H + 1500 + LEASE + 60)
    story.say(dispute, SECOND, H + 1500 + LEASE + 60)
    story.live(H + 1500 + LEASE + 60, H + 10_000)
    assert story.audit(H + 10_000) == []


def test_acknowledged_before_the_first_step(story: Story) -> None:
    dispute = story.handed()
    story.say(dispute, WRITER, H + 10)
    story.live(H, H + 8000)
    assert story.audit(H + 8000) == []


@pytest.mark.parametrize("status", ["in-progress", "settled", "initiated"])
@pytest.mark.parametrize("after", [100, 1000, 1806, 5000])
def test_whatever_the_node_says_ends_it(story: Story, status: str, after: int) -> None:
    dispute = story.handed(session=False)
    story.live(H, H + after)
    story.node_says(dispute, status, H + after)
    story.live(H + after, H + after + 8000)
    assert story.audit(H + after + 8000) == []


def test_taken_and_opened_anew_and_handed_over_again(story: Story) -> None:
    dispute = story.handed()
    story.live(H, H + 700)
    story.node_says(dispute, "in-progress", H + 700)
    story.node_says(dispute, "initiated", H + 5000)
    assert story.audit(H + 9000) == []


def test_closed_before_it_was_dispatched_and_opened_anew(story: Story) -> None:
    dispute, event_id = story.prepare(session=False)
    story.node_says(dispute, "settled", H + 10)
    assert story.dispatch(event_id, H + 20) is Outcome.SUPERSEDED
    assert story.audit(H + 5000) == []
    story.node_says(dispute, "initiated", H + 90_000)
    assert story.audit(H + 90_010) == []
    assert story.dispatch(event_id, H + 90_020) is Outcome.ENQUEUED
    story.deliver(H + 90_021)
    story.live(H + 90_020, H + 95_000)
    assert story.audit(H + 95_000) == []


def test_a_later_hand_off_replaces_the_ladder(story: Story) -> None:
    dispute = story.handed()
    story.live(H, H + 1000)
    session_id = story.database.one("SELECT session_id FROM mediation_sessions")
    handoff = Handoff(Trigger.ROUND_LIMIT)
    event_id = story.database.run(
        handoff_prepared, dispute, handoff, H + 1000, pins=PINS, session_id=session_id
    )
    story.database.run(handoffs.add, event_id, dispute)
    story.dispatch(event_id, H + 1003)
    story.deliver(H + 1004)
    story.live(H + 1003, H + 6000)
    assert story.audit(H + 6000, Facts(ALL.handoffs, ALL.reminders)) == []


def test_what_nobody_may_receive_is_no_discrepancy_of_ours(story: Story) -> None:
    story.audience = story.audience.only([READER])
    _, event_id = story.prepare()
    assert story.dispatch(event_id) is Outcome.UNROUTABLE
    assert story.audit(H + 5000) == []
    story.audience = story.audience.only([WRITER])
    story.database.run(handoffs.wake_unroutable)
    story.dispatch(event_id, H + 6000)
    story.deliver(H + 6001)
    assert story.audit(H + 6500) == []


def test_a_payload_nobody_can_read_is_none_either(story: Story) -> None:
    dispute, event_id = story.prepare()
    story.damage("UPDATE mediation_events SET payload_json = 'not json {' WHERE id = ?", event_id)
    assert story.dispatch(event_id) is Outcome.PARSE_FAILED
    assert story.audit(H + 5000) == [], dispute


def test_everybody_put_it_off(story: Story) -> None:
    dispute = story.handed()
    for solver in (WRITER, SECOND, READER):
        assert solver.hex is not None
        story.database.run(snooze, solver.hex, dispute, 3600, H + 10)
    story.live(H, H + 5000)
    assert story.audit(H + 5000) == []


def test_an_outage_made_up_for_at_once(story: Story) -> None:
    story.handed()
    story.live(H, H + 700)
    back = H + 40_000
    story.live(back, back + 8000)
    assert KIND.STEP_LATE in story.kinds(back + 8000, off())
    assert story.audit(back + 8000, off((H + 700, back))) == []


def test_many_restarts_one_after_another(story: Story) -> None:
    """Thirty seconds up at a time are not enough to be late in."""
    story.handed()
    spans = tuple((H + 590 + n * 400, H + 590 + n * 400 + 380) for n in range(5))
    story.climb(spans[-1][1] + 5)
    assert story.audit(spans[-1][1] + 60, off(*spans)) == []


def test_a_clock_that_was_ahead(story: Story) -> None:
    story.handed()
    story.live(H, H + 700)
    ahead = H + 700 + 50_000
    story.live(ahead, ahead + 2000)
    back = H + 2700
    story.database.run(corrected_clock.correct, back)
    story.live(back, back + 9000)
    relived = ((back - 75, ahead + 2075),)
    facts = Facts(Watched(INTERVAL, "", (), relived), Watched(0, "", (), relived))
    assert story.audit(back + 9000, facts) == []


def test_deadlines_warned_of_in_time(story: Story) -> None:
    dispute = story.prepare()[0]
    facts = Facts(deadlines=ALL.deadlines)
    end = T0 + (CLTV - MARGIN) * 600
    for before in (43_200, 21_600, 7_200, 1_800):
        assert story.audit(end - before + 30, facts) == []
        assert story.database.run(warn, story.audience, ESCROW, dispute, (end - before + 40) * 1000)
        assert story.audit(end - before + 5000, facts) == [] or before == 1_800
    assert story.audit(end + 90_000, facts) == []


# --- damage ------------------------------------------------------------------------------------


def climbed(story: Story, until: int = 9_000) -> str:
    dispute = story.handed()
    story.live(H, H + until)
    assert story.audit(H + until) == []
    return dispute


LADDER_DAMAGE: Final[Sequence[tuple[str, str, set[DiscrepancyKind]]]] = [
    (
        "the newest step is gone",
        "DELETE FROM ladder_steps WHERE number = 3",
        {KIND.STEP_MISSING, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "a step in the middle is gone",
        "DELETE FROM ladder_steps WHERE number = 2",
        {KIND.STEP_MISSING, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "every step is gone",
        "DELETE FROM ladder_steps",
        {KIND.STEP_MISSING, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "a step was written late",
        "UPDATE ladder_steps SET at = at + 300 WHERE number = 2",
        {KIND.STEP_LATE},
    ),
    (
        "two steps at once",
        "UPDATE ladder_steps SET at = (SELECT s.at + 3 FROM ladder_steps s WHERE s.number = 2)"
        " WHERE number = 3",
        {KIND.REMINDER_TWICE},
    ),
    (
        "a step for nobody",
        "UPDATE ladder_steps SET recipients_json = '[]' WHERE number = 2",
        {KIND.REMINDED_NOBODY, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "recipients nobody can read",
        "UPDATE ladder_steps SET recipients_json = '[[[' WHERE number = 2",
        {KIND.REMINDED_NOBODY, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "the messages of a step are gone",
        "DELETE FROM outbox WHERE purpose = 'escalation_reminder' AND anchor LIKE '1.2.%'",
        {KIND.REMINDER_LOST},
    ),
    (
        "one message of a step is gone",
        "DELETE FROM outbox WHERE id = (SELECT max(id) FROM outbox"
        " WHERE purpose = 'escalation_reminder')",
        {KIND.REMINDER_LOST},
    ),
    (
        "a message is doubled",
        "INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient, recipient_typed,"
        " channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at, state)"
        " SELECT 'again' || id, purpose, dispute_id, anchor, recipient, recipient_typed, channel,"
        " rumor_id, urgency, created_at, enqueued_ms, deadline_at, state FROM outbox"
        " WHERE anchor LIKE '1.1.%' LIMIT 1",
        {KIND.REMINDER_TWICE},
    ),
    (
        "a hand-off is doubled",
        "INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient, recipient_typed,"
        " channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at, state)"
        " SELECT 'again' || id, purpose, dispute_id, anchor, recipient, recipient_typed, channel,"
        " rumor_id, urgency, created_at, enqueued_ms, deadline_at, state FROM outbox"
        " WHERE purpose = 'escalation_handoff' LIMIT 1",
        {KIND.HANDOFF_TWICE},
    ),
    (
        "the ladder is gone",
        "DELETE FROM ladders",
        {KIND.LADDER_MISSING, KIND.REMINDER_UNEXPLAINED},
    ),
    (
        "the ladder was ended for nothing",
        "UPDATE ladders SET next_at = NULL, ended_at = started_at + 6500, ended_by = 'taken'",
        {KIND.LADDER_STOPPED},
    ),
]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [(statement, expected) for _, statement, expected in LADDER_DAMAGE],
    ids=[name for name, _, _ in LADDER_DAMAGE],
)
def test_damage_to_a_ladder_is_found(
    story: Story, statement: str, expected: set[DiscrepancyKind]
) -> None:
    dispute = climbed(story, 6000)
    if "ladder_steps s WHERE" in statement:
        story.damage("UPDATE ladder_steps SET at = at - 5 WHERE number = 3")
    story.damage(statement)
    found = story.audit(H + 6000)
    assert {each.kind for each in found} == expected
    assert {each.dispute_id for each in found} == {dispute}


def test_a_ladder_that_is_stuck_is_found_soon(story: Story) -> None:
    climbed(story, 3000)
    story.damage("UPDATE ladders SET next_at = NULL")
    due = H + 1800 + 3600
    story.live(H + 3000, due + 300)
    assert story.kinds(due + 100) == []
    assert story.audit(due + 300) == [
        Discrepancy(
            story.database.one("SELECT dispute_id FROM ladders"),
            KIND.STEP_MISSING,
            due,
            "ladder 1 took 2 steps; step 3 was due",
        )
    ]


def test_a_ladder_put_off_for_ever_is_found(story: Story) -> None:
    climbed(story, 700)
    story.damage("UPDATE ladders SET next_at = 9999999999")
    assert story.kinds(H + 1800 + 130) == [KIND.STEP_MISSING]


def test_a_ladder_that_waits_for_a_clock_that_was_ahead_is_found(story: Story) -> None:
    """Set ahead by a year and back again: the next reminder must not wait for a year."""
    story.handed()
    story.live(H, H + 700)
    ahead = H + 365 * 86_400
    story.live(ahead, ahead + 100)
    back = H + 2700
    facts = Facts(reminders=Watched(0, "", (), ((back - 75, ahead + 175),)))
    assert story.kinds(back + 3500, facts) == []
    assert story.kinds(back + 3600 + 200, facts) == [KIND.STEP_MISSING]
    story.database.run(corrected_clock.correct, back)
    story.live(back, back + 4000)
    assert story.kinds(back + 4000, facts) == []


def test_a_lease_that_ran_out_without_a_reminder_is_found(story: Story) -> None:
    dispute = climbed(story, 700)
    story.say(dispute, WRITER, H + 700)
    assert story.kinds(H + 700 + LEASE + 100) == []
    [found] = story.audit(H + 700 + LEASE + 130)
    assert (found.kind, found.expected_at) == (KIND.STEP_MISSING, H + 700 + LEASE)


def test_a_reminder_that_an_acknowledgement_came_too_late_for_is_found(story: Story) -> None:
    dispute = climbed(story, 700)
    story.say(dispute, WRITER, H + 1800 + 400)
    [found] = story.audit(H + 2300)
    assert (found.kind, found.expected_at) == (KIND.STEP_MISSING, H + 1800)


def test_an_end_that_came_after_a_missed_step_hides_nothing(story: Story) -> None:
    dispute = climbed(story, 700)
    story.node_says(dispute, "in-progress", H + 5000)
    assert story.kinds(H + 5000) == [KIND.STEP_MISSING]


def reminded_anyway(story: Story, dispute: str, now: int) -> None:
    """A reminder by a ladder that knows of nothing."""
    story.damage("UPDATE ladders SET next_at = ?, ended_at = NULL, ended_by = NULL", now)
    [one] = story.database.run(ladders.all_running)
    story.damage(
        "INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient, recipient_typed,"
        " channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at, state,"
        " next_attempt_at) VALUES ('x', 'escalation_reminder', ?, ?, ?, '', 'nip17', '', 0, ?, ?,"
        " 0, 'pending', ?)",
        *(dispute, f"{one.id}.9.{key(11)[:16]}", key(11), now, now * 1000, now),
    )


@pytest.mark.parametrize("what", ["ack", "in-progress", "settled"])
def test_a_reminder_after_somebody_had_it_is_found(story: Story, what: str) -> None:
    dispute = climbed(story, 700)
    if what == "ack":
        story.say(dispute, WRITER, H + 700)
    else:
        story.node_says(dispute, what, H + 700)
    assert story.audit(H + 800) == []
    reminded_anyway(story, dispute, H + 800)
    assert KIND.REMINDER_AFTER in story.kinds(H + 801)


HANDOFF_DAMAGE: Final[Sequence[tuple[str, str]]] = [
    ("lost from what waits", "DELETE FROM pending_handoffs"),
    ("put to rest for nothing", "UPDATE pending_handoffs SET parked = 'superseded'"),
    ("never looked at", "UPDATE pending_handoffs SET parked = NULL"),
]


@pytest.mark.parametrize("session", [True, False], ids=["session", "no session"])
@pytest.mark.parametrize(
    "statement", [each for _, each in HANDOFF_DAMAGE], ids=[name for name, _ in HANDOFF_DAMAGE]
)
def test_a_hand_off_nobody_got_is_found(story: Story, statement: str, session: bool) -> None:
    dispute, _ = story.prepare(session=session)
    story.damage(statement)
    assert story.audit(H + INTERVAL + 110) == []
    [found] = story.audit(H + INTERVAL + 130)
    assert (found.dispute_id, found.kind, found.expected_at) == (dispute, KIND.HANDOFF_MISSING, H)
    assert story.audit(H + INTERVAL + 130, off((H, H + 5000))) == []


def test_a_hand_off_dispatched_too_late_is_found(story: Story) -> None:
    _, event_id = story.prepare()
    story.dispatch(event_id, H + 1000)
    story.deliver(H + 1001)
    [found] = story.audit(H + 1002)
    assert (found.kind, found.expected_at) == (KIND.HANDOFF_LATE, H)
    assert story.audit(H + 1002, off((H + 10, H + 990))) == []


def test_a_hand_off_without_a_message_is_found(story: Story) -> None:
    story.handed()
    story.damage("DELETE FROM notifications WHERE notif_type <> 'initial'")
    assert story.audit(H + 500) == []
    story.damage("DELETE FROM outbox WHERE purpose = 'escalation_handoff'")
    assert story.kinds(H + 500) == [KIND.HANDOFF_LOST]


def test_a_hand_off_under_way_whose_messages_are_gone_is_found(story: Story) -> None:
    _, event_id = story.prepare()
    story.dispatch(event_id)
    assert story.audit(H + 500) == []
    story.damage("DELETE FROM outbox WHERE purpose = 'escalation_handoff'")
    assert story.kinds(H + 500) == [KIND.HANDOFF_LOST]
    story.database.run(conclude_stranded, H + 500)  # now the record says so itself
    assert story.audit(H + 500) == []


def test_a_hand_off_that_began_no_ladder_is_found(story: Story) -> None:
    _, event_id = story.prepare()
    story.dispatch(event_id, climbed=False)
    story.deliver(H + 1)
    assert story.kinds(H + 60) == [KIND.LADDER_MISSING]
    assert story.audit(H + 60, Facts(ALL.handoffs)) == [], "where nobody is reminded"
    assert story.audit(H + 60, off((0, H + 10))) == [], "before that was switched on"


def test_warnings_nobody_got_are_found(story: Story) -> None:
    dispute = story.prepare()[0]
    facts = Facts(deadlines=ALL.deadlines)
    end = T0 + (CLTV - MARGIN) * 600
    for before in (43_200, 21_600, 7_200, 1_800):
        [found] = story.audit(end - before + 200, facts)
        assert (found.kind, found.expected_at) == (KIND.WARNING_MISSING, end - before)
    assert story.kinds(end + 5000, facts) == [KIND.WARNING_MISSING]
    assert story.database.run(warn, story.audience, ESCROW, dispute, (end - 1700) * 1000)
    assert story.audit(end - 1600, facts) == []
    story.damage("DELETE FROM outbox WHERE purpose = 'deadline_warning'")
    assert story.kinds(end - 1600, facts) == [KIND.WARNING_LOST]


def test_another_nodes_escrows_are_nobodys_here(story: Story) -> None:
    story.prepare()
    end = T0 + (CLTV - MARGIN) * 600
    other = Facts(deadlines=Watched((CLTV - MARGIN) * 600, "cc" * 32))
    assert story.audit(end - 1000, other) == []


@pytest.mark.parametrize("policy", ["", "{", "{}", "[]", "null", '[["x"]]', "[1]", "[[{}]]"])
def test_a_policy_nobody_can_read_raises_nothing(story: Story, policy: str) -> None:
    dispute = story.handed()
    story.damage("UPDATE ladders SET policy_json = ?", policy)
    assert {each.dispute_id for each in story.audit(H + 5000)} == {dispute}


def test_a_policy_of_its_own(story: Story) -> None:
    story.policy = Policy((Step(60, "writers"), Step(70, "everyone"), Step(4000, "assigned")))
    story.handed()
    story.live(H, H + 20_000)
    assert story.audit(H + 20_000) == []


# --- what it costs -----------------------------------------------------------------------------


def cost(story: Story, now: int) -> int:
    """Roughly how many hundred instructions SQLite needs for an audit."""
    spent = 0

    def count() -> int:
        nonlocal spent
        spent += 1
        return 0

    with story.database.engine.connect() as tx:
        raw = tx.connection.driver_connection
        assert raw is not None
        raw.set_progress_handler(count, 100)
        audit(tx, now, ALL)
        raw.set_progress_handler(None, 0)
    return spent


def test_the_past_costs_nothing(story: Story) -> None:
    """Disputes that are over are not looked at, however many there are."""
    story.handed()
    story.live(H, H + 9000)
    before = cost(story, H + 9000)
    raw = sqlite.driver.connect(story.database.path)
    for number in range(5_000):
        name = f"past {number:06}"
        raw.execute(
            "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
            " event_timestamp, detected_at, lifecycle_state)"
            " VALUES (?, ?, ?, 'buyer', ?, ?, 'resolved')",
            (name, name, NODE, T0, T0),
        )
        event_id = raw.execute(
            "INSERT INTO mediation_events (kind, payload_json, occurred_at)"
            " VALUES ('handoff_prepared', '{}', ?)",
            (T0,),
        ).lastrowid
        raw.execute(
            "INSERT INTO dispute_events VALUES (?, 'handoff_prepared', ?)", (name, event_id)
        )
        raw.execute(
            "INSERT INTO ladders (dispute_id, handoff_event_id, started_at, policy_json,"
            " steps_taken, ended_at, ended_by) VALUES (?, ?, ?, '[[600, \"writers\"]]', 1, ?, 'x')",
            (name, event_id, T0, T0 + 900),
        )
        raw.execute(
            "INSERT INTO outbox (dedupe_key, purpose, dispute_id, anchor, recipient,"
            " recipient_typed, channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at,"
            " state) VALUES (?, 'escalation_reminder', ?, '1.1', '', '', '', '', 0, 0, 0, 0,"
            " 'sent')",
            (name, name),
        )
    raw.commit()
    raw.close()
    assert cost(story, H + 9000) < before * 1.2
    assert story.audit(H + 9000) == []


# --- watches -----------------------------------------------------------------------------------

POSTS: Final = (Post(Duty.HANDOFFS, INTERVAL), Post(Duty.REMINDERS))


def stand(story: Story, began: int, ended: int, posts: Sequence[Post] = POSTS) -> None:
    for now in range(began, ended + 1, 30):
        story.database.run(watches.stand, posts, now)


def test_nothing_is_written_while_no_dispute_is_open(story: Story) -> None:
    stand(story, T0, T0 + 300)
    assert story.database.one("SELECT count(*) FROM watches") == 0
    assert story.database.run(auditing.facts_of, T0) == Facts()


def test_a_watch_is_one_row_until_it_is_interrupted(story: Story) -> None:
    story.prepare()
    stand(story, T0, T0 + 3000)
    stand(story, T0 + 9000, T0 + 9300)
    rows = story.database.rows(
        "SELECT began_at - ?, seen_at - ? FROM watches WHERE duty = 'reminders'", T0, T0
    )
    assert rows == [(0, 3000), (9000, 9300)]
    facts = story.database.run(auditing.facts_of, T0 + 9310)
    assert facts.reminders == Watched(0, "", ((0, T0), (T0 + 3000, T0 + 9000)))
    assert facts.handoffs == Watched(INTERVAL, "", ((0, T0), (T0 + 3000, T0 + 9000)))
    assert facts.deadlines is None


def test_while_the_daemon_is_off_nothing_becomes_late(story: Story) -> None:
    story.handed()
    stand(story, T0, H + 300)
    facts = story.database.run(auditing.facts_of, H + 90_000)
    assert story.audit(H + 90_000, facts) == []
    stand(story, H + 90_000, H + 90_300)
    facts = story.database.run(auditing.facts_of, H + 90_310)
    assert [each.kind for each in story.audit(H + 90_310, facts)] == [KIND.STEP_MISSING]


def test_a_duty_that_was_given_up_is_judged_no_more(story: Story) -> None:
    story.prepare()
    stand(story, T0, T0 + 300)
    stand(story, T0 + 400, T0 + 900, POSTS[:1])
    facts = story.database.run(auditing.facts_of, T0 + 900)
    assert facts.reminders is None
    assert facts.handoffs is not None


def test_another_interval_is_another_watch(story: Story) -> None:
    story.prepare()
    stand(story, T0, T0 + 300)
    stand(story, T0 + 330, T0 + 600, [Post(Duty.HANDOFFS, 600)])
    facts = story.database.run(auditing.facts_of, T0 + 600)
    assert facts.handoffs == Watched(600, "", ((0, T0 + 330),))


def test_what_the_clock_showed_twice_is_known(story: Story) -> None:
    story.prepare()
    stand(story, T0 + 5000, T0 + 5300)
    stand(story, T0 + 2000, T0 + 5600)
    facts = story.database.run(auditing.facts_of, T0 + 5600)
    assert facts.reminders is not None
    assert facts.reminders.relived == ((T0 + 2000 - 75, T0 + 5300 + 75),)


# --- in the daemon -----------------------------------------------------------------------------


@dataclass
class Alarm:
    """The auditor with a database of its own."""

    clock: FakeClock
    health: Health
    metrics: Metrics
    auditor: Auditor

    @property
    def alarms(self) -> float:
        found = [
            sample.value
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "serbero_escalation_discrepancies"
        ]
        return sum(found)


@pytest.fixture
async def alarm(story: Story) -> Any:
    clock = FakeClock(start=H + 10)
    store = Store.open(story.database.path, clock.now())
    health, metrics = Health(clock), Metrics()
    patient = PatientStore(store, clock, health, metrics)
    auditor = Auditor(
        store=patient, clock=clock, metrics=metrics, health=health, posts=lambda: POSTS
    )
    yield Alarm(clock, health, metrics, auditor)
    store.close()


async def test_an_alarm_is_raised_once_and_taken_back(story: Story, alarm: Alarm) -> None:
    story.handed()
    assert Part.ESCALATION not in alarm.health.parts()
    await alarm.auditor.stand()
    assert await alarm.auditor.look() == []
    assert alarm.health.parts()[Part.ESCALATION].ok
    story.damage("UPDATE ladders SET next_at = NULL")
    with capture_logs() as logs:
        for _ in range(30):
            await alarm.clock.advance(30)
            await alarm.auditor.stand()
            await alarm.auditor.look()
    assert [each["event"] for each in logs] == ["escalation_discrepancy", "degraded"]
    assert logs[0]["expected_at"] == H + 600
    assert not alarm.health.parts()[Part.ESCALATION].ok
    assert alarm.alarms == 1
    dispute = story.database.one("SELECT dispute_id FROM ladders")
    story.node_says(dispute, "settled", alarm.clock.now())
    await alarm.auditor.look()
    assert alarm.health.parts()[Part.ESCALATION].ok
    assert alarm.alarms == 0


async def test_it_looks_every_five_minutes_and_shows_that_it_is_there(
    story: Story, alarm: Alarm
) -> None:
    story.handed()
    running = asyncio.create_task(alarm.auditor.run())
    try:
        await eventually(lambda: alarm.clock.sleepers == 1)
        story.damage("UPDATE ladders SET next_at = NULL, steps_taken = 1")
        looks = []
        for _ in range(11):
            await alarm.clock.advance(30)
            await eventually(lambda: alarm.clock.sleepers == 1)
            looks.append(alarm.health.parts()[Part.ESCALATION].ok)
        assert looks == [True] * 9 + [False] * 2
        [[began, seen]] = story.database.rows(
            "SELECT began_at - ?, seen_at - ? FROM watches WHERE duty = 'reminders'", H, H
        )
        assert (began, seen) == (10, 340)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
