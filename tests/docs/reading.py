"""The documents as values: blocks, headings, links, prose."""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
ALONE: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "deploy/README.md")
"""Documents outside docs/; the last one where it exists."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        page: path from the root.
        line: of the fence, from 1.
        info: the first word of its info string.
        options: the others.
    """

    page: str
    line: int
    info: str
    options: tuple[str, ...]
    text: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Link:
    page: str
    target: str


@cache
def pages() -> tuple[str, ...]:
    """Every document, as a path from the root."""
    alone = [each for each in ALONE if (ROOT / each).is_file()]
    return (*alone, *sorted(str(each.relative_to(ROOT)) for each in DOCS.rglob("*.md")))


@cache
def tokens(page: str) -> tuple[Token, ...]:
    parser = MarkdownIt("commonmark").enable("table")
    return tuple(parser.parse((ROOT / page).read_text("utf-8")))


def blocks(page: str) -> Iterator[Block]:
    for each in tokens(page):
        if each.type == "fence":
            info, *options = each.info.split() or [""]
            line = each.map[0] + 1 if each.map else 0
            yield Block(page, line, info, tuple(options), each.content)
        assert each.type != "code_block", f"{page}: an indented block; fence it and name its kind"


def headings(page: str) -> list[str]:
    found, every = [], tokens(page)
    for before, each in itertools.pairwise(every):
        if before.type == "heading_open":
            found.append("".join(child.content for child in each.children or []))
    return found


def github_slug(heading: str) -> str:
    """As GitHub makes the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def site_slug(heading: str) -> str:
    """As Python-Markdown does, which the site's generator follows."""
    folded = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", folded).strip().lower())


def links(page: str) -> Iterator[Link]:
    for each in tokens(page):
        for child in each.children or []:
            for name in ("href", "src"):
                if (target := child.attrGet(name)) is not None:
                    yield Link(page, str(target))


def prose(page: str) -> Iterator[tuple[int, str]]:
    """What people read as sentences, with the line it begins in: no code."""
    for each in tokens(page):
        if each.type == "inline" and each.map:
            texts = [child.content for child in each.children or [] if child.type == "text"]
            yield each.map[0] + 1, " ".join(texts)
