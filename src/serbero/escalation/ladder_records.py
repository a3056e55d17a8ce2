"""The transactions of a ladder: begun with a dispatch, climbed step by step, ended by a human."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.reminders import reminder
from serbero.model.duty import is_quiet, on_duty
from serbero.model.ladder import Policy, audience
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.people import Permission, Solver
from serbero.model.texts import Fixed
from serbero.store import acknowledgements, disputes, held, journal, ladders, outbox, parties
from serbero.store.ladders import Ladder

_REMINDER: Final = Kind(Purpose.REMINDER, NotificationType.ESCALATION, Urgency.ALERT)
_OF_REMINDING: Final = (Purpose.REMINDER, Purpose.ACKNOWLEDGED)

Deadline = Callable[[sa.Connection, str], Fixed | None]

REPLACED: Final = "replaced"
RESOLVED: Final = "resolved"


@dataclass(frozen=True, slots=True)
class Climbing:
    """Who is reminded, and of what.

    Attributes:
        audience: everybody configured.
        deadline: the escrow's line for a dispute, where it is known.
    """

    audience: Audience
    deadline: Deadline


def begin(
    tx: sa.Connection,
    dispute_id: str,
    session_id: str | None,
    handoff_event_id: int,
    policy: Policy,
    now: int,
) -> None:
    """Begin a ladder in the transaction that dispatches its hand-off.

    A dispute has one: an earlier one is replaced. Who said to have the dispute still has it, and
    who snoozed it still sleeps.
    """
    before = ladders.running(tx, dispute_id)
    if before is not None and before.handoff_event_id != handoff_event_id:
        outbox.withdraw(tx, dispute_id, (Purpose.REMINDER,), now)
        _end_ladder(tx, dispute_id, REPLACED, now)
    if not ladders.begin(tx, dispute_id, session_id, handoff_event_id, policy, now):
        return
    payload = {"handoff_event_id": handoff_event_id}
    journal.write(
        tx, "ladder_began", now, dispute_id=dispute_id, session_id=session_id, payload=payload
    )


def end(tx: sa.Connection, dispute_id: str, by: str, now: int) -> bool:
    """Somebody has the dispute, or nobody needs to: remind nobody any more.

    Args:
        tx: the transaction that shows it.
        dispute_id: which.
        by: what happened, a word.
        now: Unix seconds.

    Returns:
        Whether a ladder was running.
    """
    acknowledgements.end(tx, dispute_id, by, now)
    untrue: tuple[Purpose, ...] = _OF_REMINDING
    if has_somebody(tx, dispute_id) == RESOLVED:
        untrue = (*untrue, Purpose.DEADLINE_WARNING)
    outbox.withdraw(tx, dispute_id, untrue, now)
    ladders.forget_snoozes(tx, dispute_id)
    return _end_ladder(tx, dispute_id, by, now)


def _end_ladder(tx: sa.Connection, dispute_id: str, by: str, now: int) -> bool:
    if not ladders.end(tx, dispute_id, by, now):
        return False
    journal.write(tx, "ladder_ended", now, dispute_id=dispute_id, payload={"by": by})
    return True


def has_somebody(tx: sa.Connection, dispute_id: str) -> str | None:
    """Why nobody needs to be reminded of a dispute; None while somebody does. No acknowledgement.

    A dispute that is taken and not held by us is a person's, unless we held it and ask for a
    person: we hold it no longer under a new key, and nobody else does for that.
    """
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    if known is None:
        return "gone"
    if known.state is Lifecycle.RESOLVED:
        return RESOLVED
    taken = known.state in (Lifecycle.TAKEN, Lifecycle.WAITING)
    if taken and parties.holding(tx, dispute_id) is None:
        return "taken"
    return None


def take_step(tx: sa.Connection, climbing: Climbing, ladder_id: int, at_ms: int) -> int:
    """Take a ladder's next step, if it still is due; return how many rows were enqueued.

    Args:
        tx: the transaction.
        climbing: who and what.
        ladder_id: which ladder.
        at_ms: Unix milliseconds.
    """
    now = at_ms // 1000
    ladder = ladders.load(tx, ladder_id)
    if ladder is None or ladder.next_at is None or ladder.next_at > now:
        return 0
    if (why := has_somebody(tx, ladder.dispute_id)) is not None:
        end(tx, ladder.dispute_id, why, now)
        return 0
    counting = acknowledgements.counting(tx, ladder.dispute_id, now)
    if counting is not None:
        ladders.put_off(tx, ladder.id, counting.expires_at)
        return 0
    return _climb(tx, climbing, ladder, at_ms)


def _climb(tx: sa.Connection, climbing: Climbing, ladder: Ladder, at_ms: int) -> int:
    now = at_ms // 1000
    everybody = tuple(each for each in climbing.audience.solvers if each.reachable)
    number = ladder.steps_taken + 1
    step = ladder.policy.step(number)
    assigned = disputes.assigned_solver(tx, ladder.dispute_id)
    meant = audience(step.to, everybody, assigned) or everybody
    lapsed = _lapsed(tx, ladder, now)
    chosen, asleep = recipients(tx, ladder.dispute_id, _with(meant, everybody, lapsed), now)
    added = 0
    named = audience(step.to, climbing.audience.solvers, assigned)
    for solver in (*chosen, *(each for each in named if not each.reachable)):
        added += _remind(tx, climbing, ladder, solver, number, at_ms, lapsed)
    for solver in asleep:
        if solver.hex is not None:
            held.hold(
                tx, solver.hex, ladder.dispute_id, Purpose.REMINDER, f"{ladder.id}.{number}", now
            )
    keys = [each.hex for each in chosen if each.hex is not None]
    next_at = ladder.policy.next_at(ladder.started_at, number, now)
    ladders.took_step(tx, ladder, number, step.to, keys, now, next_at)
    sleeping = [each.hex for each in asleep if each.hex is not None]
    payload = {"ladder": ladder.id, "number": number, "to": step.to}
    journal.write(
        tx,
        "ladder_step",
        now,
        dispute_id=ladder.dispute_id,
        session_id=ladder.session_id,
        payload={**payload, "recipients": keys, "held": sleeping, "next_at": next_at},
    )
    return added


def _lapsed(tx: sa.Connection, ladder: Ladder, now: int) -> str | None:
    """Who (hex) said to have it, without taking it in time, and was not told so yet."""
    found = acknowledgements.lapsed(tx, ladder.dispute_id, now)
    if found is None:
        return None
    acknowledgements.end(tx, ladder.dispute_id, "expired", now)
    # Some may not have been told yet that somebody has it; that is no longer true.
    outbox.withdraw(tx, ladder.dispute_id, (Purpose.ACKNOWLEDGED,), now)
    return found.solver


def _with(
    meant: tuple[Solver, ...], everybody: tuple[Solver, ...], lapsed: str | None
) -> tuple[Solver, ...]:
    """``meant``, and whoever let an acknowledgement run out: he hears that it did."""
    if lapsed is None:
        return meant
    return (*meant, *(each for each in everybody if each.hex == lapsed and each not in meant))


def recipients(
    tx: sa.Connection, dispute_id: str, meant: tuple[Solver, ...], now: int
) -> tuple[tuple[Solver, ...], tuple[Solver, ...]]:
    """Return who of ``meant`` is reminded now, and who reads it after sleeping.

    Who snoozed the dispute is neither. Where everybody sleeps, everybody is woken.
    """
    snoozing = ladders.snoozing(tx, dispute_id, now)
    muted = ladders.muted(tx, now)
    called = tuple(
        each for each in on_duty(meant, now) if each.reachable and each.hex not in snoozing
    )
    asleep = tuple(each for each in called if is_quiet(each, now) or each.hex in muted)
    awake = tuple(each for each in called if each not in asleep)
    return (awake, asleep) if awake else (asleep, ())


def _remind(
    tx: sa.Connection,
    climbing: Climbing,
    ladder: Ladder,
    solver: Solver,
    number: int,
    at_ms: int,
    lapsed: str | None,
) -> int:
    text = reminder(
        ladder.dispute_id,
        number,
        at_ms // 1000 - ladder.started_at,
        may_write=solver.permission is Permission.WRITE,
        lease_over=solver.hex == lapsed and lapsed is not None,
        deadline=climbing.deadline(tx, ladder.dispute_id),
    )
    # The words differ from solver to solver, so each gets a message, and an anchor, of his own.
    anchor = f"{ladder.id}.{number}.{(solver.hex or '')[:16]}"
    message = Message(_REMINDER, ladder.dispute_id, anchor, text, ladder.session_id)
    return announce(tx, climbing.audience.only([solver]), message, at_ms)
