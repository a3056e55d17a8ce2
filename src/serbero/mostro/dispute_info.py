"""What a node tells the solver who took a dispute, without what a mediator must not hold.

Source: mostro-core, ``src/dispute.rs`` ``SolverDisputeInfo``. The node also sends the preimage
and the hash of the locked invoice and the buyer's payout invoice. Whoever has the preimage can
settle the escrow: these three are not read at all, so that no value of ours ever holds them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from serbero.mostro.untrusted import MAX_INTEGER, hex_of, is_integer, one_line, uuid_of
from serbero.nostr.schnorr import is_point

MAX_PAYMENT_METHOD: Final = 200
"""Characters kept of the maker's free text."""

_MAX_WORD: Final = 40
_MAX_RATING: Final = 5.0

Initiator = Literal["buyer", "seller", "unknown"]


@dataclass(frozen=True, slots=True)
class Reputation:
    """What the node knows of a party that trades under its reputation.

    Attributes:
        rating: from 0 to 5.
        reviews: how many it is made of.
        operating_days: since the first trade.
    """

    rating: float | None
    reviews: int | None
    operating_days: int | None


@dataclass(frozen=True, slots=True)
class DisputeInfo:
    """The facts of a disputed trade. What a node left out or garbled is None.

    Attributes:
        order_id: of the trade; settling and cancelling go by it.
        kind: ``buy`` or ``sell``, the maker's side.
        status: of the order.
        previous_status: before the dispute; ``fiat-sent`` says that the buyer declared payment.
        buyer: trade key in hex, a point of the curve.
        seller: likewise.
        initiator_key: trade key of the party that opened the dispute.
        initiator: which of the two that is.
        initiator_full_privacy: no reputation of the initiator is known anywhere.
        counterpart_full_privacy: likewise of the other party.
        initiator_reputation: of the initiator.
        counterpart_reputation: of the other party.
        premium: percent, may be negative.
        payment_method: the maker's words: untrusted, one line, capped.
        amount: sats.
        fiat_amount: whole units; the currency stands in the order event only.
        fee: the node's, sats.
        routing_fee: sats.
        invoice_held_at: Unix seconds when the escrow was locked; None where unknown.
        order_taken_at: Unix seconds when the order (not the dispute) was taken.
        order_created_at: Unix seconds.
    """

    order_id: str
    kind: str | None
    status: str | None
    previous_status: str | None
    buyer: str | None
    seller: str | None
    initiator_key: str | None
    initiator: Initiator
    initiator_full_privacy: bool | None
    counterpart_full_privacy: bool | None
    initiator_reputation: Reputation | None
    counterpart_reputation: Reputation | None
    premium: int | None
    payment_method: str | None
    amount: int | None
    fiat_amount: int | None
    fee: int | None
    routing_fee: int | None
    invoice_held_at: int | None
    order_taken_at: int | None
    order_created_at: int | None


def parse_dispute_info(fields: Mapping[str, Any]) -> DisputeInfo | None:
    """Read the object a node sent; None where it does not even name the order.

    A field of the wrong type costs that field, not the answer: a dispute is taken by then.
    """
    order_id = uuid_of(fields.get("id"))
    if order_id is None:
        return None
    buyer, seller = _key(fields.get("buyer_pubkey")), _key(fields.get("seller_pubkey"))
    initiator_key = _key(fields.get("initiator_pubkey"))
    return DisputeInfo(
        order_id=order_id,
        kind=one_line(fields.get("kind"), _MAX_WORD),
        status=one_line(fields.get("status"), _MAX_WORD),
        previous_status=one_line(fields.get("order_previous_status"), _MAX_WORD),
        buyer=buyer,
        seller=seller,
        initiator_key=initiator_key,
        initiator=_initiator(initiator_key, buyer, seller),
        initiator_full_privacy=_flag(fields.get("initiator_full_privacy")),
        counterpart_full_privacy=_flag(fields.get("counterpart_full_privacy")),
        initiator_reputation=_reputation(fields.get("initiator_info")),
        counterpart_reputation=_reputation(fields.get("counterpart_info")),
        premium=_signed(fields.get("premium")),
        payment_method=one_line(fields.get("payment_method"), MAX_PAYMENT_METHOD),
        amount=_count(fields.get("amount")),
        fiat_amount=_count(fields.get("fiat_amount")),
        fee=_count(fields.get("fee")),
        routing_fee=_count(fields.get("routing_fee")),
        invoice_held_at=_count(fields.get("invoice_held_at")) or None,
        order_taken_at=_count(fields.get("taken_at")) or None,
        order_created_at=_count(fields.get("created_at")) or None,
    )


def _initiator(key: str | None, buyer: str | None, seller: str | None) -> Initiator:
    """By comparing keys: the node does not say it in words."""
    if key is None or buyer == seller:
        return "unknown"
    if key == buyer:
        return "buyer"
    return "seller" if key == seller else "unknown"


def _key(value: object) -> str | None:
    """A key somebody can own: with any other, no shared secret could be made."""
    key = hex_of(value, 64)
    return key if key is not None and is_point(key) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _signed(value: object) -> int | None:
    return value if is_integer(value, -MAX_INTEGER, MAX_INTEGER) else None


def _count(value: object) -> int | None:
    """Sats, days and times are never negative."""
    return value if is_integer(value, 0, MAX_INTEGER) else None


def _reputation(value: object) -> Reputation | None:
    if not isinstance(value, dict):
        return None
    return Reputation(
        rating=_rating(value.get("rating")),
        reviews=_count(value.get("reviews")),
        operating_days=_count(value.get("operating_days")),
    )


def _rating(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= _MAX_RATING or not math.isfinite(value):
        return None
    return float(value)
