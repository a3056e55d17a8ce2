"""The dispute lifecycle: states, what may follow what, and how revisions order.

Everything that decides a transition of a dispute stands in this file. The node publishes
*revisions* of a dispute (kind 38386); each carries a status. The newest revision wins from
every state, so the table is the reference's plus the moves that rule needs: anything may be
reopened, and a resolved dispute may be found taken again.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class DisputeStatus(StrEnum):
    """The ``s`` tag of a dispute event, as the node writes it."""

    INITIATED = "initiated"
    """A party opened the dispute; nobody has it."""
    IN_PROGRESS = "in-progress"
    """A solver took it (again). The event never says who."""
    SETTLED = "settled"
    """Closed in favour of the buyer, by a solver or by the seller's own release."""
    SELLER_REFUNDED = "seller-refunded"
    """Closed in favour of the seller, by a solver or by cooperative cancellation."""
    RELEASED = "released"
    """Closed by the seller's release (newer nodes)."""
    COOPERATIVELY_CANCELED = "cooperatively-canceled"
    """Closed by both parties (newer nodes)."""

    @property
    def rank(self) -> int:
        """Order of statuses stamped in the same second: opened, taken, closed."""
        if self is DisputeStatus.INITIATED:
            return 0
        return 1 if self is DisputeStatus.IN_PROGRESS else 2

    @property
    def terminal(self) -> bool:
        """Whether the dispute is closed (it may still be reopened)."""
        return self.rank == 2


class Lifecycle(StrEnum):
    """What has happened to a dispute on our side (``disputes.lifecycle_state``)."""

    NEW = "new"
    """Recorded; no solver is known to have been told yet."""
    NOTIFIED = "notified"
    """At least one solver's message reached a relay; nobody took the dispute."""
    TAKEN = "taken"
    """Somebody took it at the node."""
    WAITING = "waiting"
    """Serbero holds it and waits for the parties."""
    ESCALATED = "escalated"
    """Serbero held it and asks for a human."""
    RESOLVED = "resolved"
    """Closed at the node."""


UNATTENDED: Final = frozenset({Lifecycle.NEW, Lifecycle.NOTIFIED})
"""States in which nobody has the dispute, so that solvers are reminded."""

_ANY: Final = frozenset({Lifecycle.NEW, Lifecycle.TAKEN, Lifecycle.RESOLVED})
"""What a revision can do from every state: reopen, take, resolve."""

TRANSITIONS: Final[Mapping[Lifecycle, frozenset[Lifecycle]]] = {
    Lifecycle.NEW: (_ANY - {Lifecycle.NEW}) | {Lifecycle.NOTIFIED},
    Lifecycle.NOTIFIED: _ANY,
    Lifecycle.TAKEN: (_ANY - {Lifecycle.TAKEN}) | {Lifecycle.WAITING, Lifecycle.ESCALATED},
    Lifecycle.WAITING: _ANY | {Lifecycle.ESCALATED},
    Lifecycle.ESCALATED: _ANY,
    Lifecycle.RESOLVED: _ANY - {Lifecycle.RESOLVED},
}


class IllegalTransition(ValueError):  # noqa: N818 - named for what it says
    """A lifecycle move the table does not allow; nothing was written."""

    def __init__(self, current: Lifecycle, wanted: Lifecycle) -> None:
        super().__init__(f"invalid state transition: {current} -> {wanted}")
        self.current = current
        self.wanted = wanted


def check_transition(current: Lifecycle, wanted: Lifecycle) -> None:
    """Do nothing if the move is legal.

    Raises:
        IllegalTransition: it is not; the caller writes nothing.
    """
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransition(current, wanted)


def newer(left: tuple[int, DisputeStatus], right: tuple[int, DisputeStatus]) -> bool:
    """Whether revision ``left`` wins over ``right``; each is (event created_at, status).

    By ``created_at``, then by rank: the rank only breaks the same-second ties of nodes up to
    0.18.5. Equal pairs do not win, so a replay changes nothing.
    """
    return (left[0], left[1].rank) > (right[0], right[1].rank)
