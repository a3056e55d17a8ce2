"""Mediation sessions: how they began, moved and ended, and what they count."""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final

from serbero.model.mediation import (
    BLOCKING,
    FIRST_STATE,
    LIVE,
    SESSION_TRANSITIONS,
    AuditKind,
    SessionState,
)
from serbero.store.audit_trail import parsed
from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.scope import Row, Scope

_S: Final = "mediation_sessions"
_E: Final = "mediation_events"
_STATES: Final = json.dumps([each.value for each in SessionState])
_BLOCKS: Final = json.dumps(sorted(each.value for each in BLOCKING))
_LIVES: Final = json.dumps(sorted(each.value for each in LIVE))
_ENDS: Final = {
    AuditKind.ESCALATION_RECOMMENDED.value: SessionState.ESCALATION_RECOMMENDED,
    AuditKind.SUPERSEDED_BY_HUMAN.value: SessionState.SUPERSEDED_BY_HUMAN,
    AuditKind.SESSION_CLOSED.value: SessionState.CLOSED,
}
_MOVES: Final = json.dumps([AuditKind.STATE_TRANSITION.value, *_ENDS])
_UNWRITTEN: Final = {
    SessionState.AWAITING_RESPONSE: frozenset(
        {
            SessionState.CLASSIFIED,
            SessionState.SUMMARY_PENDING,
            SessionState.SUMMARY_DELIVERED,
            SessionState.CLOSED,
        }
    ),
}
"""How the reference moves a session without an event."""
_EDITED: Final = "the state was changed without an event, or its event was deleted or changed"


def _by(reference: object) -> Level:
    """A session without a solver of its own is the reference's: ours name our key."""
    return Level.NOTE if reference else Level.DAMAGE


def _words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.state FROM mediation_sessions s
    WHERE {about s.dispute_id} AND s.state NOT IN (SELECT value FROM json_each(:states))
    """
    for session, dispute, state in scope.rows(query, states=_STATES):
        expected, row = "a known state", name_of(session)
        yield Finding(_S, row, name_of(dispute), expected, said(state), "the state was changed")


def _beginnings(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.assigned_solver IS NULL, (
      SELECT count(*) FROM mediation_events e WHERE e.session_id = s.session_id
        AND e.kind = 'session_opened') AS opened
    FROM mediation_sessions s WHERE {about s.dispute_id} AND opened <> 1
    """
    for session, dispute, _, opened in scope.rows(query):
        expected, found = "one session_opened event", said(opened)
        meaning = "it was deleted or written twice: session and event are one transaction"
        yield Finding(_S, name_of(session), name_of(dispute), expected, found, meaning)


def _untaken(scope: Scope) -> Iterator[Finding]:
    filed = scope.has("dispute_events")
    take = (
        """SELECT 1 FROM dispute_events f JOIN mediation_events t ON t.id = f.event_id
        WHERE f.dispute_id = s.dispute_id AND f.kind = 'take_dispute_issued'"""
        if filed
        else """SELECT 1 FROM mediation_events t WHERE t.kind = 'take_dispute_issued'
        AND t.session_id IS NULL AND {json t.payload_json dispute_id} = s.dispute_id"""
    )
    query = """
    SELECT s.session_id, s.dispute_id, s.assigned_solver IS NULL, e.id
    FROM mediation_sessions s JOIN mediation_events e
      ON e.session_id = s.session_id AND e.kind = 'session_opened'
    WHERE {about s.dispute_id} AND NOT EXISTS ({take}
      AND t.id < e.id AND {json t.payload_json outcome} = 'success')
    """.replace("{take}", take)
    for session, dispute, reference, event in scope.rows(query):
        expected = f"a successful take_dispute_issued before event {said(event)}"
        meaning = "the take was deleted or changed, or its event could not be written"
        level = _by(reference)
        yield Finding(_S, name_of(session), name_of(dispute), expected, "none", meaning, level)


