"""The canary itself: an ephemeral event of ours, and the filter that must bring it back."""

import secrets
from typing import Final

from nostr_sdk import Event, Keys

from serbero.nostr.signing import signed
from serbero.relays.subscriptions import Filter

CANARY_KIND: Final = 20386
"""Ephemeral (NIP-01: 20000 to 29999), so relays pass it on and keep nothing."""

CANARY_LOOKBACK_SECONDS: Final = 60
"""How far the canary filter's ``since`` reaches back: clocks differ."""


def canary_filter(own: str, now: int) -> Filter:
    """What joins the proving subscription's REQ; ``own`` is our key in hex."""
    return {"kinds": [CANARY_KIND], "authors": [own], "since": now - CANARY_LOOKBACK_SECONDS}


def new_canary(keys: Keys, now: int) -> Event:
    """A canary like no other: two of one second without the tag would be duplicates."""
    return signed(keys, CANARY_KIND, "", [["n", secrets.token_hex(8)]], now)
