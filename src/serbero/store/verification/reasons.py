"""Rationales: that each is referred to by what it explains, and is the text its id names."""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

from serbero.store.verification.finding import Check, Finding, Level, by, name_of, said
from serbero.store.verification.scope import Scope

_R: Final = "reasoning_rationales"
_E: Final = "mediation_events"
_MOST_ALIKE: Final = 8
"""So often can the same words be stored in one session and second, in practice."""


def _references(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e}, e.kind, e.rationale_id, {json e.payload_json rationale_id} AS told,
      r.rationale_id IS NULL, e.occurred_at
    FROM mediation_events e LEFT JOIN reasoning_rationales r ON r.rationale_id = e.rationale_id
    WHERE {event e} AND ((e.rationale_id IS NOT NULL AND r.rationale_id IS NULL)
      OR (told IS NOT e.rationale_id
        AND e.kind IN ('classification_produced', 'summary_generated', 'reasoning_verdict'))
      OR (e.rationale_id IS NULL AND e.kind IN ('classification_produced', 'summary_generated')))
    """
    for row, dispute, kind, column, told, gone, _ in scope.rows(query):
        expected = f"{said(kind)} with one rationale in column and payload"
        if column is not None and gone:
            found, meaning = "its rationale does not exist", "the rationale was deleted"
        else:
            found = f"{said(column)[:12]} and {said(told)[:12]}"
            meaning = "one of the two was changed"
        yield Finding(_E, name_of(row), name_of(dispute), expected, found, meaning)


def _summaries(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, m.dispute_id, m.rationale_id IS NULL FROM mediation_summaries m
    LEFT JOIN reasoning_rationales r ON r.rationale_id = m.rationale_id
    WHERE {about m.dispute_id} AND (r.rationale_id IS NULL OR NOT EXISTS (
      SELECT 1 FROM mediation_events e WHERE e.session_id = m.session_id
        AND e.kind = 'summary_generated' AND e.rationale_id = m.rationale_id))
    """
    for row, dispute, bare in scope.rows(query):
        expected = "a rationale, and the summary_generated event that names it"
        found = "no rationale" if bare else "not both"
        meaning = "summary, rationale and event are one transaction: one was deleted or changed"
        yield Finding(
            "mediation_summaries", name_of(row), name_of(dispute), expected, found, meaning
        )


def _owners(scope: Scope) -> Iterator[Finding]:
    """A verdict's rationale belongs to the session that follows from it, of the same dispute."""
    query = """
    SELECT e.id, {dispute_of e}, e.occurred_at, e.session_id IS NULL
    FROM mediation_events e JOIN reasoning_rationales r ON r.rationale_id = e.rationale_id
    WHERE {event e} AND ((e.session_id IS NOT NULL AND r.session_id IS NOT e.session_id)
      OR (e.session_id IS NULL AND r.session_id IS NOT NULL AND {dispute_of e} IS NOT (
        SELECT s.dispute_id FROM mediation_sessions s WHERE s.session_id = r.session_id)))
    """
    for row, dispute, at, before in scope.rows(query):
        expected = "a rationale of " + ("a session of its dispute" if before else "its session")
        level = by(scope, at)
        if level is Level.DAMAGE and before and _unbound_first(scope, row):
            continue
        meaning = (
            "the reference keeps equal words of two disputes once"
            if level is Level.NOTE
            else "the rationale was given to another session, or the event's id was changed"
        )
        found = "one of another"
        yield Finding(_E, name_of(row), name_of(dispute), expected, found, meaning, level)


def _unbound_first(scope: Scope, row: object) -> bool:
    """Whether a verdict shares its words with one of another dispute that got a session first.

    Before there are sessions, the same words of the same model are one row; the session that is
    opened second then gets a row of its own (:func:`serbero.store.rationales.bind`).
    """
    query = """
    SELECT count(*) FROM mediation_events e JOIN mediation_events o
      ON o.rationale_id = e.rationale_id AND o.kind = 'reasoning_verdict'
      AND o.session_id IS NULL
    WHERE e.id = :of
    """
    [(number,)] = scope.rows(query, of=row)
    return isinstance(number, int) and number > 1


