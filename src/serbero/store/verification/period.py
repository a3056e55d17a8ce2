"""What was touched since a moment: the newest rows of each table, and the disputes they are about.

Rows are numbered as they are written, and no index leads to their times; so the first row of a
period is found by halving, each time by the middle one of a few neighbours: a single time that
was changed misleads nobody. What is about these rows' disputes, however old, belongs to the period
too, so that each of them is looked at as a whole.
"""

from collections.abc import Mapping
from statistics import median_low
from typing import Any, Final

import sqlalchemy as sa

MARGIN_SECONDS: Final = 3600
"""Rows of so long before the period are looked at as well: clocks differ, decisions wait."""
_NEIGHBOURS: Final = 7
_LAST: Final = 2**63 - 1
_DATED: Final[Mapping[str, str]] = {
    "disputes": "detected_at",
    "notifications": "sent_at",
    "dispute_state_transitions": "transitioned_at",
    "mediation_sessions": "started_at",
    "mediation_messages": "persisted_at",
    "reasoning_rationales": "generated_at",
    "mediation_summaries": "generated_at",
    "mediation_events": "occurred_at",
    "escalation_dispatches": "dispatched_at",
    "outbox": "created_at",
    "journal": "at",
    "takes": "started_at",
    "reasoning_calls": "at",
    "acknowledgements": "at",
    "ladders": "started_at",
}
"""Tables to which rows are only added, each with the column that says when."""
_TEMPORARY: Final = (
    "CREATE TEMP TABLE touched_disputes (dispute_id PRIMARY KEY)",
    "CREATE TEMP TABLE touched_sessions (session_id PRIMARY KEY)",
    "CREATE TEMP TABLE touched_events (id INTEGER PRIMARY KEY)",
    "CREATE TEMP TABLE touched_outbox (id INTEGER PRIMARY KEY)",
)
_OF_TOUCHED_DISPUTES: Final = "IN (SELECT dispute_id FROM temp.touched_disputes)"
_OF_TOUCHED_SESSIONS: Final = "IN (SELECT session_id FROM temp.touched_sessions)"
_OF_TOUCHED_EVENTS: Final = "IN (SELECT id FROM temp.touched_events)"
OF_TOUCHED_OUTBOX: Final = "IN (SELECT id FROM temp.touched_outbox)"
"""Conditions on a column."""
_SESSIONS_OF_DISPUTES: Final = """
INSERT OR IGNORE INTO temp.touched_sessions SELECT s.session_id FROM mediation_sessions s
WHERE s.dispute_id IN (SELECT dispute_id FROM temp.touched_disputes)
"""
_OF_SESSIONS: Final = """
INSERT OR IGNORE INTO temp.touched_disputes SELECT s.dispute_id FROM mediation_sessions s
WHERE s.session_id IN (SELECT session_id FROM temp.touched_sessions)
"""
_OF_PAYLOADS: Final = """
INSERT OR IGNORE INTO temp.touched_disputes
SELECT json_extract(CAST(e.payload_json AS TEXT), '$.dispute_id') FROM mediation_events e
WHERE e.id >= :first AND e.session_id IS NULL AND json_valid(CAST(e.payload_json AS TEXT))
"""
_EVENTS_OF_SESSIONS: Final = """
INSERT OR IGNORE INTO temp.touched_events SELECT e.id FROM mediation_events e
WHERE e.session_id IN (SELECT session_id FROM temp.touched_sessions)
"""
_FILED_EVENTS: Final = """
INSERT OR IGNORE INTO temp.touched_events
SELECT e.id FROM temp.touched_disputes d CROSS JOIN dispute_events f ON f.dispute_id = d.dispute_id
CROSS JOIN mediation_events e ON e.id = f.event_id
"""
_UNFILED_EVENTS: Final = """
INSERT OR IGNORE INTO temp.touched_events
SELECT e.id FROM mediation_events e WHERE e.session_id IS NULL
  AND CASE WHEN json_valid(CAST(e.payload_json AS TEXT))
    THEN json_extract(CAST(e.payload_json AS TEXT), '$.dispute_id') END
  IN (SELECT dispute_id FROM temp.touched_disputes)
"""
_NEWEST_EVENTS: Final = """
INSERT OR IGNORE INTO temp.touched_events SELECT id FROM mediation_events WHERE id >= :first
"""
_OUTBOX_OF_DISPUTES: Final = """
INSERT OR IGNORE INTO temp.touched_outbox
SELECT o.id FROM temp.touched_disputes d CROSS JOIN outbox o ON o.dispute_id = d.dispute_id
"""
_NEWEST_OUTBOX: Final = """
INSERT OR IGNORE INTO temp.touched_outbox SELECT id FROM outbox WHERE id >= :first
"""


