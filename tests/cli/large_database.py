"""A database of years, made in seconds: the same rows each time, as the daemon leaves them.

Disputes over two years, all but the newest closed; five solvers, who were each told twice of every
dispute; some messages nobody took and some that stopped being true; takes, sessions with all that
belongs to them, hand-offs with their ladders, the journal. Rows that belong together agree.
"""

import hashlib
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from tests.migrated import provide
from tests.store.rig import NODE, key

from serbero.reasoning.bundle import PARTS, packaged
from serbero.store import sqlite

NEWEST: Final = 1_795_000_000
"""When the newest dispute was opened: 2026-11-18, Unix seconds."""
SPAN: Final = 63_072_000
"""Two years in seconds; the oldest dispute is so much older."""
SOLVERS: Final = 5
BUNDLE_ID: Final = "phase3-default"
OURS: Final = "bb" * 32
"""Serbero's own public key."""

_DISPUTES: Final = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :many)
    INSERT INTO temp.d
    SELECT i,
        printf('%08x-%04x-4000-8000-%012x', (i * 2654435761) & 4294967295, i & 65535, i),
        digest(i, 1), digest(i, 2), digest(i, 3),
        iif(i % 3, 'buyer', 'seller'),
        CASE WHEN i <= :many - :open THEN 'resolved'
            WHEN i % 20 = 0 THEN 'waiting' WHEN i % 20 = 10 THEN 'escalated'
            WHEN i % 20 = 7 THEN 'new' WHEN i % 2 THEN 'notified' ELSE 'taken' END,
        CASE i % 7 WHEN 3 THEN 'seller-refunded' WHEN 5 THEN 'released' ELSE 'settled' END,
        :newest - (:many - i) * :span / :many AS opened,
        :newest - (:many - i) * :span / :many + 60 + i * 7919 % 14400,
        :newest - (:many - i) * :span / :many + 18000 + i * 104729 % 172800,
        0, '', ''
    FROM n;

    UPDATE temp.d SET mediated = 1, session = printf('%08x-0000-4000-9000-%012x',
            (i * 40503) & 4294967295, i), handed = iif(i % 20 = 10, 1, 0)
    WHERE i % 10 = 0 AND (state IN ('waiting', 'escalated')
        OR state = 'resolved' AND (i % 40 = 10 OR i % 40 = 20));

    INSERT INTO temp.s
    SELECT row_number() OVER (ORDER BY i) AS j, i, dispute, session, state, handed, taken,
        row_number() OVER (ORDER BY i) * 20, row_number() OVER (ORDER BY i) * 4,
        digest(i, 4), digest(i, 5), digest(i, 6), digest(i, 7), digest(i, 8), digest(i, 9),
        closing, ends
    FROM temp.d WHERE mediated
"""
"""What the other rows are made of: one row a dispute, one row a session."""

_CORE: Final = """
    INSERT INTO disputes
    SELECT dispute, opening, :node, initiator,
        CASE state WHEN 'resolved' THEN closing WHEN 'new' THEN 'initiated'
            WHEN 'notified' THEN 'initiated' ELSE 'in-progress' END,
        opened, opened + 1, state, iif(mediated AND state <> 'resolved', :ours, NULL),
        iif(state = 'new', NULL, opened + 1),
        CASE state WHEN 'new' THEN NULL WHEN 'notified' THEN opened + 2 WHEN 'taken' THEN taken
            WHEN 'waiting' THEN taken WHEN 'escalated' THEN taken + 900 ELSE ends END
    FROM temp.d;

    INSERT INTO revisions
    SELECT dispute, CASE state WHEN 'resolved' THEN ending WHEN 'new' THEN opening
            WHEN 'notified' THEN opening ELSE taking END,
        CASE state WHEN 'resolved' THEN ends WHEN 'new' THEN opened
            WHEN 'notified' THEN opened ELSE taken END,
        CASE state WHEN 'resolved' THEN closing WHEN 'new' THEN 'initiated'
            WHEN 'notified' THEN 'initiated' ELSE 'in-progress' END,
        opening, opened, opened, opened + 1, 0
    FROM temp.d;

    WITH m (of, k, was, is_now, at, why) AS (
        SELECT i, 1, 'new', 'notified', opened + 2, 'initial_notification' FROM temp.d
            WHERE state <> 'new'
        UNION ALL SELECT i, 2, 'notified', 'taken', taken,
            iif(mediated, 'mediation:session_opened', taking) FROM temp.d
            WHERE state NOT IN ('new', 'notified')
        UNION ALL SELECT i, 3, 'taken', 'waiting', taken, 'mediation:session_opened' FROM temp.s
        UNION ALL SELECT i, 4, 'waiting', 'escalated', taken + 900, 'mediation:conflicting_claims'
            FROM temp.s WHERE handed
        UNION ALL SELECT i, 4, 'waiting', 'taken', taken + 900, 'mediation:summary_delivered'
            FROM temp.s WHERE NOT handed AND state = 'resolved'
        UNION ALL SELECT i, 5, 'escalated', 'taken', taken + 1800,
            'mediation:dispute_taken_by_human' FROM temp.s WHERE handed AND state = 'resolved'
        UNION ALL SELECT i, 6, 'taken', 'resolved', ends, 'dispute_resolved_externally'
            FROM temp.d WHERE state = 'resolved')
    INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state, transitioned_at,
        trigger)
    SELECT dispute, was, is_now, at, why FROM m JOIN temp.d ON i = of ORDER BY at, of, k
