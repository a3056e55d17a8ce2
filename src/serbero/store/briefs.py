"""Briefs that are owed: of sessions that a person took over, who cannot read the chat we had.

To quote a chat takes long, so the transaction that ends the session only notes that its brief is
owed, and how much of the chat is to be in it. It is written afterwards, by
:mod:`serbero.mediation.briefing`, in a transaction of its own that settles the note.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as insert_or

from serbero.store.mediation_schema import owed_briefs

_B = owed_briefs.c
_OWE: Final = insert_or(owed_briefs).on_conflict_do_nothing()
_OWED: Final = (
    sa.select(_B.session_id, _B.dispute_id, _B.owed_ms, _B.upto)
    .where(_B.settled_at.is_(None))
    .order_by(_B.owed_ms)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_STILL: Final = sa.select(_B.session_id).where(
    _B.session_id == sa.bindparam("of"), _B.settled_at.is_(None)
)
_SETTLE: Final = (
    sa.update(owed_briefs)
    .where(_B.session_id == sa.bindparam("of"), _B.settled_at.is_(None))
    .values(settled_at=sa.bindparam("at"), messages=sa.bindparam("count"))
)


@dataclass(frozen=True, slots=True)
class OwedBrief:
    """A brief that is still to be written.

    Attributes:
        session_id: of which mediation.
        dispute_id: of which dispute.
        owed_ms: since when, Unix milliseconds.
        upto: the newest message that belongs in it, by id.
    """

    session_id: str
    dispute_id: str
    owed_ms: int
    upto: int


def owe(tx: sa.Connection, brief: OwedBrief) -> bool:
    """Note that a brief is owed; False if one of its session is, or was."""
    values = {
        "session_id": brief.session_id,
        "dispute_id": brief.dispute_id,
        "owed_ms": brief.owed_ms,
        "upto": brief.upto,
    }
    return tx.execute(_OWE, values).rowcount == 1


def owed(tx: sa.Connection, most: int) -> list[OwedBrief]:
    """Return up to ``most`` briefs that are owed, the longest owed first."""
    return [OwedBrief(*row) for row in tx.execute(_OWED, {"most": most})]


def is_owed(tx: sa.Connection, session_id: str) -> bool:
    """Whether the brief of a session is still to be written."""
    return tx.execute(_STILL, {"of": session_id}).first() is not None


def settle(tx: sa.Connection, session_id: str, now: int, messages: int) -> None:
    """Note that a brief was written, in the transaction that enqueues it.

    Args:
        tx: the transaction.
        session_id: whose brief.
        now: Unix seconds.
        messages: rows of the outbox that carry it.
    """
    tx.execute(_SETTLE, {"of": session_id, "at": now, "count": messages})
