"""What screening finds, and what it does not, one rule at a time and at its limits."""

import pytest

from serbero.mediation.policy.folding import fold
from serbero.mediation.policy.screening import (
    NEXT_STEP,
    SUMMARY,
    TO_PARTY,
    TRIGGERS,
    Finding,
    Rules,
    carries,
    hexadecimal,
    readable,
    screen,
    seed_phrase,
    trigger_of,
)
from serbero.messages.tidying import tidy
from serbero.model.mediation import Trigger

HONEST = "Have you sent the payment?"
SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"
BRIEF = Rules("brief", 100, addresses_party=False, advises=False)


def found(text: str, rules: Rules = TO_PARTY) -> set[str]:
    return {str(finding) for finding in screen(text, rules)}


def test_a_text_may_be_as_long_as_its_limit_once_tidied() -> None:
    fits = "Have you sent it? " * 5 + "And when? "
    assert len(fits) == 100
    assert found(fits.strip() + ("?" * 1), BRIEF) == set()
    assert found(fits.strip() + "??", BRIEF) == {"too_long"}
    sparse = fits.replace(" ", "   ")
    assert 100 < len(sparse) < 400
    assert found(sparse, BRIEF) == set()


def test_a_text_far_over_its_limit_is_not_looked_at() -> None:
    rules = Rules("brief", 10, addresses_party=False, advises=False)
    assert found("\x07" * 40, rules) == {"unreadable", "empty"}
    assert found("\x07" * 41, rules) == {"too_long"}


def test_what_is_found_adds_up() -> None:
    order = "The dispute is now closed. I am the solver. Write to me at a@b.com."
    assert found(order, SUMMARY) == {"authority", "impersonation", "contact"}
    assert found(order + "\x07" + "a" * 6_000, SUMMARY) >= {"authority", "unreadable", "too_long"}


def test_a_text_is_also_read_as_it_was_before_it_was_tidied() -> None:
    """Blanks that part words held apart letter by letter are gone once it is tidied."""
    parted = "It is so. s e n d  m e  a  p i n"
    assert "secret" in found(parted)
    assert "secret" not in found(tidy(parted))


def test_a_text_that_overrides_directions_is_also_read_backwards() -> None:
    assert "authority" in found("now sdnuf eht esaeler\u202e", SUMMARY)
    assert "authority" not in found("now sdnuf eht esaeler", SUMMARY)
    assert "authority" in found("Have you sent it? release\x1fthe\x1ffunds now")


@pytest.mark.parametrize("text", ["", " \n", "…", "\u200b", "!?."])
def test_no_letter_is_empty(text: str) -> None:
    assert found(text) == {"empty"}


def test_the_graver_trigger_counts() -> None:
    for finding in Finding:
        assert trigger_of(frozenset({finding})) == TRIGGERS[finding]
    both = frozenset({Finding.EMPTY, Finding.LINK, Finding.MARKUP})
    assert trigger_of(both) == Trigger.AUTHORITY_BOUNDARY_ATTEMPT
    assert trigger_of(frozenset({Finding.EMPTY, Finding.MARKUP})) == Trigger.INVALID_MODEL_OUTPUT
    with pytest.raises(ValueError, match=r"^nothing was found$"):
        trigger_of(frozenset())


@pytest.mark.parametrize(
    ("text", "to_party", "next_step", "summary"),
    [
        ("Give the sats to the buyer.", {"payment"}, {"payment"}, set()),
        ("Please cancel the order.", {"authority"}, {"authority"}, {"authority"}),
        ("Buyer: it was paid on Monday.", {"impersonation"}, set(), set()),
        ("Solver: it was paid on Monday.", {"impersonation"}, {"impersonation"}, {"impersonation"}),
    ],
)
def test_who_reads_it_decides_what_may_be_said(
    text: str, to_party: set[str], next_step: set[str], summary: set[str]
) -> None:
    assert to_party <= found(text, TO_PARTY)
    assert next_step <= found(text, NEXT_STEP)
    assert found(text, SUMMARY) == summary


@pytest.mark.parametrize(
    ("line", "labelled"),
    [
        ("Solver: hello", True),
        ("hello\nSOLVER : hello", True),
        ("[Solver]: hello", True),
        ("** the solver ** : hello", True),
        ("Solver 2: hello", True),
        ("Solver2: hello", True),
        ("Mostro support: hello", True),
        ("mostro_support: hello", True),
        ("Solver hello", False),
        ("Solver 2 of 3: hello", False),
        ("My solver: hello", False),
        ("hello solver: hello", False),
        ("Question 2: hello", False),
        (
            "To the point, without a name, this line goes on and on until nobody remembers: yes",
            False,
        ),
        ("Solver" + " " * 3 + "." * 70 + ": hello", True),
        (": solver", False),
        ("Solver: it is so: yes", True),
        ("Solver" + "." * 74 + "x: hello", True),
        ("Solver" + "." * 73 + "x: hello", False),
    ],
)
def test_lines_that_begin_with_a_name(line: str, labelled: bool) -> None:
    assert ("impersonation" in found(line, SUMMARY)) == labelled


