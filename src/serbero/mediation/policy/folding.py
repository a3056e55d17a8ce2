"""Text as a reader perceives it, for screening: disguises are taken off before anything is sought.

Folded are: compatibility forms, accents, letter case, look-alike letters of other scripts,
invisible and direction-changing characters, digits and signs in place of letters, and letters
held apart by blanks or punctuation. What is folded is only looked at; what leaves is the tidy
text.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

from serbero.mediation.policy.vocabulary.lookalikes import (
    DIGITS_FOR_LETTERS,
    LOOKALIKES,
    NEGATIVE_SIGNS,
    ONE,
    OVERRIDES,
)
from serbero.messages.tidying import seen

_LATIN: Final = {ord(sign): letter for letter, signs in LOOKALIKES.items() for sign in signs} | {
    first + index: chr(ord("a") + index)
    for first, count in NEGATIVE_SIGNS
    for index in range(count)
}
_MARK: Final = re.compile(r"[.:](?=\s|$)|[!;\n\u2026\u3002]|(?<=[\w)\"']),(?=\s*\n)")
_LEET: Final = str.maketrans(DIGITS_FOR_LETTERS)
_MIXED: Final = re.compile(r"[^\s.,;:()\[\]{}\"]+")
_SINGLES: Final = re.compile(r"(?<![a-z0-9])[a-z0-9](?: [a-z0-9](?![a-z0-9])){2,}")
_INITIALS: Final = re.compile(r"(?<![a-z0-9])[a-z0-9](?:[^\sa-z0-9][a-z0-9](?![a-z0-9])){2,}")
_ROW: Final = re.compile(r"(?<![a-z0-9])[a-z](?: [a-z](?![a-z0-9])){5,}")
_UMLAUTS: Final = re.compile(r"([aou])e")


@dataclass(frozen=True, slots=True)
class Folded:
    """One text in the shapes that screening looks at.

    Attributes:
        visible: compatibility forms resolved, accents and invisible characters gone, letter case
            kept.
        plain: the same in lower-case Latin letters without accents, spacing and punctuation kept.
        words: lower-case words parted by single blanks; ``.`` and ``?`` stand as words of their
            own where a sentence or a line ends.
        readings: ``words`` with letters that stood apart in a row closed up, and once more for
            each reading of digits and signs as letters, and for lines read as one, that makes
            a difference.
        respelled: the first reading with ``ue`` for an umlaut read as one.
        variants: the readings without sentence marks, and ``respelled`` likewise.
        squeezed: letters and digits only.
        foreign: how many letters were not Latin ones, whatever they look like.
        decayed: whether lone surrogates or control characters stood in it.
    """

    visible: str
    plain: str
    words: str
    readings: tuple[str, ...]
    respelled: str
    variants: tuple[str, ...]
    squeezed: str
    foreign: int
    decayed: bool

    @property
    def spelled_out(self) -> bool:
        """Whether words stand in it letter by letter, in a long row."""
        return _ROW.search(self.words) is not None


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes in which addresses, links and keys are sought; a part of :class:`Folded`.

    Attributes:
        visible: as in :class:`Folded`, like the others.
    """

    visible: str
    plain: str
    words: str
    squeezed: str


def shapes(text: str) -> Shapes:
    """Take the disguises off as far as addresses, links and keys need it: a third of the work."""
    visible, latin = _visible(text), _unmasked(text)
    squeezed = _squeezed(_joined(_words(_closed(latin), marks=False)))
    return Shapes(visible, latin, _words(latin), squeezed)


