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

QUESTIONS: Final[Mapping[Party, Mapping[Language, str]]] = {
    Party.BUYER: {
        Language.ENGLISH: (
            "A dispute was opened about your trade. Have you sent the payment? If so, when, by "
            "which method and with what reference? If not, what stopped you?"
        ),
        Language.SPANISH: (
            "Se abrió una disputa sobre su intercambio. ¿Ha enviado el pago? Si es así, ¿cuándo, "
            "por qué método y con qué referencia? Si no, ¿qué se lo impidió?"
        ),
        Language.PORTUGUESE: (
            "Foi aberta uma disputa sobre a sua troca. Já enviou o pagamento? Se sim, quando, por "
            "que método e com que referência? Se não, o que o impediu?"
        ),
        Language.FRENCH: (
            "Un litige a été ouvert sur votre échange. Avez-vous envoyé le paiement ? Si oui, "
            "quand, par quel moyen et avec quelle référence ? Sinon, qu'est-ce qui vous en a "
            "empêché ?"
        ),
        Language.GERMAN: (
            "Zu Ihrem Handel wurde ein Streitfall eröffnet. Haben Sie die Zahlung gesendet? Wenn "
            "ja, wann, auf welchem Weg und mit welchem Verwendungszweck? Wenn nein, was hat Sie "
            "daran gehindert?"
        ),
        Language.ITALIAN: (
            "È stata aperta una controversia sul suo scambio. Ha inviato il pagamento? Se sì, "
            "quando, con quale metodo e con quale riferimento? Se no, che cosa glielo ha impedito?"
        ),
    },
    Party.SELLER: {
        Language.ENGLISH: (
            "A dispute was opened about your trade. Have you received the payment? If so, when "
            "and how much? If not, where did you look, and when did you look last?"
        ),
        Language.SPANISH: (
            "Se abrió una disputa sobre su intercambio. ¿Ha recibido el pago? Si es así, ¿cuándo "
            "y cuánto? Si no, ¿dónde lo ha comprobado y cuándo por última vez?"
        ),
        Language.PORTUGUESE: (
            "Foi aberta uma disputa sobre a sua troca. Já recebeu o pagamento? Se sim, quando e "
            "quanto? Se não, onde verificou e quando foi a última vez?"
        ),
        Language.FRENCH: (
            "Un litige a été ouvert sur votre échange. Avez-vous reçu le paiement ? Si oui, quand "
            "et combien ? Sinon, où avez-vous vérifié, et quand pour la dernière fois ?"
        ),
        Language.GERMAN: (
            "Zu Ihrem Handel wurde ein Streitfall eröffnet. Haben Sie die Zahlung erhalten? Wenn "
            "ja, wann und wie viel? Wenn nein, wo haben Sie nachgesehen, und wann zuletzt?"
        ),
        Language.ITALIAN: (
            "È stata aperta una controversia sul suo scambio. Ha ricevuto il pagamento? Se sì, "
            "quando e quanto? Se no, dove ha controllato, e quando l'ultima volta?"
        ),
    },
}
"""Opening questions in words of ours, for whoever puts them without a model's."""

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


def opening_question(party: Party, language: Language) -> Outgoing:
    """Return the first message to a party in words of ours alone."""
    return question(party, Fixed(QUESTIONS[party][language]), language)
