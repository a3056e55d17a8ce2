"""Base58 addresses and keys, however their characters are parted.

A pattern must not look across blanks: half of all prose would match. A checksum may: four bytes of
it (Base58Check, as Bitcoin's addresses and exported keys carry) leave no room for chance.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

_SIGNS: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {sign: value for value, sign in enumerate(_SIGNS)}
_CHECKSUM_BYTES: Final = 4
_ADDRESS_BYTES: Final = 25
"""Version, 20 bytes of hash, checksum."""
_KEY_BYTES: Final = (37, 38)
"""Version, 32 bytes of key, a mark for compressed ones, checksum."""
_FORMS: Final = {
    **dict.fromkeys("13mn2", (26, 35, (_ADDRESS_BYTES,))),
    **dict.fromkeys("5KLc9", (51, 52, _KEY_BYTES)),
}
"""First characters, with how many characters at least and at most follow suit, and in bytes."""


def addresses(visible: str) -> bool:
    """Whether a text carries a Bitcoin address in base58, whole or in pieces."""
    return any(len(found) == _ADDRESS_BYTES for found in _checked(visible))


def keys(visible: str) -> bool:
    """Whether a text carries a private key as wallets export it, whole or in pieces."""
    return any(len(found) in _KEY_BYTES for found in _checked(visible))


def _checked(visible: str) -> Iterator[bytes]:
    """Yield whatever holds its checksum, once nothing but letters and digits is left."""
    joined = re.sub(r"[^0-9A-Za-z]", "", visible)
    for start, sign in enumerate(joined):
        if sign in _FORMS:
            shortest, longest, sizes = _FORMS[sign]
            candidates = _decoded(joined[start : start + longest], shortest)
            yield from (raw for raw in candidates if len(raw) in sizes and _holds(raw))


def _decoded(text: str, shortest: int) -> Iterator[bytes]:
    """Yield the bytes of every beginning of a text that is base58 and long enough."""
    zeros = len(text) - len(text.lstrip(_SIGNS[0]))
    number = 0
    for length, sign in enumerate(text, 1):
        value = _VALUES.get(sign)
        if value is None:
            return
        number = number * len(_SIGNS) + value
        if length >= shortest:
            size = min(zeros, length) + (number.bit_length() + 7) // 8
            yield number.to_bytes(size, "big")


def _holds(raw: bytes) -> bool:
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    twice = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    return twice[:_CHECKSUM_BYTES] == checksum
