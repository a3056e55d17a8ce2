"""Which disputes :mod:`serbero.store.purge` has something to empty of, and about how much."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.store import purge
from serbero.store.mediation_schema import messages, rationales, sessions
from serbero.store.schema import disputes, outbox

WINDOW: Final = 1000
"""Disputes that one look passes over."""
START: Final = -(2**63)
"""Before every place."""

_D, _S, _M, _O, _R = disputes.c, sessions.c, messages.c, outbox.c, rationales.c
_BEFORE: Final = sa.bindparam("before", type_=sa.Integer)
_AFTER: Final = sa.bindparam("after", type_=sa.Integer)
_PLACE: Final = sa.literal_column("disputes.rowid", sa.Integer)
_WINDOW: Final = (
    sa.select(_PLACE.label("place"), _D.dispute_id, purge.ended_at(disputes).label("ended_at"))
    .where(_D.lifecycle_state == Lifecycle.RESOLVED.value, _AFTER < _PLACE)
    .order_by(_PLACE)
    .limit(sa.bindparam("many", type_=sa.Integer))
    .subquery("passed")
)
_HERE: Final = _WINDOW.c.dispute_id
_DUE: Final = sa.and_(
    _WINDOW.c.ended_at <= _BEFORE,
    sa.or_(*(sa.exists().where(*each) for each in purge.contents_of(_HERE))),
)
_LOOK: Final = sa.select(_WINDOW.c.place, _HERE, _DUE.label("due"))
_ALL: Final = sa.select(sa.func.count(), sa.func.min(_WINDOW.c.ended_at)).where(_DUE)
_EVERY: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        ids: disputes with something to empty.
        place: where the next look goes on; None once all were passed.
    """

    ids: tuple[str, ...]
    place: int | None


def look(tx: sa.Connection, before: int, after: int = START, many: int = WINDOW) -> Look:
    """Pass over disputes that ended, in the order of their index, from a place on.

    Args:
        tx: the transaction; a reading one will do.
        before: Unix seconds; only those that ended by then.
        after: where the last look ended.
        many: disputes to pass over.
    """
    rows = tx.execute(_LOOK, {"before": before, "after": after, "many": many}).all()
    place = max(row.place for row in rows) if len(rows) == many else None
    return Look(tuple(row.dispute_id for row in rows if row.due), place)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a purge would empty.

    Attributes:
        oldest: when the first of the disputes ended, Unix seconds; None without one.
        messages: of conversations.
        rationales: of sessions.
        outbox: messages that were sent, or given up.
        under_way: messages that would be left, because relays are still asked.
    """

    disputes: int
    oldest: int | None
    messages: int
    rationales: int
    outbox: int
    under_way: int


_ENDED: Final = (disputes.c.dispute_id == _S.dispute_id, purge.ended(disputes))
_TOLD_OF_ENDED: Final = (
    sa.select(sa.func.count())
    .select_from(outbox.join(disputes, _D.dispute_id == _O.dispute_id))
    .where(_O.rumor_json.is_not(None), purge.ended(disputes))
)
_COUNTS: Final[tuple[sa.Select[Any], ...]] = (
    sa.select(sa.func.count())
    .select_from(messages.join(sessions, _S.session_id == _M.session_id))
    .where(_M.content != "", sa.exists().where(*_ENDED)),
    sa.select(sa.func.count())
    .select_from(rationales.join(sessions, _S.session_id == _R.session_id))
    .where(_R.rationale_text != "", sa.exists().where(*_ENDED)),
    _TOLD_OF_ENDED,
    _TOLD_OF_ENDED.where(sa.not_(purge.OVER)),
)


def estimate(tx: sa.Connection, before: int) -> Estimate:
    """Return what a purge of disputes that ended by Unix second ``before`` would empty."""
    everything = {"before": before, "after": START, "many": _EVERY}
    count, oldest = tx.execute(_ALL, everything).one()
    said, why, told, live = (tx.execute(each, {"before": before}).scalar_one() for each in _COUNTS)
    return Estimate(count, oldest, said, why, told - live, live)
