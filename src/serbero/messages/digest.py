"""What a solver reads at the end of a quiet time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from serbero.model.texts import Fixed, Outgoing

MOST: Final = 30
"""Disputes a digest names; the others are counted."""

_HEAD: Final = "While you were away ({count} disputes):"
_ENTRY: Final = "\n\ndispute_id: {dispute_id}\nlifecycle_state: {state}\nreminders: {reminders}"
_MORE: Final = "\n\nand {count} more"


@dataclass(frozen=True, slots=True)
class Entry:
    """One dispute of a digest.

    Attributes:
        state: its lifecycle now.
        reminders: how many reminders were held back.
    """

    dispute_id: str
    state: str
    reminders: int


def digest(entries: Sequence[Entry]) -> Outgoing:
    """Tell of disputes, the most urgent first, as the caller has put them."""
    parts = [Fixed(_HEAD, count=len(entries))]
    parts += [
        Fixed(_ENTRY, dispute_id=each.dispute_id, state=each.state, reminders=each.reminders)
        for each in entries[:MOST]
    ]
    if len(entries) > MOST:
        parts.append(Fixed(_MORE, count=len(entries) - MOST))
    return Outgoing(*parts)