"""

_MESSAGES: Final = """
    WITH m AS (SELECT *,
        CASE WHEN k < 5 THEN 'initial' WHEN state = 'notified' THEN 're-notification'
            ELSE 'assignment' END AS what,
        iif(k < 5 OR state = 'notified', opening, taking) AS anchor,
        CASE WHEN k < 5 THEN opened + 1 WHEN state = 'notified' THEN opened + 301
            ELSE taken + 1 END AS at,
        CASE WHEN state = 'new' THEN 'pending' WHEN k = 4 AND i % 100 = 7 THEN 'dead'
            WHEN k = 9 AND i % 100 = 9 THEN 'withdrawn' ELSE 'sent' END AS became
        FROM temp.d CROSS JOIN temp.told WHERE k < 5 OR state <> 'new')
    INSERT INTO outbox (id, dedupe_key, purpose, dispute_id, session_id, anchor, recipient,
        recipient_typed, channel, notif_type, rumor_id, rumor_json, urgency, created_at,
        enqueued_ms, deadline_at, state, settled_at, delivery_ms, next_attempt_at)
    SELECT i * 20 + k, what || ':' || dispute || ':' || anchor || ':' || solver || ':nip17',
        what, dispute, NULL, anchor, solver, typed, 'nip17', what, digest(i, 16 + k),
        iif(at > :newest - 2592000, '{"kind":14,"content":"' || what || '"}', NULL),
        k >= 5, at, at * 1000 + i % 1000, at + 86400, became,
        CASE became WHEN 'sent' THEN at + 1 WHEN 'dead' THEN at + 86400
            WHEN 'withdrawn' THEN at + 9 END,
        iif(became = 'sent', 80 + (i * 31 + k * 17) % 900, NULL),
        iif(became = 'pending', at + 30, NULL)
    FROM m ORDER BY i, k;

    INSERT INTO outbox (id, dedupe_key, purpose, dispute_id, session_id, anchor, recipient,
        recipient_typed, channel, notif_type, rumor_id, urgency, created_at, enqueued_ms,
        deadline_at, state, settled_at, delivery_ms)
    WITH x (k, purpose, type, solver, after, how) AS (VALUES
        (10, 'mediation_summary', 'mediation_summary', 0, 900, 0),
        (10, 'escalation_handoff', 'mediation_escalation_recommended', 0, 901, 1),
        (11, 'escalation_handoff', 'mediation_escalation_recommended', 1, 901, 1),
        (12, 'escalation_reminder', 'escalation', 0, 1501, 1),
        (13, 'resolution_report', 'mediation_resolution_report', 0, -1, -1))
    SELECT i * 20 + k,
        purpose || ':' || dispute || ':' || session || k || ':' || solver(solver) || ':nip17',
        purpose, dispute, iif(purpose = 'escalation_handoff', NULL, session),
        iif(purpose = 'escalation_handoff', event + 12, session), solver(solver),
        upper(solver(solver)), 'nip17', type, digest(i, 16 + k), 0,
        iif(after < 0, ends, taken + after), iif(after < 0, ends, taken + after) * 1000,
        iif(after < 0, ends, taken + after) + 86400, 'sent',
        iif(after < 0, ends, taken + after) + 1, 400 + i % 300
    FROM temp.s JOIN x ON how = handed OR how < 0
    WHERE (handed OR state = 'resolved') AND (after > 0 OR state = 'resolved');

    INSERT INTO outbox (id, dedupe_key, purpose, dispute_id, session_id, anchor, recipient,
        recipient_typed, channel, rumor_id, urgency, created_at, enqueued_ms, deadline_at, state,
        settled_at, delivery_ms)
    SELECT i * 20 + 14 + k, 'party_message:' || dispute || ':' || session || ':' || k || ':'
            || iif(k, seller, buyer) || ':chat',
        'party_message', dispute, session, session || ':' || (k + 1), iif(k, seller, buyer),
        iif(k, seller, buyer), 'chat', iif(k, asked_seller, asked_buyer), 0, taken, taken * 1000,
        taken + 86400, 'sent', taken + 1, 700
    FROM temp.s JOIN (SELECT 0 AS k UNION ALL SELECT 1);

    INSERT INTO outbox_targets (outbox_id, relay, source, event_id, state, attempts, wraps,
        next_attempt_at, reason, updated_at, round_trip_ms)
    SELECT id, iif(id % 3, 'wss://one.example', 'wss://two.example'), 'configured',
        iif(state = 'sent', rumor_id, NULL),
        iif(state = 'sent', 'accepted', 'open'),
        iif(state = 'sent', 1, 12), 1, next_attempt_at,
        iif(state = 'sent', NULL, 'timeout'), coalesce(settled_at, created_at),
        iif(state = 'sent', 20 + id % 200, NULL)
    FROM outbox;

    INSERT INTO outbox_wraps
    SELECT rumor_id, id, '{"kind":1059}', created_at FROM outbox WHERE rumor_json IS NOT NULL
        AND state = 'sent';

    INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, error_message,
        notif_type)
    SELECT dispute_id, recipient_typed, settled_at, iif(state = 'sent', 'sent', 'failed'),
        iif(state = 'sent', NULL,
            'notification error: gift-wrap send failed: wss://two.example: timeout'),
        notif_type
    FROM outbox WHERE state IN ('sent', 'dead') AND notif_type IS NOT NULL ORDER BY settled_at, id;

    INSERT INTO takes (dispute_id, request_ids, known_created_at, started_at, deadline_at, attempts,
        state, reason, finished_at)
    SELECT dispute, '[' || i || ']', opened, iif(mediated, taken, opened + 20) - 5, taken + 60, 1,
        iif(mediated, 'taken', 'refused'), iif(mediated, NULL, 'not_allowed_by_status'),
        iif(mediated, taken, opened + 20)
    FROM temp.d WHERE mediated OR i % 200 = 13 ORDER BY i;

    INSERT INTO parties (dispute_id, order_id, buyer, seller, initiator, facts_json,
        invoice_held_at, own_key, answered_at, taken_at, released_at, released_by)
    SELECT dispute, 'order-' || i, buyer, seller, initiator, '{}', opened - 3600, :ours, s.taken,
        s.taken, CASE WHEN s.state <> 'resolved' THEN NULL WHEN s.handed THEN s.taken + 1800
            ELSE s.ends END,
        CASE WHEN s.state <> 'resolved' THEN NULL WHEN s.handed THEN 'takeover' ELSE 'closed' END
    FROM temp.s JOIN (SELECT i, initiator, opened FROM temp.d) USING (i);

    INSERT INTO journal (at, dispute_id, kind, payload_json)
    SELECT finished_at, dispute_id, 'take_' || state,
        json_object('attempts', 1, 'reason', reason)
    FROM takes ORDER BY finished_at
