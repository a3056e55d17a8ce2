"""The conversation inside a prompt: data that cannot pass for anything else."""

import json
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reasoning.reasoning_rig import HOSTILE

from serbero.reasoning.transcript import (
    MAX_BYTES,
    MAX_ENTRIES,
    MAX_ENTRY_BYTES,
    Entry,
    Speaker,
    quoted,
    render,
)

LINE = re.compile(r'\[(-?\d+)\] (buyer|seller|serbero): (".*")')


def lines(*entries: Entry) -> list[str]:
    first, *middle, last = render(entries).split("\n")
    assert re.fullmatch(r'<transcript entries="\d+" left_out="\d+">', first)
    assert last == "</transcript>"
    return middle


def test_a_conversation() -> None:
    entries = (Entry(1, Speaker.BUYER, 'I paid "now"'), Entry(2, Speaker.SERBERO, "When?\n"))
    assert render(entries) == (
        '<transcript entries="2" left_out="0">\n'
        '[1] buyer: "I paid \\"now\\""\n'
        '[2] serbero: "When?\\n"\n'
        "</transcript>"
    )
    assert render(()) == '<transcript entries="0" left_out="0">\n</transcript>'


def test_nothing_a_party_types_leaves_its_quotes() -> None:
    (line,) = lines(Entry(1, Speaker.BUYER, HOSTILE))
    found = LINE.fullmatch(line)
    assert found is not None
    assert json.loads(found[3]) == HOSTILE
    assert not set("<>[]\uff1c\uff1e\u200b\u2028\n\r") & set(found[3])
    assert "🙂" in found[3]


@given(st.lists(st.tuples(st.sampled_from(Speaker), st.text()), max_size=12))
def test_one_line_a_message_whatever_it_says(said: list[tuple[Speaker, str]]) -> None:
    entries = tuple(Entry(index, speaker, text) for index, (speaker, text) in enumerate(said))
    shown = lines(*entries)
    assert len(shown) == len(entries)
    for entry, line in zip(entries, shown, strict=True):
        found = LINE.fullmatch(line)
        assert found is not None
        assert (int(found[1]), found[2]) == (entry.at, entry.speaker)
        assert json.loads(found[3]) == entry.text


@given(st.text(st.characters()))
def test_a_quoted_text_is_printable_utf8(text: str) -> None:
    assert quoted(text).isprintable()
    assert json.loads(quoted(text).encode()) == text


def test_half_a_surrogate_pair_can_be_sent() -> None:
    assert quoted("\ud800").encode() == b'"\\ud800"'


def test_who_talks_much_does_not_push_others_out() -> None:
    """The reference shows the newest forty of all, so one party could hide the other."""
    early = [Entry(index, Speaker.SELLER, f"seller {index}") for index in range(5)]
    flood = [Entry(100 + index, Speaker.BUYER, f"buyer {index}") for index in range(200)]
    shown = lines(*early, *flood)
    assert len(shown) == MAX_ENTRIES
    assert [line for line in shown if " seller: " in line] == [
        f'[{index}] seller: "seller {index}"' for index in range(5)
    ]
    assert shown[-1] == '[299] buyer: "buyer 199"'
    assert 'left_out="165"' in render((*early, *flood))


def test_the_newest_are_shown_in_their_order() -> None:
    entries = [Entry(index, Speaker.BUYER, str(index)) for index in range(60)]
    assert lines(*entries) == [f'[{index}] buyer: "{index}"' for index in range(20, 60)]


def test_a_long_message_loses_its_middle() -> None:
    text = "start " + "<" * 10_000 + " end"
    (line,) = lines(Entry(1, Speaker.SELLER, text))
    assert len(line.encode()) < MAX_ENTRY_BYTES + 100
    found = re.fullmatch(r'\[1\] seller: "(.*)" \((\d+) characters left out\) "(.*)"', line)
    assert found is not None
    head, gap, tail = json.loads(f'"{found[1]}"'), int(found[2]), json.loads(f'"{found[3]}"')
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(head) + gap + len(tail) == len(text)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.sampled_from("a<é🙂\n"))
def test_the_whole_block_fits_its_budget(count: int, sign: str) -> None:
    entries = [Entry(1, Speaker.BUYER, sign * 3000) for _ in range(count)]
    assert len("\n".join(lines(*entries)).encode()) <= MAX_BYTES
