"""What stopped being true is not given to relays (or recipients) that come late."""

from collections import Counter

import pytest
from tests.store.rig import (
    OTHER,
    RELAY,
    SETTLEMENTS,
    T0,
    Database,
    audience,
    dispute_id,
    fake_wraps,
    key,
    revision,
    said,
)

from serbero.delivery import ledger
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.model.notification import Purpose, TargetSource
from serbero.store import outbox_work

DISPUTE = dispute_id(1)
PACE = ReminderPace(interval=300, growth=1.0, check_every=60)
BOTH = (RELAY, OTHER)
INBOX = "wss://inbox.example"


@pytest.fixture
def announced(database: Database) -> Database:
    """One dispute, its messages to two solvers waiting."""
    database.record(revision(DISPUTE), audience=audience(2))
    return database


def one_takes_the_other_is_away(database: Database, claimed: ledger.Claim, now: int) -> None:
    """Record a pass of which RELAY took everything and OTHER was not there."""
    database.run(ledger.commit_wraps, fake_wraps(claimed), now)
    batch = ledger.Batch()
    for row in claimed.rows:
        for target in claimed.targets[row.id]:
            taken = target.relay == RELAY
            update = said(row.id, target, delivered=taken, now=now, again=100)
            batch.attempts.append(ledger.Attempt(row, update, delivered=taken))
        batch.finished.append(row.id)
    database.run(ledger.record, batch, now * 1000, SETTLEMENTS)


def remind(database: Database, rounds: int) -> int:
    """Let reminder rounds pass with one relay away; return the time of the last."""
    one_takes_the_other_is_away(database, database.claim(relays=BOTH), T0)
    now = T0
    for _ in range(rounds):
        now += 301
        due = database.run(find_due, PACE, now)
        assert database.run(remind_due, due, audience(2), PACE, now * 1000) == 2
        one_takes_the_other_is_away(database, database.claim(now, relays=BOTH), now)
    return now


def back(database: Database, now: int) -> list[tuple[Purpose, str]]:
    """What the relay that was away is given when it is back."""
    database.run(outbox_work.wake_relay, OTHER, now)
    claimed = database.claim(now, relays=BOTH)
    return sorted(
        (row.purpose, target.relay) for row in claimed.rows for target in claimed.targets[row.id]
    )


def states(database: Database) -> Counter[tuple[str, str]]:
    return Counter((purpose, state) for purpose, _, state in database.outbox(DISPUTE))


def test_a_relay_long_away_gets_the_first_message_and_the_newest_reminder(
    announced: Database,
) -> None:
    now = remind(announced, rounds=10)
    assert back(announced, now + 1) == sorted(
        [(Purpose.INITIAL, OTHER)] * 2 + [(Purpose.RENOTIFICATION, OTHER)] * 2
    )
    assert states(announced) == {("initial", "sent"): 2, ("re-notification", "sent"): 20}
    assert announced.one("SELECT count(*) FROM outbox WHERE next_attempt_at IS NOT NULL") == 4


@pytest.mark.parametrize("status", ["in-progress", "settled"])
def test_a_relay_that_returns_after_the_dispute_was_attended(
    announced: Database, status: str
) -> None:
    """No `still unattended`, no `new dispute`; only that somebody has it."""
    now = remind(announced, rounds=3)
    announced.record(revision(DISPUTE, status, now + 1), audience=audience(2), now=now + 1)
    told = [(Purpose.ASSIGNMENT, OTHER), (Purpose.ASSIGNMENT, RELAY)]
    assert back(announced, now + 2) == (sorted(told * 2) if status == "in-progress" else [])
    assert states(announced)["re-notification", "sent"] == 6


def test_attended_by_another_program_after_it_was_sent(announced: Database) -> None:
    one_takes_the_other_is_away(announced, announced.claim(relays=BOTH), T0)
    announced.run(
        lambda tx: tx.exec_driver_sql("UPDATE disputes SET lifecycle_state = 'taken'").close()
    )
    assert back(announced, T0 + 1) == []
    assert states(announced) == {("initial", "sent"): 2}
    assert announced.one("SELECT count(*) FROM outbox WHERE next_attempt_at IS NOT NULL") == 0


def test_a_recipient_who_names_his_relays_late_is_told_only_what_is_true(
    announced: Database,
) -> None:
    now = remind(announced, rounds=3)
    announced.record(revision(DISPUTE, "in-progress", now + 1), audience=audience(2), now=now + 1)
    announced.run(outbox_work.wake_recipient, key(1), now + 2)
    known = {RELAY: TargetSource.CONFIGURED, INBOX: TargetSource.INBOX}
    claimed = announced.claim(now + 2, relays_of=lambda _: known)
    assert {row.purpose for row in claimed.rows} == {Purpose.ASSIGNMENT}


def test_taken_while_in_flight_and_delivered_by_one_relay(announced: Database) -> None:
    """It did go out, so it is `sent`; the other relay is not given what is known to be untrue."""
    claimed = announced.claim(relays=BOTH)
    announced.record(revision(DISPUTE, "in-progress", T0 + 1), audience=audience(0), now=T0 + 1)
    one_takes_the_other_is_away(announced, claimed, T0 + 2)
    assert states(announced) == {("initial", "sent"): 2}
    assert back(announced, T0 + 3) == []


def test_opened_anew_after_somebody_had_it(announced: Database) -> None:
    one_takes_the_other_is_away(announced, announced.claim(relays=BOTH), T0)
    for at, status in ((1, "in-progress"), (2, "initiated")):
        announced.record(revision(DISPUTE, status, T0 + at), audience=audience(2), now=T0 + at)
        one_takes_the_other_is_away(announced, announced.claim(T0 + at, relays=BOTH), T0 + at)
    assert back(announced, T0 + 3) == [(Purpose.INITIAL, OTHER)] * 2
    assert states(announced) == {("initial", "sent"): 4, ("assignment", "sent"): 2}


def test_taken_between_claim_and_publish(announced: Database) -> None:
    claimed = announced.claim()
    ids = [row.id for row in claimed.rows]
    announced.record(revision(DISPUTE, "in-progress", T0 + 1), audience=audience(0), now=T0 + 1)
    assert announced.run(ledger.commit_wraps, fake_wraps(claimed), T0 + 1, ids) == set(ids)
    assert announced.one("SELECT count(*) FROM outbox_wraps") == 0


def test_nothing_is_dropped_that_is_still_to_do(announced: Database) -> None:
    claimed = announced.claim()
    ids = [row.id for row in claimed.rows]
    assert announced.run(ledger.commit_wraps, fake_wraps(claimed), T0, ids) == frozenset()
    assert announced.one("SELECT count(*) FROM outbox_wraps") == 2
