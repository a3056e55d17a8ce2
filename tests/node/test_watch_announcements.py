"""Which announcement counts, and which of the node's relays are listened to."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.node.announcements import (
    AHEAD_SECONDS,
    MAX_EXTRA_RELAYS,
    extra_relays,
    from_the_future,
    listed,
    replaces,
)
from serbero.nostr.relay_list import RelayList

NOW = 1_767_225_600


@dataclass(frozen=True)
class Dated:
    created_at: int
    event_id: str = "aa"


@pytest.mark.parametrize(
    ("announced", "held", "expected"),
    [
        (Dated(NOW), None, True),
        (Dated(NOW), Dated(NOW - 1), True),
        (Dated(NOW - 1), Dated(NOW), False),
        (Dated(NOW, "aa"), Dated(NOW, "bb"), True),
        (Dated(NOW, "bb"), Dated(NOW, "aa"), False),
        (Dated(NOW, "aa"), Dated(NOW, "aa"), False),
        (Dated(NOW + AHEAD_SECONDS), Dated(NOW), True),
        (Dated(NOW + AHEAD_SECONDS + 1), Dated(NOW), False),
        (Dated(NOW + AHEAD_SECONDS + 1), None, False),
        (Dated(NOW - 900), Dated(NOW + AHEAD_SECONDS + 1), True),
    ],
)
def test_which_one_counts(announced: Dated, held: Dated | None, expected: bool) -> None:
    assert replaces(announced, held, NOW) is expected


TIMES = st.integers(NOW - 5, NOW + 2 * AHEAD_SECONDS)
ANNOUNCED = st.builds(Dated, TIMES, st.sampled_from(["aa", "bb", "cc"]))


@given(st.lists(ANNOUNCED, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_arrival_decides_nothing(arrived: list[Dated], random: object) -> None:
    def last(order: list[Dated]) -> Dated | None:
        held: Dated | None = None
        for each in order:
            if replaces(each, held, NOW):
                held = each
        return held

    shuffled = list(arrived)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert last(arrived) == last(shuffled)
    believed = [each for each in arrived if not from_the_future(each, NOW)]
    assert (last(arrived) is None) is (not believed)


def _choose(named: list[str], kept: tuple[str, ...] = (), private: bool = False) -> list[str]:
    configured = {"wss://own.example"}
    return list(extra_relays(named, configured, kept, allow_private=private))


def test_configured_private_and_plain_addresses_are_left_out() -> None:
    named = [
        "wss://own.example",
        "ws://plain.example",
        "wss://127.0.0.1",
        "wss://relay.local",
        "wss://good.example",
    ]
    assert _choose(named) == ["wss://good.example"]
    assert "ws://plain.example" in _choose(named, private=True)
    assert "wss://own.example" not in _choose(named, private=True)


@given(st.permutations([f"wss://r{number}.example" for number in range(9)]))
def test_of_too_many_the_same_stay_in_whatever_order_they_are_named(named: list[str]) -> None:
    first = _choose(sorted(named))
    assert len(first) == MAX_EXTRA_RELAYS
    assert _choose(named) == first
    kept = ("wss://r8.example", "wss://gone.example", "wss://r7.example")
    assert _choose(named, kept)[:2] == ["wss://r8.example", "wss://r7.example"]
    assert len(_choose(named, kept)) == MAX_EXTRA_RELAYS


def test_a_list_with_markers_names_both_sides_once() -> None:
    relays = RelayList("", NOW, read=("wss://a", "wss://b"), write=("wss://b", "wss://c"))
    assert listed(relays) == ("wss://b", "wss://c", "wss://a")
