"""What people should have been told by now, recomputed in SQL from what happened.

Written from the rules alone: nothing here comes from the code that keeps them, so that a fault of
theirs is not repeated. Each query returns rows of dispute, kind, when it was expected (Unix
seconds, or NULL) and what was found instead, in words. All begin with the open disputes and go on
by index (``CROSS JOIN`` keeps SQLite from another order, in which it would read the whole past); of
others only what is still under way is looked at.

Parameters: ``now``; ``slack``, how many seconds late is not late; ``term``, see
:class:`serbero.store.watches.Watched`; ``node``; ``unwatched`` and ``relived``, JSON lists of
``[from, until]``. Seconds in which nobody was there do not count.
"""

from typing import Final

import sqlalchemy as sa


def query(*parts: str) -> sa.TextClause:
    """Put a query together from its parts."""
    return sa.text("".join(parts))


TIMES: Final = """
WITH unwatched(began, ended) AS MATERIALIZED (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(:unwatched)
),
-- Each begins a little before the moment the clock was set back to.
relived(began, ended, back_at) AS MATERIALIZED (
  SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), 75 + json_extract(value, '$[0]')
  FROM json_each(:relived)
),
"""

# A dispute is a person's once it was taken and is not ours, or closed. Ours is one with a row in
# `parties` that was not released. Under a new key of ours nobody has what we held.
CONCERNED: Final = """
ids(dispute_id) AS MATERIALIZED (
  SELECT DISTINCT dispute_id FROM (
    SELECT d.dispute_id FROM disputes d
    WHERE d.lifecycle_state IN ('new', 'notified', 'taken', 'waiting', 'escalated')
    UNION ALL SELECT l.dispute_id FROM ladders l WHERE l.next_at > 0
    UNION ALL SELECT o.dispute_id FROM outbox o
    WHERE o.next_attempt_at > 0 AND o.purpose = 'escalation_reminder'
  )
),
concerned(dispute_id, state, is_open, detected_at, had_since, handed_on_at) AS MATERIALIZED (
  SELECT d.dispute_id, d.lifecycle_state, d.lifecycle_state <> 'resolved', d.detected_at,
    CASE
      WHEN d.lifecycle_state = 'resolved' THEN coalesce(
        (SELECT max(t.transitioned_at) FROM dispute_state_transitions t
          WHERE t.dispute_id = d.dispute_id AND t.to_state = 'resolved'), d.detected_at)
      WHEN d.lifecycle_state NOT IN ('taken', 'waiting') THEN NULL
      WHEN p.dispute_id IS NOT NULL AND p.released_at IS NULL THEN NULL
      WHEN p.released_by = 'own_key_changed' AND coalesce(r.applied_at, 0) <= p.released_at
        THEN NULL
      ELSE max(
        coalesce(
          (SELECT max(t.transitioned_at) FROM dispute_state_transitions t
            WHERE t.dispute_id = d.dispute_id AND t.to_state = 'taken'),
          d.last_state_change, d.detected_at),
        coalesce(CASE p.released_by WHEN 'own_key_changed' THEN r.applied_at
          ELSE p.released_at END, 0))
    END,
    -- The last time the node said something new of it: whatever ends may have ended then.
    max(
      coalesce((SELECT max(t.transitioned_at) FROM dispute_state_transitions t
        WHERE t.dispute_id = d.dispute_id AND t.to_state IN ('new', 'taken', 'resolved')), 0),
      coalesce(CASE WHEN p.released_by <> 'own_key_changed' THEN p.released_at END, 0),
      coalesce(r.applied_at, 0))
  FROM ids i
  CROSS JOIN disputes d ON d.dispute_id = i.dispute_id
  LEFT JOIN parties p ON p.dispute_id = d.dispute_id
  LEFT JOIN revisions r ON r.dispute_id = d.dispute_id
),
"""

# A span in which something was owed, and how long nobody did it while somebody was there.
LATE: Final = """
overdue AS (
  SELECT o.*, o.done - o.due - coalesce(
    (SELECT sum(max(0, min(u.ended, o.done) - max(u.began, o.due))) FROM unwatched u), 0
  ) AS late FROM owed o WHERE o.done > o.due
)
"""

