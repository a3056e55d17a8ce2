"""Messages in and out of the events that carry them, on both transports. Pure.

Both programs that meet here use it: the solver, who reads the node's answers with
:func:`unwrap_from_node`, and whoever plays the node, who reads requests with :func:`unwrap` and
:func:`screen_request`.
"""

from dataclasses import dataclass, field, replace
from typing import Final

from nostr_sdk import Event, Keys

from serbero.mostro.inbound import Inbound, TransportRejection
from serbero.mostro.message import Message, canonical, verify_request
from serbero.mostro.node_info import Transport
from serbero.mostro.transport_v1 import draft_v1, unwrap_v1
from serbero.mostro.transport_v2 import MESSAGE_KIND, draft_v2, unwrap_v2
from serbero.nostr.work import Draft, committed, search, signed_draft
from serbero.nostr.wrap import GIFT_WRAP_KIND

__all__ = [
    "MESSAGE_KIND",
    "Inbound",
    "Prepared",
    "TransportRejection",
    "finish",
    "is_fresh",
    "prepare",
    "screen_request",
    "unwrap",
    "unwrap_from_node",
    "wrap",
]

FRESH_SECONDS: Final = 10
"""Age at which the node drops a request; it has no bound for the future (Mostro, src/app.rs)."""

_SLICE: Final = 1 << 20


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
    match event.kind().as_u16():
        case int(kind) if kind == MESSAGE_KIND:
            return unwrap_v2(event, own_keys, now=now, node=node)
        case int(kind) if kind == GIFT_WRAP_KIND:
            return unwrap_v1(event, own_keys, now=now, node=node)
        case _:
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


@dataclass(frozen=True, slots=True)
class Prepared:
    """An envelope before its work and signature.

    Attributes:
        draft: what to mine.
        signer: whose event it is: the author's on v2, one-time keys on v1.
    """

    draft: Draft
    signer: Keys = field(repr=False)


def prepare(
    transport: Transport,
    keys: Keys,
    receiver: str,
    message: Message | str,
    *,
    created_at: int,
    expires_at: int | None,
    identity: Keys | None = None,
    sign: bool = False,
) -> Prepared:
    """Encrypt a message. Mine ``.draft`` with :func:`serbero.nostr.work.search`, then finish it.

    Cheap beside the work: after a slice without success prepare anew with the present time,
    so that the event never ages.

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
    if transport is Transport.NIP44:
        draft, signer = (
            draft_v2(keys, receiver, text, created_at=created_at, identity=identity, sign=sign),
            keys,
        )
    else:
        draft, signer = draft_v1(
            keys, receiver, text, created_at=created_at, identity=identity, sign=sign
        )
    if expires_at is not None:
        draft = replace(draft, tags=(*draft.tags, ("expiration", str(expires_at))))
    return Prepared(draft, signer)


def finish(prepared: Prepared, bits: int = 0, nonce: int | None = None) -> Event:
    """Sign a prepared envelope.

    Args:
        prepared: what :func:`prepare` returned.
        bits: the work that ``nonce`` was found for.
        nonce: None: no work, and no tag for it.
    """
    draft = prepared.draft if nonce is None else committed(prepared.draft, bits, nonce)
    return signed_draft(prepared.signer, draft)


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

    Args and errors as of :func:`prepare`; ``pow_bits`` is the work on the outer id.
    """
    prepared = prepare(
        transport,
        keys,
        receiver,
        message,
        created_at=created_at,
        expires_at=expires_at,
        identity=identity,
        sign=sign,
    )
    if not pow_bits:
        return finish(prepared)
    start, nonce = 0, None
    while nonce is None:
        nonce = search(prepared.draft, pow_bits, start, _SLICE)
        start += _SLICE
    return finish(prepared, pow_bits, nonce)
