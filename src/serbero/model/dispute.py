"""Disputes as the values that decisions take and return."""

from dataclasses import dataclass

from serbero.model.lifecycle import DisputeStatus, Lifecycle


@dataclass(frozen=True, slots=True)
class Opening:
    """The revision that opened (or reopened) a dispute, as far as messages tell of it.

    Attributes:
        dispute_id: the dispute.
        initiator: ``buyer``, ``seller`` or ``unknown``.
        event_id: the revision's id: the anchor of the messages about it.
        created_at: its time, Unix seconds.
    """

    dispute_id: str
    initiator: str
    event_id: str
    created_at: int


@dataclass(frozen=True, slots=True)
class Known:
    """What we hold of a dispute, as far as an arriving revision can change it."""

    state: Lifecycle
    event_id: str
    created_at: int
    status: DisputeStatus
    opening_event_id: str | None
    initiator: str

    @property
    def order(self) -> tuple[int, DisputeStatus]:
        """What :func:`serbero.model.lifecycle.newer` compares."""
        return (self.created_at, self.status)


@dataclass(frozen=True, slots=True)
class Moved:
    """One lifecycle move that was written."""

    dispute_id: str
    current: Lifecycle
    wanted: Lifecycle
    trigger: str
