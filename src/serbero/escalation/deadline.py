"""The escrow's clock: a dispute does not stop it.

The Lightning node cancels an escrow by itself some blocks before its hold invoice's lock runs out;
after that nobody can settle (mostro: src/flow.rs, src/scheduler.rs). The lock runs out
``hold_invoice_cltv_delta`` blocks, of ten minutes on average, after the invoice was held.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.messages.deadline import line
from serbero.model.texts import Fixed
from serbero.store.schema import disputes, parties, revisions

SECONDS_A_BLOCK: Final = 600


@dataclass(frozen=True, slots=True)
class EscrowDeadline:
    """When an escrow ends.

    Attributes:
        at: Unix seconds.
        known: whether the node told when the invoice was held; else it is estimated from the
            opening of the dispute, which comes later, so that the true end may be sooner.
    """

    at: int
    known: bool

    @property
    def line(self) -> Fixed:
        """As it is added to messages."""
        return line(self.at, known=self.known)


_FACTS: Final = (
    sa.select(
        parties.c.invoice_held_at,
        revisions.c.opened_at,
        revisions.c.opening_created_at,
        disputes.c.event_timestamp,
    )
    .select_from(
        revisions.join(disputes, disputes.c.dispute_id == revisions.c.dispute_id).outerjoin(
            parties, parties.c.dispute_id == revisions.c.dispute_id
        )
    )
    .where(revisions.c.dispute_id == sa.bindparam("of"))
)


def deadline_of(
    tx: sa.Connection, dispute_id: str, cltv_delta: int | None, margin_blocks: int
) -> EscrowDeadline | None:
    """Return when the escrow of a dispute ends; None where nothing is known of it.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        cltv_delta: blocks, as the node's info event says; None where it does not.
        margin_blocks: blocks before the lock's end at which it counts as over.
    """
    if cltv_delta is None or cltv_delta <= margin_blocks:
        return None
    row = tx.execute(_FACTS, {"of": dispute_id}).first()
    if row is None:
        return None
    lasts = (cltv_delta - margin_blocks) * SECONDS_A_BLOCK
    if row.invoice_held_at is not None:
        return EscrowDeadline(row.invoice_held_at + lasts, known=True)
    # A dispute that was opened anew is about the same escrow.
    stamps = (row.opened_at, row.opening_created_at, row.event_timestamp)
    began = min(each for each in stamps if each)
    return EscrowDeadline(began + lasts, known=False)
