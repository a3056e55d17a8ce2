"""Who holds a dispute that was taken: we, or somebody else.

The node never says who took a dispute. We know of ourselves from the node's answer, which comes
before the event as a rule, and of others from every further event (mostro:
src/app/admin_take_dispute.rs). While a take of ours is open, the news of an event waits for the
outcome, so that solvers are not told twice, and not the wrong thing first.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from serbero.intake.announcing import Audience, announce_taken
from serbero.model.dispute import Known
from serbero.model.lifecycle import DisputeStatus
from serbero.model.notification import Purpose
from serbero.model.taking import (
    OWN_REVISION_SECONDS,
    HeldRevision,
    Holding,
    Release,
    is_own_revision,
)
from serbero.store import disputes, journal, outbox, parties, takes

LONGEST_HOLD_SECONDS: Final = 30
"""Solvers hear of an assignment after this long even if the node has not answered us yet."""

OnRelease = Callable[[sa.Connection, str, Release, int], None]
"""``on_release(tx, dispute_id, why, now)``: what else ends when we hold a dispute no longer."""


class Custody(StrEnum):
    """What a revision or an outcome told of who holds a dispute."""

    HELD_BACK = "held_back"
    """A take of ours is open: its outcome will tell."""
    OURS = "ours"
    """Our take caused it."""
    TAKEN_OVER = "taken_over"
    """We held it, and somebody else took it over."""
    FOREIGN = "foreign"
    """Somebody else has it; we never did."""
    RELEASED = "released"
    """We held it, and it was closed or opened anew."""


def nothing_more(tx: sa.Connection, dispute_id: str, why: Release, now: int) -> None:
    """The default of :data:`OnRelease`."""
    del tx, dispute_id, why, now


def taken(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    revision: tuple[str, int],
    at_ms: int,
    *,
    assigned_solver: str | None,
    news: bool,
    on_release: OnRelease,
) -> tuple[Custody, int]:
    """Write what an ``in-progress`` revision that was just applied means.

    Args:
        tx: the transaction of the decision.
        audience: who is told.
        dispute_id: which.
        revision: event id and ``created_at`` of the revision.
        at_ms: Unix milliseconds.
        assigned_solver: who, where the event says so (today none does).
        news: whether solvers have not been told of an assignment yet.
        on_release: what ends if it is a takeover.

    Returns:
        What it means, and how many messages were enqueued.
    """
    event_id, created_at = revision
    take_id = takes.open_take_of(tx, dispute_id)
    if take_id is not None:
        takes.hold(tx, take_id, event_id, created_at, at_ms // 1000)
        return Custody.HELD_BACK, 0
    holding = parties.holding(tx, dispute_id)
    if holding is None:
        told = (tx, audience, dispute_id, assigned_solver, event_id, at_ms)
        return Custody.FOREIGN, announce_taken(*told) if news else 0
    if is_own_revision(holding, event_id, created_at):
        parties.set_own_revision(tx, dispute_id, event_id)
        return Custody.OURS, _ours(tx, audience, dispute_id, event_id, at_ms)
    return Custody.TAKEN_OVER, _taken_over(tx, audience, dispute_id, event_id, at_ms, on_release)


def outcome(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    held: HeldRevision | None,
    attempts: int,
    at_ms: int,
    *,
    on_release: OnRelease,
) -> Custody | None:
    """Tell what waited for the outcome of a take that was just recorded.

    Args:
        tx: the transaction that records the outcome.
        audience: who is told.
        dispute_id: which.
        held: the revision that waited.
        attempts: requests we published: each may have caused a revision of its own.
        at_ms: Unix milliseconds.
        on_release: what ends if we hold it no longer already.
    """
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    holding = parties.holding(tx, dispute_id)
    if known is None:
        return None
    if known.status.terminal:
        return _closed(tx, dispute_id, at_ms // 1000, on_release)
    if held is None or known.status is not DisputeStatus.IN_PROGRESS:
        return None
    if holding is None:
        announce_taken(tx, audience, dispute_id, None, held.event_id, at_ms)
        return Custody.FOREIGN
    ours, over = _whose(holding, held, known, attempts)
    if ours:
        if attempts == 1:
            parties.set_own_revision(tx, dispute_id, held.event_id)
        _ours(tx, audience, dispute_id, held.event_id, at_ms)
    if over:
        _taken_over(tx, audience, dispute_id, known.event_id, at_ms, on_release)
    return Custody.TAKEN_OVER if over else Custody.OURS


def _whose(holding: Holding, held: HeldRevision, known: Known, attempts: int) -> tuple[bool, bool]:
    """Whether the held revision is ours, and whether somebody took the dispute over since."""
    latest = holding.answered_at + OWN_REVISION_SECONDS
    if attempts == 1:
        ours = held.created_at <= latest
        return ours, not ours or held.more > 0
    # Several requests: any of them may have taken it, and each that did left a revision.
    return held.created_at <= latest, known.created_at > latest


def release(
    tx: sa.Connection, dispute_id: str, why: Release, now: int, on_release: OnRelease
) -> bool:
    """End our holding of a dispute that was closed or opened anew; False if we had none."""
    if not parties.release(tx, dispute_id, why, now):
        return False
    on_release(tx, dispute_id, why, now)
    return True


def tell_long_held(tx: sa.Connection, audience: Audience, at_ms: int) -> int:
    """Announce what waits too long for an outcome; return how many messages were enqueued."""
    told = 0
    for each in takes.held_since(tx, at_ms // 1000 - LONGEST_HOLD_SECONDS):
        takes.stop_holding(tx, each.take_id)
        known = disputes.load_known(tx, [each.dispute_id]).get(each.dispute_id)
        if known is not None and known.status is DisputeStatus.IN_PROGRESS:
            anchor = each.revision.event_id
            told += announce_taken(tx, audience, each.dispute_id, None, anchor, at_ms)
    return told


def _ours(tx: sa.Connection, audience: Audience, dispute_id: str, event_id: str, at_ms: int) -> int:
    if disputes.assigned_solver(tx, dispute_id) == audience.sender:
        return 0  # a repeated take of ours: solvers know
    disputes.set_assigned_solver(tx, dispute_id, audience.sender)
    # Another anchor than a stranger's: solvers may have been told of the same event already.
    anchor = f"{event_id}.serbero"
    return announce_taken(tx, audience, dispute_id, audience.sender, anchor, at_ms)


def _taken_over(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    event_id: str,
    at_ms: int,
    on_release: OnRelease,
) -> int:
    now = at_ms // 1000
    parties.release(tx, dispute_id, Release.TAKEOVER, now)
    disputes.set_assigned_solver(tx, dispute_id, None)
    # That we hold it is no longer true, and nothing more of ours goes to the parties.
    outbox.withdraw(tx, dispute_id, (Purpose.ASSIGNMENT, Purpose.PARTY_MESSAGE), now)
    journal.write(
        tx, "dispute_taken_over", now, dispute_id=dispute_id, payload={"event_id": event_id}
    )
    on_release(tx, dispute_id, Release.TAKEOVER, now)
    return announce_taken(tx, audience, dispute_id, None, event_id, at_ms)


def _closed(tx: sa.Connection, dispute_id: str, now: int, on_release: OnRelease) -> Custody | None:
    gone = release(tx, dispute_id, Release.CLOSED, now, on_release)
    return Custody.RELEASED if gone else None
