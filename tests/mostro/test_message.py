"""The logical message: tolerant of what may change, strict about what would change its meaning."""

import json
import re
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.mostro.message import (
    Action,
    BondResolution,
    CantDo,
    CantDoReason,
    DisputePayload,
    Message,
    MessageRejection,
    OtherPayload,
    PeerPayload,
    TextMessage,
    UnwritableError,
    canonical,
    parse_message,
    send_dm,
    signed_text,
    take_request,
    verify_request,
)
from serbero.mostro.node_info import Transport

DISPUTE: Final = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
ORDER: Final = "6a1f4e0c-9f3d-4c59-b4a4-3a8a2f7f5d21"
KEY: Final = "49248080aac7aae17d0baffaa78224684f8697bd440e8adef05936145338c069"


def body(**changes: Any) -> dict[str, Any]:
    """A body that can be read, with ``changes``."""
    return {"version": 2, "action": "cant-do"} | changes


def parsed(wrapper: str = "dispute", **changes: Any) -> Message | MessageRejection:
    return parse_message(json.dumps({wrapper: body(**changes)}))


def read(wrapper: str = "dispute", **changes: Any) -> Message:
    message = parsed(wrapper, **changes)
    assert isinstance(message, Message)
    return message


@pytest.mark.parametrize("wrapper", ["order", "dispute", "cant-do", "rate", "dm", "restore", "new"])
def test_any_wrapper_and_unknown_fields(wrapper: str) -> None:
    assert read(wrapper, future={"a": [1, None]}) == Message(
        wrapper, 2, None, None, "cant-do", None
    )


@pytest.mark.parametrize("action", ["melt-down", "Cant-Do", "🦆"])
def test_an_unknown_action_is_kept_as_text(action: str) -> None:
    assert read(action=action).action == action
    assert read(action=action).action not in set(Action)


@pytest.mark.parametrize("action", ["", " cant-do", "cant-do\n", "a  b", "x" * 65, 7, None, ["a"]])
def test_a_name_that_would_need_repair_is_no_action(action: object) -> None:
    """Repaired it could pass for one that means something."""
    assert parsed(action=action) == MessageRejection.ACTION


def test_ids_are_spelled_one_way() -> None:
    assert read(id=DISPUTE.upper()).id == DISPUTE
    assert read(id=None).id is None
    assert read(payload={"dispute": [DISPUTE.title(), None]}).payload == DisputePayload(
        DISPUTE, None
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": None}, MessageRejection.VERSION),
        ({"version": 256}, MessageRejection.VERSION),
        ({"version": -1}, MessageRejection.VERSION),
        ({"version": True}, MessageRejection.VERSION),
        ({"version": 2.0}, MessageRejection.VERSION),
        ({"version": "2"}, MessageRejection.VERSION),
        ({"request_id": -1}, MessageRejection.REQUEST_ID),
        ({"request_id": 2**64}, MessageRejection.REQUEST_ID),
        ({"request_id": 1.0}, MessageRejection.REQUEST_ID),
        ({"request_id": False}, MessageRejection.REQUEST_ID),
        ({"request_id": "1"}, MessageRejection.REQUEST_ID),
        ({"trade_index": 2**63}, MessageRejection.TRADE_INDEX),
        ({"trade_index": "0"}, MessageRejection.TRADE_INDEX),
        ({"id": "1"}, MessageRejection.ID),
        ({"id": f"{{{DISPUTE}}}"}, MessageRejection.ID),
        ({"id": 1}, MessageRejection.ID),
        ({"payload": []}, MessageRejection.PAYLOAD),
        ({"payload": {}}, MessageRejection.PAYLOAD),
        ({"payload": ""}, MessageRejection.PAYLOAD),
        ({"payload": {"a": 1, "b": 2}}, MessageRejection.PAYLOAD),
        ({"payload": {"dispute": DISPUTE}}, MessageRejection.PAYLOAD),
        ({"payload": {"dispute": [DISPUTE]}}, MessageRejection.PAYLOAD),
        ({"payload": {"dispute": ["x", None]}}, MessageRejection.PAYLOAD),
        ({"payload": {"dispute": [DISPUTE, "facts"]}}, MessageRejection.PAYLOAD),
        ({"payload": {"dispute": [DISPUTE, {}]}}, MessageRejection.ORDER_ID),
        ({"payload": {"dispute": [DISPUTE, {"id": "x"}]}}, MessageRejection.ORDER_ID),
        ({"payload": {"peer": {"pubkey": "npub1"}}}, MessageRejection.PAYLOAD),
        ({"payload": {"peer": KEY}}, MessageRejection.PAYLOAD),
        ({"payload": {"text_message": None}}, MessageRejection.PAYLOAD),
        ({"payload": {"bond_resolution": {"slash_buyer": True}}}, MessageRejection.PAYLOAD),
        ({"payload": {"bond_resolution": True}}, MessageRejection.PAYLOAD),
    ],
)
def test_a_wrong_value_has_its_own_reason(
    changes: dict[str, Any], reason: MessageRejection
) -> None:
    assert parsed(**changes) == reason


