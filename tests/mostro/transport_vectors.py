"""The protocol's test vectors for both transports, and the keys they use."""

import json
from pathlib import Path
from typing import Any, Final

from nostr_sdk import Event, Keys

_FOLDER: Final = Path(__file__).parent.parent / "vectors"


def _load(name: str) -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads((_FOLDER / name).read_text())
    return vectors


V1: Final = _load("transport_v1.json")
V2: Final = _load("transport_v2.json")
INFO: Final = _load("info_events.json")
NOW: Final[int] = V2["clock"]["event_time"]
"""The second in which every message of the vectors was made."""

_PAIRS: Final[dict[str, dict[str, str]]] = V1["keys"] | V2["keys"]
NODE: Final[str] = _PAIRS["node"]["public_key"]


def keys_of(name: str) -> Keys:
    """The key pair that the vectors call ``name``."""
    return Keys.parse(_PAIRS[name]["secret_key"])


def event_of(case: dict[str, Any]) -> Event:
    """The event as a relay would send it; nothing is verified here."""
    return Event.from_json(json.dumps(case["event"]))


def named(cases: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The one case of that name."""
    (found,) = (case for case in cases if case["name"] == name)
    return found
