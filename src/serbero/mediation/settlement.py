"""What the first success of a message to a party changes, besides the outbox."""

import json
from typing import Final

import sqlalchemy as sa

from serbero.chat.settlement import party_message_sent
from serbero.model.notification import TargetState
from serbero.store import chats, session_messages
from serbero.store.outbox_work import Row
from serbero.store.schema import outbox_targets

_T = outbox_targets.c
_TAKEN: Final = (
    sa.select(_T.event_id)
    .where(
        _T.outbox_id == sa.bindparam("of"),
        _T.state == TargetState.ACCEPTED.value,
        _T.event_id.is_not(None),
    )
    .order_by(_T.relay)
    .limit(1)
)


def question_sent(tx: sa.Connection, row: Row, now: int) -> None:
    """A relay took a message to a party: the session's silence is measured from now on.

    Args:
        tx: the transaction that records the success.
        row: the envelope a relay took first.
        now: Unix seconds.
    """
    party_message_sent(tx, row, now)
    session_id = chats.session_of(tx, row.id)
    outer_id = tx.execute(_TAKEN, {"of": row.id}).scalar()
    if session_id is None or outer_id is None:
        return
    inner_id = str(json.loads(row.rumor_json)["id"])
    session_messages.mark_sent(tx, session_id, inner_id, outer_id, now)
