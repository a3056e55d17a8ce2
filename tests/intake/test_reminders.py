"""Reminders: when, of what, to whom, in which words."""

import json

import pytest
from structlog.testing import capture_logs
from tests.store.rig import NODE, T0, Database, audience, dispute_id, fake_wraps, key, revision

from serbero.delivery import ledger
from serbero.intake.announcing import Audience
from serbero.intake.reminders import (
    ReminderPace,
    Reminders,
    find_due,
    interval_after,
    is_due,
    remind_due,
)
from serbero.model.dispute import Opening
from serbero.model.lifecycle import Lifecycle
from serbero.model.people import Solver
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store.disputes import Unattended, open_ids
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

DISPUTE = dispute_id(1)
PACE = ReminderPace(interval=300, growth=1.0, check_every=60)
GROWING = ReminderPace(interval=300, growth=2.0, check_every=60)
PEOPLE = audience(2)
OPENING = Opening(DISPUTE, "buyer", "e" * 64, T0)


def check(
    database: Database, now: int, people: Audience = PEOPLE, pace: ReminderPace = PACE
) -> int:
    due = database.run(find_due, pace, now)
    return database.run(remind_due, due, people, pace, now * 1000)


def announce(database: Database, now: int = T0, people: Audience = PEOPLE) -> None:
    database.record(revision(DISPUTE), audience=people, now=now)
    database.answer(database.claim(now), delivered=True, now=now)
    assert database.state(DISPUTE) == "notified"


def reminders(database: Database) -> list[tuple[str, str]]:
    return [
        (who, state) for what, who, state in database.outbox(DISPUTE) if what == "re-notification"
    ]


@pytest.mark.parametrize(
    ("interval", "growth", "waits"),
    [
        (300, 1.0, [300, 300, 300, 300]),
        (300, 2.0, [300, 600, 1200, 2400, 3600, 3600]),
        (300, 1.5, [300, 450, 675, 1012]),
        (3600, 2.0, [3600, 3600]),
        (7200, 2.0, [7200, 7200]),
        (7200, 1.0, [7200, 7200]),
        (1, 10.0, [1, 10, 100, 1000, 3600]),
        (1, 1.0, [1, 1, 1]),
    ],
)
def test_interval(interval: int, growth: float, waits: list[int]) -> None:
    """Growth of the interval, capped at an hour unless configured longer."""
    pace = ReminderPace(interval, growth, 60)
    assert [interval_after(cycle, pace) for cycle in range(len(waits))] == waits


@pytest.mark.parametrize("cycle", [100, 5_000, 10**6])
def test_interval_never_overflows(cycle: int) -> None:
    assert interval_after(cycle, GROWING) == 3600
    assert interval_after(cycle, PACE) == 300


def test_a_small_growth_reaches_the_longest_interval_too() -> None:
    slow = ReminderPace(interval=300, growth=1.01, check_every=60)
    waits = [interval_after(cycle, slow) for cycle in range(400)]
    assert waits[100] == 811
    assert waits[250] == 3600
    assert waits == sorted(waits)


@pytest.mark.parametrize("state", [Lifecycle.NEW, Lifecycle.NOTIFIED])
@pytest.mark.parametrize(("age_days", "due"), [(89, True), (90, True), (91, False)])
def test_what_no_relay_holds_any_more_is_let_rest(
    state: Lifecycle, age_days: int, due: bool
) -> None:
    opened = T0 - age_days * 86_400
    waiting = Unattended(Opening(DISPUTE, "buyer", "e" * 64, opened), state, opened, 0)
    assert is_due(waiting, T0, PACE) is due


def test_reminders_end_with_the_dispute_event(database: Database) -> None:
    announce(database)
    last = T0 + 90 * 86_400
    assert check(database, last) == 2
    database.answer(database.claim(last), delivered=True, now=last)
    assert check(database, last + 301) == 0
    assert database.state(DISPUTE) == "notified"


