"""The one place where words of a model or a party become words that may leave.

Nothing else in the program can make a :class:`~serbero.model.texts.VettedText`: its seal can be
defined in this module only, and its class is private to it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NoReturn, final

from serbero.mediation.policy.folding import shapes
from serbero.mediation.policy.screening import (
    Finding,
    Rules,
    leads_away,
    screen,
    trigger_of,
)
from serbero.messages.tidying import tidy
from serbero.model.mediation import Trigger
from serbero.model.texts import Seal, VettedText

QUOTE_LIMIT: Final = 1_000
"""Characters of a party's message that a brief quotes."""

_REMOVED: Final = {
    Finding.KEY: "[key removed]",
    Finding.INVOICE: "[payment address removed]",
    Finding.LINK: "[link removed]",
}
_WITHHELD: Final = "[withheld: it carries a key, a payment address or a link in disguise]"
_CUT: Final = " [cut]"
_CODE: Final = re.compile(r"(?i)^(?=\S*\d)(?=\S*[a-z])\S{4,}$|^\S{24,}$")
"""Letters and digits in one: a piece of a key or an invoice."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A text that may not leave; it is kept in the rationale store and goes nowhere else."""

    findings: frozenset[Finding]

    @property
    def trigger(self) -> Trigger:
        """What the text escalates as."""
        return trigger_of(self.findings)


@final
class _Seal(Seal):
    __slots__ = ("_purpose",)

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose

    def purpose(self) -> str:
        return self._purpose


@final
class _Vetted:
    """Words with their seal, unchangeable; no ``repr`` shows them."""

    __slots__ = ("_seal", "_words")
    _words: str
    _seal: _Seal

    def __init__(self, words: str, seal: _Seal) -> None:
        object.__setattr__(self, "_words", words)
        object.__setattr__(self, "_seal", seal)

    def __reduce__(self) -> NoReturn:
        raise TypeError("vetted words are neither copied nor stored as objects")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"vetted words do not change: {name}")

    @property
    def words(self) -> str:
        return self._words

    @property
    def seal(self) -> Seal:
        return self._seal

    def __repr__(self) -> str:
        return f"<vetted {self._seal.purpose()}>"


def release(text: str, rules: Rules) -> VettedText | Stopped:
    """Let a model's text through, tidied, or say why not.

    Args:
        text: the model's words, of any characters whatever.
        rules: for whom they are meant.
    """
    findings = screen(text, rules)
    return Stopped(findings) if findings else _Vetted(tidy(text), _Seal(rules.name))


def quote(text: str, limit: int = QUOTE_LIMIT) -> VettedText:
    """Return a party's words as a solver may read them: never refused, never dangerous.

    Each line is marked as a quotation, so that none can pass for a line of ours. Keys, payment
    addresses and links are taken out; where that cannot be done word by word, the words are
    withheld. What a party claims, orders or asks for stays: the solver is to know it.

    Args:
        text: the party's words, of any characters whatever.
        limit: how many characters of them are quoted at most.
    """
    readable = tidy(text[: 4 * limit])
    words = readable if len(readable) <= limit else readable[:limit].rstrip() + _CUT
    words = "\n".join(" ".join(_without_addresses(line.split(" "))) for line in words.split("\n"))
    if _dangerous(_unmarked(words)):
        words = _WITHHELD
    return _Vetted("\n".join(f"> {line}".rstrip() for line in words.split("\n")), _Seal("quoted"))


def _without_addresses(words: list[str]) -> Iterator[str]:
    """Yield words, or what stands for those that lead away or open something.

    What follows such a word and is no word of a language is the rest of it.
    """
    removed = False
    for word in words:
        found = _dangerous(word)
        note = next((note for finding, note in _REMOVED.items() if finding in found), None)
        if note is None and removed and _CODE.search(word):
            continue  # still `removed`: the next word may be one more piece of the same thing
        removed = note is not None
        yield note or word


def _dangerous(words: str) -> set[Finding]:
    return leads_away(shapes(words)) & _REMOVED.keys()


def _unmarked(words: str) -> str:
    """Return words without our own notes, which must not be taken for a party's."""
    for note in _REMOVED.values():
        words = words.replace(note, " ")
    return words
