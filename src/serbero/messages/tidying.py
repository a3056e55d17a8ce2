"""Foreign text as it may be read: nothing invisible in it, blanks and lines in order."""

import re
import unicodedata
from functools import cache
from typing import Final

_BLANKS: Final = "\u2800\u3164\u115f\u1160\uffa0\u17b4\u17b5\u034f\u180b\u180c\u180d\u180f"
"""Letters, signs and marks that are drawn as nothing."""
_SELECTORS: Final = (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))
_NOTHING: Final = frozenset(_BLANKS) | {chr(code) for code in _SELECTORS}


def tidy(text: str) -> str:
    """Return the text as it may be read: composed, nothing invisible, blanks and lines in order.

    Idempotent. Nothing visible changes.
    """
    composed = unicodedata.normalize("NFC", seen(unicodedata.normalize("NFC", text)))
    lines = (" ".join(line.split()) for line in composed.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def seen(text: str) -> str:
    """Leave out what draws nothing; line ends and tabs become newlines and blanks."""
    if text.isascii() and text.isprintable():
        return text
    text = text.replace("\r\n", "\n").translate({0x0D: "\n", 0x2028: "\n", 0x2029: "\n", 0x09: " "})
    return "".join(sign for sign in text if not _invisible(sign))


@cache
def _invisible(sign: str) -> bool:
    """Whether a character draws nothing: format, direction, tag, filler, control, surrogate."""
    return sign in _NOTHING or (
        sign != "\n" and unicodedata.category(sign) in {"Cf", "Cc", "Cs", "Co", "Cn"}
    )
