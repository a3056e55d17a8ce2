"""The tables as SQLAlchemy Core sees them: those of the reference that we use, and ours.

All times are Unix seconds, all durations say their unit in the column's name. Keys and event ids
are lower-case hex, except ``notifications.solver_pubkey``, which is as the operator typed it.
"""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text

metadata = sa.MetaData()

# --- the reference's -----------------------------------------------------------------------

disputes = Table(
    "disputes",
    metadata,
    Column("dispute_id", Text, primary_key=True),
    Column("event_id", Text, nullable=False, unique=True),
    Column("mostro_pubkey", Text, nullable=False),
    Column("initiator_role", Text, nullable=False),
    Column("dispute_status", Text, nullable=False, server_default="initiated"),
    Column("event_timestamp", Integer, nullable=False),
    Column("detected_at", Integer, nullable=False),
    Column("lifecycle_state", Text, nullable=False, server_default="new"),
    Column("assigned_solver", Text),
    Column("last_notified_at", Integer),
    Column("last_state_change", Integer),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("solver_pubkey", Text, nullable=False),
    Column("sent_at", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_message", Text),
    Column("notif_type", Text, nullable=False, server_default="initial"),
)

transitions = Table(
    "dispute_state_transitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("transitioned_at", Integer, nullable=False),
    Column("trigger", Text),
)

# --- ours ----------------------------------------------------------------------------------

revisions = Table(
    "revisions",
    metadata,
    # The newest revision applied to each dispute: what an arriving one is compared with.
    Column("dispute_id", Text, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("status", Text, nullable=False),
    # The revision that opened (or last reopened) the dispute; NULL when first seen later.
    Column("opening_event_id", Text),
    Column("opening_created_at", Integer),
    # The node's own word for when the dispute was opened, where it gives one.
    Column("opened_at", Integer),
    Column("applied_at", Integer, nullable=False),
    # Reminder rounds since the opening revision.
    Column("renotify_cycle", Integer, nullable=False, server_default="0"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    # {purpose}:{dispute}:{anchor}:{recipient}:{channel}: the same message is never enqueued twice.
    Column("dedupe_key", Text, nullable=False, unique=True),
    Column("purpose", Text, nullable=False),
    Column("dispute_id", Text),
    Column("session_id", Text),
    Column("anchor", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("recipient_typed", Text, nullable=False),
    Column("channel", Text, nullable=False),
    # NULL: the message leaves no row in `notifications`.
    Column("notif_type", Text),
    Column("rumor_id", Text, nullable=False),
    # Emptied by a purge.
    Column("rumor_json", Text),
    Column("urgency", Integer, nullable=False),
    Column("created_at", Integer, nullable=False),
    # The same moment in Unix milliseconds: latencies need more than whole seconds.
    Column("enqueued_ms", Integer, nullable=False),
    Column("deadline_at", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # First success, death or withdrawal.
    Column("settled_at", Integer),
    # From enqueue to first success.
    Column("delivery_ms", Integer),
    # NULL: nothing left to do.
    Column("next_attempt_at", Integer),
    # The last `failed` row written for this message and the outcomes told of since the first:
    # at most one an hour for the same.
    Column("failure_noted_at", Integer),
    Column("failure_noted", Text),
    Index(
        "ix_outbox_due",
        "urgency",
        "next_attempt_at",
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    ),
    Index("ix_outbox_deadline", "deadline_at", sqlite_where=sa.text("next_attempt_at IS NOT NULL")),
    Index("ix_outbox_dispute", "dispute_id", "purpose"),
    # The id of each row is part of every index: the first of each recipient is the thread's root.
    Index("ix_outbox_thread", "dispute_id", "recipient"),
    Index(
        "ix_outbox_live",
        "dispute_id",
        "purpose",
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    ),
    Index("ix_outbox_recipient", "recipient", sqlite_where=sa.text("next_attempt_at IS NOT NULL")),
    Index("ix_outbox_pending", "created_at", sqlite_where=sa.text("state = 'pending'")),
    Index("ix_outbox_dead", "settled_at", sqlite_where=sa.text("state = 'dead'")),
    Index("ix_outbox_withdrawn", "settled_at", sqlite_where=sa.text("state = 'withdrawn'")),
    # What a list of some time is found by; each new row goes to its end.
    Index("ix_outbox_enqueued", "enqueued_ms"),
    # What the bytes of settled messages are emptied by.
    Index(
        "ix_outbox_kept",
        "settled_at",
        sqlite_where=sa.text("settled_at IS NOT NULL AND rumor_json IS NOT NULL"),
    ),
    # What is left to empty of a dispute.
    Index("ix_outbox_words", "dispute_id", sqlite_where=sa.text("rumor_json IS NOT NULL")),
    sqlite_autoincrement=True,
)

outbox_wraps = Table(
    "outbox_wraps",
    metadata,
    # The exact bytes a relay is given, committed before the first publish.
    Column("event_id", Text, primary_key=True),
    Column("outbox_id", Integer, ForeignKey("outbox.id"), nullable=False),
    Column("event_json", Text),
    Column("created_at", Integer, nullable=False),
    Index("ix_outbox_wraps_outbox", "outbox_id"),
)

outbox_targets = Table(
    "outbox_targets",
    metadata,
    Column("outbox_id", Integer, ForeignKey("outbox.id"), primary_key=True),
    Column("relay", Text, primary_key=True),
    Column("source", Text, nullable=False),
    # The wrap this relay gets; NULL until one is made, or when it wants another one.
    Column("event_id", Text),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # Attempts that ended in words of no known meaning; three of them close the target.
    Column("unclear_replies", Integer, nullable=False, server_default="0"),
    # Wraps made for this relay; it may ask for another one a few times, not for ever.
    Column("wraps", Integer, nullable=False, server_default="0"),
    # Leading zero bits (NIP-13) this relay asked for.
    Column("pow_bits", Integer, nullable=False, server_default="0"),
    # Set when this relay refused a back-dated wrap.
    Column("fresh_time", Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Integer),
    Column("reason", Text),
    Column("updated_at", Integer, nullable=False),
    # Publish to OK, of the attempt that succeeded.
    Column("round_trip_ms", Integer),
    # By time as well: targets of settled messages stay as they were, with a time long past.
    Index(
        "ix_outbox_targets_open",
        "relay",
        "next_attempt_at",
        sqlite_where=sa.text("next_attempt_at IS NOT NULL"),
    ),
    sqlite_with_rowid=False,
)

cursors = Table(
    "cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)

journal = Table(
    "journal",
    metadata,
    # Audit events of kinds the reference does not know.
    Column("id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("dispute_id", Text),
    Column("session_id", Text),
    Column("kind", Text, nullable=False),
    Column("payload_json", Text, nullable=False),
    Index("ix_journal_dispute", "dispute_id"),
    sqlite_autoincrement=True,
)

inboxes = Table(
    "inboxes",
    metadata,
    # Inbox relays a solver published (kind 10050), or that none were found, and when we looked.
    Column("pubkey", Text, primary_key=True),
    Column("relays_json", Text, nullable=False),
    Column("published_at", Integer),
    Column("checked_at", Integer, nullable=False),
)

node_info = Table(
    "node_info",
    metadata,
    # The newest info event (kind 38385) of each node, and the newest relay list (kind 10002).
    Column("node", Text, primary_key=True),
    Column("info_json", Text),
    Column("info_created_at", Integer),
    # When a relay last showed it to us.
    Column("info_seen_at", Integer),
    Column("relays_json", Text, nullable=False, server_default="[]"),
    Column("relays_created_at", Integer),
)

takes = Table(
    "takes",
    metadata,
    # One exchange with the node: committed before its first event is published.
    Column("id", Integer, primary_key=True),
    Column("dispute_id", Text, nullable=False),
    # The random number of each request, as a JSON list: the node echoes it in its answer.
    Column("request_ids", Text, nullable=False, server_default="[]"),
    # `created_at` of the revision we held when it began.
    Column("known_created_at", Integer),
    Column("started_at", Integer, nullable=False),
    Column("deadline_at", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # open, taken, refused, no_answer, interrupted.
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("finished_at", Integer),
    # Since when the news of an `in-progress` revision waits for the outcome, which tells whose
    # it is; NULL when nothing waits.
    Column("held_at", Integer),
    Index("ix_takes_dispute", "dispute_id"),
    Index("ix_takes_open", "started_at", sqlite_where=sa.text("state = 'open'")),
    Index("ix_takes_held", "held_at", sqlite_where=sa.text("held_at IS NOT NULL")),
    sqlite_autoincrement=True,
)

parties = Table(
    "parties",
    metadata,
    # What a take told us of a dispute and its order; public keys, no secrets.
    Column("dispute_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("buyer", Text),
    Column("seller", Text),
    # buyer, seller or unknown.
    Column("initiator", Text, nullable=False),
    # Order facts a mediator may know.
    Column("facts_json", Text, nullable=False),
    Column("invoice_held_at", Integer),
    # Our key then: under another one the conversations are lost.
    Column("own_key", Text, nullable=False),
    # The node's own time of its answer: revisions up to two seconds after it are our own take.
    Column("answered_at", Integer, nullable=False),
    Column("taken_at", Integer, nullable=False),
    # The `in-progress` revision our take caused, once seen.
    Column("own_event_id", Text),
    # When somebody took it over, or it was closed; NULL while we hold it.
    Column("released_at", Integer),
    Column("released_by", Text),
)

chat_cursors = Table(
    "chat_cursors",
    metadata,
    # One channel with one party. Its keys are derived from ours and `trade_key`, never stored.
    Column("dispute_id", Text, primary_key=True),
    Column("party", Text, primary_key=True),
    Column("trade_key", Text, nullable=False),
    # Outer time of the newest accepted message, never beyond our own clock when accepted.
    Column("cursor", Integer, nullable=False),
    Column("opened_at", Integer, nullable=False),
    # Which envelope the party used for what it wrote last, and when it says it wrote that, never
    # beyond our own clock when accepted: NULL until it wrote.
    Column("envelope", Text),
    Column("envelope_at", Integer),
    # No more writing from here on; reading goes on for a day.
    Column("closed_at", Integer),
    Index("ix_chat_cursors_open", "opened_at", sqlite_where=sa.text("closed_at IS NULL")),
    Index("ix_chat_cursors_closed", "closed_at", sqlite_where=sa.text("closed_at IS NOT NULL")),
    sqlite_with_rowid=False,
)

chat_seen = Table(
    "chat_seen",
    metadata,
    # Inner ids accepted on a channel: the same message is never taken twice.
    Column("dispute_id", Text, primary_key=True),
    Column("party", Text, primary_key=True),
    Column("inner_id", Text, primary_key=True),
    Column("accepted_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

alerts = Table(
    "alerts",
    metadata,
    # One thing that happened, for one of the operator's own channels.
    Column("id", Integer, primary_key=True),
    Column("channel", Text, nullable=False),
    # {event}:{what}: a channel is told of the same thing once.
    Column("dedupe_key", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("dispute_id", Text),
    Column("at", Integer, nullable=False),
    # Ids, roles, states and times, as a JSON object of texts and numbers.
    Column("facts_json", Text, nullable=False),
    # pending, sent or dead.
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    # NULL: nothing left to do.
    Column("next_attempt_at", Integer),
    Column("settled_at", Integer),
    # Why the last attempt failed, in words of ours.
    Column("reason", Text),
    Index("ix_alerts_due", "channel", "id", sqlite_where=sa.text("next_attempt_at IS NOT NULL")),
    Index("ix_alerts_settled", "settled_at", sqlite_where=sa.text("settled_at IS NOT NULL")),
    sa.UniqueConstraint("channel", "dedupe_key"),
    sqlite_autoincrement=True,
)
