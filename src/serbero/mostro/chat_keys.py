"""The keys of one dispute chat channel, from one secret of ours and one public key of theirs.

Source: protocol, ``src/chat.md`` and ``src/dispute_chat.md``; mostro-core, ``src/chat/keys.rs``.
Both ends derive the same three pairs, so none is ever exchanged or stored: a restart derives again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from coincurve import PublicKey
from nostr_sdk import Keys

CONVERSATION_INFO: Final = b"mostro:chat:conv:v1"
SIGNING_INFO: Final = b"mostro:chat:sign:v1"
SECRET_BYTES: Final = 32

_CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1 (SEC 2, section 2.4.1): secrets are below it."""

Expand = Callable[[bytes], bytes]
"""HKDF for one ``info``: 32 bytes."""


class BadChatKeyError(ValueError):
    """One of the two keys is none; the text repeats neither."""


@dataclass(frozen=True, slots=True)
class ChatKeys:
    """Everything one channel needs. Its ``repr`` shows public keys only.

    Attributes:
        conversation: K_conv: whoever has it can read.
        signing: K_sign: whoever has it can write.
        legacy: the raw shared secret as a key pair, which older clients encrypt to.
        address: public K_conv, the ``p`` tag of kind 14, hex.
        author: public K_sign, the author of kind 14, hex.
        legacy_address: public key of the raw shared secret, the ``p`` tag of gift wraps, hex.
    """

    conversation: Keys = field(repr=False, compare=False)
    signing: Keys = field(repr=False, compare=False)
    legacy: Keys = field(repr=False, compare=False)
    address: str
    author: str
    legacy_address: str


def derive(secret_key_hex: str, party_pubkey_hex: str) -> ChatKeys:
    """Derive the keys of the channel between our key and one party's trade key.

    Args:
        secret_key_hex: our secret, 64 hex digits.
        party_pubkey_hex: the party's trade key, x-only, 64 hex digits.

    Raises:
        BadChatKeyError: one of them is no key of this curve.
    """
    # Imported here: it costs 6 MB, and most daemons hold no dispute.
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    shared = _shared_x(secret_key_hex, party_pubkey_hex)

    def expand(info: bytes) -> bytes:
        # No salt means 32 zero bytes (RFC 5869, section 2.2).
        return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(shared)

    conversation = _pair(usable_secret(expand, CONVERSATION_INFO))
    signing = _pair(usable_secret(expand, SIGNING_INFO))
    if not _is_secret(shared):
        raise BadChatKeyError("the shared point's x coordinate is no secret key")
    legacy = _pair(shared)
    return ChatKeys(
        conversation=conversation,
        signing=signing,
        legacy=legacy,
        address=_public(conversation),
        author=_public(signing),
        legacy_address=_public(legacy),
    )


def usable_secret(expand: Expand, info: bytes) -> bytes:
    """Return the first output that is a secret key: for ``info``, ``info 01``, ``info 02``, ...

    Source: protocol, ``src/chat.md``: an output of 0 or not below the curve's order is expanded
    again with one more byte. It happens once in 2^128 channels.

    Raises:
        BadChatKeyError: 256 outputs in a row were none, which is no HKDF.
    """
    for suffix in (b"", *(bytes([count]) for count in range(1, 256))):
        secret = expand(info + suffix)
        if _is_secret(secret):
            return secret
    raise BadChatKeyError("no output of the key derivation is a secret key")


def _shared_x(secret_key_hex: str, party_pubkey_hex: str) -> bytes:
    """The unhashed x coordinate of the shared point.

    Not the curve library's own ``ecdh``, which hashes. The point comes from ``lift_x`` with even y
    (BIP-340), and the x coordinate is the same for either sign.
    """
    secret = _bytes(secret_key_hex, "our secret key")
    if not _is_secret(secret):
        raise BadChatKeyError("our secret key is 0 or beyond the curve's order")
    point = b"\x02" + _bytes(party_pubkey_hex, "the party's trade key")
    try:
        return PublicKey(point).multiply(secret).format(compressed=True)[1:]
    except ValueError:
        raise BadChatKeyError("the party's trade key is no point of the curve") from None


def _bytes(text: str, what: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise BadChatKeyError(f"{what} is not hexadecimal") from None
    # fromhex passes over blanks.
    if len(value) != SECRET_BYTES or len(text) != 2 * SECRET_BYTES:
        raise BadChatKeyError(f"{what} is not 64 hex digits long")
    return value


def _is_secret(value: bytes) -> bool:
    return 0 < int.from_bytes(value, "big") < _CURVE_ORDER


def _pair(secret: bytes) -> Keys:
    return Keys.parse(secret.hex())


def _public(keys: Keys) -> str:
    return keys.public_key().to_hex()
