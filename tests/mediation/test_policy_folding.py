"""Disguises come off: what is left of a text when a reader's eye is imitated."""

import pytest

from serbero.mediation.policy.folding import fold, tidy
from serbero.mediation.policy.screening import TO_PARTY, Finding, screen

ADDRESS = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
PRIVATE_KEY = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"


@pytest.mark.parametrize(
    "mark",
    ["\u034f", "\u0301", "\u0336", "\u20dd", "\ufe0f", "\U000e0100", "\u180b", "\u200b"],
    ids=ascii,
)
@pytest.mark.parametrize(
    ("carried", "finding"), [(ADDRESS, Finding.INVOICE), (PRIVATE_KEY, Finding.KEY)]
)
def test_no_mark_hides_what_its_letter_case_tells(
    carried: str, finding: Finding, mark: str
) -> None:
    for at in range(1, len(carried)):
        text = f"Did you use {carried[:at]}{mark}{carried[at:]} for this?"
        assert finding in screen(text, TO_PARTY), at


@pytest.mark.parametrize("sign", ["\u034f", "\u180b", "\u180f", "\ufe00", "\ufe0f", "\U000e0100"])
def test_marks_that_are_drawn_as_nothing_do_not_leave(sign: str) -> None:
    assert tidy(f"pa{sign}id") == "paid"
    assert fold(f"pa{sign}id").visible == "paid"
