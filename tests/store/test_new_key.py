"""What waits when our own key is changed is still readable when it arrives."""

import json

import pytest
from nostr_sdk import Keys, UnsignedEvent, UnwrappedGift
from tests.store.rig import T0, Database, audience, fake_wraps, key, revision

from serbero.delivery.ledger import commit_wraps
from serbero.intake.announcing import Audience
from serbero.intake.reminders import ReminderPace, remind_due
from serbero.model.people import Solver
from serbero.nostr.wrap import gift_wrap
from serbero.store.new_key import reauthor
from serbero.store.outbox import thread_roots

NEW = Keys.generate()
NEW_HEX = NEW.public_key().to_hex()


def rumors(database: Database) -> list[dict[str, object]]:
    return [json.loads(each) for (each,) in database.rows("SELECT rumor_json FROM outbox")]


def test_a_message_that_waits_is_readable_under_the_new_key(database: Database) -> None:
    solver = Keys.generate()
    people = [Solver(typed="x", hex=solver.public_key().to_hex())]
    database.record(revision(1), audience=audience(people))
    [before] = rumors(database)
    assert database.run(reauthor, NEW_HEX) == 1
    [row] = database.claim().rows
    gift = gift_wrap(NEW, row.recipient, row.rumor_json, expires_at=T0 + 86_400)
    opened = UnwrappedGift.from_gift_wrap(solver, gift.event)
    assert opened.sender() == NEW.public_key()
    rumor = opened.rumor()
    assert (rumor.content(), rumor.created_at().as_secs()) == (before["content"], T0)
    identifier = UnsignedEvent.from_json(row.rumor_json).ensure_id().id()
    assert identifier == rumor.id()
    assert identifier is not None
    assert database.one("SELECT rumor_id FROM outbox") == identifier.to_hex()
    assert database.run(reauthor, NEW_HEX) == 0


def test_a_thread_stays_one_thread(database: Database) -> None:
    """What refers to a first message refers to it under its new id."""
    database.record(revision(1), audience=audience(1))
    database.record(revision(1, "in-progress", T0 + 1), audience=audience(1))
    database.run(lambda tx: tx.exec_driver_sql("UPDATE outbox SET state = 'pending'").close())
    assert database.run(reauthor, NEW_HEX) == 2
    root, reply = rumors(database)
    assert reply["tags"][-1] == ["e", root["id"], "", "root"]  # type: ignore[index]
    assert database.run(thread_roots, revision(1).dispute_id) == {key(1): root["id"]}


@pytest.mark.parametrize("state", ["sent", "withdrawn", "pending, wrapped"])
def test_what_was_sent_or_sealed_stays_as_it_is(database: Database, state: str) -> None:
    database.record(revision(1), audience=audience(1))
    if state == "pending, wrapped":
        database.run(commit_wraps, fake_wraps(database.claim()), T0)
    else:
        database.run(lambda tx: tx.exec_driver_sql("UPDATE outbox SET state = ?", (state,)).close())
    before = rumors(database)
    assert database.run(reauthor, NEW_HEX) == 0
    assert rumors(database) == before


def test_a_dead_first_message_is_revived_under_the_new_key(database: Database) -> None:
    old = audience(1, deadline_seconds=60)
    database.record(revision(1), audience=old)
    database.claim(T0 + 61)
    assert database.outbox(revision(1).dispute_id)[0][2] == "dead"
    assert database.run(reauthor, NEW_HEX) == 1
    now = Audience(NEW_HEX, old.solvers, 60)
    pace = ReminderPace(interval=300, growth=1.0, check_every=60)
    database.run(remind_due, [revision(1).dispute_id], now, pace, (T0 + 400) * 1000)
    [row] = database.claim(T0 + 400).rows
    assert json.loads(row.rumor_json)["pubkey"] == NEW_HEX
