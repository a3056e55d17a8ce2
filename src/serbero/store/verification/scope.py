"""What is verified: a database, one dispute of it or a period, of any age, in SQL with short forms.

A query is plain SQL in which a few things stand in braces:

``{about o.dispute_id}``
    the row is of the dispute that is verified, if only one is, or of one touched in the period
``{session m.session_id}``
    likewise, of a row with a session
``{event e}``
    likewise, of a row of ``mediation_events``
``{json e.payload_json kind}``
    a key of a JSON text, NULL where the text is none
``{dispute_of e}``
    which dispute a row of ``mediation_events`` is about
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from serbero.store.verification.period import Period

_FORM: Final = re.compile(r"\{(about|session|event|json|dispute_of) (\S+?)(?: (\w+))?\}")
_SESSIONS: Final = "SELECT session_id FROM mediation_sessions WHERE dispute_id = :dispute"
_JSON: Final = (
    "CASE WHEN json_valid(CAST({} AS TEXT)) THEN json_extract(CAST({} AS TEXT), '$.{}') END"
)
_ABOUT: Final = """coalesce((
  SELECT of_session.dispute_id FROM mediation_sessions of_session
  WHERE of_session.session_id = row.session_id),
  CASE WHEN json_valid(CAST(row.payload_json AS TEXT))
    THEN json_extract(CAST(row.payload_json AS TEXT), '$.dispute_id') END)"""
_FILED: Final = """(
  row.session_id IN (SELECT session_id FROM mediation_sessions WHERE dispute_id = :dispute)
  OR row.id IN (SELECT event_id FROM dispute_events WHERE dispute_id = :dispute))"""
_UNFILED: Final = """(
  row.session_id IN (SELECT session_id FROM mediation_sessions WHERE dispute_id = :dispute)
  OR (row.session_id IS NULL AND CASE WHEN json_valid(CAST(row.payload_json AS TEXT))
    THEN json_extract(CAST(row.payload_json AS TEXT), '$.dispute_id') END = :dispute))"""
_FIRST_START: Final = """
SELECT min(at) FROM (
  SELECT (SELECT enqueued_ms / 1000 FROM outbox WHERE typeof(enqueued_ms) = 'integer'
    ORDER BY id LIMIT 1) AS at
  UNION ALL
  SELECT (SELECT at FROM journal WHERE typeof(at) = 'integer' ORDER BY id LIMIT 1)
  UNION ALL
  SELECT min(applied_at) FROM revisions WHERE typeof(applied_at) = 'integer'
)
"""
_PURGED: Final = """
SELECT dispute_id, payload_json FROM journal WHERE kind = 'contents_purged'
"""

Row = tuple[Any, ...]
T = TypeVar("T")


class Scope:
    """A read-only look at a database.

    Attributes:
        dispute: the one that is verified; None for all.
        period: what was touched in the time that is verified; None for all time.
        now: Unix seconds.
        deep: whether hashes of a whole database are computed, too.
        tables: which tables there are.
    """

    def __init__(
        self,
        tx: sa.Connection,
        now: int,
        *,
        dispute: str | None = None,
        since: int | None = None,
        deep: bool = False,
    ) -> None:
        self._tx = tx
        self.dispute = dispute
        self.now = now
        self.deep = deep
        named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
        self.tables = frozenset(str(name) for (name,) in named)
        self._remembered: dict[str, Any] = {}
        self.period: Period | None = None
        if since is not None:
            columns = {table: self.columns(table) for table in self.tables}
            self.period = Period(tx, since, columns)

    def remembered(self, name: str, look: "Callable[[Scope], T]") -> T:
        """Return what ``look`` finds; it is called once, and only where somebody asks."""
        if name not in self._remembered:
            self._remembered[name] = look(self)
        found: T = self._remembered[name]
        return found

    @property
    def whole(self) -> bool:
        """Whether all of it is verified."""
        return self.dispute is None and self.period is None

    @property
    def ours(self) -> bool:
        """Whether Serbero's own tables are there; else only the reference wrote it."""
        return {"outbox", "journal", "revisions"} <= self.tables

    def has(self, *names: str) -> bool:
        """Whether all these tables are there."""
        return self.tables.issuperset(names)

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table; none of one that is not there."""
        rows = self._tx.exec_driver_sql("SELECT name FROM pragma_table_info(?)", (table,))
        return frozenset(str(name) for (name,) in rows)

    def rows(self, *parts: str, **values: object) -> Iterator[Row]:
        """Run a query written as described above, in parts; each row as a tuple."""
        expanded = _FORM.sub(self._expand, "".join(parts))
        known = dict(values)
        if self.dispute is not None and ":dispute" in expanded:
            known["dispute"] = self.dispute
        for row in self._tx.exec_driver_sql(expanded, known):
            yield tuple(row)

    def first(self, table: str) -> int:
        """The number of a table's first row in the period; 0 where all rows are verified."""
        return 0 if self.period is None else self.period.first(table)

    def _expand(self, form: re.Match[str]) -> str:
        what, name, key = form.groups()
        if self.period is not None and what in ("about", "session", "event"):
            return str(getattr(self.period, what)(name))
        match what:
            case "about":
                return "1" if self.whole else f"{name} = :dispute"
            case "session":
                return "1" if self.whole else f"{name} IN ({_SESSIONS})"
            case "event":
                return "1" if self.whole else self._event(name)
            case "json":
                return _JSON.format(name, name, key)
            case _:
                return _ABOUT.replace("row", name)

    def _event(self, name: str) -> str:
        # The reference keeps in the payload alone which dispute an event is about.
        filed = _FILED if self.has("dispute_events") else _UNFILED
        return filed.replace("row", name)

    @cached_property
    def first_start(self) -> int | None:
        """When Serbero first wrote here, Unix seconds; None if it never did.

        The earliest of its first message, its first journal row and the first revision it applied:
        opening a file of the reference gives each of its disputes one.
        """
        if not self.ours:
            return None
        [(at,)] = self.rows(_FIRST_START)
        return at if isinstance(at, int) else None

    def before_us(self, at: object) -> bool:
        """Whether a row of time ``at`` is the reference's: of before our first start."""
        if self.first_start is None:
            return True
        return isinstance(at, int) and at < self.first_start

    @cached_property
    def purged(self) -> frozenset[str]:
        """Disputes whose contents were emptied, by the journal.

        A row names its dispute, or several in its payload.
        """
        if not self.has("journal"):
            return frozenset()
        found: set[str] = set()
        for dispute_id, payload in self.rows(_PURGED):
            if isinstance(dispute_id, str):
                found.add(dispute_id)
            elif isinstance(payload, str):
                found.update(_ID.findall(payload))
        return frozenset(found)


_ID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@contextmanager
def lenient(tx: sa.Connection) -> Iterator[None]:
    """Read texts that are not UTF-8 as far as they can be, instead of failing."""
    connection: Any = tx.connection.driver_connection
    before = connection.text_factory
    connection.text_factory = lambda raw: raw.decode(errors="replace")
    try:
        yield
    finally:
        connection.text_factory = before
