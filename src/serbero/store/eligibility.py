"""Which disputes mediation may start with, and when one that failed is tried again."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.model.mediation import BLOCKING, AuditKind
from serbero.model.party import Party
from serbero.store.mediation_schema import dispute_events, session_facts, sessions, starts
from serbero.store.schema import disputes, parties, revisions

_D, _R, _T = disputes.c, revisions.c, starts.c

STARTABLE: Final = UNATTENDED | {Lifecycle.TAKEN, Lifecycle.WAITING}
"""States a dispute may be in; taken ones only while we hold them ourselves."""


class Ineligible(StrEnum):
    """Why mediation does not start with a dispute."""

    UNKNOWN = "unknown"
    """There is no such dispute."""
    NO_UUID = "no_uuid"
    """The node could not be asked for it."""
    LIFECYCLE = "lifecycle"
    """A human has been asked, or it is closed."""
    INITIATOR = "initiator"
    """Nobody knows which party opened it."""
    NOT_OURS = "not_ours"
    """A human took it."""
    IN_SESSION = "in_session"
    """A session of it is not over."""
    HAD_SESSION = "had_session"
    """Its session is over, and it was not opened anew since."""
    ESCALATED = "escalated"
    """It went to a human before any session."""
    BACKING_OFF = "backing_off"
    """The last attempt failed a short time ago."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A dispute mediation may start with.

    Attributes:
        initiator: who opened it.
        opening_event_id: by which revision; None where the node was never seen opening it.
    """

    dispute_id: str
    initiator: Party
    opening_event_id: str | None


@dataclass(frozen=True, slots=True)
class FailedStarts:
    """Attempts that failed since a dispute was (last) opened.

    Attributes:
        first_at: when the first did.
        next_at: before that there is no other.
    """

    failures: int
    first_at: int
    next_at: int


_IN_STATE: Final = _D.lifecycle_state.in_(sorted(each.value for each in STARTABLE))
_BY_PARTY: Final = _D.initiator_role.in_([each.value for each in Party])
_OURS: Final = sa.or_(
    _D.lifecycle_state.in_(sorted(each.value for each in UNATTENDED)),
    sa.exists().where(parties.c.dispute_id == _D.dispute_id, parties.c.released_at.is_(None)),
)
_IN_SESSION: Final = sa.exists().where(
    sessions.c.dispute_id == _D.dispute_id,
    sessions.c.state.in_(sorted(each.value for each in BLOCKING)),
)
_HAD_SESSION: Final = (
    sa.exists()
    .where(
        sessions.c.dispute_id == _D.dispute_id,
        session_facts.c.session_id == sessions.c.session_id,
        session_facts.c.opening_event_id.is_not_distinct_from(_R.opening_event_id),
    )
    .correlate(disputes, revisions)
)
_ESCALATED: Final = sa.exists().where(
    dispute_events.c.dispute_id == _D.dispute_id,
    dispute_events.c.kind == AuditKind.ESCALATION_RECOMMENDED.value,
)
_OF_OPENING: Final = sa.and_(
    _T.dispute_id == _D.dispute_id, _T.opening_event_id.is_not_distinct_from(_R.opening_event_id)
)
_BACKING_OFF: Final = (
    sa.exists()
    .where(_OF_OPENING, _T.next_attempt_at > sa.bindparam("now", type_=sa.Integer))
    .correlate(disputes, revisions)
)
_FROM: Final = disputes.join(revisions, _R.dispute_id == _D.dispute_id)
_ELIGIBLE: Final = (
    sa.select(_D.dispute_id, _D.initiator_role, _R.opening_event_id)
    .select_from(_FROM)
    .where(_IN_STATE, _BY_PARTY, _OURS, ~_IN_SESSION, ~_HAD_SESSION, ~_ESCALATED, ~_BACKING_OFF)
    .order_by(_D.event_timestamp, _D.dispute_id)
)
_TRIED: Final = sa.exists().where(
    dispute_events.c.dispute_id == _D.dispute_id,
    dispute_events.c.kind == AuditKind.START_ATTEMPT_STARTED.value,
)
_RULES: Final = (
    (Ineligible.LIFECYCLE, ~_IN_STATE),
    (Ineligible.INITIATOR, ~_BY_PARTY),
    (Ineligible.NOT_OURS, ~_OURS),
    (Ineligible.IN_SESSION, _IN_SESSION),
    (Ineligible.HAD_SESSION, _HAD_SESSION),
    (Ineligible.ESCALATED, _ESCALATED),
    (Ineligible.BACKING_OFF, _BACKING_OFF),
)
_ONE: Final = (
    sa.select(
        _D.initiator_role,
        _R.opening_event_id,
        *(rule.label(name.value) for name, rule in _RULES),
    )
    .select_from(_FROM)
    .where(_D.dispute_id == sa.bindparam("of"))
)

_UNLED: Final = (
    sa.select(_D.dispute_id)
    .select_from(_FROM.join(parties, parties.c.dispute_id == _D.dispute_id))
    .where(
        _IN_STATE,
        parties.c.released_at.is_(None),
        parties.c.taken_at <= sa.bindparam("before", type_=sa.Integer),
        ~_IN_SESSION,
        ~_HAD_SESSION,
        ~_ESCALATED,
    )
    .order_by(parties.c.taken_at, _D.dispute_id)
)


def unled(tx: sa.Connection, before: int) -> list[str]:
    """Return the disputes we have held since ``before`` (Unix seconds) and never had a session of.

    Nobody else attends to them: taking one ended its being told as unattended.
    """
    return list(tx.execute(_UNLED, {"before": before}).scalars())


def judge(tx: sa.Connection, dispute_id: str, now: int) -> Candidate | Ineligible:
    """Say whether mediation may start with a dispute, and if not, the first reason why."""
    row = tx.execute(_ONE, {"of": dispute_id, "now": now}).first()
    if row is None:
        return Ineligible.UNKNOWN
    if not _is_uuid(dispute_id):
        return Ineligible.NO_UUID
    for (name, _), applies in zip(_RULES, row[2:], strict=True):
        if applies:
            return name
    return Candidate(dispute_id, Party(row[0]), row[1])


def candidates(
    tx: sa.Connection,
    now: int,
    limit: int,
    node: str | None = None,
    *,
    untried: bool = False,
) -> list[Candidate]:
    """Return disputes mediation may start with, opened longest ago first.

    Reads only disputes that are not closed: history costs nothing.

    Args:
        tx: the transaction.
        now: Unix seconds.
        limit: how many at most.
        node: only those of one node (hex).
        untried: only those no attempt was ever made with.
    """
    query = _ELIGIBLE if node is None else _ELIGIBLE.where(_D.mostro_pubkey == node)
    if untried:
        query = query.where(~_TRIED)
    rows = tx.execute(query, {"now": now})
    found: Any = (row for row in rows if _is_uuid(row.dispute_id))
    chosen = list(islice(found, limit))
    rows.close()
    return [Candidate(row[0], Party(row[1]), row[2]) for row in chosen]


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


_OPENING: Final = sa.select(_R.opening_event_id).where(_R.dispute_id == sa.bindparam("of"))
_FAILED: Final = (
    sa.select(_T.failures, _T.first_failed_at, _T.next_attempt_at)
    .join(
        revisions,
        sa.and_(
            _R.dispute_id == _T.dispute_id,
            _R.opening_event_id.is_not_distinct_from(_T.opening_event_id),
        ),
    )
    .where(_T.dispute_id == sa.bindparam("of"))
)
_NEW_FAILURE: Final = insert(starts)
_FAIL: Final = _NEW_FAILURE.on_conflict_do_update(
    index_elements=[_T.dispute_id],
    set_={
        name: _NEW_FAILURE.excluded[name]
        for name in ("opening_event_id", "failures", "first_failed_at", "next_attempt_at")
    },
)
_FORGET: Final = sa.delete(starts).where(_T.dispute_id == sa.bindparam("of"))


def failed_starts(tx: sa.Connection, dispute_id: str) -> FailedStarts | None:
    """Return the attempts that failed since a dispute was opened, or None."""
    row = tx.execute(_FAILED, {"of": dispute_id}).first()
    return None if row is None else FailedStarts(*row)


def start_failed(
    tx: sa.Connection, dispute_id: str, wait_seconds: Callable[[int], int], now: int
) -> FailedStarts:
    """Count an attempt that failed and may be made again.

    Args:
        tx: the transaction.
        dispute_id: which dispute.
        wait_seconds: how long to wait after so many failures.
        now: Unix seconds.
    """
    before = failed_starts(tx, dispute_id)
    failures = 1 if before is None else before.failures + 1
    first_at = now if before is None else before.first_at
    next_at = now + wait_seconds(failures)
    tx.execute(
        _FAIL,
        {
            "dispute_id": dispute_id,
            "opening_event_id": tx.execute(_OPENING, {"of": dispute_id}).scalar(),
            "failures": failures,
            "first_failed_at": first_at,
            "next_attempt_at": next_at,
        },
    )
    return FailedStarts(failures, first_at, next_at)


def forget_failed_starts(tx: sa.Connection, dispute_id: str) -> None:
    """A start succeeded, or ended for good."""
    tx.execute(_FORGET, {"of": dispute_id})
