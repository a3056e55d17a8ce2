"""The file itself: its pages, its references, its versions, its tables."""

from collections.abc import Iterator
from typing import Final

from serbero.store import escalation_schema, mediation_schema, reference_schema, schema
from serbero.store.migrate import VERSION_TABLE
from serbero.store.migrations import HEAD
from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.period import OF_TOUCHED_OUTBOX
from serbero.store.verification.scope import Scope

_MOST: Final = 20
_TABLES_SINCE: Final = (
    ("disputes", 1),
    ("notifications", 1),
    ("dispute_state_transitions", 2),
    ("mediation_sessions", 3),
    ("mediation_messages", 3),
    ("reasoning_rationales", 3),
    ("mediation_summaries", 3),
    ("mediation_events", 3),
    ("escalation_dispatches", 5),
)
_UNIQUE: Final = (
    ("uq_mediation_messages_inner_event", "mediation_messages"),
    ("idx_escalation_dispatches_handoff", "escalation_dispatches"),
)
_OURS: Final = frozenset(
    each.name
    for module in (schema, mediation_schema, escalation_schema)
    for each in module.metadata.tables.values()
) - {name for name, _ in _TABLES_SINCE}


def _pages(scope: Scope) -> Iterator[Finding]:
    pragma = "PRAGMA integrity_check(20)" if scope.deep else "PRAGMA quick_check(20)"
    for (told,) in scope.rows(pragma):
        if told != "ok":
            meaning = "the disk or a crash damaged the file: restore a backup"
            yield Finding("(file)", None, None, "a sound file", said(told), meaning)


_LINKS: Final = """
SELECT m.name, m.wr, f."table", f."from", f."to"
FROM pragma_table_list m, pragma_foreign_key_list(m.name) f WHERE m.schema = 'main'
"""
_LOOSE: Final = """
SELECT {row} FROM {child} c WHERE {here} AND c.{column} IS NOT NULL AND {gone}
"""
_GONE: Final = "NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{key} = c.{column})"


def _loose(scope: Scope) -> Iterator[tuple[object, object, object]]:
    """Table, row and parent of each reference into nothing."""
    if scope.period is None:
        for table, row, parent, _ in scope.rows("PRAGMA foreign_key_check"):
            yield table, row, parent
        return
    for child, unnumbered, parent, column, key in list(scope.rows(_LINKS)):
        if child not in scope.tables or key is None:
            continue
        query = _LOOSE.replace("{here}", _in_the_period(scope, child))
        query = query.replace("{gone}", _GONE if parent in scope.tables else "1")
        row = "NULL" if unnumbered else "c.rowid"
        known = {"row": row, "child": child, "column": column, "parent": parent, "key": key}
        for name, value in known.items():
            query = query.replace(f"{{{name}}}", str(value))
        for (number,) in scope.rows(query):
            yield child, number, parent


def _in_the_period(scope: Scope, child: str) -> str:
    """Which rows ``c`` of a table that refers to others are verified: SQL, or a form of it."""
    names = scope.columns(child)
    if child == "mediation_events":
        return "{event c}"
    if "outbox_id" in names:
        return f"(c.outbox_id >= {scope.first('outbox')} OR c.outbox_id {OF_TOUCHED_OUTBOX})"
    if "dispute_id" in names:
        return "{about c.dispute_id}"
    return "{session c.session_id}" if "session_id" in names else "1"


def _references(scope: Scope) -> Iterator[Finding]:
    for number, (table, row, parent) in enumerate(_loose(scope)):
        if number == _MOST * _MOST:
            return
        meaning = f"that row of {said(parent)} was deleted, or this one was changed"
        expected = f"the row of {said(parent)} it refers to"
        yield Finding(said(table), name_of(row), None, expected, "none", meaning)


def _versions(scope: Scope) -> Iterator[Finding]:
    if not scope.has("schema_version"):
        yield Finding("schema_version", None, None, "this table", "none", "it was deleted")
        return
    found = [each for (each,) in scope.rows("SELECT version FROM schema_version ORDER BY version")]
    newest = max((each for each in found if isinstance(each, int)), default=0)
    if found != list(range(1, len(found) + 1)) or not found:
        expected = f"every version up to {newest or 1}"
        told = ", ".join(map(said, found)) or "none"
        yield Finding("schema_version", None, None, expected, told, "a row was deleted or added")
    if newest > reference_schema.VERSION:
        expected = f"version {reference_schema.VERSION} or older"
        meaning = "a newer program wrote it: what is new in it is not checked"
        yield Finding(
            "schema_version", str(newest), None, expected, said(newest), meaning, Level.NOTE
        )
    for table, since in _TABLES_SINCE:
        if since <= newest and not scope.has(table):
            meaning = f"version {newest} has this table: it was deleted"
            yield Finding(table, None, None, "this table", "none", meaning)


def _own_version(scope: Scope) -> Iterator[Finding]:
    found = [each for (each,) in scope.rows("SELECT version_num FROM serbero_schema")]
    if len(found) != 1:
        expected, told = "one revision", said(len(found))
        yield Finding(VERSION_TABLE, None, None, expected, told, "a row was deleted or added")
        return
    revision = str(found[0])
    if revision > HEAD:
        meaning = "a newer Serbero wrote it: what is new in it is not checked"
        expected = f"{HEAD} or older"
        yield Finding(VERSION_TABLE, revision, None, expected, revision, meaning, Level.NOTE)
    if revision == HEAD:
        for table in sorted(_OURS - scope.tables):
            yield Finding(table, None, None, "this table", "none", "it was deleted")


def _indexes(scope: Scope) -> Iterator[Finding]:
    query = "SELECT name FROM sqlite_master WHERE type = 'index'"
    there = {name for (name,) in scope.rows(query)}
    for index, table in _UNIQUE:
        if scope.has(table) and index not in there:
            expected = f"the unique index {index}"
            meaning = "it was dropped: what it prevented may have happened since"
            yield Finding(table, None, None, expected, "none", meaning)


CHECKS: Final = (
    Check("file", frozenset(), _pages, whole=True, period=False),
    Check("references", frozenset(), _references, whole=True),
    Check("schema version", frozenset(), _versions),
    Check("own revision", frozenset({VERSION_TABLE}), _own_version),
    Check("unique indexes", frozenset(), _indexes),
)
