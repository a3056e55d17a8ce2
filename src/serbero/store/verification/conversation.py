"""What was said in a session, beside the events and the outbox rows that go with it."""

from collections.abc import Iterator
from typing import Final

from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.scope import Scope

_M: Final = "mediation_messages"
_E: Final = "mediation_events"
_EDITED: Final = "one of the two rows was changed or deleted after both were written"


def _words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id, m.direction, m.party, m.stale
    FROM mediation_messages m LEFT JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND (
      m.direction NOT IN ('outbound', 'inbound')
      OR m.party NOT IN ('buyer', 'seller') OR m.stale NOT IN (0, 1)
      OR (m.direction = 'outbound' AND m.stale <> 0))
    """
    for row, dispute, *values in scope.rows(query):
        expected = "outbound or inbound, of buyer or seller, fresh (0) or stale (1)"
        found = ", ".join(map(said, values))
        meaning = "the row was changed"
        yield Finding(_M, name_of(row), name_of(dispute), expected, found, meaning)


def _addresses(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id, m.party
    FROM mediation_messages m LEFT JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND m.party IN ('buyer', 'seller')
      AND m.shared_pubkey IS NOT (CASE m.party
        WHEN 'buyer' THEN s.buyer_shared_pubkey ELSE s.seller_shared_pubkey END)
    """
    for row, dispute, party in scope.rows(query):
        expected = f"the address of the {said(party)} in this session"
        meaning = "party or address was changed: it may belong to the other side"
        yield Finding(_M, name_of(row), name_of(dispute), expected, "another one", meaning)


def _twice(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT max(m.id), s.dispute_id, count(*)
    FROM mediation_messages m LEFT JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id}
    GROUP BY m.session_id, m.inner_event_id HAVING count(*) > 1
    """
    for row, dispute, number in scope.rows(query):
        expected, found = "each message once in a session", f"{said(number)} times"
        meaning = "the index that prevents it is gone, or was when the row was written"
        yield Finding(_M, name_of(row), name_of(dispute), expected, found, meaning)


def _unheard(scope: Scope) -> Iterator[Finding]:
    """Only we write events of arrivals."""
    query = """
    SELECT id, dispute_id, stale, events, noted FROM (
      SELECT m.id, s.dispute_id, m.stale, count(e.id) AS events,
        max({json e.payload_json stale}) AS noted
      FROM mediation_messages m JOIN mediation_sessions s ON s.session_id = m.session_id
      LEFT JOIN mediation_events e ON e.session_id = m.session_id AND e.kind = 'inbound_ingested'
        AND {json e.payload_json inner_event_id} = m.inner_event_id
      WHERE {session m.session_id} AND m.direction = 'inbound' AND s.assigned_solver IS NOT NULL
      GROUP BY m.id)
    WHERE events <> 1 OR noted IS NOT stale
    """
    for row, dispute, stale, events, noted in scope.rows(query):
        expected = f"one inbound_ingested event with stale = {said(stale)}"
        found = f"{said(events)} of them" if events != 1 else f"one with stale = {said(noted)}"
        yield Finding(_M, name_of(row), name_of(dispute), expected, found, _EDITED)


def _quiet_arrivals(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, count(*) FROM mediation_messages m
    JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {about s.dispute_id} AND m.direction = 'inbound' AND s.assigned_solver IS NULL
      AND NOT EXISTS (SELECT 1 FROM mediation_events e WHERE e.session_id = m.session_id
        AND e.kind = 'inbound_ingested'
        AND {json e.payload_json inner_event_id} = m.inner_event_id)
    GROUP BY s.session_id
    """
    for session, dispute, number in scope.rows(query):
        found = f"{said(number)} arrivals without one"
        meaning = "the reference writes no event of what arrives"
        row, expected = name_of(session), "an inbound_ingested event for each message"
        yield Finding(
            "mediation_sessions", row, name_of(dispute), expected, found, meaning, Level.NOTE
        )


