"""Messages in and out of the events that carry them, on both transports. Pure.

Both programs that meet here use it: the solver, who reads the node's answers with
:func:`unwrap_from_node`, and whoever plays the node, who reads requests with :func:`unwrap` and
:func:`screen_request`.
"""

from dataclasses import replace
from typing import Final

from nostr_sdk import Event, Keys

from serbero.mostro.inbound import Inbound, TransportRejection
from serbero.mostro.message import Message, canonical, verify_request
from serbero.mostro.node_info import Transport
from serbero.mostro.transport_v1 import draft_v1, unwrap_v1
from serbero.mostro.transport_v2 import MESSAGE_KIND, draft_v2, unwrap_v2
from serbero.nostr.work import Draft, mined, signed_draft
from serbero.nostr.wrap import GIFT_WRAP_KIND

__all__ = [
    "MESSAGE_KIND",
    "Inbound",
    "TransportRejection",
    "draft",
    "is_fresh",
    "screen_request",
    "unwrap",
    "unwrap_from_node",
    "wrap",
]

FRESH_SECONDS: Final = 10
"""Age at which the node drops a request; it has no bound for the future (Mostro, src/app.rs)."""


def unwrap(event: Event, own_keys: Keys, *, now: int) -> Inbound | TransportRejection:
    """Read a message from anyone to us; never raises, whatever the event.

    Args:
        event: kind 14 or 1059; of any other kind it is rejected.
        own_keys: the receiver's.
        now: Unix seconds, for the expiration (NIP-40).
    """
    return _unwrap(event, own_keys, now, None)


def unwrap_from_node(
    event: Event, own_keys: Keys, node: str, *, now: int
) -> Inbound | TransportRejection:
    """Read a message of the configured node to us: it is sender and identity alike.

    Args:
        event: kind 14 or 1059; of any other kind it is rejected.
        own_keys: the receiver's.
        node: its key, 64 lower-case hex digits.
        now: Unix seconds, for the expiration (NIP-40).
    """
    got = _unwrap(event, own_keys, now, node)
    # On v2 a valid proof could still name another identity.
    if isinstance(got, Inbound) and got.identity != node:
        return TransportRejection.AUTHOR_IS_NODE
    return got


def _unwrap(
    event: Event, own_keys: Keys, now: int, node: str | None
) -> Inbound | TransportRejection:
    kind = event.kind().as_u16()
    if kind == MESSAGE_KIND:
        return unwrap_v2(event, own_keys, now=now, node=node)
    if kind == GIFT_WRAP_KIND:
        return unwrap_v1(event, own_keys, now=now, node=node)
    return TransportRejection.KIND


def is_fresh(created_at: int, now: int) -> bool:
    """Whether the node still looks at a request of that time (both in Unix seconds)."""
    return created_at >= now - FRESH_SECONDS


def screen_request(inbound: Inbound, now: int) -> TransportRejection | None:
    """Why the node drops a request that it could read; None if it acts on it.

    Source: Mostro, ``src/app.rs``; every drop is silent.
    """
    if not is_fresh(inbound.created_at, now):
        return TransportRejection.FRESHNESS
    return None if verify_request(inbound.message) else TransportRejection.MESSAGE_VERIFY


def draft(
    transport: Transport,
    keys: Keys,
    receiver: str,
    message: Message | str,
    *,
    created_at: int,
    expires_at: int | None,
    identity: Keys | None = None,
    sign: bool = False,
) -> tuple[Draft, Keys]:
    """Encrypt a message; the event before its work and signature, and whose it is.

    Look for work with :func:`serbero.nostr.work.search`, then sign. Encrypting is cheap beside
    the work: after some seconds without success draft anew with the present time, so that the
    event never ages.

    Args:
        transport: what the node speaks.
        keys: the sender's, that is the trade key's.
        receiver: key in hex.
        message: or its exact JSON text, for payloads that cannot be written from a value.
        created_at: Unix seconds; on v1 of the rumor, the wrap being back-dated from it.
        expires_at: Unix seconds after which relays may drop the event (NIP-40); None: never.
        identity: whoever vouches for ``keys``, if that is another.
        sign: sign the message although nobody else vouches; it proves nothing more.

    Raises:
        UnwritableError: the message cannot be written.
        NostrSdkError: ``receiver`` is no key, or the message is too long to encrypt.
    """
    text = message if isinstance(message, str) else canonical(message)
    if identity is not None and identity.public_key() == keys.public_key():
        identity = None
    make = draft_v2 if transport is Transport.NIP44 else draft_v1
    made, signer = make(keys, receiver, text, created_at=created_at, identity=identity, sign=sign)
    if expires_at is not None:
        made = replace(made, tags=(*made.tags, ("expiration", str(expires_at))))
    return made, signer


def wrap(
    transport: Transport,
    keys: Keys,
    receiver: str,
    message: Message | str,
    *,
    created_at: int,
    expires_at: int | None,
    pow_bits: int = 0,
    identity: Keys | None = None,
    sign: bool = False,
) -> Event:
    """Encrypt, mine and sign a message in one go; blocks for as long as the work takes.

    Arguments and errors are those of :func:`draft`; ``pow_bits`` is the work on the outer id.
    """
    made, signer = draft(
        transport,
        keys,
        receiver,
        message,
        created_at=created_at,
        expires_at=expires_at,
        identity=identity,
        sign=sign,
    )
    if pow_bits:
        made = mined(made, pow_bits)
    return signed_draft(signer, made)
