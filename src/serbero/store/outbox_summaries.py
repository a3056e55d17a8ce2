"""Whether anybody may still get a session's summary."""

from typing import Final

import sqlalchemy as sa

from serbero.model.notification import OutboxState, Purpose
from serbero.store.schema import outbox

_MAY_ARRIVE: Final = (
    sa.select(outbox.c.id)
    .where(
        outbox.c.session_id == sa.bindparam("of"),
        outbox.c.dispute_id == sa.bindparam("about"),
        outbox.c.purpose == Purpose.MEDIATION_SUMMARY.value,
        outbox.c.state.in_([OutboxState.PENDING.value, OutboxState.SENT.value]),
    )
    .limit(1)
)


def may_arrive(tx: sa.Connection, dispute_id: str, session_id: str) -> bool:
    """Whether a row of a session's summary was taken by a relay, or is still being tried."""
    return tx.execute(_MAY_ARRIVE, {"of": session_id, "about": dispute_id}).first() is not None
