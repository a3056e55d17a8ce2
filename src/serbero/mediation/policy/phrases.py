"""Phrase lists: a small notation, and finding its phrases in folded text.

A phrase is a row of words as a person would type them (accents and case do not matter)::

    release|unlock the|your|_ funds|money|bitcoin~

``a|b`` either; ``_`` among the alternatives: or nothing; ``word~`` any ending; ``..`` up to four
words between; ``two_words`` one alternative of two words. Signs in front of a phrase:

``!`` only where somebody is told or asked to do it: at the start of a sentence or after one of
the leading words (please, must, can you ...).

After a phrase, ``^word|word`` says which words must not follow.

Letters may be held apart by blanks anywhere in the text (``rel ease``): a phrase of some length
still matches if it begins and ends where words do. Sentence marks part phrases only where ``..``
stands.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from serbero.mediation.policy.folding import Folded, fold

_SEVERAL: Final = ".."
_GAP: Final = "(?:[a-z0-9]+ ){0,4}?"
_END: Final = r"(?![a-z0-9])"
_LOOSE: Final = 8
"""Letters from which on a phrase is recognized though its words are parted elsewhere: short ones
would be found by chance between the words of others."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    strict: re.Pattern[str]
    loose: re.Pattern[str]
    commanded: bool
    gapped: bool

    def match(self, padded: str, start: int) -> re.Match[str] | None:
        """Match the phrase here, its words parted as they should be or, if long, anyhow."""
        match = self.loose.match(padded, start)
        if match and len(match[0].replace(" ", "")) < _LOOSE:
            return self.strict.match(padded, start)
        return match


class Phrases:
    """Compiled phrase lists of one topic."""

    def __init__(self, lists: Mapping[str, Iterable[str]], leads: Iterable[str] = ()) -> None:
        """Compile.

        Args:
            lists: language (or any other heading) to phrases.
            leads: the words that make what follows a request, for phrases that begin with ``!``.

        Raises:
            ValueError: a phrase has no fixed beginning.
        """
        self._by_start: dict[str, list[_Phrase]] = {}
        self._leads = tuple(f" {_plain(lead)} " for lead in leads)
        for text in (text for texts in lists.values() for text in texts):
            self._add(text)

    def found_in(self, folded: Folded) -> bool:
        """Whether any phrase stands in the text, disguised or not."""
        readings = dict.fromkeys((*folded.readings, folded.respelled))
        marked = (self.spans(reading, marked=True) for reading in readings)
        bare = (self.spans(variant, marked=False) for variant in folded.variants)
        return any(True for spans in chain(marked, bare) for _ in spans)

    def spans(self, words: str, *, marked: bool) -> Iterator[tuple[int, int]]:
        """Where phrases stand in words parted by single blanks.

        Args:
            words: a :attr:`Folded.words` or one of its variants.
            marked: whether sentence marks stand in it; without them, phrases with a gap are not
                sought, since the gap could bridge two sentences.
        """
        padded = f" {words} "
        for start in (blank.end() for blank in re.finditer(" (?=[a-z0-9])", padded)):
            nearby = padded[start : start + 3].replace(" ", "")[:2]
            for phrase in (*self._by_start.get(nearby, ()), *self._by_start.get(nearby[:1], ())):
                if phrase.gapped and not marked:
                    continue
                match = phrase.match(padded, start)
                if match and (not phrase.commanded or self._commanded(padded, start)):
                    yield start - 1, match.end() - 1

    def _commanded(self, padded: str, start: int) -> bool:
        """Whether a request can begin here."""
        before = padded[:start]
        return not before.strip() or before.endswith((" . ", " ? ", *self._leads))

    def _add(self, text: str) -> None:
        commanded = text.startswith("!")
        body, _, unless = text.removeprefix("!").partition("^")
        tokens = body.split()
        after = unless.strip().split("|") if unless else []
        phrase = _Phrase(
            strict=_pattern(tokens, after, within="", between=" "),
            loose=_pattern(tokens, after, within=" ?", between=" ?"),
            commanded=commanded,
            gapped=_SEVERAL in tokens,
        )
        for start in {_start(word, text) for word in tokens[0].split("|")}:
            self._by_start.setdefault(start, []).append(phrase)


def _plain(words: str) -> str:
    """Return words as folded text has them."""
    return fold(words.replace("_", " ")).variants[0]


def _start(word: str, text: str) -> str:
    """Return the one or two letters that a match must begin with."""
    letters = _plain(word.removesuffix("~")).replace(" ", "")
    if not letters or word == "_":
        raise ValueError(f"a phrase needs a fixed beginning: {text}")
    return letters[:2]


def _pattern(tokens: list[str], unless: list[str], *, within: str, between: str) -> re.Pattern[str]:
    """Compile a phrase, given what may stand between letters and what between words."""

    def word(text: str) -> str:
        ending = "[a-z0-9]*" if text.endswith("~") else ""
        letters = _plain(text.removesuffix("~"))
        joined = between.join(within.join(part) for part in letters.split(" "))
        return joined + ending

    def token(text: str) -> str:
        if text == _SEVERAL:
            return _GAP
        words = "|".join(word(one) for one in text.split("|") if one != "_")
        return f"(?:(?:{words}){between})?" if "_" in text.split("|") else f"(?:{words}){between}"

    # The blank after the last word belongs to the phrase only where that word is there.
    pattern = "".join(map(token, tokens)) + r"(?:(?<= )|(?![a-z0-9]))"
    if unless:
        pattern += f"(?! ?(?:{'|'.join(map(word, unless))}){_END})"
    return re.compile(pattern)
