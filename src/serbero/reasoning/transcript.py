"""A conversation as data inside a prompt: no text in it can pass for anything else. Pure.

Each entry is one line, its text a JSON string in which everything that could end a line, close
the block, forge another speaker or mean something to a model's tokenizer is written as an escape.
"""

import json
import re
from bisect import bisect_right
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

_DELIMITERS: Final = "<>[]\uff1c\uff1e\ufe64\ufe65\uff3b\uff3d"
"""What delimiters and chat templates are made of, in ASCII and wide."""
_SUSPECT: Final = re.compile(r"[<>\[\]\x7f]|[^\x00-\x7f]")


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
    shown = _chosen(entries)
    left_out = len(entries) - len(shown)
    head = f'<transcript entries="{len(shown)}" left_out="{left_out}">'
    return "\n".join((head, *(line for _, line in sorted(shown.items())), "</transcript>"))


def quoted(text: str) -> str:
    """Return ``text`` as a JSON string of printable characters that holds no delimiter."""
    return _SUSPECT.sub(_escape, json.dumps(text, ensure_ascii=False))


def _escape(found: re.Match[str]) -> str:
    one = found[0]
    if one.isprintable() and one not in _DELIMITERS:
        return one
    return f"\\u{ord(one):04x}" if one.isascii() else json.dumps(one)[1:-1]


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
    lengths = range(min(len(text), room) + 1)
    too_long = bisect_right(lengths, room, key=lambda length: _size(text[:length]))
    return text[: max(0, too_long - 1)]


def _size(text: str) -> int:
    return len(quoted(text).encode())


def _chosen(entries: Sequence[Entry]) -> dict[int, str]:
    """Which entries are shown, by their place, each as its line."""
    waiting = [
        [index for index, each in enumerate(entries) if each.speaker is speaker]
        for speaker in Speaker
    ]
    shown: dict[int, str] = {}
    room = MAX_BYTES
    for index in _in_turn(waiting):
        # One by one: a flood of long messages costs only as much as is shown of it.
        line = _line(entries[index])
        room -= len(line.encode()) + 1
        if len(shown) == MAX_ENTRIES or room < 0:
            break
        shown[index] = line
    return shown


def _in_turn(queues: Iterable[list[int]]) -> Iterable[int]:
    """The newest of each queue, then the next of each, until all are empty."""
    left = [each for each in queues if each]
    while left:
        for each in sorted(left, key=lambda queue: -queue[-1]):
            yield each.pop()
        left = [each for each in left if each]
