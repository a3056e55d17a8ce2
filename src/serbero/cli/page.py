"""Showing what others wrote: safe words, readable times, lines that fit the terminal."""

import json
import math
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from serbero.messages.tidying import tidy
from serbero.observe.redaction import mask_keys

if TYPE_CHECKING:
    from rich.console import Console

_FAR: Final = 10_000
"""A width nothing reaches: a pipe's reader wraps as it likes."""
_WIDEST: Final = 110
"""Longer lines are hard to read."""
_FIELD: Final = 12
_LONGEST_WORD: Final = 120
_READ: Final = 4096
"""Of a text as long as a book no more is looked at to show its beginning."""
_KEY_LENGTH: Final = 64
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999."""
_COLOURS_ASKED: Final = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""What makes rich draw into a pipe as on a terminal."""
_UNSAFE: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)
"""What drives a terminal or draws nothing, beyond the control characters JSON escapes itself."""
_KEY: Final = re.compile(r"(?i)\b([0-9a-f]{8})[0-9a-f]{56}\b")
_NPUB: Final = re.compile(r"(?i)\b(npub1[02-9ac-hj-np-z]{8})[02-9ac-hj-np-z]{50}\b")
_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"))


def words(text: str) -> str:
    """Return what somebody wrote as it may be shown: nothing invisible, no controls, no secret key.

    Line ends stay; every line that is printed of it must be marked as theirs.
    """
    return mask_keys(tidy(text))


def word(text: object) -> str:
    """Return an id, a state or a reason as a short text on one line, no key in full within it."""
    whole = str(text) if _is_scalar(text) else "…"
    line = " ".join(words(whole[:_READ]).split())
    if len(whole) > _READ:
        line = line[:-_KEY_LENGTH] + "…"  # half a key would not be known for one
    shortened = _NPUB.sub(r"\1…", _KEY.sub(r"\1…", line))
    return shortened if len(shortened) <= _LONGEST_WORD else shortened[:_LONGEST_WORD] + "…"


def short(identifier: str) -> str:
    """Return the beginning of an id, enough to name it by."""
    return word(identifier[:8])


def moment(at: int) -> str:
    """Return a time as ``2026-01-01 00:00:00``, UTC."""
    return f"{day(at)} {time_of_day(at)}".strip()


def day(at: int) -> str:
    """Return the day, UTC; of a time no calendar has, the number."""
    return _utc(at).strftime("%Y-%m-%d") if 0 <= at <= _LATEST else f"second {at}"


def time_of_day(at: int) -> str:
    """Return hours, minutes and seconds, UTC."""
    return _utc(at).strftime("%H:%M:%S") if 0 <= at <= _LATEST else ""


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def span(seconds: int) -> str:
    """Return how long something took or is ago, roughly."""
    whole = max(0, seconds)
    for size, unit in _UNITS:
        if whole >= size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def counted(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def print_document(document: object, stream: TextIO) -> None:
    """Write one JSON document; what drives a terminal stands in it as an escape."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    stream.write(_UNSAFE.sub(_escape, text) + "\n")


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def _console(stream: TextIO, live: bool) -> "Console":
    from rich.console import Console  # noqa: PLC0415 - see Page.pieces

    return Console(
        file=stream,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        width=None if live else _FAR,
    )


class Page:
    """A text for a person: coloured and wrapped on a terminal, plain and whole in a pipe."""

    def __init__(self, stream: TextIO) -> None:
        live = stream.isatty()
        self._stream = stream
        # Lines by the hundred thousand go into pipes: as they are, without what draws terminals.
        drawn = live or any(os.environ.get(each) for each in _COLOURS_ASKED)
        self._console = _console(stream, live) if drawn else None
        self.room = _FAR if self._console is None else self._console.width
        """Columns there are."""
        self._width = min(self.room, _WIDEST) if live else _FAR

    def line(self, text: str = "", style: str = "") -> None:
        """Print one line as it is."""
        self.pieces((text, style))

    def pieces(self, *parts: tuple[str, str]) -> None:
        """Print one line of texts with their styles."""
        if self._console is None:
            self._stream.write("".join([text for text, _ in parts]) + "\n")
            return
        from rich.text import Text  # noqa: PLC0415 - a pipe needs none of it

        shown = Text()
        for text, style in parts:
            shown.append(text, style=style)
        self._console.print(shown)

    def heading(self, text: str) -> None:
        """Begin a part."""
        self.line()
        self.line(text, "bold")

    def paragraph(self, text: str, indent: int = 0, style: str = "") -> None:
        """Print sentences, wrapped."""
        for piece in self._wrapped(text, indent) or [""]:
            self.line(" " * indent + piece, style)

    def field(self, name: str, text: str, style: str = "") -> None:
        """Print a name and its value, later lines under the first."""
        first, *more = self._wrapped(text, _FIELD + 2) or [""]
        self.pieces((f"  {name:<{_FIELD}}", "dim"), (first, style))
        for piece in more:
            self.line(" " * (_FIELD + 2) + piece, style)

    def hanging(self, lead: str, text: str, style: str = "") -> None:
        """Print a text behind a lead, later lines under its beginning."""
        first, *more = self._wrapped(text, len(lead)) or [""]
        self.pieces((lead, "dim"), (first, style))
        for piece in more:
            self.line(" " * len(lead) + piece, style)

    def quoted(self, text: str, indent: int = 2, style: str = "") -> None:
        """Print what somebody wrote, every line of it marked: none can pass for one of ours."""
        for line in words(text).split("\n"):
            for piece in self._wrapped(line, indent + 2) or [""]:
                self.pieces((" " * indent + "| ", "dim"), (piece, style))

    def _wrapped(self, text: str, indent: int) -> list[str]:
        return textwrap.wrap(text, max(20, self._width - indent))


def columns(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Return rows as lines with their cells under one another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def without_addresses(payload: Mapping[str, object]) -> dict[str, object]:
    """Return an event's payload without what leads to a party, and no key within its texts."""
    return {name: _plain(value) for name, value in payload.items() if name != "shared_pubkey"}


def _plain(value: object) -> object:
    """A value as it may stand in a document: rows may be written by hand."""
    if isinstance(value, str):
        return word(value) if " " in value else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_plain(each) if _is_scalar(each) else None for each in value]
    return value if _is_scalar(value) else None


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)
