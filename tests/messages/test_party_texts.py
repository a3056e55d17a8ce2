"""What the parties read: the frame is ours, byte for byte."""

import pytest

from serbero.messages import party as texts
from serbero.messages.party import IDENTITY, Language
from serbero.model.party import Party
from serbero.model.texts import Fixed


@pytest.mark.parametrize("language", list(Language))
def test_a_first_question(language: Language) -> None:
    sent = texts.question(Party.BUYER, Fixed("Did you pay?"), language).text
    assert sent == f"Buyer: Did you pay?\n\n{IDENTITY[language]}"


@pytest.mark.parametrize("language", list(Language))
def test_a_follow_up(language: Language) -> None:
    sent = texts.question(Party.SELLER, Fixed("Did it arrive?"), language, 2).text
    assert sent == f"Round 2. Seller: Did it arrive?\n\n{IDENTITY[language]}"


def test_the_identity_line_says_who_writes_and_who_decides() -> None:
    assert set(IDENTITY) == set(Language)
    automated = ("automated", "automático", "automático", "automatique", "automatischer", "automat")
    human = ("human", "persona", "pessoa", "humain", "Mensch", "persona")
    for language, machine, person in zip(Language, automated, human, strict=True):
        line = IDENTITY[language]
        assert "\n" not in line
        assert "Serbero" in line
        assert machine in line
        assert person in line


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("es", "es"),
        ("pt-BR", "pt"),
        ("PT_br", "pt"),
        (" fr ", "fr"),
        ("de-AT", "de"),
        ("nl", "it"),
        ("", "it"),
        (None, "it"),
        ("english please", "it"),
        ("\ud800", "it"),
        ("es" * 10_000, "it"),
    ],
)
def test_languages(tag: str | None, expected: str) -> None:
    assert texts.language_of(tag, Language.ITALIAN) == expected