@pytest.mark.parametrize("value", [0, 2**53 + 1, 2**64 - 1])
def test_request_ids_are_kept_exactly(value: int) -> None:
    assert read(request_id=value).request_id == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"dispute"',
        "{}",
        '{"dispute":{},"order":{}}',
        '{"":{"version":2,"action":"x"}}',
        '{" dispute":{"version":2,"action":"x"}}',
    ],
)
def test_no_single_wrapper_no_message(text: str) -> None:
    assert parse_message(text) in (MessageRejection.JSON, MessageRejection.WRAPPER)


@pytest.mark.parametrize("inner", ["null", "[]", "1", '"x"'])
def test_a_wrapper_needs_a_body(inner: str) -> None:
    assert parse_message(f'{{"dispute":{inner}}}') == MessageRejection.BODY


HEAD: Final = '{"dispute":{"version":2,"action":"cant-do"'


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + "}} trailing",
        HEAD + ',"action":"admin-took-dispute"}}',
        HEAD + ',"x":{"a":1,"a":1}}}',
        HEAD + ',"x":NaN}}',
        HEAD + ',"x":-Infinity}}',
        HEAD + ',"request_id":' + "9" * 5000 + "}}",
        HEAD + ',"x":' + "[" * 40 + "]" * 40 + "}}",
        HEAD + ',"x":' + "[" * 20_000 + "]" * 20_000 + "}}",
        HEAD + ',"x":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}}",
        "[" * 60_000,
        HEAD + ',"x":"\\ud800"}}',
        HEAD + ',"\\udfff":1}}',
        HEAD + ',"x":"\ud800"}}',
        "\ufeff" + HEAD + "}}",
        '{"dispute":1' + "\x00}",
    ],
)
def test_json_with_a_trap_is_refused(text: str) -> None:
    """None of these means one thing to every reader, or anything at all."""
    assert parse_message(text) == MessageRejection.JSON


def test_a_whole_surrogate_pair_is_a_character() -> None:
    text = HEAD + ',"payload":{"text_message":"\\ud83e\\udd86"}}}'
    message = parse_message(text)
    assert isinstance(message, Message)
    assert message.payload == TextMessage("🦆")


def test_a_text_beyond_all_messages_is_not_even_read() -> None:
    padding = " " * 65_536
    assert parse_message(HEAD + "}}" + padding) == MessageRejection.TOO_LARGE


@pytest.mark.parametrize("reason", list(CantDoReason))
def test_every_known_refusal(reason: CantDoReason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)+", reason)
    assert read(payload={"cant_do": reason.value}).payload == CantDo(reason)


@pytest.mark.parametrize(
    ("written", "reason"),
    [("on_holiday", "on_holiday"), (None, None), (5, None), ({"why": 1}, None), ("", None)],
)
def test_a_refusal_stays_one_whatever_its_reason(written: object, reason: str | None) -> None:
    assert read(payload={"cant_do": written}).payload == CantDo(reason)


def test_actions_and_reasons_of_the_protocol_are_all_there() -> None:
    assert (len(Action), len(CantDoReason)) == (51, 36)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", action) for action in Action)


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ({"payment_request": [None, "lnbc1secretinvoice", 5]}, "payment_request"),
        ({"order": {"id": ORDER, "buyer_invoice": "lnbc1secretinvoice"}}, "order"),
        ({"orders": ["lnbc1secretinvoice"]}, "orders"),
        ({"next_trade": [KEY, 1]}, "next_trade"),
        ({"cashu_signatures": {"sig": "lnbc1secretinvoice"}}, "cashu_signatures"),
        ({"brand_new": {"deep": [1]}}, "brand_new"),
        ("payment_failed", "payment_failed"),
    ],
)
def test_of_other_payloads_only_the_name_remains(payload: object, name: str) -> None:
    message = read(payload=payload)
    assert message.payload == OtherPayload(name)
    assert "secretinvoice" not in repr(message)
    with pytest.raises(UnwritableError):
        canonical(message)


