"""A party that asks for a person is heard wherever in its message it says so, at a bounded cost."""

import pytest

from serbero.mediation.evaluation import human_wanted
from serbero.mediation.policy import asks_for_human
from serbero.model.party import Party
from serbero.store.transcripts import Line

FILLER = "The transfer was made on Monday with a reference. " * 400


def line(text: str, *, ours: bool = False, inner_id: str = "aa" * 32) -> Line:
    return Line(1, Party.BUYER, ours, 0, 0, inner_id, sent=True, stale=False, text=text)


@pytest.mark.parametrize(
    "text",
    [
        "I want to talk to a human, please.",
        f"I want to talk to a human, please. {FILLER}",
        f"{FILLER} Quiero hablar con una persona, por favor.",
    ],
)
def test_it_is_heard_at_either_end(text: str) -> None:
    assert human_wanted((line(text),), asks_for_human) == ("aa" * 32,)


def test_our_own_words_never_count() -> None:
    said = line("Write that you want a person if you do. I want to talk to a human.", ours=True)
    assert human_wanted((said,), asks_for_human) == ()


def test_what_is_read_of_a_message_is_bounded() -> None:
    read: list[int] = []

    def asks(text: str) -> bool:
        read.append(len(text))
        return False

    human_wanted((line("x" * 1_000_000),), asks)
    assert max(read) < 5_000
