"""Any message through both transports and back; any forgery or damage gets a name, never through.

Damage comes in layers: to the event as anyone could do it, and behind its signature and its
encryption, as a hostile client could.
"""

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, Nip44Version, NostrSdkError, nip44_encrypt

from serbero.mostro.message import (
    Action,
    BondResolution,
    CantDo,
    DisputePayload,
    Message,
    PeerPayload,
    TextMessage,
    canonical,
    take_request,
)
from serbero.mostro.node_info import Transport
from serbero.mostro.transport import (
    Inbound,
    TransportRejection,
    draft,
    screen_request,
    unwrap,
    unwrap_from_node,
    wrap,
)
from serbero.nostr.schnorr import sign_text
from serbero.nostr.signing import signed
from serbero.nostr.work import leading_zero_bits
from serbero.nostr.wrap import BACKDATING_SECONDS

NODE: Final = Keys.parse("21" * 32)
NODE_HEX: Final = NODE.public_key().to_hex()
TRADE: Final = Keys.parse("31" * 32)
TRADE_HEX: Final = TRADE.public_key().to_hex()
IDENTITY: Final = Keys.parse("41" * 32)
NOW: Final = 1_767_225_600
DISPUTE: Final = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
REQUEST: Final = take_request(DISPUTE, 1001, 2)

BOTH = pytest.mark.parametrize("transport", list(Transport))
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
MESSAGES = st.builds(
    Message,
    wrapper=st.sampled_from(["order", "dispute", "dm", "cant-do"]),
    version=st.integers(0, 255),
    request_id=st.none() | st.integers(0, 2**64 - 1),
    id=st.none() | st.uuids().map(str),
    action=st.sampled_from(list(Action)),
    payload=st.one_of(
        st.none(),
        TEXT.map(TextMessage),
        st.builds(BondResolution, st.booleans(), st.booleans()),
        st.sampled_from([CantDo(None), CantDo("not_found"), PeerPayload(TRADE_HEX)]),
        st.uuids().map(lambda each: DisputePayload(str(each), None)),
    ),
)


def request(transport: Transport, **options: Any) -> Event:
    settled = {"created_at": NOW, "expires_at": NOW + 86_400} | options
    return wrap(transport, TRADE, NODE_HEX, settled.pop("message", REQUEST), **settled)


@given(
    message=MESSAGES,
    transport=st.sampled_from(Transport),
    identity=st.sampled_from([None, TRADE, IDENTITY]),
    sign=st.booleans(),
)
@settings(deadline=None, max_examples=80)
def test_what_goes_in_comes_out(
    message: Message, transport: Transport, identity: Keys | None, sign: bool
) -> None:
    event = request(transport, message=message, identity=identity, sign=sign)
    other = identity is IDENTITY
    assert unwrap(event, NODE, now=NOW) == Inbound(
        message=message,
        sender=TRADE_HEX,
        identity=(IDENTITY if other else TRADE).public_key().to_hex(),
        created_at=NOW,
        event_id=event.id().to_hex(),
        signed=sign or other,
    )


@BOTH
def test_on_the_wire(transport: Transport) -> None:
    """Nothing but the receiver, the expiration and the work shows."""
    event = request(transport, pow_bits=6)
    raw = json.loads(event.as_json())
    assert raw["kind"] == (14 if transport is Transport.NIP44 else 1059)
    assert [tag[0] for tag in raw["tags"]] == ["p", "expiration", "nonce"]
    assert raw["tags"][0] == ["p", NODE_HEX]
    assert raw["tags"][1] == ["expiration", str(NOW + 86_400)]
    assert leading_zero_bits(raw["id"]) >= 6
    assert isinstance(unwrap(event, NODE, now=NOW), Inbound)
    assert "expiration" not in request(transport, expires_at=None).as_json()


def test_a_direct_message_is_its_authors_and_tells_the_time() -> None:
    raw = json.loads(request(Transport.NIP44).as_json())
    assert (raw["pubkey"], raw["created_at"]) == (TRADE_HEX, NOW)


def test_a_gift_wrap_tells_neither_author_nor_time() -> None:
    wraps = [json.loads(request(Transport.GIFT_WRAP).as_json()) for _ in range(12)]
    assert len({each["pubkey"] for each in wraps}) == 12
    assert TRADE_HEX not in json.dumps(wraps)
    times = [each["created_at"] for each in wraps]
    assert all(NOW - BACKDATING_SECONDS <= each <= NOW for each in times)
    assert max(times) - min(times) > 3600


