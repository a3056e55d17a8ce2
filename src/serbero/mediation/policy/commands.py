"""Sentences that tell a party to do something, or promise it something, in whatever words.

Beside the phrase lists, which know how things are usually put: here it is enough that the words
stand in one sentence.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from serbero.mediation.policy.folding import Folded
from serbero.mediation.policy.vocabulary import commands as words

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


def rules(folded: Folded) -> bool:
    """Whether a sentence tells to end the trade, judges a party or promises an outcome."""
    return any(
        _joins(sentence, _pairs("TRADES")) or sentence & _set("VERDICTS")
        for sentence in _told(folded)
    )


def _told(folded: Folded) -> Iterator[frozenset[str]]:
    """Yield the words of each sentence that does not ask for an answer."""
    for reading in folded.readings:
        sentence: list[str] = []
        for word in (*reading.split(), "."):
            if word not in {".", "?"}:
                sentence.append(word)
                continue
            if word == "." or _requests(sentence):
                yield frozenset(sentence)
            sentence = []


def _requests(question: list[str]) -> bool:
    """Whether a question is a polite request for a deed."""
    return bool(set(question[:_NEAR_THE_BEGINNING]) & _set("REQUESTS")) and not (
        set(question) & _set("ASKING")
    )


def _joins(sentence: frozenset[str], pairs: _Pairs) -> bool:
    return any(sentence & deeds and sentence & things - deeds for deeds, things in pairs)


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
