"""The current envelope of the dispute chat: every vector, and every step in its order."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, Nip44Version, NostrSdkError, nip44_encrypt
from tests.mostro.chat_vectors import (
    ALLOWED,
    BUYER,
    CHANNEL,
    CHAT,
    NOW,
    SOLVER,
    event_of,
    keys_of,
)

from serbero.mostro.chat import (
    CHAT_KIND,
    MAX_CONTENT_BYTES,
    ChatMessage,
    ChatRejection,
    Envelope,
    inner_message,
    screen,
    unwrap,
    wrap,
)
from serbero.mostro.chat_keys import derive
from serbero.nostr.signing import signed

PARTY = Keys.parse(BUYER["secret_key"])
NOT_FROM_UNWRAP = {"duplicate-delivery", "replayed-inner"}
"""Whoever remembers must refuse these; alone they are good."""


def opened(event: Event, now: int = NOW) -> ChatMessage:
    message = unwrap(event, CHANNEL, ALLOWED, now)
    assert isinstance(message, ChatMessage), message
    return message


@pytest.mark.parametrize("case", CHAT["valid"] + CHAT["boundary"], ids=lambda case: case["name"])
def test_valid(case: dict[str, Any]) -> None:
    message = opened(event_of(case["event"]), case["now"])
    inner, expect = case["inner"], case["expect"]
    assert message.inner_id == inner["id"] == expect.get("inner_event_id", inner["id"])
    assert message.author == inner["pubkey"] == expect.get("sender", inner["pubkey"])
    assert (message.created_at, message.outer_created_at) == (
        inner["created_at"],
        case["event"]["created_at"],
    )
    assert (message.outer_id, message.envelope) == (case["event"]["id"], Envelope.KIND14)
    if "attachment" not in case:
        assert message.text == expect.get("content", inner["content"])
        assert message.attachment is None
        return
    wanted = case["attachment"]
    assert message.attachment is not None
    assert message.attachment.type.value == wanted["type"]
    assert message.attachment.filename == wanted["filename"]
    assert message.attachment.mime_type == wanted["mime_type"]
    assert message.attachment.file_type == wanted.get("file_type")
    assert message.attachment.original_size == wanted["original_size"]
    assert message.attachment.encrypted_size == wanted["encrypted_size"]
    assert wanted["blossom_url"] not in message.text
    assert wanted["filename"] in message.text


@pytest.mark.parametrize(
    "case",
    [case for case in CHAT["invalid"] if case["name"] not in NOT_FROM_UNWRAP],
    ids=lambda case: case["name"],
)
def test_invalid(case: dict[str, Any]) -> None:
    why = unwrap(event_of(case["event"]), CHANNEL, ALLOWED, case["now"])
    assert isinstance(why, ChatRejection)
    assert (why.value, why.step) == (case["expect"]["check"], case["expect"]["step"])
    if "genuine_event" in case:
        assert case["genuine_event"]["id"] == case["event"]["id"]
        opened(event_of(case["genuine_event"]), case["now"])


def test_what_only_memory_refuses_is_otherwise_good() -> None:
    cases = [case for case in CHAT["invalid"] if case["name"] in NOT_FROM_UNWRAP]
    assert len(cases) == 2
    for case in cases:
        opened(event_of(case["event"]), case["now"])
        assert ChatRejection(case["expect"]["check"]).step == case["expect"]["step"]


def test_vectors_are_all_there() -> None:
    assert (len(CHAT["valid"]), len(CHAT["boundary"]), len(CHAT["invalid"])) == (6, 2, 18)
    steps = {case["expect"]["step"] for case in CHAT["invalid"]}
    assert steps == {1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13}
    assert {each.step for each in ChatRejection} == set(range(1, 14))


def test_a_disclosed_channel_can_be_read() -> None:
    """Section 7.7: with K_conv alone one can decrypt; here the author is known from the events."""
    observer = CHAT["observer"]
    conversation = Keys.parse(observer["disclosed_k_conv_secret"])
    assert conversation.public_key().to_hex() == observer["k_conv_public_key"]
    # K_sign is not disclosed; reading needs only its public half.
    keys = type(CHANNEL)(
        conversation=conversation,
        signing=conversation,
        legacy=conversation,
        address=observer["k_conv_public_key"],
        author=observer["k_sign_public_key"],
        legacy_address="",
    )
    allowed = frozenset(observer["allowed_signers"])
    for event, expect in zip(observer["events"], observer["expect"], strict=True):
        message = unwrap(event_of(event), keys, allowed, NOW)
        assert isinstance(message, ChatMessage)
        assert (message.author, message.text) == (expect["sender"], expect["content"])


# --- the order of the steps ------------------------------------------------------------------


def test_each_step_hides_the_ones_after_it() -> None:
    """An event with every fault, cured one by one, names them in the protocol's order."""
    stranger = keys_of("stranger")
    inner = signed(stranger, 14, "x", [], NOW)
    content = nip44_encrypt(
        CHANNEL.conversation.secret_key(),
        CHANNEL.conversation.public_key(),
        inner.as_json(),
        Nip44Version.V2,
    )
    good_tags = [["p", CHANNEL.address]]
    far = NOW + 3_600

    def made(kind: int, keys: Keys, text: str, tags: list[list[str]], at: int) -> object:
        return unwrap(signed(keys, kind, text, tags, at), CHANNEL, ALLOWED, NOW)

    too_long = "x" * (MAX_CONTENT_BYTES + 1)
    signing = CHANNEL.signing
    assert [
        made(1, stranger, too_long, [], far),
        made(CHAT_KIND, stranger, too_long, [], far),
        made(CHAT_KIND, signing, too_long, [], far),
        made(CHAT_KIND, signing, too_long, good_tags, far),
        made(CHAT_KIND, signing, too_long, good_tags, NOW - 600),
        made(CHAT_KIND, signing, "garbage", good_tags, NOW - 600),
        made(CHAT_KIND, signing, content, good_tags, NOW - 600),
    ] == ["kind", "author", "p-tag", "absolute-time", "size", "decrypt", "inner-signer"]
    wrong_kind = wrap(CHANNEL, signed(PARTY, 14, "x", [], NOW))
    assert unwrap(wrong_kind, CHANNEL, ALLOWED, NOW) is ChatRejection.INNER_KIND


