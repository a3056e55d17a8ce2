"""Take up what the reference wrote since this database was last opened by us.

An operator may run the reference on our file, or hand us its file. It keeps no applied revisions
and no outbox, so one transaction at every open fills in what we need to go on, past a stored
high-water mark: nothing is announced a second time and nothing announced is forgotten.
"""

import re
from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import UNATTENDED, DisputeStatus, Lifecycle
from serbero.model.mediation import AuditKind
from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_SENT, TRIGGER_CATCH_UP
from serbero.model.taking import OWN_REVISION_SECONDS
from serbero.store import cursors, outbox, reference_visits
from serbero.store.disputes import raise_last_notified, transition
from serbero.store.mediation_catch_up import catch_up_mediation
from serbero.store.mediation_schema import events
from serbero.store.schema import disputes, notifications, revisions, transitions

_STATUS_OF = {
    Lifecycle.NEW: DisputeStatus.INITIATED,
    Lifecycle.NOTIFIED: DisputeStatus.INITIATED,
    Lifecycle.TAKEN: DisputeStatus.IN_PROGRESS,
    Lifecycle.WAITING: DisputeStatus.IN_PROGRESS,
    Lifecycle.ESCALATED: DisputeStatus.IN_PROGRESS,
    Lifecycle.RESOLVED: DisputeStatus.SETTLED,
}
"""The status that must have been seen for the reference to be in a state."""


_ANY_WITHOUT_REVISION = (
    sa.select(disputes.c.dispute_id)
    .where(~sa.exists().where(revisions.c.dispute_id == disputes.c.dispute_id))
    .limit(1)
)
"""Looked up in the two indexes of ids alone: 25 ms of a past of 100,000 disputes. Counting both
tables would be faster, and wrong where one dispute was deleted by hand and another one added."""


def catch_up(tx: sa.Connection, now: int) -> None:
    """Run every step; doing it again changes nothing."""
    _settle_announced(tx, now)
    _fill_revisions(tx, now)
    _follow_transitions(tx, now)
    catch_up_mediation(tx, now)
    reference_visits.note(tx, now)


def _settle_announced(tx: sa.Connection, now: int) -> None:
    """A dispute the reference announced and then crashed, or never tracked, is ``notified``.

    Version 1 knew no lifecycle, and later ones commit the message row before the state. Only
    disputes without a revision of ours are looked at: ours commit both together.
    """
    announced_at = (
        sa.select(sa.func.max(notifications.c.sent_at))
        .where(
            notifications.c.dispute_id == disputes.c.dispute_id,
            notifications.c.status == NOTIFICATION_SENT,
            notifications.c.notif_type == NotificationType.INITIAL.value,
        )
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(disputes.c.dispute_id, announced_at.label("at"))
        .outerjoin(revisions, revisions.c.dispute_id == disputes.c.dispute_id)
        .where(
            disputes.c.lifecycle_state == Lifecycle.NEW.value,
            revisions.c.dispute_id.is_(None),
            announced_at.is_not(None),
        )
    ).all()
    for row in rows:
        transition(
            tx,
            row.dispute_id,
            Lifecycle.NEW,
            Lifecycle.NOTIFIED,
            at=now,
            trigger=TRIGGER_CATCH_UP,
        )
        raise_last_notified(tx, row.dispute_id, row.at)


def _fill_revisions(tx: sa.Connection, now: int) -> None:
    """Give every dispute of the reference the revision it must have applied.

    The reference keeps only the opening revision's id and time. A taken dispute gets the event
    that its move names, and that time with the rank of ``in-progress``, so that a later one is
    applied without news; what the reference's own takes caused is not later (:func:`_taken_by`).
    A resolved one gets the time of its resolution, so that an older revision still held by some
    relay cannot bring it back.
    """
    if tx.execute(_ANY_WITHOUT_REVISION).scalar() is None:
        return
    resolved_at = (
        sa.select(sa.func.max(transitions.c.transitioned_at))
        .where(
            transitions.c.dispute_id == disputes.c.dispute_id,
            transitions.c.to_state == Lifecycle.RESOLVED.value,
        )
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(
            disputes.c.dispute_id,
            disputes.c.event_id,
            disputes.c.event_timestamp,
            disputes.c.lifecycle_state,
            resolved_at.label("resolved_at"),
        )
        .outerjoin(revisions, revisions.c.dispute_id == disputes.c.dispute_id)
        .where(revisions.c.dispute_id.is_(None))
    ).all()
    takes = _takes(tx)
    values = [
        {
            "dispute_id": row.dispute_id,
            "event_id": _taken_by(tx, row.dispute_id, row.lifecycle_state) or row.event_id,
            "created_at": max(
                row.event_timestamp,
                row.resolved_at or 0,
                takes.get(row.dispute_id, 0) if _is_taken(row.lifecycle_state) else 0,
            ),
            "status": _STATUS_OF[Lifecycle(row.lifecycle_state)].value,
            "opening_event_id": row.event_id,
            "opening_created_at": row.event_timestamp,
            "applied_at": now,
        }
        for row in rows
    ]
    if values:
        tx.execute(sa.insert(revisions), values)
        newest = max(row.event_timestamp for row in rows)
        cursors.raise_to(tx, cursors.DISPUTES, min(newest, now))


