"""What counts as news, from rows of every age and hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.store.rig import T0, Database, audience, dispute_id, revision
from tests.store.test_query_plans import GROWING, plans_of

from serbero.alerts.collecting import prepare
from serbero.intake.reminders import ReminderPace, remind_due
from serbero.model.alerts import Alert, AlertEvent, Fact
from serbero.model.notification import Purpose
from serbero.store import alert_sources, held, standing
from serbero.store import alerts as queue
from serbero.store.alert_sources import OVERLAP_SECONDS, ROWS_A_LOOK, Place
from serbero.store.standing import Standing, StandingState

PLACE = Place("aa" * 32, "bb" * 32)
NOW = T0 + 10
EVERYTHING = frozenset(AlertEvent)


class Desk:
    """A database with one channel that listens since ``T0``."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(folder / "serbero.db")
        self.start()

    def start(self, *names: str, now: int = T0) -> frozenset[str]:
        self.names = names or ("phone",)
        return self.database.run(prepare, self.names, PLACE, now)

    def look(self, now: int = NOW) -> list[Alert]:
        """Take up what there is, as the collector does; one look."""
        news = self.database.run(alert_sources.look, PLACE, now, frozenset())
        listeners = [queue.Listener(each, EVERYTHING) for each in self.names]
        self.database.run(queue.record, listeners, news.alerts, news.moved, now)
        return list(news.alerts)

    def queued(self, channel: str = "phone") -> list[str]:
        rows = self.database.rows("SELECT channel, dedupe_key FROM alerts ORDER BY id")
        return [key for name, key in rows if name == channel]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


def change(tx: sa.Connection, text: str, *values: object) -> None:
    tx.exec_driver_sql(text, values).close()


DIE = "UPDATE outbox SET state = 'dead', next_attempt_at = NULL, settled_at = ? WHERE id = ?"


def kinds(alerts: list[Alert]) -> list[tuple[str, str | None]]:
    return [(each.event.value, each.dispute_id) for each in alerts]


def test_what_was_taken_when_it_was_first_seen_is_no_new_dispute(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(1))
    desk.database.record(revision(2, "in-progress", T0), audience=audience(1))
    assert kinds(desk.look()) == [("new_dispute", dispute_id(1))]
    assert desk.look() == []


def test_a_dispute_that_is_taken_before_anybody_looks_is_told_of(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(1))
    desk.database.record(revision(1, "in-progress", T0 + 5), audience=audience(1))
    assert kinds(desk.look()) == [("new_dispute", dispute_id(1))]


def test_without_any_solver_the_operator_hears_all_the_same(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(0))
    assert kinds(desk.look()) == [("new_dispute", dispute_id(1))]


def test_a_reminder_is_one_alert_however_many_solvers_get_it_or_sleep(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(3))
    desk.database.run(change, "UPDATE disputes SET lifecycle_state = 'notified'")
    desk.database.run(change, "UPDATE outbox SET state = 'sent'")
    desk.look()
    pace = ReminderPace(interval=300, growth=1.0, check_every=60)
    later = T0 + 1_000
    desk.database.run(remind_due, [dispute_id(1)], audience(3), pace, later * 1000)
    anchors = desk.database.rows("SELECT anchor FROM outbox WHERE purpose = 're-notification'")
    assert len(anchors) == 3
    about = (dispute_id(1), Purpose.RENOTIFICATION, anchors[0][0], later)
    desk.database.run(held.hold, "cc" * 32, *about)
    (alert,) = desk.look(later)
    assert (alert.event, alert.facts) == (AlertEvent.UNATTENDED, {Fact.NUMBER: 1})


def test_everybody_asleep_is_unattended_too(desk: Desk) -> None:
    desk.database.run(held.hold, "cc" * 32, dispute_id(1), Purpose.RENOTIFICATION, "ab.4", T0 + 1)
    desk.database.run(held.hold, "cc" * 32, dispute_id(1), Purpose.ASSIGNMENT, "ef", T0 + 1)
    (alert,) = desk.look()
    assert (alert.event, alert.facts) == (AlertEvent.UNATTENDED, {Fact.NUMBER: 4})


