"""Base58 addresses and keys, however their characters are parted.

A pattern must not look across blanks: half of all prose would match. A checksum may: four bytes of
it (Base58Check, as Bitcoin's addresses and exported keys carry) leave no room for chance.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SIGNS: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE: Final = len(_SIGNS)
_VALUES: Final = {sign: value for value, sign in enumerate(_SIGNS)}
_CHECKSUM_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class _Form:
    """What is sought.

    Attributes:
        starts: the characters it may begin with.
        shortest: how many characters it has at least.
        longest: and at most.
        sizes: how many bytes these stand for.
    """

    starts: str
    shortest: int
    longest: int
    sizes: tuple[int, ...]


_ADDRESS: Final = _Form("13mn2", 26, 35, (25,))
"""Version, 20 bytes of hash, checksum."""
_KEY: Final = _Form("5KLc9", 51, 52, (37, 38))
"""Version, 32 bytes of key, a mark for compressed ones, checksum."""


def addresses(visible: str) -> bool:
    """Whether a text carries a Bitcoin address in base58, whole or in pieces."""
    return _carries(visible, _ADDRESS)


def keys(visible: str) -> bool:
    """Whether a text carries a private key as wallets export it, whole or in pieces."""
    return _carries(visible, _KEY)


def _carries(visible: str, form: _Form) -> bool:
    """Whether anything holds its checksum, once nothing but letters and digits is left."""
    joined = re.sub(r"[^0-9A-Za-z]", "", visible)
    runs = re.findall(f"[{_SIGNS}]{{{form.shortest},}}", joined)
    return any(_holds(raw) for run in runs for raw in _decoded(run, form))


def _decoded(run: str, form: _Form) -> Iterator[bytes]:
    """Yield the bytes of whatever piece of a row of base58 could be what is sought."""
    values = [_VALUES[sign] for sign in run]
    first, highest = 0, _BASE ** (form.shortest - 1)
    for value in values[: form.shortest]:
        first = first * _BASE + value
    for start, sign in enumerate(run[: 1 - form.shortest]):
        if sign in form.starts:
            yield from _pieces(first, values[start : start + form.longest], form)
        # The same window one character on: decoding each anew would cost its length again.
        following = values[start + form.shortest : start + form.shortest + 1]
        for value in following:
            first = (first - values[start] * highest) * _BASE + value


def _pieces(first: int, values: list[int], form: _Form) -> Iterator[bytes]:
    """Yield the bytes of every beginning of one window that is of a size that is sought.

    Args:
        first: the number that its shortest beginning stands for.
        values: the window's characters.
        form: what is sought.
    """
    zeros = next((place for place, value in enumerate(values) if value), len(values))
    number = first
    for length in range(form.shortest, len(values) + 1):
        if length > form.shortest:
            number = number * _BASE + values[length - 1]
        size = min(zeros, length) + (number.bit_length() + 7) // 8
        if size > form.sizes[-1]:
            return
        if size in form.sizes:
            yield number.to_bytes(size, "big")


def _holds(raw: bytes) -> bool:
    body, checksum = raw[:-_CHECKSUM_BYTES], raw[-_CHECKSUM_BYTES:]
    twice = hashlib.sha256(hashlib.sha256(body).digest()).digest()
    return twice[:_CHECKSUM_BYTES] == checksum
