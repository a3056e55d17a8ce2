"""The logical message: what a node and its clients say to one another, whatever carries it.

Source: mostro-core, ``src/message.rs``. A JSON object with exactly one key, the wrapper, whose
value is the body. The node routes on ``action`` alone, so any wrapper is read. Unknown fields
are ignored, unknown actions kept as text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from serbero.mostro.payloads import (
    MAX_NAME,
    BondResolution,
    CantDo,
    CantDoReason,
    DisputePayload,
    OtherPayload,
    Payload,
    PayloadFault,
    PeerPayload,
    TextMessage,
    read_payload,
)
from serbero.mostro.untrusted import (
    MAX_U64,
    JsonFault,
    is_integer,
    is_unicode,
    load_json,
    uuid_of,
    word_of,
)

__all__ = [
    "Action",
    "BondResolution",
    "CantDo",
    "CantDoReason",
    "DisputePayload",
    "Message",
    "MessageRejection",
    "OtherPayload",
    "Payload",
    "PeerPayload",
    "TextMessage",
    "UnwritableError",
    "canonical",
    "message_of",
    "parse_message",
    "send_dm",
    "signed_text",
    "take_request",
    "verify_request",
]

MAX_MESSAGE_CHARACTERS: Final = 65_536
"""No message a solver can meet comes near; the node itself reads at most 6,500 bytes."""


class Action(StrEnum):
    """Every action a node or a client is known to send (kebab case)."""

    ADMIN_TAKE_DISPUTE = "admin-take-dispute"
    ADMIN_SETTLE = "admin-settle"
    ADMIN_CANCEL = "admin-cancel"
    ADMIN_ADD_SOLVER = "admin-add-solver"
    ADMIN_TOOK_DISPUTE = "admin-took-dispute"
    ADMIN_SETTLED = "admin-settled"
    ADMIN_CANCELED = "admin-canceled"
    COOPERATIVE_CANCEL_ACCEPTED = "cooperative-cancel-accepted"
    CANT_DO = "cant-do"
    DISPUTE = "dispute"
    DISPUTE_INITIATED_BY_YOU = "dispute-initiated-by-you"
    DISPUTE_INITIATED_BY_PEER = "dispute-initiated-by-peer"
    RELEASED = "released"
    RELEASE = "release"
    CANCEL = "cancel"
    COOPERATIVE_CANCEL_INITIATED_BY_YOU = "cooperative-cancel-initiated-by-you"
    COOPERATIVE_CANCEL_INITIATED_BY_PEER = "cooperative-cancel-initiated-by-peer"
    HOLD_INVOICE_PAYMENT_SETTLED = "hold-invoice-payment-settled"
    HOLD_INVOICE_PAYMENT_CANCELED = "hold-invoice-payment-canceled"
    BOND_SLASHED = "bond-slashed"
    ADD_BOND_INVOICE = "add-bond-invoice"
    NEW_ORDER = "new-order"
    TAKE_SELL = "take-sell"
    TAKE_BUY = "take-buy"
    PAY_INVOICE = "pay-invoice"
    PAY_BOND_INVOICE = "pay-bond-invoice"
    FIAT_SENT = "fiat-sent"
    FIAT_SENT_OK = "fiat-sent-ok"
    CANCELED = "canceled"
    BUYER_INVOICE_ACCEPTED = "buyer-invoice-accepted"
    BOND_INVOICE_ACCEPTED = "bond-invoice-accepted"
    PURCHASE_COMPLETED = "purchase-completed"
    BOND_PAYOUT_COMPLETED = "bond-payout-completed"
    HOLD_INVOICE_PAYMENT_ACCEPTED = "hold-invoice-payment-accepted"
    WAITING_SELLER_TO_PAY = "waiting-seller-to-pay"
    WAITING_BUYER_INVOICE = "waiting-buyer-invoice"
    ADD_INVOICE = "add-invoice"
    BUYER_TOOK_ORDER = "buyer-took-order"
    RATE = "rate"
    RATE_USER = "rate-user"
    RATE_RECEIVED = "rate-received"
    PAYMENT_FAILED = "payment-failed"
    INVOICE_UPDATED = "invoice-updated"
    SEND_DM = "send-dm"
    TRADE_PUBKEY = "trade-pubkey"
    RESTORE_SESSION = "restore-session"
    LAST_TRADE_INDEX = "last-trade-index"
    ORDERS = "orders"
    ADD_CASHU_ESCROW = "add-cashu-escrow"
    CASHU_ESCROW_LOCKED = "cashu-escrow-locked"
    CASHU_PM_SIGNATURE = "cashu-pm-signature"


class MessageRejection(StrEnum):
    """Why a text is not a message; the first failing check names it."""

    TOO_LARGE = "too_large"
    JSON = "json"
    WRAPPER = "wrapper"
    BODY = "body"
    VERSION = "version"
    REQUEST_ID = "request_id"
    TRADE_INDEX = "trade_index"
    ID = "id"
    ACTION = "action"
    PAYLOAD = "payload"
    ORDER_ID = "order_id"


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        wrapper: the outer key, such as ``dispute``; says nothing about the meaning.
        version: of the protocol, 0 to 255.
        request_id: echoed by direct replies; unsigned 64 bits. None in notices.
        id: of the dispute or the order, a UUID in lower case; which one depends on the action.
        action: an :class:`Action` where known (compares equal to its text), else the word as sent.
        payload: what it carries; None where it is null.
    """

    wrapper: str
    version: int
    request_id: int | None
    id: str | None
    action: str
    payload: Payload | None


class UnwritableError(ValueError):
    """A message whose content was dropped while reading, so that it cannot be written again."""


