"""Pieces of Markdown that GitHub and the site's generator read alike."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

_LITERAL: Final = re.compile(r"``([^`]+)``")


def generated(source: str) -> str:
    """Return the note that a page must not be edited by hand."""
    note = f"Written by `python tools/reference.py` from {source}. Change that, not this page."
    return f"<!-- {note} -->"


def code(text: object) -> str:
    """Return a text as it stands in code."""
    return f"`{text}`"


def cell(text: str) -> str:
    """Return a text that may stand in a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; every row has as many cells as the head."""
    lines = [_row(head), _row(["---"] * len(head)), *map(_row, rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell(each) for each in cells)} |"


def sentence(text: str) -> str:
    """Return a text with a capital and a full stop."""
    plain = text.strip()
    whole = plain[:1].upper() + plain[1:]
    return whole if whole.endswith((".", "!", "?", "]")) else f"{whole}."


def docstring(text: str | None) -> str:
    """Return a docstring's paragraphs with its literals in Markdown."""
    paragraphs = re.split(r"\n\s*\n", (text or "").strip())
    return _LITERAL.sub(r"`\1`", "\n\n".join(" ".join(each.split()) for each in paragraphs))


def plain(text: str) -> str:
    """Return a text in which brackets are no links; code stays as it is."""
    pieces = text.split("`")
    return "`".join(
        each if index % 2 else each.replace("[", "\\[") for index, each in enumerate(pieces)
    )


def page(*parts: str) -> str:
    """Return a page made of parts with a blank line between them."""
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