def test_a_message_counts_as_given_up_once_neither_envelope_got_through(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(2))
    desk.look()
    rows = desk.database.rows("SELECT id, dedupe_key FROM outbox ORDER BY id")
    first, second = (row[0] for row in rows)
    stem = rows[0][1].removesuffix("nip17")
    # The second becomes the twin of the first.
    twin = "UPDATE outbox SET dedupe_key = ?, channel = 'mostro' WHERE id = ?"
    desk.database.run(change, twin, f"{stem}mostro", second)
    desk.database.run(change, DIE, T0 + 5, first)
    assert desk.look() == [], "the other may get there yet"
    desk.database.run(change, DIE, T0 + 6, second)
    (alert,) = desk.look()
    assert alert.facts == {Fact.TO: "solver", Fact.PURPOSE: "initial"}
    desk.look()
    assert len(desk.queued()) == 2, "once, though it is looked at again for an hour"
    # Sent again by hand, and given up again.
    desk.database.run(change, DIE, T0 + 9, first)
    desk.look()
    assert len(desk.queued()) == 3


def test_a_death_recorded_late_is_found(desk: Desk) -> None:
    """The transaction that wrote it waited for a lock longer than the collector looks back."""
    desk.database.record(revision(1, at=T0), audience=audience(1))
    desk.look()
    later = T0 + OVERLAP_SECONDS
    desk.look(later)
    desk.database.run(change, DIE, T0 + 60, 1)
    assert kinds(desk.look(later)) == [("dead_letter", dispute_id(1))]


def test_many_at_once_are_read_in_parts(desk: Desk) -> None:
    count = ROWS_A_LOOK + 100
    rows = [
        {"d": dispute_id(n), "e": f"{n:064x}", "at": T0 + 1, "n": "aa" * 32} for n in range(count)
    ]

    def fill(tx: sa.Connection) -> None:
        tx.execute(
            sa.text(
                "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
                " event_timestamp, detected_at) VALUES (:d, :e, :n, 'buyer', :at, :at)"
            ),
            rows,
        )
        tx.execute(
            sa.text(
                "INSERT INTO revisions (dispute_id, event_id, created_at, status,"
                " opening_event_id, applied_at) VALUES (:d, :e, :at, 'initiated', :e, :at)"
            ),
            rows,
        )

    desk.database.run(fill)
    assert [len(desk.look()) for _ in range(3)] == [ROWS_A_LOOK, 100, 0]


def test_rows_written_by_hand(desk: Desk) -> None:
    """Blobs, numbers, sentences: nothing raises, and the facts of an alert hold no word of them."""
    odd: list[tuple[Any, ...]] = [
        (b"\xff\x00", "planted words", 5, b"x"),
        (7, 3.5, "planted words", "planted words"),
        ("planted words", "buyer", "soon", None),
    ]

    def fill(tx: sa.Connection) -> None:
        for number, (dispute, role, at, anchor) in enumerate(odd):
            tx.exec_driver_sql(
                "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
                " event_timestamp, detected_at) VALUES (?, ?, 'x', ?, 1, ?)",
                (dispute, str(number), role, at),
            )
            tx.exec_driver_sql(
                "INSERT INTO revisions (dispute_id, event_id, created_at, status,"
                " opening_event_id, applied_at) VALUES (?, 'x', 1, 'initiated', 'x', 1)",
                (dispute,),
            )
            tx.exec_driver_sql(
                "INSERT INTO mediation_events (kind, payload_json, occurred_at)"
                " VALUES ('escalation_recommended', ?, ?)",
                (role, at),
            )
            tx.exec_driver_sql(
                "INSERT INTO dispute_state_transitions (dispute_id, to_state, transitioned_at)"
                " VALUES (?, 'new', ?)",
                (dispute, at),
            )
            tx.exec_driver_sql(
                "INSERT INTO held_messages (solver, dispute_id, purpose, anchor, at)"
                " VALUES ('x', ?, 're-notification', ?, ?)",
                (dispute, anchor or "", at),
            )

    desk.database.run(fill)
    desk.look()
    facts = desk.database.rows("SELECT facts_json FROM alerts")
    assert "planted" not in str(facts)


def test_a_clock_that_was_set_back_makes_nobody_deaf(desk: Desk) -> None:
    desk.start("desk", now=T0 + 500_000)
    desk.database.record(revision(1, at=T0), audience=audience(1))
    # As late as a look is: what happened before it is not from before the channel.
    desk.look(T0 + 3)
    assert desk.queued("desk") == [f"new_dispute:first:{dispute_id(1)}"]


