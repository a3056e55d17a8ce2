"""Words of parties and models stand in their own columns and nowhere else on the trail.

Looked for are whole texts, as they are or as JSON spells them, in the payloads of the same session
or dispute. Short ones are passed over: "ok" may be anything.
"""

from collections.abc import Iterator
from typing import Final

from serbero.store.verification.finding import Check, Finding, name_of
from serbero.store.verification.scope import Scope

_SHORTEST: Final = 16
_MEANING: Final = "words were copied where other programs and reports read them"
_EXPECTED: Final = "ids, states, labels and numbers"
_FOUND: Final = "a text of a {}"

_IN: Final = """
  length(t.words) >= :shortest AND length(p.payload) >= length(t.words)
  AND (instr(p.payload, t.words) > 0
    OR instr(p.payload, substr(json_quote(t.words), 2, length(json_quote(t.words)) - 2)) > 0)
"""
_SPOKEN: Final = """
SELECT CAST(m.content AS TEXT) AS words, m.session_id FROM mediation_messages m
WHERE {session m.session_id}
"""
_WRITTEN: Final = """
SELECT CAST(r.rationale_text AS TEXT) AS words, r.session_id FROM reasoning_rationales r
WHERE r.session_id IS NOT NULL AND {session r.session_id}
UNION ALL SELECT CAST(m.summary_text AS TEXT), m.session_id FROM mediation_summaries m
WHERE {session m.session_id}
UNION ALL SELECT CAST(m.suggested_next_step AS TEXT), m.session_id FROM mediation_summaries m
WHERE {session m.session_id}
"""
_EVENTS: Final = """
SELECT DISTINCT p.id, s.dispute_id FROM (texts) t
CROSS JOIN mediation_sessions s ON s.session_id = t.session_id
CROSS JOIN (SELECT e.id, e.session_id, CAST(e.payload_json AS TEXT) AS payload
  FROM mediation_events e) p ON p.session_id = t.session_id
WHERE
"""
_JOURNAL: Final = """
SELECT DISTINCT p.id, s.dispute_id FROM (texts) t
CROSS JOIN mediation_sessions s ON s.session_id = t.session_id
CROSS JOIN (SELECT j.id, j.dispute_id, CAST(j.payload_json AS TEXT) AS payload
  FROM journal j) p ON p.dispute_id = s.dispute_id
WHERE
"""
_VERDICTS: Final = """
SELECT e.id, {dispute_of e} FROM mediation_events e
JOIN reasoning_rationales r ON r.rationale_id = e.rationale_id
WHERE {event e} AND e.session_id IS NULL AND length(r.rationale_text) >= :shortest
  AND (instr(CAST(e.payload_json AS TEXT), CAST(r.rationale_text AS TEXT)) > 0
    OR instr(CAST(e.payload_json AS TEXT), substr(json_quote(CAST(r.rationale_text AS TEXT)), 2,
      length(json_quote(CAST(r.rationale_text AS TEXT))) - 2)) > 0)
"""


def _find(scope: Scope, query: str, table: str, whose: str) -> Iterator[Finding]:
    for row, dispute in scope.rows(query, shortest=_SHORTEST):
        found = _FOUND.format(whose)
        yield Finding(table, name_of(row), name_of(dispute), _EXPECTED, found, _MEANING)


def _events(scope: Scope) -> Iterator[Finding]:
    for texts, whose in ((_SPOKEN, "message"), (_WRITTEN, "model")):
        query = _EVENTS.replace("texts", texts) + _IN
        yield from _find(scope, query, "mediation_events", whose)
    yield from _find(scope, _VERDICTS, "mediation_events", "model")


def _journal(scope: Scope) -> Iterator[Finding]:
    for texts, whose in ((_SPOKEN, "message"), (_WRITTEN, "model")):
        query = _JOURNAL.replace("texts", texts) + _IN
        yield from _find(scope, query, "journal", whose)


_TABLES: Final = frozenset(
    {
        "mediation_events",
        "mediation_sessions",
        "mediation_messages",
        "mediation_summaries",
        "reasoning_rationales",
    }
)
CHECKS: Final = (
    Check("words in events", _TABLES, _events, deep=True),
    Check("words in the journal", _TABLES | {"journal"}, _journal, deep=True),
)