_OWN_TAKES = (
    sa.select(
        sa.func.json_extract(events.c.payload_json, "$.dispute_id"),
        sa.func.max(events.c.occurred_at),
    )
    .where(
        events.c.kind == AuditKind.TAKE_DISPUTE_ISSUED.value,
        sa.case(
            (
                sa.func.json_valid(events.c.payload_json) == 1,
                sa.func.json_extract(events.c.payload_json, "$.outcome"),
            )
        )
        == "success",
    )
    .group_by(sa.text("1"))
)
_EVENT_ID: Final = re.compile("[0-9a-f]{64}")
_TRIGGER_OF_TAKEN = (
    sa.select(transitions.c.trigger)
    .where(
        transitions.c.dispute_id == sa.bindparam("of"),
        transitions.c.to_state == Lifecycle.TAKEN.value,
    )
    .order_by(transitions.c.id.desc())
    .limit(1)
)


def _is_taken(state: str) -> bool:
    return _STATUS_OF[Lifecycle(state)] is DisputeStatus.IN_PROGRESS


def _takes(tx: sa.Connection) -> dict[str, int]:
    """Return up to when (Unix seconds) a revision of a dispute is one that an own take caused.

    The reference takes a dispute anew for each attempt, and writes nothing of later events. By
    the same rule as our own takes; what is dated later is a person's.
    """
    return {
        dispute_id: at + OWN_REVISION_SECONDS
        for dispute_id, at in tx.execute(_OWN_TAKES)
        if isinstance(dispute_id, str) and isinstance(at, int)
    }


def _taken_by(tx: sa.Connection, dispute_id: str, state: str) -> str | None:
    """Return the id of the event by which the reference saw a dispute taken, None if of another."""
    if not _is_taken(state):
        return None
    named = tx.execute(_TRIGGER_OF_TAKEN, {"of": dispute_id}).scalar()
    return named if isinstance(named, str) and _EVENT_ID.fullmatch(named) else None


_BEHIND = sa.or_(
    *(
        sa.and_(
            disputes.c.lifecycle_state == state.value,
            revisions.c.status.in_(
                [each.value for each in DisputeStatus if each.rank < status.rank]
            ),
        )
        for state, status in _STATUS_OF.items()
    )
)
"""The applied revision ranks below the dispute's state: ours move both together, so it was moved
by the reference. All that we moved ourselves since the last start is passed over by SQLite."""


def _follow_transitions(tx: sa.Connection, now: int) -> None:
    """Where the reference moved a dispute on, move its revision on and withdraw stale news."""
    mark = cursors.get(tx, cursors.REFERENCE_TRANSITIONS) or 0
    newest = tx.execute(sa.select(sa.func.max(transitions.c.id))).scalar() or 0
    if newest <= mark:
        return
    rows = tx.execute(
        sa.select(
            disputes.c.dispute_id,
            disputes.c.lifecycle_state,
            revisions.c.event_id,
            revisions.c.created_at,
            sa.func.max(transitions.c.transitioned_at).label("moved_at"),
        )
        .join(transitions, transitions.c.dispute_id == disputes.c.dispute_id)
        .join(revisions, revisions.c.dispute_id == disputes.c.dispute_id)
        .where(transitions.c.id > mark, _BEHIND)
        .group_by(disputes.c.dispute_id)
    ).all()
    takes = _takes(tx) if rows else {}
    for row in rows:
        state = Lifecycle(row.lifecycle_state)
        if state not in UNATTENDED:
            outbox.withdraw(tx, row.dispute_id, outbox.ABOUT_UNATTENDED, now)
        status = _STATUS_OF[state]
        moved_at = row.moved_at if status.terminal else 0
        if _is_taken(row.lifecycle_state):
            moved_at = takes.get(row.dispute_id, 0)
        tx.execute(
            sa.update(revisions)
            .where(revisions.c.dispute_id == row.dispute_id)
            .values(
                event_id=_taken_by(tx, row.dispute_id, row.lifecycle_state) or row.event_id,
                status=status.value,
                created_at=max(row.created_at, moved_at),
                applied_at=now,
            )
        )
    cursors.put(tx, cursors.REFERENCE_TRANSITIONS, newest)
