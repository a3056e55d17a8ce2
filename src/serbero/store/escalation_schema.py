"""Tables of ours for handing over: what waits, who has it, who is reminded when, what is held."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

from serbero.store.schema import metadata

pending_handoffs = Table(
    "pending_handoffs",
    metadata,
    # `handoff_prepared` events that nobody dispatched yet: an index that history does not grow.
    Column("event_id", Integer, ForeignKey("mediation_events.id"), primary_key=True),
    # As the payload says it; empty where it cannot be read.
    Column("dispute_id", Text, nullable=False),
    # Why it rests: superseded, unroutable or expired; NULL while it is to be dispatched.
    Column("parked", Text),
    Index("ix_pending_handoffs_due", "event_id", sqlite_where=sa.text("parked IS NULL")),
    Index("ix_pending_handoffs_dispute", "dispute_id"),
)

dispatches_under_way = Table(
    "dispatches_under_way",
    metadata,
    # Enqueued; its `escalation_dispatches` row is written at the first success, or when all died.
    Column("event_id", Integer, ForeignKey("mediation_events.id"), primary_key=True),
    Column("dispatch_id", Text, nullable=False, unique=True),
    Column("dispute_id", Text, nullable=False),
    Column("session_id", Text),
    # As the operator typed them, comma-joined: what the reference's row holds.
    Column("target_solver", Text, nullable=False),
    Column("fallback_broadcast", Integer, nullable=False),
    Column("enqueued_at", Integer, nullable=False),
    Index("ix_dispatches_under_way_dispute", "dispute_id"),
)

ladders = Table(
    "ladders",
    metadata,
    # One hand-off that goes on until a human has the dispute.
    Column("id", Integer, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("session_id", Text),
    Column("handoff_event_id", Integer, nullable=False, unique=True),
    Column("started_at", Integer, nullable=False),
    # The steps it began with, as JSON: a changed configuration does not change a ladder.
    Column("policy_json", Text, nullable=False),
    # Steps taken so far.
    Column("steps_taken", Integer, nullable=False, server_default="0"),
    # When the next one is due; NULL once it is over.
    Column("next_at", Integer),
    Column("ended_at", Integer),
    # What ended it: replaced by a later hand-off, or what the node's revision showed.
    Column("ended_by", Text),
    Index("ix_ladders_due", "next_at", sqlite_where=sa.text("next_at IS NOT NULL")),
    Index("ix_ladders_dispute", "dispute_id"),
    sqlite_autoincrement=True,
)

ladder_steps = Table(
    "ladder_steps",
    metadata,
    # Append-only: who was reminded by which step.
    Column("ladder_id", Integer, ForeignKey("ladders.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("audience", Text, nullable=False),
    # Keys (hex) as a JSON list.
    Column("recipients_json", Text, nullable=False),
    sqlite_with_rowid=False,
)

acknowledgements = Table(
    "acknowledgements",
    metadata,
    # "I have it", by a solver with write permission; counts until it expires.
    Column("id", Integer, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("solver", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("expires_at", Integer, nullable=False),
    # When it was done with: renewed, expired, or by what ended its ladder.
    Column("ended_at", Integer),
    Column("ended_by", Text),
    Index("ix_acknowledgements_dispute", "dispute_id"),
    sqlite_autoincrement=True,
)

snoozes = Table(
    "snoozes",
    metadata,
    # One solver does not want to be reminded of one dispute until then.
    Column("dispute_id", Text, primary_key=True),
    Column("solver", Text, primary_key=True),
    Column("until", Integer, nullable=False),
    sqlite_with_rowid=False,
)

mutes = Table(
    "mutes",
    metadata,
    Column("solver", Text, primary_key=True),
    Column("until", Integer, nullable=False),
    sqlite_with_rowid=False,
)

held_messages = Table(
    "held_messages",
    metadata,
    # What a solver will read in the digest at the end of a quiet time, instead of by itself.
    Column("id", Integer, primary_key=True),
    Column("solver", Text, nullable=False),
    Column("dispute_id", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("anchor", Text, nullable=False),
    Column("at", Integer, nullable=False),
    # When the digest took it up, or it stopped being true; NULL while it waits.
    Column("settled_at", Integer),
    Index(
        "ix_held_messages_waiting",
        "solver",
        "dispute_id",
        sqlite_where=sa.text("settled_at IS NULL"),
    ),
    Index("ix_held_messages_dispute", "dispute_id", sqlite_where=sa.text("settled_at IS NULL")),
    sa.UniqueConstraint("solver", "dispute_id", "purpose", "anchor"),
    sqlite_autoincrement=True,
)

deadline_warnings = Table(
    "deadline_warnings",
    metadata,
    # How many seconds before which deadline somebody was warned. What a clock that was ahead
    # wrote is dropped when it is corrected.
    Column("dispute_id", Text, primary_key=True),
    Column("deadline", Integer, primary_key=True),
    Column("before_seconds", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

commands_seen = Table(
    "commands_seen",
    metadata,
    # Messages of solvers that were answered: relays send each more than once.
    Column("message_id", Text, primary_key=True),
    Column("solver", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Index("ix_commands_seen_at", "at"),
    sqlite_with_rowid=False,
)
