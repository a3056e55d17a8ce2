"""Keys that a party pastes into a chat.

A party may hand over the key of the chat between buyer and seller as 64 hex digits; no message
type exists for it (Source: mostrix, ``docs/ADMIN_DISPUTES.md``). Such a text may equally be any
other secret, so it is taken for one wherever the chat is passed on.
"""

import re
from typing import Final

REDACTED: Final = "[redacted: 64 hex digits]"
REDACTED_NSEC: Final = "[redacted: a secret key]"

_KEY: Final = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")
_NSEC: Final = re.compile(r"n(?:crypt)?sec1[02-9ac-hj-np-z]{20,}", re.IGNORECASE)


def looks_like_key(text: str) -> bool:
    """Whether ``text`` holds 64 hex digits that stand alone, or a secret key in bech32."""
    return _KEY.search(text) is not None or _NSEC.search(text) is not None


def redacted(text: str) -> str:
    """``text`` with everything that :func:`looks_like_key` finds replaced."""
    return _NSEC.sub(REDACTED_NSEC, _KEY.sub(REDACTED, text))
