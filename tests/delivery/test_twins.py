"""One message on two channels: told once, settled once, whichever channel is first."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.store.rig import (
    OTHER,
    RELAY,
    SETTLEMENTS,
    T0,
    Database,
    audience,
    dispute_id,
    key,
    revision,
    said,
)

from serbero.delivery import ledger
from serbero.delivery.dismissal import dismiss
from serbero.delivery.settlement import Settlement
from serbero.delivery.telling import tell_settled
from serbero.intake.announcing import Audience
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.model.notification import Channel, OutboxState, Purpose, Urgency
from serbero.model.people import Solver, Via
from serbero.observe.metrics import Metrics
from serbero.store import outbox, outbox_work
from serbero.store.outbox_work import Row

DISPUTE = dispute_id(1)
PACE = ReminderPace(interval=300, growth=1.0, check_every=60)


def people(*roads: Via, deadline_seconds: int = 86_400) -> Audience:
    return audience(
        [
            Solver(typed=key(number).upper(), hex=key(number), via=via)
            for number, via in enumerate(roads, 1)
        ],
        deadline_seconds=deadline_seconds,
    )


BOTH = people(Via.BOTH)


@pytest.fixture
def announced(database: Database) -> Database:
    """One dispute, its message to one solver waiting on both channels."""
    database.record(revision(DISPUTE), audience=BOTH)
    return database


def record(
    database: Database,
    claimed: ledger.Claim,
    delivered: Mapping[Channel, bool],
    *,
    now: int = T0,
    reason: str = "timeout",
    settlements: Mapping[Purpose, Settlement] = SETTLEMENTS,
) -> ledger.RecordedBatch:
    """Record one batch in which the rows of the channels named got these answers."""
    batch = ledger.Batch()
    for row in claimed.rows:
        if row.channel not in delivered:
            continue
        taken = delivered[row.channel]
        for target in claimed.targets[row.id]:
            update = said(row.id, target, delivered=taken, now=now, reason=reason)
            batch.attempts.append(ledger.Attempt(row, update, delivered=taken))
        if not taken:
            batch.failed_rounds.append(ledger.FailedRound(row, frozenset({reason}), reason))
        batch.finished.append(row.id)
    return database.run(ledger.record, batch, now * 1000, settlements)


def states(database: Database) -> dict[str, str]:
    return dict(database.rows("SELECT channel, state FROM outbox WHERE purpose = 'initial'"))


def told(database: Database) -> list[str]:
    return [status for (status,) in database.rows("SELECT status FROM notifications ORDER BY id")]


def counting(calls: list[Channel]) -> Mapping[Purpose, Settlement]:
    def note(_tx: sa.Connection, row: Row, _now: int) -> None:
        calls.append(row.channel)

    return dict.fromkeys(Purpose, Settlement(on_sent=note, on_dead=note))


@pytest.mark.parametrize(
    ("via", "channels"),
    [
        (Via.NIP17, ["nip17"]),
        (Via.MOSTRO, ["mostro"]),
        (Via.BOTH, ["nip17", "mostro"]),
    ],
)
def test_a_row_for_each_channel_of_the_same_rumor(
    database: Database, via: Via, channels: list[str]
) -> None:
    everybody = people(via)
    database.record(revision(DISPUTE), audience=everybody)
    database.record(revision(DISPUTE, "in-progress", T0 + 1), audience=everybody, now=T0 + 1)
    for purpose in ("initial", "assignment"):
        rows = database.rows(
            "SELECT channel, rumor_id, rumor_json FROM outbox WHERE purpose = ? ORDER BY id",
            purpose,
        )
        assert [row[0] for row in rows] == channels
        assert len({row[1:] for row in rows}) == 1
    [(root, _, _)] = database.rows("SELECT rumor_id, purpose, id FROM outbox ORDER BY id LIMIT 1")
    assert database.run(outbox.thread_roots, DISPUTE) == {key(1): root}
    answer = json.loads(database.rows("SELECT rumor_json FROM outbox ORDER BY id DESC")[0][0])
    assert answer["tags"][-1] == ["e", root, "", "root"]


@pytest.mark.parametrize("first", list(BOTH.solvers[0].via.channels))
def test_the_first_success_on_either_channel_counts(announced: Database, first: Channel) -> None:
    """`sent`, the announcement and one row of history at the first; the second changes nothing."""
    [second] = set(BOTH.solvers[0].via.channels) - {first}
    claimed = announced.claim()
    recorded = record(announced, claimed, {first: True}, now=T0 + 2)
    assert [(each.row.channel, each.by_twin) for each in recorded.settled] == [(first, False)]
    assert states(announced) == {first: "sent", second: "pending"}
    assert (told(announced), announced.state(DISPUTE)) == (["sent"], "notified")
    before = announced.dump()["disputes"], announced.dump()["dispute_state_transitions"]
    recorded = record(announced, claimed, {second: True}, now=T0 + 900)
    assert [(each.row.channel, each.by_twin) for each in recorded.settled] == [(second, True)]
    assert states(announced) == {first: "sent", second: "sent"}
    assert told(announced) == ["sent"]
    assert before == (announced.dump()["disputes"], announced.dump()["dispute_state_transitions"])


def test_both_at_once_count_once(announced: Database) -> None:
    calls: list[Channel] = []
    every = dict.fromkeys(Channel, True)
    recorded = record(announced, announced.claim(), every, settlements=counting(calls))
    assert sorted(each.by_twin for each in recorded.settled) == [False, True]
    assert (told(announced), len(calls)) == (["sent"], 1)


def test_a_failure_after_the_other_channel_succeeded_is_no_failed_row(announced: Database) -> None:
    claimed = announced.claim()
    record(announced, claimed, {Channel.NIP17: True})
    assert not record(announced, claimed, {Channel.MOSTRO: False}, now=T0 + 5).failures
    assert told(announced) == ["sent"]


def test_in_one_batch_the_success_comes_first(announced: Database) -> None:
    outcome = {Channel.NIP17: False, Channel.MOSTRO: True}
    assert not record(announced, announced.claim(), outcome).failures
    assert told(announced) == ["sent"]


def test_two_channels_that_fail_alike_are_one_failed_row_an_hour(announced: Database) -> None:
    written = []
    for minute in range(0, 120, 2):
        now = T0 + minute * 60
        fail = dict.fromkeys(Channel, False)
        recorded = record(announced, announced.claim(now), fail, now=now)
        written += [minute] * len(recorded.failures)
    assert written == [0, 60]
    assert told(announced) == ["failed", "failed"]


def test_each_channel_may_fail_in_its_own_way(announced: Database) -> None:
    claimed = announced.claim()
    record(announced, claimed, {Channel.NIP17: False}, reason="timeout")
    record(announced, claimed, {Channel.MOSTRO: False}, reason="blocked")
    record(announced, claimed, {Channel.NIP17: False}, now=T0 + 60, reason="blocked")
    record(announced, claimed, {Channel.MOSTRO: False}, now=T0 + 60, reason="timeout")
    assert told(announced) == ["failed", "failed"]


def remind(database: Database, now: int, who: Audience = BOTH) -> int:
    due = database.run(find_due, PACE, now)
    return database.run(remind_due, due, who, PACE, now * 1000)


@pytest.mark.parametrize("reached", [Channel.NIP17, Channel.MOSTRO, None])
def test_who_was_reached_by_one_channel_is_reminded(
    announced: Database, reached: Channel | None
) -> None:
    """Pending on all his channels, he gets what came first before anything more."""
    announced.run(
        lambda tx: tx.exec_driver_sql(
            "UPDATE disputes SET lifecycle_state = 'notified', last_notified_at = 1"
        ).close()
    )
    outcome = dict.fromkeys(Channel, False)
    if reached is not None:
        outcome[reached] = True
    record(announced, announced.claim(), outcome, settlements={})
    waiting = announced.run(outbox.recipients_with_pending, DISPUTE)
    assert waiting == (set() if reached else {key(1)})
    assert remind(announced, T0 + 400) == (2 if reached else 0)


def test_a_channel_long_closed_gets_the_newest_reminder_only(announced: Database) -> None:
    """The solver was told by the other one; a day of reminders would only bury what is true."""
    now = T0
    record(announced, announced.claim(), {Channel.NIP17: True, Channel.MOSTRO: False})
    for _ in range(8):
        now += 301
        assert remind(announced, now) == 2
        outcome = {Channel.NIP17: True, Channel.MOSTRO: False}
        record(announced, announced.claim(now), outcome, now=now)
    open_again = announced.claim(now + 500)
    assert [(row.channel, row.purpose) for row in open_again.rows] == [
        (Channel.MOSTRO, Purpose.INITIAL),
        (Channel.MOSTRO, Purpose.RENOTIFICATION),
    ]
    found = announced.rows("SELECT channel, purpose, state FROM outbox")
    assert Counter(found) == {
        ("nip17", "initial", "sent"): 1,
        ("nip17", "re-notification", "sent"): 8,
        ("mostro", "initial", "pending"): 1,
        ("mostro", "re-notification", "pending"): 1,
        ("mostro", "re-notification", "withdrawn"): 7,
    }


def test_both_dead_at_once_are_lost_once(announced: Database) -> None:
    calls: list[Channel] = []
    record(announced, announced.claim(), dict.fromkeys(Channel, False))
    last = announced.claim(T0 + 86_400, settlements=counting(calls))
    assert [(each.row.channel, each.by_twin) for each in last.settled] == [
        (Channel.NIP17, False),
        (Channel.MOSTRO, True),
    ]
    assert (calls, states(announced)) == ([Channel.NIP17], {"nip17": "dead", "mostro": "dead"})


def test_lost_when_the_one_in_flight_ends_as_well(announced: Database) -> None:
    calls: list[Channel] = []
    record(announced, announced.claim(), dict.fromkeys(Channel, False))
    held = frozenset(announced.rows("SELECT id FROM outbox WHERE channel = 'nip17'")[0])
    first = announced.claim(T0 + 86_400, held=held, settlements=counting(calls))
    assert [(each.row.channel, each.by_twin) for each in first.settled] == [(Channel.MOSTRO, True)]
    assert calls == []
    last = announced.claim(T0 + 86_401, settlements=counting(calls))
    assert [(each.row.channel, each.by_twin) for each in last.settled] == [(Channel.NIP17, False)]
    assert calls == [Channel.NIP17]


@pytest.fixture
def apart(announced: Database) -> Database:
    """The private message ends an hour before the other."""
    record(announced, announced.claim(), dict.fromkeys(Channel, False))
    announced.run(
        lambda tx: tx.exec_driver_sql(
            "UPDATE outbox SET deadline_at = deadline_at - 3600 WHERE channel = 'nip17'"
        ).close()
    )
    return announced


def test_not_lost_while_the_other_channel_may_succeed(apart: Database) -> None:
    calls: list[Channel] = []
    sooner = apart.claim(T0 + 86_400 - 3600, settlements=counting(calls))
    assert [(each.row.channel, each.by_twin) for each in sooner.settled] == [(Channel.NIP17, True)]
    assert calls == []
    later = apart.claim(T0 + 86_400, settlements=counting(calls))
    assert [(each.row.channel, each.by_twin) for each in later.settled] == [(Channel.MOSTRO, False)]
    assert calls == [Channel.MOSTRO]


def test_not_lost_when_the_other_channel_succeeded(apart: Database) -> None:
    calls: list[Channel] = []
    again = apart.claim(T0 + 86_400 - 3600, settlements=counting(calls))
    record(apart, again, {Channel.MOSTRO: True}, settlements=counting(calls))
    assert calls == [Channel.MOSTRO]
    assert apart.claim(T0 + 86_400, settlements=counting(calls)).settled == ()
    assert (calls, told(apart)) == ([Channel.MOSTRO], ["failed", "sent"])


def test_both_dead_are_revived_together(database: Database) -> None:
    short = people(Via.BOTH, deadline_seconds=60)
    database.record(revision(DISPUTE), audience=short)
    database.claim(T0 + 61)
    assert set(states(database).values()) == {"dead"}
    before = database.rows("SELECT rumor_id FROM outbox")
    assert remind(database, T0 + 400, short) == 2
    assert set(states(database).values()) == {"pending"}
    assert database.rows("SELECT rumor_id FROM outbox") == before
    record(database, database.claim(T0 + 400), dict.fromkeys(Channel, True), now=T0 + 400)
    assert (told(database), database.state(DISPUTE)) == (["sent"], "notified")


def test_a_channel_chosen_later_gets_what_was_never_announced(database: Database) -> None:
    database.record(revision(DISPUTE), audience=people(Via.NIP17))
    assert remind(database, T0 + 400, people(Via.BOTH)) == 1
    assert states(database) == {"nip17": "pending", "mostro": "pending"}
    assert remind(database, T0 + 800, people(Via.BOTH)) == 0


def test_who_left_hears_on_no_channel(database: Database) -> None:
    database.record(revision(DISPUTE), audience=people(Via.BOTH, Via.BOTH))
    settled = database.run(dismiss, {key(1)}, T0 + 5)
    assert {(each.row.recipient, each.row.channel) for each in settled} == {
        (key(2), Channel.NIP17),
        (key(2), Channel.MOSTRO),
    }
    assert {row.recipient for row in database.claim(T0 + 6).rows} == {key(1)}


@pytest.mark.parametrize("first", [Channel.NIP17, Channel.MOSTRO])
def test_the_log_tells_of_one_message(announced: Database, first: Channel) -> None:
    """What alerts match is said once; the histogram counts how long the solver waited."""
    metrics, claimed = Metrics(), announced.claim()
    with capture_logs() as lines:
        for now, channels in ((T0 + 2, [first]), (T0 + 900, list(Channel))):
            outcome = dict.fromkeys(channels, True)
            tell_settled(record(announced, claimed, outcome, now=now).settled, metrics)
    assert [(each["event"], each["channel"]) for each in lines if "channel" in each] == [
        ("notification_sent", first),
        ("second_channel_sent", *({Channel.NIP17, Channel.MOSTRO} - {first})),
    ]
    counted = metrics.registry.get_sample_value
    assert counted("serbero_messages_total", {"purpose": "initial", "result": "sent"}) == 2
    assert counted("serbero_detection_to_delivery_seconds_sum") == 2.0


def test_the_log_tells_of_one_loss(announced: Database) -> None:
    record(announced, announced.claim(), dict.fromkeys(Channel, False))
    with capture_logs() as lines:
        tell_settled(announced.claim(T0 + 86_400).settled, Metrics())
    assert [(each["event"], each["log_level"]) for each in lines] == [
        ("message_dead", "error"),
        ("second_channel_dead", "warning"),
    ]


def test_a_party_is_not_called_a_solver(chatting: Database) -> None:
    with capture_logs() as lines:
        done = record(chatting, chatting.claim(), dict.fromkeys(Channel, True))
        tell_settled(done.settled, Metrics())
    assert {each["party"] for each in lines} == {key(0x77)[:8]}
    assert not any("solver" in each for each in lines)
    assert "hello" not in str(lines)


# --- messages to a party ------------------------------------------------------------------------


def say_to_party(
    database: Database,
    channels: Iterable[Channel] = (Channel.CHAT, Channel.CHAT_LEGACY),
    *,
    anchor: str = "first",
    author: str = key(0xBB),
) -> None:
    inner = {"id": anchor * 2, "pubkey": author, "kind": 1, "content": "hello"}
    messages = [
        outbox.NewMessage(
            purpose=Purpose.PARTY_MESSAGE,
            dispute_id=DISPUTE,
            anchor=anchor,
            recipient=key(0x77),
            recipient_typed=key(0x77),
            notif_type=None,
            rumor_id=anchor * 2,
            rumor_json=json.dumps(inner),
            urgency=Urgency.ALERT,
            enqueued_ms=T0 * 1000,
            deadline_at=T0 + 86_400,
            channel=channel,
        )
        for channel in channels
    ]
    database.run(outbox.enqueue, messages)


@pytest.fixture
def chatting(database: Database) -> Database:
    """A dispute that is taken; a message to a party waits on both chat channels."""
    database.record(revision(DISPUTE, "in-progress"), audience=people())
    say_to_party(database)
    return database


@pytest.mark.parametrize("first", [Channel.CHAT, Channel.CHAT_LEGACY])
def test_a_party_message_is_settled_at_its_first_success(
    chatting: Database, first: Channel
) -> None:
    calls: list[Channel] = []
    claimed = chatting.claim()
    assert {row.channel for row in claimed.rows} == {Channel.CHAT, Channel.CHAT_LEGACY}
    record(chatting, claimed, {first: True}, settlements=counting(calls))
    rest = {row.channel: True for row in claimed.rows if row.channel is not first}
    record(chatting, claimed, rest, now=T0 + 60, settlements=counting(calls))
    assert calls == [first]
    assert chatting.one("SELECT count(*) FROM outbox WHERE state = 'sent'") == 2
    # Nothing of it is in the history of notifications: a party is no solver.
    assert told(chatting) == []


def test_a_sent_party_message_with_nothing_open_is_finished(chatting: Database) -> None:
    """A party names no inbox relays later on, so there is nothing to wait for."""
    record(chatting, chatting.claim(), dict.fromkeys(Channel, True))
    assert chatting.rows("SELECT DISTINCT next_attempt_at FROM outbox") == [(None,)]
    assert chatting.run(outbox_work.next_due_at, frozenset()) is None


def test_an_open_relay_still_gets_a_sent_party_message(chatting: Database) -> None:
    claimed = chatting.claim(relays=[RELAY, OTHER])
    batch = ledger.Batch()
    for row in claimed.rows:
        for target in claimed.targets[row.id]:
            taken = target.relay == RELAY
            update = said(row.id, target, delivered=taken, again=30)
            batch.attempts.append(ledger.Attempt(row, update, delivered=taken))
        batch.finished.append(row.id)
    chatting.run(ledger.record, batch, T0 * 1000, {})
    again = chatting.claim(T0 + 30, relays=[RELAY, OTHER])
    assert [[x.relay for x in found] for found in again.targets.values()] == [[OTHER]] * 2


def test_solvers_who_left_take_no_party_message_with_them(chatting: Database) -> None:
    assert chatting.run(dismiss, (), T0) == ()
    assert len(chatting.claim().rows) == 2


@pytest.mark.parametrize("state", ["new", "notified", "taken", "waiting", "escalated"])
def test_a_party_message_is_true_until_the_dispute_is_resolved(
    chatting: Database, state: str
) -> None:
    sql = "UPDATE disputes SET lifecycle_state = ?"
    chatting.run(lambda tx: tx.exec_driver_sql(sql, (state,)).close())
    assert len(chatting.claim().rows) == 2
    chatting.run(lambda tx: tx.exec_driver_sql(sql, ("resolved",)).close())
    claimed = chatting.claim()
    assert claimed.rows == ()
    assert [each.state for each in claimed.settled] == [OutboxState.WITHDRAWN] * 2


def test_one_party_message_after_another_goes_out_though_the_first_was_sent(
    chatting: Database,
) -> None:
    """Only reminders are overtaken by a later one."""
    record(chatting, chatting.claim(), {Channel.CHAT: True, Channel.CHAT_LEGACY: False})
    say_to_party(chatting, anchor="second")
    rows = chatting.claim(T0 + 100).rows
    assert sorted((row.anchor, row.channel) for row in rows) == [
        ("first", Channel.CHAT_LEGACY),
        ("second", Channel.CHAT),
        ("second", Channel.CHAT_LEGACY),
    ]
