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
from serbero.escalation.dispatching import DispatchRules, nothing_begins
from serbero.escalation.ladder_records import Climbing
from serbero.escalation.reminding import Reminding
from serbero.escalation.warning import Escrow, Warnings
from serbero.intake.custody import Custody
from serbero.mediation.ending import Endings
from serbero.model.handoff import HandoffPackage
from serbero.model.ladder import Policy
from serbero.model.taking import Release
from serbero.model.texts import Fixed
from serbero.mostro.dispute_event import Revision
from serbero.mostro.node_info import NodeInfo
from serbero.store import handoffs
from serbero.store.handoffs import Pending
from serbero.store.watches import Duty, Post


@dataclass(frozen=True, slots=True)
class Following:
    """What follows, in the intake's transaction, from what happens to a dispute.

    Attributes:
        endings: mediation's part.
    """

    endings: Endings

    def released(self, tx: sa.Connection, dispute_id: str, why: Release, now: int) -> None:
        """We hold a dispute no longer."""
        self.endings.released(tx, dispute_id, why, now)
        if why is not Release.KEY_CHANGED:
            # Under a new key we cannot mediate, but nobody else has the dispute for that.
            ladder_records.end(tx, dispute_id, why.value, now)

    def applied(
        self,
        tx: sa.Connection,
        revision: Revision,
        custody: Custody | None,
        at_ms: int,
        resolved: bool,
    ) -> int:
        """A revision of a known dispute was applied; return how many messages were enqueued."""
        dispute_id, now = revision.dispute_id, at_ms // 1000
        if not revision.status.terminal:
            handoffs.wake_dispute(tx, dispute_id)
        if custody in (Custody.FOREIGN, Custody.TAKEN_OVER):
            ladder_records.end(tx, dispute_id, "taken", now)
        elif custody is None:
            ladder_records.end(tx, dispute_id, revision.status.value, now)
        return self.endings.applied(tx, revision, custody, at_ms, resolved)


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

    def wake(self) -> None:
        """Somebody acknowledged or wants rest: ladders are to be looked at."""
        if self.reminding is not None:
            self.reminding.wake()


def build_escalation(
    base: Base, info: Callable[[], NodeInfo | None], wake: Callable[[], None]
) -> EscalationParts:
    """Connect what hands over.

    Args:
        base: what every part stands on.
        info: the node's newest info event.
        wake: there is something to send.
    """
    section, store, clock = base.config.escalation, base.patient, base.clock

    def cltv_delta() -> int | None:
        known = info()
        return None if known is None else known.cltv_delta

    escrow = Escrow(cltv_delta, section.escrow_margin_blocks, base.config.mostro.pubkey_hex)

    def deadline(tx: sa.Connection, dispute_id: str) -> Fixed | None:
        found = escrow.of(tx, dispute_id) if section.deadline_warnings else None
        return None if found is None else found.line

    reminding = warnings = None
    if section.acknowledge:
        reminding = Reminding(
            store=store,
            climbing=Climbing(base.audience, deadline),
            clock=clock,
            metrics=base.metrics,
            on_enqueued=wake,
        )
    if section.deadline_warnings:
        warnings = Warnings(
            store=store, audience=base.audience, escrow=escrow, clock=clock, on_enqueued=wake
        )
    dispatcher = None
    if section.enabled:
        dispatcher = Dispatcher(
            store=store,
            rules=DispatchRules(
                audience=base.audience,
                fallback_to_all=section.fallback_to_all_solvers,
                max_age_seconds=section.max_handoff_age_seconds,
                deadline=deadline,
                on_dispatched=_ladder(base.config.ladder)
                if section.acknowledge
                else nothing_begins,
            ),
            interval_seconds=section.dispatch_interval_seconds,
            clock=clock,
            metrics=base.metrics,
            on_enqueued=_both(wake, reminding),
        )
    digests = Digests(store=store, audience=base.audience, clock=clock, on_enqueued=wake)
    auditor = _auditor(base, escrow, dispatcher, reminding, warnings)
    return EscalationParts(dispatcher, reminding, warnings, digests, auditor)


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


def _both(wake: Callable[[], None], reminding: Reminding | None) -> Callable[[], None]:
    def woken() -> None:
        wake()
        if reminding is not None:
            reminding.wake()

    return woken


def _ladder(policy: Policy) -> Callable[[sa.Connection, Pending, HandoffPackage, int], None]:
    def begin(tx: sa.Connection, pending: Pending, package: HandoffPackage, now: int) -> None:
        about = (package.dispute_id, pending.session_id, pending.event_id)
        ladder_records.begin(tx, *about, policy, now)

    return begin
