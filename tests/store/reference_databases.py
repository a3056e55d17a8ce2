"""Databases as the reference leaves them, at each of its five versions.

Written from the tables of the behaviour document, in its words, and not from our own schema: what
the two say of each other is what the tests compare. Statements of the handlers stand here too.
"""

from pathlib import Path
from typing import Any, Final

from tests.store.rig import T0, dispute_id, key, revision

from serbero.store.sqlite import driver

NODE: Final = "aa" * 32

V1: Final = """
CREATE TABLE disputes (
  dispute_id TEXT PRIMARY KEY, event_id TEXT NOT NULL UNIQUE, mostro_pubkey TEXT NOT NULL,
  initiator_role TEXT NOT NULL, dispute_status TEXT NOT NULL DEFAULT 'initiated',
  event_timestamp INTEGER NOT NULL, detected_at INTEGER NOT NULL);
CREATE TABLE notifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
  solver_pubkey TEXT NOT NULL, sent_at INTEGER NOT NULL, status TEXT NOT NULL,
  error_message TEXT, notif_type TEXT NOT NULL DEFAULT 'initial');
CREATE INDEX idx_notifications_dispute_id ON notifications(dispute_id);
"""

V2: Final = """
ALTER TABLE disputes ADD COLUMN lifecycle_state TEXT NOT NULL DEFAULT 'new';
ALTER TABLE disputes ADD COLUMN assigned_solver TEXT;
ALTER TABLE disputes ADD COLUMN last_notified_at INTEGER;
ALTER TABLE disputes ADD COLUMN last_state_change INTEGER;
CREATE TABLE dispute_state_transitions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
  from_state TEXT, to_state TEXT NOT NULL, transitioned_at INTEGER NOT NULL, trigger TEXT);
CREATE INDEX idx_state_transitions_dispute_id ON dispute_state_transitions(dispute_id);
CREATE INDEX idx_disputes_lifecycle_state ON disputes(lifecycle_state);
"""

V3: Final = """
CREATE TABLE mediation_sessions (
  session_id TEXT PRIMARY KEY, dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
  state TEXT NOT NULL, round_count INTEGER NOT NULL DEFAULT 0, prompt_bundle_id TEXT NOT NULL,
  policy_hash TEXT NOT NULL, instructions_version TEXT, assigned_solver TEXT,
  current_classification TEXT, current_confidence REAL, buyer_shared_pubkey TEXT,
  seller_shared_pubkey TEXT, buyer_last_seen_inner_ts INTEGER, seller_last_seen_inner_ts INTEGER,
  started_at INTEGER NOT NULL, last_transition_at INTEGER NOT NULL);
CREATE INDEX idx_mediation_sessions_dispute_id ON mediation_sessions(dispute_id);
CREATE INDEX idx_mediation_sessions_state ON mediation_sessions(state);
CREATE TABLE mediation_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL REFERENCES mediation_sessions(session_id),
  direction TEXT NOT NULL, party TEXT NOT NULL, shared_pubkey TEXT NOT NULL,
  inner_event_id TEXT NOT NULL, inner_event_created_at INTEGER NOT NULL, outer_event_id TEXT,
  content TEXT NOT NULL, prompt_bundle_id TEXT, policy_hash TEXT, persisted_at INTEGER NOT NULL,
  stale INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX uq_mediation_messages_inner_event
  ON mediation_messages(session_id, inner_event_id);
CREATE INDEX idx_mediation_messages_session ON mediation_messages(session_id);
CREATE INDEX idx_mediation_messages_direction ON mediation_messages(direction);
CREATE TABLE reasoning_rationales (
  rationale_id TEXT PRIMARY KEY, session_id TEXT REFERENCES mediation_sessions(session_id),
  provider TEXT NOT NULL, model TEXT NOT NULL, prompt_bundle_id TEXT NOT NULL,
  policy_hash TEXT NOT NULL, rationale_text TEXT NOT NULL, generated_at INTEGER NOT NULL);
CREATE INDEX idx_reasoning_rationales_session ON reasoning_rationales(session_id);
CREATE TABLE mediation_summaries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT NOT NULL REFERENCES mediation_sessions(session_id),
  dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
  classification TEXT NOT NULL, confidence REAL NOT NULL, suggested_next_step TEXT NOT NULL,
  summary_text TEXT NOT NULL, prompt_bundle_id TEXT NOT NULL, policy_hash TEXT NOT NULL,
  rationale_id TEXT REFERENCES reasoning_rationales(rationale_id), generated_at INTEGER NOT NULL);
CREATE INDEX idx_mediation_summaries_session ON mediation_summaries(session_id);
CREATE TABLE mediation_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id TEXT REFERENCES mediation_sessions(session_id),
  kind TEXT NOT NULL, payload_json TEXT NOT NULL DEFAULT '{}',
  rationale_id TEXT REFERENCES reasoning_rationales(rationale_id),
  prompt_bundle_id TEXT, policy_hash TEXT, occurred_at INTEGER NOT NULL);
CREATE INDEX idx_mediation_events_session_kind ON mediation_events(session_id, kind);
"""

V4: Final = """
ALTER TABLE mediation_sessions ADD COLUMN round_count_last_evaluated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE mediation_sessions ADD COLUMN consecutive_eval_failures INTEGER NOT NULL DEFAULT 0;
"""

V5: Final = """
CREATE TABLE escalation_dispatches (
  dispatch_id TEXT PRIMARY KEY, dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
  session_id TEXT REFERENCES mediation_sessions(session_id),
  handoff_event_id INTEGER NOT NULL REFERENCES mediation_events(id),
  target_solver TEXT NOT NULL, dispatched_at INTEGER NOT NULL, created_at INTEGER NOT NULL,
  status TEXT NOT NULL DEFAULT 'dispatched' CHECK (status IN ('dispatched', 'send_failed')),
  fallback_broadcast INTEGER NOT NULL DEFAULT 0);
CREATE INDEX idx_escalation_dispatches_dispute ON escalation_dispatches(dispute_id);
CREATE UNIQUE INDEX idx_escalation_dispatches_handoff ON escalation_dispatches(handoff_event_id);
"""

