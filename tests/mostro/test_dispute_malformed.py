"""What a careless or hostile author signs, and what nobody signed: refused with a reason."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, NostrSdkError

from serbero.mostro.dispute_event import Rejection, Revision, parse_dispute_event
from serbero.simulator.events import KIND_DISPUTE, dispute_tags, signed
from serbero.simulator.malformed import badly_signed, odd_but_valid, wrongly_tagged

NODE = Keys.parse("31" * 32)
NODE_HEX = NODE.public_key().to_hex()
AT = 1_767_225_600
DISPUTE = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"

WRONG = wrongly_tagged(NODE, AT)
FORGED = badly_signed(NODE, AT)
ODD = odd_but_valid(NODE, AT)


def test_there_are_enough_shapes() -> None:
    assert len(WRONG) + len(FORGED) >= 60
    assert len(set(WRONG.values()) | set(FORGED.values())) == len(WRONG) + len(FORGED)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tags_are_refused(name: str) -> None:
    parsed = parse_dispute_event(Event.from_json(WRONG[name]), NODE_HEX, AT)
    assert isinstance(parsed, Rejection)
    assert parsed not in (Rejection.KIND, Rejection.AUTHOR, Rejection.ID, Rejection.SIGNATURE)


@pytest.mark.parametrize("name", FORGED)
def test_what_the_node_never_signed_is_refused(name: str) -> None:
    """By the library where the text is no event, else by our own checks."""
    try:
        event = Event.from_json(FORGED[name])
    except NostrSdkError:
        return
    parsed = parse_dispute_event(event, NODE_HEX, AT)
    assert parsed in (Rejection.KIND, Rejection.AUTHOR, Rejection.ID, Rejection.SIGNATURE)


@pytest.mark.parametrize("name", ODD)
def test_unusual_is_not_wrong(name: str) -> None:
    assert isinstance(parse_dispute_event(Event.from_json(ODD[name]), NODE_HEX, AT), Revision)


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.sampled_from(["d", "s", "z", "expiration", "initiator", "created_at", "p", "y"]) | TEXT
VALUES = (
    st.sampled_from([DISPUTE, "initiated", "settled", "dispute", "buyer", "1", str(AT), "-1"])
    | TEXT
)
TAGS = st.lists(
    st.one_of(
        st.lists(TEXT, min_size=1, max_size=4),
        st.tuples(NAMES, VALUES).map(list),
        st.tuples(NAMES).map(list),
    ),
    max_size=12,
)


@given(tags=TAGS, content=TEXT, kind=st.sampled_from([KIND_DISPUTE] * 9 + [1]))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_any_signed_tags_and_content(tags: list[list[str]], content: str, kind: int) -> None:
    """A revision or a named reason; a revision is one that a database and a person can hold."""
    parsed = parse_dispute_event(signed(NODE, kind, content, tags, AT), NODE_HEX, AT)
    assert isinstance(parsed, Revision | Rejection)
    if isinstance(parsed, Revision):
        assert parsed.dispute_id == parsed.dispute_id.lower()
        assert parsed.initiator in ("buyer", "seller", "unknown")
        assert parsed.opened_at is None or 0 < parsed.opened_at <= 2**53


@given(extra=TAGS, data=st.data())
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_a_true_revision_among_noise_is_still_read(
    extra: list[list[str]], data: st.DataObject
) -> None:
    true = dispute_tags(DISPUTE, "in-progress", AT)
    names = {tag[0] for tag in true} | {"p"}
    noise = [tag for tag in extra if tag[0] not in names]
    tags = data.draw(st.permutations([*true, *noise]))
    parsed = parse_dispute_event(signed(NODE, KIND_DISPUTE, "", tags, AT), NODE_HEX, AT)
    assert isinstance(parsed, Revision)
    assert (parsed.dispute_id, parsed.status.value) == (DISPUTE, "in-progress")


@given(position=st.integers(0, 10_000), replacement=st.characters(categories=["L", "N"]))
@settings(deadline=None, max_examples=150)
def test_one_changed_character_never_makes_another_revision(
    position: int, replacement: str
) -> None:
    """A forged copy of a true event is refused, or says exactly what the true one says."""
    true = signed(NODE, KIND_DISPUTE, "", dispute_tags(DISPUTE, "initiated", AT), AT)
    text = true.as_json()
    at = position % len(text)
    try:
        event = Event.from_json(text[:at] + replacement + text[at + 1 :])
    except NostrSdkError:
        return
    parsed = parse_dispute_event(event, NODE_HEX, AT)
    if isinstance(parsed, Revision):
        assert parsed == parse_dispute_event(true, NODE_HEX, AT)
        assert json.loads(event.as_json()) == json.loads(text)
