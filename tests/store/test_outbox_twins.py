"""What is counted of messages that have two rows, against a model that knows the messages."""

from collections.abc import Iterator, Sequence
from typing import Final

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.store.rig import NODE, RELAY, T0, Database, audience, dispute_id, key, revision, said

from serbero.delivery import ledger
from serbero.model.notification import (
    CHAT_CHANNELS,
    SOLVER_CHANNELS,
    Channel,
    OutboxState,
    Purpose,
    TargetSource,
    Urgency,
)
from serbero.model.people import Solver, Via
from serbero.store import inspection, outbox, outbox_work
from serbero.store.outbox_twins import twins_of

DISPUTE: Final = dispute_id(1)
INBOX: Final = "wss://inbox.example"
STATES: Final = (*OutboxState, None)
"""What a channel of a message can be in; None: it has no row."""

Message = tuple[int, tuple[Channel, Channel], OutboxState | None, OutboxState | None]
"""Recipient, pair of channels, and the state of each."""


def put(database: Database, messages: Sequence[Message]) -> None:
    """Let these messages be all there is."""
    database.run(execute, "DELETE FROM outbox")
    rows = []
    for number, (recipient, channels, *states) in enumerate(messages):
        for channel, state in zip(channels, states, strict=True):
            if state is not None:
                rows.append((number, recipient, channel, state))
    database.run(
        outbox.enqueue,
        [
            outbox.NewMessage(
                purpose=Purpose.RENOTIFICATION,
                dispute_id=DISPUTE,
                anchor=f"a:{number}",
                recipient=key(recipient),
                recipient_typed=key(recipient),
                notif_type=None,
                rumor_id=f"r{number}",
                rumor_json="{}",
                urgency=Urgency.ALERT,
                enqueued_ms=(T0 + number) * 1000,
                deadline_at=T0 + 86_400,
                channel=channel,
            )
            for number, recipient, channel, _ in rows
        ],
    )
    for number, _, channel, state in rows:
        ended = None if state in (OutboxState.PENDING, OutboxState.SENT) else 1
        sql = (
            "UPDATE outbox SET state = ?, settled_at = ?,"
            " next_attempt_at = CASE WHEN ? THEN NULL ELSE next_attempt_at END"
            " WHERE anchor = ? AND channel = ?"
        )
        values = (str(state), T0, ended, f"a:{number}", str(channel))
        database.run(execute, sql, values)


def execute(tx: sa.Connection, sql: str, values: tuple[object, ...] = ()) -> None:
    tx.exec_driver_sql(sql, values).close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One file for all examples: making one takes longer than what is tried on it."""
    database = Database(tmp_path_factory.mktemp("twins") / "serbero.db")
    yield database
    database.close()


MESSAGES = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([SOLVER_CHANNELS, SOLVER_CHANNELS[::-1], CHAT_CHANNELS]),
        st.sampled_from(STATES),
        st.sampled_from(STATES),
    ),
    max_size=8,
)


@given(messages=MESSAGES)
@settings(max_examples=60, deadline=None)
def test_messages_are_counted_and_not_rows(shared: Database, messages: list[Message]) -> None:
    put(shared, messages)
    waiting, lost, untold = [], 0, set()
    for number, (recipient, _, *found) in enumerate(messages):
        states = set(found)
        if OutboxState.SENT in states:
            continue
        if OutboxState.PENDING in states:
            waiting.append(T0 + number)
            untold.add(key(recipient))
        elif OutboxState.DEAD in states:
            lost += 1
    assert shared.run(outbox.depth) == outbox.Depth(len(waiting), min(waiting, default=None))
    assert shared.run(outbox.recipients_with_pending, DISPUTE) == untold
    assert shared.run(inspection.count_dead, T0 - 1) == lost


@given(messages=MESSAGES)
@settings(max_examples=30, deadline=None)
def test_a_row_finds_its_twin_and_no_other(shared: Database, messages: list[Message]) -> None:
    put(shared, messages)
    rows = shared.rows("SELECT id, anchor, channel, state FROM outbox")
    found = shared.run(twins_of, [row[0] for row in rows])
    assert {row: (twin.id, twin.state) for row, twin in found.items()} == {
        one[0]: (other[0], other[3])
        for one in rows
        for other in rows
        if one[1] == other[1] and one[0] != other[0]
    }


def test_nobody_is_nobodys_twin(database: Database) -> None:
    assert database.run(twins_of, []) == {}
    assert database.run(twins_of, [1, 2]) == {}


def test_a_message_about_no_dispute_has_a_twin_as_well(database: Database) -> None:
    messages = [
        outbox.NewMessage(
            purpose=Purpose.ASSIGNMENT,
            dispute_id=None,
            anchor="digest",
            recipient=key(1),
            recipient_typed=key(1),
            notif_type=None,
            rumor_id="r",
            rumor_json="{}",
            urgency=Urgency.NOTICE,
            enqueued_ms=T0 * 1000,
            deadline_at=T0 + 60,
            channel=channel,
        )
        for channel in SOLVER_CHANNELS
    ]
    assert database.run(outbox.enqueue, messages) == 2
    assert database.run(outbox.enqueue, messages) == 0
    assert database.run(outbox.depth).pending == 1
    assert {row: twin.id for row, twin in database.run(twins_of, [1, 2]).items()} == {1: 2, 2: 1}


# --- inboxes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("via", Via)
def test_only_private_messages_can_miss_an_inbox(database: Database, via: Via) -> None:
    """Relays that keep private messages refuse others; Mostro's clients do not read there."""
    database.record(revision(DISPUTE), audience=audience([Solver("x", key(1), via=via)]))
    relays = {RELAY: TargetSource.CONFIGURED, INBOX: TargetSource.INBOX}
    claimed = database.claim(relays_of=lambda _: relays)
    batch = ledger.Batch()
    for row in claimed.rows:
        for target in claimed.targets[row.id]:
            taken = target.relay == RELAY
            update = said(row.id, target, delivered=taken, again=60)
            batch.attempts.append(ledger.Attempt(row, update, delivered=taken))
        batch.finished.append(row.id)
    database.run(ledger.record, batch, T0 * 1000, {})
    missed = 0 if via is Via.MOSTRO else 1
    assert database.run(outbox_work.count_unreached_inboxes) == missed
    assert database.run(inspection.count_unreached, T0 - 1) == missed


# --- new relays for all -------------------------------------------------------------------------


def test_every_live_message_is_looked_at_when_all_have_a_new_relay(database: Database) -> None:
    database.record(revision(DISPUTE), audience=audience(2))
    database.answer(database.claim(), delivered=True)
    database.record(revision(2), audience=audience(1))
    database.answer(database.claim(limit=1), delivered=False, again=200)
    database.record(revision(3), audience=audience(1))
    database.record(revision(3, "settled", T0 + 1), audience=audience(1))
    ended = database.one("SELECT count(*) FROM outbox WHERE next_attempt_at IS NULL")
    assert ended == 1
    assert database.run(outbox_work.wake_live, T0 + 10) == 3
    known = {RELAY: TargetSource.CONFIGURED, f"wss://{NODE[:8]}.example": TargetSource.NODE}
    woken = database.claim(T0 + 10, relays_of=lambda _: known)
    asked = [sorted(target.source for target in found) for found in woken.targets.values()]
    assert asked == [[TargetSource.NODE]] * 3
    # What is past its deadline is not looked at again, only buried.
    assert database.run(outbox_work.wake_live, T0 + 86_400) == 0