def parse_message(text: str) -> Message | MessageRejection:
    """Read a message; never raises, whatever the text."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return MessageRejection.TOO_LARGE
    value = load_json(text)
    return MessageRejection.JSON if isinstance(value, JsonFault) else message_of(value)


def message_of(value: object) -> Message | MessageRejection:
    """Read a message from a value that :func:`serbero.mostro.untrusted.load_json` returned."""
    if not isinstance(value, dict) or len(value) != 1:
        return MessageRejection.WRAPPER
    ((name, body),) = value.items()
    wrapper = word_of(name, MAX_NAME)
    if wrapper is None:
        return MessageRejection.WRAPPER
    if not isinstance(body, dict):
        return MessageRejection.BODY
    if (fault := _head_fault(body)) is not None:
        return fault
    action = word_of(body.get("action"), MAX_NAME)
    if action is None:
        return MessageRejection.ACTION
    payload = read_payload(body.get("payload"))
    if isinstance(payload, PayloadFault):
        no_order = payload is PayloadFault.ORDER_ID
        return MessageRejection.ORDER_ID if no_order else MessageRejection.PAYLOAD
    return Message(
        wrapper=wrapper,
        version=body["version"],
        request_id=body.get("request_id"),
        id=uuid_of(body.get("id")),
        action=action,
        payload=payload,
    )


def _head_fault(body: Mapping[str, Any]) -> MessageRejection | None:
    if not is_integer(body.get("version"), 0, 255):
        return MessageRejection.VERSION
    request_id, trade_index = body.get("request_id"), body.get("trade_index")
    if request_id is not None and not is_integer(request_id, 0, MAX_U64):
        return MessageRejection.REQUEST_ID
    if trade_index is not None and not is_integer(trade_index, -(2**63), 2**63 - 1):
        return MessageRejection.TRADE_INDEX
    if body.get("id") is not None and uuid_of(body["id"]) is None:
        return MessageRejection.ID
    return None


def verify_request(message: Message) -> bool:
    """Whether a request passes the node's structural check, which fails it without a word.

    Source: mostro-core, ``src/message.rs`` ``verify``, for the actions of solvers and of parties
    in a dispute; others are not judged.
    """
    bond = isinstance(message.payload, BondResolution)
    if message.action in (Action.ADMIN_SETTLE, Action.ADMIN_CANCEL):
        return message.id is not None and (message.payload is None or bond)
    if message.action in _WITH_ID:
        payout = OtherPayload("bond_payout_request")
        return message.id is not None and not bond and message.payload != payout
    return True


_WITH_ID: Final = frozenset(
    {
        Action.ADMIN_TAKE_DISPUTE,
        Action.ADMIN_ADD_SOLVER,
        Action.DISPUTE,
        Action.CANCEL,
        Action.RELEASE,
    }
)


def take_request(dispute_id: str, request_id: int, version: int) -> Message:
    """The request by which a solver takes a dispute.

    Args:
        dispute_id: a UUID in lower case.
        request_id: random and below 2**53, so that JavaScript clients can echo it.
        version: of the node's transport, :attr:`Transport.message_version`.
    """
    return Message("dispute", version, request_id, dispute_id, Action.ADMIN_TAKE_DISPUTE, None)


def send_dm(text: str, dispute_id: str | None) -> Message:
    """A message to a solver as Mostro's own clients read it (protocol v2 whatever the node's).

    Args:
        text: what to say.
        dispute_id: the dispute it is about, a UUID in lower case; None: about none.
    """
    return Message("dm", 2, None, dispute_id, Action.SEND_DM, TextMessage(text))


def canonical(message: Message) -> str:
    """The exact text the reference implementation writes for a message; signatures cover it.

    Compact, fields in its order, nulls written except for ``id``, UTF-8 unescaped.

    Raises:
        UnwritableError: the payload's content is not kept here, or a text is no Unicode.
    """
    body: dict[str, Any] = {
        "version": message.version,
        "request_id": message.request_id,
        "trade_index": None,
    }
    if message.id is not None:
        body["id"] = message.id
    body |= {"action": message.action, "payload": _written(message.payload)}
    text = _compact({message.wrapper: body})
    if not is_unicode(text):
        raise UnwritableError("holds half of a surrogate pair")
    return text


def _written(payload: Payload | None) -> object:
    match payload:
        case None:
            return None
        case TextMessage(text):
            return {"text_message": text}
        case PeerPayload(pubkey):
            return {"peer": {"pubkey": pubkey, "reputation": None}}
        case CantDo(reason):
            return {"cant_do": reason}
        case BondResolution(slash_seller, slash_buyer):
            return {"bond_resolution": {"slash_seller": slash_seller, "slash_buyer": slash_buyer}}
        case DisputePayload(dispute_id, None):
            return {"dispute": [dispute_id, None]}
        case DisputePayload() | OtherPayload():
            raise UnwritableError("parts of the payload were dropped while reading")


def signed_text(value: Mapping[str, Any]) -> str:
    """The text a signature must cover, from the JSON value of a message that could be read.

    The reference parses a message and writes it again before it verifies. Payloads that have no
    type here are written as they came.

    Args:
        value: what :func:`message_of` accepted.
    """
    ((wrapper, raw),) = value.items()
    body = {name: raw.get(name) for name in ("version", "request_id", "trade_index")}
    if raw.get("id") is not None:
        body["id"] = uuid_of(raw["id"])
    body["action"] = raw["action"]
    payload = read_payload(raw.get("payload"))
    if isinstance(payload, TextMessage | PeerPayload | BondResolution):
        body["payload"] = _written(payload)
    else:
        body["payload"] = raw.get("payload")
    return _compact({wrapper: body})


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
