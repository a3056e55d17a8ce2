"""Speaking with the node and the parties: what the node says of itself, takes, parties, chats."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "node_info",
        sa.Column("node", sa.Text, primary_key=True),
        sa.Column("info_json", sa.Text),
        sa.Column("info_created_at", sa.Integer),
        sa.Column("info_seen_at", sa.Integer),
        sa.Column("relays_json", sa.Text, nullable=False, server_default="[]"),
        sa.Column("relays_created_at", sa.Integer),
    )
    _create_takes()
    _create_chats()


def _create_takes() -> None:
    op.create_table(
        "takes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("dispute_id", sa.Text, nullable=False),
        sa.Column("request_ids", sa.Text, nullable=False, server_default="[]"),
        sa.Column("known_created_at", sa.Integer),
        sa.Column("started_at", sa.Integer, nullable=False),
        sa.Column("deadline_at", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("finished_at", sa.Integer),
        sa.Column("held_at", sa.Integer),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_takes_dispute", "takes", ["dispute_id"])
    op.create_index(
        "ix_takes_open", "takes", ["started_at"], sqlite_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_takes_held", "takes", ["held_at"], sqlite_where=sa.text("held_at IS NOT NULL")
    )
    op.create_table(
        "parties",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("buyer", sa.Text),
        sa.Column("seller", sa.Text),
        sa.Column("initiator", sa.Text, nullable=False),
        sa.Column("facts_json", sa.Text, nullable=False),
        sa.Column("invoice_held_at", sa.Integer),
        sa.Column("own_key", sa.Text, nullable=False),
        sa.Column("answered_at", sa.Integer, nullable=False),
        sa.Column("taken_at", sa.Integer, nullable=False),
        sa.Column("own_event_id", sa.Text),
        sa.Column("released_at", sa.Integer),
        sa.Column("released_by", sa.Text),
    )


def _create_chats() -> None:
    op.create_table(
        "chat_cursors",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("trade_key", sa.Text, nullable=False),
        sa.Column("cursor", sa.Integer, nullable=False),
        sa.Column("opened_at", sa.Integer, nullable=False),
        sa.Column("envelope", sa.Text),
        sa.Column("envelope_at", sa.Integer),
        sa.Column("closed_at", sa.Integer),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_chat_cursors_open",
        "chat_cursors",
        ["opened_at"],
        sqlite_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_chat_cursors_closed",
        "chat_cursors",
        ["closed_at"],
        sqlite_where=sa.text("closed_at IS NOT NULL"),
    )
    op.create_table(
        "chat_seen",
        sa.Column("dispute_id", sa.Text, primary_key=True),
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("inner_id", sa.Text, primary_key=True),
        sa.Column("accepted_at", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
