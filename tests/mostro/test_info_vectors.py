"""The node's info event: every vector, the tags of every node version, and hostile ones."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nostr_sdk import Event, Keys
from tests.mostro.transport_vectors import INFO, NODE, NOW, event_of

from serbero.mostro.node_info import INFO_KIND, InfoRejection, NodeInfo, Transport, parse_info_event
from serbero.nostr.replaceable import newest
from serbero.nostr.signing import signed

OURS = Keys.parse("31" * 32)
OUR_HEX = OURS.public_key().to_hex()

READ = [case for case in INFO["events"] if case["expect"]["accept"]]
REFUSED = [case for case in INFO["events"] if not case["expect"]["accept"]]


def info(*tags: list[str], d: str = OUR_HEX, at: int = NOW) -> NodeInfo | InfoRejection:
    return parse_info_event(signed(OURS, INFO_KIND, "", [["d", d], *tags], at), OUR_HEX)


def info_with(*tags: list[str]) -> NodeInfo:
    parsed = info(*tags)
    assert isinstance(parsed, NodeInfo)
    return parsed


def name_of(case: dict[str, Any]) -> str:
    return str(case["name"])


def test_vectors_are_all_there() -> None:
    assert (len(READ), len(REFUSED)) == (11, 3)


@pytest.mark.parametrize("case", READ, ids=name_of)
def test_read(case: dict[str, Any]) -> None:
    parsed = parse_info_event(event_of(case), NODE)
    assert isinstance(parsed, NodeInfo)
    expect = case["expect"]
    for name in ("transport", "pow", "pow_first_contact", "bond_enabled", "serbero", "name"):
        if name in expect:
            assert getattr(parsed, name) == expect[name], name
    assert (parsed.event_id, parsed.created_at) == (
        case["event"]["id"],
        case["event"]["created_at"],
    )
    assert (parsed.node, parsed.cltv_delta, parsed.networks) == (NODE, 144, ("regtest",))
    tags = {tag[0]: tag[1] for tag in case["event"]["tags"]}
    assert parsed.version == tags["mostro_version"]
    assert parsed.protocol_version == tags.get("protocol_version")


@pytest.mark.parametrize("case", REFUSED, ids=name_of)
def test_refused_for_the_named_reason(case: dict[str, Any]) -> None:
    assert parse_info_event(event_of(case), NODE) == InfoRejection(case["expect"]["reason"])


def test_the_newest_revision_wins() -> None:
    (older,) = (case for case in READ if "superseded_by" in case["expect"])
    (newer,) = (case for case in READ if case["name"] == older["expect"]["superseded_by"])
    found = newest([event_of(newer), event_of(older)])
    assert found is not None
    assert found.id().to_hex() == newer["event"]["id"]


def test_the_instance_name_is_the_second_value_of_y() -> None:
    assert info_with(["y", "mostro", "  Lagoon \n Nr. 2 "]).name == "Lagoon Nr. 2"
    assert info_with(["y", "mostro", " "]).name is None
    assert info_with(["y", "mostro", "x" * 5000]).name == "x" * 100


@pytest.mark.parametrize(
    ("tag", "transport", "written"),
    [
        ([], Transport.GIFT_WRAP, None),
        (["protocol_version", "1"], Transport.GIFT_WRAP, "1"),
        (["protocol_version", "2"], Transport.NIP44, "2"),
        (["protocol_version", "02"], None, "02"),
        (["protocol_version", " 2"], None, "2"),
        (["protocol_version", "2.1"], None, "2.1"),
        (["protocol_version", ""], None, ""),
        (["protocol_version"], None, ""),
    ],
)
def test_only_exact_versions_are_spoken(
    tag: list[str], transport: Transport | None, written: str | None
) -> None:
    """Never guess: what is neither 1 nor 2 nor absent is a version we do not speak."""
    parsed = info_with(*([tag] if tag else []))
    assert (parsed.transport, parsed.protocol_version) == (transport, written)


@pytest.mark.parametrize(
    ("written", "bits"),
    [("0", 0), ("24", 24), ("255", 255), ("256", None), ("-1", None), ("1e1", None), ("", None)],
)
def test_work_is_a_number_of_bits_or_unknown(written: str, bits: int | None) -> None:
    parsed = info_with(["pow", written], ["pow_first_contact", written])
    assert (parsed.pow, parsed.pow_first_contact) == (bits, bits)


def test_nothing_but_the_key_is_needed() -> None:
    parsed = info_with()
    assert (parsed.pow, parsed.pow_first_contact, parsed.serbero) == (None, None, None)
    assert (parsed.version, parsed.bond_enabled, parsed.networks) == (None, None, ())


def test_networks_are_a_short_list() -> None:
    assert info_with(["lnd_networks", " mainnet,,signet\n"]).networks == ("mainnet", "signet")
    assert len(info_with(["lnd_networks", ",".join("abcdefghijklm") * 50]).networks) == 8


def test_an_assistant_is_named_by_a_key() -> None:
    assert info_with(["serbero", "AB" * 32]).serbero == "ab" * 32
    assert info_with(["serbero", "npub1assistant"]).serbero is None


def test_checks_run_in_the_stated_order() -> None:
    """Kind, author, id, signature, time, d: the first that fails names the reason."""
    raw = json.loads(signed(OURS, 1, "", [], 2**60).as_json())
    raw |= {"sig": "0" * 128, "content": "changed", "pubkey": "ab" * 32}
    order = []
    for change in ({}, {"kind": INFO_KIND}, {"pubkey": OUR_HEX}):
        raw |= change
        order.append(parse_info_event(Event.from_json(json.dumps(raw)), OUR_HEX))
    genuine = json.loads(signed(OURS, INFO_KIND, "", [], NOW).as_json())
    order += [
        parse_info_event(Event.from_json(json.dumps(genuine | {"sig": "0" * 128})), OUR_HEX),
        info(d="x", at=2**60),
        info(d="x"),
    ]
    assert order == list(InfoRejection)


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)
NAMES = st.sampled_from(
    ["pow", "pow_first_contact", "protocol_version", "y", "serbero", "lnd_networks", "d", "z"]
)


@given(
    tags=st.lists(
        st.tuples(NAMES, st.lists(TEXT | st.sampled_from(["1", "2", "12", "mostro"]), max_size=2)),
        max_size=10,
    )
)
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_any_tags_are_read(tags: list[tuple[str, list[str]]]) -> None:
    parsed = info(*([name, *values] for name, values in tags))
    assert isinstance(parsed, NodeInfo)
    assert parsed.pow is None or 0 <= parsed.pow <= 255
    assert (parsed.name or "x").isprintable()
    assert parsed.transport in (None, *Transport)
