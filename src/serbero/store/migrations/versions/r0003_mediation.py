"""Mediation: what sessions need beside the reference's tables, bundles, calls, standing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    _create_sessions()
    _create_starts()
    op.create_table(
        "prompt_bundles",
        sa.Column("policy_hash", sa.Text, primary_key=True),
        sa.Column("bundle_id", sa.Text, nullable=False),
        sa.Column("system", sa.LargeBinary, nullable=False),
        sa.Column("classification", sa.LargeBinary, nullable=False),
        sa.Column("escalation", sa.LargeBinary, nullable=False),
        sa.Column("mediation_style", sa.LargeBinary, nullable=False),
        sa.Column("message_templates", sa.LargeBinary, nullable=False),
        sa.Column("stored_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "reasoning_calls",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("dispute_id", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("output_mode", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("latency_ms", sa.Integer, nullable=False),
        sa.Column("input_tokens", sa.Integer),
        sa.Column("output_tokens", sa.Integer),
        sa.Column("failure", sa.Text),
        sa.Column("policy_hash", sa.Text),
        sa.Column("rationale_id", sa.Text),
        sa.Column("seen_message_id", sa.Integer),
        sa.Column("pairs_put", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_reasoning_calls_session", "reasoning_calls", ["session_id"])
    op.create_index("ix_reasoning_calls_dispute", "reasoning_calls", ["dispute_id"])


def _create_sessions() -> None:
    op.create_table(
        "session_facts",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("opening_event_id", sa.Text),
        sa.Column("taken_at", sa.Integer, nullable=False),
        sa.Column("pairs_put", sa.Integer, nullable=False, server_default="0"),
        sa.Column("evaluations", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unsettled_at", sa.Integer),
        sa.Column("evaluate_at", sa.Integer),
    )
    op.create_index(
        "ix_session_facts_evaluate",
        "session_facts",
        ["evaluate_at"],
        sqlite_where=sa.text("evaluate_at IS NOT NULL"),
    )
    op.create_table(
        "session_sides",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("fresh", sa.Integer, nullable=False, server_default="0"),
        sa.Column("question_id", sa.Integer),
        sa.Column("asked_at", sa.Integer),
        sa.Column("reached_at", sa.Integer),
        sa.Column("answer_id", sa.Integer),
        sa.Column("answered_at", sa.Integer),
        sa.Column("language", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "dispute_events",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Integer, primary_key=True),
        sqlite_with_rowid=False,
    )


def _create_starts() -> None:
    op.create_table(
        "mediation_starts",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("opening_event_id", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("first_failed_at", sa.Integer, nullable=False),
        sa.Column("next_attempt_at", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "standing",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("waited_seconds", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_probe_at", sa.Integer),
        sa.Column("info_created_at", sa.Integer),
        sa.Column("own_key", sa.Text),
    )
