"""Which of our relays the world is told of."""

import pytest

from serbero.delivery.introduction import fit_to_publish

PUBLIC = [f"wss://relay{number}.example.com" for number in range(5)]


@pytest.mark.parametrize(
    "address",
    [
        "ws://relay.example.com",
        "ws://127.0.0.1:7000",
        "wss://127.0.0.1",
        "wss://10.0.0.7:8443",
        "wss://relay.local",
        "wss://relay.example.com?token=secret",
        "wss://relay.example.com/in?token=secret",
    ],
)
def test_never_published(address: str) -> None:
    assert fit_to_publish([address], allow_private=False) == ()
    assert fit_to_publish([address, PUBLIC[0]], allow_private=False) == (PUBLIC[0],)


def test_a_closed_network_may_name_its_own_but_no_token() -> None:
    relays = ["ws://10.0.0.7:7000", "ws://10.0.0.7:7000?token=secret"]
    assert fit_to_publish(relays, allow_private=True) == ("ws://10.0.0.7:7000",)


def test_three_at_most() -> None:
    assert fit_to_publish(["ws://localhost", *PUBLIC], allow_private=False) == tuple(PUBLIC[:3])
