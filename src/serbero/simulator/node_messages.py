"""What a node says, as JSON text, and the envelopes it says it in.

The texts carry what our own types drop on purpose (preimage, invoices), so they are built here
from plain values. Source: mostro-core, src/message.rs.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

from nostr_sdk import Event, Keys

from serbero.mostro.node_info import Transport
from serbero.mostro.transport import MESSAGE_KIND, wrap
from serbero.simulator.events import KIND_GIFT_WRAP

Protocol = Literal[1, 2]
TRANSPORT: Final[dict[Protocol, Transport]] = {1: Transport.GIFT_WRAP, 2: Transport.NIP44}
INTAKE_KIND: Final[dict[Protocol, int]] = {1: KIND_GIFT_WRAP, 2: MESSAGE_KIND}
"""The one kind that a node of each protocol version listens to."""

MESSAGE_LIFE_SECONDS: Final = 30 * 86_400
"""Expiration of a node's direct messages (mostro: src/config/types.rs `dm_days`)."""


@dataclass(frozen=True, slots=True)
class Saying:
    """One logical message of the node, before it knows its version.

    Attributes:
        wrapper: ``dispute``, ``order`` or ``cant-do``.
        action: kebab-case.
        request_id: echoed, or None.
        id: of the order or dispute; None leaves the field out.
        payload: as it is written; None is null.
    """

    wrapper: str
    action: str
    request_id: int | None = None
    id: str | None = None
    payload: Any = None

    def text(self, version: int) -> str:
        """The message as the reference serializer writes it."""
        body: dict[str, Any] = {
            "version": version,
            "request_id": self.request_id,
            "trade_index": None,
        }
        if self.id is not None:
            body["id"] = self.id
        body |= {"action": self.action, "payload": self.payload}
        return json.dumps({self.wrapper: body}, separators=(",", ":"), ensure_ascii=False)


def took(dispute_id: str, request_id: int | None, info: dict[str, Any]) -> Saying:
    """The answer to a solver whose take succeeded."""
    payload = {"dispute": [dispute_id, info]}
    return Saying("dispute", "admin-took-dispute", request_id, dispute_id, payload)


def solver_for(order_id: str, request_id: int | None, solver: str) -> Saying:
    """What each party hears at a take: whom to chat with."""
    payload = {"peer": {"pubkey": solver, "reputation": None}}
    return Saying("order", "admin-took-dispute", request_id, order_id, payload)


def opened(action: str, order_id: str, request_id: int | None, dispute_id: str) -> Saying:
    """``dispute-initiated-by-you`` or ``-by-peer``."""
    return Saying("order", action, request_id, order_id, {"dispute": [dispute_id, None]})


def refusal(reason: str | None, request_id: int | None, subject: str | None) -> Saying:
    """A ``cant-do``; the reason may be null."""
    return Saying("cant-do", "cant-do", request_id, subject, {"cant_do": reason})


def told(action: str, order_id: str, request_id: int | None = None) -> Saying:
    """A notice to a party without a payload."""
    return Saying("order", action, request_id, order_id)


def closed_by_parties(action: str, order_id: str, dispute_id: str) -> Saying:
    """How newer nodes tell the assigned solver that the parties closed the dispute."""
    return Saying("order", action, None, order_id, {"dispute": [dispute_id, None]})


def envelope(keys: Keys, receiver: str, saying: Saying, protocol: Protocol, now: int) -> Event:
    """Wrap a message of the node for one receiver.

    Args:
        keys: the node's.
        receiver: hex.
        saying: what.
        protocol: which envelope, and which version the message is stamped with.
        now: Unix seconds.
    """
    expires_at = now + MESSAGE_LIFE_SECONDS if protocol == 2 else None
    return wrap(
        TRANSPORT[protocol],
        keys,
        receiver,
        saying.text(protocol),
        created_at=now,
        expires_at=expires_at,
    )
