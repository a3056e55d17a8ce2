"""Proof of work in slices: what is hashed is what the library hashes, and no try is lost."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nostr_sdk import Keys, NostrSdkError, UnsignedEvent

from serbero.nostr.work import (
    MAX_BITS,
    Draft,
    committed,
    leading_zero_bits,
    mined,
    search,
    signed_draft,
)

OURS = Keys.parse("31" * 32)
DRAFT = Draft(14, OURS.public_key().to_hex(), 1_767_225_600, (("p", "ab" * 32),), "content")

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
MARKS = st.sampled_from(["", "\x00", '"', "\\", "]]", '"nonce"', "\u2028", "\x7f", "\x1f/"])
DRAFTS = st.builds(
    Draft,
    kind=st.integers(0, 65_535),
    pubkey=st.just(DRAFT.pubkey),
    created_at=st.integers(0, 2**40),
    tags=st.lists(st.lists(TEXT | MARKS, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple),
    content=TEXT | MARKS,
)


@given(draft=DRAFTS)
@settings(deadline=None, max_examples=150)
def test_the_id_is_the_librarys(draft: Draft) -> None:
    without_id = {**json.loads(draft.json)}
    del without_id["id"]
    computed = UnsignedEvent.from_json(json.dumps(without_id)).ensure_id().id()
    assert computed is not None
    assert computed.to_hex() == draft.id


@given(draft=DRAFTS, bits=st.integers(0, 8), start=st.integers(0, 2**50))
@settings(deadline=None, max_examples=100)
def test_what_is_found_is_what_a_relay_counts(draft: Draft, bits: int, start: int) -> None:
    nonce = search(draft, bits, start, 1 << 14)
    assert nonce is not None
    event = signed_draft(OURS, committed(draft, bits, nonce))
    assert event.verify()
    assert leading_zero_bits(event.id().to_hex()) >= bits
    assert event.tags()[-1].to_vec() == ["nonce", str(nonce), str(bits)]
    assert [tuple(tag.to_vec()) for tag in event.tags()[:-1]] == list(draft.tags)
    assert (event.content(), event.kind().as_u16()) == (draft.content, draft.kind)
    assert event.created_at().as_secs() == draft.created_at


def test_slices_find_what_one_search_finds() -> None:
    """Neither the first nor the last nonce of a slice is left out."""
    whole = search(DRAFT, 11, 0, 1 << 16)
    assert whole is not None
    found = None
    for start in range(0, 1 << 16, 7):
        if (found := search(DRAFT, 11, start, 7)) is not None:
            break
    assert found == whole
    assert search(DRAFT, 11, whole, 1) == whole
    assert search(DRAFT, 11, 0, whole) is None


def test_no_bits_cost_one_try_and_all_bits_are_never_found() -> None:
    assert search(DRAFT, 0, 5, 1) == 5
    assert search(DRAFT, MAX_BITS, 0, 100) is None
    assert search(DRAFT, 0, 5, 0) is None


@pytest.mark.parametrize("bits", [-1, 257])
def test_bits_an_id_does_not_have(bits: int) -> None:
    with pytest.raises(ValueError, match="bits of work"):
        search(DRAFT, bits, 0, 1)


def test_in_one_go() -> None:
    draft = mined(DRAFT, 9)
    assert leading_zero_bits(draft.id) >= 9
    assert draft.tags[-1][::2] == ("nonce", "9")


@pytest.mark.parametrize(
    ("event_id", "bits"),
    [
        ("f" * 64, 0),
        ("8" + "0" * 63, 0),
        ("7" + "f" * 63, 1),
        ("0" * 9 + "1" + "f" * 54, 39),
        ("0" * 63 + "1", 255),
        ("0" * 64, 256),
    ],
)
def test_leading_zero_bits(event_id: str, bits: int) -> None:
    assert leading_zero_bits(event_id) == bits


def test_only_the_author_signs() -> None:
    with pytest.raises(NostrSdkError):
        signed_draft(Keys.generate(), DRAFT)


def test_a_published_example_of_nip_13() -> None:
    """An id that another program mined."""
    draft = Draft(
        kind=1,
        pubkey="a48380f4cfcc1ad5378294fcac36439770f9c878dd880ffa94bb74ea54a6f243",
        created_at=1651794653,
        tags=(("nonce", "776797", "20"),),
        content="It's just me mining my own business",
    )
    assert leading_zero_bits(draft.id) >= 20
    assert draft.id == "000006d8c378af1779d2feebc7603a125d99eca0ccf1085959b307f64e5dd358"
