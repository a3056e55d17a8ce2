"""Who is no longer configured hears of nothing more."""

import json

from tests.store.rig import OTHER, RELAY, T0, Database, audience, dispute_id, key, revision, said

from serbero.delivery import ledger
from serbero.delivery.dismissal import dismiss
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.model.notification import OutboxState

DISPUTE = dispute_id(1)
PACE = ReminderPace(interval=300, growth=1.0, check_every=60)


def states(database: Database) -> dict[str, str]:
    return {who: state for _, who, state in database.outbox(DISPUTE)}


def test_pending_messages_are_withdrawn_and_journalled(database: Database) -> None:
    database.record(revision(DISPUTE), audience=audience(3))
    settled = database.run(dismiss, {key(1), key(3)}, T0 + 5)
    assert [(each.row.recipient, each.state) for each in settled] == [
        (key(2), OutboxState.WITHDRAWN)
    ]
    assert states(database) == {key(1): "pending", key(2): "withdrawn", key(3): "pending"}
    [(at, dispute, kind, payload)] = database.rows(
        "SELECT at, dispute_id, kind, payload_json FROM journal"
    )
    assert (at, dispute, kind) == (T0 + 5, DISPUTE, "message_withdrawn")
    assert json.loads(payload) == {
        "purpose": "initial",
        "reason": "recipient_removed",
        "recipient": key(2),
        "channel": "nip17",
    }
    assert {row.recipient for row in database.claim(T0 + 6).rows} == {key(1), key(3)}
    assert database.run(dismiss, {key(1), key(3)}, T0 + 7) == ()


def test_nobody_left(database: Database) -> None:
    database.record(revision(DISPUTE), audience=audience(2))
    assert len(database.run(dismiss, (), T0)) == 2
    assert database.claim(T0).rows == ()


def test_a_message_that_was_sent_goes_to_no_further_relay(database: Database) -> None:
    database.record(revision(DISPUTE), audience=audience(1))
    claimed = database.claim(relays=[RELAY, OTHER])
    [row] = claimed.rows
    taken, away = claimed.targets[row.id]
    batch = ledger.Batch(
        attempts=[
            ledger.Attempt(row, said(row.id, taken, delivered=True), delivered=True),
            ledger.Attempt(row, said(row.id, away, delivered=False, again=9), delivered=False),
        ],
        finished=[row.id],
    )
    database.run(ledger.record, batch, T0 * 1000, {})
    assert database.run(dismiss, (), T0 + 1) == ()
    assert states(database) == {key(1): "sent"}
    assert database.claim(T0 + 10, relays=[RELAY, OTHER]).rows == ()


def test_what_died_is_not_revived_for_who_left(database: Database) -> None:
    """A dispute never announced is announced again, to those configured now."""
    before = audience(2, deadline_seconds=1000)
    database.record(revision(DISPUTE), audience=before)
    database.answer(database.claim(T0), delivered=False)
    database.claim(T0 + 1001)
    assert set(states(database).values()) == {"dead"}
    after = audience(1, deadline_seconds=1000)
    due = database.run(find_due, PACE, T0 + 1002)
    assert database.run(remind_due, due, after, PACE, (T0 + 1002) * 1000) == 1
    assert states(database) == {key(1): "pending", key(2): "dead"}
