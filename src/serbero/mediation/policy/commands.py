"""Sentences that tell a party to do something, or promise it something, in whatever words.

Beside the phrase lists, which know how things are usually put: here it is enough that the words
stand in one sentence.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from serbero.mediation.policy.folding import Folded
from serbero.mediation.policy.vocabulary import commands as words
from serbero.mediation.policy.vocabulary import statements

_NEAR_THE_BEGINNING: Final = 4
"""How many words of a question are looked at to tell a request from an inquiry."""

_Pairs = tuple[tuple[frozenset[str], frozenset[str]], ...]


def pays(folded: Folded) -> bool:
    """Whether a sentence tells to move money, or promises some."""
    return any(
        (_joins(sentence, _pairs("MONEY")) and not sentence & _set("EVIDENCE"))
        or _joins(sentence, _pairs("PAYEES"))
        for sentence in _told(folded)
    )


def ends_or_judges(folded: Folded) -> bool:
    """Whether a sentence tells to end the trade, judges a party or promises an outcome."""
    return any(
        _joins(sentence, _pairs("TRADES")) or sentence & _set("VERDICTS")
        for sentence in _told(folded)
    )


def claims(folded: Folded) -> bool:
    """Whether a statement touches what only a human, or nobody, may say, without a frame."""
    matters, frames = _matters(), _frames()
    return any(
        matters.search(sentence) and not frames.search(sentence)
        for sentence in map(" ".join, _stated(folded))
    )


def _stated(folded: Folded) -> Iterator[list[str]]:
    """Yield the words of each sentence that is no question."""
    for words_in, question in _sentences(folded):
        if not question:
            yield words_in


def _told(folded: Folded) -> Iterator[frozenset[str]]:
    """Yield the words of each sentence that does not ask for an answer."""
    for words_in, question in _sentences(folded):
        if not question or _requests(words_in):
            yield frozenset(words_in)


def _sentences(folded: Folded) -> Iterator[tuple[list[str], bool]]:
    """Yield each sentence's words, and whether it is a question."""
    for reading in folded.readings:
        sentence: list[str] = []
        for word in (*reading.split(), "."):
            if word not in {".", "?"}:
                sentence.append(word)
                continue
            if sentence:
                yield sentence, word == "?"
            sentence = []


def _requests(question: list[str]) -> bool:
    """Whether a question is a polite request for a deed."""
    return bool(set(question[:_NEAR_THE_BEGINNING]) & _set("REQUESTS")) and not (
        set(question) & _set("ASKING")
    )


def _joins(sentence: frozenset[str], pairs: _Pairs) -> bool:
    return any(sentence & deeds and sentence & things - deeds for deeds, things in pairs)


@cache
def _matters() -> re.Pattern[str]:
    stems = (word for listed in statements.MATTERS.values() for word in listed.split())
    either = "|".join(stem.replace("~", "[a-z]*").replace("_", " ") for stem in stems)
    return re.compile(rf"\b(?:{either})\b")


@cache
def _frames() -> re.Pattern[str]:
    frames = (frame for listed in statements.FRAMES.values() for frame in listed.split("|"))
    return re.compile(rf"\b(?:{'|'.join(frames)})\b")


@cache
def _pairs(table: str) -> _Pairs:
    lists: Mapping[str, tuple[str, str]] = getattr(words, table)
    return tuple(
        (frozenset(deeds.split()), frozenset(things.split())) for deeds, things in lists.values()
    )


@cache
def _set(table: str) -> frozenset[str]:
    listed: str | Mapping[str, str] = getattr(words, table)
    return frozenset((listed if isinstance(listed, str) else " ".join(listed.values())).split())
