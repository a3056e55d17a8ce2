"""The node's info event: kind 38385, how a Mostro node says what it speaks and demands.

Source: Mostro, ``src/nip33.rs`` ``info_to_tags``. Every value is a text in a tag; an event is
refused only for what makes it not the node's, never for a tag that cannot be read.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nostr_sdk import Event

from serbero.mostro.untrusted import MAX_INTEGER, digits_of, first_value, hex_of, one_line

INFO_KIND: Final = 38385
"""Addressable: ``d`` is the node's own key."""
MAX_BITS: Final = 255
"""The node keeps a difficulty in one byte (Mostro, ``src/config/types.rs``)."""

_MAX_NAME: Final = 100
_MAX_WORD: Final = 64
_MAX_NETWORKS: Final = 8

Tags = Sequence[Sequence[str]]


class Transport(StrEnum):
    """How messages travel between a node and its clients."""

    NIP44 = "nip44"
    """Protocol v2: signed kind 14 events, encrypted directly."""
    GIFT_WRAP = "gift-wrap"
    """Protocol v1: kind 1059 gift wraps."""

    @property
    def message_version(self) -> int:
        """The ``version`` that messages on this transport carry."""
        return 2 if self is Transport.NIP44 else 1


class InfoRejection(StrEnum):
    """Why an event is not the node's info; the first failing check names it."""

    KIND = "kind"
    AUTHOR = "author"
    ID = "id"
    SIGNATURE = "signature"
    TIME = "time"
    D = "d"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """What a node says about itself.

    Attributes:
        node: its key in hex.
        event_id: of the info event; with ``created_at`` it orders revisions.
        created_at: Unix seconds, the event's own stamp.
        transport: what ``protocol_version`` means; absent is v1 (nodes before 0.18.0). None: a
            version that this program does not speak.
        protocol_version: the tag as written, cleaned; None where it is absent.
        pow: leading zero bits every event to the node must show; None where the tag is absent
            or not a number: unknown.
        pow_first_contact: bits for an author the node does not know yet; None where the tag is
            absent: unknown, which is neither 0 nor ``pow`` (0.18.0 nodes enforce a value
            without telling it).
        serbero: key of the read-only assistant that the node names (since 0.19.1), in hex.
        version: of the node's software, cleaned; for display.
        name: of the instance, cleaned; None where it has none.
        cltv_delta: blocks between the lock of an escrow and its expiry.
        bond_enabled: None on nodes older than bonds (0.17.4).
        networks: of its Lightning node, such as ``mainnet``.
    """

    node: str
    event_id: str
    created_at: int
    transport: Transport | None
    protocol_version: str | None
    pow: int | None
    pow_first_contact: int | None
    serbero: str | None
    version: str | None
    name: str | None
    cltv_delta: int | None
    bond_enabled: bool | None
    networks: tuple[str, ...]


def parse_info_event(event: Event, node: str) -> NodeInfo | InfoRejection:
    """Return what ``event`` says about the node, or the first reason it says nothing.

    Args:
        event: anything a relay sent.
        node: the configured node's key, 64 lower-case hex digits.
    """
    fields = json.loads(event.as_json())
    if fields["kind"] != INFO_KIND:
        return InfoRejection.KIND
    if fields["pubkey"] != node:
        return InfoRejection.AUTHOR
    if not event.verify():
        return InfoRejection.SIGNATURE if event.verify_id() else InfoRejection.ID
    if fields["created_at"] > MAX_INTEGER:
        return InfoRejection.TIME
    tags: Tags = fields["tags"]
    if first_value(tags, "d") != node:
        return InfoRejection.D
    protocol = _protocol_version(tags)
    return NodeInfo(
        node=node,
        event_id=fields["id"],
        created_at=fields["created_at"],
        transport=_TRANSPORTS.get(protocol),
        protocol_version=protocol if protocol is None else one_line(protocol, _MAX_WORD) or "",
        pow=digits_of(first_value(tags, "pow"), MAX_BITS),
        pow_first_contact=digits_of(first_value(tags, "pow_first_contact"), MAX_BITS),
        serbero=hex_of(first_value(tags, "serbero"), 64),
        version=one_line(first_value(tags, "mostro_version"), _MAX_WORD),
        name=_name(tags),
        cltv_delta=digits_of(first_value(tags, "hold_invoice_cltv_delta")),
        bond_enabled=_FLAGS.get(first_value(tags, "bond_enabled")),
        networks=_networks(tags),
    )


_TRANSPORTS: Final[dict[str | None, Transport]] = {
    None: Transport.GIFT_WRAP,
    "1": Transport.GIFT_WRAP,
    "2": Transport.NIP44,
}
_FLAGS: Final[dict[str | None, bool]] = {"true": True, "false": False}


def _protocol_version(tags: Tags) -> str | None:
    """The tag's value; a tag without one is there, yet names no version."""
    found = next((tag for tag in tags if tag and tag[0] == "protocol_version"), None)
    return None if found is None else "".join(found[1:2])


def _name(tags: Tags) -> str | None:
    """The second value of the ``y`` tag; the first is always ``mostro``."""
    found = next((tag for tag in tags if len(tag) > 2 and tag[0] == "y"), None)
    return None if found is None else one_line(found[2], _MAX_NAME)


def _networks(tags: Tags) -> tuple[str, ...]:
    listed = (first_value(tags, "lnd_networks") or "").split(",", _MAX_NETWORKS)[:_MAX_NETWORKS]
    return tuple(word for each in listed if (word := one_line(each, _MAX_WORD)))
