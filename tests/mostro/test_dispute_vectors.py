"""Every dispute event of the vectors: parsed as stated, or refused for the stated reason."""

import json
import random
from typing import Any

import pytest
from nostr_sdk import Event, Keys
from tests.mostro.dispute_vectors import NODE, NODE_SECRET, NOW, VECTORS, event_of

from serbero.mostro.dispute_event import Rejection, Revision, parse_dispute_event
from serbero.simulator.events import CURRENT, NEWER, OLDER, DisputeStyle, dispute_tags, signed

DISPUTE = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"
AT = 1_767_225_600


def parse_tags(tags: list[list[str]], *, kind: int = 38386, now: int = NOW) -> Revision | Rejection:
    keys = Keys.parse(NODE_SECRET)
    return parse_dispute_event(signed(keys, kind, "", tags, AT), NODE, now)


@pytest.mark.parametrize("case", VECTORS["events"], ids=lambda case: case["name"])
def test_event(case: dict[str, Any]) -> None:
    expect = case["expect"]
    event = event_of(case["event"])
    parsed = parse_dispute_event(event, NODE, expect.get("now", NOW))
    if not expect["accept"]:
        assert parsed == Rejection(expect["reason"])
        return
    assert isinstance(parsed, Revision)
    wanted = expect["parsed"]
    assert (parsed.dispute_id, parsed.status.value) == (wanted["dispute_id"], wanted["status"])
    assert (parsed.initiator, parsed.opened_at) == (wanted["initiator"], wanted["opened_at"])
    assert parsed.created_at == wanted["revision_at"]
    assert parsed.status.terminal == wanted["terminal"]
    assert (parsed.event_id, parsed.node) == (case["event"]["id"], NODE)


def test_vectors_are_all_there() -> None:
    assert len(VECTORS["events"]) == 23
    assert sum(not case["expect"]["accept"] for case in VECTORS["events"]) == 11


@pytest.mark.parametrize("style", [OLDER, CURRENT, NEWER], ids=["older", "current", "newer"])
@pytest.mark.parametrize(
    "status",
    [
        "initiated",
        "in-progress",
        "settled",
        "seller-refunded",
        "released",
        "cooperatively-canceled",
    ],
)
def test_every_node_version_writes_every_status(style: DisputeStyle, status: str) -> None:
    """Section 12 of the protocol: renamed tag and new statuses are tolerated, both forms."""
    parsed = parse_tags(dispute_tags(DISPUTE, status, AT, opened_at=AT - 60, style=style))
    assert isinstance(parsed, Revision)
    assert parsed.status.value == status
    assert parsed.opened_at == (None if style.opened_tag is None else AT - 60)


def test_tag_order_and_unknown_tags_do_not_matter() -> None:
    tags = dispute_tags(DISPUTE, "in-progress", AT)
    reference = parse_tags(tags)
    assert isinstance(reference, Revision)
    shuffler = random.Random(7)
    for _ in range(20):
        mixed = [*tags, ["future", "a", "b"], ["e"], [""], ["s2", "settled"], ["D", "x"]]
        shuffler.shuffle(mixed)
        parsed = parse_tags(mixed)
        assert isinstance(parsed, Revision)
        assert (parsed.dispute_id, parsed.status) == (reference.dispute_id, reference.status)
        assert (parsed.initiator, parsed.opened_at) == (reference.initiator, reference.opened_at)


def test_the_first_of_repeated_tags_counts() -> None:
    parsed = parse_tags([*dispute_tags(DISPUTE, "initiated", AT), ["s", "settled"], ["d", "x"]])
    assert isinstance(parsed, Revision)
    assert (parsed.status.value, parsed.dispute_id) == ("initiated", DISPUTE)


def test_id_in_capitals_is_the_same_dispute() -> None:
    parsed = parse_tags(dispute_tags(DISPUTE.upper(), "initiated", AT))
    assert isinstance(parsed, Revision)
    assert parsed.dispute_id == DISPUTE


