"""One trail out of four tables, in the order of what happened.

``mediation_events``, our journal, the moves of the lifecycle, and dispatches. Reads only tables
that are there, and only their newest rows; odd values come as they are.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind
from serbero.store.audit_trail import parsed
from serbero.store.verification.scope import lenient

MOVED: Final = "lifecycle"
"""The kind of a move of a dispute's lifecycle."""
DISPATCH: Final = "dispatch"
"""The kind of a row of ``escalation_dispatches``."""
_PARTY_KINDS: Final = (AuditKind.OUTBOUND_SENT, AuditKind.INBOUND_INGESTED)


class Source(StrEnum):
    """Where an entry stands, in the order of entries of one second."""

    LIFECYCLE = "dispute_state_transitions"
    EVENTS = "mediation_events"
    DISPATCHES = "escalation_dispatches"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        id: its row; of a dispatch the number of its row in the file.
        at: Unix seconds; 0 where the column holds no number.
        payload: never a text of a party or a model.
        party: whose message it is about, where that can be told.
    """

    source: Source
    id: int
    at: int
    kind: str
    dispute_id: str | None
    session_id: str | None
    payload: Mapping[str, object] = field(default_factory=dict)
    rationale_id: str | None = None
    bundle_id: str | None = None
    policy_hash: str | None = None
    party: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries.

    Attributes:
        kinds: only these; none for any.
        since: not before, Unix seconds.
        until: before.
    """

    dispute_id: str | None = None
    session_id: str | None = None
    kinds: Collection[str] = ()
    since: int | None = None
    until: int | None = None


Marks = Mapping[Source, int]
"""The newest row seen of each table."""

_SELECT: Final[Mapping[Source, str]] = {
    Source.EVENTS: """
SELECT x.id, x.occurred_at, x.kind, coalesce(s.dispute_id,
    CASE WHEN json_valid(CAST(x.payload_json AS TEXT))
      THEN json_extract(CAST(x.payload_json AS TEXT), '$.dispute_id') END),
  x.session_id, x.payload_json, x.rationale_id, x.prompt_bundle_id, x.policy_hash
FROM mediation_events x LEFT JOIN mediation_sessions s ON s.session_id = x.session_id
WHERE 1""",
    Source.JOURNAL: """
SELECT x.id, x.at, x.kind, x.dispute_id, x.session_id, x.payload_json, NULL, NULL, NULL
FROM journal x WHERE 1""",
    Source.LIFECYCLE: """
SELECT x.id, x.transitioned_at, 'lifecycle', x.dispute_id, NULL,
  json_object('from', CAST(x.from_state AS TEXT), 'to', CAST(x.to_state AS TEXT),
    'trigger', CAST(x.trigger AS TEXT)),
  NULL, NULL, NULL
FROM dispute_state_transitions x WHERE 1""",
    Source.DISPATCHES: """
SELECT x.rowid, x.dispatched_at, 'dispatch', x.dispute_id, x.session_id,
  json_object('dispatch_id', CAST(x.dispatch_id AS TEXT),
    'handoff_event_id', CAST(x.handoff_event_id AS INTEGER),
    'target_solver', CAST(x.target_solver AS TEXT), 'status', CAST(x.status AS TEXT),
    'fallback_broadcast', CAST(x.fallback_broadcast AS INTEGER)), NULL, NULL, NULL
FROM escalation_dispatches x WHERE 1""",
}
_ID: Final = dict.fromkeys(Source, "x.id") | {Source.DISPATCHES: "x.rowid"}
_AT: Final = {
    Source.EVENTS: "x.occurred_at",
    Source.JOURNAL: "x.at",
    Source.LIFECYCLE: "x.transitioned_at",
    Source.DISPATCHES: "x.dispatched_at",
}
_KIND: Final = {Source.LIFECYCLE: "'lifecycle'", Source.DISPATCHES: "'dispatch'"}
_OF_DISPUTE: Final = " AND x.dispute_id = :dispute"
_EVENTS_OF_DISPUTE: Final = """ AND (
  x.session_id IN (SELECT session_id FROM mediation_sessions WHERE dispute_id = :dispute)
  OR x.id IN (SELECT event_id FROM dispute_events WHERE dispute_id = :dispute))"""
_UNFILED_OF_DISPUTE: Final = """ AND (
  x.session_id IN (SELECT session_id FROM mediation_sessions WHERE dispute_id = :dispute)
  OR (x.session_id IS NULL AND CASE WHEN json_valid(CAST(x.payload_json AS TEXT))
    THEN json_extract(CAST(x.payload_json AS TEXT), '$.dispute_id') END = :dispute))"""
_OF_SESSION: Final = """ AND x.session_id = :session AND x.dispute_id = (
  SELECT dispute_id FROM mediation_sessions WHERE session_id = :session)"""