@pytest.mark.parametrize(
    ("waited", "cycle", "due"),
    [(299, 0, False), (300, 0, False), (301, 0, True), (600, 1, False), (601, 1, True)],
)
def test_strictly_longer_than_the_interval(waited: int, cycle: int, due: bool) -> None:
    waiting = Unattended(OPENING, Lifecycle.NOTIFIED, T0, cycle)
    assert is_due(waiting, T0 + waited, GROWING) is due


def test_not_at_the_very_second(database: Database) -> None:
    """The same, through the database."""
    announce(database)
    assert database.run(find_due, PACE, T0 + 300) == []
    assert check(database, T0 + 300) == 0
    assert database.run(find_due, PACE, T0 + 301) == [DISPUTE]
    assert check(database, T0 + 301) == 2


def test_words_thread_and_row(database: Database) -> None:
    """Elapsed from the opening's own time; the round counts from its enqueue time."""
    database.record(revision(DISPUTE, at=T0 - 40), audience=PEOPLE, now=T0)
    database.answer(database.claim(T0), delivered=True, now=T0 + 2)
    root = database.one("SELECT rumor_id FROM outbox WHERE recipient = ?", key(1))
    check(database, T0 + 400)
    rumor = json.loads(
        database.one(
            "SELECT rumor_json FROM outbox WHERE purpose = 're-notification' AND recipient = ?",
            key(1),
        )
    )
    assert rumor["content"].split("\n") == [
        "Mostro dispute is still unattended.",
        f"dispute_id: {DISPUTE}",
        "lifecycle_state: notified",
        "time_elapsed_seconds: 440",
    ]
    assert rumor["tags"][1:] == [["subject", f"Dispute {DISPUTE[:8]}"], ["e", root, "", "root"]]
    assert database.one("SELECT last_notified_at FROM disputes") == T0
    database.answer(database.claim(T0 + 400), delivered=True, now=T0 + 450)
    assert database.one("SELECT last_notified_at FROM disputes") == T0 + 400
    rows = database.rows("SELECT notif_type, status, sent_at FROM notifications ORDER BY id")
    assert rows[-2:] == [("re-notification", "sent", T0 + 450)] * 2


def test_rounds_go_on_with_growing_intervals(database: Database) -> None:
    announce(database)
    told, now = [], T0
    while now < T0 + 12_000:
        now += 60
        if check(database, now, pace=GROWING):
            database.answer(database.claim(now), delivered=True, now=now)
            told.append(now - T0)
    assert told == [360, 1020, 2280, 4740, 8400]


def test_a_reopening_starts_again_at_the_shortest_interval(database: Database) -> None:
    announce(database)
    for now in (T0 + 400, T0 + 1100):
        assert check(database, now, pace=GROWING) == 2
        database.answer(database.claim(now), delivered=True, now=now)
    database.record(revision(DISPUTE, at=T0 + 1200), audience=PEOPLE, now=T0 + 1200)
    database.answer(database.claim(T0 + 1200), delivered=True, now=T0 + 1200)
    assert check(database, T0 + 1501, pace=GROWING) == 2


def test_a_round_nobody_got_keeps_the_old_time(database: Database) -> None:
    """`failed` rows, unchanged time; tried again by the outbox, not by a new round."""
    announce(database)
    assert check(database, T0 + 301) == 2
    claimed = database.claim(T0 + 301)
    database.answer(claimed, delivered=False, now=T0 + 302, reason="wss://one.example timeout")
    assert database.one("SELECT last_notified_at FROM disputes") == T0
    statuses = database.rows("SELECT status, error_message FROM notifications ORDER BY id")
    assert (
        statuses[2:]
        == [("failed", "notification error: gift-wrap send failed: wss://one.example timeout")] * 2
    )
    assert check(database, T0 + 400) == 0
    assert len(reminders(database)) == 2


def test_none_to_a_solver_who_still_waits_for_an_earlier_message(database: Database) -> None:
    database.record(revision(DISPUTE), audience=PEOPLE)
    claimed = database.claim(T0, limit=1)
    database.answer(claimed, delivered=True)
    [reached] = [row.recipient for row in claimed.rows]
    assert check(database, T0 + 301) == 1
    assert reminders(database) == [(reached, "pending")]


