"""Sentences that tell, promise or claim, in whatever words."""

import pytest

from serbero.mediation.policy.commands import claims, ends_or_judges, pays
from serbero.mediation.policy.folding import fold


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Send the money.", True),
        ("The money, send it", True),
        ("Send it. The money is here.", False),
        ("Send the reference of the payment.", False),
        ("Send the screenshot. Send the money.", True),
        ("Pay the seller, with the receipt.", True),
        ("Did you send the money?", False),
        ("Could you send the money?", True),
        ("Could you send the money, or when did you?", False),
        ("Tell me now, could you send the money?", True),
        ("Now to the trade itself, could you send the money?", False),
        ("Refunded.", False),
        ("The refund is a refund.", False),
        ("", False),
        ("?", False),
    ],
)
def test_telling_to_pay(text: str, expected: bool) -> None:
    assert pays(fold(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Close the dispute.", True),
        ("Close it. The dispute goes on.", False),
        ("When does the dispute close?", False),
        ("Would you close the dispute?", True),
        ("The seller is a liar.", True),
        ("Is the seller a liar?", False),
        ("The seller looks.", False),
    ],
)
def test_telling_to_end_and_judging(text: str, expected: bool) -> None:
    assert ends_or_judges(fold(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The escrow is empty.", True),
        ("The seller says the escrow is empty.", False),
        ("The seller says so. The escrow is empty.", True),
        ("Is the escrow empty?", False),
        ("Is it so? The escrow is empty.", True),
        ("The coins belonged to him.", True),
        ("Open the app store.", True),
        ("Open the application store.", False),
        ("It was decided by the solver", True),
        ("Only the solver decides.", False),
        ("The solver decides soon.", True),
        ("Good morning to both.", False),
    ],
)
def test_claims_need_a_frame(text: str, expected: bool) -> None:
    assert claims(fold(text)) == expected
