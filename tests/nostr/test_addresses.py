"""Addresses: one spelling each, and none that leads into our own network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nostr_sdk import RelayUrl

from serbero.nostr.addresses import BadAddressError, acceptable, loggable, normalise


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("wss://Relay.Example.com", "wss://relay.example.com"),
        ("wss://relay.example.com/", "wss://relay.example.com"),
        ("WSS://relay.example.com:443/Path/", "wss://relay.example.com/Path/"),
        ("wss://relay.example.com:4443/?key=A", "wss://relay.example.com:4443?key=A"),
        ("ws://127.0.0.1:80", "ws://127.0.0.1"),
        ("ws://[::1]:7000/", "ws://[::1]:7000"),
        (" wss://relay.example.com. ", "wss://relay.example.com"),
        ("wss://relay.example.com/#part", "wss://relay.example.com"),
        ("wss://relay%2Eexample.com", "wss://relay.example.com"),
        ("wss://exämple.com/é", "wss://xn--exmple-cua.com/%C3%A9"),
        ("wss://relay.example.com/a/../b", "wss://relay.example.com/b"),
        ("ws://127.0.0.0x1:7000", "ws://127.0.0.1:7000"),
        ("ws://\uff11\uff12\uff17。1", "ws://127.0.0.1"),
    ],
)
def test_one_spelling(typed: str, normal: str) -> None:
    assert normalise(typed) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "relay.example.com",
        "https://relay.example.com",
        "wss://",
        "wss://user:word@relay.example.com",
        "wss://relay.example.com:99999",
        "wss://relay.example.com:0",
        "wss://relay example.com",
        "wss://relay.example.com/\r\nHost: x",
        "wss://[::1",
        "wss:///relay.example.com",
        "wss:relay.example.com",
        "wss://relay\\example.com",
        "wss://127.0.0.0x1..",
        "wss://" + "é" * 90 + ".com/" + "é" * 100,
        "wss://" + "a" * 300 + ".com",
    ],
)
def test_what_cannot_be_an_address(typed: str) -> None:
    with pytest.raises(BadAddressError):
        normalise(typed)
    assert acceptable(typed, allow_private=True) is not None


@pytest.mark.parametrize(
    "url",
    [
        "ws://relay.example.com",
        "wss://localhost",
        "wss://LOCALHOST.",
        "wss://relay.local",
        "wss://hidden.onion",
        "wss://box.lan",
        "wss://node",
        "wss://127.0.0.1",
        "wss://127.1",
        "wss://2130706433",
        "wss://0x7f000001",
        "wss://127.0.0.0x1",
        "wss://127。0。0。1.",
        "wss://169.254.169.0xfe",
        "wss://10.0.0.0xa:8443/x",
        "wss://foo.loc%61l",
        "wss://foo。local",
        "wss://10.1.2.3",
        "wss://192.168.1.1:7000",
        "wss://172.16.0.1",
        "wss://169.254.169.254",
        "wss://100.64.0.1",
        "wss://0.0.0.0",
        "wss://224.0.0.1",
        "wss://[::1]",
        "wss://[fe80::1]",
        "wss://[fd00::1]",
        "wss://[::ffff:127.0.0.1]",
        "wss://[2002:7f00:1::]",
        "wss://[64:ff9b::169.254.169.254]",
        "wss://[64:ff9b:1::1]",
        "wss://[::127.0.0.1]",
        "wss://[fec0::1]",
        "wss://[ff0e::1]",
    ],
)
def test_what_a_stranger_may_not_make_us_visit(url: str) -> None:
    assert acceptable(url, allow_private=False) is not None
    assert acceptable(url, allow_private=True) is None


@pytest.mark.parametrize(
    "url",
    [
        "wss://relay.example.com",
        "wss://8.8.8.8:7000/x",
        "wss://[2606:4700::1111]",
        "wss://[2002:808:808::]",
    ],
)
def test_public_ones_are_fine(url: str) -> None:
    assert acceptable(url, allow_private=False) is None


_ODD = st.text("ab.0x1%2E6/é。:?#[]\uff11-\\\t", min_size=1, max_size=24)


@given(_ODD)
def test_the_library_goes_where_the_spelling_says(rest: str) -> None:
    """One relay under two names would be two, and a private one could pass for a public one."""
    try:
        normal = normalise(f"wss://{rest}")
    except BadAddressError:
        return
    visited = str(RelayUrl.parse(normal))
    assert normalise(visited) == normal
    assert visited.replace("/?", "?") == normal.replace("/?", "?")
    assert acceptable(f"wss://{rest}", allow_private=False) == acceptable(visited, False)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("wss://relay.example.com", "wss://relay.example.com"),
        ("wss://relay.example.com/in", "wss://relay.example.com/in"),
        ("wss://relay.example.com/in?token=secret&x=?", "wss://relay.example.com/in?…"),
        ("wss://[::1]:7000?secret", "wss://[::1]:7000?…"),
    ],
)
def test_a_query_is_not_shown(address: str, shown: str) -> None:
    assert loggable(address) == shown
    assert loggable(shown) == shown
