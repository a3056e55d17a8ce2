"""Take up the mediation rows the reference wrote since this database was last opened by us.

It keeps to which dispute an event belongs in the payload alone, and knows nothing of the facts we
keep beside a session. Payloads are read here, once; one that cannot be read is passed over.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.mediation import SessionState
from serbero.model.party import Party
from serbero.store import cursors, handoffs
from serbero.store.audit_trail import parsed
from serbero.store.mediation_schema import (
    INBOUND,
    OUTBOUND,
    dispute_events,
    events,
    messages,
    session_facts,
    session_sides,
    sessions,
)
from serbero.store.schema import revisions

REFERENCE_EVENTS: Final = "reference_mediation_events"
"""The newest ``mediation_events.id`` seen when the database was last opened."""

_S, _M = sessions.c, messages.c


def catch_up_mediation(tx: sa.Connection, now: int) -> None:
    """Run every step, after disputes have their revisions; doing it again changes nothing."""
    _file_events(tx)
    _fill_facts(tx, now)
    handoffs.take_up(tx)


def _file_events(tx: sa.Connection) -> None:
    mark = cursors.get(tx, REFERENCE_EVENTS) or 0
    newest = tx.execute(sa.select(sa.func.max(events.c.id))).scalar() or 0
    if newest <= mark:
        return
    rows = tx.execute(
        sa.select(events.c.id, events.c.kind, events.c.payload_json).where(
            events.c.id > mark, events.c.session_id.is_(None)
        )
    )
    found = [
        {"dispute_id": dispute_id, "kind": row.kind, "event_id": row.id}
        for row in rows
        if isinstance(dispute_id := parsed(row.payload_json).get("dispute_id"), str)
    ]
    if found:
        tx.execute(insert(dispute_events).on_conflict_do_nothing(), found)
    cursors.put(tx, REFERENCE_EVENTS, newest)


def _fill_facts(tx: sa.Connection, now: int) -> None:
    """Give every session of the reference what ours begin with, counted from its messages."""
    rows = tx.execute(
        sa.select(
            _S.session_id,
            _S.state,
            _S.started_at,
            _S.round_count_last_evaluated.label("evaluated"),
            revisions.c.opening_event_id,
        )
        .outerjoin(revisions, revisions.c.dispute_id == _S.dispute_id)
        .where(~sa.exists().where(session_facts.c.session_id == _S.session_id))
    ).all()
    for row in rows:
        sides = [_side(tx, row.session_id, party) for party in Party]
        listens = row.state == SessionState.AWAITING_RESPONSE
        unsettled = listens and sum(side["fresh"] for side in sides) > row.evaluated
        tx.execute(
            sa.insert(session_facts).values(
                session_id=row.session_id,
                # The one it was begun for, as far as anybody can know.
                opening_event_id=row.opening_event_id,
                taken_at=row.started_at,
                pairs_put=min(side.pop("questions") for side in sides),
                unsettled_at=now if unsettled else None,
                evaluate_at=now if unsettled else None,
            )
        )
        tx.execute(sa.insert(session_sides), sides)


def _side(tx: sa.Connection, session_id: str, party: Party) -> dict[str, Any]:
    def of(direction: str, column: Any) -> Any:
        return sa.func.max(sa.case((_M.direction == direction, column)))

    counted = tx.execute(
        sa.select(
            sa.func.count(sa.case((_M.direction == OUTBOUND, _M.id))),
            sa.func.count(sa.case((sa.and_(_M.direction == INBOUND, _M.stale == 0), _M.id))),
            of(OUTBOUND, _M.id),
            of(OUTBOUND, _M.persisted_at),
            of(INBOUND, sa.case((_M.stale == 0, _M.id))),
            of(INBOUND, sa.case((_M.stale == 0, _M.persisted_at))),
        ).where(_M.session_id == session_id, _M.party == party.value)
    ).one()
    questions, fresh, question_id, asked_at, answer_id, answered_at = counted
    return {
        "session_id": session_id,
        "party": party.value,
        "questions": questions,
        "fresh": fresh,
        "question_id": question_id,
        "asked_at": asked_at,
        # It stores an envelope's id before it publishes, so nobody knows whether a relay took it.
        "reached_at": asked_at,
        "answer_id": answer_id,
        "answered_at": answered_at,
    }
