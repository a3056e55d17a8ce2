"""Any interleaving of revisions, deliveries and restarts ends where the ordered stream ends.

What "the same" means: the applied revision (event id, time, status) and the shown status are equal
to those of the stream played once in order. The lifecycle is equal as well, except that an
unattended dispute is ``new`` or ``notified`` depending on deliveries alone: ``notified`` exactly
if a first message of the *applied* opening was accepted by a relay. So the expected state is
computed from the newest revision plus that one fact, never from the order of arrival.
"""

import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.store.rig import T0, Database, audience, fake_wraps, key, revision

from serbero.delivery import ledger
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.mostro.dispute_event import Revision

STATUSES = ("initiated", "in-progress", "settled", "seller-refunded", "initiated", "released")
DISPUTES = 3
PACE = ReminderPace(interval=300, growth=2.0, check_every=60)
PEOPLE = audience(2, deadline_seconds=4000)


class Lifecycles(RuleBasedStateMachine):
    """A node's revisions reach a real database in every order a set of relays could cause."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="serbero-machine-"))
        self.database = Database(self.folder / "serbero.db")
        self.now = T0 + 10_000
        self.published: dict[str, list[Revision]] = {}
        self.seen: dict[str, list[Revision]] = {}

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    @initialize(data=st.data())
    def node_publishes(self, data: st.DataObject) -> None:
        """Some revisions a dispute, with ties of one second as old nodes make them."""
        for number in range(DISPUTES):
            life: dict[tuple[int, str], Revision] = {}
            at = T0
            for status in data.draw(
                st.lists(st.sampled_from(STATUSES), min_size=1, max_size=6), label=f"life {number}"
            ):
                at += data.draw(st.integers(0, 2), label="seconds later")
                made = revision(number, status, at)
                life[at, status] = made
            self.published[made.dispute_id] = list(life.values())

    @rule(data=st.data())
    def relays_deliver_a_batch(self, data: st.DataObject) -> None:
        everything = [each for life in self.published.values() for each in life]
        batch = data.draw(st.lists(st.sampled_from(everything), min_size=1, max_size=6))
        self.database.record(*batch, audience=PEOPLE, now=self.now)
        for each in batch:
            self.seen.setdefault(each.dispute_id, []).append(each)

    @rule(data=st.data(), delivered=st.booleans(), limit=st.integers(1, 4))
    def a_pass_of_the_outbox(self, data: st.DataObject, delivered: bool, limit: int) -> None:
        claimed = self.database.claim(self.now, limit=limit)
        self.database.run(ledger.commit_wraps, fake_wraps(claimed, str(self.now)), self.now)
        meanwhile, crash = data.draw(st.tuples(st.booleans(), st.booleans()))
        if meanwhile:
            self.relays_deliver_a_batch(data)
        if not crash:
            self.database.answer(claimed, delivered=delivered, now=self.now, again=30)

    @rule()
    def reminders_are_due(self) -> None:
        due = self.database.run(find_due, PACE, self.now)
        self.database.run(remind_due, due, PEOPLE, PACE, self.now * 1000)

    @rule(seconds=st.sampled_from([1, 31, 301, 5000]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def restart(self) -> None:
        before = self.database.dump()
        self.database.reopen(self.now)
        after = self.database.dump()
        for mine in (before, after):
            mine.pop("cursors")  # the mark of what was followed is the one thing an opening moves
        assert after == before

    @invariant()
    def the_newest_revision_seen_is_the_applied_one(self) -> None:
        for dispute, revisions in self.seen.items():
            newest = first_of_the_newest(revisions)
            [row] = self.database.rows(
                "SELECT r.event_id, r.created_at, r.status, d.dispute_status, d.lifecycle_state"
                " FROM revisions r JOIN disputes d USING (dispute_id) WHERE dispute_id = ?",
                dispute,
            )
            status = newest.status.value
            assert row[:4] == (newest.event_id, newest.created_at, status, status)
            assert row[4] == self.expected_state(newest)

    def expected_state(self, newest: Revision) -> str:
        if newest.status.terminal:
            return "resolved"
        if newest.status.rank == 1:
            return "taken"
        told = self.database.one(
            "SELECT count(*) FROM outbox WHERE anchor = ? AND state = 'sent'", newest.event_id
        )
        return "notified" if told else "new"

    @invariant()
    def history_is_a_legal_path(self) -> None:
        last: dict[str, str] = {}
        for dispute, before, after in self.database.rows(
            "SELECT dispute_id, from_state, to_state FROM dispute_state_transitions ORDER BY id"
        ):
            assert before == last.get(dispute, before)
            assert Lifecycle(after) in TRANSITIONS[Lifecycle(before)]
            last[dispute] = after
        for dispute, state in self.database.rows(
            "SELECT dispute_id, lifecycle_state FROM disputes"
        ):
            assert last.get(dispute, state) == state

    @invariant()
    def nothing_pending_is_untrue(self) -> None:
        untrue = self.database.rows(
            "SELECT o.dedupe_key, d.lifecycle_state"
            " FROM outbox o JOIN disputes d USING (dispute_id) WHERE o.state = 'pending' AND ("
            "  (o.purpose IN ('initial', 're-notification')"
            "   AND d.lifecycle_state NOT IN ('new', 'notified'))"
            "  OR (o.purpose = 'assignment' AND d.lifecycle_state IN ('new', 'notified')))"
        )
        assert untrue == []

    @invariant()
    def no_message_twice(self) -> None:
        assert (
            self.database.rows(
                "SELECT dedupe_key FROM outbox GROUP BY dedupe_key HAVING count(*) > 1"
            )
            == []
        )
        # One `sent` row for each message that went out, none for the others.
        sent = "SELECT count(*) FROM notifications WHERE status = 'sent'"
        messages = "SELECT count(*) FROM outbox WHERE state = 'sent'"
        assert self.database.one(sent) == self.database.one(messages)

    @invariant()
    def one_set_of_bytes_for_a_relay(self) -> None:
        assert (
            self.database.rows(
                "SELECT outbox_id FROM outbox_wraps GROUP BY outbox_id HAVING count(*) > 1"
            )
            == []
        )

    @invariant()
    def nothing_waits_that_nobody_looks_at(self) -> None:
        assert (
            self.database.rows(
                "SELECT dedupe_key FROM outbox WHERE state = 'pending' AND next_attempt_at IS NULL"
            )
            == []
        )

    @invariant()
    def an_announcement_time_only_where_something_was_announced(self) -> None:
        assert (
            self.database.rows(
                "SELECT dispute_id FROM disputes"
                " WHERE lifecycle_state = 'new' AND last_notified_at IS NOT NULL"
            )
            == []
        )
        assert (
            self.database.rows(
                "SELECT dispute_id FROM disputes"
                " WHERE lifecycle_state = 'notified' AND last_notified_at IS NULL"
            )
            == []
        )


def first_of_the_newest(revisions: list[Revision]) -> Revision:
    """The winner by time and rank; of two that tie wholly, the one that came first."""
    return max(revisions, key=lambda each: (each.created_at, each.status.rank))


TestLifecycles = Lifecycles.TestCase
TestLifecycles.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_in_order_without_deliveries(database: Database) -> None:
    """The plain stream the machine is compared with, spelled out once."""
    for at, status in enumerate(["initiated", "in-progress", "settled"]):
        database.record(revision(7, status, T0 + at), audience=PEOPLE)
    assert database.state(revision(7).dispute_id) == "resolved"
    assert {recipient for _, recipient, _ in database.outbox(revision(7).dispute_id)} == {
        key(1),
        key(2),
    }