@BOTH
def test_a_message_given_as_text_is_sent_to_the_letter(transport: Transport) -> None:
    """The simulated node sends payloads that are never read into values."""
    facts = {"id": DISPUTE, "preimage": "5ec4e7"}
    text = json.dumps(
        {
            "dispute": {
                "version": 2,
                "action": "admin-took-dispute",
                "payload": {"dispute": [DISPUTE, facts]},
            }
        }
    )
    event = wrap(transport, NODE, TRADE_HEX, text, created_at=NOW, expires_at=None)
    got = unwrap_from_node(event, TRADE, NODE_HEX, now=NOW)
    assert isinstance(got, Inbound)
    assert isinstance(got.message.payload, DisputePayload)
    assert "5ec4e7" not in repr(got)


@BOTH
def test_only_the_receiver_reads_it(transport: Transport) -> None:
    got = unwrap(request(transport), Keys.generate(), now=NOW)
    assert got == TransportRejection.DECRYPT


@BOTH
def test_nobody_speaks_for_the_node(transport: Transport) -> None:
    text = canonical(REQUEST)
    for identity in (None, NODE):
        event = wrap(
            transport, IDENTITY, TRADE_HEX, text, created_at=NOW, expires_at=None, identity=identity
        )
        got = unwrap_from_node(event, TRADE, NODE_HEX, now=NOW)
        assert got == TransportRejection.AUTHOR_IS_NODE
    vouched = wrap(
        transport, NODE, TRADE_HEX, text, created_at=NOW, expires_at=None, identity=IDENTITY
    )
    got = unwrap_from_node(vouched, TRADE, NODE_HEX, now=NOW)
    assert got == TransportRejection.AUTHOR_IS_NODE


@BOTH
def test_the_nodes_rules_for_a_request(transport: Transport) -> None:
    def verdict(now: int, **options: Any) -> TransportRejection | None:
        got = unwrap(request(transport, **options), NODE, now=now)
        assert isinstance(got, Inbound)
        return screen_request(got, now)

    assert verdict(NOW + 10) is None
    assert verdict(NOW + 11) == TransportRejection.FRESHNESS
    without_id = Message("dispute", 2, 1, None, "admin-take-dispute", None)
    assert verdict(NOW, message=without_id) == TransportRejection.MESSAGE_VERIFY


def test_keys_do_not_show() -> None:
    _, signer = draft(
        Transport.GIFT_WRAP, TRADE, NODE_HEX, REQUEST, created_at=NOW, expires_at=None
    )
    assert signer.secret_key().to_hex() not in repr(signer)


# --- damage that anyone can do ---------------------------------------------------------------

RAW: Final = {transport: request(transport, identity=IDENTITY).as_json() for transport in Transport}


@given(
    transport=st.sampled_from(Transport),
    position=st.integers(0, 100_000),
    replacement=st.sampled_from([*'0aZ/+="[]{},:\\', "\x00", "é"]),
    cut=st.integers(0, 2),
)
@settings(deadline=None, max_examples=300)
def test_a_damaged_event_is_refused_or_the_same(
    transport: Transport, position: int, replacement: str, cut: int
) -> None:
    text = RAW[transport]
    at = position % len(text)
    try:
        event = Event.from_json(text[:at] + replacement + text[at + cut :])
    except NostrSdkError:
        return
    got = unwrap(event, NODE, now=NOW)
    if isinstance(got, Inbound):
        assert json.loads(event.as_json()) == json.loads(text)
    else:
        assert isinstance(got, TransportRejection)


@BOTH
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sig": "0" * 128}, TransportRejection.EVENT_SIGNATURE),
        ({"content": "changed"}, TransportRejection.EVENT_ID),
        ({"created_at": NOW - 1}, TransportRejection.EVENT_ID),
        ({"tags": []}, TransportRejection.EVENT_ID),
        ({"content": "x" * 32_769}, TransportRejection.TOO_LARGE),
        ({"kind": 1}, TransportRejection.KIND),
    ],
)
def test_forgeries_have_names(
    transport: Transport, change: dict[str, Any], reason: TransportRejection
) -> None:
    event = Event.from_json(json.dumps(json.loads(RAW[transport]) | change))
    assert unwrap(event, NODE, now=NOW) == reason


# --- damage behind the signature -------------------------------------------------------------


def encrypted(author: Keys, plaintext: str) -> str:
    return nip44_encrypt(author.secret_key(), NODE.public_key(), plaintext, Nip44Version.V2)