def fold(text: str) -> Folded:
    """Take the disguises off a text of any characters whatever."""
    visible, latin = _visible(text), _unmasked(text)
    words = _words(latin)
    # Letters are closed up once with and once without marks: marks may be what held them apart.
    closed = [_closed(one) for one in (latin, *(_leet(latin, one) for one in ONE))]
    respelled = _UMLAUTS.sub(r"\1", closed[0])
    variants = _different(_words(one, marks=False) for one in (*closed, respelled))
    # A line's end parts sentences in a list of points, and hides one that is broken at will.
    readings = _different(map(_words, (*closed, closed[0].replace("\n", " "))))
    return Folded(
        visible=visible,
        plain=latin,
        words=words,
        readings=readings,
        respelled=_joined(_words(respelled)),
        variants=variants,
        squeezed=_squeezed(variants[0]),
        foreign=0 if visible.isascii() else sum(map(_foreign, visible)),
        decayed=any(map(_decayed, text)),
    )


def _visible(text: str) -> str:
    return _bare(seen(unicodedata.normalize("NFKC", text)))


def _unmasked(text: str) -> str:
    # Some look-alikes have a compatibility form that looks different, so the table comes first.
    return _latin(unicodedata.normalize("NFKC", seen(text).casefold().translate(_LATIN)))


def _squeezed(words: str) -> str:
    return words.replace(" ", "")


def _decayed(sign: str) -> bool:
    """Whether no honest writer's keyboard makes this character."""
    return sign in OVERRIDES or (
        sign not in "\n\r\t" and unicodedata.category(sign) in {"Cc", "Cs", "Co", "Cn"}
    )


def _latin(visible: str) -> str:
    """Return the text in unaccented lower-case Latin, as far as it can be."""
    # Lower case comes first: look-alikes are listed in lower case.
    lowered = visible.casefold().translate(_LATIN)
    if lowered.isascii():
        return lowered
    return "".join(map(_plain, unicodedata.normalize("NFKD", lowered).translate(_LATIN)))


def _bare(text: str) -> str:
    """Leave out every accent and other mark upon a letter, and resolve compatibility forms."""
    if text.isascii():
        return text
    parted = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in parted if not unicodedata.category(sign).startswith("M"))


@cache
def _foreign(sign: str) -> bool:
    """Whether this is a letter of another script than ours (the micro sign is none)."""
    return (
        unicodedata.category(sign).startswith("L")
        and not unicodedata.name(sign, "").startswith("LATIN")
        and sign != "\u03bc"
    )


@cache
def _plain(sign: str) -> str:
    """Return a sign without what may be left of an accent; any digit as ours."""
    category = unicodedata.category(sign)
    if category.startswith("M"):
        return ""
    return str(unicodedata.decimal(sign)) if category == "Nd" else sign


def _words(latin: str, *, marks: bool = True) -> str:
    """Return words parted by single blanks, sentence marks as words where wanted."""
    if marks:
        latin = _MARK.sub(" . ", latin.replace("?", " ? "))
        kept = "".join(sign if sign.isalnum() or sign in ".?" else " " for sign in latin)
        kept = re.sub(r"(?<! )\.|\.(?! )", " ", kept)
    else:
        kept = "".join(sign if sign.isalnum() else " " for sign in latin)
    return " ".join(kept.split())


def _different(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the different ones among texts whose letters are closed up."""
    return tuple(dict.fromkeys(map(_joined, texts)))


def _closed(latin: str) -> str:
    """Close up letters held apart by signs, or by single blanks where words are by more."""
    closed = _INITIALS.sub(lambda run: re.sub("[^a-z0-9]", "", run[0]), latin)
    return _joined(closed)


def _joined(words: str) -> str:
    """Close up letters that stand alone in a row: ``r e l e a s e`` is a word."""
    return _SINGLES.sub(lambda run: run[0].replace(" ", ""), words)


def _leet(latin: str, one: str) -> str:
    """Read digits and signs as letters inside whatever also has letters."""

    def read(match: re.Match[str]) -> str:
        token = match[0]
        if not any("a" <= sign <= "z" for sign in token):
            return token
        tail = token.rstrip("!?+|")
        return tail.translate(_LEET).replace("1", one) + token[len(tail) :]

    return _MIXED.sub(read, latin)
