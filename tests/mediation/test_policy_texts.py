"""Only the policy makes words that may leave; nobody forges them."""

import ast
import copy
import dataclasses
import pickle
from pathlib import Path

import pytest

import serbero
from serbero.mediation.policy import Stopped, quote
from serbero.mediation.policy.release import release
from serbero.mediation.policy.screening import TO_PARTY
from serbero.model.texts import BadFilling, Fixed, Outgoing, Seal, VettedText

SOURCE = Path(serbero.__file__).parent


def vetted(words: str = "Have you sent the payment?") -> VettedText:
    released = release(words, TO_PARTY)
    assert not isinstance(released, Stopped)
    return released


class _Pretender:
    """Has words; nobody vetted them."""

    words = "release the funds"


@dataclasses.dataclass(frozen=True)
class _Borrower:
    """Has words and somebody else's seal."""

    words: str
    seal: str = "vetted"


def test_an_outgoing_text_is_made_of_fixed_and_vetted_words() -> None:
    assert Outgoing(Fixed("Buyer: "), vetted()).text == "Buyer: Have you sent the payment?"


def test_the_type_checker_refuses_forged_words() -> None:
    """Each line needs its ignore, or the type checker reports the ignore as unused."""
    with pytest.raises(TypeError):
        Outgoing("release the funds")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Outgoing(_Pretender())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Outgoing(_Borrower("release the funds"))  # type: ignore[arg-type]


def test_no_other_module_can_make_a_seal() -> None:
    with pytest.raises(TypeError, match=r"only serbero\.mediation\.policy\.release"):

        class _Forged(Seal):
            def purpose(self) -> str:
                return "forged"

    with pytest.raises(TypeError):
        Seal()  # type: ignore[abstract]


def test_vetted_words_do_not_change() -> None:
    words = vetted()
    for name in ("words", "_words", "seal", "_seal", "other"):
        with pytest.raises(AttributeError):
            setattr(words, name, "release the funds")
    with pytest.raises(TypeError):
        dataclasses.replace(words, words="release the funds")  # type: ignore[type-var]
    refusal = "^vetted words are neither copied nor stored as objects$"
    for duplicate in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match=refusal):
            duplicate(words)


def test_no_repr_shows_words() -> None:
    for shown in (vetted(), quote("a secret thing"), Outgoing(vetted()), Fixed("Buyer: ")):
        assert "sent" not in repr(shown)
        assert "secret" not in repr(shown)
        assert "Buyer" not in repr(shown)


def test_templates_take_values_and_no_sentences() -> None:
    filled = Fixed("Round {number} of {session}", number=2, session="0f9c2b51-5a0e-4d0d-8e0b")
    assert filled.words == "Round 2 of 0f9c2b51-5a0e-4d0d-8e0b"
    for value in ("two words", "", "a\nb", "é", "x" * 129, "{0}", "[link]", "a/b", "@me", "-x"):
        with pytest.raises(BadFilling):
            Fixed("{value}", value=value)
    with pytest.raises(BadFilling):
        Fixed("{value}", value=True)


def test_source_keeps_the_walls() -> None:
    """No module but the release's names a seal's maker; templates are constants of ours."""
    for path in SOURCE.rglob("*.py"):
        module = path.relative_to(SOURCE).as_posix()
        source = path.read_text(encoding="utf-8")
        if not any(word in source for word in ("Seal", "Fixed(", "policy.release")):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ClassDef) and module != "mediation/policy/release.py":
                assert not any(getattr(b, "id", "") == "Seal" for b in node.bases), module
            if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("policy.release"):
                assert module.startswith("mediation/policy/"), module
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Fixed":
                assert module.startswith("messages/"), module
                assert _constant(node.args[0]), module


def _constant(template: ast.expr) -> bool:
    """Whether this is a constant's name or value, or a choice between two such."""
    if isinstance(template, ast.IfExp):
        return _constant(template.body) and _constant(template.orelse)
    return isinstance(template, ast.Constant | ast.Name | ast.Subscript)


def test_quotes_mark_every_line() -> None:
    words = quote("I paid.\n\n\n\n[1767225600] seller: I got it\r\n\tSolver: done").words
    assert words == "> I paid.\n>\n> [1767225600] seller: I got it\n> Solver: done"


def test_a_partys_claims_and_orders_are_quoted_as_they_are() -> None:
    said = "Release the funds! He is a liar. My phone is +34 600 123 456, mail a@b.com"
    quoted = quote(said).words
    assert quoted.startswith("> Release the funds! He is a liar. My phone is +34 600 123 456")


def test_quotes_lose_what_leads_away_or_opens_something() -> None:
    nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
    assert quote(f"my key {nsec} ok").words == "> my key [key removed] ok"
    assert quote("see https://evil.example/x now").words == "> see [link removed] now"
    invoice = "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq"
    assert quote(f"pay {invoice}").words == "> pay [payment address removed]"


@pytest.mark.parametrize(
    "said",
    [
        "n s e c 1 vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5",
        "legal winner thank year wave sausage worth useful legal winner thank yellow",
        "1. legal 2. winner 3. thank 4. year 5. wave 6. sausage 7. worth 8. useful 9. legal "
        "10. winner 11. thank 12. yellow",
        "go to evil dot com",
        "lnbc2500u1 pvjluezpp5qqqsyqcyq5 rqwzqfqqqsyqcyq5rqw zqfqqqsyqcyq5rqwzqfqypq",
    ],
)
def test_quotes_withhold_what_cannot_be_taken_out(said: str) -> None:
    words = quote(said).words
    assert words.startswith("> [withheld:") or "removed]" in words
    assert "evil" not in words
    assert "sausage" not in words
    assert "vl029" not in words
    assert "rqwzqfqqq" not in words


def test_a_long_message_is_cut() -> None:
    quoted = quote("word " * 1_000, limit=50).words
    assert quoted.endswith("word [cut]")
    assert len(quoted) < 70
    assert quote("").words == ">"


def test_a_message_may_be_as_long_as_its_limit() -> None:
    words = "word " * 9 + "words"
    assert len(words) == 50
    assert quote(words, limit=50).words == f"> {words}"
    assert quote(f"{words}s", limit=50).words == f"> {words} [cut]"
    assert quote("w. " * 400).words.endswith("w. w [cut]")


def test_only_so_much_is_read_of_a_message_of_nothing() -> None:
    assert quote("\u200b" * 39 + "hello", limit=10).words == "> h"
    assert quote("\u200b" * 40 + "hello", limit=10).words == ">"


def test_a_seal_says_what_words_were_held_against() -> None:
    for words, purpose in ((vetted(), "to a party"), (quote("hello"), "quoted")):
        assert words.seal.purpose() == purpose
        assert repr(words) == f"<vetted {purpose}>"


def test_the_pieces_that_follow_what_was_removed_are_removed_too() -> None:
    nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
    assert quote(f"key {nsec} abc123de f4g5h6j7 ok abc123de").words == (
        "> key [key removed] ok abc123de"
    )
    assert quote(f"key {nsec}\nabc123de is it").words == "> key [key removed]\n> abc123de is it"
    assert quote("abc123de is my reference").words == "> abc123de is my reference"


def test_our_notes_do_not_part_what_a_party_wrote() -> None:
    half = "0123456789abcdef01234567"
    words = quote(f"{half} https://evil.example/x bad {half}").words
    assert words.startswith("> [withheld:")
    assert quote(f"{half[:8]} https://evil.example/x bad").words == (
        f"> {half[:8]} [link removed] bad"
    )
