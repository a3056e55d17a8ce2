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


def _query(*parts: str) -> sa.TextClause:
    return sa.text("".join(parts))


_TIMES: Final = """
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
_CONCERNED: Final = """
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

# An acknowledgement counts from `at` until before `ends`.
_HAVING_IT: Final = """
leases(dispute_id, at, ends) AS NOT MATERIALIZED (
  SELECT a.dispute_id, a.at, min(a.expires_at, coalesce(a.ended_at, a.expires_at))
  FROM acknowledgements a
),
"""

_LADDERS: Final = """
climbed(
  id, dispute_id, started_at, handed_at, ended_at, steps_taken, until, policy
) AS MATERIALIZED (
  SELECT l.id, l.dispute_id, l.started_at,
    coalesce(
      (SELECT d.dispatched_at FROM escalation_dispatches d
        WHERE d.handoff_event_id = l.handoff_event_id),
      (SELECT w.enqueued_at FROM dispatches_under_way w WHERE w.event_id = l.handoff_event_id),
      l.started_at),
    l.ended_at, l.steps_taken,
    min(:now, coalesce(l.ended_at, :now), coalesce(c.had_since, :now)),
    CASE
      WHEN NOT json_valid(l.policy_json) THEN '[[600],[1800]]'
      WHEN json_type(l.policy_json) <> 'array' THEN '[[600],[1800]]'
      WHEN json_array_length(l.policy_json) = 0 THEN '[[600],[1800]]'
      ELSE l.policy_json
    END
  FROM concerned c CROSS JOIN ladders l ON l.dispute_id = c.dispute_id
),
"""

# A span in which something was owed, and how long nobody did it while somebody was there.
_LATE: Final = """
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

HANDOFFS: Final = _query(
    _TIMES,
    _CONCERNED,
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
    _LATE,
    """
SELECT dispute_id, kind, due, found FROM overdue WHERE late > :term + :slack
ORDER BY dispute_id, due
""",
)
"""Hand-offs nobody was given in time."""

TWICE: Final = _query(
    _TIMES,
    _CONCERNED,
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

STEPS: Final = _query(
    _TIMES,
    _CONCERNED,
    _HAVING_IT,
    _LADDERS,
    """
