"""The reference's ``notifications`` table: one row a message and solver. Append-only."""

import sqlalchemy as sa

from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_FAILED, NOTIFICATION_SENT
from serbero.store.schema import notifications


def record_sent(
    tx: sa.Connection, dispute_id: str, solver: str, notif_type: str, sent_at: int
) -> None:
    """Append a ``sent`` row; ``solver`` is the key as the operator typed it."""
    tx.execute(
        sa.insert(notifications).values(
            dispute_id=dispute_id,
            solver_pubkey=solver,
            sent_at=sent_at,
            status=NOTIFICATION_SENT,
            notif_type=notif_type,
        )
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
