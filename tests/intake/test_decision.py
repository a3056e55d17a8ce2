"""What a revision means, as a table over everything we may hold."""

from itertools import product

import pytest
from tests.store.rig import T0, dispute_id, revision

from serbero.intake.decision import Announcement, Decision, Outcome, decide
from serbero.model.dispute import Known
from serbero.model.lifecycle import TRANSITIONS, DisputeStatus, Lifecycle

DISPUTE = dispute_id(1)


def held(state: Lifecycle, status: DisputeStatus, at: int = T0) -> Known:
    return Known(state, "e" * 64, at, status, "e" * 64, "buyer")


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        ("initiated", Decision(Outcome.DETECTED, True, None, Lifecycle.NEW, Announcement.NEW)),
        ("in-progress", Decision(Outcome.FIRST_SEEN_TAKEN, True, None, Lifecycle.TAKEN)),
        ("settled", Decision(Outcome.FIRST_SEEN_RESOLVED, True, None, Lifecycle.RESOLVED)),
        ("released", Decision(Outcome.FIRST_SEEN_RESOLVED, True, None, Lifecycle.RESOLVED)),
    ],
)
def test_first_seen(status: str, decision: Decision) -> None:
    """Recorded in its state, and only an open one announced."""
    assert decide(None, revision(DISPUTE, status), horizon=T0) == decision


@pytest.mark.parametrize("status", DisputeStatus)
def test_an_unknown_dispute_from_before_the_horizon_is_not_ours(status: DisputeStatus) -> None:
    decision = decide(None, revision(DISPUTE, status, T0 - 1), horizon=T0)
    assert decision == Decision(Outcome.BEFORE_HORIZON)


def test_the_horizon_does_not_apply_to_what_we_hold() -> None:
    known = held(Lifecycle.NOTIFIED, DisputeStatus.INITIATED, T0)
    decision = decide(known, revision(DISPUTE, "settled", T0 + 1), horizon=T0 + 1000)
    assert decision.outcome is Outcome.RESOLVED


FROM_HERE = {
    ("initiated", "new"): (Outcome.REOPENED, None, Announcement.NEW),
    ("initiated", "*"): (Outcome.REOPENED, Lifecycle.NEW, Announcement.NEW),
    ("in-progress", "taken"): (Outcome.TAKEN_AGAIN, None, None),
    ("in-progress", "waiting"): (Outcome.TAKEN_AGAIN, None, None),
    ("in-progress", "*"): (Outcome.TAKEN, Lifecycle.TAKEN, Announcement.TAKEN),
    ("settled", "resolved"): (Outcome.STATUS_CHANGED, None, None),
    ("settled", "*"): (Outcome.RESOLVED, Lifecycle.RESOLVED, None),
}


@pytest.mark.parametrize(
    ("state", "status"), list(product(Lifecycle, ["initiated", "in-progress", "settled"]))
)
def test_a_newer_revision_wins_from_every_state(state: Lifecycle, status: str) -> None:
    known = held(state, DisputeStatus.SETTLED)
    decision = decide(known, revision(DISPUTE, status, T0 + 1), horizon=0)
    wanted = FROM_HERE.get((status, state.value)) or FROM_HERE[status, "*"]
    assert (decision.outcome, decision.move_to, decision.announce) == wanted
    assert decision.apply
    assert decision.record_as is None
    assert decision.move_to is None or decision.move_to in TRANSITIONS[state]


@pytest.mark.parametrize(("state", "status"), list(product(Lifecycle, DisputeStatus)))
def test_an_older_or_equal_revision_changes_nothing(
    state: Lifecycle, status: DisputeStatus
) -> None:
    known = held(state, DisputeStatus.SETTLED, T0)
    for at in (T0 - 1, T0):
        decision = decide(known, revision(DISPUTE, status, at), horizon=0)
        assert decision == Decision(Outcome.STALE)


def test_the_same_event_is_a_duplicate_whatever_it_says() -> None:
    known = held(Lifecycle.NOTIFIED, DisputeStatus.INITIATED)
    same = revision(DISPUTE, "initiated", T0, event_id="e" * 64)
    assert decide(known, same, horizon=0) == Decision(Outcome.DUPLICATE)


def test_one_second_two_statuses() -> None:
    """Old nodes stamp two revisions with one second; the more advanced wins either way."""
    taken = revision(DISPUTE, "in-progress", T0)
    opened = revision(DISPUTE, "initiated", T0)
    after_opened = held(Lifecycle.NOTIFIED, DisputeStatus.INITIATED)
    after_taken = held(Lifecycle.TAKEN, DisputeStatus.IN_PROGRESS)
    assert decide(after_opened, taken, 0).outcome is Outcome.TAKEN
    assert decide(after_taken, opened, 0).outcome is Outcome.STALE
