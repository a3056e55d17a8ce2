"""Disputes, the moves of their lifecycle, and the revisions they follow."""

import json
from collections.abc import Iterator
from typing import Final

from serbero.model.lifecycle import TRANSITIONS, DisputeStatus, Lifecycle
from serbero.store.verification.finding import Check, Finding, Level, by, name_of, said
from serbero.store.verification.scope import Row, Scope
from serbero.store.verification.steps import clock_went_back

_D: Final = "disputes"
_T: Final = "dispute_state_transitions"
_R: Final = "revisions"
_STATES: Final = json.dumps([each.value for each in Lifecycle])
_STATUSES: Final = json.dumps([each.value for each in DisputeStatus])
_LEGAL: Final = json.dumps(
    [f"{before}>{after}" for before, all_after in TRANSITIONS.items() for after in all_after]
)
_OPEN: Final = (DisputeStatus.INITIATED, DisputeStatus.IN_PROGRESS)
_TOGETHER_SECONDS: Final = 60
"""What belongs together is written within so many seconds, whichever program wrote it."""
_CHANGED: Final = "a row was changed or deleted after it was written"


def _words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.lifecycle_state, d.dispute_status, d.initiator_role FROM disputes d
    WHERE {about d.dispute_id} AND (
      d.lifecycle_state NOT IN (SELECT value FROM json_each(:states))
      OR d.dispute_status NOT IN (SELECT value FROM json_each(:statuses))
      OR d.initiator_role NOT IN ('buyer', 'seller', 'unknown')
    )
    """
    for dispute, *values in scope.rows(query, states=_STATES, statuses=_STATUSES):
        expected = "a known state, status and initiator"
        found = ", ".join(map(said, values))
        yield Finding(_D, name_of(dispute), name_of(dispute), expected, found, _CHANGED)


def _move_words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT t.id, t.dispute_id, t.from_state, t.to_state FROM dispute_state_transitions t
    WHERE {about t.dispute_id} AND (t.from_state IS NULL
      OR t.from_state NOT IN (SELECT value FROM json_each(:states))
      OR t.to_state NOT IN (SELECT value FROM json_each(:states)))
    """
    for row, dispute, before, after in scope.rows(query, states=_STATES):
        found = f"{said(before)} -> {said(after)}"
        expected = "two known states"
        yield Finding(_T, name_of(row), name_of(dispute), expected, found, _CHANGED)