def _unreferenced(scope: Scope) -> Iterator[Finding]:
    calls = (
        "UNION ALL SELECT c.rationale_id FROM reasoning_calls c WHERE c.rationale_id IS NOT NULL"
        if scope.has("reasoning_calls")
        else ""
    )
    query = """
    SELECT r.rationale_id, s.dispute_id, r.generated_at
    FROM reasoning_rationales r LEFT JOIN mediation_sessions s ON s.session_id = r.session_id
    WHERE {session r.session_id} AND r.rationale_id NOT IN (
      SELECT e.rationale_id FROM mediation_events e WHERE {event e} AND e.rationale_id IS NOT NULL
      UNION ALL SELECT m.rationale_id FROM mediation_summaries m WHERE m.rationale_id IS NOT NULL
      UNION ALL SELECT j.value FROM (SELECT e.payload_json FROM mediation_events e
          WHERE {event e} AND e.kind = 'escalation_recommended'
          AND json_type(CASE WHEN json_valid(CAST(e.payload_json AS TEXT))
            THEN CAST(e.payload_json AS TEXT) ELSE '{}' END, '$.rationale_refs') = 'array') p,
        json_each(p.payload_json, '$.rationale_refs') j WHERE typeof(j.value) = 'text' {calls})
    """.replace("{calls}", calls)
    for row, dispute, at in scope.rows(query):
        level = by(scope, at)
        meaning = (
            "the reference stopped between the rationale and its event"
            if level is Level.NOTE
            else "the event that names it was deleted or changed"
        )
        expected, found = "an event, a summary or a call that names it", "none"
        yield Finding(_R, name_of(row), name_of(dispute), expected, found, meaning, level)


def _ids(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT r.rationale_id, r.rationale_text, s.dispute_id, r.session_id, r.generated_at
    FROM reasoning_rationales r LEFT JOIN mediation_sessions s ON s.session_id = r.session_id
    WHERE {session r.session_id}
    """
    for row, text, dispute, session, at in scope.rows(query):
        words = text if isinstance(text, str) else ""
        if _digest(words) == row or (not words and dispute in scope.purged):
            continue
        named = scope.remembered("who names a rationale", _named)
        abouts = named.get(row, set()) | {dispute}
        if _is_scoped(row, words, abouts | {session}, at):
            continue
        if not words and abouts & scope.purged:
            continue
        expected = "the text whose SHA-256 is its id" + ("" if words else ", or a purge")
        found = "another text" if words else "no text"
        meaning = "the text was changed after it was written"
        yield Finding(_R, name_of(row), name_of(dispute), expected, found, meaning)


def _is_scoped(row: object, words: str, owners: set[Any], at: object) -> bool:
    """Whether the id was made with session or dispute and time as well, the text's own taken."""
    for owner in owners:
        one = f"{words}\0{owner}\0{at}"
        others = (f"{one}\0{number}" for number in range(2, _MOST_ALIKE))
        if str(row) in map(_digest, (one, *others)):
            return True
    return False


def _named(scope: Scope) -> dict[Any, set[Any]]:
    """Which disputes' events or calls name each rationale: no index leads from one to the other."""
    query = """
    SELECT e.rationale_id, {dispute_of e} FROM mediation_events e
    WHERE {event e} AND e.rationale_id IS NOT NULL
    """
    if scope.has("reasoning_calls"):
        query += """
        UNION ALL SELECT c.rationale_id, c.dispute_id FROM reasoning_calls c
        WHERE {about c.dispute_id} AND c.rationale_id IS NOT NULL
        """
    found: dict[Any, set[Any]] = {}
    for rationale, dispute in scope.rows(query):
        found.setdefault(rationale, set()).add(dispute)
    return found


def _digest(words: str) -> str:
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()


_NEEDED: Final = frozenset({_R, _E, "mediation_sessions", "mediation_summaries"})
CHECKS: Final = (
    Check("rationales of events", _NEEDED, _references),
    Check("rationales of summaries", _NEEDED, _summaries),
    Check("owners of rationales", _NEEDED, _owners),
    Check("rationales nobody names", _NEEDED, _unreferenced),
    Check("texts of rationales", _NEEDED, _ids),
)
