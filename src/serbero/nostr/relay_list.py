"""Where somebody reads and writes: the published relay list (NIP-65, kind 10002). Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nostr_sdk import Event

from serbero.nostr.addresses import BadAddressError, normalise

RELAY_LIST_KIND: Final = 10002
"""Replaceable: the newest of an author counts."""

_MAX_TAGS: Final = 100
"""Tags looked at: a list of thousands is an attack on us, not an address book."""
_MAX_SECONDS: Final = 2**53


class RelayListRejection(StrEnum):
    """Why an event is not somebody's relay list; the first failing check names it."""

    KIND = "kind"
    AUTHOR = "author"
    ID = "id"
    SIGNATURE = "signature"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class RelayList:
    """What a list says; nothing here says that an address may be visited.

    Attributes:
        event_id: with ``created_at`` it orders revisions.
        created_at: Unix seconds, as its author dated it.
        read: normalised addresses where the author reads; no address twice.
        write: where the author writes. An entry without a marker is in both.
    """

    event_id: str
    created_at: int
    read: tuple[str, ...]
    write: tuple[str, ...]


def relay_list(event: Event, author: str) -> RelayList | RelayListRejection:
    """Return the list in ``event``, or the first reason it is none of ``author``'s.

    Texts that are no relay address and markers nobody defined are left out.

    Args:
        event: anything a relay sent.
        author: key, 64 lower-case hex digits.
    """
    fields = json.loads(event.as_json())
    if fields["kind"] != RELAY_LIST_KIND:
        return RelayListRejection.KIND
    if fields["pubkey"] != author:
        return RelayListRejection.AUTHOR
    if not event.verify():
        return RelayListRejection.SIGNATURE if event.verify_id() else RelayListRejection.ID
    if fields["created_at"] > _MAX_SECONDS:
        return RelayListRejection.TIME
    entries = [tag for tag in fields["tags"][:_MAX_TAGS] if len(tag) > 1 and tag[0] == "r"]
    return RelayList(
        event_id=fields["id"],
        created_at=fields["created_at"],
        read=_addresses(entries, "read"),
        write=_addresses(entries, "write"),
    )


def _addresses(entries: Sequence[Sequence[str]], marker: str) -> tuple[str, ...]:
    named = [tag[1] for tag in entries if _marker(tag) in ("", marker)]
    spelled = (_spelled(each) for each in named)
    return tuple(dict.fromkeys(each for each in spelled if each is not None))


def _marker(tag: Sequence[str]) -> str:
    return tag[2] if len(tag) > 2 else ""


def _spelled(address: str) -> str | None:
    try:
        return normalise(address)
    except BadAddressError:
        return None
