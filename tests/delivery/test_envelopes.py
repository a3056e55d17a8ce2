"""What each channel's reader finds in the envelope made for him, and what cannot be sealed."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, UnwrappedGift
from tests.store.rig import T0, dispute_id

from serbero.delivery import envelopes
from serbero.delivery.envelopes import Envelopes, UnsealableError, has_fixed_time
from serbero.model.notification import CHAT_CHANNELS, Channel, OutboxState, Purpose
from serbero.mostro import chat, legacy_chat, transport
from serbero.mostro.chat import ChatMessage, Envelope, inner_message
from serbero.mostro.chat_keys import derive
from serbero.mostro.inbound import Inbound
from serbero.mostro.message import Action
from serbero.mostro.payloads import TextMessage
from serbero.nostr.rumor import direct_message
from serbero.nostr.work import leading_zero_bits
from serbero.nostr.wrap import Special, Wrap
from serbero.store.outbox_work import Row

OURS, READER, STRANGER = Keys.generate(), Keys.generate(), Keys.generate()
DISPUTE = dispute_id(1)
MONTH = 30 * 86_400
NOW = T0 + 500
"""When envelopes are made; what is said in them was decided at ``T0``."""
TEXT = "Where is the payment? 🙂"


def hex_of(keys: Keys) -> str:
    return keys.public_key().to_hex()


def row(
    channel: Channel,
    text: str = TEXT,
    *,
    author: Keys = OURS,
    recipient: str | None = None,
    dispute: str | None = DISPUTE,
    body: str | None = None,
) -> Row:
    to = recipient or hex_of(READER)
    if body is None and channel in CHAT_CHANNELS:
        body = inner_message(author, text, T0).as_json()
    elif body is None:
        body = direct_message(
            sender=hex_of(author),
            recipient=to,
            text=text,
            created_at=T0,
            subject="Dispute",
            root=None,
        ).json
    return Row(
        id=1,
        purpose=Purpose.PARTY_MESSAGE if channel in CHAT_CHANNELS else Purpose.INITIAL,
        dispute_id=dispute,
        anchor="a",
        recipient=to,
        recipient_typed=to,
        notif_type=None,
        rumor_json=body,
        enqueued_ms=T0 * 1000,
        created_at=T0,
        deadline_at=T0 + 86_400,
        state=OutboxState.PENDING,
        channel=channel,
    )


def make(of: Row, special: Special | None = None) -> Wrap:
    made = Envelopes(OURS, MONTH).make(of, special, NOW)
    assert made.event.verify()
    assert (made.id, made.json) == (made.event.id().to_hex(), made.event.as_json())
    return made


def fields(made: Wrap) -> dict[str, Any]:
    return dict(json.loads(made.json))


def expiration(made: Wrap) -> int:
    [tag] = [each for each in fields(made)["tags"] if each[0] == "expiration"]
    return int(tag[1])


def read_chat(made: Wrap) -> ChatMessage:
    """What the party's own client makes of it, in whichever envelope."""
    keys = derive(READER.secret_key().to_hex(), hex_of(OURS))
    allowed = frozenset({hex_of(OURS)})
    open_it = chat.unwrap if made.event.kind().as_u16() == 14 else legacy_chat.unwrap
    message = open_it(Event.from_json(made.json), keys, allowed, NOW)
    assert isinstance(message, ChatMessage), message
    return message


def test_a_private_message() -> None:
    made = make(row(Channel.NIP17))
    opened = UnwrappedGift.from_gift_wrap(READER, made.event)
    assert opened.sender().to_hex() == hex_of(OURS)
    assert (opened.rumor().content(), opened.rumor().created_at().as_secs()) == (TEXT, T0)
    assert NOW + MONTH <= expiration(made) < NOW + MONTH + 3600


@pytest.mark.parametrize("dispute", [DISPUTE, None])
def test_what_mostros_own_clients_read(dispute: str | None) -> None:
    """A signed event of ours to the solver, of now, with `send-dm` in it and nothing beside."""
    made = make(row(Channel.MOSTRO, dispute=dispute))
    event = fields(made)
    assert (event["kind"], event["pubkey"], event["created_at"]) == (14, hex_of(OURS), NOW)
    assert [tag for tag in event["tags"] if tag[0] == "p"] == [["p", hex_of(READER)]]
    assert expiration(made) == NOW + MONTH
    got = transport.unwrap(made.event, READER, now=NOW)
    assert isinstance(got, Inbound)
    assert (got.sender, got.identity, got.signed) == (hex_of(OURS), hex_of(OURS), False)
    message = got.message
    assert (message.wrapper, message.version, message.action) == ("dm", 2, Action.SEND_DM)
    assert (message.id, message.request_id, message.payload) == (dispute, None, TextMessage(TEXT))


def test_the_current_chat() -> None:
    of = row(Channel.CHAT)
    made = make(of)
    event = fields(made)
    # Its time is the writer's, however late it is sent; it says nothing of when it expires.
    assert (event["kind"], event["created_at"], [tag[0] for tag in event["tags"]]) == (
        14,
        T0,
        ["p"],
    )
    message = read_chat(made)
    assert (message.author, message.text, message.envelope) == (
        hex_of(OURS),
        TEXT,
        Envelope.KIND14,
    )
    assert message.inner_id == json.loads(of.rumor_json)["id"]


