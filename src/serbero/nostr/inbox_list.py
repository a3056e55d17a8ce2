"""Where a person reads private messages: his published list (NIP-17, kind 10050). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nostr_sdk import Event

from serbero.nostr.addresses import acceptable, normalise
from serbero.nostr.identity import INBOX_RELAYS_KIND
from serbero.nostr.replaceable import newest
from serbero.nostr.replies import clean

MAX_INBOX_RELAYS: Final = 3
"""Inbox relays used of one list; NIP-17 asks authors to keep theirs that small."""

_MAX_TAGS: Final = 100
"""Tags looked at: a list of thousands is an attack on us, not an address book."""


@dataclass(frozen=True, slots=True)
class InboxList:
    """What a list says.

    Attributes:
        published_at: Unix seconds, as its author dated it.
        usable: normalised addresses that messages go to, at most :data:`MAX_INBOX_RELAYS`.
        refused: addresses that are not visited, cleaned for display.
    """

    published_at: int
    usable: tuple[str, ...]
    refused: tuple[str, ...]


def inbox_list(author: str, events: Iterable[Event], *, allow_private: bool) -> InboxList | None:
    """Return the newest list of ``author``, None if there is none.

    Args:
        author: key in hex; events of others and of other kinds do not count.
        events: verified ones.
        allow_private: whether unencrypted and private addresses may be visited as well.
    """
    found = newest(
        event
        for event in events
        if event.author().to_hex() == author and event.kind().as_u16() == INBOX_RELAYS_KIND
    )
    if found is None:
        return None
    tags = (tag.to_vec() for tag in found.tags()[:_MAX_TAGS])
    named = [tag[1] for tag in tags if len(tag) > 1 and tag[0] == "relay"]
    usable = [normalise(each) for each in named if acceptable(each, allow_private) is None]
    refused = [clean(each) for each in named if acceptable(each, allow_private) is not None]
    return InboxList(
        published_at=found.created_at().as_secs(),
        usable=tuple(dict.fromkeys(usable))[:MAX_INBOX_RELAYS],
        refused=tuple(dict.fromkeys(refused)),
    )
