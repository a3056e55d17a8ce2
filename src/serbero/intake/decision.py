"""What an arriving revision of a dispute means. Pure: values in, a value out."""

from dataclasses import dataclass
from enum import StrEnum

from serbero.model.dispute import Known
from serbero.model.lifecycle import DisputeStatus, Lifecycle, newer
from serbero.mostro.dispute_event import Revision


class Outcome(StrEnum):
    """What was done with a revision; also a metric's label."""

    DETECTED = "detected"
    """A dispute nobody has: recorded, solvers are told."""
    REOPENED = "reopened"
    """A known dispute was opened again: solvers are told as of a new one."""
    TAKEN = "taken"
    """Somebody took it: solvers are told."""
    TAKEN_AGAIN = "taken_again"
    """It was taken already: the revision is applied, nobody is told."""
    RESOLVED = "resolved"
    """It is closed."""
    STATUS_CHANGED = "status_changed"
    """It was closed already, now for another reason."""
    FIRST_SEEN_TAKEN = "first_seen_taken"
    """Unknown until now and taken already: recorded in silence."""
    FIRST_SEEN_RESOLVED = "first_seen_resolved"
    """Unknown until now and closed already: recorded in silence."""
    DUPLICATE = "duplicate"
    """The very revision that is applied."""
    STALE = "stale"
    """Older than the applied one: another relay was behind."""
    BEFORE_HORIZON = "before_horizon"
    """Unknown, and from before this database's first start looked back to."""


class Announcement(StrEnum):
    """What solvers are told in the same transaction."""

    NEW = "new"
    TAKEN = "taken"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write.

    Attributes:
        outcome: its name.
        apply: whether the revision becomes the applied one.
        move_to: the lifecycle state to move a known dispute to; None where it stays.
        record_as: the state an unknown dispute is recorded in; None where it is known or ignored.
        announce: what solvers are told.
    """

    outcome: Outcome
    apply: bool = False
    move_to: Lifecycle | None = None
    record_as: Lifecycle | None = None
    announce: Announcement | None = None


def decide(known: Known | None, revision: Revision, horizon: int) -> Decision:
    """Return what ``revision`` changes.

    The newest revision by (``created_at``, rank of status) wins from every state, so any order
    and any repetition of the same revisions ends in the same state.

    Args:
        known: what we hold of the dispute, or None.
        revision: verified.
        horizon: Unix seconds; an unknown dispute whose revision is older is not ours.
    """
    if known is None:
        return _first_seen(revision, horizon)
    if revision.event_id == known.event_id:
        return Decision(Outcome.DUPLICATE)
    if not newer(revision.order, known.order):
        return Decision(Outcome.STALE)
    if revision.status is DisputeStatus.INITIATED:
        moved = None if known.state is Lifecycle.NEW else Lifecycle.NEW
        return Decision(Outcome.REOPENED, apply=True, move_to=moved, announce=Announcement.NEW)
    if revision.status is DisputeStatus.IN_PROGRESS:
        return _taken(known)
    if known.state is Lifecycle.RESOLVED:
        return Decision(Outcome.STATUS_CHANGED, apply=True)
    return Decision(Outcome.RESOLVED, apply=True, move_to=Lifecycle.RESOLVED)


def _first_seen(revision: Revision, horizon: int) -> Decision:
    if revision.created_at < horizon:
        return Decision(Outcome.BEFORE_HORIZON)
    if revision.status is DisputeStatus.INITIATED:
        return Decision(
            Outcome.DETECTED,
            apply=True,
            record_as=Lifecycle.NEW,
            announce=Announcement.NEW,
        )
    if revision.status is DisputeStatus.IN_PROGRESS:
        return Decision(Outcome.FIRST_SEEN_TAKEN, apply=True, record_as=Lifecycle.TAKEN)
    return Decision(Outcome.FIRST_SEEN_RESOLVED, apply=True, record_as=Lifecycle.RESOLVED)


def _taken(known: Known) -> Decision:
    """Somebody took a known dispute (again)."""
    if known.state in (Lifecycle.TAKEN, Lifecycle.WAITING):
        return Decision(Outcome.TAKEN_AGAIN, apply=True)
    return Decision(Outcome.TAKEN, apply=True, move_to=Lifecycle.TAKEN, announce=Announcement.TAKEN)
