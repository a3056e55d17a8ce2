"""Our own key was changed while messages were waiting: they go out under the new one.

A rumor names its author, and readers refuse one whose author did not seal it (NIP-17). What has a
wrap already goes on as it is: its bytes were sealed by the old key and may be on a relay.
"""

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import OutboxState
from serbero.nostr.rumor import reauthored
from serbero.store.schema import disputes, outbox, outbox_wraps

_OF_ANOTHER_KEY = (
    sa.select(outbox.c.id, outbox.c.rumor_id, outbox.c.rumor_json)
    .where(
        outbox.c.rumor_json.is_not(None),
        sa.func.json_extract(outbox.c.rumor_json, "$.pubkey") != sa.bindparam("sender"),
        ~sa.exists().where(outbox_wraps.c.outbox_id == outbox.c.id),
    )
    .order_by(outbox.c.id)
)
_NEW_DISPUTES = sa.select(disputes.c.dispute_id).where(
    disputes.c.lifecycle_state == Lifecycle.NEW.value
)
_WAITING = (
    _OF_ANOTHER_KEY.where(outbox.c.state == OutboxState.PENDING.value),
    # The dead first messages of a dispute nobody was told of are revived as they are.
    _OF_ANOTHER_KEY.where(
        outbox.c.state == OutboxState.DEAD.value, outbox.c.dispute_id.in_(_NEW_DISPUTES)
    ),
)


def reauthor(tx: sa.Connection, sender: str) -> int:
    """Rewrite what waits and was never wrapped as ``sender`` (hex); return how many messages.

    Text, time and the key that makes it the same message stay; the rumor's id is another one.
    """
    rows = sorted(row for query in _WAITING for row in tx.execute(query, {"sender": sender}))
    renamed: dict[str, str] = {}
    for row in rows:  # the message that opens a thread comes before those that refer to it
        rumor = reauthored(row.rumor_json, sender, renamed)
        renamed[row.rumor_id] = rumor.id
        tx.execute(
            sa.update(outbox)
            .where(outbox.c.id == row.id)
            .values(rumor_id=rumor.id, rumor_json=rumor.json)
        )
    return len(rows)