def _unsent(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT id, dispute_id, sent, reference, events FROM (
      SELECT m.id, s.dispute_id, m.outer_event_id IS NOT NULL AS sent,
        s.assigned_solver IS NULL AS reference, count(e.id) AS events
      FROM mediation_messages m JOIN mediation_sessions s ON s.session_id = m.session_id
      LEFT JOIN mediation_events e ON e.session_id = m.session_id AND e.kind = 'outbound_sent'
        AND {json e.payload_json inner_event_id} = m.inner_event_id
      WHERE {session m.session_id} AND m.direction = 'outbound'
      GROUP BY m.id)
    WHERE events <> sent
    """
    for row, dispute, sent, reference, events in scope.rows(query):
        # The reference names the envelope before it publishes.
        level = Level.NOTE if reference and sent and events == 0 else Level.DAMAGE
        meaning = "the reference could not publish it" if level is Level.NOTE else _EDITED
        expected = "one outbound_sent event" if sent else "none, for no relay took it"
        found = f"{said(events)} outbound_sent"
        yield Finding(_M, name_of(row), name_of(dispute), expected, found, meaning, level)


def _unwritten(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e}, e.kind FROM mediation_events e
    WHERE {event e} AND e.kind IN ('outbound_sent', 'inbound_ingested') AND NOT EXISTS (
      SELECT 1 FROM mediation_messages m WHERE m.session_id = e.session_id
        AND m.inner_event_id = {json e.payload_json inner_event_id}
        AND m.direction = CASE e.kind WHEN 'outbound_sent' THEN 'outbound' ELSE 'inbound' END)
    """
    for row, dispute, kind in scope.rows(query):
        expected = "the message it tells of"
        meaning = f"the message was deleted or changed, or this {said(kind)} was"
        yield Finding(_E, name_of(row), name_of(dispute), expected, "none", meaning)


def _unasked(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id
    FROM mediation_messages m LEFT JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND m.direction = 'outbound'
      AND s.assigned_solver IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM outbox o WHERE o.dispute_id = s.dispute_id AND o.purpose = 'party_message'
        AND o.rumor_id = m.inner_event_id AND o.session_id = m.session_id)
    """
    for row, dispute in scope.rows(query):
        expected = "its row in the outbox"
        meaning = "the outbox row was deleted or changed: both are one transaction"
        yield Finding(_M, name_of(row), name_of(dispute), expected, "none", meaning)


def _untold(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT o.id, o.dispute_id FROM outbox o
    WHERE {about o.dispute_id} AND o.purpose = 'party_message' AND o.state = 'sent'
      AND o.session_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM mediation_messages m WHERE m.session_id = o.session_id
          AND m.inner_event_id = o.rumor_id AND m.outer_event_id IS NOT NULL)
    """
    for row, dispute in scope.rows(query):
        expected = "a message of this session that a relay took"
        meaning = "the message was deleted or changed, or this row was"
        yield Finding("outbox", name_of(row), name_of(dispute), expected, "none", meaning)


_AFTER: Final = """
SELECT m.id, s.dispute_id, s.assigned_solver IS NULL, min(e.occurred_at)
FROM mediation_messages m JOIN mediation_sessions s ON s.session_id = m.session_id
JOIN mediation_events e ON e.session_id = m.session_id
  AND e.kind IN ('escalation_recommended', 'superseded_by_human', 'session_closed')
WHERE {about s.dispute_id} AND m.direction = 'outbound' AND m.persisted_at > e.occurred_at
GROUP BY m.id
"""


def _after_the_end(scope: Scope) -> Iterator[Finding]:
    for row, dispute, reference, at in scope.rows(_AFTER):
        expected = f"no question after the session's end at {said(at)}"
        level = Level.NOTE if reference else Level.DAMAGE
        meaning = (
            "the reference does not look again before it writes"
            if reference
            else "the message was written by hand, or a time was changed"
        )
        yield Finding(_M, name_of(row), name_of(dispute), expected, "one", meaning, level)


def _emptied(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id
    FROM mediation_messages m LEFT JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND m.direction = 'outbound' AND m.content = ''
    """
    for row, dispute in scope.rows(query):
        if dispute not in scope.purged:
            expected = "words, or a purge in the journal"
            meaning = "the words were removed by hand"
            yield Finding(_M, name_of(row), name_of(dispute), expected, "neither", meaning)


_SPOKEN: Final = frozenset({_M, "mediation_sessions"})
_NOTED: Final = _SPOKEN | {_E}
CHECKS: Final = (
    Check("message words", _SPOKEN, _words),
    Check("message addresses", _SPOKEN, _addresses),
    Check("messages stored twice", _SPOKEN, _twice),
    Check("arrivals", _NOTED, _unheard),
    Check("arrivals without events", _NOTED, _quiet_arrivals),
    Check("questions sent", _NOTED, _unsent),
    Check("events without message", _NOTED, _unwritten),
    Check("questions in the outbox", _SPOKEN | {"outbox"}, _unasked),
    Check("messages to parties", _SPOKEN | {"outbox"}, _untold),
    Check("questions after the end", _NOTED, _after_the_end),
    Check("emptied messages", _SPOKEN, _emptied),
)
