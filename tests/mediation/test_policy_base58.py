"""Bitcoin's addresses and exported keys are found however their characters are parted."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.mediation.policy import base58
from serbero.mediation.policy.folding import fold
from serbero.mediation.policy.release import quote
from serbero.mediation.policy.screening import Finding, carries

SIGNS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
GENESIS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
SCRIPT = "3P14159f73E4gFr7JterCCQh9QjiTjiZrG"
WIF = "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ"
COMPRESSED = "KwdMAjGmerYanjeui5SHS7JkmpZvVipYvB2LJGU1ZxJwYvP98617"


def encoded(raw: bytes) -> str:
    """An independent encoder, by repeated division."""
    whole = raw + hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(whole, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = SIGNS[rest] + text
    return "1" * (len(whole) - len(whole.lstrip(b"\0"))) + text


def parted(text: str, by: str, every: int) -> str:
    return by.join(text[at : at + every] for at in range(0, len(text), every))


@pytest.mark.parametrize("by", [" ", "-", "\n", " . ", "_", "\u00b7", "/"])
@pytest.mark.parametrize("every", [1, 3, 4, 17])
def test_pieces_are_found(by: str, every: int) -> None:
    for address in (GENESIS, SCRIPT):
        text = f"I paid to {parted(address, by, every)} yesterday"
        assert base58.addresses(text)
        assert not base58.keys(text)
    for key in (WIF, COMPRESSED):
        text = f"it is {parted(key, by, every)} ok"
        assert base58.keys(text)
        assert not base58.addresses(text)


@pytest.mark.parametrize("text", [GENESIS, f"x{GENESIS}", f"{GENESIS}x", f"9{SCRIPT}9", WIF])
def test_what_stands_around_does_not_hide_it(text: str) -> None:
    assert base58.addresses(text) or base58.keys(text)


@pytest.mark.parametrize(("text", "swapped"), [(GENESIS, "b"), (SCRIPT, "H"), (WIF, "K")])
def test_one_wrong_character_is_no_address(text: str, swapped: str) -> None:
    for at in (1, len(text) // 2, len(text) - 1):
        if text[at] != swapped:
            wrong = text[:at] + swapped + text[at + 1 :]
            assert not base58.addresses(wrong)
            assert not base58.keys(wrong)


@given(st.sampled_from([0, 5, 111, 196]), st.binary(min_size=20, max_size=20), st.integers(1, 12))
def test_every_address_is_found(version: int, hashed: bytes, every: int) -> None:
    address = encoded(bytes([version]) + hashed)
    assert base58.addresses(parted(address, " ", every)), address


@given(st.sampled_from([128, 239]), st.binary(min_size=32, max_size=32), st.booleans())
def test_every_exported_key_is_found(version: int, secret: bytes, compressed: bool) -> None:
    key = encoded(bytes([version]) + secret + (b"\x01" if compressed else b""))
    assert base58.keys(parted(key, " ", 5)), key


@given(st.text())
def test_any_text_is_looked_at(text: str) -> None:
    assert not base58.addresses(text)
    assert not base58.keys(text)


def test_prose_and_numbers_are_none() -> None:
    words = ("I", "sent", "350", "euros", "on", "12.03.2026", "at", "15:31", "by", "SEPA", "K5LM29")
    shuffled = random.Random(4)
    for _ in range(300):
        text = " ".join(shuffled.choices(words, k=40))
        assert not base58.addresses(text)
        assert not base58.keys(text)


def test_screening_stops_them_and_a_quotation_withholds_them() -> None:
    address, key = parted(GENESIS, " ", 4), parted(WIF, " ", 6)
    assert Finding.INVOICE in carries(fold(f"pay to {address}"))
    assert Finding.KEY in carries(fold(f"my key {key}"))
    assert GENESIS not in "".join(quote(f"pay to {address} now").words.split())
    assert WIF not in "".join(quote(f"my key {key} here").words.split())


def test_a_key_with_a_slip_in_it_is_stopped_all_the_same() -> None:
    """Whole, it can be nothing else; whoever finds the slip has the key."""
    slipped = WIF[:-1] + "K"
    assert not base58.keys(slipped)
    assert Finding.KEY in carries(fold(f"my key {slipped} here"))


def test_nothing_but_zeros_is_neither() -> None:
    ones = "1" * 60
    assert not base58.addresses(ones)
    assert not base58.keys(ones)


def test_what_stands_before_it_hides_nothing() -> None:
    """Words of these characters run into the address, where it is parted by blanks as they are."""
    before = "thanks for your message this morning and sorry that my bank was so tardy "
    assert base58.addresses(before + parted(GENESIS, " ", 4))
