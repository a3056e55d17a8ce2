"""Keys as people type them, and mistype them."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nostr_sdk import Keys

from serbero.nostr.keys import (
    KeyProblem,
    looks_secret,
    npub,
    parse_public_key,
    parse_secret_key,
)

# The examples that NIP-19 prints; the secret one is known to everybody.
HEX = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
NPUB = "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
NPROFILE = (
    "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz"
    "4mhxue69uhkg6nzv9ejuumpv34kytnrdaksjlyr9p"
)
SECRET = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"


@pytest.mark.parametrize(
    "text",
    [
        HEX,
        HEX.upper(),
        f"  {HEX}\n",
        NPUB,
        NPUB.upper(),
        NPROFILE,
        f"nostr:{NPUB}",
        f"NOSTR:{NPUB}",
        f"nostr:{NPROFILE}",
        f"nostr:{HEX}",
    ],
)
def test_every_form_of_a_public_key_is_the_same_key(text: str) -> None:
    assert parse_public_key(text) == HEX


@pytest.mark.parametrize("text", [SECRET, SECRET.upper(), NSEC, NSEC.upper(), f" {NSEC}\n"])
def test_every_form_of_a_secret_key_is_the_same_key(text: str) -> None:
    assert parse_secret_key(text).secret_key().to_hex() == SECRET


def test_npub_is_the_inverse() -> None:
    assert npub(HEX) == NPUB
    assert npub(HEX.upper()) == NPUB


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        (NSEC, "a secret key (nsec), not repeated here"),
        (f"nostr:{NSEC}", "a secret key (nsec), not repeated here"),
        (f"my key {NSEC}", "a secret key (nsec), not repeated here"),
        ("ncryptsec1qgg9", "an encrypted secret key (ncryptsec), not repeated here"),
        (HEX[:-1], "63 hex digits"),
        (HEX + "00", "66 hex digits"),
        ("0" * 64, "64 hex digits that are no public key"),
        ("f" * 64, "64 hex digits that are no public key"),
        (NPUB[:-1] + "7", "an npub whose checksum is wrong"),
        (NPUB[:-1], "an npub of 62 characters instead of 63"),
        (NPUB[:-1] + "b", "an npub with a character that bech32 does not use"),
        (NPUB[:20] + NPUB[20:].upper(), "an npub in mixed upper and lower case"),
        (NPROFILE[:-1], "an nprofile whose checksum is wrong"),
        ("note1" + NPUB[5:], "a note, which names no key"),
        ("alice@example.com", "an address with @"),
        ("<hex pubkey>", "a placeholder"),
        ("abandon ability able", "3 words"),
        ("ключ", "a text of length 4 that is no key"),
    ],
)
def test_a_public_key_refused_says_what_was_found(text: str, found: str) -> None:
    with pytest.raises(KeyProblem) as caught:
        parse_public_key(text)
    assert found in str(caught.value)
    assert "npub1..., nprofile1..." in caught.value.expected
    assert NSEC not in str(caught.value)
    assert NPUB not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        (NPUB, "a public key (npub180cvv07"),
        (NPROFILE, "a public key (nprofile1qqs"),
        (SECRET[:-1], "63 hex digits"),
        ("0" * 64, "no secret key (zero, or beyond the curve's order)"),
        ("f" * 64, "no secret key (zero, or beyond the curve's order)"),
        (NSEC[:-1] + "6", "an nsec whose checksum is wrong"),
        (NSEC[:-2], "an nsec of 61 characters instead of 63"),
        (NSEC[:-1] + "o", "an nsec with a character that bech32 does not use"),
        (NSEC[:20] + NSEC[20:].upper(), "an nsec in mixed upper and lower case"),
        ("ncryptsec1qgg9", "decrypt it first"),
        ("abandon ability able about", "4 words"),
    ],
)
def test_a_secret_key_refused_says_what_was_found(text: str, found: str) -> None:
    with pytest.raises(KeyProblem) as caught:
        parse_secret_key(text)
    assert found in str(caught.value)
    assert "nsec1... or 64 hex digits" in caught.value.expected


def damaged(secret: str) -> st.SearchStrategy[str]:
    """A secret with one character replaced, dropped or added: what a person really pastes."""
    at = st.integers(0, len(secret) - 1)
    letter = st.sampled_from("023456789acdefghjklmnpqrstuvwxyzBIO1 ")
    return st.one_of(
        st.builds(lambda i, c: secret[:i] + c + secret[i + 1 :], at, letter),
        st.builds(lambda i: secret[:i] + secret[i + 1 :], at),
        st.builds(lambda i, c: secret[:i] + c + secret[i:], at, letter),
    )


@settings(deadline=None)
@given(damaged(NSEC) | damaged(SECRET) | damaged(NSEC.upper()))
def test_a_damaged_secret_is_never_repeated(text: str) -> None:
    for parse in (parse_public_key, parse_secret_key):
        try:
            parse(text)
        except KeyProblem as problem:
            shown = f"{problem!s} {problem!r} {problem.__cause__!r} {problem.__context__}"
            # Any eight characters in a row would be a piece of the secret worth hiding.
            pieces = {text[i : i + 8].lower() for i in range(len(text) - 7)}
            assert not [piece for piece in pieces if piece in shown.lower()]


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_key_or_a_key_problem(text: str) -> None:
    for parse in (parse_public_key, parse_secret_key):
        with suppress(KeyProblem):
            parse(text)


def test_generated_keys_round_trip() -> None:
    for _ in range(50):
        keys = Keys.generate()
        public = keys.public_key().to_hex()
        assert npub(public) == keys.public_key().to_bech32()
        assert parse_public_key(npub(public)) == public
        assert parse_secret_key(keys.secret_key().to_bech32()).public_key().to_hex() == public


def test_looks_secret_knows_the_prefixes_and_nothing_else() -> None:
    assert looks_secret(NSEC)
    assert looks_secret(f"x {NSEC.upper()}")
    assert looks_secret("ncryptsec1qq")
    assert not looks_secret(NPUB)
    assert not looks_secret(HEX)
