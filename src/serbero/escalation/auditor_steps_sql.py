"""The part of :mod:`serbero.escalation.auditor_sql` that is about the steps of ladders."""

from typing import Final

from serbero.escalation.auditor_sql import CONCERNED, LATE, TIMES, query

# An acknowledgement counts from `at` until before `ends`.
_HAVING_IT: Final = """
leases(dispute_id, at, ends) AS NOT MATERIALIZED (
  SELECT a.dispute_id, a.at, min(a.expires_at, coalesce(a.ended_at, a.expires_at))
  FROM acknowledgements a
),
"""

_CLIMBED: Final = """
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

STEPS: Final = query(
    TIMES,
    CONCERNED,
    _HAVING_IT,
    _CLIMBED,
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
    LATE,
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

RECIPIENTS: Final = query(
    TIMES,
    CONCERNED,
    _HAVING_IT,
    _CLIMBED,
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
