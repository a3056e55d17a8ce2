"""Solvers' keys as people type and read them."""

from functools import lru_cache

from serbero.cli.page import word
from serbero.cli.source import USAGE, Stop
from serbero.nostr.keys import KeyProblem, npub, parse_public_key

_SHOWN = 13
"""``npub1`` and eight characters: enough to tell a few solvers apart."""
_REMEMBERED = 1000
"""Solvers are few, and rows to them many."""


def spellings(typed: str) -> tuple[str, ...]:
    """Return how rows may spell a key: in hex and as an npub.

    Raises:
        Stop: it is no public key.
    """
    try:
        key = parse_public_key(typed)
    except KeyProblem as problem:
        raise Stop(str(problem), USAGE) from None
    return (key, npub(key))


def in_hex(key: str) -> str:
    """Return a key in hex, however it is spelt; what is no key as it is."""
    try:
        return parse_public_key(key)
    except KeyProblem:
        return key


@lru_cache(_REMEMBERED)
def solver_name(key: str) -> str:
    """Return a solver's key as the beginning of its npub; what is no key as it may be shown."""
    try:
        return npub(parse_public_key(key))[:_SHOWN] + "…"
    except KeyProblem:
        return word(key)