_PARTY: Final = """
SELECT party FROM mediation_messages WHERE session_id = :session AND inner_event_id = :inner
"""


def newest(tx: sa.Connection, wanted: Wanted, limit: int) -> list[Entry]:
    """Return the newest entries, at most ``limit``, oldest first."""
    with lenient(tx):
        found = [
            entry
            for source in _sources(tx, wanted)
            for entry in _entries(tx, source, wanted, order="DESC", limit=limit)
        ]
    found.sort(key=_order)
    return found[-limit:]


def added(tx: sa.Connection, wanted: Wanted, marks: Marks, limit: int) -> list[Entry]:
    """Return what was written after ``marks``, in order; of each table at most ``limit``."""
    with lenient(tx):
        found = [
            entry
            for source in _sources(tx, wanted)
            for entry in _entries(
                tx, source, wanted, order="ASC", limit=limit, after=marks.get(source, 0)
            )
        ]
    found.sort(key=_order)
    return found


def marks(tx: sa.Connection) -> dict[Source, int]:
    """Return the newest row of each table; follow from these."""
    found = {}
    for source in _sources(tx, Wanted()):
        newest_id = f"SELECT max({_ID[source]}) FROM {source.value} x"  # noqa: S608 - constants
        value = tx.exec_driver_sql(newest_id).scalar()
        found[source] = value if isinstance(value, int) else 0
    return found


def seen(before: Marks, entries: Sequence[Entry]) -> dict[Source, int]:
    """Return the marks after these entries."""
    after = dict(before)
    for each in entries:
        after[each.source] = max(after.get(each.source, 0), each.id)
    return after


def _order(entry: Entry) -> tuple[int, int, int]:
    return entry.at, tuple(Source).index(entry.source), entry.id


def _sources(tx: sa.Connection, wanted: Wanted) -> Iterator[Source]:
    """Tables that are there and can hold what is wanted."""
    names = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    there = set(names)
    for source in Source:
        needs = {source.value}
        if source is Source.EVENTS or wanted.session_id is not None:
            needs.add("mediation_sessions")
        if source is Source.LIFECYCLE and wanted.session_id is not None:
            continue
        if needs <= there:
            yield source


def _entries(
    tx: sa.Connection,
    source: Source,
    wanted: Wanted,
    *,
    order: str,
    limit: int,
    after: int | None = None,
) -> Iterator[Entry]:
    query = _SELECT[source]
    parameters: dict[str, object] = {"limit": limit}
    if wanted.dispute_id is not None:
        query += _of_dispute(tx, source)
        parameters["dispute"] = wanted.dispute_id
    if wanted.session_id is not None:
        query += " AND x.session_id = :session" if source is Source.EVENTS else _OF_SESSION
        parameters["session"] = wanted.session_id
    if wanted.kinds:
        names = [f"kind{number}" for number in range(len(wanted.kinds))]
        kind = _KIND.get(source, "x.kind")
        query += f" AND {kind} IN ({', '.join(f':{name}' for name in names)})"
        parameters |= dict(zip(names, sorted(wanted.kinds), strict=True))
    for bound, value, sign in (("since", wanted.since, ">="), ("until", wanted.until, "<")):
        if value is not None:
            query += f" AND {_AT[source]} {sign} :{bound}"
            parameters[bound] = value
    if after is not None:
        query += f" AND {_ID[source]} > :after"
        parameters["after"] = after
    query += f" ORDER BY {_ID[source]} {order} LIMIT :limit"
    for row in tx.exec_driver_sql(query, parameters).all():
        yield _entry(tx, source, row)


def _of_dispute(tx: sa.Connection, source: Source) -> str:
    if source is not Source.EVENTS:
        return _OF_DISPUTE
    filed = sa.inspect(tx).has_table("dispute_events")
    return _EVENTS_OF_DISPUTE if filed else _UNFILED_OF_DISPUTE


def _entry(tx: sa.Connection, source: Source, row: Any) -> Entry:
    number, at, kind, dispute, session, payload, rationale, bundle, pinned = row
    told = parsed(payload) if isinstance(payload, str) else {}
    entry = Entry(
        source=source,
        id=number,
        at=at if isinstance(at, int) else 0,
        kind=_text(kind) or "",
        dispute_id=_text(dispute),
        session_id=_text(session),
        payload=told,
        rationale_id=_text(rationale),
        bundle_id=_text(bundle),
        policy_hash=_text(pinned),
        party=_text(told.get("party")),
    )
    if entry.party is None and kind in _PARTY_KINDS and source is Source.EVENTS:
        about = {"session": session, "inner": _text(told.get("inner_event_id"))}
        party = tx.exec_driver_sql(_PARTY, about).scalar()
        return replace(entry, party=_text(party))
    return entry


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
