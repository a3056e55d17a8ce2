"""The two kinds of text that leave for a person, as types.

*Fixed* words are ours, filled only with ids, roles, states, times, keys, hashes and counts.
*Vetted* words are a model's or a party's; they exist only where the policy's screening released
them: its one implementation of :class:`VettedText` is private to ``serbero.mediation.policy``.
An :class:`Outgoing` text is made of these two and of nothing else, so whoever takes an
``Outgoing`` needs not ask where its words come from.
"""

import re
from abc import ABC, abstractmethod
from typing import Final, Protocol, final

RELEASE_MODULE: Final = "serbero.mediation.policy.release"
"""The one module that may vet words."""

_FILLING: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:-]{0,127}", re.ASCII)
"""Ids, roles, states, times, keys, hashes, counts: never a space, so never a sentence."""


class Seal(ABC):
    """What vetted words carry. Only the release module can make a kind of it."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Refuse a seal made anywhere else.

        Raises:
            TypeError: the subclass is of another module.
        """
        if cls.__module__ != RELEASE_MODULE:
            raise TypeError(f"only {RELEASE_MODULE} may vet words")

    @abstractmethod
    def purpose(self) -> str:
        """Name the rules the words were held against."""


class VettedText(Protocol):
    """Words of a model or a party that were screened; how they were is the policy's affair."""

    @property
    def words(self) -> str:
        """The words, as they may be read."""

    @property
    def seal(self) -> Seal:
        """The proof. A plain string has none, and no other class can name one."""


class BadFilling(ValueError):  # noqa: N818 - named for what it says
    """A value that is not an id, a role, a state, a time, a key, a hash or a count."""


@final
class Fixed:
    """Words of ours with their gaps filled."""

    __slots__ = ("_words",)

    def __init__(self, wording: str, /, **fillings: str | int) -> None:
        """Fill ``{name}`` gaps of a wording.

        Args:
            wording: a constant of ``serbero.messages``.
            fillings: one value a gap.

        Raises:
            BadFilling: a value could be a sentence; the message does not repeat it.
            KeyError: a gap without its value.
        """
        for name, value in fillings.items():
            if isinstance(value, bool) or not _FILLING.fullmatch(str(value)):
                raise BadFilling(f"not a value for a template: {name}")
        self._words = wording.format_map(fillings)

    @property
    def words(self) -> str:
        """The finished words."""
        return self._words

    def __repr__(self) -> str:
        return "Fixed(...)"


@final
class Outgoing:
    """A whole text for a person: fixed and vetted parts, in order."""

    __slots__ = ("_parts",)

    def __init__(self, *parts: Fixed | VettedText) -> None:
        """Join parts as they are, without anything between them.

        Raises:
            TypeError: a part is neither fixed words of ours nor sealed by the policy.
        """
        for part in parts:
            if not isinstance(part, Fixed) and not isinstance(getattr(part, "seal", None), Seal):
                raise TypeError("only fixed and vetted words leave for a person")
        self._parts = parts

    @property
    def text(self) -> str:
        """The text as it is sent."""
        return "".join(part.words for part in self._parts)

    def __repr__(self) -> str:
        return "Outgoing(...)"
