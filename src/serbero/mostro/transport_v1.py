"""Protocol v1: a gift wrap (kind 1059) around a seal (13) around a rumor (1). Pure.

Unwrapped by hand: the seal's author is the identity key, the rumor's the trade key, and a
library that knows NIP-59 only refuses that they differ. Source: mostro-core, ``src/nip59.rs``.
"""

import json
import random
from dataclasses import dataclass
from typing import Any, Final

from nostr_sdk import (
    Event,
    Keys,
    Nip44Version,
    NostrSdkError,
    PublicKey,
    nip44_encrypt,
)

from serbero.mostro.inbound import Inbound, TransportRejection, check_outer, fields_of, opened
from serbero.mostro.message import MessageRejection, message_of, signed_text
from serbero.mostro.untrusted import MAX_INTEGER, hex_of, is_integer, load_json
from serbero.nostr.schnorr import sign_text, verifies_text
from serbero.nostr.signing import signed
from serbero.nostr.work import Draft
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND

SEAL_KIND: Final = 13
RUMOR_KIND: Final = 1


@dataclass(frozen=True, slots=True)
class _Rumor:
    """The innermost event; nobody signed it, only its seal."""

    author: str
    created_at: int
    content: str


def unwrap_v1(
    event: Event, own_keys: Keys, *, now: int, node: str | None
) -> Inbound | TransportRejection:
    """Read a kind 1059 event.

    Args:
        event: anything a relay sent.
        own_keys: the receiver's.
        now: Unix seconds, for the expiration.
        node: accept seals and rumors of this author only; None: anyone's.
    """
    fields = fields_of(event)
    if fields["kind"] != GIFT_WRAP_KIND:
        return TransportRejection.KIND
    if (fault := check_outer(event, fields, now)) is not None:
        return fault
    plaintext = opened(own_keys, fields["pubkey"], fields["content"])
    if plaintext is None:
        return TransportRejection.DECRYPT
    seal = _read_seal(plaintext)
    if isinstance(seal, TransportRejection):
        return seal
    if node not in (None, seal["pubkey"]):
        return TransportRejection.AUTHOR_IS_NODE
    sealed = opened(own_keys, seal["pubkey"], seal["content"])
    if sealed is None:
        return TransportRejection.SEAL_DECRYPT
    rumor = _read_rumor(sealed)
    if rumor is None:
        return TransportRejection.RUMOR
    if node not in (None, rumor.author):
        return TransportRejection.AUTHOR_IS_NODE
    return _read_tuple(rumor, identity=seal["pubkey"], event_id=fields["id"])


def _read_seal(plaintext: str) -> dict[str, Any] | TransportRejection:
    """The verified seal's fields."""
    try:
        seal = Event.from_json(plaintext)
    except NostrSdkError:
        return TransportRejection.SEAL
    fields = fields_of(seal)
    if fields["kind"] != SEAL_KIND:
        return TransportRejection.SEAL
    return fields if seal.verify() else TransportRejection.SEAL_SIGNATURE


def _read_rumor(plaintext: str) -> _Rumor | None:
    """Extra fields, also an id or a signature, say nothing and are ignored."""
    fields = load_json(plaintext)
    if not isinstance(fields, dict) or not is_integer(fields.get("kind"), RUMOR_KIND, RUMOR_KIND):
        return None
    author, created_at = hex_of(fields.get("pubkey"), 64), fields.get("created_at")
    content = fields.get("content")
    if author is None or not isinstance(content, str):
        return None
    if not is_integer(created_at, 0, MAX_INTEGER):
        return None
    return _Rumor(author, created_at, content)


def _read_tuple(rumor: _Rumor, *, identity: str, event_id: str) -> Inbound | TransportRejection:
    value = load_json(rumor.content)
    if not isinstance(value, list) or len(value) != 2:
        return TransportRejection.TUPLE_SHAPE
    raw, signature = value
    if signature is not None and (signature := hex_of(signature, 128)) is None:
        return TransportRejection.TUPLE_SHAPE
    message = message_of(raw)
    if isinstance(message, MessageRejection):
        return TransportRejection.MESSAGE
    if signature is not None and not verifies_text(rumor.author, signed_text(raw), signature):
        return TransportRejection.RUMOR_SIGNATURE
    if signature is None and identity != rumor.author:
        return TransportRejection.IDENTITY_DIFFERS_AND_UNSIGNED
    return Inbound(
        message=message,
        sender=rumor.author,
        identity=identity,
        created_at=rumor.created_at,
        event_id=event_id,
        signed=signature is not None,
    )


def draft_v1(
    keys: Keys, receiver: str, text: str, *, created_at: int, identity: Keys | None, sign: bool
) -> tuple[Draft, Keys]:
    """The wrap that carries a message's text, before work and signature, and its one-time keys.

    Args:
        keys: the trade key's, author of the rumor.
        receiver: key in hex.
        text: canonical where it is signed.
        created_at: Unix seconds, the rumor's; seal and wrap are back-dated from it (NIP-59).
        identity: seals with this other key, which takes the signature, too.
        sign: sign although nothing is to be proved.
    """
    to = PublicKey.parse(receiver)
    signature = sign_text(keys, text) if sign or identity is not None else None
    content = f"[{text},{json.dumps(signature)}]"
    rumor = Draft(RUMOR_KIND, keys.public_key().to_hex(), created_at, (), content)
    sealing, one_time = identity or keys, Keys.generate()
    inner = nip44_encrypt(sealing.secret_key(), to, rumor.json, Nip44Version.V2)
    seal = signed(sealing, SEAL_KIND, inner, [], _back_dated(created_at))
    outer = nip44_encrypt(one_time.secret_key(), to, seal.as_json(), Nip44Version.V2)
    author = one_time.public_key().to_hex()
    tags = (("p", receiver),)
    return Draft(GIFT_WRAP_KIND, author, _back_dated(created_at), tags, outer), one_time


def _back_dated(created_at: int) -> int:
    return max(0, created_at - random.randrange(BACKDATING_SECONDS + 1))
