"""The keys of a channel: every published number, both ends alike, and what is refused."""

from typing import Any

import pytest
from nostr_sdk import Keys
from tests.mostro.chat_vectors import BUYER, CHANNEL, CHAT, KEYS, SELLER, SOLVER, keys_of

from serbero.mostro.chat_keys import BadChatKeyError, derive, usable_secret

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize("case", KEYS["vectors"], ids=lambda case: case["name"])
def test_vector(case: dict[str, Any]) -> None:
    for ours, theirs in (("a", "b"), ("b", "a")):
        keys = derive(case[ours]["secret_key"], case[theirs]["public_key"])
        assert keys.conversation.secret_key().to_hex() == case["k_conv"]["secret_key"]
        assert keys.signing.secret_key().to_hex() == case["k_sign"]["secret_key"]
        assert keys.legacy.secret_key().to_hex() == case["shared_secret"]
        assert keys.legacy.secret_key().to_hex() != case["wrong_shared_secret_if_libsecp_hashed"]
        assert keys.address == case["k_conv"]["public_key"]
        assert keys.author == case["k_sign"]["public_key"]
        assert keys.legacy_address == case["legacy_giftwrap_p_pubkey"]


def test_vectors_are_all_there() -> None:
    parities = {case["b"]["full_point_parity"] for case in KEYS["vectors"]}
    assert len(KEYS["vectors"]) >= 4
    assert parities == {"even", "odd"}


def test_the_channel_of_the_chat_vectors() -> None:
    channel = CHAT["channel"]
    assert CHANNEL.address == channel["k_conv"]["public_key"]
    assert CHANNEL.author == channel["k_sign"]["public_key"]
    assert CHANNEL.legacy_address == CHAT["legacy_giftwrap"]["p_pubkey"]


def test_each_party_has_a_channel_of_its_own() -> None:
    seller = derive(SOLVER["secret_key"], SELLER["public_key"])
    assert {seller.address, seller.author}.isdisjoint({CHANNEL.address, CHANNEL.author})


def test_an_output_that_is_no_secret_is_expanded_again() -> None:
    """An event of 2^-128: only a made-up expansion shows the rule."""
    good = (5).to_bytes(32, "big")
    outputs = {
        b"info": bytes(32),
        b"info\x01": ORDER.to_bytes(32, "big"),
        b"info\x02": b"\xff" * 32,
        b"info\x03": good,
    }
    asked: list[bytes] = []

    def expand(info: bytes) -> bytes:
        asked.append(info)
        return outputs[info]

    assert usable_secret(expand, b"info") == good
    assert asked == list(outputs)
    below = (ORDER - 1).to_bytes(32, "big")
    assert usable_secret(lambda _info: below, b"info") == below
    with pytest.raises(BadChatKeyError):
        usable_secret(lambda _info: bytes(32), b"info")


NO_POINT = "ee" * 31 + "01"


@pytest.mark.parametrize(
    ("secret", "party"),
    [
        ("", BUYER["public_key"]),
        ("zz" * 32, BUYER["public_key"]),
        ("00" * 32, BUYER["public_key"]),
        (f"{ORDER:064x}", BUYER["public_key"]),
        ("ff" * 32, BUYER["public_key"]),
        (SOLVER["secret_key"] + "00", BUYER["public_key"]),
        (SOLVER["secret_key"], ""),
        (SOLVER["secret_key"], "ff" * 32),
        (SOLVER["secret_key"], "00" * 32),
        (SOLVER["secret_key"], "02" + BUYER["public_key"]),
        (SOLVER["secret_key"], BUYER["public_key"][:-1] + " "),
        (SOLVER["secret_key"], "é" * 64),
        (SOLVER["secret_key"], "\ud800" * 64),
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(secret: str, party: str) -> None:
    with pytest.raises(BadChatKeyError) as caught:
        derive(secret, party)
    assert SOLVER["secret_key"] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_nothing_secret_shows() -> None:
    ours = keys_of("ours")
    keys = derive(ours.secret_key().to_hex(), keys_of("theirs").public_key().to_hex())
    shown = f"{keys!r} {keys} {[keys]}"
    for pair in (keys.conversation, keys.signing, keys.legacy, ours):
        assert pair.secret_key().to_hex() not in shown
        assert pair.secret_key().to_bech32() not in shown
    assert keys.author in shown


def test_equality_is_that_of_the_channel() -> None:
    secret, party = SOLVER["secret_key"], BUYER["public_key"]
    assert derive(secret, party) == CHANNEL
    assert derive(secret, Keys.generate().public_key().to_hex()) != CHANNEL
