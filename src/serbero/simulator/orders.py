"""Orders behind disputes: what a node knows and tells a solver who takes one."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict
from uuid import uuid4

from serbero.simulator.node_rules import DISPUTABLE, OrderStatus

Side = Literal["buyer", "seller"]


class OrderFacts(TypedDict, total=False):
    """What a test may say of an order; everything has a plausible default. See :class:`Order`."""

    id: str
    kind: Literal["buy", "sell"]
    previous_status: OrderStatus
    premium: int
    payment_method: str
    amount: int
    fiat_amount: int
    fiat_code: str
    fee: int
    routing_fee: int
    invoice_held_at: int
    taken_at: int
    created_at: int
    preimage: str
    buyer_invoice: str
    buyer_reputation: dict[str, Any] | None
    seller_reputation: dict[str, Any] | None
    bonds: frozenset[str]


def _reputation() -> dict[str, Any]:
    return {"rating": 4.5, "reviews": 7, "operating_days": 92}


@dataclass(slots=True)
class Order:
    """One order in the node's database.

    Attributes:
        buyer: trade key, hex; None where the node has lost it.
        seller: likewise.
        id: UUID text.
        status: now.
        previous_status: the one a dispute interrupted.
        kind: the maker's side.
        premium: percent.
        amount: sats, as are ``fee`` and ``routing_fee``.
        fiat_amount: whole units of ``fiat_code``.
        invoice_held_at: Unix seconds, as are ``taken_at`` and ``created_at``.
        preimage: hex; settles the escrow for whoever can act on it.
        buyer_invoice: where the payout goes.
        buyer_reputation: rating, reviews, operating_days; None is full privacy mode.
        seller_reputation: likewise.
        bonds: sides with a locked bond.
        buyer_dispute: whether the buyer opened a dispute; both or neither breaks a take.
        seller_dispute: likewise.
        cancel_wanted_by: the side that asked for a cooperative cancellation.
    """

    buyer: str | None
    seller: str | None
    id: str = field(default_factory=lambda: str(uuid4()))
    status: OrderStatus = OrderStatus.FIAT_SENT
    previous_status: OrderStatus = OrderStatus.FIAT_SENT
    kind: Literal["buy", "sell"] = "sell"
    premium: int = 1
    payment_method: str = "SEPA"
    amount: int = 150_000
    fiat_amount: int = 100
    fiat_code: str = "EUR"
    fee: int = 450
    routing_fee: int = 0
    invoice_held_at: int = 0
    taken_at: int = 0
    created_at: int = 0
    preimage: str = field(default_factory=lambda: secrets.token_hex(32))
    buyer_invoice: str = field(default_factory=lambda: f"lnbcrt1500u1{secrets.token_hex(60)}")
    buyer_reputation: dict[str, Any] | None = field(default_factory=_reputation)
    seller_reputation: dict[str, Any] | None = None
    bonds: frozenset[str] = frozenset()
    buyer_dispute: bool = False
    seller_dispute: bool = False
    cancel_wanted_by: Side | None = None

    @property
    def payment_hash(self) -> str:
        """Of the hold invoice, hex."""
        return hashlib.sha256(bytes.fromhex(self.preimage)).hexdigest()

    @property
    def initiator(self) -> Side | None:
        """Who opened the dispute, or None where the flags contradict one another."""
        if self.buyer_dispute == self.seller_dispute:
            return None
        return "buyer" if self.buyer_dispute else "seller"

    @property
    def trade_keys(self) -> dict[Side, str]:
        """The keys of the sides that are known."""
        keys: dict[Side, str | None] = {"buyer": self.buyer, "seller": self.seller}
        return {side: key for side, key in keys.items() if key is not None}

    def side_of(self, key: str) -> Side | None:
        """Which side a trade key is, or None."""
        return next((side for side, each in self.trade_keys.items() if each == key), None)

    def begin_dispute(self, side: Side) -> None:
        """Flag the side and remember what was interrupted."""
        if self.status in DISPUTABLE:
            self.previous_status = self.status
        self.status = OrderStatus.DISPUTE
        if side == "buyer":
            self.buyer_dispute = True
        else:
            self.seller_dispute = True

    def solver_info(self) -> dict[str, Any]:
        """What the node tells the solver (mostro-core: src/dispute.rs `SolverDisputeInfo`).

        Raises:
            ValueError: the flags do not say who opened the dispute.
        """
        side = self.initiator
        if side is None:
            raise ValueError("both or neither side opened the dispute")
        theirs = {"buyer": self.buyer_reputation, "seller": self.seller_reputation}
        other: Side = "seller" if side == "buyer" else "buyer"
        return {
            "id": self.id,
            "kind": self.kind,
            "status": str(self.status),
            "hash": self.payment_hash,
            "preimage": self.preimage,
            "order_previous_status": str(self.previous_status),
            "initiator_pubkey": self.trade_keys.get(side, ""),
            "buyer_pubkey": self.buyer,
            "seller_pubkey": self.seller,
            "initiator_full_privacy": theirs[side] is None,
            "counterpart_full_privacy": theirs[other] is None,
            "initiator_info": theirs[side],
            "counterpart_info": theirs[other],
            "premium": self.premium,
            "payment_method": self.payment_method,
            "amount": self.amount,
            "fiat_amount": self.fiat_amount,
            "fee": self.fee,
            "routing_fee": self.routing_fee,
            "buyer_invoice": self.buyer_invoice,
            "invoice_held_at": self.invoice_held_at,
            "taken_at": self.taken_at,
            "created_at": self.created_at,
        }

    def small(self) -> dict[str, Any]:
        """What the node tells a party of the order (mostro-core: src/order.rs `SmallOrder`)."""
        return {
            "id": self.id,
            "kind": self.kind,
            "status": str(self.status),
            "amount": self.amount,
            "fiat_code": self.fiat_code,
            "min_amount": None,
            "max_amount": None,
            "fiat_amount": self.fiat_amount,
            "payment_method": self.payment_method,
            "premium": self.premium,
            "buyer_trade_pubkey": self.buyer,
            "seller_trade_pubkey": self.seller,
            "buyer_invoice": None,
            "created_at": self.created_at,
            "expires_at": None,
        }
