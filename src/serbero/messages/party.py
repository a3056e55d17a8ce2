"""What the parties of a dispute read: the frame around vetted words, in six languages.

The frame is ours alone: whom a message is for, which round it belongs to, and, as its last
paragraph, that a program wrote it and that a human decides.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from serbero.model.party import Party
from serbero.model.texts import Fixed, Outgoing, VettedText


class Language(StrEnum):
    """The languages we speak ourselves (``[mediation].language``)."""

    ENGLISH = "en"
    SPANISH = "es"
    PORTUGUESE = "pt"
    FRENCH = "fr"
    GERMAN = "de"
    ITALIAN = "it"


IDENTITY: Final[Mapping[Language, str]] = {
    Language.ENGLISH: (
        "— Serbero, an automated assistant. I only gather information; a human decides this "
        "dispute. Write that you want a person if you do."
    ),
    Language.SPANISH: (
        "— Serbero, un asistente automático. Solo reúno información; la disputa la decide una "
        "persona. Si quiere hablar con una persona, escríbalo aquí."
    ),
    Language.PORTUGUESE: (
        "— Serbero, um assistente automático. Apenas recolho informações; quem decide a disputa "
        "é uma pessoa. Se quiser falar com uma pessoa, escreva-o aqui."
    ),
    Language.FRENCH: (
        "— Serbero, un assistant automatique. Je ne fais que recueillir des informations ; c'est "
        "un humain qui décide. Si vous voulez parler à une personne, écrivez-le ici."
    ),
    Language.GERMAN: (
        "— Serbero, ein automatischer Assistent. Ich sammle nur Angaben; über den Streit "
        "entscheidet ein Mensch. Wenn Sie mit einem Menschen sprechen möchten, schreiben Sie es "
        "hier."
    ),
    Language.ITALIAN: (
        "— Serbero, un assistente automatico. Raccolgo solo informazioni; sulla controversia "
        "decide una persona. Se desidera parlare con una persona, lo scriva qui."
    ),
}
"""The last paragraph of every message to a party."""

_ADDRESSED: Final = {Party.BUYER: "Buyer: ", Party.SELLER: "Seller: "}
_ROUND: Final = "Round {number}. "
_PARAGRAPH: Final = "\n\n"


def language_of(tag: str | None, default: Language) -> Language:
    """Return the language of a tag such as ``es`` or ``pt-BR``, or the default for any other.

    Args:
        tag: what a model said a party writes in, of any content whatever.
        default: ``[mediation].language``.
    """
    primary = (tag or "").replace("_", "-").partition("-")[0].strip().casefold()
    return Language(primary) if primary in set(Language) else default


def question(
    party: Party, words: VettedText | Fixed, language: Language, number: int | None = None
) -> Outgoing:
    """Frame one question to a party.

    ``Buyer: `` or ``Seller: `` comes first, behind ``Round N. `` in a follow-up, as the reference
    has it; the last paragraph says who writes.

    Args:
        party: whom it is for.
        words: the question itself.
        language: of the identity line.
        number: the follow-up's number, from 1; None for the opening.
    """
    frame = [] if number is None else [Fixed(_ROUND, number=number)]
    return Outgoing(
        *frame,
        Fixed(_ADDRESSED[party]),
        words,
        Fixed(_PARAGRAPH),
        Fixed(IDENTITY[language]),
    )
