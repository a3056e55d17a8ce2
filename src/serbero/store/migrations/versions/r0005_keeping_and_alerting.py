"""Alerts for the operator's own channels, briefs that are owed, and indexes for what is emptied."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables and the indexes."""
    op.create_index(
        "ix_outbox_dead", "outbox", ["settled_at"], sqlite_where=sa.text("state = 'dead'")
    )
    op.create_index(
        "ix_outbox_withdrawn", "outbox", ["settled_at"], sqlite_where=sa.text("state = 'withdrawn'")
    )
    op.create_index("ix_outbox_enqueued", "outbox", ["enqueued_ms"])
    op.create_index(
        "ix_outbox_kept",
        "outbox",
        ["settled_at"],
        sqlite_where=sa.text("settled_at IS NOT NULL AND rumor_json IS NOT NULL"),
    )
    op.create_index(
        "ix_outbox_words", "outbox", ["dispute_id"], sqlite_where=sa.text("rumor_json IS NOT NULL")
    )
    op.create_index(
        "ix_reasoning_calls_shared",
        "reasoning_calls",
        ["rationale_id"],
        sqlite_where=sa.text("session_id IS NULL AND rationale_id IS NOT NULL"),
    )
    op.create_table(
        "alerts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("dispute_id", sa.Text),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.Integer),
        sa.Column("settled_at", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.UniqueConstraint("channel", "dedupe_key"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_alerts_due",
        "alerts",
        ["channel", "id"],
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    )
    op.create_index(
        "ix_alerts_settled",
        "alerts",
        ["settled_at"],
        sqlite_where=sa.text("settled_at IS NOT NULL"),
    )
    op.create_table(
        "owed_briefs",
        sa.Column("session_id", sa.Text, primary_key=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("owed_ms", sa.Integer, nullable=False),
        sa.Column("upto", sa.Integer, nullable=False),
        sa.Column("settled_at", sa.Integer),
        sa.Column("messages", sa.Integer),
    )
    op.create_index(
        "ix_owed_briefs_open",
        "owed_briefs",
        ["owed_ms"],
        sqlite_where=sa.text("settled_at IS NULL"),
    )