def test_the_older_chat() -> None:
    of = row(Channel.CHAT_LEGACY)
    made = make(of)
    assert NOW + MONTH <= expiration(made) < NOW + MONTH + 3600
    message = read_chat(made)
    assert (message.author, message.text, message.envelope) == (
        hex_of(OURS),
        TEXT,
        Envelope.GIFT_WRAP,
    )
    assert message.inner_id == json.loads(of.rumor_json)["id"]


def test_the_two_chats_carry_the_same_message() -> None:
    body = inner_message(OURS, TEXT, T0).as_json()
    both = [read_chat(make(row(channel, body=body))) for channel in CHAT_CHANNELS]
    assert both[0].inner_id == both[1].inner_id


@pytest.mark.parametrize("channel", Channel)
def test_work_where_a_relay_wants_it(channel: Channel) -> None:
    made = make(row(channel), Special(created_at=NOW - 30, pow_bits=9))
    assert leading_zero_bits(made.id) >= 9
    if channel in CHAT_CHANNELS:
        assert read_chat(made).text == TEXT


@pytest.mark.parametrize(
    ("channel", "time"),
    [
        (Channel.NIP17, NOW - 30),
        (Channel.MOSTRO, NOW),
        (Channel.CHAT, T0),
        (Channel.CHAT_LEGACY, NOW - 30),
    ],
)
def test_another_time_where_it_can_be_another(channel: Channel, time: int) -> None:
    made = make(row(channel), Special(created_at=NOW - 30))
    assert fields(made)["created_at"] == time
    assert has_fixed_time(channel) is (time == T0)


@pytest.mark.parametrize("channel", Channel)
def test_two_envelopes_are_two_events(channel: Channel) -> None:
    of = row(channel)
    assert make(of).id != make(of).id


# --- what cannot be sealed ----------------------------------------------------------------------

NO_POINT = "f" * 64


@pytest.mark.parametrize("channel", Channel)
@pytest.mark.parametrize(
    "broken",
    [
        {"author": STRANGER},
        {"recipient": NO_POINT},
        {"recipient": "x"},
        {"body": "{}"},
        {"body": "[]"},
        {"body": "not JSON"},
        {"body": '{"pubkey": 3, "content": null}'},
        {"text": TEXT * 3_000},
    ],
    ids=["stranger", "no point", "no key", "{}", "[]", "no JSON", "wrong types", "too long"],
)
def test_what_cannot_be_sealed(channel: Channel, broken: dict[str, Any]) -> None:
    """One error for all of it, whose words repeat nothing of what was said nor a key of ours."""
    if channel in CHAT_CHANNELS and "text" in broken:
        broken = {"body": inner_message(OURS, broken["text"], T0).as_json()}
    with pytest.raises(UnsealableError) as caught:
        make(row(channel, **broken))
    shown = f"{caught.value} {caught.value!r}"
    assert str(caught.value).startswith("cannot be encrypted: ")
    assert caught.value.__cause__ is None
    for secret in ("payment", OURS.secret_key().to_hex()):
        assert secret not in shown


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
@settings(max_examples=25, deadline=None)
def test_any_text_arrives_as_it_was_written(text: str) -> None:
    assert read_chat(make(row(Channel.CHAT, text))).text == text
    got = transport.unwrap(make(row(Channel.MOSTRO, text)).event, READER, now=NOW)
    assert isinstance(got, Inbound)
    assert got.message.payload == TextMessage(text)


@given(body=st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(str))
@settings(max_examples=50, deadline=None)
def test_a_row_that_makes_no_sense_is_unsealable_and_nothing_else(body: str) -> None:
    for channel in Channel:
        with pytest.raises(UnsealableError):
            make(row(channel, body=body))


def test_keys_of_a_channel_are_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(secret: str, party: str) -> Any:
        asked.append(party)
        return derive(secret, party)

    monkeypatch.setattr(envelopes, "derive", noted)
    maker = Envelopes(OURS, MONTH)
    for channel in (*CHAT_CHANNELS, *CHAT_CHANNELS):
        maker.make(row(channel), None, NOW)
    maker.make(row(Channel.CHAT, recipient=hex_of(STRANGER)), None, NOW)
    assert asked == [hex_of(READER), hex_of(STRANGER)]


def test_a_bounded_number_of_channels_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes, "KEPT_CHAT_KEYS", 2)
    asked: list[str] = []

    def noted(secret: str, party: str) -> Any:
        asked.append(party)
        return derive(secret, party)

    monkeypatch.setattr(envelopes, "derive", noted)
    maker = Envelopes(OURS, MONTH)
    parties = [hex_of(Keys.generate()) for _ in range(3)]
    for party in (*parties, parties[2], parties[0]):
        maker.make(row(Channel.CHAT, recipient=party), None, NOW)
    assert asked == [*parties, parties[0]]
