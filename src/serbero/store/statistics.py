"""What there is to count: disputes, how long things took, who was told, what became of messages.

Reads only, in a database of any age: columns and tables that are missing count as empty. A row
whose time is no whole number counts nowhere. What the numbers mean is said where they are made of
these rows: :mod:`serbero.cli.stats_figures`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind, SessionState
from serbero.model.notification import NotificationType, OutboxState
from serbero.model.reference_names import NOTIFICATION_FAILED, NOTIFICATION_SENT
from serbero.store.escalation_schema import acknowledgements
from serbero.store.mediation_schema import dispatches, events, sessions, summaries
from serbero.store.outbox_twins import stands_alone
from serbero.store.schema import disputes, notifications, outbox, parties, transitions

_D, _T, _N, _M = disputes.c, transitions.c, notifications.c, outbox.c
_S, _E, _H, _A = sessions.c, events.c, dispatches.c, acknowledgements.c
_FOREVER: Final = 2**62
"""Later than anything; a text that stands where a time should is later still."""
_COUNTED_AT_ONCE: Final = 16
"""Solvers counted in one pass over the notifications."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to before ``until``, Unix seconds; None is without end."""

    since: int
    until: int | None = None

    def holds(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        """Whether a time lies in it."""
        last = _FOREVER if self.until is None else self.until - 1
        return column.between(self.since, last)


class Seen(NamedTuple):
    """A dispute with the first moment of each thing that happened to it, Unix seconds.

    Attributes:
        solver: who took it, where the node named somebody; as it stands there.
    """

    at: int
    state: str
    status: str
    solver: str | None
    notified_at: int | None
    taken_at: int | None
    resolved_at: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """Rows of ``notifications`` to one solver, by the key as it was typed."""

    solver: str
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A hand-off that was dispatched, or could not be; ``human_at`` is when somebody had it."""

    at: int
    status: str
    human_at: int | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that is counted.

    Attributes:
        acknowledged: "I have it", by solver (hex).
        sessions: mediation sessions, by how they ended.
        verdicts: judgements of a model, by label.
        prepared: hand-offs that were prepared, by trigger.
        dead: messages given up.
        waiting: messages no relay has now, whatever the period.
        own_keys: ours (hex) under which disputes were held.
    """

    seen: tuple[Seen, ...]
    told: tuple[Told, ...]
    acknowledged: Mapping[str, int]
    sessions: Mapping[str, int]
    verdicts: Mapping[str, int]
    prepared: Mapping[str, int]
    handed_over: tuple[HandedOver, ...]
    dead: int
    waiting: int
    own_keys: frozenset[str]


UNDER_WAY: Final = "under_way"
SUMMARISED: Final = "summarised"
HANDED_OVER: Final = "handed_over"
TAKEN_OVER: Final = "ended_by_others"
OTHERWISE: Final = "ended_otherwise"
"""How a session ended."""


def collect(tx: sa.Connection, period: Period) -> Sheet:
    """Count what happened in a period."""
    named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    there = frozenset(named.scalars())
    has = {sessions.name, events.name, summaries.name} <= there
    counts = _messages(tx, period) if outbox.name in there else (0, 0)
    return Sheet(
        seen=_seen(tx, period, there),
        told=_told(tx, period),
        acknowledged=_acknowledged(tx, period) if acknowledgements.name in there else {},
        sessions=_sessions(tx, period) if has else {},
        verdicts=_verdicts(tx, period) if has else {},
        prepared=_prepared(tx, period) if has else {},
        handed_over=_handed_over(tx, period, there) if dispatches.name in there else (),
        dead=counts[0],
        waiting=counts[1],
        own_keys=_own_keys(tx) if parties.name in there else frozenset(),
    )


def _is_time(column: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    return sa.func.typeof(column) == "integer"


def _seen(tx: sa.Connection, period: Period, there: Iterable[str]) -> tuple[Seen, ...]:
    columns = {row[1] for row in tx.exec_driver_sql("PRAGMA table_info(disputes)")}
    lived = _D.lifecycle_state.name in columns
    first_told = (
        sa.select(sa.func.min(_N.sent_at))
        .where(
            _N.dispute_id == _D.dispute_id,
            _N.status == NOTIFICATION_SENT,
            _N.notif_type == NotificationType.INITIAL.value,
            _is_time(_N.sent_at),
        )
        .correlate(disputes)
        .scalar_subquery()
    )
    query: sa.Select[Any] = sa.select(
        _D.detected_at,
        _D.lifecycle_state if lived else sa.literal(Lifecycle.NEW.value),
        _D.dispute_status,
        _D.assigned_solver if lived else sa.null(),
    ).where(period.holds(_D.detected_at), _is_time(_D.detected_at))
    if transitions.name not in there:
        query = query.add_columns(first_told, sa.null(), sa.null())
    else:
        notified = _first(Lifecycle.NOTIFIED)
        query = (
            query.add_columns(
                sa.case((notified.is_(None), first_told), else_=notified),
                _first(Lifecycle.TAKEN),
                _first(Lifecycle.RESOLVED),
            )
            .select_from(disputes.outerjoin(transitions, _T.dispute_id == _D.dispute_id))
            .group_by(sa.literal_column("disputes.rowid"))
        )
    return tuple(map(Seen._make, tx.execute(query)))


def _first(state: Lifecycle) -> sa.ColumnElement[int | None]:
    """The first time a dispute came to be in a state; found in it at first does not count."""
    moved = sa.and_(
        _T.to_state == state.value, _T.from_state.is_not(None), _is_time(_T.transitioned_at)
    )
    return sa.func.min(sa.case((moved, _T.transitioned_at)))


def _told(tx: sa.Connection, period: Period) -> tuple[Told, ...]:
    """Count without sorting: a million rows do not fit what SQLite sorts in memory."""
    held = (period.holds(_N.sent_at), _is_time(_N.sent_at))
    keys = list(tx.execute(sa.select(_N.solver_pubkey).where(*held).distinct()).scalars())
    found = []
    for first in range(0, len(keys), _COUNTED_AT_ONCE):
        some = keys[first : first + _COUNTED_AT_ONCE]
        sent, failed = (
            tx.execute(
                sa.select(*(sa.func.count().filter(_N.solver_pubkey == each) for each in some))
                .select_from(notifications)
                .where(_N.status == status, *held)
            ).one()
            for status in (NOTIFICATION_SENT, NOTIFICATION_FAILED)
        )
        found += [Told(str(each), sent[place], failed[place]) for place, each in enumerate(some)]
    return tuple(found)


def _acknowledged(tx: sa.Connection, period: Period) -> dict[str, int]:
    return _counted(
        tx.execute(
            sa.select(_A.solver, sa.func.count())
            .where(period.holds(_A.at), _is_time(_A.at))
            .group_by(_A.solver)
        )
    )


def _sessions(tx: sa.Connection, period: Period) -> dict[str, int]:
    def happened(kind: AuditKind) -> sa.ColumnElement[bool]:
        return sa.exists().where(_E.session_id == _S.session_id, _E.kind == kind.value)

    over = [SessionState.SUMMARY_DELIVERED.value, SessionState.CLOSED.value]
    ended = sa.case(
        (
            sa.or_(
                _S.state == SessionState.ESCALATION_RECOMMENDED.value,
                happened(AuditKind.ESCALATION_RECOMMENDED),
            ),
            HANDED_OVER,
        ),
        (
            sa.or_(
                _S.state == SessionState.SUPERSEDED_BY_HUMAN.value,
                happened(AuditKind.SUPERSEDED_BY_HUMAN),
            ),
            TAKEN_OVER,
        ),
        (_S.state.not_in(over), UNDER_WAY),
        (sa.exists().where(summaries.c.session_id == _S.session_id), SUMMARISED),
        else_=OTHERWISE,
    )
    begun = sa.select(ended.label("ended")).where(
        period.holds(_S.started_at), _is_time(_S.started_at)
    )
    each = begun.subquery()
    return _counted(tx.execute(sa.select(each.c.ended, sa.func.count()).group_by(each.c.ended)))


def _verdicts(tx: sa.Connection, period: Period) -> dict[str, int]:
    kinds = [AuditKind.REASONING_VERDICT.value, AuditKind.CLASSIFICATION_PRODUCED.value]
    return _by_key(tx, period, kinds, "$.classification")


def _prepared(tx: sa.Connection, period: Period) -> dict[str, int]:
    return _by_key(tx, period, [AuditKind.HANDOFF_PREPARED.value], "$.trigger")


def _by_key(tx: sa.Connection, period: Period, kinds: list[str], path: str) -> dict[str, int]:
    """Count events by a value of their payload; of what cannot be read, ``unknown``."""
    readable = sa.func.json_valid(_E.payload_json) == 1
    value = sa.case((readable, sa.func.json_extract(_E.payload_json, path)))
    known = sa.func.coalesce(value, "unknown")
    return _counted(
        tx.execute(
            sa.select(known, sa.func.count())
            .where(_E.kind.in_(kinds), period.holds(_E.occurred_at), _is_time(_E.occurred_at))
            .group_by(known)
        )
    )


def _handed_over(tx: sa.Connection, period: Period, there: Iterable[str]) -> tuple[HandedOver, ...]:
    """Hand-offs by when they were dispatched, each with when a human had its dispute."""
    moved = (
        sa.select(sa.func.min(_T.transitioned_at))
        .where(
            _T.dispute_id == _H.dispute_id,
            _T.to_state.in_([Lifecycle.TAKEN.value, Lifecycle.RESOLVED.value]),
            _T.transitioned_at >= _H.dispatched_at,
            _is_time(_T.transitioned_at),
        )
        .scalar_subquery()
    )
    said: Any = sa.null()
    if acknowledgements.name in there:
        said = (
            sa.select(sa.func.min(_A.at))
            .where(_A.dispute_id == _H.dispute_id, _A.at >= _H.dispatched_at, _is_time(_A.at))
            .scalar_subquery()
        )
    query = sa.select(_H.dispatched_at, _H.status, moved, said).where(
        period.holds(_H.dispatched_at), _is_time(_H.dispatched_at)
    )
    found = []
    for at, status, *moments in tx.execute(query):
        known = [each for each in moments if each is not None]
        found.append(HandedOver(at, str(status), min(known, default=None)))
    return tuple(found)


def _messages(tx: sa.Connection, period: Period) -> tuple[int, int]:
    """Messages given up in the period, and those that wait now; twins are one message."""
    dead = sa.select(sa.func.count()).where(
        _M.state == sa.literal_column("'dead'"),
        period.holds(_M.settled_at),
        stands_alone(outbox, OutboxState.DEAD),
    )
    waiting = sa.select(sa.func.count()).where(
        _M.state == sa.literal_column("'pending'"), stands_alone(outbox, OutboxState.PENDING)
    )
    return tx.execute(dead).scalar_one(), tx.execute(waiting).scalar_one()


def _own_keys(tx: sa.Connection) -> frozenset[str]:
    return frozenset(map(str, tx.execute(sa.select(parties.c.own_key).distinct()).scalars()))


def _counted(rows: Iterable[Any]) -> dict[str, int]:
    return {str(row[0]): row[1] for row in rows}