@pytest.mark.parametrize(
    "tags",
    [
        [["p"]],
        [["p", ""]],
        [["p", "{address}", "wss://relay.example"], ["p"]],
        [["P", "{address}"]],
        [["p", "{ADDRESS}"]],
        [["p", "{address}"], ["p", "{address}"]],
    ],
)
def test_p_tags_that_do_not_count(tags: list[list[str]]) -> None:
    known = {"{address}": CHANNEL.address, "{ADDRESS}": CHANNEL.address.upper()}
    fields = {
        "kind": CHAT_KIND,
        "pubkey": CHANNEL.author,
        "created_at": NOW,
        "content": "",
        "tags": [[known.get(each, each) for each in tag] for tag in tags],
    }
    assert screen(fields, CHANNEL, NOW) is ChatRejection.P_TAG


def test_other_tags_and_a_relay_hint_are_allowed() -> None:
    tags = [["expiration", "1"], ["p", CHANNEL.address, "wss://relay.example"], ["x"]]
    inner = inner_message(PARTY, "hello", NOW)
    content = json.loads(wrap(CHANNEL, inner).as_json())["content"]
    assert opened(signed(CHANNEL.signing, CHAT_KIND, content, tags, NOW)).text == "hello"


# --- ours -------------------------------------------------------------------------------------


def test_equal_texts_of_one_second_are_two_messages() -> None:
    first, second = (inner_message(PARTY, "ok", NOW) for _ in range(2))
    assert first.id().to_hex() != second.id().to_hex()
    assert [tag[0] for tag in json.loads(first.as_json())["tags"]] == ["u"]


def test_the_outer_event_carries_the_inner_time_and_one_tag() -> None:
    inner = inner_message(PARTY, "hello", NOW - 5)
    fields = json.loads(wrap(CHANNEL, inner).as_json())
    assert fields["created_at"] == NOW - 5
    assert fields["tags"] == [["p", CHANNEL.address]]
    assert fields["pubkey"] == CHANNEL.author
    assert "hello" not in fields["content"]


