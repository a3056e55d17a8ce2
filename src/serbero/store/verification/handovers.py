"""Hand-offs: the pair that asks for one, what became of it, and its row of dispatch."""

from collections.abc import Iterator
from typing import Final

from serbero.store.handoffs import HANDOFFS_TAKEN_UP
from serbero.store.verification.finding import Check, Finding, Level, by, name_of, said
from serbero.store.verification.scope import Scope

_E: Final = "mediation_events"
_D: Final = "escalation_dispatches"
_EDITED: Final = "one of the two rows was changed or deleted after both were written"

_HANDOFF_OF_DISPATCH: Final = """
SELECT d.dispatch_id, d.dispute_id, d.handoff_event_id, e.kind, {dispute_of e},
  e.session_id IS d.session_id
FROM escalation_dispatches d LEFT JOIN mediation_events e ON e.id = d.handoff_event_id
WHERE {about d.dispute_id} AND (e.id IS NULL OR e.kind <> 'handoff_prepared'
  OR {dispute_of e} IS NOT d.dispute_id OR e.session_id IS NOT d.session_id)
"""


def _handoff_of_dispatch(scope: Scope) -> Iterator[Finding]:
    for dispatch, dispute, event, kind, about, same in scope.rows(_HANDOFF_OF_DISPATCH):
        expected = f"event {said(event)}, a hand-off of the same dispute and session"
        if kind is None:
            found = "there is no such event"
        elif kind != "handoff_prepared":
            found = f"it is {said(kind)}"
        else:
            found = f"it is of dispute {said(about)}" if same else "it is of another session"
        yield Finding(_D, name_of(dispatch), name_of(dispute), expected, found, _EDITED)


_DISPATCHED: Final = """
  SELECT e.id, e.occurred_at, {dispute_of e} AS dispute_id,
    {json e.payload_json dispatch_id} AS dispatch_id,
    {json e.payload_json handoff_event_id} AS handoff_event_id,
    {json e.payload_json status} AS status,
    {json e.payload_json target_solver} AS target_solver
  FROM mediation_events e WHERE {event e} AND e.kind = 'escalation_dispatched'
"""


def _event_of_dispatch(scope: Scope) -> Iterator[Finding]:
    query = """
    WITH said AS MATERIALIZED ({dispatched})
    SELECT d.dispatch_id, d.dispute_id, d.dispatched_at, count(s.id) AS events,
      sum(s.handoff_event_id IS d.handoff_event_id AND s.status IS d.status
        AND s.target_solver IS d.target_solver) AS alike
    FROM escalation_dispatches d LEFT JOIN said s ON s.dispatch_id = d.dispatch_id
    WHERE {about d.dispute_id} GROUP BY d.dispatch_id
    HAVING events <> 1 OR alike IS NOT 1
    """.replace("{dispatched}", _DISPATCHED)
    for dispatch, dispute, at, events, _ in scope.rows(query):
        expected = "one escalation_dispatched event that says the same"
        found = f"{said(events)} of them" if events != 1 else "it says something else"
        level = by(scope, at) if events == 0 else Level.DAMAGE
        yield Finding(_D, name_of(dispatch), name_of(dispute), expected, found, _EDITED, level)


