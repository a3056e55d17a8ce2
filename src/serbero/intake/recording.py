"""The intake's transaction: decide each revision and write everything the decision changes.

One transaction a batch. Dispute, lifecycle, applied revision, cursor and outgoing messages commit
together; nothing is sent from here.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from serbero.intake import custody
from serbero.intake.announcing import Audience, announce_new
from serbero.intake.custody import Custody, OnRelease
from serbero.intake.decision import Announcement, Decision, Outcome, decide
from serbero.model.dispute import Known, Moved, Opening
from serbero.model.lifecycle import DisputeStatus, Lifecycle
from serbero.model.reference_names import TRIGGER_REOPENED, TRIGGER_RESOLVED_EXTERNALLY
from serbero.model.taking import Release
from serbero.mostro.dispute_event import Revision
from serbero.store import cursors, disputes, journal, outbox

OnApplied = Callable[[sa.Connection, Revision, Custody | None, int, bool], int]
"""``on_applied(tx, revision, custody, at_ms, resolved)``: what else follows from a revision of a
known dispute; ``resolved`` says that it closed an open one. Returns the messages it enqueued."""


def nothing_follows(
    tx: sa.Connection, revision: Revision, whose: Custody | None, at_ms: int, resolved: bool
) -> int:
    """The default of :data:`OnApplied`."""
    del tx, revision, whose, at_ms, resolved
    return 0


@dataclass(frozen=True, slots=True)
class Follow:
    """What other rooms add to a revision's transaction.

    Attributes:
        on_release: when we hold a dispute no longer.
        on_applied: when everything else about a revision is written.
    """

    on_release: OnRelease = custody.nothing_more
    on_applied: OnApplied = nothing_follows


@dataclass(frozen=True, slots=True)
class RecordedRevision:
    """What became of one revision."""

    revision: Revision
    outcome: Outcome
    applied: bool = False
    enqueued: int = 0
    moved: Moved | None = None
    solver_count: int = 0
    custody: Custody | None = None


def record_revisions(
    tx: sa.Connection,
    batch: Sequence[Revision],
    audience: Audience,
    horizon: int,
    at_ms: int,
    follow: Follow | None = None,
) -> list[RecordedRevision]:
    """Decide and write a batch, in its order.

    Args:
        tx: the transaction.
        batch: verified revisions, oldest arrival first.
        audience: who is told.
        horizon: Unix seconds; see :func:`serbero.intake.decision.decide`.
        at_ms: our clock, Unix milliseconds.
        follow: what other rooms add.

    Returns:
        One entry a revision, in order.
    """
    ids = {revision.dispute_id for revision in batch}
    known = disputes.load_known(tx, ids)
    shouted = _in_upper_case(tx, ids - known.keys())
    known |= shouted
    results = []
    follow = follow or Follow()
    newest = 0
    for revision in (_as_stored(each, shouted) for each in batch):
        held = known.get(revision.dispute_id)
        decision = decide(held, revision, horizon)
        results.append(_write(tx, revision, held, decision, audience, at_ms, follow))
        if decision.apply:
            known[revision.dispute_id] = _after(tx, revision, decision, held)
            newest = max(newest, revision.created_at)
    if newest:
        # Never beyond our own clock: one event dated in 2100 must not hide all that follow.
        cursors.raise_to(tx, cursors.DISPUTES, min(newest, at_ms // 1000))
    return results


def _in_upper_case(tx: sa.Connection, unknown: Collection[str]) -> dict[str, Known]:
    """Return what we hold of these ids in upper case: the reference stores the tag as it came."""
    return disputes.load_known(tx, {each.upper() for each in unknown}) if unknown else {}


def _as_stored(revision: Revision, shouted: Mapping[str, Known]) -> Revision:
    """Return the revision under the id its dispute is stored with."""
    stored = revision.dispute_id.upper()
    return replace(revision, dispute_id=stored) if stored in shouted else revision


def _after(tx: sa.Connection, revision: Revision, decision: Decision, held: Known | None) -> Known:
    """What we hold once the decision is written; a later entry of the batch is compared to it."""
    if held is not None:
        # Read anew: what follows from a revision in other rooms may move the dispute on.
        return disputes.load_known(tx, [revision.dispute_id])[revision.dispute_id]
    opening = revision.event_id if decision.announce is Announcement.NEW else None
    state = decision.record_as or Lifecycle.NEW
    return Known(
        state,
        revision.event_id,
        revision.created_at,
        revision.status,
        opening,
        revision.initiator,
    )


def _write(
    tx: sa.Connection,
    revision: Revision,
    held: Known | None,
    decision: Decision,
    audience: Audience,
    at_ms: int,
    follow: Follow,
) -> RecordedRevision:
    now = at_ms // 1000
    result = RecordedRevision(
        revision, decision.outcome, applied=decision.apply, solver_count=len(audience.solvers)
    )
    if not decision.apply:
        return result
    if held is None:
        disputes.insert(tx, revision, decision.record_as or Lifecycle.NEW, now)
        initiator = revision.initiator
    else:
        result = replace(result, moved=_move(tx, revision, held, decision, now))
        initiator = held.initiator
    if decision.announce is Announcement.NEW:
        opening = Opening(revision.dispute_id, initiator, revision.event_id, revision.created_at)
        result = replace(result, enqueued=announce_new(tx, audience, opening, at_ms))
    if held is None:
        return result
    whose, told = _custody(tx, revision, decision, audience, at_ms, follow.on_release)
    resolved = decision.move_to is Lifecycle.RESOLVED
    told += follow.on_applied(tx, revision, whose, at_ms, resolved)
    return replace(result, custody=whose, enqueued=result.enqueued + told)


def _move(
    tx: sa.Connection, revision: Revision, held: Known, decision: Decision, now: int
) -> Moved | None:
    """Apply a revision to a known dispute; whatever it was told so far is withdrawn if untrue."""
    dispute_id = revision.dispute_id
    disputes.apply_revision(tx, revision, now)
    if decision.outcome is Outcome.REOPENED:
        journal.write(
            tx,
            "dispute_reopened",
            now,
            dispute_id=dispute_id,
            payload={"event_id": revision.event_id, "from_state": held.state.value},
        )
        disputes.forget_notification(tx, dispute_id)
        outbox.withdraw(tx, dispute_id, outbox.ABOUT_A_DISPUTE, now)
    elif decision.move_to is not None:
        # Taken or closed: nobody needs to attend to it any more. That somebody took it stays true.
        outbox.withdraw(tx, dispute_id, outbox.ABOUT_UNATTENDED, now)
    if decision.move_to is Lifecycle.TAKEN or decision.outcome is Outcome.REOPENED:
        disputes.set_assigned_solver(tx, dispute_id, revision.assigned_solver)
    if decision.move_to is None:
        return None
    trigger = _trigger(revision, decision)
    return disputes.transition(
        tx, dispute_id, held.state, decision.move_to, at=now, trigger=trigger
    )


def _trigger(revision: Revision, decision: Decision) -> str:
    match decision.move_to:
        case Lifecycle.RESOLVED:
            return TRIGGER_RESOLVED_EXTERNALLY
        case Lifecycle.NEW:
            return TRIGGER_REOPENED + revision.event_id
        case _:
            return revision.event_id


def _custody(
    tx: sa.Connection,
    revision: Revision,
    decision: Decision,
    audience: Audience,
    at_ms: int,
    on_release: OnRelease,
) -> tuple[Custody | None, int]:
    """Write who holds a known dispute from here on, and tell of it."""
    if revision.status is DisputeStatus.IN_PROGRESS:
        return custody.taken(
            tx,
            audience,
            revision.dispute_id,
            (revision.event_id, revision.created_at),
            at_ms,
            assigned_solver=revision.assigned_solver,
            news=decision.announce is Announcement.TAKEN,
            on_release=on_release,
        )
    why = Release.CLOSED if revision.status.terminal else Release.REOPENED
    gone = custody.release(tx, revision.dispute_id, why, at_ms // 1000, on_release)
    return (Custody.RELEASED if gone else None), 0
