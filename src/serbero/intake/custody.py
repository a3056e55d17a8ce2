"""Who holds a dispute that was taken: we, or somebody else.

The node never says who took a dispute. We know of ourselves from the node's answer, which comes
before the event as a rule, and of others from every later event (mostro:
src/app/admin_take_dispute.rs). While a take of ours is under way, the news of an event that may
be ours waits for the outcome, so that solvers are not told twice, and not the wrong thing first.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from serbero.intake.announcing import Audience, announce_taken
from serbero.model.dispute import Known
from serbero.model.lifecycle import DisputeStatus
from serbero.model.notification import Purpose
from serbero.model.taking import Holding, Release, RevisionOf, TakeState, judge_revision
from serbero.store import disputes, journal, outbox, parties, takes

LONGEST_HOLD_SECONDS: Final = 24
"""Solvers hear of an assignment within half a minute even if the node has not answered us: this
long, and until the next look (:mod:`serbero.intake.held_news`)."""
NOT_OURS: Final = "invalid_pubkey"
"""The node's refusal of a take by whoever does not hold the dispute (mostro: src/error.rs)."""

OnRelease = Callable[[sa.Connection, str, Release, int], None]
"""``on_release(tx, dispute_id, why, now)``: what else ends when we hold a dispute no longer."""


class Custody(StrEnum):
    """What a revision or an outcome told of who holds a dispute."""

    HELD_BACK = "held_back"
    """A take of ours is under way: its outcome will tell."""
    OURS = "ours"
    """We hold it."""
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
    now = at_ms // 1000
    holding = parties.holding(tx, dispute_id)
    if holding is not None and judge_revision(holding, *revision) is not RevisionOf.THEIRS:
        return Custody.OURS, _ours(tx, audience, holding, revision, at_ms)
    take_id = takes.live_take_of(tx, dispute_id, now)
    if take_id is not None and (news or holding is not None):
        takes.hold(tx, take_id, now)
        return Custody.HELD_BACK, 0
    if holding is None:
        told = (tx, audience, dispute_id, assigned_solver, revision[0], at_ms)
        return Custody.FOREIGN, announce_taken(*told) if news else 0
    anchor = revision[0]
    return Custody.TAKEN_OVER, _lost(tx, audience, dispute_id, anchor, at_ms, on_release)


def outcome(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    state: TakeState,
    reason: str | None,
    at_ms: int,
    *,
    owed: bool,
    on_release: OnRelease,
) -> Custody | None:
    """Tell who holds a dispute after the outcome of a take was recorded.

    Args:
        tx: the transaction that records the outcome.
        audience: who is told.
        dispute_id: which.
        state: the outcome.
        reason: the node's word for a refusal.
        at_ms: Unix milliseconds.
        owed: whether news waited for it.
        on_release: what ends if we hold it no longer.
    """
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    if known is None:
        return None
    holding = parties.holding(tx, dispute_id)
    if holding is not None and state is TakeState.REFUSED and reason == NOT_OURS:
        # We thought we held it, and the node says that we do not.
        if not known.status.terminal:
            _lost(tx, audience, dispute_id, f"{known.event_id}.refused", at_ms, on_release)
            return Custody.TAKEN_OVER
    elif holding is not None and state is TakeState.NO_ANSWER:
        # Our unanswered request may have made this revision: without an answer nothing tells it
        # from a stranger's take, and it must not count as one.
        parties.raise_answered_at(tx, dispute_id, known.created_at)
    return _tell(tx, audience, dispute_id, known, at_ms, owed=owed, on_release=on_release)


def _tell(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    known: Known,
    at_ms: int,
    *,
    owed: bool,
    on_release: OnRelease,
) -> Custody | None:
    """Compare what we hold with the newest revision, and tell what is news."""
    if known.status.terminal:
        gone = release(tx, dispute_id, Release.CLOSED, at_ms // 1000, on_release)
        return Custody.RELEASED if gone else None
    if known.status is not DisputeStatus.IN_PROGRESS:
        return None
    holding = parties.holding(tx, dispute_id)
    if holding is None:
        if not owed:
            return None
        announce_taken(tx, audience, dispute_id, None, known.event_id, at_ms)
        return Custody.FOREIGN
    revision = known.event_id, known.created_at
    if judge_revision(holding, *revision) is RevisionOf.THEIRS:
        _lost(tx, audience, dispute_id, known.event_id, at_ms, on_release)
        return Custody.TAKEN_OVER
    _ours(tx, audience, holding, revision, at_ms)
    return Custody.OURS


def release(
    tx: sa.Connection, dispute_id: str, why: Release, now: int, on_release: OnRelease
) -> bool:
    """End our holding of a dispute that was closed or opened anew; False if we had none."""
    takes.forget_news(tx, dispute_id)
    if not parties.release(tx, dispute_id, why, now):
        return False
    on_release(tx, dispute_id, why, now)
    return True


def tell_long_held(
    tx: sa.Connection, audience: Audience, at_ms: int, on_release: OnRelease = nothing_more
) -> int:
    """Tell what waits too long for an outcome, as far as we know; return how many were told of."""
    told = 0
    for take_id, dispute_id in takes.held_since(tx, at_ms // 1000 - LONGEST_HOLD_SECONDS):
        takes.stop_holding(tx, take_id)
        known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
        if known is not None:
            _tell(tx, audience, dispute_id, known, at_ms, owed=True, on_release=on_release)
            told += 1
    return told


def _ours(
    tx: sa.Connection,
    audience: Audience,
    holding: Holding,
    revision: tuple[str, int],
    at_ms: int,
) -> int:
    dispute_id, event_id = holding.dispute_id, revision[0]
    if judge_revision(holding, *revision) is RevisionOf.OURS:
        parties.set_own_revision(tx, dispute_id, event_id)
    if disputes.assigned_solver(tx, dispute_id) == audience.sender:
        return 0  # solvers were told already
    disputes.set_assigned_solver(tx, dispute_id, audience.sender)
    # An anchor of its own: solvers may have been told that a stranger made this very revision, and
    # the same anchor would make no second message.
    anchor = f"{event_id}.serbero"
    return announce_taken(tx, audience, dispute_id, audience.sender, anchor, at_ms)


def _lost(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    anchor: str,
    at_ms: int,
    on_release: OnRelease,
) -> int:
    """Somebody else has what we held."""
    payload = {"anchor": anchor}
    journal.write(tx, "dispute_taken_over", at_ms // 1000, dispute_id=dispute_id, payload=payload)
    return give_up(tx, audience, dispute_id, Release.TAKEOVER, at_ms, anchor, on_release=on_release)


def give_up(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    why: Release,
    at_ms: int,
    anchor: str,
    *,
    on_release: OnRelease,
) -> int:
    """Hold a dispute no longer that is still taken; return how many messages were enqueued.

    Args:
        tx: the transaction.
        audience: who is told that somebody has it, and not us.
        dispute_id: which.
        why: for the record.
        at_ms: Unix milliseconds.
        anchor: what makes it another assignment than the last.
        on_release: what else ends.
    """
    now = at_ms // 1000
    parties.release(tx, dispute_id, why, now)
    disputes.set_assigned_solver(tx, dispute_id, None)
    # That we hold it is no longer true, and nothing more of ours goes to the parties.
    outbox.withdraw(tx, dispute_id, (Purpose.ASSIGNMENT, Purpose.PARTY_MESSAGE), now)
    on_release(tx, dispute_id, why, now)
    return announce_taken(tx, audience, dispute_id, None, anchor, at_ms)