taken AS (
  SELECT k.id, s.number, s.at, s.at AS until
  FROM climbed k CROSS JOIN ladder_steps s ON s.ladder_id = k.id
  UNION ALL
  -- The one that comes next.
  SELECT k.id, 1 + coalesce((SELECT max(s.number) FROM ladder_steps s WHERE s.ladder_id = k.id), 0),
    NULL, k.until
  FROM climbed k
),
ordered AS (
  SELECT t.*, k.dispute_id, k.steps_taken, k.policy,
    -- The beginning is moved when a clock is set back; what was taken before that keeps its own.
    iif(t.at IS NULL, k.started_at, max(k.started_at, k.handed_at)) AS started_at,
    coalesce(lag(t.at) OVER before, iif(t.at IS NULL, k.started_at,
      max(k.started_at, k.handed_at))) AS since_then,
    coalesce(lag(t.number) OVER before, 0) AS last_number,
    json_array_length(k.policy) AS steps
  FROM taken t JOIN climbed k ON k.id = t.id
  WINDOW before AS (PARTITION BY t.id ORDER BY t.number)
),
planned AS (
  SELECT o.*,
    -- What a clock said that was ahead happened before it was set back.
    CASE WHEN o.since_then <= :now THEN o.since_then
      ELSE coalesce((SELECT max(r.back_at) FROM relived r WHERE r.back_at <= :now), :now)
    END AS since,
    -- After its last step a ladder goes on hourly.
    o.started_at
      + coalesce(json_extract(o.policy, '$[' || (min(o.number, o.steps) - 1) || '][0]'), 0)
      + max(0, o.number - o.steps) * 3600 AS plan,
    CASE WHEN o.number = 1 THEN o.started_at ELSE o.started_at
      + coalesce(json_extract(o.policy, '$[' || (min(o.number - 1, o.steps) - 1) || '][0]'), 0)
      + max(0, o.number - 1 - o.steps) * 3600 END AS plan_before
  FROM ordered o
),
based AS MATERIALIZED (
  SELECT p.*, max(
    -- What was missed is not made up for at once: a step comes as long after the last as planned.
    CASE
      WHEN p.number = 1 THEN p.plan
      WHEN p.plan > p.since THEN max(p.plan, p.since + 60)
      ELSE p.since + min(3600, max(60, p.plan - p.plan_before))
    END,
    -- Nor does a clock that was set back make anybody wait longer than that, or hurry.
    coalesce((SELECT max(r.back_at, p.since) FROM relived r
      WHERE r.ended >= p.since AND r.began <= p.until ORDER BY r.began DESC LIMIT 1)
      + max(60, p.plan - p.plan_before), 0)
  ) AS base FROM planned p
),
points(id, number, point) AS (
  SELECT b.id, b.number, b.base FROM based b
  UNION
  SELECT b.id, b.number, CASE WHEN l.at >= b.since THEN l.ends ELSE max(l.ends, b.base) END
  FROM based b JOIN leases l ON l.dispute_id = b.dispute_id AND l.at < b.until AND l.ends > b.since
),
owed AS (
  SELECT b.dispute_id, b.id, b.number, b.at, b.last_number, x.point AS due,
    coalesce((SELECT min(l.at) FROM leases l
      WHERE l.dispute_id = b.dispute_id AND l.at > x.point AND l.at < b.until), b.until) AS done
  FROM points x JOIN based b ON b.id = x.id AND b.number = x.number
  WHERE NOT EXISTS (SELECT 1 FROM leases l
    WHERE l.dispute_id = b.dispute_id AND l.at <= x.point AND x.point < l.ends)
),
""",
    _LATE,
    """,
faults(dispute_id, id, number, kind, due, found) AS (
  SELECT b.dispute_id, b.id, b.last_number + 1, 'step_missing', b.at,
    'of ladder ' || b.id || ' there is no step ' || (b.last_number + 1) || ', but step ' || b.number
  FROM based b WHERE b.at IS NOT NULL AND b.number > b.last_number + 1
  UNION ALL
  SELECT b.dispute_id, b.id, b.number, 'step_missing', b.base,
    'of ladder ' || b.id || ' ' || b.steps_taken || ' steps count as taken, there are '
      || b.last_number
  FROM based b WHERE b.at IS NULL AND b.steps_taken > b.last_number
  UNION ALL
  SELECT o.dispute_id, o.id, o.number,
    CASE WHEN o.at IS NULL THEN 'step_missing' ELSE 'step_late' END, min(o.due),
    CASE WHEN o.at IS NULL
      THEN 'ladder ' || o.id || ' took ' || o.last_number || ' steps; step ' || o.number
        || ' was due'
      ELSE 'ladder ' || o.id || ' took step ' || o.number || ' ' || (o.at - min(o.due))
        || ' s after it was due' END
  FROM overdue o WHERE o.late > :slack
    AND NOT EXISTS (SELECT 1 FROM relived r WHERE r.began <= o.at AND o.at <= r.ended)
  GROUP BY o.id, o.number
  UNION ALL
  SELECT b.dispute_id, b.id, b.number, 'reminder_twice', b.at,
    'steps ' || b.last_number || ' and ' || b.number || ' of ladder ' || b.id || ' came '
      || (b.at - b.since_then) || ' s apart'
  FROM based b
  WHERE b.last_number > 0 AND b.at - b.since_then < min(60, b.plan - b.plan_before)
    AND NOT EXISTS (SELECT 1 FROM relived r WHERE r.began <= b.at AND b.at <= r.ended)
    AND NOT EXISTS (SELECT 1 FROM relived r
      WHERE r.began <= b.since_then AND b.since_then <= r.ended)
)
SELECT dispute_id, kind, min(due), found FROM faults
GROUP BY dispute_id, id, number, kind ORDER BY dispute_id, id, number
""",
)
"""Steps of ladders that were not taken in time, or all at once."""

RECIPIENTS: Final = _query(
    _TIMES,
    _CONCERNED,
    _HAVING_IT,
    _LADDERS,
    """