def test_hexadecimal_needs_letters_and_digits_in_number() -> None:
    assert hexadecimal("a" * 8 + "1" * 40)
    assert hexadecimal("f" * 40 + "9" * 8)
    assert not hexadecimal("a" * 7 + "1" * 41)
    assert not hexadecimal("a" * 41 + "1" * 7)
    assert not hexadecimal("a" * 23 + "1" * 24)
    assert not hexadecimal("1" * 48)
    assert hexadecimal("zzz" + "1" * 48 + "zzz" + "ab12" * 12)


def test_a_seed_phrase_is_twelve_words_in_a_row() -> None:
    assert seed_phrase(fold(SEED))
    assert seed_phrase(fold(f"Hello you {SEED}"))
    words = SEED.split()
    assert not seed_phrase(fold(" ".join(words[:11])))
    assert not seed_phrase(fold(" ".join(["paid", *words[:11]])))
    assert not seed_phrase(fold(" ".join([*words[:6], "paid", *words[6:]])))
    assert seed_phrase(fold(" ".join(f"{n}. {word}" for n, word in enumerate(words, 1))))
    assert seed_phrase(fold("? ".join(words)))
    assert seed_phrase(fold("\n".join(words)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HONEST, True),
        ("W" * 44, True),
        ("W" * 45, False),
        (f"{HONEST} {'W' * 45}", False),
        ("No. Yes it. No way. Paid.", False),
        ("No. Yes it. No way. Paid the seller already.", True),
        ("hamaikatxo etxekoandre zuhaitz bidaia", True),
        ("hamaikatxo etxekoandre zuhaitz bidaia lehen", False),
        ("hamaikatxo etxekoandre zuhaitz bidaia the", True),
        ("hamaikatxo etxekoandre zuhaitz bidaia x1 y2 z3", True),
        ("hamaikatxo etxekoandre zuhaitz bidaia lehen gero the", False),
        (f"{HONEST} Zuhaitz bidaia lehen gero etxera", False),
        ("Hello. Zuhaitz bidaia lehen gero etxera joan", False),
        (f"zuhaitz bidaia lehen gero etxera? {HONEST}", False),
    ],
)
def test_prose_in_a_language_that_can_be_screened(text: str, expected: bool) -> None:
    assert readable(fold(text)) == expected
    assert ("unreadable" not in found(text, SUMMARY)) == expected


def test_other_scripts_and_spelled_out_words_are_unreadable() -> None:
    assert "unreadable" in found("Have you sent the payment, друг?")
    assert "unreadable" in found("Have you s e n t i t n o w to the seller?")
    assert "unreadable" in found(f"{HONEST}\x07")
    assert found("Have you sent the payment, Müller?") == set()


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("see example.com", "link"),
        ("see https://example", "link"),
        ("mail a@b.org", "contact"),
        ("+34 600 123 456", "contact"),
        ("call 600 123 456", "contact"),
        ("the number is 600123456", "contact"),
        ("my PHONE: 600123456", "contact"),
        ("one two three four five six seven", "contact"),
        ("lnbc2500u1pvjluezpp5qqqsyqcyq5", "invoice"),
        ("bc1 qar0 srrr 7xfk vy5l 643l ydnw 9re5 9gtz", "invoice"),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "invoice"),
        ("nsec1 vl029mgpspedva04g90vl", "key"),
        ("5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", "key"),
        ("ab12" * 12, "key"),
        (SEED, "key"),
    ],
)
def test_what_a_text_carries(text: str, finding: str) -> None:
    assert finding in {str(one) for one in carries(fold(text))}


@pytest.mark.parametrize(
    "text",
    [
        HONEST,
        "one two three four five six",
        "It was one two three four five six",
        "one two three four and five six seven",
        "The reference is 600123456.",
        "The reference is 600123456. Call it a day.",
        "600123456! Give it a ring.",
        "1bvbmseystwetqtfn5au4m4gfg7xjanvn2",
    ],
)
def test_what_a_text_does_not_carry(text: str) -> None:
    assert carries(fold(text)) == set()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Send me your password.", True),
        ("Never share your private key.", False),
        ("Please never share your private key with anybody.", False),
        ("Never share your private key with anybody except me.", True),
        ("Never share your private key. Now send me your private key.", True),
        ("Send me your private key. Never share your private key.", True),
        ("You never share your private key.", True),
        ("Never share your private key\nSend me your password", True),
        ("Have you paid? Never share your private key!", False),
        ("Have you paid? Never share your private key! Reveal your pin", True),
    ],
)
def test_warnings_are_no_requests_for_secrets(text: str, secret: bool) -> None:
    assert ("secret" in found(text, SUMMARY)) == secret


def test_markup_and_gaps() -> None:
    assert found("```\nHave you paid?\n```", SUMMARY) == {"markup"}
    assert found("Have you paid?\n### System\nYes", SUMMARY) >= {"markup"}
    assert found("Have you paid [amount]?", SUMMARY) == {"placeholder"}


def test_the_references_phrases_are_found_inside_of_words_and_across_them() -> None:
    for text in ("unrelease fundsy", "re-lease-fun-ds", "disbursefundsx", "xforceclo sed"):
        assert "authority" in found(text, SUMMARY), text
