"""What stands in the database of a mediation, as anybody could read it."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

from serbero.simulator.node_public import Dispute
from serbero.store.sqlite import driver

Row = dict[str, Any]


class Ledger:
    """The database of a daemon, running or not."""

    @property
    def path(self) -> Path:
        """Where it is."""
        raise NotImplementedError

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Read the database as anybody could."""
        with closing(driver.connect(self.path, timeout=5)) as db:
            db.row_factory = driver.Row
            return [dict(row) for row in db.execute(sql, values)]

    def execute(self, sql: str, **values: Any) -> None:
        """Change the database by hand."""
        with closing(driver.connect(self.path, timeout=5)) as db:
            db.execute(sql, values)
            db.commit()

    def count(self, table: str, where: str = "1") -> int:
        """How many rows."""
        sql = f"SELECT count(*) AS n FROM {table} WHERE {where}"  # noqa: S608 - a test's own words
        return int(self.rows(sql)[0]["n"])

    def sessions(self, dispute: Dispute) -> list[Row]:
        """A dispute's sessions, oldest first."""
        sql = "SELECT * FROM mediation_sessions WHERE dispute_id = :d ORDER BY started_at, rowid"
        return self.rows(sql, d=dispute.id)

    def session(self, dispute: Dispute) -> Row:
        """A dispute's one session."""
        [row] = self.sessions(dispute)
        return row

    def state(self, dispute: Dispute) -> str | None:
        """The state of a dispute's newest session."""
        found = self.sessions(dispute)
        return found[-1]["state"] if found else None

    def lifecycle(self, dispute: Dispute) -> str | None:
        """The dispute's lifecycle state."""
        rows = self.rows("SELECT lifecycle_state FROM disputes WHERE dispute_id = :d", d=dispute.id)
        return rows[0]["lifecycle_state"] if rows else None

    def events(self, dispute: Dispute, kind: str | None = None) -> list[Row]:
        """A dispute's audit events in order, each with its payload parsed."""
        rows = self.rows(
            "SELECT * FROM mediation_events WHERE session_id IN"
            " (SELECT session_id FROM mediation_sessions WHERE dispute_id = :d)"
            " OR json_extract(payload_json, '$.dispute_id') = :d ORDER BY id",
            d=dispute.id,
        )
        for row in rows:
            row["payload"] = json.loads(row["payload_json"])
        return [row for row in rows if kind in (None, row["kind"])]

    def kinds(self, dispute: Dispute) -> list[str]:
        """The kinds of a dispute's audit events in order."""
        return [row["kind"] for row in self.events(dispute)]

    def one(self, dispute: Dispute, kind: str) -> Row:
        """The payload of the one event of a kind."""
        [row] = self.events(dispute, kind)
        payload: Row = row["payload"]
        return payload

    def words(self, dispute: Dispute) -> list[Row]:
        """The messages of a dispute's sessions in the order of storing."""
        return self.rows(
            "SELECT m.* FROM mediation_messages m JOIN mediation_sessions s USING (session_id)"
            " WHERE s.dispute_id = :d ORDER BY m.id",
            d=dispute.id,
        )

    def pair(self, dispute: Dispute) -> tuple[Row, Row]:
        """The hand-off pair of a dispute: there is exactly one, written at one time."""
        [recommended] = self.events(dispute, "escalation_recommended")
        [prepared] = self.events(dispute, "handoff_prepared")
        assert recommended["id"] < prepared["id"]
        assert recommended["occurred_at"] == prepared["occurred_at"]
        assert recommended["payload"]["trigger"] == prepared["payload"]["trigger"]
        return recommended["payload"], prepared["payload"]
