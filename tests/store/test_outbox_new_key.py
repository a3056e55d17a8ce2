"""Our own key was changed: what of each channel can still be said, and what cannot."""

import json

import pytest
from nostr_sdk import Keys
from tests.store.rig import SENDER, T0, Database, audience, dispute_id, fake_wraps, key, revision

from serbero.delivery.ledger import commit_wraps
from serbero.model.notification import CHAT_CHANNELS, Purpose, Urgency
from serbero.model.people import Solver, Via
from serbero.mostro.chat import inner_message
from serbero.store import outbox
from serbero.store.new_key import reauthor, withdraw_party_messages

DISPUTE = dispute_id(1)
OLD, NEW = Keys.generate(), Keys.generate()
NEW_HEX = NEW.public_key().to_hex()
SAID = "I never got the money"


def say_to_party(database: Database, keys: Keys = OLD) -> None:
    inner = inner_message(keys, SAID, T0)
    messages = [
        outbox.NewMessage(
            purpose=Purpose.PARTY_MESSAGE,
            dispute_id=DISPUTE,
            anchor="round-1",
            recipient=key(7),
            recipient_typed=key(7),
            notif_type=None,
            rumor_id=inner.id().to_hex(),
            rumor_json=inner.as_json(),
            urgency=Urgency.ALERT,
            enqueued_ms=T0 * 1000,
            deadline_at=T0 + 86_400,
            channel=channel,
            session_id="session",
        )
        for channel in CHAT_CHANNELS
    ]
    database.run(outbox.enqueue, messages)


def inner_events(database: Database) -> list[tuple[object, ...]]:
    return database.rows("SELECT rumor_id, rumor_json FROM outbox WHERE channel LIKE 'chat%'")


def test_both_channels_to_a_solver_are_rewritten_alike(database: Database) -> None:
    both = audience([Solver(typed="x", hex=key(1), via=Via.BOTH)])
    database.record(revision(DISPUTE), audience=both)
    before = database.one("SELECT DISTINCT rumor_id FROM outbox")
    assert database.run(reauthor, NEW_HEX) == 2
    [(after, rumor)] = database.rows("SELECT DISTINCT rumor_id, rumor_json FROM outbox")
    assert json.loads(rumor)["pubkey"] == NEW_HEX
    assert after != before
    assert database.run(withdraw_party_messages, NEW_HEX, T0) == 0


@pytest.mark.parametrize("wrapped", [False, True])
def test_words_to_a_party_under_the_old_key_are_not_sent(database: Database, wrapped: bool) -> None:
    database.record(revision(DISPUTE, "in-progress"), audience=audience(0))
    say_to_party(database)
    if wrapped:
        database.run(commit_wraps, fake_wraps(database.claim()), T0)
    before = inner_events(database)
    assert database.run(reauthor, NEW_HEX) == 0
    assert inner_events(database) == before
    assert database.run(withdraw_party_messages, NEW_HEX, T0 + 5) == 2
    assert (
        database.rows("SELECT state, settled_at, next_attempt_at FROM outbox")
        == [("withdrawn", T0 + 5, None)] * 2
    )
    journal = database.rows("SELECT at, dispute_id, session_id, kind, payload_json FROM journal")
    assert [row[:4] for row in journal] == [(T0 + 5, DISPUTE, "session", "message_withdrawn")] * 2
    assert [json.loads(row[4]) for row in journal] == [
        {
            "channel": channel.value,
            "purpose": "party_message",
            "reason": "own_key_changed",
            "recipient": key(7),
        }
        for channel in CHAT_CHANNELS
    ]
    assert database.claim(T0 + 6).rows == ()
    assert database.run(withdraw_party_messages, NEW_HEX, T0 + 7) == 0


def test_what_was_sent_goes_to_no_further_relay(database: Database) -> None:
    say_to_party(database)
    database.run(
        lambda tx: tx.exec_driver_sql(
            "UPDATE outbox SET state = 'sent' WHERE channel = 'chat'"
        ).close()
    )
    assert database.run(withdraw_party_messages, NEW_HEX, T0 + 5) == 1
    assert database.rows("SELECT channel, state, next_attempt_at FROM outbox ORDER BY id") == [
        ("chat", "sent", None),
        ("chat_legacy", "withdrawn", None),
    ]
    assert database.one("SELECT count(*) FROM journal") == 1


def test_words_under_the_key_of_today_stay(database: Database) -> None:
    database.record(revision(2), audience=audience(1))
    say_to_party(database, NEW)
    assert database.run(withdraw_party_messages, NEW_HEX, T0) == 0
    assert len(database.claim().rows) == 3
    # A message to a solver is not this function's, whoever wrote it.
    [rumor] = database.rows("SELECT rumor_json FROM outbox WHERE channel = 'nip17'")
    assert json.loads(rumor[0])["pubkey"] == SENDER