def test_proof_of_work() -> None:
    event = wrap(CHANNEL, inner_message(PARTY, "hello", NOW), pow_bits=8)
    assert event.id().to_hex().startswith("00")
    assert opened(event).text == "hello"


def test_the_solver_may_write_and_the_other_party_may_not() -> None:
    ours = wrap(CHANNEL, inner_message(Keys.parse(SOLVER["secret_key"]), "hello", NOW))
    assert opened(ours).author == SOLVER["public_key"]
    other = Keys.parse(CHAT["keys"]["seller-trade"]["secret_key"])
    theirs = wrap(CHANNEL, inner_message(other, "hello", NOW))
    assert unwrap(theirs, CHANNEL, ALLOWED, NOW) is ChatRejection.INNER_SIGNER


def test_a_text_does_not_show_in_the_repr() -> None:
    message = opened(wrap(CHANNEL, inner_message(PARTY, "my account is 12345", NOW)))
    assert "12345" not in repr(message)


# --- anything --------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(text=texts, late=st.integers(-60, 60), at=st.integers(NOW - 10**8, NOW))
def test_what_is_wrapped_is_unwrapped(text: str, late: int, at: int) -> None:
    inner = inner_message(PARTY, text, at)
    message = unwrap(wrap(CHANNEL, inner), CHANNEL, ALLOWED, at + late)
    assert isinstance(message, ChatMessage)
    assert message.text == text or message.attachment is not None
    assert (message.author, message.created_at) == (BUYER["public_key"], at)


SAMPLE = wrap(CHANNEL, inner_message(PARTY, "I paid at ten.", NOW))


@given(data=st.data())
def test_any_mutation_is_refused_or_means_the_same(data: st.DataObject) -> None:
    text = SAMPLE.as_json()
    at = data.draw(st.integers(0, len(text) - 1))
    with_ = data.draw(st.sampled_from(['"', "0", "a", "{", "\\", " ", ",", "é", "\x00", ""]))
    mutated = text[:at] + with_ + text[at + data.draw(st.integers(0, 2)) :]
    try:
        event = Event.from_json(mutated)
    except NostrSdkError:
        return
    outcome = unwrap(event, CHANNEL, ALLOWED, NOW)
    if isinstance(outcome, ChatMessage):
        assert outcome == opened(SAMPLE)


@given(plain=st.one_of(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.none()))
def test_arbitrary_plaintext_is_a_typed_rejection(plain: str | None) -> None:
    inner = inner_message(PARTY, "x", NOW).as_json()
    hostile = [
        plain or "[" * 20_000,
        inner.replace('"tags":[', '"tags":' + "[" * 500, 1),
        inner.replace(f'"created_at":{NOW}', f'"created_at":{NOW},"created_at":{NOW}'),
        inner.replace(f'"created_at":{NOW}', '"created_at":' + "9" * 5_000),
        inner.replace(f'"created_at":{NOW}', '"created_at":NaN'),
        inner.replace(f'"created_at":{NOW}', '"created_at":true'),
        inner.replace('"content":"x"', '"content":"\\ud800"'),
    ]
    for text in hostile:
        content = nip44_encrypt(
            CHANNEL.conversation.secret_key(),
            CHANNEL.conversation.public_key(),
            text,
            Nip44Version.V2,
        )
        event = signed(CHANNEL.signing, CHAT_KIND, content, [["p", CHANNEL.address]], NOW)
        outcome = unwrap(event, CHANNEL, ALLOWED, NOW)
        assert outcome in (ChatRejection.INNER_PARSE, ChatRejection.INNER_SIGNATURE)


@given(content=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_arbitrary_content_is_a_typed_rejection(content: str) -> None:
    event = signed(CHANNEL.signing, CHAT_KIND, content, [["p", CHANNEL.address]], NOW)
    assert unwrap(event, CHANNEL, ALLOWED, NOW) is ChatRejection.DECRYPT


def test_another_channels_keys_open_nothing() -> None:
    other = derive(SOLVER["secret_key"], CHAT["keys"]["seller-trade"]["public_key"])
    assert unwrap(SAMPLE, other, ALLOWED, NOW) is ChatRejection.AUTHOR
