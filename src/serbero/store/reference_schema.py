"""The reference's tables, to the letter: names, columns, defaults, indexes, version rows.

Serbero and the reference open the same file in turn, so nothing here may change. What is ours
stands in additional tables (:mod:`serbero.store.schema`), under Alembic's own version table.
"""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

VERSION: Final = 5
"""The newest ``schema_version`` the reference knows."""

CREATE_SCHEMA_VERSION: Final = (
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY)"
)

_DETECTION: Final = (
    """CREATE TABLE IF NOT EXISTS disputes (
        dispute_id TEXT PRIMARY KEY,
        event_id TEXT NOT NULL UNIQUE,
        mostro_pubkey TEXT NOT NULL,
        initiator_role TEXT NOT NULL,
        dispute_status TEXT NOT NULL DEFAULT 'initiated',
        event_timestamp INTEGER NOT NULL,
        detected_at INTEGER NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS notifications (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
        solver_pubkey TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        status TEXT NOT NULL,
        error_message TEXT,
        notif_type TEXT NOT NULL DEFAULT 'initial'
    )""",
    "CREATE INDEX IF NOT EXISTS idx_notifications_dispute_id ON notifications(dispute_id)",
)

_LIFECYCLE_COLUMNS: Final = (
    ("disputes", "lifecycle_state", "TEXT NOT NULL DEFAULT 'new'"),
    ("disputes", "assigned_solver", "TEXT"),
    ("disputes", "last_notified_at", "INTEGER"),
    ("disputes", "last_state_change", "INTEGER"),
)

_LIFECYCLE: Final = (
    """CREATE TABLE IF NOT EXISTS dispute_state_transitions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
        from_state TEXT,
        to_state TEXT NOT NULL,
        transitioned_at INTEGER NOT NULL,
        trigger TEXT
    )""",
    "CREATE INDEX IF NOT EXISTS idx_state_transitions_dispute_id "
    "ON dispute_state_transitions(dispute_id)",
    "CREATE INDEX IF NOT EXISTS idx_disputes_lifecycle_state ON disputes(lifecycle_state)",
)

