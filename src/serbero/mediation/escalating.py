"""Handing over to a human, whole: audit, hand-off, lifecycle, silence to the parties, alert.

Everything happens in the caller's transaction, so that nobody is asked anything after a human was
called, whenever the process ends.
"""

from typing import Final

import sqlalchemy as sa

from serbero.chat.opening import close_in
from serbero.intake.announcing import Audience
from serbero.mediation.telling import tell_escalated
from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.model.notification import Purpose
from serbero.store import disputes, eligibility, outbox, parties, sessions
from serbero.store.escalations import Escalated, Handoff, escalate_dispute, escalate_session
from serbero.store.mediation_events import Pins
from serbero.store.session_moves import MoveRefused

_TRIGGER: Final = "mediation:"
"""How a lifecycle move of ours is named in the history."""


def escalate(
    tx: sa.Connection, audience: Audience, session_id: str, handoff: Handoff, at_ms: int
) -> Escalated | MoveRefused:
    """End a session's conversation and hand its dispute to a human.

    Args:
        tx: the transaction.
        audience: who is told.
        session_id: a session; one that is not live is left as it is.
        handoff: why.
        at_ms: Unix milliseconds.
    """
    now = at_ms // 1000
    done = escalate_session(tx, session_id, handoff, now)
    if isinstance(done, MoveRefused):
        return done
    close_in(tx, done.dispute_id, now)
    move_to(tx, done.dispute_id, Lifecycle.ESCALATED, now, handoff.trigger.value)
    tell_escalated(tx, audience, done.dispute_id, handoff.trigger, at_ms, session_id=session_id)
    return done


def escalate_unstarted(
    tx: sa.Connection, audience: Audience, dispute_id: str, handoff: Handoff, pins: Pins, at_ms: int
) -> Escalated | None:
    """Hand a dispute without a session to a human.

    Its lifecycle stays, so that it goes on being told as unattended; unless we hold it already,
    which ended that.

    Returns:
        None if it was handed over before, or has a session; nothing was written then.
    """
    now = at_ms // 1000
    done = escalate_dispute(tx, dispute_id, handoff, pins, now)
    if done is None:
        return None
    eligibility.forget_failed_starts(tx, dispute_id)
    if parties.holding(tx, dispute_id) is not None:
        close_in(tx, dispute_id, now)
        move_to(tx, dispute_id, Lifecycle.ESCALATED, now, handoff.trigger.value)
    tell_escalated(tx, audience, dispute_id, handoff.trigger, at_ms, session_id=None)
    return done


def escalate_live(
    tx: sa.Connection, audience: Audience, handoff: Handoff, at_ms: int
) -> list[Escalated]:
    """Hand over every session that is ours to lead."""
    done = [escalate(tx, audience, each.session_id, handoff, at_ms) for each in sessions.live(tx)]
    return [each for each in done if isinstance(each, Escalated)]


def move_to(tx: sa.Connection, dispute_id: str, wanted: Lifecycle, now: int, why: str) -> None:
    """Move a dispute that we hold to ``wanted``, by way of ``taken`` where that is not yet known.

    The node's answer to our take usually comes before the event that says so. One that is closed
    stays so: whoever closed it was not us.
    """
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    if known is None or known.state in (wanted, Lifecycle.RESOLVED):
        return
    current = known.state
    if wanted not in TRANSITIONS[current]:
        # It is not unattended any more. That it was opened stays true, and every solver is to know.
        outbox.withdraw(tx, dispute_id, (Purpose.RENOTIFICATION,), now)
        _move(tx, dispute_id, current, Lifecycle.TAKEN, now, why)
        current = Lifecycle.TAKEN
    if wanted is not current:
        _move(tx, dispute_id, current, wanted, now, why)


def _move(
    tx: sa.Connection,
    dispute_id: str,
    current: Lifecycle,
    wanted: Lifecycle,
    now: int,
    why: str,
) -> None:
    disputes.transition(tx, dispute_id, current, wanted, at=now, trigger=f"{_TRIGGER}{why}")