def test_what_is_given_up_is_found_after_a_minute_in_another_year(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(1))
    desk.look()
    desk.look(NOW + 31_536_000)
    desk.start(now=NOW + 60)
    desk.database.run(change, DIE, NOW + 61, 1)
    assert kinds(desk.look(NOW + 64)) == [("dead_letter", dispute_id(1))]
    assert desk.queued()[1:] == [f"dead_letter:1:{NOW + 61}"]


def test_marks_beyond_the_rows_are_corrected(desk: Desk) -> None:
    """A database that was copied with fewer rows, or numbered anew."""
    desk.database.run(change, "UPDATE cursors SET value = 999 WHERE name LIKE 'alerts.o%'")
    desk.look()
    desk.database.record(revision(1, at=T0), audience=audience(1))
    assert kinds(desk.look()) == [("new_dispute", dispute_id(1))]


def test_a_channel_that_is_new_is_told_of_what_comes(desk: Desk) -> None:
    """Of nothing that was recorded before, though the others have not been told of it yet."""
    desk.database.record(revision(1, at=T0), audience=audience(1), now=T0 + 5)
    desk.start("phone", "desk", now=T0 + 20)
    desk.database.record(revision(2, at=T0 + 21), audience=audience(1), now=T0 + 21)
    desk.look(T0 + 25)
    first, second = (f"new_dispute:first:{dispute_id(n)}" for n in (1, 2))
    assert (desk.queued("phone"), desk.queued("desk")) == ([first, second], [second])
    # Nobody listens for a while; then everything begins at the present.
    desk.database.run(queue.adopt, (), T0 + 30)
    assert not desk.database.run(queue.has_traces)
    desk.database.record(revision(3, at=T0 + 31), audience=audience(1), now=T0 + 31)
    desk.start("phone", now=T0 + 40)
    assert desk.look(T0 + 41) == []


def test_who_is_left_out_for_a_while_begins_anew_and_is_owed_nothing(desk: Desk) -> None:
    desk.database.record(revision(1, at=T0), audience=audience(1))
    desk.look()
    desk.start("desk", now=T0 + 20)
    states = desk.database.rows("SELECT state, reason FROM alerts")
    assert states == [("dead", queue.NOT_CONFIGURED)]
    marks = desk.database.rows("SELECT name FROM cursors WHERE name LIKE 'alerts.since%'")
    assert marks == [("alerts.since.desk",)]


def test_no_look_walks_through_history(desk: Desk) -> None:
    """Each is a seek by number or by the index of what is dead."""
    desk.database.record(*(revision(n, at=T0) for n in range(50)), audience=audience(2))
    desk.database.run(lambda tx: tx.exec_driver_sql("ANALYZE").close())

    def look(tx: sa.Connection) -> None:
        alert_sources.look(tx, PLACE, NOW, frozenset())
        queue.waiting(tx, "phone", 100)

    scans = [
        plan
        for _, plan in plans_of(desk.database, look)
        if plan.startswith("SCAN") and any(name in plan.split() for name in (*GROWING, "alerts"))
    ]
    assert scans == []


def test_a_standing_is_that_of_our_key_and_only_a_change_is_told(desk: Desk) -> None:
    def now_is(state: StandingState, own_key: str = PLACE.own_key) -> list[dict[str, Any]]:
        new = Standing(state, T0 + 1, own_key=own_key)
        desk.database.run(standing.save, PLACE.node, new)
        return [dict(each.facts) for each in desk.look()]

    begun, over = [{Fact.TURN: "begun"}], [{Fact.TURN: "over"}]
    assert now_is(StandingState.REFUSED, "cc" * 32) == []
    assert now_is(StandingState.AUTHORIZED) == [], "as everybody expects"
    assert now_is(StandingState.REFUSED) == begun
    assert now_is(StandingState.TERMINATED) == []
    assert now_is(StandingState.UNKNOWN) == [], "not known is not let in"
    assert now_is(StandingState.AUTHORIZED) == over
    assert now_is(StandingState.REFUSED) == begun
    now_is(StandingState.REFUSED, "cc" * 32)
    desk.start()
    assert now_is(StandingState.AUTHORIZED) == [], "this key was never refused"
