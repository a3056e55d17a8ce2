"""Budgets, cursors and envelopes: values in, values out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mostro.chat_vectors import CHAT

from serbero.chat.budget import BURST, MAX_RELAYS, Budget, TokenBucket
from serbero.chat.cursor import advanced, first_since, next_since
from serbero.chat.envelopes import LegacyChat, PartyUse, envelopes_for, latest_use
from serbero.model.notification import Channel
from serbero.mostro.chat import Envelope

NOW = 1_767_225_605
BOTH = (Channel.CHAT, Channel.CHAT_LEGACY)


def drained(bucket: TokenBucket, now: float) -> int:
    count = 0
    while bucket.take(now):
        count += 1
    return count


def test_sixty_at_once_and_thirty_a_minute() -> None:
    bucket = TokenBucket(100.0)
    assert drained(bucket, 100.0) == BURST == 60
    assert drained(bucket, 101.9) == 0
    assert drained(bucket, 102.0) == 1
    assert drained(bucket, 162.0) == 30
    assert drained(bucket, 100_000.0) == 60


def test_a_clock_that_stands_gives_nothing_back() -> None:
    bucket = TokenBucket(100.0)
    drained(bucket, 100.0)
    assert drained(bucket, 50.0) == 0
    assert drained(bucket, 102.0) == 1


def test_one_relay_cannot_spend_the_others_share() -> None:
    budget = Budget(0.0, Envelope.KIND14)
    assert sum(budget.may_verify("wss://forger.example", 0.0) for _ in range(500)) == 60
    assert budget.may_verify("wss://honest.example", 0.0)
    assert budget.may_open(100, 0.0)
    assert budget.recovered(0.0)


def opened(budget: Budget, now: float, characters: int = 100) -> int:
    return sum(budget.may_open(characters, now) for _ in range(1_000))


def test_the_channel_has_one_count_over_all_relays() -> None:
    budget = Budget(0.0, Envelope.KIND14)
    assert opened(budget, 0.0) == 60
    assert not budget.recovered(59.0)
    assert budget.recovered(60.0)
    # Opened is accepted: nobody but the two ends can write there.
    assert budget.may_accept(0.0)


def test_many_gift_wraps_are_opened_and_few_of_one_party_accepted() -> None:
    budget = Budget(0.0, Envelope.GIFT_WRAP)
    assert opened(budget, 0.0) == 600
    assert opened(budget, 10.0) == 50
    assert sum(budget.may_accept(10.0) for _ in range(100)) == 60
    # Strangers' gift wraps take nothing from what the party may say, nor the other way round.
    assert sum(budget.may_accept(70.0) for _ in range(100)) == 30
    assert not budget.recovered(70.0)
    assert budget.recovered(130.0)


def test_large_gift_wraps_count_as_several() -> None:
    assert opened(Budget(0.0, Envelope.GIFT_WRAP), 0.0, 65_536) == 600 // 9
    assert opened(Budget(0.0, Envelope.KIND14), 0.0, 65_536) == 60


def test_our_own_words_cost_the_party_nothing_up_to_a_point() -> None:
    budget, relay = Budget(0.0, Envelope.KIND14), "wss://one.example"

    def echoes(count: int) -> int:
        passed = 0
        for _ in range(count):
            if budget.may_verify(relay, 0.0) and budget.may_open(100, 0.0):
                budget.came_back(relay, 0.0, live=True)
                passed += 1
        return passed

    assert echoes(60) == 60
    assert budget.may_verify(relay, 0.0)
    assert opened(budget, 0.0) == 60
    # A party that sends ours again and again does pay.
    budget = Budget(0.0, Envelope.KIND14)
    assert echoes(500) == 120


def test_a_thousand_relays_are_not_counted_apart() -> None:
    budget = Budget(0.0, Envelope.KIND14)
    passed = sum(budget.may_verify(f"wss://{number}.example", 0.0) for number in range(1_000))
    assert passed == MAX_RELAYS + 60


@pytest.mark.parametrize(
    "case", [case for case in CHAT["boundary"] if "cursor_after" in case["expect"]]
)
def test_the_cursor_of_the_vectors(case: dict[str, Any]) -> None:
    now, outer = case["now"], case["event"]["created_at"]
    assert advanced(0, outer, now, now) == case["expect"]["cursor_after"]


@given(
    cursor=st.integers(0, NOW),
    outer=st.integers(0, 2**62),
    read_to=st.none() | st.integers(0, NOW + 60),
)
def test_a_cursor_never_goes_back_nor_beyond_what_is_known(
    cursor: int, outer: int, read_to: int | None
) -> None:
    after = advanced(cursor, outer, NOW, read_to)
    assert after >= cursor
    assert after <= NOW
    if after > cursor:
        assert read_to is not None
        assert after <= min(outer, read_to)


def test_from_when_relays_are_asked() -> None:
    kind14, wrap = Envelope.KIND14, Envelope.GIFT_WRAP
    assert first_since(kind14, NOW - 50, NOW - 90, NOW) == NOW - 650
    # A clock that was ahead must not silence the channel until then.
    assert first_since(kind14, NOW + 9_999, NOW - 90, NOW) == NOW - 600
    assert first_since(wrap, NOW - 50, NOW - 90, NOW) == NOW - 690 - 172_800
    assert first_since(kind14, 5, 5, NOW) == 0
    assert next_since(kind14, NOW, after_gap=False) == NOW - 60
    assert next_since(wrap, NOW, after_gap=False) == NOW - 60 - 172_800
    assert next_since(kind14, NOW, after_gap=True) == NOW - 600
    assert next_since(wrap, NOW, after_gap=True) == NOW - 600 - 172_800


@pytest.mark.parametrize(
    ("setting", "v1", "uses", "expected"),
    [
        ("auto", False, None, (Channel.CHAT,)),
        ("auto", True, None, BOTH),
        ("auto", True, "kind14", (Channel.CHAT,)),
        ("auto", True, "gift-wrap", (Channel.CHAT_LEGACY,)),
        ("auto", False, "gift-wrap", BOTH),
        ("auto", False, "kind14", (Channel.CHAT,)),
        ("never", True, "gift-wrap", (Channel.CHAT,)),
        ("never", True, None, (Channel.CHAT,)),
        ("always", False, "kind14", BOTH),
        ("always", True, "gift-wrap", BOTH),
        ("always", False, None, BOTH),
    ],
)
def test_in_which_envelopes_we_write(
    setting: str, v1: bool, uses: str | None, expected: tuple[Channel, ...]
) -> None:
    party_uses = None if uses is None else Envelope(uses)
    assert envelopes_for(LegacyChat(setting), speaks_v1=v1, party_uses=party_uses) == expected


OLD, NEW = Envelope.GIFT_WRAP, Envelope.KIND14


@pytest.mark.parametrize(
    ("known", "message", "expected"),
    [
        (None, (OLD, NOW - 9), (OLD, NOW - 9)),
        ((NEW, NOW - 600), (OLD, NOW - 1_800), (NEW, NOW - 600)),
        ((OLD, NOW - 1_800), (NEW, NOW - 600), (NEW, NOW - 600)),
        ((OLD, NOW - 5), (NEW, NOW - 5), (NEW, NOW - 5)),
        ((NEW, NOW - 5), (OLD, NOW - 5), (NEW, NOW - 5)),
        # A time ahead counts as now, or it would hold for ever.
        ((NEW, NOW - 5), (OLD, NOW + 9_999), (OLD, NOW)),
        ((OLD, NOW + 500), (NEW, NOW - 5), (NEW, NOW - 5)),
    ],
)
def test_the_envelope_a_party_uses_is_that_of_its_latest_words(
    known: tuple[Envelope, int] | None,
    message: tuple[Envelope, int],
    expected: tuple[Envelope, int],
) -> None:
    before = None if known is None else PartyUse(*known)
    assert latest_use(before, *message, NOW) == PartyUse(*expected)


@given(
    messages=st.lists(
        st.tuples(st.sampled_from(Envelope), st.integers(NOW - 20, NOW)), min_size=1, max_size=6
    ),
    data=st.data(),
)
def test_in_whatever_order_messages_are_read(
    messages: list[tuple[Envelope, int]], data: st.DataObject
) -> None:
    def after(order: list[tuple[Envelope, int]]) -> PartyUse | None:
        uses: PartyUse | None = None
        for envelope, created_at in order:
            uses = latest_use(uses, envelope, created_at, NOW)
        return uses

    assert after(messages) == after(data.draw(st.permutations(messages)))
