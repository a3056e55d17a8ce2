"""Mediations that the reference left open: nobody can go on with their chats, so a human does.

The reference keeps the parties' trade keys in memory alone. Whatever starts after it, itself
included, can neither read an answer nor write a question; only the record says that the node still
counts the dispute as Serbero's.
"""

import sqlalchemy as sa

from serbero.intake.announcing import Audience
from serbero.mediation.escalating import escalate
from serbero.model.mediation import Trigger
from serbero.model.taking import CHAT_KEYS_UNKNOWN
from serbero.store import parties, sessions
from serbero.store.escalations import Escalated, Handoff


def hand_over_inherited(tx: sa.Connection, audience: Audience, at_ms: int) -> int:
    """Hand every live session over whose parties' keys were never recorded; return how many.

    Args:
        tx: the transaction, before any revision is read.
        audience: who is told.
        at_ms: Unix milliseconds.
    """
    handoff = Handoff(Trigger.AUTHORIZATION_LOST, reason=CHAT_KEYS_UNKNOWN)
    done = [
        escalate(tx, audience, each.session_id, handoff, at_ms)
        for each in sessions.live(tx)
        if not parties.trade_keys(tx, each.dispute_id)
    ]
    return sum(isinstance(each, Escalated) for each in done)
