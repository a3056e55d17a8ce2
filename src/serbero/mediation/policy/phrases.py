"""Phrase lists: a small notation, and finding its phrases in folded text.

A phrase is a row of words as a person would type them (accents and case do not matter)::

    release|unlock the|your|_ funds|money|bitcoin~

``a|b`` either; ``_`` among the alternatives: or nothing; ``word~`` any ending; ``..`` up to four
words between; ``two_words`` one alternative of two words. Signs in front of a phrase:

``!`` only where somebody is told or asked to do it: at the start of a sentence or after one of
the leading words (please, must, can you ...).

After a phrase, ``^word|word`` says which words must not follow.

Letters may be held apart by blanks anywhere in the text (``rel ease``): a phrase still matches if
it begins and ends where words do. Sentence marks part phrases only where ``..`` stands.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from serbero.mediation.policy.folding import Folded, fold

_SEVERAL: Final = ".."
_GAP: Final = "(?:[a-z0-9]+ ){0,4}?"
_END: Final = r"(?![a-z0-9])"


@dataclass(frozen=True, slots=True)
class _Phrase:
    pattern: re.Pattern[str]
    commanded: bool
    gapped: bool


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
        return any(True for _ in self.spans(folded.words, marked=True)) or any(
            True for variant in folded.variants for _ in self.spans(variant, marked=False)
        )

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
                match = phrase.pattern.match(padded, start)
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
        pattern = "".join(map(_token, tokens)).removesuffix(" ?") + _END
        if unless:
            pattern += f"(?! ?(?:{'|'.join(map(_word, unless.strip().split('|')))}){_END})"
        phrase = _Phrase(re.compile(pattern), commanded, _SEVERAL in tokens)
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


def _word(word: str) -> str:
    """Return one alternative as a pattern that lets blanks stand anywhere between its letters."""
    ending = "[a-z0-9]*" if word.endswith("~") else ""
    return " ?".join(_plain(word.removesuffix("~")).replace(" ", "")) + ending


def _token(token: str) -> str:
    """Return one word of a phrase, and the blank after it, as a pattern."""
    if token == _SEVERAL:
        return _GAP
    words = [word for word in token.split("|") if word != "_"]
    either = f"(?:{'|'.join(map(_word, words))})"
    return f"(?:{either} ?)?" if "_" in token.split("|") else f"{either} ?"
