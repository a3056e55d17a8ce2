"""Everything on record about one dispute, in a database of any age: ours or the reference's.

What a database does not keep is empty. Texts of parties stand in the records of the sessions alone;
no key of a party is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serbero.store import dispute_lookup, notification_lookup, session_lookup, session_record
from serbero.store.audit_trail import AuditEvent, parsed
from serbero.store.dispute_lookup import Listed, tables
from serbero.store.dispute_story_deliveries import Delivery
from serbero.store.dispute_story_deliveries import of_dispute as deliveries_of
from serbero.store.escalation_schema import (
    acknowledgements,
    deadline_warnings,
    held_messages,
    ladder_steps,
    ladders,
    snoozes,
)
from serbero.store.mediation_schema import dispatches
from serbero.store.notification_lookup import Notification
from serbero.store.odd_values import maybe, text, whole
from serbero.store.schema import journal, parties, revisions, takes, transitions
from serbero.store.session_record import Record


@dataclass(frozen=True, slots=True)
class Change:
    """One row of the lifecycle's history."""

    at: int | None
    before: str
    after: str
    trigger: str


@dataclass(frozen=True, slots=True)
class TakeRecord:
    """One exchange with the node; ``finished_at`` is None while it is open."""

    started_at: int | None
    finished_at: int | None
    state: str
    reason: str
    attempts: int | None


@dataclass(frozen=True, slots=True)
class Note:
    """One row of the journal."""

    at: int | None
    kind: str
    session_id: str | None
    payload: dict[str, object]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody said to have it."""

    at: int | None
    solver: str
    expires_at: int | None
    ended_at: int | None
    ended_by: str


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A reminder of a ladder; ``recipients`` are keys in hex."""

    at: int | None
    number: int | None
    audience: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LadderRecord:
    """A hand-off that goes on until a human has the dispute."""

    started_at: int | None
    next_at: int | None
    ended_at: int | None
    ended_by: str
    steps: tuple[StepRecord, ...]


@dataclass(frozen=True, slots=True)
class Custody:
    """That Serbero took the dispute, and until when it had it."""

    order_id: str
    taken_at: int | None
    invoice_held_at: int | None
    released_at: int | None
    released_by: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Somebody was warned ``before_seconds`` before the escrow's end."""

    at: int | None
    deadline: int | None
    before_seconds: int | None


@dataclass(frozen=True, slots=True)
class DispatchRecord:
    """A hand-off that was sent, or reached nobody."""

    dispatch_id: str
    session_id: str | None
    handoff_event_id: int | None
    target_solver: str
    dispatched_at: int | None
    status: str
    fallback_broadcast: bool


@dataclass(frozen=True, slots=True)
class Story:
    """A dispute with everything that belongs to it, each part in order. Times are Unix seconds.

    Attributes:
        event_id: the first revision we saw.
        node: its public key, as written.
        last_notified_at: when solvers were last told.
        opened_at: the node's own word, where it gave one.
        opening_event_id: the revision that opened it last.
        applied: id, status and time of the newest revision; None where that is not kept.
        reminders: rounds since the dispute was opened last.
        events: of mediation, outside its sessions.
        sessions: the oldest first.
        held: messages that wait for the end of somebody's quiet time: solver, purpose, since.
        snoozed: who is not reminded of it, and until when.
    """

    dispute: Listed
    event_id: str
    node: str
    last_notified_at: int | None
    opened_at: int | None
    opening_event_id: str | None
    applied: tuple[str, str, int | None] | None
    reminders: int | None
    changes: tuple[Change, ...]
    deliveries: tuple[Delivery, ...]
    notifications: tuple[Notification, ...]
    takes: tuple[TakeRecord, ...]
    custody: Custody | None
    events: tuple[AuditEvent, ...]
    sessions: tuple[Record, ...]
    dispatches: tuple[DispatchRecord, ...]
    ladders: tuple[LadderRecord, ...]
    acknowledgements: tuple[Acknowledged, ...]
    held: tuple[tuple[str, str, int | None], ...]
    snoozed: tuple[tuple[str, int | None], ...]
    warnings: tuple[Warned, ...]
    journal: tuple[Note, ...]


