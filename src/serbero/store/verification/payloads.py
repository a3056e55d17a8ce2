"""Payloads of events and of the journal: JSON with the keys its kind has, and no words in it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from serbero.model.handoff import BadPackage, read_package
from serbero.model.mediation import AuditKind
from serbero.store.audit_trail import parsed
from serbero.store.verification.finding import Check, Finding, Level, by, name_of, said
from serbero.store.verification.scope import Scope

_E: Final = "mediation_events"
_J: Final = "journal"
_EDITED: Final = "the payload was changed, or written by another program"

_TEXT: Final = ("text",)
_NUMBER: Final = ("integer", "real")
_COUNT: Final = ("integer",)
_LIST: Final = ("array",)
_YES: Final = ("true", "false")

_LABEL: Final = {"classification": _TEXT, "confidence": _NUMBER}
_DISPUTE: Final = {"dispute_id": _TEXT}
_OF_HANDOFF: Final = {**_DISPUTE, "handoff_event_id": _COUNT}
_KEYS: Final[Mapping[AuditKind, Mapping[str, tuple[str, ...]]]] = {
    AuditKind.START_ATTEMPT_STARTED: {**_DISPUTE, "trigger": _TEXT},
    AuditKind.START_ATTEMPT_STOPPED: _DISPUTE,
    AuditKind.REASONING_VERDICT: {**_DISPUTE, "decision": _TEXT},
    AuditKind.TAKE_DISPUTE_ISSUED: {**_DISPUTE, "outcome": _TEXT},
    AuditKind.SESSION_OPENED: {},
    AuditKind.CLASSIFICATION_PRODUCED: {**_LABEL, "rationale_id": _TEXT},
    AuditKind.OUTBOUND_SENT: {"inner_event_id": _TEXT, "shared_pubkey": _TEXT},
    AuditKind.INBOUND_INGESTED: {"inner_event_id": _TEXT, "party": _TEXT, "stale": _YES},
    AuditKind.REASONING_CALL_FAILED: {
        "attempt_count": _COUNT,
        "error_category": _TEXT,
        "model": _TEXT,
        "provider": _TEXT,
    },
    AuditKind.SUMMARY_GENERATED: {**_LABEL, "rationale_id": _TEXT},
    AuditKind.STATE_TRANSITION: {"from": _TEXT, "to": _TEXT},
    AuditKind.ESCALATION_RECOMMENDED: {"trigger": _TEXT},
    AuditKind.HANDOFF_PREPARED: {},
    AuditKind.SUPERSEDED_BY_HUMAN: {
        **_DISPUTE,
        "event_id": _TEXT,
        "reason": _TEXT,
        "resolution_status": _TEXT,
    },
    AuditKind.SESSION_CLOSED: {**_DISPUTE, "reason": _TEXT},
    AuditKind.RESOLVED_EXTERNALLY_REPORTED: {
        **_DISPUTE,
        "final_dispute_status": _TEXT,
        "narrative": _TEXT,
        "outbound_party_messages_count": _COUNT,
        "classification": (*_TEXT, "null"),
        "confidence": (*_NUMBER, "null"),
        "session_id": (*_TEXT, "null"),
    },
    AuditKind.AUTHORIZATION_LOST: {**_DISPUTE, "session_id": _TEXT},
    AuditKind.AUTH_RETRY_ATTEMPT: {"attempt": _COUNT, "error": _TEXT},
    AuditKind.AUTH_RETRY_RECOVERED: {"attempt": _COUNT},
    AuditKind.AUTH_RETRY_TERMINATED: {"attempt": _COUNT, "cumulative_secs": _COUNT},
    AuditKind.ESCALATION_DISPATCHED: {
        **_OF_HANDOFF,
        "dispatch_id": _TEXT,
        "fallback_broadcast": _YES,
        "status": _TEXT,
        "target_solver": _TEXT,
    },
    AuditKind.ESCALATION_SUPERSEDED: {**_OF_HANDOFF, "reason": _TEXT},
    AuditKind.ESCALATION_DISPATCH_UNROUTABLE: {
        **_OF_HANDOFF,
        "configured_solver_count": _COUNT,
        "fallback_to_all_solvers": _YES,
    },
    AuditKind.ESCALATION_DISPATCH_PARSE_FAILED: {
        **_OF_HANDOFF,
        "detail": _TEXT,
        "reason": _TEXT,
    },
}
"""What every writer puts in, the reference included: key to the JSON types it may have."""

_OURS: Final[Mapping[AuditKind, Mapping[str, tuple[str, ...]]]] = {
    AuditKind.START_ATTEMPT_STOPPED: {"reason": _TEXT, "stop_reason": _TEXT},
    AuditKind.REASONING_VERDICT: _LABEL,
    AuditKind.REASONING_CALL_FAILED: _DISPUTE,
    AuditKind.ESCALATION_RECOMMENDED: {
        **_DISPUTE,
        "evidence_refs": _LIST,
        "rationale_refs": _LIST,
    },
}
"""What we put in as well, and the reference does not always."""


def _shapeless(keys: Mapping[str, tuple[str, ...]]) -> str:
    """SQL that is true of a payload ``p`` without one of these keys: constants of this module."""
    tests = [
        f"coalesce(json_type(p, '$.{key}'), '-') NOT IN ({', '.join(map(repr, types))}, '')"
        for key, types in keys.items()
    ]
    return " OR ".join(tests) or "0"


_BAD_KEYS: Final = """
SELECT id, about, kind, occurred_at, p FROM (
  SELECT e.id, {dispute_of e} AS about, e.kind, e.occurred_at, CAST(e.payload_json AS TEXT) AS p
  FROM mediation_events e WHERE {event e} AND json_valid(CAST(e.payload_json AS TEXT))
) WHERE CASE kind {kinds} ELSE 1 END
""".replace(
    "{kinds}",
    "\n".join(
        f"WHEN '{kind.value}' THEN {_shapeless({**keys, **_OURS.get(kind, {})})}"
        for kind, keys in _KEYS.items()
    ),
)


def _keys(scope: Scope) -> Iterator[Finding]:
    for row, dispute, kind, at, payload in scope.rows(_BAD_KEYS):
        known = next((each for each in AuditKind if each == kind), None)
        if known is None:
            expected, meaning = "a kind of the catalogue", "another program or a hand wrote it"
            yield Finding(_E, name_of(row), name_of(dispute), expected, said(kind), meaning)
            continue
        found = parsed(payload)
        missing = _missing(found, _KEYS[known])
        level = Level.DAMAGE if missing else by(scope, at)
        missing += _missing(found, _OURS.get(known, {}))
        expected = f"{known.value} with {', '.join(missing)}"
        meaning = "the reference leaves these out" if level is Level.NOTE else _EDITED
        yield Finding(
            _E, name_of(row), name_of(dispute), expected, "none, or not of its type", meaning, level
        )


def _missing(payload: Mapping[str, object], keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [key for key, types in keys.items() if not _is_one_of(payload, key, types)]


def _is_one_of(payload: Mapping[str, object], key: str, types: tuple[str, ...]) -> bool:
    if key not in payload:
        return False
    value = payload[key]
    kinds: dict[type[Any], tuple[str, ...]] = {
        bool: _YES,
        str: _TEXT,
        int: _COUNT,
        float: ("real",),
        list: _LIST,
        type(None): ("null",),
    }
    return any(each in types for each in kinds.get(type(value), ()))


def _json(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e} FROM mediation_events e WHERE {event e} AND (
      NOT json_valid(CAST(e.payload_json AS TEXT))
      OR json_type(CASE WHEN json_valid(CAST(e.payload_json AS TEXT))
        THEN CAST(e.payload_json AS TEXT) ELSE '[]' END) <> 'object')
    """
    for row, dispute in scope.rows(query):
        yield _no_object(_E, row, dispute)


