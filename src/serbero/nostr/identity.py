"""Who we are, as Nostr shows it: the profile and the relays we read private messages from."""

import json
from collections.abc import Sequence
from typing import Final

from nostr_sdk import Event, EventBuilder, Keys, Kind, Tag, Timestamp

PROFILE_KIND: Final = 0
INBOX_RELAYS_KIND: Final = 10050
"""NIP-17: ``["relay", "wss://..."]`` tags."""


def profile(keys: Keys, name: str, about: str, created_at: int) -> Event:
    """Return our signed profile; ``bot`` (NIP-24) says that no person is behind the key."""
    content = json.dumps({"name": name, "about": about, "bot": True}, ensure_ascii=False)
    return _signed(keys, PROFILE_KIND, content, [], created_at)


def inbox_relays(keys: Keys, relays: Sequence[str], created_at: int) -> Event:
    """Return our signed list of inbox relays."""
    tags = [Tag.parse(["relay", url]) for url in relays]
    return _signed(keys, INBOX_RELAYS_KIND, "", tags, created_at)


def _signed(keys: Keys, kind: int, content: str, tags: Sequence[Tag], created_at: int) -> Event:
    unsigned = (
        EventBuilder(Kind(kind), content)
        .tags(tags)
        .custom_created_at(Timestamp.from_secs(created_at))
        .finalize_unsigned(keys.public_key())
    )
    return keys.sign_event(unsigned)
