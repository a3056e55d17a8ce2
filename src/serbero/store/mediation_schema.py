"""Mediation's tables as SQLAlchemy Core sees them: the reference's six, to the letter, and ours.

Times are Unix seconds. Rows of the reference's tables hold only values it knows; what it has no
column for stands beside them. Events and summaries are append-only.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy import REAL, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from serbero.store.schema import metadata

OUTBOUND: Final = "outbound"
INBOUND: Final = "inbound"
"""``mediation_messages.direction``."""

# --- the reference's -----------------------------------------------------------------------

sessions = Table(
    "mediation_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("dispute_id", Text, ForeignKey("disputes.dispute_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("round_count", Integer, nullable=False, server_default="0"),
    Column("prompt_bundle_id", Text, nullable=False),
    Column("policy_hash", Text, nullable=False),
    Column("instructions_version", Text),
    Column("assigned_solver", Text),
    Column("current_classification", Text),
    Column("current_confidence", REAL),
    Column("buyer_shared_pubkey", Text),
    Column("seller_shared_pubkey", Text),
    Column("buyer_last_seen_inner_ts", Integer),
    Column("seller_last_seen_inner_ts", Integer),
    Column("started_at", Integer, nullable=False),
    Column("last_transition_at", Integer, nullable=False),
    # The number of fresh inbound messages already evaluated; the name is historical.
    Column("round_count_last_evaluated", Integer, nullable=False, server_default="0"),
    Column("consecutive_eval_failures", Integer, nullable=False, server_default="0"),
    Index("idx_mediation_sessions_dispute_id", "dispute_id"),
    Index("idx_mediation_sessions_state", "state"),
)

messages = Table(
    "mediation_messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", Text, ForeignKey("mediation_sessions.session_id"), nullable=False),
    Column("direction", Text, nullable=False),
    # Of an outbound message, who it goes to.
    Column("party", Text, nullable=False),
    Column("shared_pubkey", Text, nullable=False),
    Column("inner_event_id", Text, nullable=False),
    Column("inner_event_created_at", Integer, nullable=False),
    Column("outer_event_id", Text),
    Column("content", Text, nullable=False),
    Column("prompt_bundle_id", Text),
    Column("policy_hash", Text),
    Column("persisted_at", Integer, nullable=False),
    Column("stale", Integer, nullable=False, server_default="0"),
    Index("uq_mediation_messages_inner_event", "session_id", "inner_event_id", unique=True),
    Index("idx_mediation_messages_session", "session_id"),
    Index("idx_mediation_messages_direction", "direction"),
)

rationales = Table(
    "reasoning_rationales",
    metadata,
    Column("rationale_id", Text, primary_key=True),
    Column("session_id", Text, ForeignKey("mediation_sessions.session_id")),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("prompt_bundle_id", Text, nullable=False),
    Column("policy_hash", Text, nullable=False),
    Column("rationale_text", Text, nullable=False),
    Column("generated_at", Integer, nullable=False),
    Index("idx_reasoning_rationales_session", "session_id"),
)

summaries = Table(
    "mediation_summaries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", Text, ForeignKey("mediation_sessions.session_id"), nullable=False),
    Column("dispute_id", Text, ForeignKey("disputes.dispute_id"), nullable=False),
    Column("classification", Text, nullable=False),
    Column("confidence", REAL, nullable=False),
    Column("suggested_next_step", Text, nullable=False),
    Column("summary_text", Text, nullable=False),
    Column("prompt_bundle_id", Text, nullable=False),
    Column("policy_hash", Text, nullable=False),
    Column("rationale_id", Text, ForeignKey("reasoning_rationales.rationale_id")),
    Column("generated_at", Integer, nullable=False),
    Index("idx_mediation_summaries_session", "session_id"),
)

events = Table(
    "mediation_events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("session_id", Text, ForeignKey("mediation_sessions.session_id")),
    Column("kind", Text, nullable=False),
    Column("payload_json", Text, nullable=False, server_default="{}"),
    Column("rationale_id", Text, ForeignKey("reasoning_rationales.rationale_id")),
    Column("prompt_bundle_id", Text),
    Column("policy_hash", Text),
    Column("occurred_at", Integer, nullable=False),
    Index("idx_mediation_events_session_kind", "session_id", "kind"),
)

dispatches = Table(
    "escalation_dispatches",
    metadata,
    Column("dispatch_id", Text, primary_key=True),
    Column("dispute_id", Text, ForeignKey("disputes.dispute_id"), nullable=False),
    Column("session_id", Text, ForeignKey("mediation_sessions.session_id")),
    Column("handoff_event_id", Integer, ForeignKey("mediation_events.id"), nullable=False),
    Column("target_solver", Text, nullable=False),
    Column("dispatched_at", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("status", Text, nullable=False, server_default="dispatched"),
    Column("fallback_broadcast", Integer, nullable=False, server_default="0"),
    Index("idx_escalation_dispatches_dispute", "dispute_id"),
    Index("idx_escalation_dispatches_handoff", "handoff_event_id", unique=True),
)

# --- ours ----------------------------------------------------------------------------------

session_facts = Table(
    "session_facts",
    metadata,
    Column("session_id", Text, primary_key=True),
    # The revision that had opened the dispute when the session began: one session an opening.
    Column("opening_event_id", Text),
    # When we took the dispute: what a party dates a minute earlier belongs to somebody else.
    Column("taken_at", Integer, nullable=False),
    Column("pairs_put", Integer, nullable=False, server_default="0"),
    # Evaluations since the last pair was put.
    Column("evaluations", Integer, nullable=False, server_default="0"),
    # Arrival of the oldest fresh message nobody evaluated.
    Column("unsettled_at", Integer),
    # When the session is to be evaluated; NULL when there is nothing to evaluate.
    Column("evaluate_at", Integer),
    Index(
        "ix_session_facts_evaluate",
        "evaluate_at",
        sqlite_where=sa.text("evaluate_at IS NOT NULL"),
    ),
)

session_sides = Table(
    "session_sides",
    metadata,
    # What one party was asked and said. Ids are those of `mediation_messages`.
    Column("session_id", Text, primary_key=True),
    Column("party", Text, primary_key=True),
    # Fresh messages of theirs.
    Column("fresh", Integer, nullable=False, server_default="0"),
    Column("question_id", Integer),
    Column("asked_at", Integer),
    # When a relay took the last question; NULL until then.
    Column("reached_at", Integer),
    Column("answer_id", Integer),
    Column("answered_at", Integer),
    # The language they write in, as the model named it.
    Column("language", Text),
    sqlite_with_rowid=False,
)

dispute_events = Table(
    "dispute_events",
    metadata,
    # Events without a session, by dispute: the reference keeps that in the payload alone.
    Column("dispute_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("event_id", Integer, primary_key=True),
    sqlite_with_rowid=False,
)

starts = Table(
    "mediation_starts",
    metadata,
    # Attempts to start that failed, of one opening of a dispute.
    Column("dispute_id", Text, primary_key=True),
    Column("opening_event_id", Text),
    Column("failures", Integer, nullable=False),
    Column("first_failed_at", Integer, nullable=False),
    Column("next_attempt_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

standing = Table(
    "standing",
    metadata,
    # Whether a node lets us act as a solver: unknown, authorized, refused or terminated.
    Column("node", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Integer, nullable=False),
    # Probes since the refusal, and the seconds waited between them.
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("waited_seconds", Integer, nullable=False, server_default="0"),
    Column("next_probe_at", Integer),
    # `created_at` of the node's info event when probing ended.
    Column("info_created_at", Integer),
    # Ours, in hex: another key has a standing of its own.
    Column("own_key", Text),
)

prompt_bundles = Table(
    "prompt_bundles",
    metadata,
    # The exact bytes behind every `policy_hash`: an open session goes on with its own.
    Column("policy_hash", Text, primary_key=True),
    Column("bundle_id", Text, nullable=False),
    Column("system", LargeBinary, nullable=False),
    Column("classification", LargeBinary, nullable=False),
    Column("escalation", LargeBinary, nullable=False),
    Column("mediation_style", LargeBinary, nullable=False),
    Column("message_templates", LargeBinary, nullable=False),
    Column("stored_at", Integer, nullable=False),
)

reasoning_calls = Table(
    "reasoning_calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("dispute_id", Text),
    Column("session_id", Text),
    Column("purpose", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("output_mode", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("latency_ms", Integer, nullable=False),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    # NULL for an answer; the category of the fault else.
    Column("failure", Text),
    Column("policy_hash", Text),
    Column("rationale_id", Text),
    # What the model was shown: the newest message, and the pairs put by then.
    Column("seen_message_id", Integer),
    Column("pairs_put", Integer),
    Index("ix_reasoning_calls_session", "session_id"),
    Index("ix_reasoning_calls_dispute", "dispute_id"),
    # Words without a session are kept once for every dispute that was given them.
    Index(
        "ix_reasoning_calls_shared",
        "rationale_id",
        sqlite_where=sa.text("session_id IS NULL AND rationale_id IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

owed_briefs = Table(
    "owed_briefs",
    metadata,
    # A session that a person took over, whose chat is written down for him (afterwards).
    Column("session_id", Text, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("owed_ms", Integer, nullable=False),
    # The newest message of `mediation_messages` then: what was said by the time it was taken.
    Column("upto", Integer, nullable=False),
    # When it was written, and to how many rows of the outbox; NULL: it is still owed.
    Column("settled_at", Integer),
    Column("messages", Integer),
    Index("ix_owed_briefs_open", "owed_ms", sqlite_where=sa.text("settled_at IS NULL")),
)
