"""Takes at the node, ladders and acknowledgements, beside the journal that tells of them."""

from collections.abc import Iterator
from typing import Final

from serbero.store.verification.finding import Check, Finding, name_of, said
from serbero.store.verification.scope import Scope

_EDITED: Final = "one of the two rows was changed or deleted after both were written"


def _takes(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT t.id, t.dispute_id, t.state, t.finished_at FROM takes t WHERE {about t.dispute_id}
      AND (t.state NOT IN ('open', 'taken', 'refused', 'no_answer', 'interrupted')
        OR (t.state = 'open') <> (t.finished_at IS NULL)
        OR (t.state <> 'open' AND NOT EXISTS (SELECT 1 FROM journal j
          WHERE j.dispute_id = t.dispute_id AND j.kind = 'take_' || t.state
            AND j.at = t.finished_at)))
    """
    for row, dispute, state, at in scope.rows(query):
        expected = f"take_{said(state)} in the journal, at {said(at)}"
        if state == "open":
            expected = "no time of its end, for it is open"
        yield Finding("takes", name_of(row), name_of(dispute), expected, "none", _EDITED)


def _held(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT p.dispute_id, p.taken_at FROM parties p WHERE {about p.dispute_id} AND NOT EXISTS (
      SELECT 1 FROM takes t WHERE t.dispute_id = p.dispute_id AND t.state = 'taken')
    """
    for dispute, _ in scope.rows(query):
        row = name_of(dispute)
        expected = "a take that the node answered"
        meaning = "the take was deleted or changed: the node alone gives a dispute"
        yield Finding("parties", row, row, expected, "none", meaning)


def _ladders(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT l.id, l.dispute_id, l.handoff_event_id FROM ladders l
    WHERE {about l.dispute_id} AND NOT EXISTS (SELECT 1 FROM journal j
      WHERE j.dispute_id = l.dispute_id AND j.kind = 'ladder_began'
        AND {json j.payload_json handoff_event_id} = l.handoff_event_id)
    """
    for row, dispute, handoff in scope.rows(query):
        expected = f"ladder_began of hand-off {said(handoff)} in the journal"
        yield Finding("ladders", name_of(row), name_of(dispute), expected, "none", _EDITED)


def _steps(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT l.id, l.dispute_id, l.steps_taken, (SELECT count(*) FROM ladder_steps s
      WHERE s.ladder_id = l.id) AS steps, (SELECT count(*) FROM journal j
      WHERE j.dispute_id = l.dispute_id AND j.kind = 'ladder_step'
        AND {json j.payload_json ladder} = l.id) AS told
    FROM ladders l WHERE {about l.dispute_id} AND (l.steps_taken <> steps OR steps <> told)
    """
    for row, dispute, taken, steps, told in scope.rows(query):
        expected = f"{said(taken)} steps, each of them in the journal"
        found = f"{said(steps)} steps, {said(told)} in the journal"
        yield Finding("ladders", name_of(row), name_of(dispute), expected, found, _EDITED)


def _acknowledged(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT a.id, a.dispute_id, a.at FROM acknowledgements a
    WHERE {about a.dispute_id} AND NOT EXISTS (SELECT 1 FROM journal j
      WHERE j.dispute_id = a.dispute_id AND j.kind = 'acknowledged' AND j.at = a.at
        AND {json j.payload_json solver} = a.solver)
    """
    for row, dispute, at in scope.rows(query):
        expected = f"acknowledged by this solver in the journal, at {said(at)}"
        yield Finding("acknowledgements", name_of(row), name_of(dispute), expected, "none", _EDITED)


_CLIMBED: Final = frozenset({"ladders", "ladder_steps", "journal"})
CHECKS: Final = (
    Check("takes", frozenset({"takes", "journal"}), _takes),
    Check("held disputes", frozenset({"takes", "parties"}), _held),
    Check("ladders", _CLIMBED, _ladders),
    Check("steps of ladders", _CLIMBED, _steps),
    Check("acknowledgements", frozenset({"acknowledgements", "journal"}), _acknowledged),
)
