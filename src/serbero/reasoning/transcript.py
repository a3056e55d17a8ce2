"""A conversation as data inside a prompt: no text in it can pass for anything else. Pure.

Each entry is one line, its text a JSON string in which everything that could end a line, close
the block, forge another speaker or mean something to a model's tokenizer is written as an escape.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MAX_ENTRIES: Final = 40
"""As many messages as the reference shows the model."""
MAX_BYTES: Final = 24_576
"""Of all lines together: a few thousand tokens beside the bundle."""
MAX_ENTRY_BYTES: Final = 4_096
"""Of one line's text; the middle of a longer one is left out."""

_ESCAPED: Final = frozenset("<>[]\uff1c\uff1e\ufe64\ufe65\uff3b\uff3d")
"""Besides the unprintable: what delimiters and chat templates are made of, in ASCII and wide."""


class Speaker(StrEnum):
    """Who said it."""

    BUYER = "buyer"
    SELLER = "seller"
    SERBERO = "serbero"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message.

    Attributes:
        at: when it was written, Unix seconds as its author claims.
        text: its words, untrusted.
    """

    at: int
    speaker: Speaker
    text: str = field(repr=False)


def render(entries: Sequence[Entry]) -> str:
    """Return the transcript block, from its opening to its closing line, without a line end.

    Of more than :data:`MAX_ENTRIES` messages or :data:`MAX_BYTES` bytes the newest are shown,
    each speaker in turn, so that nobody pushes the others' words out by talking much.
    """
    lines = [_line(each) for each in entries]
    shown = _chosen(entries, lines)
    left_out = len(lines) - len(shown)
    head = f'<transcript entries="{len(shown)}" left_out="{left_out}">'
    return "\n".join((head, *(lines[index] for index in shown), "</transcript>"))


def quoted(text: str) -> str:
    """Return ``text`` as a JSON string of printable characters that holds no delimiter."""
    return "".join(_character(each) for each in json.dumps(text, ensure_ascii=False))


def _character(one: str) -> str:
    if one not in _ESCAPED and one.isprintable():
        return one
    return json.dumps(one)[1:-1] if not one.isascii() else f"\\u{ord(one):04x}"


def _line(entry: Entry) -> str:
    return f"[{entry.at}] {entry.speaker}: {_bounded(entry.text)}"


def _bounded(text: str) -> str:
    """The text quoted, its middle left out when it is too long; the note stands outside quotes."""
    # No escape is shorter than the character it stands for, so more than this cannot fit.
    whole = quoted(text) if len(text) <= MAX_ENTRY_BYTES else ""
    if whole and len(whole.encode()) <= MAX_ENTRY_BYTES:
        return whole
    room = MAX_ENTRY_BYTES // 2
    head = _fitting(text, room)
    tail = _fitting(text[len(head) :][::-1], room)[::-1]
    gap = len(text) - len(head) - len(tail)
    return f"{quoted(head)} ({gap} characters left out) {quoted(tail)}"


def _fitting(text: str, room: int) -> str:
    """The longest beginning of ``text`` that, quoted, takes at most ``room`` bytes."""
    taken = 2
    for index, each in enumerate(text[:room]):
        taken += len(quoted(each).encode()) - 2
        if taken > room:
            return text[:index]
    return text[:room]


def _chosen(entries: Sequence[Entry], lines: Sequence[str]) -> list[int]:
    """Which entries are shown, in their order."""
    waiting = {
        speaker: [index for index, each in enumerate(entries) if each.speaker is speaker]
        for speaker in Speaker
    }
    shown: list[int] = []
    room = MAX_BYTES
    for index in _in_turn(waiting.values()):
        room -= len(lines[index].encode()) + 1
        if len(shown) == MAX_ENTRIES or room < 0:
            break
        shown.append(index)
    return sorted(shown)


def _in_turn(queues: Iterable[list[int]]) -> Iterable[int]:
    """The newest of each queue, then the next of each, until all are empty."""
    left = [each for each in queues if each]
    while left:
        for each in sorted(left, key=lambda queue: -queue[-1]):
            yield each.pop()
        left = [each for each in left if each]