"""

_SESSIONS: Final = """
    INSERT INTO mediation_sessions
    SELECT session, dispute, CASE WHEN state = 'resolved' THEN 'closed'
            WHEN handed THEN 'escalation_recommended' ELSE 'awaiting_response' END,
        1, :bundle, :hash, NULL, :ours,
        iif(handed, 'conflicting_claims', 'coordination_failure_resolvable'), iif(handed, 0.9, 0.8),
        buyer_address, seller_address, NULL, NULL, taken,
        iif(state = 'resolved', taken + iif(handed, 1800, 901), taken + handed * 900),
        iif(state = 'waiting', 0, 1), 0
    FROM temp.s;

    INSERT INTO session_facts (session_id, opening_event_id, taken_at, pairs_put, evaluations)
    SELECT s.session, opening, s.taken, 1, iif(s.state = 'waiting', 0, 1)
    FROM temp.s JOIN temp.d USING (i);

    INSERT INTO mediation_messages
    SELECT message + k, session, iif(k < 2, 'outbound', 'inbound'), iif(k % 2, 'seller', 'buyer'),
        iif(k % 2, seller_address, buyer_address),
        iif(k < 2, iif(k, asked_seller, asked_buyer), digest(i, 10 + k)),
        taken + iif(k < 2, 0, 300 + k), digest(i, 12 + k),
        iif(k < 2, 'When did you pay, and how? Round ' || k, 'I paid on Monday. ' || dispute),
        iif(k < 2, :bundle, NULL), iif(k < 2, :hash, NULL), taken + iif(k < 2, 0, 300 + k), 0
    FROM temp.s JOIN (SELECT 0 AS k UNION ALL VALUES (1), (2), (3))
    WHERE k < 2 OR state <> 'waiting';

    INSERT INTO session_sides
    SELECT session, iif(k, 'seller', 'buyer'), state <> 'waiting', message + k, taken, taken + 1,
        iif(state = 'waiting', NULL, message + 2 + k),
        iif(state = 'waiting', NULL, taken + 302 + k), 'en'
    FROM temp.s JOIN (SELECT 0 AS k UNION ALL SELECT 1);

    INSERT INTO reasoning_rationales
    SELECT sha256(words(session, k)), session, 'openai-compatible', 'scripted', :bundle, :hash,
        words(session, k), taken + iif(k, 890 + k, 0)
    FROM temp.s JOIN (SELECT 0 AS k UNION ALL VALUES (1), (2))
    WHERE k = 0 OR (state <> 'waiting' AND (k = 1 OR NOT handed));

    INSERT INTO mediation_summaries (session_id, dispute_id, classification, confidence,
        suggested_next_step, summary_text, prompt_bundle_id, policy_hash, rationale_id,
        generated_at)
    SELECT session, dispute, 'coordination_failure_resolvable', 0.8, 'Ask for the receipt.',
        'The buyer paid late; both agree.', :bundle, :hash, sha256(words(session, 2)), taken + 892
    FROM temp.s WHERE NOT handed AND state = 'resolved';

    INSERT INTO reasoning_calls (at, dispute_id, session_id, purpose, provider, model, output_mode,
        attempts, latency_ms, input_tokens, output_tokens, policy_hash, rationale_id,
        seen_message_id, pairs_put)
    SELECT taken + k * 891, dispute, iif(k, session, NULL), 'classify', 'openai-compatible',
        'scripted', 'json', 1, 700 + i % 900, 1200, 90, :hash, sha256(words(session, k)),
        iif(k, message + 3, NULL), k
    FROM temp.s JOIN (SELECT 0 AS k UNION ALL SELECT 1) WHERE k = 0 OR state <> 'waiting'
    ORDER BY taken + k * 891;

    WITH label (how, name, sure) AS (VALUES (0, 'coordination_failure_resolvable', 0.8),
        (1, 'conflicting_claims', 0.9)),
    e (k, kind, own, after, what) AS (VALUES
        (1, 'start_attempt_started', 0, -9, 'start'), (2, 'reasoning_verdict', 0, -5, 'verdict'),
        (3, 'take_dispute_issued', 0, 0, 'take'), (4, 'session_opened', 1, 0, ''),
        (5, 'classification_produced', 1, 0, 'first'),
        (6, 'outbound_sent', 1, 1, 'asked buyer'), (7, 'outbound_sent', 1, 1, 'asked seller'),
        (8, 'inbound_ingested', 1, 302, 'buyer'), (9, 'inbound_ingested', 1, 303, 'seller'),
        (10, 'classification_produced', 1, 891, 'second'),
        (11, 'state_transition', 1, 891, 'awaiting_response classified'),
        (12, 'state_transition', 1, 891, 'classified summary_pending'),
        (13, 'summary_generated', 1, 892, 'summary'),
        (14, 'state_transition', 1, 901, 'summary_pending summary_delivered'),
        (15, 'session_closed', 1, 901, 'summary_delivered'),
        (11, 'escalation_recommended', 1, 900, 'escalation'),
        (12, 'handoff_prepared', 1, 900, 'handoff'),
        (13, 'escalation_dispatched', 1, 902, 'dispatch'),
        (15, 'session_closed', 1, 1800, 'dispute_taken_by_human'),
        (16, 'resolved_externally_reported', 1, NULL, 'report')),
    told AS (SELECT * FROM temp.s JOIN e JOIN label ON how = iif(k < 6, 0, handed)
        WHERE k < 8 OR state <> 'waiting' AND (
            k <= 10 OR k = 16 AND state = 'resolved'
            OR handed AND (what IN ('escalation', 'handoff', 'dispatch')
                OR what = 'dispute_taken_by_human' AND state = 'resolved')
            OR NOT handed AND (kind = 'state_transition' OR what LIKE 'summary%')))
    INSERT INTO mediation_events
    SELECT event + k, iif(own, session, NULL), kind,
        CASE what WHEN '' THEN '{}'
            WHEN 'start' THEN json_object('dispute_id', dispute, 'trigger', 'detected')
            WHEN 'verdict' THEN json_object('classification', name, 'confidence', sure, 'decision',
                'ask_clarification', 'dispute_id', dispute, 'rationale_id',
                sha256(words(session, 0)))
            WHEN 'take' THEN json_object('dispute_id', dispute, 'outcome', 'success')
            WHEN 'asked buyer' THEN json_object('inner_event_id', asked_buyer, 'shared_pubkey',
                buyer_address)
            WHEN 'asked seller' THEN json_object('inner_event_id', asked_seller, 'shared_pubkey',
                seller_address)
            WHEN 'escalation' THEN json_object('dispute_id', dispute, 'evidence_refs',
                json_array(), 'rationale_refs', json_array(sha256(words(session, 1))), 'reason',
                'conflict_flag', 'session_id', session, 'trigger', 'conflicting_claims')
            WHEN 'handoff' THEN json_object('dispute_id', dispute, 'session_id', session, 'trigger',
                'conflicting_claims', 'evidence_refs', json_array(), 'prompt_bundle_id', :bundle,
                'policy_hash', :hash, 'rationale_refs', json_array(sha256(words(session, 1))),
                'assembled_at', taken + 900)
            WHEN 'dispatch' THEN json_object('dispatch_id', printf('dispatch-%d', i), 'dispute_id',
                dispute, 'fallback_broadcast', json('false'), 'handoff_event_id', event + 12,
                'status', 'dispatched', 'target_solver',
                upper(solver(0)) || ',' || upper(solver(1)))
            WHEN 'report' THEN json_object('classification', name, 'confidence', sure, 'dispute_id',
                dispute, 'final_dispute_status', closing, 'narrative', 'Dispute closed.',
                'outbound_party_messages_count', 2, 'session_id', session)
            ELSE CASE kind WHEN 'state_transition' THEN json_object(
                    'from', substr(what, 1, instr(what, ' ') - 1),
                    'to', substr(what, instr(what, ' ') + 1))
                WHEN 'session_closed' THEN json_object('dispute_id', dispute, 'reason', what)
                WHEN 'inbound_ingested' THEN json_object('inner_event_id',
                    digest(i, iif(what = 'buyer', 12, 13)), 'party', what, 'stale', json('false'))
                ELSE json_object('classification', name, 'confidence', sure, 'rationale_id',
                    sha256(words(session, iif(k < 6, 0, iif(k = 10, 1, 2))))) END END,
        CASE WHEN k IN (2, 5) THEN sha256(words(session, 0))
            WHEN what = 'second' THEN sha256(words(session, 1))
            WHEN what = 'summary' THEN sha256(words(session, 2)) END,
        iif(k IN (1, 16), NULL, :bundle), iif(k IN (1, 16), NULL, :hash),
        coalesce(taken + after, ends)
    FROM told ORDER BY event + k;

    INSERT INTO dispute_events
    SELECT json_extract(payload_json, '$.dispute_id'), kind, id FROM mediation_events
    WHERE session_id IS NULL;

    INSERT INTO escalation_dispatches
    SELECT printf('dispatch-%d', i), dispute, session, event + 12,
        upper(solver(0)) || ',' || upper(solver(1)), taken + 902, taken + 902, 'dispatched', 0
    FROM temp.s WHERE handed;

    INSERT INTO ladders (id, dispute_id, session_id, handoff_event_id, started_at, policy_json,
        steps_taken, next_at, ended_at, ended_by)
    SELECT j, dispute, session, event + 12, taken + 902,
        '[[600, "writers"], [1800, "everyone"]]', 1,
        iif(state = 'resolved', NULL, taken + 2702), iif(state = 'resolved', taken + 1800, NULL),
        iif(state = 'resolved', 'taken', NULL)
    FROM temp.s WHERE handed;

    INSERT INTO ladder_steps
    SELECT j, 1, taken + 1502, 'writers', json_array(solver(0)) FROM temp.s WHERE handed;

    INSERT INTO journal (at, dispute_id, session_id, kind, payload_json)
    SELECT taken + 902, dispute, session, 'ladder_began',
        json_object('handoff_event_id', event + 12)
    FROM temp.s WHERE handed;

    INSERT INTO cursors VALUES ('horizon', 0), ('disputes', :newest),
        ('handoffs_taken_up', (SELECT max(id) FROM mediation_events)),
        ('reference_mediation_events', (SELECT max(id) FROM mediation_events)),
        ('reference_transitions', (SELECT max(id) FROM dispute_state_transitions))
