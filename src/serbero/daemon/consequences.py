"""What follows for mediation and for ladders of reminders from what happens to a dispute."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.escalation import ladder_records
from serbero.intake.custody import Custody
from serbero.mediation.ending import Endings
from serbero.model.taking import Release
from serbero.mostro.dispute_event import Revision
from serbero.store import handoffs


@dataclass(frozen=True, slots=True)
class Consequences:
    """What happens to a dispute changes more than its own row, in the same transaction.

    Attributes:
        endings: mediation's part.
    """

    endings: Endings

    def released(self, tx: sa.Connection, dispute_id: str, why: Release, now: int) -> None:
        """We hold a dispute no longer."""
        self.endings.released(tx, dispute_id, why, now)
        if why is not Release.KEY_CHANGED:
            # Under a new key we cannot mediate; that does not mean that a person has the dispute.
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