def test_the_facts_of_a_dispute_cannot_be_written_again() -> None:
    with pytest.raises(UnwritableError):
        canonical(read(payload={"dispute": [DISPUTE, {"id": ORDER}]}))
    with pytest.raises(UnwritableError):
        canonical(send_dm("half a pair: \ud800", None))


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (
            take_request(DISPUTE, 1001, Transport.NIP44.message_version),
            '{"dispute":{"version":2,"request_id":1001,"trade_index":null,'
            f'"id":"{DISPUTE}","action":"admin-take-dispute","payload":null}}}}',
        ),
        (
            take_request(DISPUTE, 7, Transport.GIFT_WRAP.message_version),
            '{"dispute":{"version":1,"request_id":7,"trade_index":null,'
            f'"id":"{DISPUTE}","action":"admin-take-dispute","payload":null}}}}',
        ),
        (
            send_dm('a "b" /\\ \n\x01\x7f ñ漢', None),
            '{"dm":{"version":2,"request_id":null,"trade_index":null,"action":"send-dm",'
            '"payload":{"text_message":"a \\"b\\" /\\\\ \\n\\u0001\x7f ñ漢"}}}',
        ),
        (
            send_dm("x", DISPUTE),
            '{"dm":{"version":2,"request_id":null,"trade_index":null,'
            f'"id":"{DISPUTE}","action":"send-dm","payload":{{"text_message":"x"}}}}}}',
        ),
        (
            Message("order", 2, 5, ORDER, Action.ADMIN_CANCEL, BondResolution(False, True)),
            '{"order":{"version":2,"request_id":5,"trade_index":null,'
            f'"id":"{ORDER}","action":"admin-cancel",'
            '"payload":{"bond_resolution":{"slash_seller":false,"slash_buyer":true}}}}',
        ),
        (
            Message("order", 2, 5, ORDER, Action.ADMIN_TOOK_DISPUTE, PeerPayload(KEY)),
            '{"order":{"version":2,"request_id":5,"trade_index":null,'
            f'"id":"{ORDER}","action":"admin-took-dispute",'
            f'"payload":{{"peer":{{"pubkey":"{KEY}","reputation":null}}}}}}}}',
        ),
    ],
    ids=["take v2", "take v1", "dm", "dm about a dispute", "cancel", "peer"],
)
def test_written_as_the_reference_writes(message: Message, written: str) -> None:
    assert canonical(message) == written
    assert parse_message(written) == message
    assert signed_text(json.loads(written)) == written


def test_a_signature_covers_the_text_written_anew() -> None:
    """Order, blanks, unknown fields, case of ids and nulls left out do not survive a rewriting."""
    raw = {
        "payload": {"bond_resolution": {"slash_buyer": True, "why": 1, "slash_seller": False}},
        "future": 1,
        "action": "admin-settle",
        "trade_index": 3,
        "id": ORDER.upper(),
        "version": 2,
    }
    assert signed_text({"order": raw}) == (
        '{"order":{"version":2,"request_id":null,"trade_index":3,'
        f'"id":"{ORDER}","action":"admin-settle",'
        '"payload":{"bond_resolution":{"slash_seller":false,"slash_buyer":true}}}}'
    )


BOND: Final = BondResolution(slash_seller=False, slash_buyer=True)
PAYOUT: Final = OtherPayload("bond_payout_request")
WITH_ID: Final = ["admin-take-dispute", "admin-add-solver", "dispute", "cancel", "release"]
CLOSING: Final = ["admin-settle", "admin-cancel"]


@pytest.mark.parametrize("action", WITH_ID)
def test_requests_that_need_an_id_and_no_bond(action: str) -> None:
    def verified(identifier: str | None, payload: Any) -> bool:
        return verify_request(Message("order", 2, 1, identifier, action, payload))

    assert [verified(ORDER, each) for each in (None, TextMessage("npub1"), BOND, PAYOUT)] == [
        True,
        True,
        False,
        False,
    ]
    assert not verified(None, None)


@pytest.mark.parametrize("action", CLOSING)
def test_requests_that_may_carry_a_bond(action: str) -> None:
    def verified(identifier: str | None, payload: Any) -> bool:
        return verify_request(Message("order", 2, 1, identifier, action, payload))

    assert [verified(ORDER, each) for each in (None, BOND, PAYOUT, TextMessage("x"))] == [
        True,
        True,
        False,
        False,
    ]
    assert not verified(None, None)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.fixed_dictionaries(
    {"version": st.integers(0, 255) | JSON, "action": st.sampled_from(list(Action)) | JSON},
    optional={
        "request_id": st.integers(0, 2**64) | JSON,
        "trade_index": JSON,
        "id": st.uuids().map(str) | JSON,
        "payload": st.dictionaries(
            st.sampled_from(["dispute", "cant_do", "peer", "text_message", "order", "new"]),
            JSON | st.tuples(st.uuids().map(str), st.fixed_dictionaries({"id": JSON})).map(list),
            max_size=2,
        )
        | JSON,
    },
)


@given(value=st.dictionaries(st.sampled_from(["dispute", "dm", "x"]), FIELDS, max_size=2) | JSON)
@settings(deadline=None, max_examples=400)
def test_any_json_is_a_message_or_a_reason(value: object) -> None:
    """A message that can be written reads back as itself."""
    message = parse_message(json.dumps(value))
    assert isinstance(message, Message | MessageRejection)
    if isinstance(message, Message):
        try:
            text = canonical(message)
        except UnwritableError:
            return
        assert parse_message(text) == message


@given(text=st.text(st.characters()) | st.binary().map(lambda raw: raw.decode("latin-1")))
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_message_or_a_reason(text: str) -> None:
    assert isinstance(parse_message(text), Message | MessageRejection)


@given(
    cut=st.integers(0, 160),
    inserted=st.sampled_from(["", '"', "\\", "{", "[", "0", ",", "null", "\x00", "\ud800", "é"]),
)
@settings(deadline=None, max_examples=200)
def test_one_changed_character_is_read_or_refused(cut: int, inserted: str) -> None:
    text = canonical(take_request(DISPUTE, 1001, 2))
    changed = text[:cut] + inserted + text[cut + 1 :]
    assert isinstance(parse_message(changed), Message | MessageRejection)
