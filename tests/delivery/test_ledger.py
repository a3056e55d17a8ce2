"""Claiming and recording on a real database."""

from collections.abc import Iterable

import pytest
import sqlalchemy as sa
from tests.store.rig import (
    OTHER,
    RELAY,
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
from serbero.delivery.settlement import Settlement
from serbero.model.notification import OutboxState, Purpose, TargetSource, TargetState
from serbero.model.target import TargetUpdate
from serbero.store import outbox_work
from serbero.store.outbox_work import NewWrap, Row

DISPUTE = dispute_id(1)
INBOX = "wss://inbox.example"


@pytest.fixture
def announced(database: Database) -> Database:
    """One dispute, its messages to two solvers waiting."""
    database.record(revision(DISPUTE), audience=audience(2))
    return database


def states(database: Database) -> list[str]:
    return [state for *_, state in database.outbox(DISPUTE)]


def notifications(database: Database) -> list[tuple[str, str, str]]:
    return [
        (str(solver), str(status), str(kind))
        for solver, status, kind in database.rows(
            "SELECT solver_pubkey, status, notif_type FROM notifications ORDER BY id"
        )
    ]


def commit_wraps(database: Database, claimed: ledger.Claim, mark: str = "") -> None:
    database.run(ledger.commit_wraps, fake_wraps(claimed, mark), T0)


def given_bytes(database: Database) -> dict[tuple[str, str], str | None]:
    """(recipient, relay) to the event it is given."""
    return {
        (recipient, relay): event
        for recipient, relay, event in database.rows(
            "SELECT o.recipient, t.relay, t.event_id FROM outbox_targets t"
            " JOIN outbox o ON o.id = t.outbox_id"
        )
    }


def record_one(
    database: Database, row: Row, updates: Iterable[tuple[TargetUpdate, bool]], now: int = T0
) -> ledger.RecordedBatch:
    batch = ledger.Batch()
    for update, delivered in updates:
        batch.attempts.append(ledger.Attempt(row, update, delivered=delivered))
    batch.finished.append(row.id)
    settlements = {Purpose.INITIAL: Settlement()}
    return database.run(ledger.record, batch, now * 1000, settlements)


def test_first_success(announced: Database) -> None:
    """Row, state, history and announcement time in one transaction, once, whoever is first."""
    claimed = announced.claim(T0 + 1, relays=[RELAY, OTHER])
    recorded = announced.answer(claimed, delivered=True, now=T0 + 3)
    assert states(announced) == ["sent", "sent"]
    assert announced.rows("SELECT lifecycle_state, last_notified_at FROM disputes") == [
        ("notified", T0)
    ]
    assert announced.rows(
        "SELECT from_state, to_state, trigger FROM dispute_state_transitions"
    ) == [("new", "notified", "initial_notification")]
    # As typed, not as hex: the reference's readers join on it.
    assert notifications(announced) == [
        (key(1).upper(), "sent", "initial"),
        (key(2).upper(), "sent", "initial"),
    ]
    assert announced.one("SELECT min(sent_at) FROM notifications") == T0 + 3
    assert [each.delivery_ms for each in recorded.settled] == [3000, 3000]
    assert sum(each.moved is not None for each in recorded.settled) == 1
    assert announced.claim(T0 + 5).rows == ()


def test_one_relay_is_enough_and_the_other_goes_on(announced: Database) -> None:
    claimed = announced.claim(relays=[RELAY, OTHER])
    commit_wraps(announced, claimed)
    for row in claimed.rows:
        taken, refused = claimed.targets[row.id]
        updates = [
            (said(row.id, taken, delivered=True), True),
            (said(row.id, refused, delivered=False, again=30), False),
        ]
        record_one(announced, row, updates)
    assert states(announced) == ["sent", "sent"]
    assert announced.claim(T0 + 29, relays=[RELAY, OTHER]).rows == ()
    again = announced.claim(T0 + 30, relays=[RELAY, OTHER])
    assert [len(each) for each in again.targets.values()] == [1, 1]
    assert all(target.event_json for each in again.targets.values() for target in each)
    announced.answer(again, delivered=True, now=T0 + 31)
    assert len(notifications(announced)) == 2
    assert announced.one("SELECT count(*) FROM outbox_targets WHERE state = 'accepted'") == 4


def test_nothing_is_claimed_twice(announced: Database) -> None:
    first = announced.claim(limit=1)
    held = frozenset(row.id for row in first.rows)
    second = announced.claim(held=held)
    third = announced.claim(held=held | {row.id for row in second.rows})
    assert (len(first.rows), len(second.rows), len(third.rows)) == (1, 1, 0)
    assert not held & {row.id for row in second.rows}


def test_a_dead_worker_finds_the_same_bytes(announced: Database) -> None:
    """Crash after the wraps were committed: due again, with what some relay may hold already."""
    claimed = announced.claim(relays=[RELAY, OTHER])
    commit_wraps(announced, claimed)
    before = given_bytes(announced)
    announced.reopen()
    again = announced.claim(relays=[RELAY, OTHER])
    assert fake_wraps(again) == []
    assert given_bytes(announced) == before
    assert {target.event_json for each in again.targets.values() for target in each} == {
        wrap.event_json for wrap in fake_wraps(claimed)
    }


def test_refused_by_all(announced: Database) -> None:
    """A `failed` row each; looked at again later, because the recipient may name other relays."""
    claimed = announced.claim()
    batch = ledger.Batch()
    for row in claimed.rows:
        [target] = claimed.targets[row.id]
        update = TargetUpdate(row.id, target.relay, TargetState.REFUSED, None, "blocked", None)
        batch.attempts.append(ledger.Attempt(row, update, delivered=False))
        reason = f"{RELAY} blocked: no"
        batch.failed_rounds.append(ledger.FailedRound(row, frozenset({"blocked"}), reason))
        batch.finished.append(row.id)
    recorded = announced.run(ledger.record, batch, T0 * 1000, {})
    assert len(recorded.failures) == 2
    assert [each[1:] for each in notifications(announced)] == [("failed", "initial")] * 2
    assert states(announced) == ["pending", "pending"]
    assert announced.state(DISPUTE) == "new"
    assert announced.claim(T0 + ledger.IDLE_SECONDS - 1).rows == ()
    assert announced.claim(T0 + ledger.IDLE_SECONDS).rows == ()
    late = announced.claim(T0 + 2 * ledger.IDLE_SECONDS, relays=[RELAY, OTHER])
    assert [[each.relay for each in found] for found in late.targets.values()] == [[OTHER]] * 2


def test_dead_at_its_deadline_once(announced: Database) -> None:
    buried: list[int] = []

    def on_dead(_tx: sa.Connection, row: Row, _now: int) -> None:
        buried.append(row.id)

    settlements = {Purpose.INITIAL: Settlement(on_dead=on_dead)}
    announced.answer(announced.claim(), delivered=False)
    end = T0 + 86_400
    assert announced.claim(end - 1, settlements=settlements).settled == ()
    held = frozenset(announced.rows("SELECT id FROM outbox LIMIT 1")[0])
    in_flight = announced.claim(end, held=held, settlements=settlements)
    assert [each.state for each in in_flight.settled] == [OutboxState.DEAD]
    rest = announced.claim(end + 1, settlements=settlements)
    assert len(rest.settled) == 1
    assert announced.claim(end + 2, settlements=settlements).settled == ()
    assert len(buried) == len(set(buried)) == 2
    assert states(announced) == ["dead", "dead"]
    assert [each[1] for each in notifications(announced)] == ["failed", "failed"]
    assert announced.state(DISPUTE) == "new"


def test_many_deadlines_at_once_are_met_in_bounded_passes(database: Database) -> None:
    """A day after an outage thousands end together; the only writer must not be gone for long."""
    count = ledger.BURY_LIMIT + 20
    database.record(*(revision(number) for number in range(count)), audience=audience(1))
    end = T0 + 86_400
    database.record(revision(count, at=end), audience=audience(1), now=end)
    first = database.claim(end)
    assert (len(first.settled), first.more) == (ledger.BURY_LIMIT, True)
    # What is past its deadline is not sent although it is not buried yet; what is not past it is.
    assert [row.dispute_id for row in first.rows] == [revision(count).dispute_id]
    second = database.claim(end, held=frozenset(row.id for row in first.rows))
    assert (len(second.settled), second.more) == (20, False)
    assert database.rows("SELECT state, count(*) FROM outbox GROUP BY 1") == [
        ("dead", count),
        ("pending", 1),
    ]


def test_sent_messages_just_stop_at_their_deadline(announced: Database) -> None:
    announced.answer(announced.claim(), delivered=True)
    late = announced.claim(T0 + 86_400)
    assert (late.settled, late.rows) == ((), ())
    assert states(announced) == ["sent", "sent"]
    assert announced.rows("SELECT DISTINCT next_attempt_at FROM outbox") == [(None,)]


def test_failed_rows_are_one_an_hour_for_the_same_outcomes(announced: Database) -> None:
    """Whichever relays were due together, and whatever words they find each time."""
    turns = [{"timeout"}, {"not_connected"}, {"not_connected", "timeout"}]
    now, written = T0, []
    while now < T0 + 7200:
        minute = (now - T0) // 60
        recorded = announced.answer(
            announced.claim(now),
            delivered=False,
            now=now,
            outcomes=frozenset(turns[minute % 3]),
            reason=f"{RELAY} error: request {minute}",
        )
        assert len(recorded.failures) in (0, 2)
        written += [minute] * bool(recorded.failures)
        now += 60
    assert written == [0, 1, 61, 62]
    rows = notifications(announced)
    assert len(rows) == 2 * len(written)
    told = "SELECT count(*) FROM notifications WHERE error_message LIKE '%error: request 61'"
    assert announced.one(told) == 2


def test_a_new_outcome_is_told_at_once(announced: Database) -> None:
    for minute, outcome in enumerate(["timeout", "timeout", "blocked", "timeout", "blocked"]):
        now = T0 + minute * 60
        announced.answer(announced.claim(now), delivered=False, now=now, reason=outcome)
    told = announced.rows("SELECT DISTINCT sent_at, error_message FROM notifications ORDER BY 1")
    assert [(at - T0, str(text).rpartition(" ")[2]) for at, text in told] == [
        (0, "timeout"),
        (120, "blocked"),
    ]


def test_a_failure_after_a_success_is_no_failed_row(announced: Database) -> None:
    claimed = announced.claim()
    announced.answer(claimed, delivered=True)
    announced.answer(claimed, delivered=False, now=T0 + 5)
    assert [status for _, status, _ in notifications(announced)] == ["sent", "sent"]


def test_withdrawn_before_it_was_claimed(announced: Database) -> None:
    announced.record(revision(DISPUTE, "settled", T0 + 1), audience=audience(2))
    assert announced.claim(T0 + 2).rows == ()
    assert states(announced) == ["withdrawn", "withdrawn"]


def test_withdrawn_by_another_program_is_seen_when_claimed(announced: Database) -> None:
    announced.run(
        lambda tx: tx.exec_driver_sql("UPDATE disputes SET lifecycle_state = 'taken'").close()
    )
    claimed = announced.claim(T0 + 2)
    assert claimed.rows == ()
    assert [each.state for each in claimed.settled] == [OutboxState.WITHDRAWN] * 2


def test_withdrawn_while_in_flight_and_delivered_all_the_same(announced: Database) -> None:
    """The one stated exception: it did go out, so it is `sent`; the dispute stays taken."""
    claimed = announced.claim()
    announced.record(revision(DISPUTE, "in-progress", T0 + 1), audience=audience(0), now=T0 + 1)
    assert states(announced) == ["withdrawn", "withdrawn"]
    announced.answer(claimed, delivered=True, now=T0 + 2)
    assert states(announced) == ["sent", "sent"]
    assert announced.state(DISPUTE) == "taken"
    assert [each[1] for each in notifications(announced)] == ["sent", "sent"]


def test_withdrawn_while_in_flight_and_not_delivered(announced: Database) -> None:
    claimed = announced.claim()
    announced.record(revision(DISPUTE, "in-progress", T0 + 1), audience=audience(0), now=T0 + 1)
    announced.answer(claimed, delivered=False, now=T0 + 2)
    assert states(announced) == ["withdrawn", "withdrawn"]
    assert notifications(announced) == []
    assert announced.claim(T0 + 3600).rows == ()


def test_a_wrap_that_lived_too_long_goes_out_no_more(announced: Database) -> None:
    """One new wrap for all relays still to be asked; who has the old one is left alone."""
    claimed = announced.claim(relays=[RELAY, OTHER])
    commit_wraps(announced, claimed)
    for row in claimed.rows:
        taken, silent = claimed.targets[row.id]
        updates = [
            (said(row.id, taken, delivered=True), True),
            (said(row.id, silent, delivered=False, again=30), False),
        ]
        record_one(announced, row, updates)
    before = given_bytes(announced)
    lasting = announced.claim(T0 + 30, wraps_since=T0)
    assert fake_wraps(lasting) == []
    assert given_bytes(announced) == before
    expired = announced.claim(T0 + 31, relays=[RELAY, OTHER, INBOX], wraps_since=T0 + 1)
    for found in expired.targets.values():
        assert {each.relay: each.event_json for each in found} == {OTHER: None, INBOX: None}
    announced.run(ledger.commit_wraps, fake_wraps(expired, "-new"), T0 + 31)
    after = given_bytes(announced)
    for row in expired.rows:
        assert after[row.recipient, RELAY] == before[row.recipient, RELAY]
        assert after[row.recipient, OTHER] == after[row.recipient, INBOX] == f"wrap-new-{row.id}"


def test_the_relay_asked_later_adopts_the_new_wrap(announced: Database) -> None:
    """Two relays never asked together after an expiry still hold one event."""
    claimed = announced.claim(relays=[RELAY, OTHER])
    commit_wraps(announced, claimed)
    for row in claimed.rows:
        sooner, later = claimed.targets[row.id]
        updates = [
            (said(row.id, sooner, delivered=False, again=30), False),
            (said(row.id, later, delivered=False, again=60), False),
        ]
        record_one(announced, row, updates)
    first = announced.claim(T0 + 30, wraps_since=T0 + 1)
    announced.run(ledger.commit_wraps, fake_wraps(first, "-new"), T0 + 30)
    second = announced.claim(T0 + 60, held=frozenset(), wraps_since=T0 + 1)
    assert fake_wraps(second) == []
    assert set(given_bytes(announced).values()) == {f"wrap-new-{row.id}" for row in second.rows}


def test_a_late_inbox_relay_gets_the_same_bytes(announced: Database) -> None:
    claimed = announced.claim()
    commit_wraps(announced, claimed)
    announced.answer(claimed, delivered=True)
    assert announced.run(outbox_work.count_unreached_inboxes) == 0
    announced.run(outbox_work.wake_recipient, key(1), T0 + 50)
    base = {RELAY: TargetSource.CONFIGURED}
    late = announced.claim(
        T0 + 50, relays_of=lambda who: base | ({INBOX: TargetSource.INBOX} if who == key(1) else {})
    )
    [row] = late.rows
    assert [target.relay for target in late.targets[row.id]] == [INBOX]
    assert announced.run(outbox_work.count_unreached_inboxes) == 1
    bytes_given = given_bytes(announced)
    assert bytes_given[key(1), INBOX] == bytes_given[key(1), RELAY]
    announced.answer(late, delivered=True, now=T0 + 51)
    assert announced.run(outbox_work.count_unreached_inboxes) == 0
    assert len(notifications(announced)) == 2
    [live] = announced.rows("SELECT recipient FROM outbox WHERE next_attempt_at IS NOT NULL")
    assert live == (key(2),)


def test_a_new_wrap_goes_only_to_the_relay_that_refused_the_old_one(announced: Database) -> None:
    claimed = announced.claim(relays=[RELAY, OTHER], limit=1)
    commit_wraps(announced, claimed)
    [row] = claimed.rows
    first, picky = claimed.targets[row.id]
    wants = TargetUpdate(
        row.id, picky.relay, TargetState.OPEN, T0, "pow: 8", None, drop_wrap=True, pow_bits=8
    )
    before = given_bytes(announced)[row.recipient, first.relay]
    record_one(
        announced, row, [(said(row.id, first, delivered=False, again=1), False), (wants, False)]
    )
    again = announced.claim(T0 + 1, relays=[RELAY, OTHER], limit=1)
    by_relay = {target.relay: target for target in again.targets[row.id]}
    assert by_relay[first.relay].event_json is not None
    assert by_relay[picky.relay].event_json is None
    assert (by_relay[picky.relay].pow_bits, by_relay[picky.relay].wraps) == (8, 1)
    announced.run(
        ledger.commit_wraps, [NewWrap(row.id, "mined", '{"id":"mined"}', (picky.relay,))], T0
    )
    bytes_given = given_bytes(announced)
    assert bytes_given[row.recipient, first.relay] == before
    assert bytes_given[row.recipient, picky.relay] == "mined"


def test_a_relay_that_returns_makes_what_waits_for_it_due(announced: Database) -> None:
    announced.answer(announced.claim(relays=[RELAY, OTHER]), delivered=False, again=250)
    assert announced.claim(T0 + 10).rows == ()
    assert announced.run(outbox_work.wake_relay, RELAY, T0 + 10) == 2
    woken = announced.claim(T0 + 10)
    assert [[each.relay for each in found] for found in woken.targets.values()] == [[RELAY]] * 2
    assert announced.run(outbox_work.wake_relay, "wss://stranger.example", T0 + 10) == 0


def test_a_relay_nobody_reads_any_more_is_not_asked(announced: Database) -> None:
    """Removed from the configuration (or a published list) while a message waited for it."""
    announced.answer(announced.claim(relays=[RELAY, OTHER]), delivered=False)
    after = announced.claim(T0 + 60, relays=[OTHER])
    assert [[each.relay for each in found] for found in after.targets.values()] == [[OTHER]] * 2
    announced.answer(after, delivered=True, now=T0 + 61)
    assert announced.run(outbox_work.wake_relay, RELAY, T0 + 70) == 0
    assert announced.claim(T0 + 3600, relays=[OTHER]).rows == ()


def test_a_relay_that_is_read_again_is_asked_again(announced: Database) -> None:
    announced.answer(announced.claim(relays=[RELAY]), delivered=False)
    assert announced.claim(T0 + 60, relays=[OTHER]).rows
    announced.answer(announced.claim(T0 + 60, relays=[OTHER]), delivered=False, now=T0 + 60)
    back = announced.claim(T0 + 120, relays=[RELAY, OTHER])
    assert [sorted(each.relay for each in found) for found in back.targets.values()] == [
        [RELAY, OTHER]
    ] * 2


def test_a_message_whose_every_relay_was_removed_does_not_spin(announced: Database) -> None:
    announced.answer(announced.claim(relays=[RELAY]), delivered=False)
    assert announced.claim(T0 + 60, relays=[]).rows == ()
    assert announced.run(outbox_work.next_due_at, frozenset()) == T0 + 60 + ledger.IDLE_SECONDS


def test_next_due_at_leaves_out_what_is_in_flight(announced: Database) -> None:
    ids = [row.id for row in announced.claim().rows]
    assert announced.run(outbox_work.next_due_at, frozenset()) == T0
    assert announced.run(outbox_work.next_due_at, frozenset(ids[:1])) == T0
    assert announced.run(outbox_work.next_due_at, frozenset(ids)) is None


def test_most_urgent_first(database: Database) -> None:
    """What somebody must act on goes before what somebody may want to know."""
    database.record(revision(1), audience=audience(2))
    database.record(revision(1, "in-progress", T0 + 1), audience=audience(2), now=T0 + 1)
    database.record(revision(2), audience=audience(2), now=T0 + 9)
    claimed = database.claim(T0 + 9, limit=3)
    assert [row.purpose for row in claimed.rows] == [
        Purpose.INITIAL,
        Purpose.INITIAL,
        Purpose.ASSIGNMENT,
    ]


def test_a_batch_that_fails_half_way_records_nothing(announced: Database) -> None:
    claimed = announced.claim()
    before = announced.dump()

    def broken(_tx: sa.Connection, _row: Row, _now: int) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        announced.answer(
            claimed, delivered=True, settlements={Purpose.INITIAL: Settlement(on_sent=broken)}
        )
    assert announced.dump() == before
