"""Handing over, as a part of the composition."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.daemon.base import Base
from serbero.delivery.worker import DeliveryWorker
from serbero.escalation.dispatcher import Dispatcher
from serbero.escalation.dispatching import DispatchRules
from serbero.intake.custody import Custody
from serbero.mediation.ending import Endings
from serbero.model.taking import Release
from serbero.mostro.dispute_event import Revision
from serbero.store import handoffs


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

    def applied(
        self,
        tx: sa.Connection,
        revision: Revision,
        custody: Custody | None,
        at_ms: int,
        resolved: bool,
    ) -> int:
        """A revision of a known dispute was applied; return how many messages were enqueued."""
        if not revision.status.terminal:
            handoffs.wake_dispute(tx, revision.dispute_id)
        return self.endings.applied(tx, revision, custody, at_ms, resolved)


def build_dispatcher(base: Base, worker: DeliveryWorker) -> Dispatcher | None:
    """Return what dispatches hand-offs; None where the configuration does not want it."""
    section = base.config.escalation
    if not section.enabled:
        return None
    return Dispatcher(
        store=base.patient,
        rules=DispatchRules(
            audience=base.audience,
            fallback_to_all=section.fallback_to_all_solvers,
        ),
        interval_seconds=section.dispatch_interval_seconds,
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=worker.wake,
    )
