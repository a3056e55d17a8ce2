"""Every transport vector: read as stated, or refused for the stated reason, on v2 and v1."""

import hashlib
import json
from dataclasses import fields, is_dataclass
from typing import Any, Final

import pytest
from nostr_sdk import Event
from tests.mostro.transport_vectors import NODE, NOW, V1, V2, event_of, keys_of, named

from serbero.mostro.message import (
    CantDo,
    DisputePayload,
    Message,
    TextMessage,
    canonical,
    message_of,
    parse_message,
    signed_text,
)
from serbero.mostro.transport import (
    Inbound,
    TransportRejection,
    is_fresh,
    screen_request,
    unwrap,
    unwrap_from_node,
)
from serbero.nostr.work import leading_zero_bits

ACCEPTED: Final = [*V2["valid"], *V1["valid"]]
REFUSED: Final = [*V2["invalid"], *V1["invalid"]]
FROM_NODE: Final = [case for case in ACCEPTED if case["expect"]["sender"] == NODE]


def name_of(case: dict[str, Any]) -> str:
    return ("v1-" if "seal" in case else "v2-") + str(case["name"])


def read(case: dict[str, Any]) -> Inbound | TransportRejection:
    """As the receiver of the case reads it: a client from its node, the node from anyone."""
    receiver = "solver" if case["name"] == "reply-to-other-receiver" else case["receiver"]
    now = case["expect"].get("now", NOW)
    if receiver != "node":
        return unwrap_from_node(event_of(case), keys_of(receiver), NODE, now=now)
    got = unwrap(event_of(case), keys_of("node"), now=now)
    return got if isinstance(got, TransportRejection) else screen_request(got, now) or got


def test_vectors_are_all_there() -> None:
    assert (len(V2["valid"]), len(V2["invalid"])) == (11, 9)
    assert (len(V1["valid"]), len(V1["invalid"])) == (3, 3)
    assert len(FROM_NODE) == 7


@pytest.mark.parametrize("case", ACCEPTED, ids=name_of)
def test_accepted(case: dict[str, Any]) -> None:
    got = read(case)
    assert isinstance(got, Inbound)
    expect = case["expect"]
    assert (got.sender, got.identity) == (expect["sender"], expect["identity"])
    assert got.event_id == case["event"]["id"]
    assert got.signed == expect.get("signed", case.get("trade_sig") is not None)
    assert got.created_at == expect.get("created_at", case["event"]["created_at"])
    assert got.message == parse_message(case["message_json"])


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_refused_for_the_named_reason(case: dict[str, Any]) -> None:
    assert read(case) == TransportRejection(case["expect"]["rejected_by"])


def test_the_genuine_event_is_accepted_after_its_broken_copy() -> None:
    """Nothing is remembered about an id that a broken copy shares."""
    genuine = named(V2["valid"], "request-single-key-unsigned")
    signature = genuine["event"]["sig"]
    broken = genuine["event"] | {"sig": signature[:-1] + ("0" if signature[-1] != "0" else "1")}
    assert read(genuine | {"event": broken}) == TransportRejection.EVENT_SIGNATURE
    assert isinstance(read(genuine), Inbound)


def test_an_unsigned_short_message_is_accepted() -> None:
    """Nulls may be left out where no signature covers them."""
    case = named(V2["invalid"], "signature-over-short-json")
    short = parse_message(case["signed_text"])
    assert isinstance(short, Message)
    assert (short.action, short.request_id) == ("admin-take-dispute", None)


def test_a_stale_rumor_unwraps_and_is_not_fresh() -> None:
    case = named(V1["invalid"], "stale-rumor")
    got = unwrap(event_of(case), keys_of("node"), now=NOW)
    assert isinstance(got, Inbound)
    assert (got.created_at, is_fresh(got.created_at, NOW)) == (NOW - 11, False)
    assert is_fresh(NOW - 10, NOW)
    assert is_fresh(NOW + 3600, NOW)


@pytest.mark.parametrize("case", [*ACCEPTED, *REFUSED], ids=name_of)
def test_what_a_signature_covers(case: dict[str, Any]) -> None:
    """The exact bytes of the vectors, also of payloads that have no type here."""
    text = case["message_json"]
    assert signed_text(json.loads(text)) == text
    assert hashlib.sha256(text.encode()).hexdigest() == case["message_sha256"]
    message = message_of(json.loads(text))
    assert isinstance(message, Message)
    if not isinstance(message.payload, DisputePayload) or message.payload.info is None:
        assert canonical(message) == text


def test_a_mined_request_shows_its_work() -> None:
    case = named(V2["valid"], "request-with-pow")
    assert leading_zero_bits(case["event"]["id"]) == case["leading_zero_bits"]


@pytest.mark.parametrize("case", FROM_NODE, ids=name_of)
def test_another_node_said_nothing(case: dict[str, Any]) -> None:
    other = V2["keys"]["other-node"]["public_key"]
    got = unwrap_from_node(event_of(case), keys_of(case["receiver"]), other, now=NOW)
    assert got == TransportRejection.AUTHOR_IS_NODE


def test_expires_at_its_very_second() -> None:
    case = named(V2["valid"], "reply-cant-do")
    (expires,) = (int(tag[1]) for tag in case["event"]["tags"] if tag[0] == "expiration")
    event, solver = event_of(case), keys_of("solver")
    assert isinstance(unwrap_from_node(event, solver, NODE, now=expires - 1), Inbound)
    at_its_end = unwrap_from_node(event, solver, NODE, now=expires)
    assert at_its_end == TransportRejection.EXPIRED


def test_other_kinds_are_none_of_the_protocol() -> None:
    raw = named(V2["valid"], "reply-cant-do")["event"] | {"kind": 4}
    event = Event.from_json(json.dumps(raw))
    assert unwrap(event, keys_of("solver"), now=NOW) == TransportRejection.KIND


def _everything_in(value: object) -> list[object]:
    """A value, its fields and their fields."""
    if is_dataclass(value):
        parts = [getattr(value, each.name) for each in fields(value)]
        return [value, *(found for part in parts for found in _everything_in(part))]
    if isinstance(value, tuple | list):
        return [value, *(found for part in value for found in _everything_in(part))]
    return [value]


@pytest.mark.parametrize("vectors", [V1, V2], ids=["v1", "v2"])
def test_the_escrow_secrets_are_nowhere_in_what_is_returned(vectors: dict[str, Any]) -> None:
    case = named(vectors["valid"], "reply-admin-took-dispute")
    facts = json.loads(case["message_json"])["dispute"]["payload"]["dispute"][1]
    secrets = [facts[name] for name in ("preimage", "hash", "buyer_invoice")]
    assert all(len(each) > 20 for each in secrets)
    got = read(case)
    seen = [repr(part) + str(part) for part in _everything_in(got)]
    assert any(facts["payment_method"] in each for each in seen)
    assert not [secret for secret in secrets for each in seen if secret in each]
    assert not [name for each in seen for name in ("preimage", "hash", "invoice=") if name in each]


def test_a_refusal_and_a_text_are_read() -> None:
    refusal, text = (
        parse_message(named(V2["valid"], name)["message_json"])
        for name in ("reply-cant-do", "request-non-ascii")
    )
    assert isinstance(refusal, Message)
    assert refusal.payload == CantDo("invalid_pubkey")
    assert isinstance(text, Message)
    assert text.payload == TextMessage('niño "q" /\\ 漢字 \x7f\n')
    assert "niño" not in repr(text)
