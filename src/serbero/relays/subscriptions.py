"""What we ask of relays, and whether an event is what we asked for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from nostr_sdk import Event

Filter = Mapping[str, object]
"""A NIP-01 filter as plain JSON: ``{"kinds": [38386], "authors": [...], "since": 1700000000}``."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A standing wish of ours, on every relay we listen on.

    Attributes:
        id: our name for it; no colon. Each REQ carries it with a generation: ``disputes:3``.
        filters: called at each REQ, so that ``since`` is fresh.
        on_event: called with the relay's address and each verified, matching event. The same
            event comes once from each relay, and again after each new REQ.
        proves_hearing: the canary's filter joins this one's REQ; at most one subscription.
        screen: called with the relay's address and a matching event's fields *before* its
            signature is verified; False drops it without a word. For what is cheaper than
            cryptography, such as a rate budget; nothing may be remembered as true from it.
    """

    id: str
    filters: Callable[[], Sequence[Filter]]
    on_event: Callable[[str, Event], None]
    proves_hearing: bool = False
    screen: Callable[[str, "Fields"], bool] | None = None


REPEATED: Final = "repeated"
"""Said of an event that the relay sent us on this subscription before, letter for letter."""
LATE: Final = "late"
"""Said of an event for a subscription or question that stands no more."""
QUIET: Final = frozenset({REPEATED, LATE})
"""What happens with honest relays as well: it is counted for the relay's patience alone."""

Fields = Mapping[str, Any]
"""An event as its NIP-01 JSON object."""


def fields_of(event: Event) -> Fields:
    """Return an event's fields: one crossing into the library instead of one a field and tag."""
    return cast("Fields", json.loads(event.as_json()))


def _bounds_identity(key: str) -> bool:
    return key in ("kinds", "authors", "ids") or (len(key) == 2 and key[0] == "#")


def asked_for(fields: Fields, filters: Sequence[Filter]) -> bool:
    """Whether an event matches one of ``filters`` as far as kinds, authors, ids and tags go.

    ``since``, ``until`` and ``limit`` select among what we want; a relay that ignores them
    sends too much, not something else.
    """
    return any(
        all(
            _value_in(fields, key, cast("Sequence[object]", wanted))
            for key, wanted in each.items()
            if _bounds_identity(key)
        )
        for each in filters
    )


def _value_in(fields: Fields, key: str, wanted: Sequence[object]) -> bool:
    match key:
        case "kinds":
            return fields["kind"] in wanted
        case "authors":
            return fields["pubkey"] in wanted
        case "ids":
            return fields["id"] in wanted
        case _:
            return any(
                len(tag) > 1 and tag[0] == key[1:] and tag[1] in wanted for tag in fields["tags"]
            )
