"""Addresses: one spelling each, and none that leads into our own network."""

import pytest

from serbero.nostr.addresses import BadAddressError, acceptable, normalise


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
    ],
)
def test_what_a_stranger_may_not_make_us_visit(url: str) -> None:
    assert acceptable(url, allow_private=False) is not None
    assert acceptable(url, allow_private=True) is None


@pytest.mark.parametrize(
    "url", ["wss://relay.example.com", "wss://8.8.8.8:7000/x", "wss://[2606:4700::1111]"]
)
def test_public_ones_are_fine(url: str) -> None:
    assert acceptable(url, allow_private=False) is None