def _illegal(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT t.id, t.dispute_id, t.from_state, t.to_state FROM dispute_state_transitions t
    WHERE {about t.dispute_id}
      AND t.from_state IN (SELECT value FROM json_each(:states))
      AND t.to_state IN (SELECT value FROM json_each(:states))
      AND t.from_state || '>' || t.to_state NOT IN (SELECT value FROM json_each(:legal))
    """
    for row, dispute, before, after in scope.rows(query, states=_STATES, legal=_LEGAL):
        found = f"{said(before)} -> {said(after)}"
        expected = "a move the lifecycle allows"
        yield Finding(_T, name_of(row), name_of(dispute), expected, found, _CHANGED)


_BROKEN: Final = """
SELECT id, dispute_id, from_state, state_before, at, at_before,
  state_before IS NOT NULL AND state_before IS NOT from_state,
  typeof(at) <> 'integer' OR at < at_before - :together
FROM (
  SELECT t.id, t.dispute_id, t.from_state, t.transitioned_at AS at,
    lag(t.to_state) OVER w AS state_before, lag(t.transitioned_at) OVER w AS at_before
  FROM dispute_state_transitions t WHERE {about t.dispute_id}
  WINDOW w AS (PARTITION BY t.dispute_id ORDER BY t.id)
)
WHERE (state_before IS NOT NULL AND state_before IS NOT from_state)
  OR typeof(at) <> 'integer' OR at < at_before - :together
"""


def _broken(scope: Scope) -> list[Row]:
    """Moves that do not go on where the one before ended, or come before it: in one pass."""
    return scope.remembered(
        "broken chains", lambda scope: list(scope.rows(_BROKEN, together=_TOGETHER_SECONDS))
    )


def _chain(scope: Scope) -> Iterator[Finding]:
    for row, dispute, state, before, *_, elsewhere, _ in _broken(scope):
        if not elsewhere:
            continue
        expected = f"it begins in {said(before)}, where the move before ended"
        found = f"it begins in {said(state)}"
        meaning = "a move between the two was deleted, or one of them was changed"
        yield Finding(_T, name_of(row), name_of(dispute), expected, found, meaning)


def _backwards(scope: Scope) -> Iterator[Finding]:
    for row, dispute, _, _, at, before, _, early in _broken(scope):
        if not early:
            continue
        if isinstance(at, int) and isinstance(before, int) and clock_went_back(scope, at, before):
            continue
        meaning = "its time was changed, or the clock was set back in between"
        expected = f"a time not before {said(before)}, that of the move before"
        yield Finding(_T, name_of(row), name_of(dispute), expected, said(at), meaning)


def _last(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.lifecycle_state, t.to_state
    FROM disputes d CROSS JOIN dispute_state_transitions t ON t.id = (
      SELECT max(x.id) FROM dispute_state_transitions x WHERE x.dispute_id = d.dispute_id)
    WHERE {about d.dispute_id} AND t.to_state IS NOT d.lifecycle_state
    """
    for dispute, state, after in scope.rows(query):
        expected = f"{said(after)}, where its last move ended"
        meaning = "the state was changed without a move, or the last move is gone"
        yield Finding(_D, name_of(dispute), name_of(dispute), expected, said(state), meaning)


def _last_change(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.last_state_change, t.transitioned_at, d.lifecycle_state
    FROM disputes d CROSS JOIN dispute_state_transitions t ON t.id = (
      SELECT max(x.id) FROM dispute_state_transitions x WHERE x.dispute_id = d.dispute_id)
    WHERE {about d.dispute_id} AND (d.last_state_change IS NULL
      OR abs(d.last_state_change - t.transitioned_at) > :together)
    """
    for dispute, changed, moved, state in scope.rows(query, together=_TOGETHER_SECONDS):
        # A clock that was ahead is corrected in what reminders count from.
        unattended = state in (Lifecycle.NEW, Lifecycle.NOTIFIED)
        known = isinstance(changed, int) and isinstance(moved, int)
        if unattended and known and changed < moved:
            continue
        expected = f"changed at {said(moved)}, the time of its last move"
        row = name_of(dispute)
        yield Finding(_D, row, row, expected, said(changed), _CHANGED)


def _unmoved(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.lifecycle_state, d.detected_at FROM disputes d
    WHERE {about d.dispute_id} AND d.lifecycle_state <> 'new' AND NOT EXISTS (
      SELECT 1 FROM dispute_state_transitions t WHERE t.dispute_id = d.dispute_id)
    """
    first_seen = (Lifecycle.TAKEN, Lifecycle.RESOLVED)
    for dispute, state, at in scope.rows(query):
        if state in first_seen and not scope.before_us(at):
            continue  # it was in that state when it was first seen
        expected, row = "the moves that led there", name_of(dispute)
        yield Finding(_D, row, row, expected, f"{said(state)} without any", "moves were deleted")


def _unannounced(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT t.id, t.dispute_id, t.transitioned_at FROM dispute_state_transitions t
    WHERE {about t.dispute_id} AND t.to_state = 'notified' AND NOT EXISTS (
      SELECT 1 FROM notifications n WHERE n.dispute_id = t.dispute_id AND n.status = 'sent'
        AND n.notif_type = 'initial' AND n.sent_at <= t.transitioned_at + :together)
    """
    for row, dispute, at in scope.rows(query, together=_TOGETHER_SECONDS):
        expected = "a message about the new dispute that was sent by then"
        meaning = "the row of that message was deleted or changed, or could not be written"
        yield Finding(_T, name_of(row), name_of(dispute), expected, "none", meaning, by(scope, at))


def _still_new(scope: Scope) -> Iterator[Finding]:
    if scope.ours:
        query = """
        SELECT d.dispute_id FROM disputes d JOIN revisions r ON r.dispute_id = d.dispute_id
        WHERE {about d.dispute_id} AND d.lifecycle_state = 'new' AND EXISTS (
          SELECT 1 FROM outbox o WHERE o.dispute_id = d.dispute_id AND o.purpose = 'initial'
            AND o.anchor = r.opening_event_id AND o.state = 'sent')
        """
        for (dispute,) in scope.rows(query):
            row = name_of(dispute)
            yield Finding(_D, row, row, "notified: solvers were told", "new", _CHANGED)
        return
    query = """
    SELECT d.dispute_id, EXISTS (SELECT 1 FROM notifications n WHERE n.dispute_id = d.dispute_id
      AND n.status = 'sent' AND n.notif_type = 'initial')
    FROM disputes d WHERE {about d.dispute_id} AND d.lifecycle_state = 'new' AND NOT EXISTS (
      SELECT 1 FROM dispute_state_transitions t WHERE t.dispute_id = d.dispute_id)
    """
    for dispute, told in scope.rows(query):
        row = name_of(dispute)
        found = "new, although a message was sent" if told else "new, and nobody was told"
        meaning = "it stopped between recording and announcing; our next start takes it up"
        yield Finding(_D, row, row, "notified", found, meaning, Level.NOTE)


def _revision(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.lifecycle_state, r.status FROM disputes d
    JOIN revisions r ON r.dispute_id = d.dispute_id WHERE {about d.dispute_id} AND (
      r.status NOT IN (SELECT value FROM json_each(:statuses))
      OR (r.status = 'initiated' AND d.lifecycle_state = 'resolved')
      OR (r.status = 'in-progress' AND d.lifecycle_state IN ('new', 'notified', 'resolved'))
      OR (r.status NOT IN ('initiated', 'in-progress') AND d.lifecycle_state <> 'resolved'))
    """
    for dispute, state, status in scope.rows(query, statuses=_STATUSES):
        expected = f"a revision that fits {said(state)}"
        yield _of_revision(scope, dispute, expected, said(status))


def _status(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id, d.dispute_status, r.status,
      EXISTS (SELECT 1 FROM dispute_state_transitions t WHERE t.dispute_id = d.dispute_id
        AND t.transitioned_at < r.applied_at AND (r.status = 'settled' AND t.to_state = 'resolved'
          OR r.status = 'in-progress' AND t.to_state = 'taken' AND t.trigger = r.event_id))
    FROM disputes d
    JOIN revisions r ON r.dispute_id = d.dispute_id
    WHERE {about d.dispute_id} AND d.dispute_status IS NOT r.status
    """
    for dispute, status, applied, followed in scope.rows(query):
        if status == DisputeStatus.INITIATED and not _in_outbox(scope, dispute):
            continue  # the reference writes it once and never again
        if followed and status in _OPEN:
            continue  # the reference moved it before our next start followed: ours move at once
        expected = f"{said(applied)}, the status of its revision"
        row = name_of(dispute)
        yield Finding(_D, row, row, expected, said(status), _CHANGED)


def _without_revision(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT d.dispute_id FROM disputes d WHERE {about d.dispute_id} AND NOT EXISTS (
      SELECT 1 FROM revisions r WHERE r.dispute_id = d.dispute_id)
    """
    for (dispute,) in scope.rows(query):
        yield _of_revision(scope, dispute, "the revision that was applied to it", "none")


def _of_revision(scope: Scope, dispute: object, expected: str, found: str) -> Finding:
    """The reference keeps no revisions: what it moved, the next start of ours follows."""
    ours = _in_outbox(scope, dispute)
    meaning = _CHANGED if ours else "the reference moved it since our last start"
    row, level = name_of(dispute), Level.DAMAGE if ours else Level.NOTE
    return Finding(_R, row, row, expected, found, meaning, level)


def _in_outbox(scope: Scope, dispute: object) -> bool:
    """Whether we ever decided a message about it: what the reference finds gets none."""
    query = "SELECT 1 FROM outbox WHERE dispute_id = :of LIMIT 1"
    return next(scope.rows(query, of=dispute), None) is not None


def _unknown_dispute(scope: Scope) -> Iterator[Finding]:
    # Of a period, too: nothing is left of such a dispute that says when, and all of them are
    # found within hundredths of a second.
    asked = "TRUE" if scope.period else "{about r.dispute_id}"
    query = f"""
    SELECT r.dispute_id FROM revisions r WHERE {asked} AND NOT EXISTS (
      SELECT 1 FROM disputes d WHERE d.dispute_id = r.dispute_id)
    """  # noqa: S608
    for (dispute,) in scope.rows(query):
        row = name_of(dispute)
        yield Finding(_R, row, row, "its dispute", "none", "the dispute was deleted")


_LIFECYCLE: Final = frozenset({_D, _T})
_OURS: Final = frozenset({_D, _R, "outbox"})
CHECKS: Final = (
    Check("dispute words", _LIFECYCLE, _words),
    Check("lifecycle words", _LIFECYCLE, _move_words),
    Check("lifecycle moves", _LIFECYCLE, _illegal),
    Check("lifecycle chain", _LIFECYCLE, _chain),
    Check("lifecycle times", _LIFECYCLE, _backwards),
    Check("last move", _LIFECYCLE, _last),
    Check("time of the last move", _LIFECYCLE, _last_change),
    Check("disputes without moves", _LIFECYCLE, _unmoved),
    Check("announcements", _LIFECYCLE | {"notifications"}, _unannounced),
    Check("announced disputes", _LIFECYCLE | {"notifications"}, _still_new),
    Check("revisions", _OURS, _revision),
    Check("dispute status", _OURS | {_T}, _status),
    Check("disputes without revision", _OURS, _without_revision),
    Check("revisions without dispute", _OURS, _unknown_dispute),
)
