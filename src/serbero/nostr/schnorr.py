"""BIP-340 signatures over texts, beside those of events. Pure.

The Nostr library verifies events only; Mostro also signs messages inside of them.
"""

import hashlib

from coincurve import PublicKeyXOnly
from nostr_sdk import Keys


def is_point(public_key: str) -> bool:
    """Whether 64 hex digits name a point of the curve; about half of all do (BIP-340 `lift_x`)."""
    try:
        PublicKeyXOnly(bytes.fromhex(public_key))
    except ValueError:
        return False
    return True


def sign_text(keys: Keys, text: str) -> str:
    """A signature over the SHA-256 of a text's UTF-8, with fresh randomness: 128 hex digits."""
    return keys.sign_schnorr(hashlib.sha256(text.encode()).digest())


def verifies_text(public_key: str, text: str, signature: str) -> bool:
    """Whether ``signature`` is ``public_key``'s over the SHA-256 of a text's UTF-8.

    Args:
        public_key: 64 hex digits, not necessarily of a point.
        text: without lone surrogates.
        signature: 128 hex digits.
    """
    digest = hashlib.sha256(text.encode()).digest()
    try:
        key = PublicKeyXOnly(bytes.fromhex(public_key))
        return key.verify(bytes.fromhex(signature), digest)
    except ValueError:
        return False
