# ruff: noqa: RUF001 - disguises are what these tests are about
"""Disguises come off: what is left of a text when a reader's eye is imitated."""

import pytest

from serbero.mediation.policy.folding import Folded, fold, shapes
from serbero.mediation.policy.screening import TO_PARTY, Finding, leads_away, screen
from serbero.messages.tidying import tidy

ADDRESS = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"
INVOICE = (
    "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv"
)
PRIVATE_KEY = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"


@pytest.mark.parametrize(
    "mark",
    ["\u034f", "\u0301", "\u0336", "\u20dd", "\ufe0f", "\U000e0100", "\u180b", "\u200b"],
    ids=lambda mark: f"{ord(mark):04X}",
)
@pytest.mark.parametrize(
    ("carried", "finding"), [(ADDRESS, Finding.INVOICE), (PRIVATE_KEY, Finding.KEY)]
)
def test_no_mark_hides_what_its_letter_case_tells(
    carried: str, finding: Finding, mark: str
) -> None:
    for at in range(1, len(carried), 7):
        text = f"Did you use {carried[:at]}{mark}{carried[at:]} for this?"
        assert finding in screen(text, TO_PARTY), at


@pytest.mark.parametrize("sign", ["\u034f", "\u180b", "\u180f", "\ufe00", "\ufe0f", "\U000e0100"])
def test_marks_that_are_drawn_as_nothing_do_not_leave(sign: str) -> None:
    assert tidy(f"pa{sign}id") == "paid"
    assert fold(f"pa{sign}id").visible == "paid"


def test_a_text_in_all_its_shapes() -> None:
    folded = fold("Have you PAID? No, 3.5 EUR; on day 2: ok.\nTwo: b")
    marked = "have you paid ? no 3 5 eur . on day 2 . ok . . two . b"
    assert folded == Folded(
        visible="Have you PAID? No, 3.5 EUR; on day 2: ok.\nTwo: b",
        plain="have you paid? no, 3.5 eur; on day 2: ok.\ntwo: b",
        words=marked,
        readings=(marked, "have you paid ? no 3 5 eur . on day 2 . ok . two . b"),
        respelled=marked,
        variants=("have you paid no 3 5 eur on day 2 ok two b",),
        squeezed="haveyoupaidno35euronday2oktwob",
        foreign=0,
        decayed=False,
    )


def test_digits_and_signs_are_read_as_letters_in_two_ways() -> None:
    folded = fold("S1gn h3re: p4y!! $ 100 l1ne (5+ yes!)")
    assert folded.readings == (
        "s1gn h3re . p4y . . 100 l1ne 5 yes .",
        "sign here . pay . . 100 line 5 yes .",
        "slgn here . pay . . 100 llne 5 yes .",
    )
    assert folded.variants[1:] == ("sign here pay 100 line 5 yes", "slgn here pay 100 llne 5 yes")
    assert fold("it was 3_5 or ^7").readings == ("it was 3 5 or 7",)
    assert fold("now 3z").readings == ("now 3z", "now ez")
    assert fold("p4y\nhim").readings == ("p4y . him", "pay . him", "p4y him")
    assert fold("h3+ a3|").readings == ("h3 a3", "he ae")
    assert fold("at+z qu|z bo|!|").readings == ("at z qu z bo .", "attz quiz bo .")


def test_letters_and_ligatures_become_plain_ones() -> None:
    folded = fold("Über Straße Æsop ﬁne ＡＢ ①")
    assert folded.visible == "Uber Straße Æsop fine AB 1"
    assert folded.plain == "uber strasse aesop fine ab 1"
    assert folded.variants == ("uber strasse aesop fine ab 1", "uber strasse asop fine ab 1")
    assert folded.respelled == "uber strasse asop fine ab 1"
    assert fold("\U0001f150\U0001f171\U0001f1e8").plain == "abc"
    assert fold("١٢٣ x").plain == "123 x"
    assert fold("ueber aendern moechte").respelled == "uber andern mochte"
    assert fold("ueber p4y").respelled == "uber p4y"


def test_letters_of_other_scripts_are_counted() -> None:
    folded = fold("Приве\u0301т мир µ")
    assert folded.foreign == 9
    assert folded.plain == "npиbet mиp μ"
    assert fold("naïve ﬁne ﬀ µ ß Å 5 € ①").foreign == 0
    assert fold("日本").foreign == 2


@pytest.mark.parametrize(
    ("text", "reading", "spelled_out"),
    [
        ("r e l e a s e the f.u.n.d.s now", "release the funds now", True),
        ("p a y  n o w", "pay now", True),
        ("s-e-n-d i-t", "send i t", True),
        ("a b c d e f", "abcdef", True),
        ("a b c d e", "abcde", False),
        ("a b", "a b", False),
        ("x 1 2", "x12", False),
        ("1 2 3 4 5 6 7", "1234567", False),
        ("a.b.c. d", "abc . d", False),
        ("no.w a-b-c", "no w abc", False),
    ],
)
def test_letters_held_apart_are_closed_up(text: str, reading: str, spelled_out: bool) -> None:
    folded = fold(text)
    assert folded.readings[0] == reading
    assert folded.spelled_out == spelled_out


def test_sentence_marks() -> None:
    assert fold("word.Another ...end . a").words == "word another end . a"
    assert fold("1, 2,\n3").words == "1 2 . . 3"
    assert fold("one… two。 three; four: five:six").words == "one . two . three . four . five six"
    assert fold("a?b").words == "a ? b"
    assert fold("a.?").words == "a . ?"


def test_line_ends_and_tabs() -> None:
    folded = fold("aa\r\nbb\rcc\u2028dd\u2029ee\tff")
    assert folded.visible == "aa\nbb\ncc\ndd\nee ff"
    assert folded.plain == folded.visible
    assert folded.readings == ("aa . bb . cc . dd . ee ff", "aa bb cc dd ee ff")
    assert not folded.decayed


@pytest.mark.parametrize(
    ("text", "decayed"),
    [
        ("hello\ud800", True),
        ("hello\x07", True),
        ("hello\ue000", True),
        ("hello\U000e0fff", True),
        ("hello\u202e", True),
        ("hello\u2066", True),
        ("hello\n\r\n\t", False),
        ("hello\u200b\u200d", False),
        ("", False),
    ],
    ids=[
        "surrogate",
        "control",
        "private",
        "unassigned",
        "override",
        "isolate",
        "lines",
        "joiner",
        "empty",
    ],
)
def test_characters_no_keyboard_makes(text: str, decayed: bool) -> None:
    folded = fold(text)
    assert folded.decayed == decayed
    assert folded.plain.strip() == text[:5]


def test_tidying() -> None:
    assert tidy("  a   b \n\n\n\n c\u0327 \u200b\t d\r\n") == "a b\n\nç d"
    assert tidy("a\n\nb") == "a\n\nb"
    assert tidy("a\n \n \n \nb") == "a\n\nb"
    assert tidy("plain words") == "plain words"
    assert tidy("e\u200b\u0301") == "é"
    assert tidy("ﬁ ①") == "ﬁ ①"


@pytest.mark.parametrize("mark", [". ", " . ", "? ", ".\n"])
def test_sentences_hide_no_invoice_in_what_is_quoted(mark: str) -> None:
    parts = [INVOICE[at : at + 9] for at in range(0, len(INVOICE), 9)]
    assert leads_away(shapes(f"pay {mark.join(parts)} ok"))
