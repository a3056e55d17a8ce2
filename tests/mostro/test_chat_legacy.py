"""The old envelope: the vector, round trips, and who may have signed inside."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, Nip44Version, NostrSdkError, PublicKey, nip44_encrypt
from tests.mostro.chat_vectors import ALLOWED, BUYER, CHANNEL, CHAT, NOW, event_of, keys_of

from serbero.mostro.chat import ChatMessage, ChatRejection, Envelope, inner_message
from serbero.mostro.legacy_chat import screen, unwrap, wrap
from serbero.nostr.signing import signed

CASE = CHAT["legacy_giftwrap"]
PARTY = Keys.parse(BUYER["secret_key"])


def opened(event: Event, now: int = NOW) -> ChatMessage:
    message = unwrap(event, CHANNEL, ALLOWED, now)
    assert isinstance(message, ChatMessage), message
    return message


def test_vector() -> None:
    message = opened(event_of(CASE["event"]))
    expect = CASE["expect"]
    assert (message.author, message.text) == (expect["sender"], expect["content"])
    assert message.created_at == expect["created_at"]
    assert message.inner_id == CASE["inner"]["id"]
    assert message.envelope is Envelope.GIFT_WRAP


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_what_is_wrapped_is_unwrapped(text: str) -> None:
    inner = inner_message(PARTY, text, NOW)
    event = wrap(CHANNEL, inner, expires_at=NOW + 86_400)
    message = opened(event)
    assert message.text == text or message.attachment is not None
    assert message.inner_id == inner.id().to_hex()


def test_the_wrap_tells_little() -> None:
    inner = inner_message(PARTY, "hello", NOW)
    fields = [json.loads(wrap(CHANNEL, inner, expires_at=NOW + 1).as_json()) for _ in range(20)]
    assert len({each["pubkey"] for each in fields}) == 20
    assert all(NOW - 172_800 <= each["created_at"] <= NOW for each in fields)
    assert len({each["created_at"] for each in fields}) > 10
    assert all(["p", CHANNEL.legacy_address] in each["tags"] for each in fields)
    expirations = {int(tag[1]) for each in fields for tag in each["tags"] if tag[0] == "expiration"}
    [expiration] = expirations
    assert expiration % 3_600 == 0
    assert NOW + 1 <= expiration < NOW + 1 + 3_600


def test_time_expiry_and_work_on_demand() -> None:
    inner = inner_message(PARTY, "hello", NOW)
    event = wrap(CHANNEL, inner, expires_at=None, created_at=NOW - 7, pow_bits=8)
    fields = json.loads(event.as_json())
    assert fields["created_at"] == NOW - 7
    assert fields["id"].startswith("00")
    assert all(tag[0] != "expiration" for tag in fields["tags"])
    assert opened(event).text == "hello"


def test_strangers_and_future_wraps_are_refused() -> None:
    stranger = wrap(CHANNEL, inner_message(keys_of("stranger"), "hello", NOW), expires_at=None)
    assert unwrap(stranger, CHANNEL, ALLOWED, NOW) is ChatRejection.INNER_SIGNER
    outer = wrap(CHANNEL, inner_message(PARTY, "x", NOW), expires_at=None, created_at=NOW + 61)
    assert unwrap(outer, CHANNEL, ALLOWED, NOW) is ChatRejection.ABSOLUTE_TIME


@pytest.mark.parametrize("ahead", [1, 120, 2**40])
def test_what_is_dated_ahead_counts_as_written_now(ahead: int) -> None:
    """Refused, it would be lost: nothing but a clock that is wrong is wrong with it."""
    inner = inner_message(PARTY, "x", NOW + ahead)
    message = opened(wrap(CHANNEL, inner, expires_at=None, created_at=NOW))
    assert (message.text, message.created_at) == ("x", NOW)
    assert message.inner_id == inner.id().to_hex()
    later = opened(wrap(CHANNEL, inner, expires_at=None, created_at=NOW), NOW + ahead + 5)
    assert later.created_at == NOW + ahead


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": 14}, ChatRejection.KIND),
        ({"tags": []}, ChatRejection.P_TAG),
        ({"tags": [["p", CHANNEL.address]]}, ChatRejection.P_TAG),
        ({"tags": [["p", CHANNEL.legacy_address]] * 2}, ChatRejection.P_TAG),
        ({"content": "x" * 65_537}, ChatRejection.SIZE),
        ({"content": "é" * 32_769}, ChatRejection.SIZE),
        ({"created_at": 2**63}, ChatRejection.ABSOLUTE_TIME),
    ],
)
def test_screening(change: dict[str, object], why: ChatRejection) -> None:
    assert screen(CASE["event"], CHANNEL, NOW) is None
    assert screen(CASE["event"] | change, CHANNEL, NOW) is why


def test_broken_outside_and_inside() -> None:
    broken = CASE["event"] | {"sig": "0" * 128}
    assert unwrap(event_of(broken), CHANNEL, ALLOWED, NOW) is ChatRejection.OUTER_SIGNATURE
    tags = [["p", CHANNEL.legacy_address]]
    one_time = keys_of("one time")
    garbage = signed(one_time, 1059, "garbage", tags, NOW)
    assert unwrap(garbage, CHANNEL, ALLOWED, NOW) is ChatRejection.DECRYPT
    content = nip44_encrypt(
        one_time.secret_key(),
        PublicKey.parse(CHANNEL.legacy_address),
        CHAT["valid"][0]["inner"]["content"],
        Nip44Version.V2,
    )
    no_event = signed(one_time, 1059, content, tags, NOW)
    assert unwrap(no_event, CHANNEL, ALLOWED, NOW) is ChatRejection.INNER_PARSE
    wrong_kind = wrap(CHANNEL, signed(PARTY, 14, "x", [], NOW), expires_at=None)
    assert unwrap(wrong_kind, CHANNEL, ALLOWED, NOW) is ChatRejection.INNER_KIND


SAMPLE = wrap(CHANNEL, inner_message(PARTY, "I paid at ten.", NOW), expires_at=NOW + 3_600)


@given(data=st.data())
def test_any_mutation_is_refused_or_means_the_same(data: st.DataObject) -> None:
    text = SAMPLE.as_json()
    at = data.draw(st.integers(0, len(text) - 1))
    mutated = text[:at] + data.draw(st.sampled_from(['"', "0", "f", "[", " "])) + text[at + 1 :]
    try:
        event = Event.from_json(mutated)
    except NostrSdkError:
        return
    outcome = unwrap(event, CHANNEL, ALLOWED, NOW)
    if isinstance(outcome, ChatMessage):
        assert outcome == opened(SAMPLE)
