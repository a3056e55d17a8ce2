"""Handing over, as a part of the composition."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.daemon.base import Base
from serbero.escalation import ladder_records
from serbero.escalation.auditor import Auditor
from serbero.escalation.deadline import SECONDS_A_BLOCK
from serbero.escalation.digest import Digests
from serbero.escalation.dispatcher import Dispatcher
from serbero.escalation.dispatching import Deadline, DispatchRules, nothing_begins
from serbero.escalation.ladder_records import Climbing
from serbero.escalation.reminding import Reminding
from serbero.escalation.warning import Escrow, Warnings
from serbero.model.handoff import HandoffPackage
from serbero.model.ladder import Policy
from serbero.model.texts import Fixed
from serbero.store.handoffs import Pending
from serbero.store.watches import Duty, Post


@dataclass(frozen=True, slots=True)
class EscalationParts:
    """What hands over; each None where the configuration does not want it.

    Attributes:
        digests: always there: a mute or quiet hours may have held something back.
        auditor: looks whether the others do what they should; None where there are none.
    """

    dispatcher: Dispatcher | None
    reminding: Reminding | None
    warnings: Warnings | None
    digests: Digests
    auditor: Auditor | None

    def wake_dispatcher(self) -> None:
        """A hand-off may be ready."""
        if self.dispatcher is not None:
            self.dispatcher.wake()

    def wake_reminding(self) -> None:
        """Somebody acknowledged or wants rest: ladders are to be looked at."""
        if self.reminding is not None:
            self.reminding.wake()


def build_escalation(base: Base, escrow: Escrow, wake: Callable[[], None]) -> EscalationParts:
    """Connect what hands over.

    Args:
        base: what every part stands on.
        escrow: knows when an escrow ends.
        wake: there is something to send.
    """
    section = base.config.escalation

    def deadline(tx: sa.Connection, dispute_id: str) -> Fixed | None:
        found = escrow.of(tx, dispute_id) if section.deadline_warnings else None
        return None if found is None else found.line

    reminding = _reminding(base, deadline, wake) if section.acknowledge else None
    warnings = _warnings(base, escrow, wake) if section.deadline_warnings else None

    def on_dispatched() -> None:
        wake()
        if reminding is not None:
            reminding.wake()

    dispatcher = _dispatcher(base, deadline, on_dispatched) if section.enabled else None
    return EscalationParts(
        dispatcher=dispatcher,
        reminding=reminding,
        warnings=warnings,
        digests=Digests(
            store=base.patient, audience=base.audience, clock=base.clock, on_enqueued=wake
        ),
        auditor=_auditor(base, escrow, dispatcher, reminding, warnings),
    )


def _reminding(base: Base, deadline: Deadline, wake: Callable[[], None]) -> Reminding:
    return Reminding(
        store=base.patient,
        climbing=Climbing(base.audience, deadline),
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=wake,
    )


def _warnings(base: Base, escrow: Escrow, wake: Callable[[], None]) -> Warnings:
    return Warnings(
        store=base.patient,
        audience=base.audience,
        escrow=escrow,
        clock=base.clock,
        on_enqueued=wake,
    )


def _dispatcher(base: Base, deadline: Deadline, on_dispatched: Callable[[], None]) -> Dispatcher:
    section = base.config.escalation
    return Dispatcher(
        store=base.patient,
        rules=DispatchRules(
            audience=base.audience,
            fallback_to_all=section.fallback_to_all_solvers,
            max_age_seconds=section.max_handoff_age_seconds,
            deadline=deadline,
            on_dispatched=_ladder(base.config.ladder) if section.acknowledge else nothing_begins,
        ),
        interval_seconds=section.dispatch_interval_seconds,
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=on_dispatched,
    )


def _auditor(
    base: Base,
    escrow: Escrow,
    dispatcher: Dispatcher | None,
    reminding: Reminding | None,
    warnings: Warnings | None,
) -> Auditor | None:
    if dispatcher is None and reminding is None and warnings is None:
        return None

    def posts() -> list[Post]:
        found, delta = [], escrow.cltv_delta()
        if dispatcher is not None:
            found.append(Post(Duty.HANDOFFS, base.config.escalation.dispatch_interval_seconds))
        if reminding is not None:
            found.append(Post(Duty.REMINDERS))
        if warnings is not None and delta is not None and delta > escrow.margin_blocks:
            lasts = (delta - escrow.margin_blocks) * SECONDS_A_BLOCK
            found.append(Post(Duty.DEADLINES, lasts, escrow.node))
        return found

    return Auditor(
        store=base.patient,
        clock=base.clock,
        metrics=base.metrics,
        health=base.health,
        posts=posts,
    )


def _ladder(policy: Policy) -> Callable[[sa.Connection, Pending, HandoffPackage, int], None]:
    def begin(tx: sa.Connection, pending: Pending, package: HandoffPackage, now: int) -> None:
        ladder_records.begin(
            tx, package.dispute_id, pending.session_id, pending.event_id, policy, now
        )

    return begin
