"""How large a demonstration is, and how much time that gives it. Pure."""

from dataclasses import dataclass
from typing import Final

from serbero.simulator.node_messages import Protocol

_MESSAGES_A_SECOND: Final = 60
"""A pace that a slow and busy machine keeps; deadlines grow by it, nothing waits for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a demonstration is.

    Attributes:
        disputes: how many the daemon's process sees; one more is talked about.
        solvers: how many people hear of them.
        protocol: what the node speaks.
    """

    disputes: int
    solvers: int
    protocol: Protocol = 2

    @property
    def patience(self) -> float:
        """Seconds one scene may take."""
        return 20.0 + self.disputes * self.solvers / _MESSAGES_A_SECOND

    @property
    def reminder_seconds(self) -> int:
        """``[timeouts].renotification_seconds``: long enough to take in time what is to be taken.

        At least 1: a reminder comes when more than so many whole seconds have passed.
        """
        return 3 + self.disputes * self.solvers // 150