"""

_SCRATCH: Final = """
    CREATE TEMP TABLE d (i INTEGER PRIMARY KEY, dispute, opening, taking, ending, initiator, state,
        closing, opened, taken, ends, mediated, session, handed);

    CREATE TEMP TABLE s (j INTEGER PRIMARY KEY, i, dispute, session, state, handed, taken, event,
        message, asked_buyer, asked_seller, buyer, seller, buyer_address, seller_address, closing,
        ends);

    CREATE TEMP TABLE told (k INTEGER PRIMARY KEY, solver, typed)
"""


def make(path: Path, many: int) -> Path:
    """Make a database of so many disputes.

    Args:
        path: of the file; none is there yet.
        many: at least 400.
    """
    provide(path)
    bundle = packaged()
    given = {
        "many": many,
        "open": min(500, many // 20),
        "newest": NEWEST,
        "span": SPAN,
        "node": NODE,
        "ours": OURS,
        "bundle": BUNDLE_ID,
        "hash": bundle.policy_hash,
    }
    with closing(sqlite.driver.connect(path)) as raw:
        _prepare(raw)
        for statement in (_DISPUTES + ";" + _CORE + ";" + _MESSAGES + ";" + _SESSIONS).split(";\n"):
            named = {name: value for name, value in given.items() if f":{name}" in statement}
            raw.execute(statement, named)
        parts = [getattr(bundle, each) for each in PARTS]
        raw.execute(
            f"INSERT INTO prompt_bundles VALUES (?, ?, {', '.join('?' * len(PARTS))}, ?)",  # noqa: S608
            (bundle.policy_hash, BUNDLE_ID, *parts, NEWEST - SPAN),
        )
        raw.commit()
        raw.execute("PRAGMA journal_mode = WAL").fetchall()
    return path


def _prepare(raw: Any) -> None:
    """Make it fast, and give the statements their functions."""
    for pragma in ("synchronous = OFF", "journal_mode = OFF", "cache_size = -300000"):
        raw.execute(f"PRAGMA {pragma}").fetchall()
    raw.execute("PRAGMA temp_store = MEMORY")
    for name, arguments, function in (
        ("digest", 2, _digest),
        ("solver", 1, lambda number: key(number + 1)),
        ("words", 2, lambda session, number: f"Rationale {number} of {session}."),
        ("sha256", 1, lambda text: hashlib.sha256(text.encode()).hexdigest()),
    ):
        raw.create_function(name, arguments, function, deterministic=True)
    for statement in _SCRATCH.split(";"):
        raw.execute(statement)
    solvers = [key(number % SOLVERS + 1) for number in range(2 * SOLVERS)]
    raw.executemany(
        "INSERT INTO told VALUES (?, ?, ?)",
        [(number, each, each.upper()) for number, each in enumerate(solvers)],
    )


def _digest(number: int, kind: int) -> str:
    """64 hex digits of which no two are the same, in no order."""
    return f"{number * 2_654_435_761 + kind * 40_503 & 0xFFFFFFFF:08x}{kind:08x}{number:048x}"