STEPS: Final = (V1, V2, V3, V4, V5)

ANNOUNCED, NEVER, TAKEN, RESOLVED, CRASHED = (dispute_id(each) for each in range(101, 106))
"""A dispute in each state the reference leaves behind. ``CRASHED``: the message row was written
and the process died before the state was."""

INSERT_DISPUTE: Final = (
    "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role, dispute_status,"
    " event_timestamp, detected_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT(dispute_id) DO NOTHING"
)
INSERT_NOTIFICATION: Final = (
    "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, error_message,"
    " notif_type) VALUES (?, ?, ?, ?, ?, ?)"
)
SET_STATE: Final = (
    "UPDATE disputes SET lifecycle_state = ?, last_state_change = ? WHERE dispute_id = ?"
)
INSERT_TRANSITION: Final = (
    "INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state, transitioned_at,"
    " trigger) VALUES (?, ?, ?, ?, ?)"
)
SET_LAST_NOTIFIED: Final = "UPDATE disputes SET last_notified_at = ? WHERE dispute_id = ?"
SELECT_UNATTENDED: Final = (
    "SELECT dispute_id, event_timestamp FROM disputes WHERE lifecycle_state = 'notified'"
    " AND last_notified_at IS NOT NULL AND last_notified_at < ?"
)
SELECT_SINCE: Final = "SELECT max(event_timestamp) FROM disputes"


def connect(path: Path) -> Any:
    """A connection as the reference opens it; every statement commits by itself."""
    connection = driver.connect(str(path), isolation_level=None)
    for pragma in ("foreign_keys = ON", "journal_mode = WAL", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}").close()
    return connection


def create(path: Path, version: int, *, rows: bool = True) -> None:
    """Write a database of ``version`` with a history in it."""
    connection = connect(path)
    connection.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
    for number in range(1, version + 1):
        connection.executescript(STEPS[number - 1])
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (number,))
    if rows:
        _fill(connection, version)
    connection.close()


def _fill(connection: Any, version: int) -> None:
    for number, dispute in enumerate((ANNOUNCED, NEVER, TAKEN, RESOLVED, CRASHED)):
        opened = revision(dispute, at=T0 + number)
        row = (dispute, opened.event_id, NODE, "buyer", "initiated", T0 + number, T0 + number + 2)
        connection.execute(INSERT_DISPUTE, row)
        if dispute == NEVER:
            failed = (dispute, "npub1typo", T0 + 9, "failed", "invalid pubkey: bad", "initial")
            connection.execute(INSERT_NOTIFICATION, failed)
            continue
        for solver in (1, 2):
            sent = (dispute, key(solver).upper(), T0 + 10 + solver, "sent", None, "initial")
            connection.execute(INSERT_NOTIFICATION, sent)
    if version >= 2:
        for dispute in (ANNOUNCED, TAKEN, RESOLVED):
            _move(connection, dispute, "new", "notified", T0 + 13, "initial_notification")
            connection.execute(SET_LAST_NOTIFIED, (T0 + 13, dispute))
        _move(connection, TAKEN, "notified", "taken", T0 + 50, "cd" * 32)
        _move(connection, RESOLVED, "notified", "resolved", T0 + 900, "dispute_resolved_externally")
    if version >= 3:
        connection.execute(
            "INSERT INTO mediation_sessions (session_id, dispute_id, state, prompt_bundle_id,"
            " policy_hash, started_at, last_transition_at)"
            " VALUES ('s1', ?, 'closed', 'b', 'h', 1, 2)",
            (TAKEN,),
        )
        connection.execute(
            "INSERT INTO mediation_events (session_id, kind, occurred_at) VALUES ('s1', 'x', 3)"
        )
    if version >= 5:
        connection.execute(
            "INSERT INTO escalation_dispatches (dispatch_id, dispute_id, session_id,"
            " handoff_event_id, target_solver, dispatched_at, created_at)"
            " VALUES ('d1', ?, 's1', 1, 'x', 4, 4)",
            (TAKEN,),
        )


def _move(connection: Any, dispute: str, before: str, after: str, at: int, trigger: str) -> None:
    connection.execute(SET_STATE, (after, at, dispute))
    connection.execute(INSERT_TRANSITION, (dispute, before, after, at, trigger))


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, read by a connection of its own."""
    connection = connect(path)
    names = [
        name
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    found = {
        name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)  # noqa: S608
        for name in names
    }
    connection.close()
    return found


def shape(path: Path, names: set[str]) -> dict[str, Any]:
    """Columns, defaults, keys and indexes of the named tables, as SQLite itself describes them."""
    connection = connect(path)
    described: dict[str, Any] = {}
    for name in sorted(names):
        indexes = {}
        for _, index, unique, origin, partial in connection.execute(f"PRAGMA index_list({name})"):
            columns = connection.execute(f"PRAGMA index_info({index})").fetchall()
            indexes[index] = (unique, origin, partial, columns)
        [[sql]] = connection.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
        )
        described[name] = {
            "columns": connection.execute(f"PRAGMA table_xinfo({name})").fetchall(),
            "foreign keys": connection.execute(f"PRAGMA foreign_key_list({name})").fetchall(),
            "indexes": indexes,
            "autoincrement": "AUTOINCREMENT" in sql,
            "check": "CHECK" in sql,
        }
    connection.close()
    return described
