"""Replaceable events (NIP-01): of several from one author only the newest counts. Pure."""

from collections.abc import Iterable

from nostr_sdk import Event


def newest(events: Iterable[Event]) -> Event | None:
    """The event that replaces the others; of one second, the one with the lowest id."""
    return min(events, key=lambda x: (-x.created_at().as_secs(), x.id().to_hex()), default=None)
