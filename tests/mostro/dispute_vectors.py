"""The dispute events of the protocol's test vectors."""

import json
from pathlib import Path
from typing import Any, Final

from nostr_sdk import Event

VECTORS: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "dispute_events.json").read_text()
)
NODE: Final[str] = VECTORS["keys"]["node"]["public_key"]
NODE_SECRET: Final[str] = VECTORS["keys"]["node"]["secret_key"]
NOW: Final = 1_767_230_000
"""After every revision of the vectors, before every expiration that is not already over."""


def event_of(raw: dict[str, Any]) -> Event:
    """The event as a relay would send it; nothing is verified here."""
    return Event.from_json(json.dumps(raw))
