"""Faults of our own while a mediation begins: tried again a few times, then a human has it.

The fault may lie in what this dispute is, so it may come again for ever, and each attempt costs a
call of a model.
"""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms
from serbero.intake.announcing import Audience
from serbero.mediation.escalating import escalate_unstarted
from serbero.mediation.start_records import backoff
from serbero.model.mediation import EscalationReason, Trigger
from serbero.store import eligibility, start_faults
from serbero.store.eligibility import Ineligible
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Pins
from serbero.store.patient import PatientStore

MOST_TRIES: Final = 5
"""Some eight minutes, with the waits between them."""

_log = structlog.get_logger(__name__)


def record(tx: sa.Connection, dispute_id: str, fault: str, now: int) -> int:
    """Record a fault, and when the next attempt may be; return how many there were.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        fault: the exception's class.
        now: Unix seconds.
    """
    tries = start_faults.write(tx, dispute_id, fault, now)
    eligibility.start_failed(tx, dispute_id, backoff, now)
    return tries


def hand_over(
    tx: sa.Connection, audience: Audience, dispute_id: str, pins: Pins, at_ms: int
) -> bool:
    """Give the dispute to a human; False where it has one already, or is over.

    Args:
        tx: the transaction.
        audience: the solvers.
        dispute_id: which dispute.
        pins: of the prompts it would have been judged by.
        at_ms: Unix milliseconds.
    """
    found = eligibility.judge(tx, dispute_id, at_ms // 1000)
    if isinstance(found, Ineligible) and found is not Ineligible.BACKING_OFF:
        return False
    handoff = Handoff(Trigger.REASONING_UNAVAILABLE, reason=EscalationReason.OWN_FAULT.value)
    return escalate_unstarted(tx, audience, dispute_id, handoff, pins, at_ms) is not None


class OwnFaults:
    """What becomes of disputes that mediation cannot begin with.

    Args:
        store: where they are counted.
        clock: ours.
        audience: the solvers.
        pins: of the prompts a dispute was, or would have been, judged by.
    """

    def __init__(
        self,
        store: PatientStore,
        clock: Clock,
        audience: Audience,
        pins: Callable[[sa.Connection, str], Pins | None],
    ) -> None:
        self._store, self._clock, self._audience, self._pins = store, clock, audience, pins

    async def happened(self, dispute_id: str, fault: str) -> None:
        """Count one, of that class; the last that is put up with gives the dispute to a human."""
        now = self._clock.now()
        if await self._store.transact(record, dispute_id, fault, now) >= MOST_TRIES:
            await self._give_up(dispute_id)

    async def are_too_many(self, dispute_id: str) -> bool:
        """Whether no attempt is worth a call of a model any more; a human is asked (again) then."""
        if await self._store.read(start_faults.count, dispute_id) < MOST_TRIES:
            return False
        # Put off first: where a human cannot be asked either, that is tried ever more rarely.
        now = self._clock.now()
        await self._store.transact(eligibility.start_failed, dispute_id, backoff, now)
        await self._give_up(dispute_id)
        return True

    async def _give_up(self, dispute_id: str) -> None:
        pins = await self._store.read(self._pins, dispute_id)
        if pins is None:
            return
        at_ms = now_ms(self._clock)
        if await self._store.transact(hand_over, self._audience, dispute_id, pins, at_ms):
            _log.error(
                "start_given_up",
                dispute_id=dispute_id,
                attempts=MOST_TRIES,
                consequence="a human is asked to take it",
                remedy="report the traceback of start_attempt_failed",
            )
