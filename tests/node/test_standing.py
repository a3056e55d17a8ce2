"""How the node is spoken to, from what it says and what the operator wants."""

from dataclasses import replace

import pytest

from serbero.mostro.node_info import NodeInfo, Transport
from serbero.node.standing import NoWay, NoWayReason, Wanted, Way, decide

OWN, OTHER = "11" * 32, "22" * 32

V2 = NodeInfo(
    node="aa" * 32,
    event_id="01" * 32,
    created_at=1_767_225_600,
    transport=Transport.NIP44,
    protocol_version="2",
    pow=4,
    pow_first_contact=12,
    serbero=None,
    version="0.18.5",
    name=None,
    cltv_delta=144,
    bond_enabled=None,
    networks=(),
)
V1 = replace(V2, transport=Transport.GIFT_WRAP, protocol_version="1")
UNSUPPORTED = replace(V2, transport=None, protocol_version="3")


def _way(info: NodeInfo, wanted: Wanted = "auto") -> Way:
    found = decide(info, wanted, OWN)
    assert isinstance(found, Way)
    return found


def test_version_2_is_spoken_to_directly_with_the_work_of_a_stranger() -> None:
    assert _way(V2) == Way(Transport.NIP44, 2, 12, first_contact_known=True, rival=None)


def test_version_1_is_spoken_to_in_wraps_and_wants_no_more_of_strangers() -> None:
    assert _way(V1) == Way(Transport.GIFT_WRAP, 1, 4, first_contact_known=True, rival=None)


@pytest.mark.parametrize(
    ("base", "first_contact", "bits", "known"),
    [(4, None, 4, False), (4, 2, 4, True), (None, 12, 12, True), (None, None, 0, False)],
)
def test_work_that_is_not_told_is_not_known(
    base: int | None, first_contact: int | None, bits: int, known: bool
) -> None:
    way = _way(replace(V2, pow=base, pow_first_contact=first_contact))
    assert (way.bits, way.first_contact_known) == (bits, known)


def test_on_version_1_an_absent_first_contact_tag_hides_nothing() -> None:
    assert _way(replace(V1, pow_first_contact=None)).first_contact_known


@pytest.mark.parametrize("wanted", ["auto", "nip44", "gift-wrap"])
def test_without_an_info_event_there_is_no_way_whatever_is_forced(wanted: Wanted) -> None:
    assert decide(None, wanted, OWN) == NoWay(NoWayReason.NO_INFO)


def test_an_unknown_version_is_no_way_unless_a_transport_is_forced() -> None:
    assert decide(UNSUPPORTED, "auto", OWN) == NoWay(NoWayReason.UNSUPPORTED_VERSION)
    assert _way(UNSUPPORTED, "nip44").version == 2
    assert _way(UNSUPPORTED, "gift-wrap").version == 1


def test_a_forced_transport_overrides_the_node_s_and_its_work_goes_with_it() -> None:
    assert _way(V2, "gift-wrap") == Way(Transport.GIFT_WRAP, 1, 4, True, None)
    assert _way(V1, "nip44") == Way(Transport.NIP44, 2, 12, True, None)


@pytest.mark.parametrize(("named", "rival"), [(None, None), (OWN, None), (OTHER, OTHER)])
def test_another_assistant_is_a_rival(named: str | None, rival: str | None) -> None:
    assert _way(replace(V2, serbero=named)).rival == rival
