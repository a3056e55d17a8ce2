"""What we ask of relays, and whether an event is what we asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from nostr_sdk import Event

Filter = Mapping[str, object]
"""A NIP-01 filter as plain JSON: ``{"kinds": [38386], "authors": [...], "since": 1700000000}``."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A standing wish of ours, on every listening relay.

    Attributes:
        id: our name for it; no colon. Each REQ carries it with a generation: ``disputes:3``.
        filters: called at each REQ, so that ``since`` is fresh.
        on_event: called with the relay's address and each verified, matching event. The same
            event comes once from each relay, and again after each new REQ.
        proves_hearing: the canary's filter joins this one's REQ; at most one subscription.
    """

    id: str
    filters: Callable[[], Sequence[Filter]]
    on_event: Callable[[str, Event], None]
    proves_hearing: bool = False


class _Seen:
    """An event's properties in plain Python, each read from the library at most once."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._tags: dict[str, set[str]] | None = None

    def value_in(self, key: str, wanted: Sequence[object]) -> bool:
        match key:
            case "kinds":
                return self._event.kind().as_u16() in wanted
            case "authors":
                return self._event.author().to_hex() in wanted
            case "ids":
                return self._event.id().to_hex() in wanted
            case _:
                return not self._tag_values(key[1:]).isdisjoint(cast("Sequence[str]", wanted))

    def _tag_values(self, name: str) -> set[str]:
        if self._tags is None:
            self._tags = {}
            for tag in self._event.tags():
                parts = tag.to_vec()
                if len(parts) > 1:
                    self._tags.setdefault(parts[0], set()).add(parts[1])
        return self._tags.get(name, set())


def _bounds_identity(key: str) -> bool:
    return key in ("kinds", "authors", "ids") or (len(key) == 2 and key[0] == "#")


def asked_for(event: Event, filters: Sequence[Filter]) -> bool:
    """Whether ``event`` matches one of ``filters`` as far as kinds, authors, ids and tags go.

    ``since``, ``until`` and ``limit`` select among what we want; a relay that ignores them
    sends too much, not something else.
    """
    seen = _Seen(event)
    return any(
        all(
            seen.value_in(key, cast("Sequence[object]", wanted))
            for key, wanted in each.items()
            if _bounds_identity(key)
        )
        for each in filters
    )