@pytest.mark.parametrize("status", ["in-progress", "settled", "released"])
def test_nothing_for_what_somebody_has_or_is_closed(database: Database, status: str) -> None:
    """Found first, taken meanwhile, left alone."""
    announce(database)
    due = database.run(find_due, PACE, T0 + 301)
    database.record(revision(DISPUTE, status, T0 + 1), audience=PEOPLE, now=T0 + 301)
    assert due == [DISPUTE]
    assert database.run(remind_due, due, PEOPLE, PACE, (T0 + 301) * 1000) == 0
    assert check(database, T0 + 90_000) == 0
    assert reminders(database) == []


def test_a_pending_reminder_is_withdrawn_by_a_take(database: Database) -> None:
    announce(database)
    check(database, T0 + 301)
    database.record(revision(DISPUTE, "in-progress", T0 + 1), audience=PEOPLE, now=T0 + 302)
    assert {state for _, state in reminders(database)} == {"withdrawn"}


def test_what_was_never_announced_is_revived_with_the_same_rumor_and_bytes(
    database: Database,
) -> None:
    """Dead first messages get a new deadline, and no relay a second event."""
    people = audience(2, deadline_seconds=1000)
    database.record(revision(DISPUTE), audience=people)
    claimed = database.claim(T0)
    database.run(ledger.commit_wraps, fake_wraps(claimed), T0)
    database.answer(claimed, delivered=False, now=T0 + 1)
    rumors = database.rows("SELECT rumor_id FROM outbox ORDER BY id")
    bytes_given = database.rows("SELECT event_id FROM outbox_targets ORDER BY outbox_id")
    assert check(database, T0 + 301, people) == 0
    database.claim(T0 + 1001)
    assert {state for *_, state in database.outbox(DISPUTE)} == {"dead"}
    assert check(database, T0 + 1002, people) == 2
    rows = database.rows("SELECT state, deadline_at, rumor_id FROM outbox ORDER BY id")
    assert rows == [("pending", T0 + 2002, rumor) for (rumor,) in rumors]
    again = database.claim(T0 + 1002)
    assert len(again.rows) == 2
    assert fake_wraps(again) == []
    assert database.rows("SELECT event_id FROM outbox_targets ORDER BY outbox_id") == bytes_given
    database.answer(again, delivered=True, now=T0 + 1003)
    assert database.state(DISPUTE) == "notified"


def test_a_revived_message_counts_from_its_revival(database: Database) -> None:
    """Whoever hears of a dispute for the first time is not reminded of it a minute later."""
    people = audience(1, deadline_seconds=1000)
    database.record(revision(DISPUTE), audience=people)
    database.answer(database.claim(T0), delivered=False)
    database.claim(T0 + 1001)
    assert check(database, T0 + 1002, people) == 1
    database.answer(database.claim(T0 + 1002), delivered=True, now=T0 + 1002)
    assert database.state(DISPUTE) == "notified"
    assert check(database, T0 + 1062, people) == 0
    assert check(database, T0 + 1303, people) == 1


def test_nobody_was_configured_then(database: Database) -> None:
    """An operator adds solvers later; they are told as of a new dispute."""
    database.record(revision(DISPUTE), audience=audience(0))
    assert check(database, T0 + 301, audience(0)) == 0
    assert check(database, T0 + 302, audience(2)) == 2
    assert {what for what, *_ in database.outbox(DISPUTE)} == {"initial"}


def test_a_solver_added_later(database: Database) -> None:
    """He gets the reminders from then on, each the first of his own thread."""
    announce(database, people=audience(1))
    assert check(database, T0 + 301, audience(2)) == 2
    tags = json.loads(database.one("SELECT rumor_json FROM outbox WHERE recipient = ?", key(2)))[
        "tags"
    ]
    assert [tag[0] for tag in tags] == ["p", "subject"]


