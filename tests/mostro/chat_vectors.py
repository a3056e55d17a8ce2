"""The vectors of the dispute chat and its keys."""

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from nostr_sdk import Event, Keys

from serbero.mostro.chat_keys import ChatKeys, derive

_FOLDER: Final = Path(__file__).parent.parent / "vectors"
CHAT: Final[dict[str, Any]] = json.loads((_FOLDER / "dispute_chat_v2.json").read_text())
KEYS: Final[dict[str, Any]] = json.loads((_FOLDER / "chat_keys.json").read_text())

SOLVER: Final[dict[str, str]] = CHAT["keys"]["solver"]
BUYER: Final[dict[str, str]] = CHAT["keys"]["buyer-trade"]
SELLER: Final[dict[str, str]] = CHAT["keys"]["seller-trade"]
CHANNEL: Final[ChatKeys] = derive(SOLVER["secret_key"], BUYER["public_key"])
ALLOWED: Final = frozenset(CHAT["channel"]["allowed_signers"])
NOW: Final = 1_767_225_605


def event_of(value: dict[str, Any]) -> Event:
    return Event.from_json(json.dumps(value))


def keys_of(name: str) -> Keys:
    """A throw-away key pair, the same in each run."""
    return Keys.parse(hashlib.sha256(f"chat test: {name}".encode()).hexdigest())