def read(tx: sa.Connection, dispute_id: str, now: int) -> Story | None:
    """Return everything on record about a dispute; None if it is not there."""
    dispute = dispute_lookup.one(tx, dispute_id, now)
    if dispute is None:
        return None
    rows = _Rows(tx, dispute_id)
    have = session_lookup.kept(tx)
    [own] = tx.execute(
        sa.select(*dispute_lookup.columns(tx)).where(sa.column("dispute_id") == dispute_id)
    )
    applied = next(iter(rows.of(revisions)), None)
    found = session_lookup.newest(tx, -1, dispute_id=dispute_id)
    records = [session_record.read(tx, each.session_id) for each in reversed(found)]
    events = session_record.events_without_session(tx, dispute_id) if have.sessions else []
    return Story(
        dispute=dispute,
        event_id=text(own.event_id),
        node=text(own.mostro_pubkey),
        last_notified_at=whole(own.last_notified_at),
        opened_at=None if applied is None else whole(applied.opened_at),
        opening_event_id=None if applied is None else maybe(applied.opening_event_id),
        applied=None
        if applied is None
        else (text(applied.event_id), text(applied.status), whole(applied.created_at)),
        reminders=None if applied is None else whole(applied.renotify_cycle),
        changes=tuple(map(_change, rows.of(transitions, transitions.c.id))),
        deliveries=tuple(deliveries_of(tx, dispute_id)),
        notifications=tuple(notification_lookup.of_dispute(tx, dispute_id)),
        takes=tuple(map(_take, rows.of(takes, takes.c.id))),
        custody=next(map(_custody, rows.of(parties)), None),
        events=tuple(events),
        sessions=tuple(each for each in records if each is not None),
        dispatches=tuple(map(_dispatch, rows.of(dispatches, dispatches.c.dispatched_at))),
        ladders=tuple(rows.ladders()),
        acknowledgements=tuple(
            map(_acknowledged, rows.of(acknowledgements, acknowledgements.c.id))
        ),
        held=tuple(
            (text(row.solver), text(row.purpose), whole(row.at))
            for row in rows.of(held_messages, held_messages.c.id, waiting=True)
        ),
        snoozed=tuple((text(row.solver), whole(row.until)) for row in rows.of(snoozes)),
        warnings=tuple(map(_warned, rows.of(deadline_warnings, deadline_warnings.c.at))),
        journal=tuple(map(_note, rows.of(journal, journal.c.id))),
    )


class _Rows:
    """Rows of one dispute from tables that may not be there."""

    def __init__(self, tx: sa.Connection, dispute_id: str) -> None:
        self._tx = tx
        self._of = dispute_id
        self._there = tables(tx)

    def of(self, table: sa.Table, order: Any = None, *, waiting: bool = False) -> Sequence[Any]:
        """All of them; only those that wait, of a table of which the others have no index."""
        if table.name not in self._there:
            return ()
        query = sa.select(table).where(table.c.dispute_id == self._of)
        if waiting:
            query = query.where(table.c.settled_at.is_(None))
        return self._tx.execute(query if order is None else query.order_by(order)).all()

    def ladders(self) -> list[LadderRecord]:
        """Ladders with their steps."""
        return [
            LadderRecord(
                started_at=whole(row.started_at),
                next_at=whole(row.next_at),
                ended_at=whole(row.ended_at),
                ended_by=text(row.ended_by),
                steps=tuple(map(_step, self._steps(row.id))),
            )
            for row in self.of(ladders, ladders.c.id)
        ]

    def _steps(self, ladder_id: int) -> Sequence[Any]:
        query = sa.select(ladder_steps).where(ladder_steps.c.ladder_id == ladder_id)
        return self._tx.execute(query.order_by(ladder_steps.c.number)).all()


def _change(row: Any) -> Change:
    at = whole(row.transitioned_at)
    return Change(at, text(row.from_state), text(row.to_state), text(row.trigger))


def _take(row: Any) -> TakeRecord:
    return TakeRecord(
        started_at=whole(row.started_at),
        finished_at=whole(row.finished_at),
        state=text(row.state),
        reason=text(row.reason),
        attempts=whole(row.attempts),
    )


def _custody(row: Any) -> Custody:
    return Custody(
        order_id=text(row.order_id),
        taken_at=whole(row.taken_at),
        invoice_held_at=whole(row.invoice_held_at),
        released_at=whole(row.released_at),
        released_by=text(row.released_by),
    )


def _dispatch(row: Any) -> DispatchRecord:
    return DispatchRecord(
        dispatch_id=text(row.dispatch_id),
        session_id=maybe(row.session_id),
        handoff_event_id=whole(row.handoff_event_id),
        target_solver=text(row.target_solver),
        dispatched_at=whole(row.dispatched_at),
        status=text(row.status),
        fallback_broadcast=bool(row.fallback_broadcast),
    )


def _step(row: Any) -> StepRecord:
    keys = parsed('{"keys":' + text(row.recipients_json) + "}").get("keys")
    told = tuple(map(text, keys)) if isinstance(keys, list) else ()
    return StepRecord(whole(row.at), whole(row.number), text(row.audience), told)


def _acknowledged(row: Any) -> Acknowledged:
    return Acknowledged(
        at=whole(row.at),
        solver=text(row.solver),
        expires_at=whole(row.expires_at),
        ended_at=whole(row.ended_at),
        ended_by=text(row.ended_by),
    )


def _warned(row: Any) -> Warned:
    return Warned(whole(row.at), whole(row.deadline), whole(row.before_seconds))


def _note(row: Any) -> Note:
    return Note(
        whole(row.at), text(row.kind), maybe(row.session_id), parsed(text(row.payload_json))
    )