def _journal_json(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT j.id, j.dispute_id FROM journal j WHERE {about j.dispute_id} AND (
      NOT json_valid(CAST(j.payload_json AS TEXT))
      OR json_type(CASE WHEN json_valid(CAST(j.payload_json AS TEXT))
        THEN CAST(j.payload_json AS TEXT) ELSE '[]' END) <> 'object')
    """
    for row, dispute in scope.rows(query):
        yield _no_object(_J, row, dispute)


def _no_object(table: str, row: object, dispute: object) -> Finding:
    return Finding(table, name_of(row), name_of(dispute), "a JSON object", "none", _EDITED)


def _packages(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e}, CAST(e.payload_json AS TEXT), e.prompt_bundle_id, e.policy_hash,
      e.session_id
    FROM mediation_events e WHERE {event e} AND e.kind = 'handoff_prepared'
    """
    for row, dispute, payload, bundle, pinned, session in scope.rows(query):
        package = read_package(payload)
        expected = "a hand-off that says what its columns do"
        if isinstance(package, BadPackage):
            found = f"none that can be read: {package.detail}"
            yield Finding(_E, name_of(row), name_of(dispute), expected, found, _EDITED)
        elif (package.prompt_bundle_id, package.policy_hash, package.session_id) != (
            bundle,
            pinned,
            session,
        ):
            found = "another session or other pins"
            yield Finding(_E, name_of(row), name_of(dispute), expected, found, _EDITED)


def _triggers(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT h.id, {dispute_of h}, {json e.payload_json trigger} AS wanted,
      {json h.payload_json trigger} AS told
    FROM mediation_events e JOIN mediation_events h ON h.id = e.id + 1
    WHERE {event e} AND e.kind = 'escalation_recommended' AND h.kind = 'handoff_prepared'
      AND h.session_id IS e.session_id AND wanted IS NOT told
    """
    for row, dispute, wanted, told in scope.rows(query):
        expected = f"trigger {said(wanted)}, as the escalation before it"
        yield Finding(_E, name_of(row), name_of(dispute), expected, said(told), _EDITED)


def _abouts(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, s.dispute_id, {json e.payload_json dispute_id} IS NOT NULL
      AND {json e.payload_json dispute_id} IS NOT s.dispute_id
    FROM mediation_events e JOIN mediation_sessions s ON s.session_id = e.session_id
    WHERE {session e.session_id} AND (
      ({json e.payload_json dispute_id} IS NOT NULL
        AND {json e.payload_json dispute_id} IS NOT s.dispute_id)
      OR ({json e.payload_json session_id} IS NOT NULL
        AND {json e.payload_json session_id} IS NOT e.session_id))
    """
    for row, dispute, other in scope.rows(query):
        expected = "dispute and session as its columns say"
        found = "another dispute" if other else "another session"
        yield Finding(_E, name_of(row), name_of(dispute), expected, found, _EDITED)


def _unfiled(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {json e.payload_json dispute_id} AS about FROM mediation_events e
    WHERE {event e} AND e.session_id IS NULL AND typeof(about) = 'text'
      AND e.id <= coalesce(
        (SELECT value FROM cursors WHERE name = 'reference_mediation_events'), 0)
      AND NOT EXISTS (SELECT 1 FROM dispute_events f
        WHERE f.dispute_id = about AND f.kind = e.kind AND f.event_id = e.id)
    """
    for row, dispute in scope.rows(query):
        expected = "its place under its dispute in dispute_events"
        meaning = "that row was deleted, or dispute or kind of this one changed"
        yield Finding(_E, name_of(row), name_of(dispute), expected, "none", meaning)


def _misfiled(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT f.event_id, f.dispute_id, f.kind, e.kind FROM dispute_events f
    LEFT JOIN mediation_events e ON e.id = f.event_id
    WHERE {about f.dispute_id} AND (e.id IS NULL OR e.kind <> f.kind
      OR e.session_id IS NOT NULL
      OR {json e.payload_json dispute_id} IS NOT f.dispute_id)
    """
    for row, dispute, filed, kind in scope.rows(query):
        expected = f"event {said(row)}, {said(filed)} of this dispute without a session"
        found = "there is none" if kind is None else f"{said(kind)}, of another one"
        meaning = "the event was deleted or changed"
        yield Finding("dispute_events", name_of(row), name_of(dispute), expected, found, meaning)


def _labels(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.current_classification,
      {json e.payload_json classification} AS label
    FROM mediation_sessions s JOIN mediation_events e ON e.id = (
      SELECT max(n.id) FROM mediation_events n WHERE n.session_id = s.session_id
        AND n.kind = 'classification_produced')
    WHERE {about s.dispute_id} AND s.assigned_solver IS NOT NULL
      AND (s.current_classification IS NOT label
        OR s.current_confidence IS NOT {json e.payload_json confidence})
    """
    for row, dispute, label, wanted in scope.rows(query):
        expected = f"{said(wanted)} with its confidence, the newest verdict"
        meaning = "the session or its newest classification_produced was changed"
        yield Finding(
            "mediation_sessions", name_of(row), name_of(dispute), expected, said(label), meaning
        )


def _summary_labels(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, m.dispute_id, m.classification, {json e.payload_json classification} AS label
    FROM mediation_summaries m JOIN mediation_events e ON e.session_id = m.session_id
      AND e.kind = 'summary_generated' AND e.rationale_id = m.rationale_id
    WHERE {about m.dispute_id} AND (m.classification IS NOT label
      OR m.confidence IS NOT {json e.payload_json confidence})
    """
    for row, dispute, label, wanted in scope.rows(query):
        expected = f"{said(wanted)} with its confidence, as its event says"
        meaning = "the summary or its event was changed"
        yield Finding(
            "mediation_summaries", name_of(row), name_of(dispute), expected, said(label), meaning
        )


_EVENTS: Final = frozenset({_E, "mediation_sessions"})


def _checks() -> Iterable[Check]:
    filed = _EVENTS | {"dispute_events", "cursors"}
    yield Check("payloads", _EVENTS, _json)
    yield Check("payload keys", _EVENTS, _keys)
    yield Check("hand-off packages", _EVENTS, _packages)
    yield Check("triggers", _EVENTS, _triggers)
    yield Check("payload and columns", _EVENTS, _abouts)
    yield Check("events without place", filed, _unfiled, whole=True)
    yield Check("places of events", filed, _misfiled)
    yield Check("labels of sessions", _EVENTS, _labels)
    yield Check("labels of summaries", _EVENTS | {"mediation_summaries"}, _summary_labels)
    yield Check("journal payloads", frozenset({_J}), _journal_json)


CHECKS: Final = tuple(_checks())
