"""Asking for a person: what is looked at of a message."""

from serbero.mediation.policy import asks_for_human

WISH = "I want to talk to a human"
WORD = "payment "


def test_a_wish_is_heard_at_either_end_of_a_long_message() -> None:
    rest = WORD * 3_000
    assert asks_for_human(f"{WISH}. {rest}")
    assert asks_for_human(f"{rest}. {WISH}")


def test_the_middle_of_a_long_message_is_not_looked_at() -> None:
    assert not asks_for_human(f"{WORD * 550}. {WISH}. {WORD * 550}")


def test_a_message_of_eight_thousand_characters_is_looked_at_as_a_whole() -> None:
    """Cut in its middle it would have a word more, which is one too many between the others."""
    wish = "could you get me some polite human"
    before = (WORD * 490).rjust(4_000 - wish.index("ite"), ".")
    text = (before + wish).ljust(8_000, ".")
    assert text[:4_000].endswith("some pol")
    assert asks_for_human(text)


def test_the_end_of_a_short_message_does_not_run_on_into_its_beginning() -> None:
    assert not asks_for_human("Human error, I think. And who would I have liked to speak to a")
