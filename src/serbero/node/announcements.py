"""What counts of the node's own announcements, and what they change. Pure."""

from collections.abc import Collection, Iterable
from typing import Final, Protocol

from serbero.node.standing import NoWay, Way
from serbero.nostr.addresses import acceptable
from serbero.nostr.relay_list import RelayList

AHEAD_SECONDS: Final = 600
"""How far ahead of our clock an announcement may be dated. The newest wins, so one dated years
ahead, by a node whose clock was wrong for a moment, would silence all later ones."""

MAX_EXTRA_RELAYS: Final = 5
"""Relays of the node's list that are listened to beside the configured ones."""


class Dated(Protocol):
    """An announcement as far as its order goes."""

    @property
    def event_id(self) -> str:
        """Hex; empty where it is not known any more."""

    @property
    def created_at(self) -> int:
        """Unix seconds, by the node's clock."""


def from_the_future(announced: Dated, now: int) -> bool:
    """Whether it is dated too far ahead to be believed; ``now`` in Unix seconds."""
    return announced.created_at > now + AHEAD_SECONDS


def replaces(announced: Dated, held: Dated | None, now: int) -> bool:
    """Whether an announcement takes the place of the one held.

    The newest wins, of one second the lowest id (NIP-01). One that is held though it is dated
    too far ahead was taken while our own clock was wrong: anything replaces it.
    """
    if from_the_future(announced, now):
        return False
    if held is None or from_the_future(held, now):
        return True
    if announced.created_at != held.created_at:
        return announced.created_at > held.created_at
    return announced.event_id < held.event_id


def listed(relays: RelayList) -> tuple[str, ...]:
    """Where the node may be met: it writes and reads on what it names without a marker."""
    return tuple(dict.fromkeys(relays.write + relays.read))


def extra_relays(
    named: Iterable[str], configured: Collection[str], kept: Iterable[str], *, allow_private: bool
) -> tuple[str, ...]:
    """Return the relays of a list to listen to beside the configured ones.

    The node names its relays in whatever order its memory holds them, so the choice among too
    many must not follow that order: those listened to already stay.

    Args:
        named: normalised addresses.
        configured: the same; these are listened to anyway.
        kept: those listened to now.
        allow_private: whether unencrypted and private addresses may be visited.
    """
    usable = {
        each for each in named if each not in configured and acceptable(each, allow_private) is None
    }
    stay = [each for each in kept if each in usable]
    return tuple([*stay, *sorted(usable.difference(stay))][:MAX_EXTRA_RELAYS])


def changed_fields(before: Way | NoWay, after: Way) -> list[str]:
    """Name what is different, for the log; all of it where there was no way before."""
    names = ("transport", "bits", "first_contact_known", "rival")
    if isinstance(before, NoWay):
        return [name for name in names if name != "rival" or after.rival is not None]
    return [name for name in names if getattr(before, name) != getattr(after, name)]
