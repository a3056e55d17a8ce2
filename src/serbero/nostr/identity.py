"""Who we are, as Nostr shows it: the profile and the relays we read private messages from."""

import json
from collections.abc import Sequence
from typing import Final

from nostr_sdk import Event, Keys

from serbero.nostr.signing import signed

PROFILE_KIND: Final = 0
INBOX_RELAYS_KIND: Final = 10050
"""NIP-17: ``["relay", "wss://..."]`` tags."""


def profile(keys: Keys, name: str, about: str, created_at: int) -> Event:
    """Return our signed profile; ``bot`` (NIP-24) says that no person is behind the key."""
    content = json.dumps({"name": name, "about": about, "bot": True}, ensure_ascii=False)
    return signed(keys, PROFILE_KIND, content, [], created_at)


def inbox_relays(keys: Keys, relays: Sequence[str], created_at: int) -> Event:
    """Return our signed list of inbox relays."""
    tags = [["relay", url] for url in relays]
    return signed(keys, INBOX_RELAYS_KIND, "", tags, created_at)
