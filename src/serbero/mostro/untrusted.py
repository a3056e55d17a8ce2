"""Reading what strangers write: JSON without its traps, and the values inside it. Pure.

The rules are those of the reference implementation's parser where they matter: a field named
twice, a number that is none and half a surrogate pair are errors there, too.
"""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final, Never, TypeGuard
from uuid import UUID

MAX_DEPTH: Final = 32
"""Nesting that no message of the protocol comes near."""
MAX_INTEGER: Final = 2**53
"""Beyond it JavaScript clients and databases disagree about a number."""
MAX_U64: Final = 2**64 - 1

_HEX_DIGITS: Final = frozenset("0123456789abcdef")


class JsonFault(StrEnum):
    """Why a text is not a JSON value that can be trusted to mean one thing."""

    NOT_JSON = "not-json"
    DUPLICATE_KEY = "duplicate-key"
    TOO_DEEP = "too-deep"
    SURROGATE = "surrogate"


class _DuplicateKeyError(ValueError):
    """An object that names a field twice means two things."""


def load_json(text: str) -> Any | JsonFault:
    """The value ``text`` holds, or why it holds none; never raises.

    The caller bounds the length of ``text``.
    """
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except _DuplicateKeyError:
        return JsonFault.DUPLICATE_KEY
    except RecursionError:
        return JsonFault.TOO_DEEP
    except ValueError:
        # Also an integer of more digits than Python converts.
        return JsonFault.NOT_JSON
    return _fault(value) or value


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _DuplicateKeyError
    return value


def _no_constant(name: str) -> Never:
    raise ValueError(name)


def _fault(value: Any) -> JsonFault | None:
    """What Python's reader lets through: deep nesting and half surrogate pairs."""
    waiting: list[tuple[Any, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return JsonFault.TOO_DEEP
        if isinstance(each, str):
            if not is_unicode(each):
                return JsonFault.SURROGATE
        elif isinstance(each, dict):
            waiting.extend((part, depth + 1) for item in each.items() for part in item)
        elif isinstance(each, list):
            waiting.extend((part, depth + 1) for part in each)
    return None


def is_unicode(text: str) -> bool:
    """Whether ``text`` can be written as UTF-8: no half of a surrogate pair stands alone."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_integer(value: object, low: int, high: int) -> TypeGuard[int]:
    """Whether a JSON value is an integer between two bounds, both included."""
    # JSON's true is Python's 1.
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def hex_of(value: object, digits: int) -> str | None:
    """A text of exactly that many hexadecimal digits, in lower case; None for anything else."""
    if not isinstance(value, str) or len(value) != digits:
        return None
    lowered = value.lower()
    return lowered if _HEX_DIGITS.issuperset(lowered) else None


def uuid_of(value: object) -> str | None:
    """A hyphenated UUID in lower case, or None. Braces and URN forms do not count."""
    if not isinstance(value, str) or len(value) != 36:
        return None
    try:
        read = str(UUID(value))
    except ValueError:
        return None
    return read if read == value.lower() else None


def one_line(value: object, limit: int) -> str | None:
    """A text fit for a line of a log: printable, single blanks, at most ``limit`` characters.

    None for anything that is no text or holds nothing printable.
    """
    if not isinstance(value, str):
        return None
    printable = "".join(c if c.isprintable() else " " for c in value[: limit * 4])
    return " ".join(printable.split())[:limit].rstrip() or None


def word_of(value: object, limit: int) -> str | None:
    """A name that may stand in a log as it is; None for what would have to be repaired first.

    A repaired name could pass for one that means something.
    """
    return value if isinstance(value, str) and value and one_line(value, limit) == value else None


def first_value(tags: Sequence[Sequence[str]], name: str) -> str | None:
    """Value of the first tag named exactly ``name`` that has one."""
    return next((tag[1] for tag in tags if len(tag) > 1 and tag[0] == name), None)


def digits_of(text: str | None, high: int = MAX_INTEGER) -> int | None:
    """A tag's value as a number from 0 to ``high``, or None; only plain ASCII digits count."""
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 16:
        return None
    value = int(text)
    return value if value <= high else None
