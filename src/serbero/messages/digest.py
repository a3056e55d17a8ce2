"""What a solver reads at the end of a quiet time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serbero.model.lifecycle import DisputeStatus, Lifecycle
from serbero.model.texts import Fixed, Outgoing

MOST: Final = 30
"""Disputes a digest names; the others are counted."""

_HEAD_ONE: Final = "While you were away, about 1 dispute:"
_HEAD: Final = "While you were away, about {count} disputes:"
_ENTRY: Final = "\n\ndispute_id: {dispute_id}\n"
_NOW: Final[Mapping[Lifecycle, str]] = {
    Lifecycle.NEW: "now: nobody has it yet",
    Lifecycle.NOTIFIED: "now: nobody has it yet",
    Lifecycle.TAKEN: "now: taken",
    Lifecycle.WAITING: "now: Serbero is asking the parties",
    Lifecycle.ESCALATED: "now: waits for a human",
    Lifecycle.RESOLVED: "now: closed ({status})",
}
_REMINDERS: Final = "\nreminders held back: {reminders}"
_MORE: Final = "\n\nAnd {count} more. To see all that are open, answer: open"


@dataclass(frozen=True, slots=True)
class Entry:
    """One dispute of a digest.

    Attributes:
        state: its lifecycle now.
        status: what the node says of it now.
        reminders: how many reminders were held back.
    """

    dispute_id: str
    state: Lifecycle
    status: DisputeStatus
    reminders: int


def digest(entries: Sequence[Entry]) -> Outgoing:
    """Tell of disputes, the most urgent first, as the caller has put them."""
    count = len(entries)
    parts = [Fixed(_HEAD_ONE) if count == 1 else Fixed(_HEAD, count=count)]
    for each in entries[:MOST]:
        parts.append(Fixed(_ENTRY, dispute_id=each.dispute_id))
        parts.append(Fixed(_NOW[each.state], status=each.status.value))
        if each.reminders:
            parts.append(Fixed(_REMINDERS, reminders=each.reminders))
    if count > MOST:
        parts.append(Fixed(_MORE, count=count - MOST))
    return Outgoing(*parts)
