"""Whether a party asks for a person: a word list, beside the model's own opinion."""

from functools import cache
from typing import Final

from serbero.mediation.policy.folding import fold
from serbero.mediation.policy.phrases import Phrases
from serbero.mediation.policy.vocabulary.person import WISHES

_LONGEST: Final = 4_000
"""Characters of a message that are looked at, from either end of it."""


def asks_for_human(text: str) -> bool:
    """Whether a party's words ask for a person, in any of the six languages.

    Args:
        text: a party's message, of any characters whatever.
    """
    looked_at = text if len(text) <= 2 * _LONGEST else f"{text[:_LONGEST]}\n{text[-_LONGEST:]}"
    return _wishes().found_in(fold(looked_at))


@cache
def _wishes() -> Phrases:
    return Phrases(WISHES)
