"""What a message carries. Source: mostro-core, ``src/message.rs`` ``Payload``.

Only what a solver, a party of the simulator or the simulated node acts on has a type; of
everything else the name remains and the content is dropped. That includes every invoice.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from serbero.mostro.dispute_info import DisputeInfo, parse_dispute_info
from serbero.mostro.untrusted import hex_of, one_line, uuid_of, word_of

MAX_NAME: Final = 64
"""Characters kept of a name that this program does not know."""


class CantDoReason(StrEnum):
    """Every reason a node is known to refuse with (mostro-core, ``src/error.rs``; snake case)."""

    INVALID_SIGNATURE = "invalid_signature"
    INVALID_TRADE_INDEX = "invalid_trade_index"
    INVALID_AMOUNT = "invalid_amount"
    INVALID_INVOICE = "invalid_invoice"
    INVALID_PAYMENT_REQUEST = "invalid_payment_request"
    INVALID_PEER = "invalid_peer"
    INVALID_RATING = "invalid_rating"
    INVALID_TEXT_MESSAGE = "invalid_text_message"
    INVALID_ORDER_KIND = "invalid_order_kind"
    INVALID_ORDER_STATUS = "invalid_order_status"
    INVALID_PUBKEY = "invalid_pubkey"
    INVALID_PARAMETERS = "invalid_parameters"
    INVALID_PAYLOAD = "invalid_payload"
    ORDER_ALREADY_CANCELED = "order_already_canceled"
    CANT_CREATE_USER = "cant_create_user"
    IS_NOT_YOUR_ORDER = "is_not_your_order"
    NOT_ALLOWED_BY_STATUS = "not_allowed_by_status"
    OUT_OF_RANGE_FIAT_AMOUNT = "out_of_range_fiat_amount"
    OUT_OF_RANGE_SATS_AMOUNT = "out_of_range_sats_amount"
    PRICE_TOO_STALE = "price_too_stale"
    IS_NOT_YOUR_DISPUTE = "is_not_your_dispute"
    DISPUTE_TAKEN_BY_ADMIN = "dispute_taken_by_admin"
    NOT_AUTHORIZED = "not_authorized"
    DISPUTE_CREATION_ERROR = "dispute_creation_error"
    NOT_FOUND = "not_found"
    INVALID_DISPUTE_STATUS = "invalid_dispute_status"
    INVALID_ACTION = "invalid_action"
    PENDING_ORDER_EXISTS = "pending_order_exists"
    INVALID_FIAT_CURRENCY = "invalid_fiat_currency"
    TOO_MANY_REQUESTS = "too_many_requests"
    INVALID_CASHU_TOKEN = "invalid_cashu_token"  # noqa: S105 - a refusal
    CASHU_MINT_UNAVAILABLE = "cashu_mint_unavailable"
    INVALID_MINT_URL = "invalid_mint_url"
    CASHU_ESCROW_NOT_LOCKED = "cashu_escrow_not_locked"
    CASHU_SIGNATURE_MISSING = "cashu_signature_missing"
    MAINTENANCE_MODE = "maintenance_mode"
    """Since 0.19.x."""


@dataclass(frozen=True, slots=True)
class DisputePayload:
    """A dispute's id, and for the solver who took it the facts of the trade."""

    id: str
    info: DisputeInfo | None


@dataclass(frozen=True, slots=True)
class CantDo:
    """A refusal. ``reason`` is a :class:`CantDoReason` where known, else a cleaned word or None."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class PeerPayload:
    """Somebody's key in hex: a party learns the solver's this way."""

    pubkey: str


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text; not shown in ``repr``, since it may be a conversation."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BondResolution:
    """Whose bond a settling or cancelling solver takes. Serbero never sends one."""

    slash_seller: bool
    slash_buyer: bool


@dataclass(frozen=True, slots=True)
class OtherPayload:
    """A payload that nobody here acts on: its name; its content is gone."""

    name: str


Payload = DisputePayload | CantDo | PeerPayload | TextMessage | BondResolution | OtherPayload


class PayloadFault(StrEnum):
    """Why a payload cannot be read."""

    SHAPE = "shape"
    ORDER_ID = "order_id"


def read_payload(value: object) -> Payload | PayloadFault | None:
    """The typed payload of a body's ``payload`` field; None where it is null."""
    if value is None:
        return None
    if isinstance(value, str):
        # How the reference would write a variant without content.
        return _other(value)
    if not isinstance(value, dict) or len(value) != 1:
        return PayloadFault.SHAPE
    ((name, content),) = value.items()
    read = _READERS.get(name)
    return _other(name) if read is None else read(content)


def _other(name: str) -> OtherPayload | PayloadFault:
    word = word_of(name, MAX_NAME)
    return PayloadFault.SHAPE if word is None else OtherPayload(word)


def _dispute(content: Any) -> DisputePayload | PayloadFault:
    if not isinstance(content, list) or len(content) != 2:
        return PayloadFault.SHAPE
    dispute_id, facts = uuid_of(content[0]), content[1]
    if dispute_id is None or not isinstance(facts, dict | None):
        return PayloadFault.SHAPE
    if facts is None:
        return DisputePayload(dispute_id, None)
    info = parse_dispute_info(facts)
    return PayloadFault.ORDER_ID if info is None else DisputePayload(dispute_id, info)


def _cant_do(content: Any) -> CantDo:
    """A refusal stays one, whatever stands for its reason."""
    return CantDo(one_line(content, MAX_NAME))


def _peer(content: Any) -> PeerPayload | PayloadFault:
    key = hex_of(content.get("pubkey"), 64) if isinstance(content, dict) else None
    return PayloadFault.SHAPE if key is None else PeerPayload(key)


def _text(content: Any) -> TextMessage | PayloadFault:
    return TextMessage(content) if isinstance(content, str) else PayloadFault.SHAPE


def _bond(content: Any) -> BondResolution | PayloadFault:
    if not isinstance(content, dict):
        return PayloadFault.SHAPE
    seller, buyer = content.get("slash_seller"), content.get("slash_buyer")
    if not isinstance(seller, bool) or not isinstance(buyer, bool):
        return PayloadFault.SHAPE
    return BondResolution(slash_seller=seller, slash_buyer=buyer)


_READERS: Final[dict[str, Callable[[Any], Payload | PayloadFault]]] = {
    "dispute": _dispute,
    "cant_do": _cant_do,
    "peer": _peer,
    "text_message": _text,
    "bond_resolution": _bond,
}
