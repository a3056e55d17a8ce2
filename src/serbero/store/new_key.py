"""Our own key was changed while messages were waiting: they go out under the new one.

A rumor names its author, and readers refuse one whose author did not seal it (NIP-17). What has a
wrap already goes on as it is: its bytes were sealed by the old key and may be on a relay.

Messages to a party cannot be rewritten: the chat's own keys follow from ours, and a party takes
words from nobody but the solver the node named (protocol: src/dispute_chat.md). The conversation
is over, so they are not sent.
"""

from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import CHAT_CHANNELS, SOLVER_CHANNELS, OutboxState
from serbero.nostr.rumor import reauthored
from serbero.store import journal
from serbero.store.schema import disputes, outbox, outbox_wraps

OWN_KEY_CHANGED: Final = "own_key_changed"

_FOREIGN = sa.func.json_extract(outbox.c.rumor_json, "$.pubkey") != sa.bindparam("sender")
_OF_ANOTHER_KEY = (
    sa.select(outbox.c.id, outbox.c.rumor_id, outbox.c.rumor_json)
    .where(
        outbox.c.rumor_json.is_not(None),
        outbox.c.channel.in_([each.value for each in SOLVER_CHANNELS]),
        _FOREIGN,
        ~sa.exists().where(outbox_wraps.c.outbox_id == outbox.c.id),
    )
    .order_by(outbox.c.id)
)
_NEW_DISPUTES = sa.select(disputes.c.dispute_id).where(
    disputes.c.lifecycle_state == Lifecycle.NEW.value
)
_WAITING = (
    _OF_ANOTHER_KEY.where(outbox.c.state == OutboxState.PENDING.value),
    # First messages that died while their dispute stayed new are revived later with the rumor they
    # have, so that must name our present key as well.
    _OF_ANOTHER_KEY.where(
        outbox.c.state == OutboxState.DEAD.value, outbox.c.dispute_id.in_(_NEW_DISPUTES)
    ),
)
_TO_PARTIES = (
    sa.select(
        outbox.c.id,
        outbox.c.purpose,
        outbox.c.dispute_id,
        outbox.c.session_id,
        outbox.c.recipient,
        outbox.c.channel,
        outbox.c.state,
    )
    .where(
        outbox.c.next_attempt_at.is_not(None),
        outbox.c.channel.in_([each.value for each in CHAT_CHANNELS]),
        _FOREIGN,
    )
    .order_by(outbox.c.id)
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


def withdraw_party_messages(tx: sa.Connection, sender: str, now: int) -> int:
    """End the chat messages that another key than ``sender`` (hex) wrote; return how many waited.

    Those no relay has are withdrawn and journalled; the others go to no further relay.

    Args:
        tx: the transaction.
        sender: our key of today.
        now: Unix seconds.
    """
    rows = tx.execute(_TO_PARTIES, {"sender": sender}).all()
    if not rows:
        return 0
    ours = outbox.c.id.in_([row.id for row in rows])
    tx.execute(sa.update(outbox).where(ours).values(next_attempt_at=None))
    pending = [row for row in rows if row.state == OutboxState.PENDING.value]
    tx.execute(
        sa.update(outbox)
        .where(ours, outbox.c.state == OutboxState.PENDING.value)
        .values(state=OutboxState.WITHDRAWN.value, settled_at=now)
    )
    for row in pending:
        payload = {
            "purpose": row.purpose,
            "recipient": row.recipient,
            "channel": row.channel,
            "reason": OWN_KEY_CHANGED,
        }
        journal.write(
            tx,
            "message_withdrawn",
            now,
            dispute_id=row.dispute_id,
            session_id=row.session_id,
            payload=payload,
        )
    return len(pending)
