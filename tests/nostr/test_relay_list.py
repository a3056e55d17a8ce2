"""A published relay list (NIP-65): verified, told apart by marker, spelled one way."""

import json

import pytest
from nostr_sdk import Event, Keys

from serbero.nostr.relay_list import RELAY_LIST_KIND, RelayList, RelayListRejection, relay_list
from serbero.nostr.signing import signed

NODE = Keys.parse("31" * 32)
HEX = NODE.public_key().to_hex()
AT = 1_767_225_600


def listed(*tags: list[str]) -> RelayList:
    parsed = relay_list(signed(NODE, RELAY_LIST_KIND, "", tags, AT), HEX)
    assert isinstance(parsed, RelayList)
    return parsed


def test_a_node_writes_entries_without_marker() -> None:
    event = signed(NODE, RELAY_LIST_KIND, "", [["r", "wss://a.example"]], AT)
    both = ("wss://a.example",)
    assert relay_list(event, HEX) == RelayList(event.id().to_hex(), AT, both, both)


def test_markers_tell_reading_from_writing() -> None:
    parsed = listed(
        ["r", "wss://both.example"],
        ["r", "wss://read.example", "read"],
        ["r", "wss://write.example", "write"],
        ["r", "wss://blank.example", ""],
        ["r", "wss://odd.example", "listen"],
    )
    assert parsed.read == ("wss://both.example", "wss://read.example", "wss://blank.example")
    assert parsed.write == ("wss://both.example", "wss://write.example", "wss://blank.example")


def test_one_spelling_for_one_relay() -> None:
    assert listed(["r", "WSS://A.example:443/"], ["r", "wss://a.example"]).read == (
        "wss://a.example",
    )


@pytest.mark.parametrize(
    "tag", [["r"], ["r", ""], ["r", "https://a.example"], ["relay", "wss://a.example"], ["r", "x"]]
)
def test_what_is_no_relay_is_left_out(tag: list[str]) -> None:
    parsed = listed(tag, ["r", "wss://b.example"])
    assert parsed.read == parsed.write == ("wss://b.example",)


def test_a_list_of_thousands_is_cut() -> None:
    assert len(listed(*(["r", f"wss://r{each}.example"] for each in range(3000))).read) == 100


def test_checks_run_in_the_stated_order() -> None:
    raw = json.loads(signed(NODE, 1, "", [], AT).as_json())
    raw |= {"sig": "0" * 128, "content": "changed", "pubkey": "ab" * 32}
    order = []
    for change in ({}, {"kind": RELAY_LIST_KIND}, {"pubkey": HEX}):
        raw |= change
        order.append(relay_list(Event.from_json(json.dumps(raw)), HEX))
    genuine = json.loads(signed(NODE, RELAY_LIST_KIND, "", [], AT).as_json())
    order.append(relay_list(Event.from_json(json.dumps(genuine | {"sig": "0" * 128})), HEX))
    order.append(relay_list(signed(NODE, RELAY_LIST_KIND, "", [], 2**60), HEX))
    assert order == list(RelayListRejection)
