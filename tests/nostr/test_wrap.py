"""The gift wrap: opens to the same rumor, expires when said, wears what a relay demanded."""

import json
import time

import pytest
from nostr_sdk import Event, Keys, NostrSdkError, UnwrappedGift

from serbero.nostr.rumor import Rumor, direct_message
from serbero.nostr.wrap import Special, Wrap, WrongAuthorError, gift_wrap

OURS = Keys.generate()
SOLVER = Keys.generate()
NOW = int(time.time())
DAY = 86_400


@pytest.fixture
def rumor() -> Rumor:
    return direct_message(
        sender=OURS.public_key().to_hex(),
        recipient=SOLVER.public_key().to_hex(),
        text="New Mostro dispute requires attention.",
        created_at=NOW,
        subject="Dispute 0f9c2b51",
        root=None,
    )


def wrap(rumor: Rumor, *, expires_at: int = NOW + 30 * DAY, special: Special | None = None) -> Wrap:
    return gift_wrap(
        OURS, SOLVER.public_key().to_hex(), rumor.json, expires_at=expires_at, special=special
    )


SPECIALS = [None, Special(created_at=NOW - 30), Special(created_at=NOW - 5, pow_bits=10)]


@pytest.mark.parametrize("special", SPECIALS, ids=["ordinary", "fresh", "mined"])
def test_opens_to_the_same_rumor(rumor: Rumor, special: Special | None) -> None:
    made = wrap(rumor, special=special)
    event = Event.from_json(made.json)
    assert event.verify()
    assert event.id().to_hex() == made.id
    opened = UnwrappedGift.from_gift_wrap(SOLVER, event)
    assert opened.sender().to_hex() == OURS.public_key().to_hex()
    inner = opened.rumor().ensure_id()
    assert json.loads(inner.as_json()) == json.loads(rumor.json)


@pytest.mark.parametrize("special", SPECIALS, ids=["ordinary", "fresh", "mined"])
def test_says_nothing_but_the_receiver_and_the_expiration(
    rumor: Rumor, special: Special | None
) -> None:
    raw = json.loads(wrap(rumor, special=special).json)
    assert raw["kind"] == 1059
    assert raw["pubkey"] != OURS.public_key().to_hex()
    named = {tag[0] for tag in raw["tags"]} - {"nonce"}
    assert named == {"p", "expiration"}
    assert ["p", SOLVER.public_key().to_hex()] in raw["tags"]
    assert "dispute" not in json.dumps(raw).lower()


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        (1_900_000_800, 1_900_000_800),
        (1_900_000_801, 1_900_004_400),
        (1_900_004_399, 1_900_004_400),
    ],
)
@pytest.mark.parametrize("special", [None, Special(created_at=NOW)], ids=["ordinary", "special"])
def test_expiration_is_absolute_and_rounded_up_to_the_hour(
    rumor: Rumor, special: Special | None, asked: int, written: int
) -> None:
    """Not counted from the back-dated stamp, and not telling the second it was sent."""
    raw = json.loads(wrap(rumor, expires_at=asked, special=special).json)
    assert asked % 3600 == 0 or written > asked
    assert [tag for tag in raw["tags"] if tag[0] == "expiration"] == [["expiration", str(written)]]


def test_ordinary_wraps_are_back_dated_and_never_alike(rumor: Rumor) -> None:
    made = [json.loads(wrap(rumor).json) for _ in range(8)]
    now = int(time.time())
    assert all(now - 2 * DAY - 60 <= each["created_at"] <= now for each in made)
    assert len({each["created_at"] for each in made}) > 1
    assert len({each["id"] for each in made}) == len({each["pubkey"] for each in made}) == 8


def test_a_fresh_wrap_has_the_time_asked_for(rumor: Rumor) -> None:
    raw = json.loads(wrap(rumor, special=Special(created_at=NOW - 17)).json)
    assert raw["created_at"] == NOW - 17


@pytest.mark.parametrize("bits", [4, 8, 12])
def test_a_mined_wrap_has_the_bits_asked_for(rumor: Rumor, bits: int) -> None:
    made = wrap(rumor, special=Special(created_at=NOW, pow_bits=bits))
    raw = json.loads(made.json)
    assert int(made.id, 16) < 2 ** (256 - bits)
    nonce = next(tag for tag in raw["tags"] if tag[0] == "nonce")
    assert nonce[2] == str(bits)


def test_nobody_else_can_open_it(rumor: Rumor) -> None:
    event = Event.from_json(wrap(rumor).json)
    with pytest.raises(NostrSdkError):
        UnwrappedGift.from_gift_wrap(Keys.generate(), event)


@pytest.mark.parametrize("special", SPECIALS, ids=["ordinary", "fresh", "mined"])
def test_a_rumor_of_another_key_is_refused(special: Special | None) -> None:
    """Readers would refuse it, after every relay took it."""
    other = direct_message(
        sender=Keys.generate().public_key().to_hex(),
        recipient=SOLVER.public_key().to_hex(),
        text="x",
        created_at=NOW,
        subject="s",
        root=None,
    )
    with pytest.raises(WrongAuthorError):
        wrap(other, special=special)
