"""The facts of a taken dispute: garbled fields are lost, the answer is not; secrets never read."""

import json
import math
from dataclasses import asdict
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mostro.transport_vectors import V2, named

from serbero.mostro.dispute_info import DisputeInfo, Reputation, parse_dispute_info
from serbero.nostr.schnorr import is_point

_TEXT: Final = named(V2["valid"], "reply-admin-took-dispute")["message_json"]
FACTS: Final[dict[str, Any]] = json.loads(_TEXT)["dispute"]["payload"]["dispute"][1]
BUYER: Final = FACTS["buyer_pubkey"]
SELLER: Final = FACTS["seller_pubkey"]
STRANGER: Final = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
NO_POINT: Final = "0" * 63 + "5"
"""An x without a y: nobody owns this key."""


def info(**changes: Any) -> DisputeInfo:
    parsed = parse_dispute_info(FACTS | changes)
    assert parsed is not None
    return parsed


def test_every_fact_of_the_vector() -> None:
    assert info() == DisputeInfo(
        order_id="6a1f4e0c-9f3d-4c59-b4a4-3a8a2f7f5d21",
        kind="sell",
        status="dispute",
        previous_status="fiat-sent",
        buyer=BUYER,
        seller=SELLER,
        initiator_key=BUYER,
        initiator="buyer",
        initiator_full_privacy=False,
        counterpart_full_privacy=True,
        initiator_reputation=Reputation(4.5, 7, 92),
        counterpart_reputation=None,
        premium=1,
        payment_method="SEPA, Überweisung",
        amount=7851,
        fiat_amount=100,
        fee=47,
        routing_fee=0,
        invoice_held_at=1767218400,
        order_taken_at=1767218100,
        order_created_at=1767139200,
    )


@pytest.mark.parametrize(
    ("changes", "initiator"),
    [
        ({"initiator_pubkey": SELLER}, "seller"),
        ({"initiator_pubkey": SELLER.upper()}, "seller"),
        (
            {"initiator_pubkey": STRANGER},
            "unknown",
        ),
        ({"initiator_pubkey": None}, "unknown"),
        ({"initiator_pubkey": None, "seller_pubkey": None}, "unknown"),
        ({"seller_pubkey": BUYER}, "unknown"),
    ],
)
def test_the_initiator_is_told_by_the_keys(changes: dict[str, Any], initiator: str) -> None:
    assert info(**changes).initiator == initiator


@pytest.mark.parametrize("key", [None, "", "npub1", BUYER[:-1], "g" * 64, NO_POINT, 5, [BUYER]])
def test_a_key_nobody_owns_is_none(key: object) -> None:
    """No shared secret could be made with it."""
    parsed = info(buyer_pubkey=key)
    assert (parsed.buyer, parsed.initiator) == (None, "unknown")
    assert parsed.seller == SELLER


@pytest.mark.parametrize("order", [None, "", "6a1f4e0c", 7, {"id": 1}])
def test_without_an_order_there_is_no_answer(order: object) -> None:
    assert parse_dispute_info(FACTS | {"id": order}) is None


NUMBERS: Final = {
    "amount": "amount",
    "fiat_amount": "fiat_amount",
    "fee": "fee",
    "routing_fee": "routing_fee",
    "premium": "premium",
    "invoice_held_at": "invoice_held_at",
    "taken_at": "order_taken_at",
    "created_at": "order_created_at",
}


@pytest.mark.parametrize(("name", "field"), NUMBERS.items())
def test_numbers_are_whole_and_bounded(name: str, field: str) -> None:
    assert getattr(info(**{name: 2**53}), field) == 2**53
    for wrong in (2**53 + 1, -(2**53) - 1, 10**400, 1.5, 100.0, True, "7", None, [1], math.inf):
        assert getattr(info(**{name: wrong}), field) is None
    assert getattr(info(**{name: -3}), field) == (-3 if name == "premium" else None)


@pytest.mark.parametrize("name", ["invoice_held_at", "taken_at", "created_at"])
def test_the_time_zero_is_unknown(name: str) -> None:
    assert getattr(info(**{name: 0}), NUMBERS[name]) is None


@pytest.mark.parametrize(
    ("written", "rating"),
    [
        (0, 0.0),
        (5, 5.0),
        (4.25, 4.25),
        (5.0001, None),
        (-0.1, None),
        (10**400, None),
        (math.nan, None),
        (math.inf, None),
        (True, None),
        ("4.5", None),
        (None, None),
    ],
)
def test_a_rating_is_from_0_to_5(written: object, rating: float | None) -> None:
    reputation = info(counterpart_info={"rating": written, "reviews": "7"}).counterpart_reputation
    assert reputation == Reputation(rating, None, None)


def test_a_reputation_is_an_object() -> None:
    assert info(initiator_info=[4.5, 7, 92]).initiator_reputation is None


@pytest.mark.parametrize("flag", [0, 1, "true", None])
def test_privacy_is_a_truth_value_or_unknown(flag: object) -> None:
    assert info(initiator_full_privacy=flag).initiator_full_privacy is None


def test_the_makers_words_are_one_short_line() -> None:
    """They end up in people's terminals: no line breaks, escapes or hidden turns of direction."""
    hostile = "SEPA\n\x1b[31m  Bizum\u202e\x00" + "!" * 5000
    written = info(payment_method=hostile).payment_method
    assert written is not None
    assert written.startswith("SEPA [31m Bizum !!!")
    assert (len(written), written.isprintable()) == (200, True)
    assert info(payment_method={"x": 1}).payment_method is None


def test_an_order_alone_is_an_answer() -> None:
    """All else may be missing; then nobody can mediate, yet the dispute is known to be ours."""
    parsed = parse_dispute_info({"id": FACTS["id"]})
    assert parsed is not None
    known = {name for name, value in asdict(parsed).items() if value is not None}
    assert known == {"order_id", "initiator"}


@pytest.mark.parametrize("name", ["preimage", "hash", "buyer_invoice"])
def test_secrets_are_not_read_wherever_they_stand(name: str) -> None:
    """Whatever their type, none of what a mediator must not hold reaches a value."""
    for secret in ("5ec4e7" * 10, ["5ec4e7"], {"x": "5ec4e7"}):
        assert "5ec4e7" not in repr(info(**{name: secret}))


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=80),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["rating", "reviews", "operating_days"]), st.floats()),
)


@given(changes=st.dictionaries(st.sampled_from([*FACTS, "future"]), VALUES))
@settings(deadline=None, max_examples=100)
def test_any_garbled_field_costs_that_field_only(changes: dict[str, Any]) -> None:
    changes.pop("id", None)
    parsed, whole = info(**changes), info()
    for key in (parsed.buyer, parsed.seller, parsed.initiator_key):
        assert key is None or is_point(key)
    if not changes.keys() & {"amount", "fee", "initiator_info"}:
        assert (parsed.amount, parsed.fee) == (whole.amount, whole.fee)
        assert parsed.initiator_reputation == whole.initiator_reputation