def _moves(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.state, s.assigned_solver IS NULL, e.id, e.kind,
      e.payload_json
    FROM mediation_sessions s LEFT JOIN mediation_events e ON e.session_id = s.session_id
      AND e.kind IN (SELECT value FROM json_each(:moves))
    WHERE {about s.dispute_id} AND s.state IN (SELECT value FROM json_each(:states))
    ORDER BY s.session_id, e.id
    """
    found = scope.rows(query, moves=_MOVES, states=_STATES)
    for _, rows in groupby(found, key=lambda row: row[0]):
        yield from _followed(list(rows))


def _followed(rows: list[Row]) -> Iterator[Finding]:
    """Follow one session's events to the state it should be in."""
    session, dispute, state, reference, *_ = rows[0]
    at = FIRST_STATE
    for *_, event, kind, payload in rows:
        if event is None:
            continue
        before, after = _move(kind, payload, at)
        if before is not at or after not in SESSION_TRANSITIONS[at]:
            quiet = reference and after is not None and _unwritten(at, after)
            if not quiet:
                expected = f"a move that {at.value} allows"
                found = "an unknown state" if after is None else f"a move to {after.value}"
                yield Finding(_E, name_of(event), name_of(dispute), expected, found, _EDITED)
        at = after or at
    if state == at:
        return
    known = SessionState(state)
    note = reference and known in _UNWRITTEN.get(at, frozenset())
    meaning = "the reference writes no event for this move" if note else _EDITED
    expected = f"{at.value}, as its events say"
    yield Finding(_S, name_of(session), name_of(dispute), expected, state, meaning, _by(note))


def _move(
    kind: Any, payload: Any, at: SessionState
) -> tuple[SessionState | None, SessionState | None]:
    """From where to where an event says that its session went."""
    end = _ENDS.get(kind)
    if end is not None:
        return at, end
    told = parsed(payload) if isinstance(payload, str) else {}
    return _state(told.get("from")), _state(told.get("to"))


def _state(text: object) -> SessionState | None:
    try:
        return SessionState(str(text))
    except ValueError:
        return None


def _unwritten(at: SessionState, after: SessionState) -> bool:
    """Whether the reference can have been in a state in between without an event of it."""
    between = _UNWRITTEN.get(at, frozenset())
    return any(after in SESSION_TRANSITIONS[each] for each in between)


def _crowds(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT max(s.session_id), s.dispute_id, count(*), sum(s.assigned_solver IS NULL) > 0
    FROM mediation_sessions s WHERE {about s.dispute_id}
      AND s.state IN (SELECT value FROM json_each(:blocking))
    GROUP BY s.dispute_id HAVING count(*) > 1
    """
    for session, dispute, number, reference in scope.rows(query, blocking=_BLOCKS):
        expected, found = "one session that is not over", said(number)
        meaning = "a session was written by hand, or the state of one that was over changed"
        row, level = name_of(session), _by(reference)
        yield Finding(_S, row, name_of(dispute), expected, found, meaning, level)


def _outlived(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.state, s.assigned_solver IS NULL
    FROM mediation_sessions s JOIN disputes d ON d.dispute_id = s.dispute_id
    WHERE {about s.dispute_id} AND d.lifecycle_state = 'resolved'
      AND s.state IN (SELECT value FROM json_each(:blocking))
    """
    for session, dispute, state, reference in scope.rows(query, blocking=_BLOCKS):
        meaning = (
            "the reference never closes a session it escalated"
            if reference
            else "the state was changed: a resolution closes its sessions"
        )
        row, level = name_of(session), _by(reference)
        expected = "closed, as its dispute is"
        yield Finding(_S, row, name_of(dispute), expected, said(state), meaning, level)


def _waiting(scope: Scope) -> Iterator[Finding]:
    """Only we write ``waiting``, and only with a session."""
    query = """
    SELECT d.dispute_id FROM disputes d WHERE {about d.dispute_id}
      AND d.lifecycle_state = 'waiting' AND NOT EXISTS (SELECT 1 FROM mediation_sessions s
        WHERE s.dispute_id = d.dispute_id AND s.state IN (SELECT value FROM json_each(:live)))
    """
    for (dispute,) in scope.rows(query, live=_LIVES):
        expected, row = "a session that is led", name_of(dispute)
        meaning = "the state of the dispute, or of its session, was changed"
        yield Finding("disputes", row, row, expected, "waiting without one", meaning)


# The unary plus keeps SQLite from the index on `direction`, which half of all messages share, and
# makes it look them up by session.
_COUNTED: Final = """
SELECT s.session_id, s.dispute_id, s.round_count, s.round_count_last_evaluated,
  (SELECT count(*) FROM mediation_messages m WHERE m.session_id = s.session_id
    AND +m.direction = 'inbound' AND m.party = 'buyer' AND m.stale = 0) AS buyer,
  (SELECT count(*) FROM mediation_messages m WHERE m.session_id = s.session_id
    AND +m.direction = 'inbound' AND m.party = 'seller' AND m.stale = 0) AS seller
FROM mediation_sessions s
WHERE {about s.dispute_id} AND (round_count <> min(buyer, seller)
  OR round_count_last_evaluated > buyer + seller)
"""


def _rounds(scope: Scope) -> Iterator[Finding]:
    if "round_count_last_evaluated" not in scope.columns(_S):
        return  # an early version of the reference
    for session, dispute, rounds, evaluated, buyer, seller in scope.rows(_COUNTED):
        expected = f"{min(buyer, seller)} rounds and at most {buyer + seller} messages evaluated"
        found = f"{said(rounds)} rounds, {said(evaluated)} evaluated"
        meaning = "a message was deleted or changed, or a count was"
        yield Finding(_S, name_of(session), name_of(dispute), expected, found, meaning)


def _facts(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.assigned_solver IS NULL, f.pairs_put, (
      SELECT count(*) FROM mediation_messages m WHERE m.session_id = s.session_id
        AND +m.direction = 'outbound' AND m.party = 'buyer') AS pairs, (
      SELECT group_concat(p.party) FROM (SELECT party FROM session_sides p
        WHERE p.session_id = s.session_id ORDER BY party) p) AS sides
    FROM mediation_sessions s LEFT JOIN session_facts f ON f.session_id = s.session_id
    WHERE {about s.dispute_id}
      AND (f.pairs_put IS NOT pairs OR sides IS NOT 'buyer,seller')
    """
    for session, dispute, reference, put, pairs, sides in scope.rows(query):
        expected = f"a row of facts with {pairs} pairs put, and one for each side"
        found = f"{said(put)} pairs, sides: {said(sides)}"
        level = _by(reference)
        meaning = (
            "the reference went on with it since our last start"
            if level is Level.NOTE
            else "a question or a row of facts was deleted or changed"
        )
        row = name_of(session)
        yield Finding("session_facts", row, name_of(dispute), expected, found, meaning, level)


def _reports(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.assigned_solver IS NULL FROM mediation_sessions s
    JOIN disputes d ON d.dispute_id = s.dispute_id
    WHERE {about s.dispute_id} AND d.lifecycle_state = 'resolved'
      AND s.session_id = (SELECT n.session_id FROM mediation_sessions n
        WHERE n.dispute_id = s.dispute_id ORDER BY n.started_at DESC, n.session_id LIMIT 1)
      AND NOT EXISTS (SELECT 1 FROM mediation_events e
        WHERE e.session_id IN (SELECT n.session_id FROM mediation_sessions n
          WHERE n.dispute_id = s.dispute_id) AND e.kind = 'resolved_externally_reported')
    """
    for session, dispute, reference in scope.rows(query):
        expected = "resolved_externally_reported: how the dispute ended"
        meaning = (
            "the reference stopped between the resolution and its report"
            if reference
            else "the event was deleted: resolution and report are one transaction"
        )
        row, level = name_of(session), _by(reference)
        yield Finding(_S, row, name_of(dispute), expected, "none", meaning, level)


def _needs(*names: str) -> frozenset[str]:
    return frozenset({_S, _E, *names})


def _checks() -> Iterable[Check]:
    yield Check("session states", _needs(), _words)
    yield Check("session beginnings", _needs(), _beginnings)
    yield Check("sessions without take", _needs(), _untaken)
    yield Check("session moves", _needs(), _moves)
    yield Check("sessions of one dispute", _needs(), _crowds)
    yield Check(
        "sessions of closed disputes", _needs("disputes", "dispute_state_transitions"), _outlived
    )
    yield Check("waiting disputes", _needs("disputes", "dispute_state_transitions"), _waiting)
    yield Check("rounds", _needs("mediation_messages"), _rounds)
    facts = _needs("mediation_messages", "session_facts", "session_sides")
    yield Check("facts of a session", facts, _facts)
    yield Check("final reports", _needs("disputes", "dispute_state_transitions"), _reports)


CHECKS: Final = tuple(_checks())
