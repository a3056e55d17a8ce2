"""What the operator's own channels may be told of."""

from enum import StrEnum


class AlertEvent(StrEnum):
    """What happened, as ``[[alerts]].events`` names it."""

    NEW_DISPUTE = "new_dispute"
    """A dispute was opened, or opened again."""
    UNATTENDED = "unattended"
    """Nobody took a dispute in time: solvers are reminded."""
    ESCALATED = "escalated"
    """A dispute needs a human."""
    DEAD_LETTER = "dead_letter"
    """A message was given up: no relay took it until its deadline."""
    DEGRADED = "degraded"
    """A part of the daemon does not do its work, or does it again."""
    UNAUTHORIZED = "unauthorized"
    """The node does not let us take disputes, or lets us again."""
