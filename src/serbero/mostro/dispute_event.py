"""Dispute events: kind 38386, one addressable revision per status change of a dispute.

Source: Mostro, ``src/nip33.rs`` (shape and tags) and ``src/app/dispute.rs`` (statuses). A relay is
never trusted: author, id, signature and tags are checked here whatever was asked of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from nostr_sdk import Event

from serbero.model.lifecycle import DisputeStatus
from serbero.model.reference_names import UNKNOWN
from serbero.mostro.untrusted import MAX_INTEGER, digits_of, first_value, hex_of, uuid_of

DISPUTE_KIND: Final = 38386
"""Addressable: relays keep one event per author and ``d`` tag."""

ROLES: Final = frozenset({"buyer", "seller"})


class Rejection(StrEnum):
    """Why an event is not a usable dispute revision; the first failing check names it."""

    KIND = "kind"
    AUTHOR = "author"
    ID = "id"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    Z = "z"
    D_MISSING = "d-missing"
    D_NOT_A_UUID = "d-not-a-uuid"
    STATUS_MISSING = "status-missing"
    STATUS_UNKNOWN = "status-unknown"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Revision:
    """One verified revision of a dispute.

    Attributes:
        dispute_id: the ``d`` tag, a UUID in lower case.
        event_id: id of the event, 64 lower-case hex digits.
        created_at: the event's own stamp in Unix seconds; revisions order by it.
        status: the ``s`` tag.
        initiator: ``buyer``, ``seller`` or ``unknown``.
        opened_at: the ``created_at`` (newer nodes: ``published_at``) tag in Unix seconds: when
            the dispute was opened; None where the node does not say.
        node: the author's key in hex.
        assigned_solver: the ``p`` tag if it is a key in hex; nodes do not send one today.
    """

    dispute_id: str
    event_id: str
    created_at: int
    status: DisputeStatus
    initiator: str
    opened_at: int | None
    node: str
    assigned_solver: str | None = None

    @property
    def order(self) -> tuple[int, DisputeStatus]:
        """What :func:`serbero.model.lifecycle.newer` compares."""
        return (self.created_at, self.status)


def parse_dispute_event(event: Event, node: str, now: int) -> Revision | Rejection:
    """Return the revision ``event`` carries, or the first reason it carries none.

    Args:
        event: anything a relay sent.
        node: the configured node's key, 64 lower-case hex digits.
        now: Unix seconds; an event whose NIP-40 expiration is not after it is refused.
    """
    # One crossing into the library instead of one a field: this runs for every event.
    fields = json.loads(event.as_json())
    return _check_envelope(event, fields, node) or _parse_tags(fields, node, now)


def _check_envelope(event: Event, fields: Mapping[str, Any], node: str) -> Rejection | None:
    if fields["kind"] != DISPUTE_KIND:
        return Rejection.KIND
    if fields["pubkey"] != node:
        return Rejection.AUTHOR
    if not event.verify():
        return Rejection.SIGNATURE if event.verify_id() else Rejection.ID
    if fields["created_at"] > MAX_INTEGER:
        return Rejection.TIME
    return None


def _parse_tags(fields: Mapping[str, Any], node: str, now: int) -> Revision | Rejection:
    tags: Sequence[Sequence[str]] = fields["tags"]
    expiration = digits_of(first_value(tags, "expiration"))
    if expiration is not None and expiration <= now:
        return Rejection.EXPIRED
    if first_value(tags, "z") != "dispute":
        return Rejection.Z
    identifier = first_value(tags, "d")
    if identifier is None:
        return Rejection.D_MISSING
    dispute_id = uuid_of(identifier)
    if dispute_id is None:
        return Rejection.D_NOT_A_UUID
    text = first_value(tags, "s")
    if text is None:
        return Rejection.STATUS_MISSING
    try:
        status = DisputeStatus(text)
    except ValueError:
        return Rejection.STATUS_UNKNOWN
    initiator = first_value(tags, "initiator")
    return Revision(
        dispute_id=dispute_id,
        event_id=fields["id"],
        created_at=fields["created_at"],
        status=status,
        initiator=initiator if initiator in ROLES else UNKNOWN,
        opened_at=_opened_at(tags),
        node=node,
        assigned_solver=hex_of(first_value(tags, "p"), 64),
    )


def _opened_at(tags: Sequence[Sequence[str]]) -> int | None:
    """Unix seconds under either name of the tag; zero is no time anybody opened a dispute."""
    named = (digits_of(first_value(tags, name)) for name in ("created_at", "published_at"))
    return next((each for each in named if each), None)
