"""The reference's ``notifications`` table: one row a message and solver. Append-only."""

from collections.abc import Sequence

import sqlalchemy as sa

from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_FAILED, NOTIFICATION_SENT
from serbero.store.schema import notifications


def record_all_sent(
    tx: sa.Connection, messages: Sequence[tuple[str, str, str]], sent_at: int
) -> None:
    """Append a ``sent`` row for each (dispute, solver's key as the operator typed it, type)."""
    if not messages:
        return
    tx.execute(
        sa.insert(notifications),
        [
            {
                "dispute_id": dispute_id,
                "solver_pubkey": solver,
                "sent_at": sent_at,
                "status": NOTIFICATION_SENT,
                "notif_type": notif_type,
            }
            for dispute_id, solver, notif_type in messages
        ],
    )


def record_failed(
    tx: sa.Connection,
    dispute_id: str,
    solver: str,
    notif_type: NotificationType | str,
    at: int,
    error: str,
) -> None:
    """Append a ``failed`` row with the error's text."""
    tx.execute(
        sa.insert(notifications).values(
            dispute_id=dispute_id,
            solver_pubkey=solver,
            sent_at=at,
            status=NOTIFICATION_FAILED,
            error_message=error,
            notif_type=str(notif_type),
        )
    )
