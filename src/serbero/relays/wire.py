"""Client messages as the library takes them, from plain JSON."""

import json
from collections.abc import Sequence

from nostr_sdk import ClientMessage

from serbero.relays.subscriptions import Filter


def request_message(wire_id: str, filters: Sequence[Filter]) -> ClientMessage:
    """``["REQ", id, filter, ...]``; the library's own subscribe takes only one filter."""
    return ClientMessage.from_json(json.dumps(["REQ", wire_id, *filters]))


def close_message(wire_id: str) -> ClientMessage:
    """``["CLOSE", id]``."""
    return ClientMessage.from_json(json.dumps(["CLOSE", wire_id]))
