"""The queue before decryption: bounded, in turn, and forgetful only on demand."""

from collections import Counter

import pytest
from tests.chat.chat_rig import SOLVER_HEX, Writer, dispute_id

from serbero.chat import inbox as inbox_module
from serbero.chat.channel import Channel, Lane
from serbero.chat.inbox import BATCH, MAX_LANE_BYTES, MAX_QUEUED, Arrival, Inbox

_IDS = iter(range(10**9))


def lane(number: int) -> Lane:
    writer = Writer(number)
    return Channel(
        dispute_id=dispute_id(number),
        party=writer.party,
        trade_key=writer.trade_key,
        keys=writer.channel,
        own=SOLVER_HEX,
        cursor=0,
        uses=None,
        opened_at=0,
        closed_at=None,
        now=0.0,
    ).kind14


def arrival(to: Lane, size: int = 10) -> Arrival:
    fields = {"id": f"{next(_IDS):064x}", "content": "x" * size, "created_at": 1}
    return Arrival(to, "wss://one.example", fields)


def test_lanes_take_turns() -> None:
    inbox, flooded, honest = Inbox(), lane(1), lane(2)
    for _ in range(MAX_QUEUED):
        assert inbox.put(arrival(flooded))
    assert inbox.put(arrival(honest))
    first = inbox.take()
    assert [each.lane for each in first[:2]] == [flooded, honest]
    assert len(first) == BATCH
    assert len(inbox) == MAX_QUEUED + 1 - BATCH


def test_a_batch_is_bounded_by_its_size_and_never_empty() -> None:
    inbox, large, small = Inbox(), lane(1), lane(2)
    for _ in range(3):
        inbox.put(arrival(large, 65_000))
    inbox.put(arrival(small))
    assert [len(inbox.take()) for _ in range(4)] == [1, 2, 1, 0]


def test_order_within_a_lane_is_that_of_arrival() -> None:
    inbox, one = Inbox(), lane(1)
    sent = [arrival(one) for _ in range(5)]
    assert all(inbox.put(each) for each in sent)
    assert inbox.take() == sent


def test_a_flooded_lane_is_full_and_the_others_are_not() -> None:
    inbox, flooded, honest = Inbox(), lane(1), lane(2)
    taken = sum(inbox.put(arrival(flooded, 60_000)) for _ in range(1_000))
    assert taken == MAX_LANE_BYTES // 60_000
    assert inbox.put(arrival(honest, 60_000))
    many = lane(3)
    assert sum(inbox.put(arrival(many)) for _ in range(1_000)) == MAX_QUEUED


def test_all_lanes_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_BYTES", 100)
    inbox = Inbox()
    assert [inbox.put(arrival(lane(number), 40)) for number in range(3)] == [True, True, False]
    inbox.take()
    assert inbox.put(arrival(lane(9), 90))


def test_what_had_no_room_is_not_known() -> None:
    inbox, one = Inbox(), lane(1)
    events = [arrival(one) for _ in range(MAX_QUEUED + 1)]
    for each in events:
        inbox.put(each)
    assert inbox.knows(events[0].fields["id"])
    assert not inbox.knows(events[-1].fields["id"])
    inbox.forget(events[0].fields["id"])
    assert not inbox.knows(events[0].fields["id"])


def test_memory_of_ids_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_REMEMBERED", 10)
    inbox, one = Inbox(), lane(1)
    events = [arrival(one) for _ in range(30)]
    for each in events:
        inbox.put(each)
    assert Counter(inbox.knows(each.fields["id"]) for each in events) == {False: 20, True: 10}


def test_junk_is_known_and_makes_us_forget_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "MAX_REMEMBERED", 3)
    monkeypatch.setattr(inbox_module, "MAX_JUNK", 10)
    inbox, one = Inbox(), lane(1)
    real = [arrival(one) for _ in range(2)]
    for each in real:
        inbox.put(each)
    junk = [arrival(one) for _ in range(30)]
    for each in junk:
        inbox.put(each)
        inbox.junk(each.fields["id"])
    assert all(inbox.knows(each.fields["id"]) for each in real)
    assert Counter(inbox.knows(each.fields["id"]) for each in junk) == {False: 20, True: 10}