def test_a_solver_removed_is_told_nothing_more(database: Database) -> None:
    announce(database, people=audience(2))
    assert check(database, T0 + 301, audience(1)) == 1
    assert reminders(database) == [(key(1), "pending")]


def test_a_key_that_cannot_be_one_leaves_a_row_each_round(database: Database) -> None:
    people = audience([Solver(typed="bad", hex=None, problem="no key"), *audience(1).solvers])
    announce(database, people=people)
    check(database, T0 + 301, people)
    rows = database.rows(
        "SELECT solver_pubkey, notif_type FROM notifications WHERE status = 'failed'"
    )
    assert rows == [("bad", "initial"), ("bad", "re-notification")]


def test_a_reminder_that_arrives_after_a_reopening_counts_for_nothing(database: Database) -> None:
    """It was on its way; the new opening has not been announced by it."""
    announce(database)
    check(database, T0 + 301)
    claimed = database.claim(T0 + 301)
    database.record(revision(DISPUTE, at=T0 + 302), audience=PEOPLE, now=T0 + 302)
    database.answer(claimed, delivered=True, now=T0 + 303)
    assert database.rows("SELECT lifecycle_state, last_notified_at FROM disputes") == [
        ("new", None)
    ]


def test_a_first_message_of_a_past_opening_announces_nothing(database: Database) -> None:
    """On its way while the dispute was opened anew: sent, but the new opening is still `new`."""
    database.record(revision(DISPUTE), audience=PEOPLE)
    claimed = database.claim()
    database.record(revision(DISPUTE, at=T0 + 1), audience=PEOPLE, now=T0 + 1)
    database.answer(claimed, delivered=True, now=T0 + 2)
    assert database.rows("SELECT lifecycle_state, last_notified_at FROM disputes") == [
        ("new", None)
    ]
    states = [state for *_, state in database.outbox(DISPUTE)]
    assert states == ["sent", "sent", "pending", "pending"]
    database.answer(database.claim(T0 + 2), delivered=True, now=T0 + 3)
    assert database.state(DISPUTE) == "notified"


def test_only_disputes_of_the_node_we_serve_are_reminded_of(database: Database) -> None:
    announce(database)
    assert database.run(find_due, PACE, T0 + 301, NODE) == [DISPUTE]
    assert database.run(find_due, PACE, T0 + 301, "cc" * 32) == []
    assert database.run(open_ids, NODE) == [DISPUTE]
    assert database.run(open_ids, "cc" * 32) == []


def test_no_time_less_than_none_has_passed(database: Database) -> None:
    """A node whose clock is ahead of ours opens disputes in our future."""
    database.record(revision(DISPUTE, at=T0 + 9999), audience=PEOPLE)
    database.answer(database.claim(), delivered=True)
    assert check(database, T0 + 301) == 2
    rumor = database.rows("SELECT rumor_json FROM outbox ORDER BY id")[-1][0]
    assert "time_elapsed_seconds: 0" in json.loads(rumor)["content"].split("\n")


async def test_a_tick_that_enqueues_nothing_is_not_news(database: Database) -> None:
    """Somebody still waits for an earlier message: that is so every minute, for hours."""
    announce(database)
    assert check(database, T0 + 301) == 2
    clock = FakeClock(T0 + 700)
    store = Store.open(database.path, T0)
    patient = PatientStore(store, clock, Health(clock), Metrics())
    timer = Reminders(
        node=NODE, store=patient, audience=PEOPLE, pace=PACE, clock=clock, on_enqueued=lambda: None
    )
    with capture_logs() as logs:
        assert await timer.check() == 0
        database.answer(database.claim(T0 + 700), delivered=True, now=T0 + 305)
        await clock.advance(700)
        assert await timer.check() == 2
    store.close()
    ticks = [each for each in logs if each["event"] == "renotification_tick"]
    assert [(each["log_level"], each["count"], each["enqueued"]) for each in ticks] == [
        ("debug", 1, 0),
        ("info", 1, 2),
    ]