class Period:
    """What was touched since a moment, in temporary tables of the connection.

    Attributes:
        since: Unix seconds.
        disputes: how many disputes were touched.
    """

    def __init__(
        self, tx: sa.Connection, since: int, columns: Mapping[str, frozenset[str]]
    ) -> None:
        """Find it.

        Args:
            tx: a read-only transaction.
            since: Unix seconds.
            columns: those of each table that there is.
        """
        self.since = since
        self._tx = tx
        self._columns = columns
        self._first = {
            table: first_row(tx, table, time, since - MARGIN_SECONDS)
            for table, time in _DATED.items()
            if time in columns.get(table, ())
        }
        for statement in _TEMPORARY:
            tx.exec_driver_sql(statement)
        self._collect()
        found = tx.exec_driver_sql("SELECT count(*) FROM temp.touched_disputes")
        self.disputes: int = found.scalar_one()

    def _collect(self) -> None:
        for name in ("dispute_id", "session_id"):
            for table, first in self._first.items():
                if name in self._columns[table]:
                    self._tx.exec_driver_sql(
                        f"INSERT OR IGNORE INTO temp.touched_{name[:-3]}s"  # noqa: S608
                        f" SELECT {name} FROM {table} WHERE rowid >= ? AND {name} IS NOT NULL",
                        (first,),
                    )
        events = "mediation_events"
        if events in self._first:
            self._do(_OF_PAYLOADS, events)
        if "mediation_sessions" in self._columns:
            self._do(_OF_SESSIONS)
            self._do(_SESSIONS_OF_DISPUTES)
        if events in self._first:
            filed = "dispute_events" in self._columns
            self._do(_EVENTS_OF_SESSIONS)
            self._do(_FILED_EVENTS if filed else _UNFILED_EVENTS)
            self._do(_NEWEST_EVENTS, events)
        if "outbox" in self._first:
            self._do(_OUTBOX_OF_DISPUTES)
            self._do(_NEWEST_OUTBOX, "outbox")

    def _do(self, statement: str, newest_of: str | None = None) -> None:
        values = {} if newest_of is None else {"first": self._first[newest_of]}
        self._tx.exec_driver_sql(statement, values)

    def first(self, table: str) -> int:
        """The number of the first row of the period in a table; one more than its last if none."""
        return self._first.get(table, 0)

    def about(self, name: str) -> str:
        """SQL: whether a row is of one of the disputes; what has none counts by its number."""
        alias, column = name.split(".")
        if alias == "o" and column == "dispute_id" and "outbox" in self._first:
            return f"o.id {OF_TOUCHED_OUTBOX}"
        touched = f"{name} {_OF_TOUCHED_DISPUTES}"
        if alias == "j" and "journal" in self._first:
            return f"({touched} OR ({name} IS NULL AND j.id >= {self._first['journal']}))"
        return touched

    def session(self, name: str) -> str:
        """SQL: likewise, of a row with a session."""
        alias, _ = name.split(".")
        touched = f"{name} {_OF_TOUCHED_SESSIONS}"
        if alias == "r" and "reasoning_rationales" in self._first:
            # Without margin: what names one of them may not be before the period.
            first = self._first["reasoning_rationales"]
            bare = f"{name} IS NULL AND r.rowid >= {first} AND r.generated_at >= {self.since}"
            return f"({touched} OR ({bare}))"
        return touched

    def event(self, alias: str) -> str:
        """SQL: likewise, of a row of ``mediation_events``."""
        return f"{alias}.id {_OF_TOUCHED_EVENTS}"


def first_row(tx: sa.Connection, table: str, time: str, since: int) -> int:
    """Return the number of the first row of ``since`` (Unix seconds) or later, or a little less.

    One more than the last if there is none. Its steps are so many as the number has bits.
    """
    found: Any = tx.exec_driver_sql(
        f"SELECT coalesce(min(rowid), 1), coalesce(max(rowid), 0) FROM {table}"  # noqa: S608
    ).one()
    low, beyond = found[0], found[1] + 1
    while low < beyond:
        middle = (low + beyond) // 2
        times = [
            at
            for (at,) in tx.exec_driver_sql(
                f"SELECT {time} FROM {table} WHERE rowid >= ?"  # noqa: S608
                " ORDER BY rowid LIMIT ?",
                (middle, _NEIGHBOURS),
            )
            if isinstance(at, int)
        ]
        if times and median_low(times) < since:
            low = middle + 1
        else:
            beyond = middle
    return min(int(low), _LAST)