_MEDIATION: Final = (
    """CREATE TABLE IF NOT EXISTS mediation_sessions (
        session_id TEXT PRIMARY KEY,
        dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
        state TEXT NOT NULL,
        round_count INTEGER NOT NULL DEFAULT 0,
        prompt_bundle_id TEXT NOT NULL,
        policy_hash TEXT NOT NULL,
        instructions_version TEXT,
        assigned_solver TEXT,
        current_classification TEXT,
        current_confidence REAL,
        buyer_shared_pubkey TEXT,
        seller_shared_pubkey TEXT,
        buyer_last_seen_inner_ts INTEGER,
        seller_last_seen_inner_ts INTEGER,
        started_at INTEGER NOT NULL,
        last_transition_at INTEGER NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS idx_mediation_sessions_dispute_id "
    "ON mediation_sessions(dispute_id)",
    "CREATE INDEX IF NOT EXISTS idx_mediation_sessions_state ON mediation_sessions(state)",
    """CREATE TABLE IF NOT EXISTS mediation_messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT NOT NULL REFERENCES mediation_sessions(session_id),
        direction TEXT NOT NULL,
        party TEXT NOT NULL,
        shared_pubkey TEXT NOT NULL,
        inner_event_id TEXT NOT NULL,
        inner_event_created_at INTEGER NOT NULL,
        outer_event_id TEXT,
        content TEXT NOT NULL,
        prompt_bundle_id TEXT,
        policy_hash TEXT,
        persisted_at INTEGER NOT NULL,
        stale INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS uq_mediation_messages_inner_event "
    "ON mediation_messages(session_id, inner_event_id)",
    "CREATE INDEX IF NOT EXISTS idx_mediation_messages_session ON mediation_messages(session_id)",
    "CREATE INDEX IF NOT EXISTS idx_mediation_messages_direction ON mediation_messages(direction)",
    """CREATE TABLE IF NOT EXISTS reasoning_rationales (
        rationale_id TEXT PRIMARY KEY,
        session_id TEXT REFERENCES mediation_sessions(session_id),
        provider TEXT NOT NULL,
        model TEXT NOT NULL,
        prompt_bundle_id TEXT NOT NULL,
        policy_hash TEXT NOT NULL,
        rationale_text TEXT NOT NULL,
        generated_at INTEGER NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS idx_reasoning_rationales_session "
    "ON reasoning_rationales(session_id)",
    """CREATE TABLE IF NOT EXISTS mediation_summaries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT NOT NULL REFERENCES mediation_sessions(session_id),
        dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
        classification TEXT NOT NULL,
        confidence REAL NOT NULL,
        suggested_next_step TEXT NOT NULL,
        summary_text TEXT NOT NULL,
        prompt_bundle_id TEXT NOT NULL,
        policy_hash TEXT NOT NULL,
        rationale_id TEXT REFERENCES reasoning_rationales(rationale_id),
        generated_at INTEGER NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS idx_mediation_summaries_session ON mediation_summaries(session_id)",
    """CREATE TABLE IF NOT EXISTS mediation_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        session_id TEXT REFERENCES mediation_sessions(session_id),
        kind TEXT NOT NULL,
        payload_json TEXT NOT NULL DEFAULT '{}',
        rationale_id TEXT REFERENCES reasoning_rationales(rationale_id),
        prompt_bundle_id TEXT,
        policy_hash TEXT,
        occurred_at INTEGER NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS idx_mediation_events_session_kind "
    "ON mediation_events(session_id, kind)",
)

_EVALUATOR_COLUMNS: Final = (
    ("mediation_sessions", "round_count_last_evaluated", "INTEGER NOT NULL DEFAULT 0"),
    ("mediation_sessions", "consecutive_eval_failures", "INTEGER NOT NULL DEFAULT 0"),
)

_ESCALATION: Final = (
    """CREATE TABLE IF NOT EXISTS escalation_dispatches (
        dispatch_id TEXT PRIMARY KEY,
        dispute_id TEXT NOT NULL REFERENCES disputes(dispute_id),
        session_id TEXT REFERENCES mediation_sessions(session_id),
        handoff_event_id INTEGER NOT NULL REFERENCES mediation_events(id),
        target_solver TEXT NOT NULL,
        dispatched_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        status TEXT NOT NULL DEFAULT 'dispatched'
            CHECK (status IN ('dispatched', 'send_failed')),
        fallback_broadcast INTEGER NOT NULL DEFAULT 0
    )""",
    "CREATE INDEX IF NOT EXISTS idx_escalation_dispatches_dispute "
    "ON escalation_dispatches(dispute_id)",
    "CREATE UNIQUE INDEX IF NOT EXISTS idx_escalation_dispatches_handoff "
    "ON escalation_dispatches(handoff_event_id)",
)


def _run(*statements: str) -> Callable[[sa.Connection], None]:
    def step(tx: sa.Connection) -> None:
        for statement in statements:
            tx.exec_driver_sql(statement)

    return step


def _add_missing(
    columns: tuple[tuple[str, str, str], ...], *statements: str
) -> Callable[[sa.Connection], None]:
    """Add columns only where absent: a half-migrated copy is completed, not refused."""

    def step(tx: sa.Connection) -> None:
        for table, column, definition in columns:
            present = {row[1] for row in tx.exec_driver_sql(f"PRAGMA table_info({table})")}
            if column not in present:
                tx.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column} {definition}")
        _run(*statements)(tx)

    return step


_STEPS: Final = (
    _run(*_DETECTION),
    _add_missing(_LIFECYCLE_COLUMNS, *_LIFECYCLE),
    _run(*_MEDIATION),
    _add_missing(_EVALUATOR_COLUMNS),
    _run(*_ESCALATION),
)


def upgrade(tx: sa.Connection, *, to: int = VERSION) -> int:
    """Bring the reference's tables to version ``to`` and return the version found before.

    A version above :data:`VERSION` is returned untouched; the caller refuses it.
    """
    tx.exec_driver_sql(CREATE_SCHEMA_VERSION)
    found = tx.exec_driver_sql("SELECT max(version) FROM schema_version").scalar() or 0
    for version in range(found + 1, to + 1):
        _STEPS[version - 1](tx)
        tx.exec_driver_sql("INSERT INTO schema_version (version) VALUES (?)", (version,))
    return int(found)
