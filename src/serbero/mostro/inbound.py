"""What comes out of an envelope of the protocol, or why nothing does. Pure."""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from nostr_sdk import Event, Keys, NostrSdkError, PublicKey, nip44_decrypt

from serbero.mostro.message import Message
from serbero.mostro.untrusted import MAX_INTEGER, digits_of, first_value

MAX_CONTENT_CHARACTERS: Final = 32_768
"""Ten times the longest message a solver gets; nothing longer is decrypted."""


class TransportRejection(StrEnum):
    """Why an event holds no message for us; the first failing check names it."""

    KIND = "kind"
    AUTHOR_IS_NODE = "author-is-node"
    """Not from the configured node."""
    TOO_LARGE = "too-large"
    EVENT_ID = "event-id"
    EVENT_SIGNATURE = "event-signature"
    TIME = "time"
    EXPIRED = "expired"
    DECRYPT = "decrypt"
    """Not encrypted to us: ordinary, and no error."""
    RECEIVER = "receiver"
    """Encrypted to us and addressed to another."""
    SEAL = "seal"
    SEAL_SIGNATURE = "seal-signature"
    SEAL_DECRYPT = "seal-decrypt"
    RUMOR = "rumor"
    TUPLE_SHAPE = "tuple-shape"
    MESSAGE = "message"
    TRADE_SIGNATURE = "trade-signature"
    RUMOR_SIGNATURE = "rumor-signature"
    """The trade signature of protocol v1."""
    IDENTITY_PROOF_SIGNATURE = "identity-proof-signature"
    IDENTITY_DIFFERS_AND_UNSIGNED = "identity-differs-and-unsigned"
    FRESHNESS = "freshness"
    MESSAGE_VERIFY = "message-verify"
    """Lacks what its action needs."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that arrived, and whose it is.

    Attributes:
        message: what it says.
        sender: the trade key in hex: who the message is from and where a refusal goes.
        identity: the key in hex that rights depend on; the sender's own without a proof.
        created_at: Unix seconds: of the event on v2, of the rumor on v1.
        event_id: of the outer event; what duplicates are known by.
        signed: whether the message carries a (valid) trade signature.
    """

    message: Message
    sender: str
    identity: str
    created_at: int
    event_id: str
    signed: bool


def check_outer(event: Event, fields: dict[str, Any], now: int) -> TransportRejection | None:
    """Size, id, signature, time and expiration (NIP-40) of the outer event."""
    if len(fields["content"]) > MAX_CONTENT_CHARACTERS:
        return TransportRejection.TOO_LARGE
    if not event.verify():
        genuine = event.verify_id()
        return TransportRejection.EVENT_SIGNATURE if genuine else TransportRejection.EVENT_ID
    if fields["created_at"] > MAX_INTEGER:
        return TransportRejection.TIME
    expiration = digits_of(first_value(fields["tags"], "expiration"))
    if expiration is not None and expiration <= now:
        return TransportRejection.EXPIRED
    return None


def fields_of(event: Event) -> dict[str, Any]:
    """The event's fields, in one crossing into the library instead of one a field."""
    fields: dict[str, Any] = json.loads(event.as_json())
    return fields


def opened(own_keys: Keys, author: str, content: str) -> str | None:
    """The NIP-44 plaintext that ``author`` wrote to us, None where there is none."""
    try:
        return nip44_decrypt(own_keys.secret_key(), PublicKey.parse(author), content)
    except NostrSdkError:
        return None