_PREPARED: Final = """
prepared(dispute_id, event_id, session_id, at) AS MATERIALIZED (
  SELECT c.dispute_id, e.id, e.session_id, e.occurred_at
  FROM concerned c
  CROSS JOIN mediation_sessions s ON s.dispute_id = c.dispute_id
  CROSS JOIN mediation_events e ON e.session_id = s.session_id AND e.kind = 'handoff_prepared'
  WHERE c.is_open
  UNION
  SELECT c.dispute_id, e.id, NULL, e.occurred_at
  FROM concerned c
  CROSS JOIN dispute_events x ON x.dispute_id = c.dispute_id AND x.kind = 'handoff_prepared'
  CROSS JOIN mediation_events e ON e.id = x.event_id
  WHERE c.is_open
),
said(event_id, kind) AS MATERIALIZED (
  SELECT p.event_id, e.kind FROM prepared p CROSS JOIN mediation_events e
    ON e.session_id = p.session_id
    AND e.kind IN ('escalation_dispatch_parse_failed', 'escalation_dispatch_unroutable')
  WHERE CASE WHEN json_valid(e.payload_json)
    THEN json_extract(e.payload_json, '$.handoff_event_id') = p.event_id END
  UNION
  SELECT p.event_id, e.kind FROM prepared p
  CROSS JOIN dispute_events x ON p.session_id IS NULL AND x.dispute_id = p.dispute_id
    AND x.kind IN ('escalation_dispatch_parse_failed', 'escalation_dispatch_unroutable')
  CROSS JOIN mediation_events e ON e.id = x.event_id
  WHERE CASE WHEN json_valid(e.payload_json)
    THEN json_extract(e.payload_json, '$.handoff_event_id') = p.event_id END
  UNION
  SELECT p.event_id, j.kind FROM prepared p CROSS JOIN journal j
    ON j.dispute_id = p.dispute_id AND j.kind = 'handoff_expired'
  WHERE CASE WHEN json_valid(j.payload_json)
    THEN json_extract(j.payload_json, '$.handoff_event_id') = p.event_id END
),
handed AS MATERIALIZED (
  SELECT p.dispute_id, p.event_id,
    -- One that rested because its dispute was closed is due again when that is open again.
    max(p.at, coalesce((SELECT max(t.transitioned_at) FROM dispute_state_transitions t
      WHERE t.dispute_id = p.dispute_id AND t.from_state = 'resolved'), 0)) AS due,
    coalesce(d.dispatched_at, w.enqueued_at) AS sent_at,
    d.status,
    w.event_id IS NOT NULL AS under_way,
    q.event_id IS NOT NULL AS waits,
    q.parked
  FROM prepared p
  LEFT JOIN escalation_dispatches d ON d.handoff_event_id = p.event_id
  LEFT JOIN dispatches_under_way w ON w.event_id = p.event_id
  LEFT JOIN pending_handoffs q ON q.event_id = p.event_id
  WHERE NOT EXISTS (SELECT 1 FROM said x
    WHERE x.event_id = p.event_id AND x.kind = 'escalation_dispatch_parse_failed')
),
"""

HANDOFFS: Final = query(
    TIMES,
    CONCERNED,
    _PREPARED,
    """
owed AS (
  SELECT h.dispute_id, 'handoff_missing' AS kind, h.due, :now AS done,
    'hand-off ' || h.event_id || ' ' || CASE
      WHEN h.parked IS NOT NULL THEN 'rests as ' || h.parked
      WHEN h.waits THEN 'still waits'
      ELSE 'is in no list of those that wait'
    END AS found
  FROM handed h WHERE h.sent_at IS NULL AND coalesce(h.parked, '') NOT IN ('unroutable', 'expired')
  UNION ALL
  SELECT h.dispute_id, 'handoff_late', h.due, h.sent_at,
    'hand-off ' || h.event_id || ' was dispatched ' || (h.sent_at - h.due) || ' s after it was due'
  FROM handed h WHERE NOT EXISTS (SELECT 1 FROM said x WHERE x.event_id = h.event_id)
    AND NOT EXISTS (SELECT 1 FROM relived r WHERE r.began <= h.sent_at AND h.sent_at <= r.ended)
  UNION ALL
  SELECT h.dispute_id, 'handoff_lost', h.sent_at, :now,
    'hand-off ' || h.event_id || ' is on record as dispatched, and nobody has a message of it'
  FROM handed h
  WHERE (h.status = 'dispatched' AND NOT EXISTS (SELECT 1 FROM notifications n
      WHERE n.dispute_id = h.dispute_id AND n.status = 'sent'
        AND n.notif_type = 'mediation_escalation_recommended')
      OR h.status IS NULL AND h.under_way)
    AND NOT EXISTS (SELECT 1 FROM outbox o
      WHERE o.dispute_id = h.dispute_id AND o.purpose = 'escalation_handoff'
        AND o.anchor = CAST(h.event_id AS TEXT)
        AND (o.state = 'sent' OR h.under_way AND o.state = 'pending'))
),
""",
    LATE,
    """
SELECT dispute_id, kind, due, found FROM overdue WHERE late > :term + :slack
ORDER BY dispute_id, due
""",
)
"""Hand-offs nobody was given in time."""

