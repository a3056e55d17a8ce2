"""What the operator's own channels may be told of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


class AlertState(StrEnum):
    """``alerts.state``."""

    PENDING = "pending"
    """To be told; attempts go on for a day."""
    SENT = "sent"
    """The channel took it."""
    DEAD = "dead"
    """Given up, or its channel is configured no longer."""


class Turn(StrEnum):
    """Which way something turned, where it can turn both ways."""

    BEGUN = "begun"
    OVER = "over"


class Fact(StrEnum):
    """The keys of ``alerts.facts_json``; each value is one of few words, or a number."""

    ROLE = "role"
    """Who opened the dispute: buyer, seller or unknown."""
    AGAIN = "again"
    """1 where the dispute was opened again."""
    NUMBER = "number"
    """Which reminder, from 1."""
    TO = "to"
    """Whom a message was for: solver or party."""
    PURPOSE = "purpose"
    """Why it was written: an outbox row's purpose."""
    PART = "part"
    """Which part of the daemon."""
    TURN = "turn"
    """A :class:`Turn`."""
    SECONDS = "seconds"
    """How long it had been so."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that happened.

    Attributes:
        what: tells it from every other of its event: a channel is told of the same thing once.
        at: Unix seconds.
        dispute_id: what it is about, where it is about a dispute.
        facts: by :class:`Fact`; never a text somebody wrote.
    """

    event: AlertEvent
    what: str
    at: int
    dispute_id: str | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def dedupe_key(self) -> str:
        """What the database knows it by, within a channel."""
        return f"{self.event}:{self.what}"