def direct(plaintext: str, *, receiver: str = NODE_HEX, at: int = NOW) -> Event:
    """A v2 event around any plaintext."""
    return signed(TRADE, 14, encrypted(TRADE, plaintext), [["p", receiver]], at)


def wrapped(seal: str) -> Event:
    """A v1 event around anything."""
    one_time = Keys.parse("51" * 32)
    return signed(one_time, 1059, encrypted(one_time, seal), [["p", NODE_HEX]], NOW)


def sealed(rumor: str, *, kind: int = 13) -> Event:
    return wrapped(signed(TRADE, kind, encrypted(TRADE, rumor), [], NOW).as_json())


def rumored(content: str, **changes: Any) -> Event:
    fields = {"pubkey": TRADE_HEX, "created_at": NOW, "kind": 1, "tags": [], "content": content}
    return sealed(json.dumps(fields | changes))


MESSAGE: Final = canonical(REQUEST)
SIGNED: Final = sign_text(TRADE, MESSAGE)
SIGNATURE: Final = sign_text(TRADE, MESSAGE + " ")
"""A good one, of another text."""
PROOF: Final = f'["{IDENTITY.public_key().to_hex()}","{SIGNATURE}"]'
SHAPE: Final = TransportRejection.TUPLE_SHAPE


@pytest.mark.parametrize(
    ("plaintext", "reason"),
    [
        ("x", SHAPE),
        ("null", SHAPE),
        ("{}", SHAPE),
        ("[]", SHAPE),
        (f"[{MESSAGE}]", SHAPE),
        (f"[{MESSAGE},null]", SHAPE),
        (f"[{MESSAGE},null,null,null]", SHAPE),
        (f"[{MESSAGE},1,null]", SHAPE),
        (f'[{MESSAGE},"{SIGNATURE[:-1]}",null]', SHAPE),
        (f'[{MESSAGE},"{"g" * 128}",null]', SHAPE),
        (f"[{MESSAGE},null,{{}}]", SHAPE),
        (f'[{MESSAGE},null,["{TRADE_HEX}"]]', SHAPE),
        (f'[{MESSAGE},null,["{TRADE_HEX}",null]]', SHAPE),
        (f'[{MESSAGE},null,["{TRADE_HEX[:-1]}","{SIGNATURE}"]]', SHAPE),
        (f"[{MESSAGE},NaN,null]", SHAPE),
        ("[" * 5000, SHAPE),
        ("[null,null,null]", TransportRejection.MESSAGE),
        ("[{},null,null]", TransportRejection.MESSAGE),
        ('[{"dispute":{"version":2}},null,null]', TransportRejection.MESSAGE),
        (f'[{MESSAGE},"{SIGNATURE}",null]', TransportRejection.TRADE_SIGNATURE),
        (f'[{MESSAGE},"{SIGNATURE}",{PROOF}]', TransportRejection.TRADE_SIGNATURE),
        (f"[{MESSAGE},null,{PROOF}]", TransportRejection.IDENTITY_PROOF_SIGNATURE),
        (
            f'[{MESSAGE},null,["{"0" * 63}5","{SIGNATURE}"]]',
            TransportRejection.IDENTITY_PROOF_SIGNATURE,
        ),
    ],
)
def test_a_direct_message_that_is_none(plaintext: str, reason: TransportRejection) -> None:
    assert unwrap(direct(plaintext), NODE, now=NOW) == reason


