"""Protocol v2: signed kind 14 events with NIP-44 content, published as they are. Pure.

The plaintext is a tuple of three: the message, a signature of the trade key (the event's
author) or null, an identity proof or null. Source: mostro-core, ``src/transport.rs``.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from nostr_sdk import Event, Keys, Nip44Version, PublicKey, nip44_encrypt

from serbero.mostro.inbound import Inbound, TransportRejection, check_outer, fields_of, opened
from serbero.mostro.message import MessageRejection, message_of, signed_text
from serbero.mostro.untrusted import hex_of, load_json
from serbero.nostr.schnorr import sign_text, verifies_text
from serbero.nostr.work import Draft

MESSAGE_KIND: Final = 14
"""Shared with the dispute chat, which another key authors, and with NIP-17, never published."""


@dataclass(frozen=True, slots=True)
class _Tuple:
    """The plaintext, in shape but not yet believed."""

    message: Any
    signature: str | None
    proof: tuple[str, str] | None


def unwrap_v2(
    event: Event, own_keys: Keys, *, now: int, node: str | None
) -> Inbound | TransportRejection:
    """Read a kind 14 event.

    Args:
        event: anything a relay sent.
        own_keys: the receiver's.
        now: Unix seconds, for the expiration.
        node: accept this author only; None: anyone.
    """
    fields = fields_of(event)
    if fields["kind"] != MESSAGE_KIND:
        return TransportRejection.KIND
    author: str = fields["pubkey"]
    if node not in (None, author):
        return TransportRejection.AUTHOR_IS_NODE
    if (fault := check_outer(event, fields, now)) is not None:
        return fault
    plaintext = opened(own_keys, author, fields["content"])
    if plaintext is None:
        return TransportRejection.DECRYPT
    if ["p", own_keys.public_key().to_hex()] not in [tag[:2] for tag in fields["tags"]]:
        return TransportRejection.RECEIVER
    parts = _read_tuple(plaintext)
    if parts is None:
        return TransportRejection.TUPLE_SHAPE
    message = message_of(parts.message)
    if isinstance(message, MessageRejection):
        return TransportRejection.MESSAGE
    identity = author if parts.proof is None else parts.proof[0]
    return _unproven(parts, author) or Inbound(
        message=message,
        sender=author,
        identity=identity,
        created_at=fields["created_at"],
        event_id=fields["id"],
        signed=parts.signature is not None,
    )


def _unproven(parts: _Tuple, author: str) -> TransportRejection | None:
    """What is claimed in the tuple without being true."""
    if parts.signature is None and parts.proof is None:
        return None
    text = signed_text(parts.message)
    if parts.signature is not None and not verifies_text(author, text, parts.signature):
        return TransportRejection.TRADE_SIGNATURE
    if parts.proof is None:
        return None
    identity, signature = parts.proof
    if not verifies_text(identity, _identity_text(author, text), signature):
        return TransportRejection.IDENTITY_PROOF_SIGNATURE
    if identity != author and parts.signature is None:
        return TransportRejection.IDENTITY_DIFFERS_AND_UNSIGNED
    return None


def _read_tuple(plaintext: str) -> _Tuple | None:
    value = load_json(plaintext)
    if not isinstance(value, list) or len(value) != 3:
        return None
    message, signature, proof = value
    if signature is not None and (signature := hex_of(signature, 128)) is None:
        return None
    if proof is None:
        return _Tuple(message, signature, None)
    if not isinstance(proof, list) or len(proof) != 2:
        return None
    identity, proved = hex_of(proof[0], 64), hex_of(proof[1], 128)
    if identity is None or proved is None:
        return None
    return _Tuple(message, signature, (identity, proved))


def draft_v2(
    keys: Keys, receiver: str, text: str, *, created_at: int, identity: Keys | None, sign: bool
) -> tuple[Draft, Keys]:
    """The event that carries a message's text, before work and signature, and its author's keys.

    Args:
        keys: the author's, that is the trade key's.
        receiver: key in hex.
        text: canonical where it is signed.
        created_at: Unix seconds.
        identity: proves this other key as well, which takes the signature, too.
        sign: sign although nothing is to be proved.
    """
    author = keys.public_key().to_hex()
    signature = proof = None
    if sign or identity is not None:
        signature = sign_text(keys, text)
    if identity is not None:
        proof = [
            identity.public_key().to_hex(),
            sign_text(identity, _identity_text(author, text)),
        ]
    plaintext = f"[{text},{json.dumps(signature)},{json.dumps(proof, separators=(',', ':'))}]"
    content = nip44_encrypt(
        keys.secret_key(), PublicKey.parse(receiver), plaintext, Nip44Version.V2
    )
    return Draft(MESSAGE_KIND, author, created_at, (("p", receiver),), content), keys


def _identity_text(author: str, text: str) -> str:
    """What an identity key signs to vouch for a trade key and one message."""
    return f"mostro-transport-v2-identity:{author}:{text}"
