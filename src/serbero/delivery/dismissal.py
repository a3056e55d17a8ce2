"""Somebody was taken out of the configuration: what still waits for him is not sent any more."""

from collections.abc import Collection
from typing import Final

import sqlalchemy as sa

from serbero.delivery.ledger import Settled
from serbero.model.notification import OutboxState
from serbero.store import journal, outbox_work

RECIPIENT_REMOVED: Final = "recipient_removed"


def dismiss(tx: sa.Connection, recipients: Collection[str], now: int) -> tuple[Settled, ...]:
    """Withdraw what is addressed to anybody but ``recipients``; return what was still pending.

    Otherwise a person who left would go on hearing of disputes, for as long as a relay was away.
    A message that reached one relay stays ``sent`` and goes to no other.

    Args:
        tx: the transaction.
        recipients: keys (hex) of everybody configured.
        now: Unix seconds.
    """
    others = outbox_work.live_to_others(tx, recipients)
    withdrawn = []
    for row in others:
        outbox_work.finish(tx, [row.id])
        if outbox_work.settle(tx, row.id, OutboxState.WITHDRAWN, now):
            payload = {
                "purpose": row.purpose.value,
                "recipient": row.recipient,
                "channel": row.channel.value,
                "reason": RECIPIENT_REMOVED,
            }
            journal.write(tx, "message_withdrawn", now, dispute_id=row.dispute_id, payload=payload)
            withdrawn.append(Settled(row, OutboxState.WITHDRAWN, reason=RECIPIENT_REMOVED))
    return tuple(withdrawn)