@pytest.mark.parametrize(
    "text",
    [
        "{0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10}",
        "urn:uuid:0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10",
        "0f9c2b515a0e4d0d8e0b6d9f6f1c7a10",
        "0f9c2b51-5a0e-4d0d-8e0b6d9f6f1c7a10-",
        " f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10",
        "\u0660f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10",
    ],
)
def test_other_spellings_of_a_uuid_are_none(text: str) -> None:
    """One dispute has one id; a second spelling would be a second dispute."""
    assert parse_tags(dispute_tags(text, "initiated", AT)) == Rejection.D_NOT_A_UUID


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1767225600", 1_767_225_600),
        ("0", None),
        ("-5", None),
        ("1e9", None),
        (" 17", None),
        ("\u0661\u0667\u0666\u0667", None),
        ("9" * 16, None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_opening_time_is_a_positive_integer_or_absent(written: str, read: int | None) -> None:
    tags = [tag for tag in dispute_tags(DISPUTE, "initiated", AT) if tag[0] != "created_at"]
    for name in ("created_at", "published_at"):
        parsed = parse_tags([*tags, [name, written]])
        assert isinstance(parsed, Revision)
        assert parsed.opened_at == read


@pytest.mark.parametrize(
    ("now", "refused"), [(NOW, False), (1_775_001_599, False), (1_775_001_600, True)]
)
def test_expires_at_its_very_second(now: int, refused: bool) -> None:
    tags = [tag for tag in dispute_tags(DISPUTE, "initiated", AT) if tag[0] != "expiration"]
    parsed = parse_tags([["expiration", "1775001600"], *tags], now=now)
    assert (parsed == Rejection.EXPIRED) is refused


@pytest.mark.parametrize(
    ("written", "refused"),
    [("0", True), ("1", True), ("soon", False), ("-1", False), ("", False), ("9" * 20, False)],
)
def test_an_expiration_is_a_time_or_nothing(written: str, refused: bool) -> None:
    tags = [tag for tag in dispute_tags(DISPUTE, "initiated", AT) if tag[0] != "expiration"]
    parsed = parse_tags([*tags, ["expiration", written]])
    assert (parsed == Rejection.EXPIRED) is refused


@pytest.mark.parametrize("written", ["buyer ", "Buyer", "both", "", "unknown", "seller\n"])
def test_an_initiator_nobody_knows_is_unknown(written: str) -> None:
    """A dispute is not lost for want of a word in it: stored and printed `unknown`."""
    parsed = parse_tags(dispute_tags(DISPUTE, "initiated", AT, initiator=written))
    assert isinstance(parsed, Revision)
    assert parsed.initiator == "unknown"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("AB" * 32, "ab" * 32),
        ("ab" * 32, "ab" * 32),
        ("npub1abc", None),
        ("", None),
        ("a" * 63, None),
    ],
)
def test_a_solver_is_taken_from_the_event_only_as_a_key(written: str, read: str | None) -> None:
    parsed = parse_tags([*dispute_tags(DISPUTE, "in-progress", AT), ["p", written]])
    assert isinstance(parsed, Revision)
    assert parsed.assigned_solver == read


def test_checks_run_in_the_stated_order() -> None:
    """Kind, author, id, signature, expiration, z, d, s: the first that fails names the reason."""
    keys = Keys.parse(NODE_SECRET)
    raw = json.loads(signed(keys, 1, "", [["expiration", "1"]], AT).as_json())
    raw |= {"sig": "0" * 128, "content": "changed", "pubkey": "ab" * 32}
    order = []
    for change in (
        {},
        {"kind": 38386},
        {"pubkey": NODE},
    ):
        raw |= change
        order.append(parse_dispute_event(event_of(raw), NODE, NOW))
    tags: list[list[str]] = [["expiration", "1"]]
    for addition in ([], ["z", "dispute"], ["d", "x"], ["d", DISPUTE], ["s", "x"]):
        if addition:
            tags = [tag for tag in tags if tag[0] not in ("expiration", addition[0])] + [addition]
        order.append(parse_tags(tags))
    assert order == [
        Rejection.KIND,
        Rejection.AUTHOR,
        Rejection.ID,
        Rejection.EXPIRED,
        Rejection.D_MISSING,
        Rejection.D_NOT_A_UUID,
        Rejection.STATUS_MISSING,
        Rejection.STATUS_UNKNOWN,
    ]


def test_a_time_no_database_holds_is_refused() -> None:
    keys = Keys.parse(NODE_SECRET)
    tags = [tag for tag in dispute_tags(DISPUTE, "initiated", AT) if tag[0] != "expiration"]
    event: Event = signed(keys, 38386, "", tags, 2**63 + 5)
    assert parse_dispute_event(event, NODE, NOW) == Rejection.TIME
