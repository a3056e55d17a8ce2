"""Handing over: pending hand-offs, ladders, acknowledgements, what is held, what was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables; hand-offs that were prepared before are taken up at every open."""
    _create_handoffs()
    _create_ladders()
    _create_people()
    _create_watches()


def _create_handoffs() -> None:
    op.create_table(
        "pending_handoffs",
        sa.Column("event_id", sa.Integer, sa.ForeignKey("mediation_events.id"), primary_key=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("parked", sa.Text),
    )
    op.create_index(
        "ix_pending_handoffs_due",
        "pending_handoffs",
        ["event_id"],
        sqlite_where=sa.text("parked IS NULL"),
    )
    op.create_index("ix_pending_handoffs_dispute", "pending_handoffs", ["dispute_id"])
    op.create_table(
        "dispatches_under_way",
        sa.Column("event_id", sa.Integer, sa.ForeignKey("mediation_events.id"), primary_key=True),
        sa.Column("dispatch_id", sa.Text, nullable=False, unique=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("target_solver", sa.Text, nullable=False),
        sa.Column("fallback_broadcast", sa.Integer, nullable=False),
        sa.Column("enqueued_at", sa.Integer, nullable=False),
    )
    op.create_index("ix_dispatches_under_way_dispute", "dispatches_under_way", ["dispute_id"])


def _create_ladders() -> None:
    op.create_table(
        "ladders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("session_id", sa.Text),
        sa.Column("handoff_event_id", sa.Integer, nullable=False, unique=True),
        sa.Column("started_at", sa.Integer, nullable=False),
        sa.Column("policy_json", sa.Text, nullable=False),
        sa.Column("steps_taken", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.Integer),
        sa.Column("ended_at", sa.Integer),
        sa.Column("ended_by", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_ladders_due", "ladders", ["next_at"], sqlite_where=sa.text("next_at IS NOT NULL")
    )
    op.create_index("ix_ladders_dispute", "ladders", ["dispute_id"])
    op.create_table(
        "ladder_steps",
        sa.Column("ladder_id", sa.Integer, sa.ForeignKey("ladders.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("recipients_json", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "acknowledgements",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("solver", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Integer, nullable=False),
        sa.Column("ended_at", sa.Integer),
        sa.Column("ended_by", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_acknowledgements_dispute", "acknowledgements", ["dispute_id"])
    op.create_table(
        "deadline_warnings",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("deadline", sa.Integer, primary_key=True),
        sa.Column("before_seconds", sa.Integer, primary_key=True),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )


def _create_people() -> None:
    op.create_table(
        "snoozes",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("solver", sa.Text, primary_key=True),
        sa.Column("until", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "mutes",
        sa.Column("solver", sa.Text, primary_key=True),
        sa.Column("until", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "held_messages",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("solver", sa.Text, nullable=False),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("anchor", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sa.Column("settled_at", sa.Integer),
        sa.UniqueConstraint("solver", "dispute_id", "purpose", "anchor"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_held_messages_waiting",
        "held_messages",
        ["solver", "dispute_id"],
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    op.create_index(
        "ix_held_messages_dispute",
        "held_messages",
        ["dispute_id"],
        sqlite_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "commands_seen",
        sa.Column("message_id", sa.Text, primary_key=True),
        sa.Column("solver", sa.Text, nullable=False),
        sa.Column("at", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_commands_seen_at", "commands_seen", ["at"])


def _create_watches() -> None:
    op.create_table(
        "watches",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("duty", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("term_seconds", sa.Integer, nullable=False),
        sa.Column("began_at", sa.Integer, nullable=False),
        sa.Column("seen_at", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_watches_duty", "watches", ["duty", "seen_at"])