def _dispatch_of_event(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.id, s.dispute_id, s.dispatch_id FROM ({dispatched}) s
    WHERE NOT EXISTS (SELECT 1 FROM escalation_dispatches d WHERE d.dispatch_id = s.dispatch_id)
    """.replace("{dispatched}", _DISPATCHED)
    for event, dispute, dispatch in scope.rows(query):
        expected = f"the row of dispatch {said(dispatch)} in {_D}"
        meaning = "that row was deleted: both are written in one transaction"
        yield Finding(_E, name_of(event), name_of(dispute), expected, "none", meaning)


def _twice(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT max(s.id), s.dispute_id, s.handoff_event_id, count(*) FROM ({dispatched}) s
    WHERE s.handoff_event_id IS NOT NULL GROUP BY s.handoff_event_id HAVING count(*) > 1
    """.replace("{dispatched}", _DISPATCHED)
    for event, dispute, handoff, number in scope.rows(query):
        expected = f"one dispatch of hand-off {said(handoff)}"
        meaning = "an event was written by hand, or its payload changed"
        found = f"{said(number)} of them"
        yield Finding(_E, name_of(event), name_of(dispute), expected, found, meaning)


_PAIR: Final = """
SELECT e.id, {dispute_of e}, e.occurred_at, e.session_id IS NULL,
  {json e.payload_json dispute_id} IS NULL
FROM mediation_events e WHERE {event e} AND e.kind = :kind AND NOT EXISTS (
  SELECT 1 FROM mediation_events o WHERE o.id = e.id + :beside AND o.kind = :other
    AND o.session_id IS e.session_id AND abs(o.occurred_at - e.occurred_at) <= 60)
"""


def _unprepared(scope: Scope) -> Iterator[Finding]:
    known = {"kind": "escalation_recommended", "beside": 1, "other": "handoff_prepared"}
    for event, dispute, at, _, bare in scope.rows(_PAIR, **known):
        # Two paths of the reference write no hand-off, and no dispute in what they write.
        level = by(scope, at) if bare else Level.DAMAGE
        meaning = (
            "the reference hands nothing over here, and tells nobody: look after this dispute"
            if level is Level.NOTE
            else "the hand-off was deleted or changed: nobody may know of it"
        )
        expected = "handoff_prepared right after it"
        yield Finding(_E, name_of(event), name_of(dispute), expected, "none", meaning, level)


def _unrecommended(scope: Scope) -> Iterator[Finding]:
    known = {"kind": "handoff_prepared", "beside": -1, "other": "escalation_recommended"}
    for event, dispute, *_ in scope.rows(_PAIR, **known):
        expected = "escalation_recommended right before it"
        meaning = "that event was deleted or changed, or this one was written by hand"
        yield Finding(_E, name_of(event), name_of(dispute), expected, "none", meaning)


def _lost(scope: Scope) -> Iterator[Finding]:
    """What is newer than the mark, the next start takes up."""
    query = """
    SELECT e.id, {dispute_of e} FROM mediation_events e
    WHERE {event e} AND e.kind = 'handoff_prepared'
      AND e.id <= coalesce((SELECT value FROM cursors WHERE name = :mark), 0)
      AND NOT EXISTS (SELECT 1 FROM pending_handoffs p WHERE p.event_id = e.id)
      AND NOT EXISTS (SELECT 1 FROM dispatches_under_way w WHERE w.event_id = e.id)
      AND NOT EXISTS (SELECT 1 FROM escalation_dispatches d WHERE d.handoff_event_id = e.id)
      AND e.id NOT IN (SELECT {json f.payload_json handoff_event_id} FROM mediation_events f
        WHERE {event f} AND f.kind = 'escalation_dispatch_parse_failed'
          AND typeof({json f.payload_json handoff_event_id}) = 'integer')
    """
    for event, dispute in scope.rows(query, mark=HANDOFFS_TAKEN_UP):
        expected = "that it waits, is under way, or was dealt with"
        meaning = "nobody will send it: look after this dispute yourself"
        yield Finding(_E, name_of(event), name_of(dispute), expected, "none of these", meaning)


def _orphans(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e}, e.kind, {json e.payload_json handoff_event_id}
    FROM mediation_events e WHERE {event e} AND e.kind IN ('escalation_superseded',
      'escalation_dispatch_unroutable', 'escalation_dispatch_parse_failed', 'escalation_dispatched')
      AND NOT EXISTS (SELECT 1 FROM mediation_events h WHERE h.kind = 'handoff_prepared'
        AND h.id = {json e.payload_json handoff_event_id} AND h.session_id IS e.session_id
        AND h.id < e.id)
    """
    for event, dispute, kind, handoff in scope.rows(query):
        expected = f"hand-off {said(handoff)} of the same session, before it"
        meaning = f"the hand-off was deleted, or this {said(kind)} was changed"
        yield Finding(_E, name_of(event), name_of(dispute), expected, "none", meaning)


def _unsent(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispatch_id, d.dispute_id FROM escalation_dispatches d
    WHERE {about d.dispute_id} AND d.status = 'dispatched'
      AND EXISTS (SELECT 1 FROM outbox o WHERE o.dispute_id = d.dispute_id
        AND o.purpose = 'escalation_handoff' AND o.anchor = CAST(d.handoff_event_id AS TEXT))
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.dispute_id = d.dispute_id
        AND o.purpose = 'escalation_handoff' AND o.anchor = CAST(d.handoff_event_id AS TEXT)
        AND o.state = 'sent')
    """
    for dispatch, dispute in scope.rows(query):
        expected = "a message of this hand-off that a relay took"
        meaning = "the dispatch was changed from send_failed, or the message's state was"
        yield Finding(_D, name_of(dispatch), name_of(dispute), expected, "none", meaning)


_EVENTS: Final = frozenset({_E, "mediation_sessions"})
_BOTH: Final = _EVENTS | {_D}
CHECKS: Final = (
    Check("hand-off of a dispatch", _BOTH, _handoff_of_dispatch),
    Check("event of a dispatch", _BOTH, _event_of_dispatch),
    Check("dispatch of an event", _BOTH, _dispatch_of_event),
    Check("hand-offs dispatched twice", _EVENTS, _twice),
    Check("escalations without hand-off", _EVENTS, _unprepared),
    Check("hand-offs without escalation", _EVENTS, _unrecommended),
    Check("lost hand-offs", _BOTH | {"pending_handoffs", "dispatches_under_way", "cursors"}, _lost),
    Check("fates of hand-offs", _EVENTS, _orphans),
    Check("dispatches that reached nobody", _BOTH | {"outbox"}, _unsent),
)
