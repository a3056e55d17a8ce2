"""A solver says "I have it": the reminders stop, and the others are told who."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from serbero.escalation.ladder_records import has_somebody
from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.reminders import acknowledged
from serbero.model.duty import display
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.people import Permission, Solver
from serbero.store import acknowledgements, journal, ladders, outbox

_ACKNOWLEDGED: Final = Kind(Purpose.ACKNOWLEDGED, NotificationType.ESCALATION, Urgency.NOTICE)

_UNTRUE_NOW: Final = (Purpose.REMINDER, Purpose.ACKNOWLEDGED)
"""What may be on its way: that nobody has it, and that somebody had it before."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The solver has it until ``until`` (Unix seconds); ``again`` if it said so before."""

    until: int
    again: bool


@dataclass(frozen=True, slots=True)
class HeldByAnother:
    """Somebody else does, called ``name``, until ``until`` (Unix seconds)."""

    name: str
    until: int


@dataclass(frozen=True, slots=True)
class NothingToTake:
    """There is nothing to have.

    Attributes:
        why: ``resolved``, ``taken``, ``gone`` or ``not_handed_over``.
    """

    why: str


@dataclass(frozen=True, slots=True)
class MayNot:
    """This solver's permission at the node does not allow to settle anything."""


AckResult = Acknowledged | HeldByAnother | NothingToTake | MayNot


def acknowledge(
    tx: sa.Connection,
    audience: Audience,
    solver: Solver,
    dispute_id: str,
    at_ms: int,
    lease_seconds: int,
) -> AckResult:
    """Let a solver have a dispute for a while.

    Args:
        tx: the transaction.
        audience: everybody configured.
        solver: who says so.
        dispute_id: which dispute.
        at_ms: Unix milliseconds.
        lease_seconds: how long it counts while nobody takes the dispute at the node.
    """
    now = at_ms // 1000
    if solver.permission is not Permission.WRITE or solver.hex is None:
        return MayNot()
    if (why := has_somebody(tx, dispute_id)) is not None:
        return NothingToTake(why)
    ladder = ladders.running(tx, dispute_id)
    if ladder is None:
        return NothingToTake("not_handed_over")
    before = acknowledgements.counting(tx, dispute_id, now)
    if before is not None and before.solver != solver.hex:
        return HeldByAnother(_name(audience, before.solver), before.expires_at)
    until = now + lease_seconds
    acknowledgements.end(tx, dispute_id, "expired" if before is None else "renewed", now)
    acknowledgements.add(tx, dispute_id, solver.hex, now, until)
    ladders.put_off(tx, ladder.id, until)
    outbox.withdraw(tx, dispute_id, _UNTRUE_NOW if before is None else _UNTRUE_NOW[:1], now)
    journal.write(
        tx,
        "acknowledged",
        now,
        dispute_id=dispute_id,
        session_id=ladder.session_id,
        payload={"solver": solver.hex, "expires_at": until},
    )
    if before is None:
        _tell_others(tx, audience, solver, dispute_id, at_ms, until)
    return Acknowledged(until, again=before is not None)


def _tell_others(
    tx: sa.Connection,
    audience: Audience,
    solver: Solver,
    dispute_id: str,
    at_ms: int,
    until: int,
) -> None:
    clock = datetime.fromtimestamp(until, UTC).strftime("%H:%M")
    text = acknowledged(dispute_id, display(solver), clock)
    others = [each for each in audience.solvers if each.hex != solver.hex]
    message = Message(_ACKNOWLEDGED, dispute_id, f"{solver.hex}.{at_ms}", text)
    announce(tx, audience.only(others), message, at_ms)


def _name(audience: Audience, key: str) -> str:
    found = next((each for each in audience.solvers if each.hex == key), None)
    return "somebody" if found is None else display(found)