TWICE: Final = query(
    TIMES,
    CONCERNED,
    """
messages AS (
  SELECT o.dispute_id, o.purpose, o.recipient, o.channel, o.enqueued_ms / 1000 AS at,
    CASE o.purpose WHEN 'escalation_handoff' THEN o.anchor ELSE
      CAST(o.anchor AS INTEGER) || '.'
        || CAST(substr(o.anchor, instr(o.anchor, '.') + 1) AS INTEGER) END AS about
  FROM concerned c CROSS JOIN outbox o ON o.dispute_id = c.dispute_id
    AND o.purpose IN ('escalation_handoff', 'escalation_reminder')
)
SELECT dispute_id,
  CASE purpose WHEN 'escalation_handoff' THEN 'handoff_twice' ELSE 'reminder_twice' END,
  min(at),
  count(*) || ' messages to one solver of ' || CASE purpose
    WHEN 'escalation_handoff' THEN 'hand-off ' || about
    ELSE 'one reminder, ' || about END
FROM messages GROUP BY dispute_id, purpose, about, recipient, channel HAVING count(*) > 1
ORDER BY dispute_id, min(at)
""",
)
"""Messages somebody got more than once."""

LADDERS: Final = query(
    TIMES,
    CONCERNED,
    _PREPARED,
    """
newest AS (
  SELECT h.dispute_id, max(h.event_id) AS event_id, h.sent_at, c.handed_on_at
  FROM handed h JOIN concerned c ON c.dispute_id = h.dispute_id
  WHERE h.sent_at IS NOT NULL AND c.had_since IS NULL
  GROUP BY h.dispute_id
)
SELECT n.dispute_id, 'ladder_missing' AS kind, n.sent_at,
  'hand-off ' || n.event_id || ' began no ladder' AS found
FROM newest n
WHERE n.handed_on_at < n.sent_at
  AND NOT EXISTS (SELECT 1 FROM ladders l WHERE l.handoff_event_id = n.event_id)
  AND NOT EXISTS (SELECT 1 FROM unwatched u WHERE u.began <= n.sent_at AND n.sent_at <= u.ended)
UNION ALL
SELECT c.dispute_id, 'ladder_stopped', l.ended_at,
  'ladder ' || l.id || ' was ended (' || coalesce(l.ended_by, 'no reason given')
    || ') although nobody has the dispute'
FROM concerned c CROSS JOIN ladders l ON l.dispute_id = c.dispute_id
WHERE c.is_open AND c.had_since IS NULL AND c.handed_on_at < l.started_at
  AND l.ended_at IS NOT NULL
  AND l.id = (SELECT max(x.id) FROM ladders x WHERE x.dispute_id = c.dispute_id)
ORDER BY 1, 3
""",
)
"""Ladders that did not begin, or ended, while nobody had the dispute."""

WARNINGS: Final = query(
    TIMES,
    """
marks(mark, upto) AS (VALUES (43200, 21600), (21600, 7200), (7200, 1800), (1800, 0)),
escrows AS MATERIALIZED (
  SELECT d.dispute_id, :term + coalesce(p.invoice_held_at, min(
      coalesce(nullif(r.opened_at, 0), d.event_timestamp),
      coalesce(r.opening_created_at, d.event_timestamp), d.event_timestamp)) AS deadline,
    max(d.detected_at, r.applied_at, coalesce(p.taken_at, 0)) AS known_at,
    coalesce((SELECT max(w.at) FROM deadline_warnings w WHERE w.dispute_id = d.dispute_id), 0)
      AS last_at
  FROM disputes d
  CROSS JOIN revisions r ON r.dispute_id = d.dispute_id
  LEFT JOIN parties p ON p.dispute_id = d.dispute_id
  WHERE d.lifecycle_state IN ('new', 'notified', 'taken', 'waiting', 'escalated')
    AND d.mostro_pubkey = :node
),
owed AS (
  -- Two warnings are ten minutes apart, should a deadline turn out to be another one.
  SELECT e.dispute_id, 'warning_missing' AS kind, e.deadline, m.mark,
    max(e.deadline - m.mark, e.known_at,
      CASE WHEN e.last_at <= :now THEN e.last_at + 600 ELSE 0 END) AS due,
    min(:now, e.deadline - m.upto) AS done,
    'nobody was warned that the escrow ends at ' || e.deadline AS found
  FROM escrows e JOIN marks m
    ON :now >= e.deadline - m.mark AND (:now < e.deadline - m.upto OR m.upto = 0)
  WHERE NOT EXISTS (SELECT 1 FROM deadline_warnings w
    WHERE w.dispute_id = e.dispute_id AND w.at >= e.deadline - m.mark - 60)
),
""",
    LATE,
    """
SELECT dispute_id, kind, due, found FROM overdue WHERE late > 60 + :slack
UNION ALL
SELECT e.dispute_id, 'warning_lost', w.at,
  'a warning of ' || w.before_seconds || ' s before is on record, and nobody has a message of it'
FROM escrows e CROSS JOIN deadline_warnings w ON w.dispute_id = e.dispute_id
WHERE NOT EXISTS (SELECT 1 FROM outbox o
  WHERE o.dispute_id = e.dispute_id AND o.purpose = 'deadline_warning'
    AND (o.anchor || '.') LIKE (w.deadline || '.' || w.before_seconds || '.%'))
ORDER BY 1, 3
""",
)
"""Ends of escrows nobody was warned of."""
