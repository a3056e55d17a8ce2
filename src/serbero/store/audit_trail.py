"""Reading mediation's audit trail: of one session, of one dispute before its sessions."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import dispute_events, events
from serbero.store.odd_values import maybe, since_epoch, text

_E, _D = events.c, dispute_events.c

_COLUMNS: Final = (
    _E.id,
    _E.session_id,
    _E.kind,
    _E.payload_json,
    _E.rationale_id,
    _E.prompt_bundle_id,
    _E.policy_hash,
    _E.occurred_at,
)
_OF_SESSION: Final = sa.select(*_COLUMNS).where(_E.session_id == sa.bindparam("of")).order_by(_E.id)
_OF_DISPUTE: Final = (
    sa.select(*_COLUMNS)
    .join(dispute_events, _D.event_id == _E.id)
    .where(_D.dispute_id == sa.bindparam("of"))
    .order_by(_E.id)
)
_NEWEST_OF_SESSION: Final = (
    sa.select(*_COLUMNS)
    .where(_E.session_id == sa.bindparam("of"), _E.kind == sa.bindparam("what"))
    .order_by(_E.id.desc())
    .limit(1)
)
_NEWEST_OF_DISPUTE: Final = sa.select(*_COLUMNS).where(
    _E.id
    == sa.select(sa.func.max(_D.event_id))
    .where(_D.dispute_id == sa.bindparam("of"), _D.kind == sa.bindparam("what"))
    .scalar_subquery()
)
_COUNT: Final = sa.select(sa.func.count()).where(
    _E.session_id == sa.bindparam("of"), _E.kind == sa.bindparam("what")
)
_KINDS: Final = sa.select(_D.kind).where(_D.dispute_id == sa.bindparam("of")).distinct()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event.

    Attributes:
        kind: an :class:`AuditKind`, or what another program wrote.
        payload: empty where it cannot be read.
        pins: None where it has none.
        at: Unix seconds.
    """

    id: int
    session_id: str | None
    kind: str
    payload: Mapping[str, object]
    rationale_id: str | None
    pins: Pins | None
    at: int


def parsed(text: str) -> dict[str, object]:
    """Read a payload; one that is no object is empty. Rows may be written by hand."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _events(rows: Iterable[sa.Row[*tuple[object, ...]]]) -> list[AuditEvent]:
    return [
        AuditEvent(
            id=row.id,
            session_id=maybe(row.session_id),
            kind=text(row.kind),
            payload=parsed(text(row.payload_json)),
            rationale_id=maybe(row.rationale_id),
            pins=_pins(row.prompt_bundle_id, row.policy_hash),
            at=since_epoch(row.occurred_at),
        )
        for row in rows
    ]


def _pins(bundle_id: str | None, policy_hash: str | None) -> Pins | None:
    if bundle_id is None or policy_hash is None:
        return None
    return Pins(text(bundle_id), text(policy_hash))


def of_session(tx: sa.Connection, session_id: str) -> list[AuditEvent]:
    """Return a session's events in order."""
    return _events(tx.execute(_OF_SESSION, {"of": session_id}))


def of_dispute(tx: sa.Connection, dispute_id: str) -> list[AuditEvent]:
    """Return the events of a dispute that belong to no session, in order."""
    return _events(tx.execute(_OF_DISPUTE, {"of": dispute_id}))


def newest_of_session(tx: sa.Connection, session_id: str, kind: AuditKind) -> AuditEvent | None:
    """Return a session's newest event of a kind."""
    found = _events(tx.execute(_NEWEST_OF_SESSION, {"of": session_id, "what": kind.value}))
    return found[0] if found else None


def newest_of_dispute(tx: sa.Connection, dispute_id: str, kind: AuditKind) -> AuditEvent | None:
    """Return the newest event of a kind that a dispute has outside its sessions."""
    found = _events(tx.execute(_NEWEST_OF_DISPUTE, {"of": dispute_id, "what": kind.value}))
    return found[0] if found else None


def count(tx: sa.Connection, session_id: str, kind: AuditKind) -> int:
    """Count a session's events of a kind."""
    return tx.execute(_COUNT, {"of": session_id, "what": kind.value}).scalar_one()


def kinds_of_dispute(tx: sa.Connection, dispute_id: str) -> frozenset[str]:
    """Return which kinds a dispute has outside its sessions."""
    return frozenset(tx.execute(_KINDS, {"of": dispute_id}).scalars())
