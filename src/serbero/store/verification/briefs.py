"""Briefs: of each session that a person took over, its chat was written down for him, once."""

from collections.abc import Iterator
from typing import Final

from serbero.model.notification import Purpose
from serbero.store.session_moves import EndCause
from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.scope import Scope

_B: Final = "owed_briefs"
_PATIENCE_MS: Final = 600_000
"""Writing one takes a second; a daemon that wrote other messages so much later forgot it."""


def _owed(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT b.session_id, b.dispute_id, b.owed_ms + :patience < (
      SELECT o.enqueued_ms FROM outbox o ORDER BY o.id DESC LIMIT 1)
    FROM owed_briefs b WHERE {about b.dispute_id} AND b.settled_at IS NULL
      AND b.owed_ms + :patience < :now * 1000
    """
    for session, dispute, forgotten in scope.rows(query, patience=_PATIENCE_MS, now=scope.now):
        meaning = (
            "whoever took the dispute was not given the chat: export it for him"
            if forgotten
            else "the daemon was stopped meanwhile: its next start writes it"
        )
        row, level = name_of(session), Level.DAMAGE if forgotten else Level.NOTE
        yield Finding(_B, row, name_of(dispute), "that it is written", "owed", meaning, level)


def _written(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT b.session_id, b.dispute_id, b.messages, count(o.id) AS carried
    FROM owed_briefs b LEFT JOIN outbox o
      ON o.dispute_id = b.dispute_id AND o.purpose = :purpose AND o.session_id = b.session_id
    WHERE {about b.dispute_id} AND b.settled_at IS NOT NULL
    GROUP BY b.session_id HAVING b.messages IS NOT carried
    """
    purpose = Purpose.MEDIATION_BRIEF.value
    for session, dispute, messages, rows in scope.rows(query, purpose=purpose):
        expected, found = f"{said(messages)} messages in the outbox", said(rows)
        meaning = "a message or the note was deleted or changed: both are one transaction"
        yield Finding(_B, name_of(session), name_of(dispute), expected, found, meaning)


def _unowed(scope: Scope) -> Iterator[Finding]:
    """What was closed before the first note may be of a time that kept none."""
    query = """
    SELECT c.id, s.dispute_id FROM mediation_events c
    JOIN mediation_sessions s ON s.session_id = c.session_id
    WHERE {event c} AND c.kind = 'session_closed' AND {json c.payload_json reason} = :taken
      AND c.occurred_at >= (SELECT min(b.owed_ms) FROM owed_briefs b) / 1000
      AND EXISTS (SELECT 1 FROM mediation_messages m
        WHERE m.session_id = s.session_id AND +m.direction = 'outbound')
      AND NOT EXISTS (SELECT 1 FROM owed_briefs b WHERE b.session_id = s.session_id)
    """
    for event, dispute in scope.rows(query, taken=EndCause.TAKEN_BY_HUMAN.value):
        expected = f"a row of {_B}: the chat is owed to whoever took the dispute"
        meaning = "the row was deleted: both are one transaction"
        yield Finding(
            "mediation_events", name_of(event), name_of(dispute), expected, "none", meaning
        )


_SESSIONS: Final = frozenset({_B, "mediation_sessions", "mediation_events", "mediation_messages"})
CHECKS: Final = (
    Check("briefs owed", frozenset({_B, "outbox"}), _owed),
    Check("briefs written", frozenset({_B, "outbox"}), _written),
    Check("takeovers without brief", _SESSIONS, _unowed),
)
