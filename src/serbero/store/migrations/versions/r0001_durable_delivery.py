"""Durable delivery: the outbox, applied revisions, cursors, journal, inbox relays.

The reference sends once and remembers only the last state; these tables hold what must still
be sent, which revision of a dispute was applied, and how far the stream was read.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_DUE = sa.text("next_attempt_at IS NOT NULL")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "revisions",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("opening_event_id", sa.Text),
        sa.Column("opening_created_at", sa.Integer),
        sa.Column("opened_at", sa.Integer),
        sa.Column("applied_at", sa.Integer, nullable=False),
        sa.Column("renotify_cycle", sa.Integer, nullable=False, server_default="0"),
    )
    _create_outbox()
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Integer, nullable=False),
    )
    op.create_table(
        "journal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("dispute_id", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload_json", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_dispute", "journal", ["dispute_id"])
    op.create_table(
        "inboxes",
        sa.Column("pubkey", sa.Text, primary_key=True),
        sa.Column("relays_json", sa.Text, nullable=False),
        sa.Column("published_at", sa.Integer),
        sa.Column("checked_at", sa.Integer, nullable=False),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dedupe_key", sa.Text, nullable=False, unique=True),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("dispute_id", sa.Text),
        sa.Column("session_id", sa.Text),
        sa.Column("anchor", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("recipient_typed", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("notif_type", sa.Text),
        sa.Column("rumor_id", sa.Text, nullable=False),
        sa.Column("rumor_json", sa.Text),
        sa.Column("urgency", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("enqueued_ms", sa.Integer, nullable=False),
        sa.Column("deadline_at", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("settled_at", sa.Integer),
        sa.Column("delivery_ms", sa.Integer),
        sa.Column("next_attempt_at", sa.Integer),
        sa.Column("failure_noted_at", sa.Integer),
        sa.Column("failure_noted", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_outbox_due", "outbox", ["urgency", "next_attempt_at"], sqlite_where=_DUE)
    op.create_index("ix_outbox_deadline", "outbox", ["deadline_at"], sqlite_where=_DUE)
    op.create_index("ix_outbox_dispute", "outbox", ["dispute_id", "purpose"])
    op.create_index("ix_outbox_thread", "outbox", ["dispute_id", "recipient"])
    op.create_index("ix_outbox_live", "outbox", ["dispute_id", "purpose"], sqlite_where=_DUE)
    op.create_index("ix_outbox_recipient", "outbox", ["recipient"], sqlite_where=_DUE)
    op.create_index(
        "ix_outbox_pending", "outbox", ["created_at"], sqlite_where=sa.text("state = 'pending'")
    )
    op.create_table(
        "outbox_wraps",
        sa.Column("event_id", sa.Text, primary_key=True),
        sa.Column("outbox_id", sa.Integer, sa.ForeignKey("outbox.id"), nullable=False),
        sa.Column("event_json", sa.Text),
        sa.Column("created_at", sa.Integer, nullable=False),
    )
    op.create_index("ix_outbox_wraps_outbox", "outbox_wraps", ["outbox_id"])
    op.create_table(
        "outbox_targets",
        sa.Column("outbox_id", sa.Integer, sa.ForeignKey("outbox.id"), primary_key=True),
        sa.Column("relay", sa.Text, primary_key=True),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("unclear_replies", sa.Integer, nullable=False, server_default="0"),
        sa.Column("wraps", sa.Integer, nullable=False, server_default="0"),
        sa.Column("pow_bits", sa.Integer, nullable=False, server_default="0"),
        sa.Column("fresh_time", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_attempt_at", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("updated_at", sa.Integer, nullable=False),
        sa.Column("round_trip_ms", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_outbox_targets_open",
        "outbox_targets",
        ["relay", "next_attempt_at"],
        sqlite_where=_DUE,
    )
