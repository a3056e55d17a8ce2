"""The notation of phrase lists, one rule at a time."""

import pytest

from serbero.mediation.policy.folding import fold
from serbero.mediation.policy.phrases import Phrases


def found(phrase: str, text: str, leads: tuple[str, ...] = ()) -> bool:
    return Phrases({"any": [phrase]}, leads).found_in(fold(text))


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("gift card", "a gift card"),
        ("gift card", "a gi ft ca rd"),
        ("gift card", "a giftcard"),
        ("gift card~", "gift cardinals"),
        ("your phone_number", "your phone number"),
        ("your phone_number", "your phonenumber"),
        ("i_want money", "i want money"),
        ("i_want money", "iwant mon ey"),
        ("émile café", "Emile cafe"),
        ("emile cafe", "Émile, Café"),
        ("pay the|_ buyer", "pay buyer"),
        ("pay the|_ buyer", "pay the buyer"),
        ("pay now|_", "pay"),
        ("pay now|_", "you pay. It rains"),
        ("bond|loan", "a bond"),
        ("bond|loan", "a loan"),
        ("hand .. money", "hand one two three four money"),
        ("hand .. money", "hand money"),
        ("hand money", "the hand. Money"),
        ("x1 money", "x1 money"),
    ],
)
def test_a_phrase_is_found(phrase: str, text: str) -> None:
    assert found(phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("gift card", "gift cardinal"),
        ("gift certificate", "gift certificates"),
        ("gift certificate", "gift certificate7"),
        ("gift certificate", "agift certificate"),
        ("pay now", "pa ynow"),
        ("your phone_number", "your phone"),
        ("pay the buyer", "pay buyer"),
        ("pay the|_ buyer", "pay a buyer"),
        ("hand .. money", "hand one two three four five money"),
        ("hand .. money", "hand. Money"),
        ("hand .. money", "hand? Money"),
        ("card~ gift", "cards"),
        ("a .. cd ^xx", "a cd xx c d"),
    ],
)
def test_a_phrase_is_not_found(phrase: str, text: str) -> None:
    assert not found(phrase, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("keep money", True),
        ("keep money safe", False),
        ("keep moneysafe", False),
        ("keep money in hand", False),
        ("keep money in", True),
        ("keep money safely", True),
        ("keep money in handy boxes", True),
        ("keep money, not safe", True),
        ("keep money at work", False),
        ("keep money at working hours", False),
    ],
)
def test_words_that_must_not_follow(text: str, expected: bool) -> None:
    assert found("keep money ^safe|in_hand|at_work~", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pay him", True),
        ("It rains. Pay him!", True),
        ("Does it rain? Pay him!", True),
        ("You must pay him", True),
        ("You have to pay him", True),
        ("You haveto pay him", False),
        ("Who would pay him", False),
        ("did you have to? No, we pay him", False),
        ("amust pay him", False),
    ],
)
def test_a_commanded_phrase_needs_a_command(text: str, expected: bool) -> None:
    assert found("!pay him", text, ("must", "have_to")) == expected


def test_without_leading_words_only_a_sentences_start_commands() -> None:
    assert found("!pay him", "Pay him")
    assert not found("!pay him", "must pay him")
    assert found("pay him", "we pay him")


@pytest.mark.parametrize("phrase", ["_ money", "~ money", ".. money", "the|_ funds", "the|~ funds"])
def test_a_phrase_without_a_fixed_beginning_is_refused(phrase: str) -> None:
    with pytest.raises(ValueError, match=f"a phrase needs a fixed beginning: {phrase[0]}"):
        Phrases({"any": [phrase]})


def test_several_headings_with_several_phrases_are_all_sought() -> None:
    phrases = Phrases({"en": ["gift card", "gift box"], "de": ["geschenk karte", "gabe"]})
    for text in ("a gift card", "a gift box", "eine Geschenk Karte", "eine Gabe"):
        assert phrases.found_in(fold(text)), text


def test_where_phrases_stand() -> None:
    phrases = Phrases({"any": ["pay him", "pay .. him", "a now"]})
    words = "now pay him . pay him"
    assert list(phrases.spans(words, marked=True)) == [(4, 12), (4, 12), (14, 22), (14, 22)]
    assert list(phrases.spans(words, marked=False)) == [(4, 12), (14, 22)]
    assert list(phrases.spans("a now", marked=True)) == [(0, 6)]
    assert list(phrases.spans("", marked=True)) == []
    phrases = Phrases({"any": ["pay .. him", "pay him"]})
    assert list(phrases.spans("pay him", marked=False)) == [(0, 8)]


def test_where_a_loose_phrase_stands() -> None:
    phrases = Phrases({"any": ["gift certificate"]})
    assert list(phrases.spans("a gi ft certificate", marked=True)) == [(2, 20)]
    assert list(phrases.spans("g ift cer tificate", marked=True)) == [(0, 19)]


def test_short_phrases_are_not_found_between_the_words_of_others() -> None:
    """Seven letters are too few to be sought across other words, eight are enough."""
    assert not found("abc defg", "ab cdefg")
    assert found("abc defgh", "ab cdefgh")
    assert found("abc defg", "abc defg")


def test_umlauts_written_out_are_read_as_umlauts() -> None:
    assert found("schlussel", "Schluessel")
    assert found("uber geben", "ueber geben")
    assert found("!ubergeben", "ja. uebergeben")