def test_a_direct_message_must_name_us() -> None:
    plaintext = f"[{MESSAGE},null,null]"
    assert isinstance(unwrap(direct(plaintext), NODE, now=NOW), Inbound)
    elsewhere = direct(plaintext, receiver=IDENTITY.public_key().to_hex())
    assert unwrap(elsewhere, NODE, now=NOW) == TransportRejection.RECEIVER
    timeless = direct(plaintext, at=2**60)
    assert unwrap(timeless, NODE, now=NOW) == TransportRejection.TIME


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (wrapped("x"), TransportRejection.SEAL),
        (wrapped("{}"), TransportRejection.SEAL),
        (wrapped("[" * 5000), TransportRejection.SEAL),
        (sealed("x", kind=14), TransportRejection.SEAL),
        (
            wrapped(signed(TRADE, 13, "not encrypted", [], NOW).as_json()),
            TransportRejection.SEAL_DECRYPT,
        ),
        (sealed("x"), TransportRejection.RUMOR),
        (sealed("[]"), TransportRejection.RUMOR),
        (sealed("{}"), TransportRejection.RUMOR),
        (rumored("[]", kind=14), TransportRejection.RUMOR),
        (rumored("[]", kind=True), TransportRejection.RUMOR),
        (rumored("[]", pubkey="x"), TransportRejection.RUMOR),
        (rumored("[]", created_at=-1), TransportRejection.RUMOR),
        (rumored("[]", created_at=2**70), TransportRejection.RUMOR),
        (rumored("[]", created_at=1.5), TransportRejection.RUMOR),
        (
            sealed(
                json.dumps({"pubkey": TRADE_HEX, "created_at": NOW, "kind": 1, "content": None})
            ),
            TransportRejection.RUMOR,
        ),
        (rumored("[]"), SHAPE),
        (rumored(f"[{MESSAGE},null,null]"), SHAPE),
        (rumored(f"[{MESSAGE},7]"), SHAPE),
        (rumored("[" * 5000), SHAPE),
        (rumored("[null,null]"), TransportRejection.MESSAGE),
        (rumored(f'[{MESSAGE},"{SIGNATURE}"]'), TransportRejection.RUMOR_SIGNATURE),
        (
            rumored(f"[{MESSAGE},null]", pubkey=IDENTITY.public_key().to_hex()),
            TransportRejection.IDENTITY_DIFFERS_AND_UNSIGNED,
        ),
        (
            rumored(f'[{MESSAGE},"{SIGNATURE}"]', pubkey="0" * 63 + "5"),
            TransportRejection.RUMOR_SIGNATURE,
        ),
    ],
)
def test_a_gift_wrap_that_holds_none(event: Event, reason: TransportRejection) -> None:
    assert unwrap(event, NODE, now=NOW) == reason


def test_a_strangers_seal_is_not_opened() -> None:
    """Anyone can address wraps to us; past the seal they cost nothing more."""
    seal = wrapped(signed(TRADE, 13, "not encrypted", [], NOW).as_json())
    ours, other = NODE, IDENTITY.public_key().to_hex()
    assert unwrap_from_node(seal, ours, other, now=NOW) == TransportRejection.AUTHOR_IS_NODE
    assert unwrap_from_node(seal, ours, TRADE_HEX, now=NOW) == TransportRejection.SEAL_DECRYPT


def test_what_a_rumor_says_beside_its_content_does_not_matter() -> None:
    """Some clients tag and sign their rumors, and nobody checks an id that nobody uses."""
    event = rumored(f"[{MESSAGE},null]", id="x", sig="y", tags=[["p", NODE_HEX]], future=1)
    got = unwrap(event, NODE, now=NOW)
    assert isinstance(got, Inbound)
    assert got.message == REQUEST


@given(
    transport=st.sampled_from(Transport),
    position=st.integers(0, 1000),
    replacement=st.sampled_from([*'0aZ/+="[]{},:\\ ', "\x00", "é", "null", "\\ud800"]),
    cut=st.integers(0, 2),
)
@settings(deadline=None, max_examples=200)
def test_a_damaged_signed_plaintext_is_refused_or_means_the_same(
    transport: Transport, position: int, replacement: str, cut: int
) -> None:
    """Behind valid outer signatures: what the trade key did not sign does not get through."""
    direct_one = transport is Transport.NIP44
    text = f'[{MESSAGE},"{SIGNED}"{",null" if direct_one else ""}]'
    # The head, up to the end of the signature.
    at = position % (len(MESSAGE) + 132)
    damaged = text[:at] + replacement + text[at + cut :]
    got = unwrap(direct(damaged) if direct_one else rumored(damaged), NODE, now=NOW)
    if isinstance(got, Inbound):
        assert (got.message, got.signed) == (REQUEST, True)
    else:
        assert isinstance(got, TransportRejection)


@given(plaintext=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(deadline=None, max_examples=50)
def test_any_plaintext_is_refused_by_name(plaintext: str) -> None:
    for event in (direct(plaintext), wrapped(plaintext), sealed(plaintext), rumored(plaintext)):
        assert isinstance(unwrap(event, NODE, now=NOW), TransportRejection)


@given(content=st.text(st.characters(exclude_categories=["Cs"])), kind=st.sampled_from([14, 1059]))
@settings(deadline=None, max_examples=60)
def test_any_content_is_refused_by_name(content: str, kind: int) -> None:
    event = signed(TRADE, kind, content, [["p", NODE_HEX]], NOW)
    assert unwrap(event, NODE, now=NOW) == TransportRejection.DECRYPT