steps AS MATERIALIZED (
  SELECT k.dispute_id, k.id, s.number, s.at,
    CASE WHEN json_valid(s.recipients_json) AND json_type(s.recipients_json) = 'array'
      THEN s.recipients_json ELSE '[]' END AS people
  FROM climbed k CROSS JOIN ladder_steps s ON s.ladder_id = k.id
),
meant AS MATERIALIZED (
  SELECT s.dispute_id, s.id, s.number, s.at, e.value AS solver FROM steps s, json_each(s.people) e
),
messages AS MATERIALIZED (
  SELECT o.dispute_id, o.recipient, o.enqueued_ms / 1000 AS at, CAST(o.anchor AS INTEGER) AS id,
    CAST(substr(o.anchor, instr(o.anchor, '.') + 1) AS INTEGER) AS number
  FROM concerned c CROSS JOIN outbox o ON o.dispute_id = c.dispute_id
    AND o.purpose = 'escalation_reminder'
),
sent AS MATERIALIZED (
  SELECT dispute_id, id, number, recipient, min(at) AS at FROM messages
  GROUP BY dispute_id, id, number, recipient
),
faults(dispute_id, kind, due, found) AS (
  SELECT m.dispute_id, 'reminder_lost', m.at,
    'of step ' || m.number || ' of ladder ' || m.id || ' ' || count(*)
      || ' solvers have no message who should'
  FROM meant m LEFT JOIN sent s ON s.id = m.id AND s.number = m.number
    AND s.dispute_id = m.dispute_id AND s.recipient = m.solver
  WHERE s.recipient IS NULL GROUP BY m.dispute_id, m.id, m.number
  UNION ALL
  SELECT s.dispute_id, 'reminder_unexplained', s.at,
    'a message of step ' || s.number || ' of ladder ' || s.id || ', which reminded no such solver'
  FROM sent s LEFT JOIN meant m ON s.id = m.id AND s.number = m.number
    AND s.dispute_id = m.dispute_id AND s.recipient = m.solver
  WHERE m.solver IS NULL GROUP BY s.dispute_id, s.id, s.number
  UNION ALL
  SELECT s.dispute_id, 'reminded_nobody', s.at,
    'step ' || s.number || ' of ladder ' || s.id || ' reached nobody, and nobody had put it off'
  FROM steps s WHERE json_array_length(s.people) = 0 AND NOT EXISTS (
    SELECT 1 FROM journal j WHERE j.dispute_id = s.dispute_id AND j.kind = 'snoozed'
      AND j.at <= s.at AND CASE WHEN json_valid(j.payload_json)
        THEN json_extract(j.payload_json, '$.until') > s.at END)
  UNION ALL
  SELECT s.dispute_id, 'reminder_after', NULL,
    'step ' || s.number || ' of ladder ' || s.id || ' reminded '
      || count(DISTINCT s.recipient) || ' solvers after somebody had it'
  FROM sent s
  JOIN concerned c ON c.dispute_id = s.dispute_id
  LEFT JOIN climbed k ON k.id = s.id
  WHERE (c.had_since < s.at OR k.ended_at < s.at OR EXISTS (SELECT 1 FROM leases l
      WHERE l.dispute_id = s.dispute_id AND l.at < s.at AND s.at < l.ends))
    AND NOT EXISTS (SELECT 1 FROM relived r WHERE r.began <= s.at AND s.at <= r.ended)
  GROUP BY s.dispute_id, s.id, s.number
)
SELECT dispute_id, kind, due, found FROM faults ORDER BY dispute_id, due
""",
)
"""Reminders and the steps they belong to, compared with each other and with who had it."""

LADDERS: Final = _query(
    _TIMES,
    _CONCERNED,
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

WARNINGS: Final = _query(
    _TIMES,
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
    _LATE,
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
