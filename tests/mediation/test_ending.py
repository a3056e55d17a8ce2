"""Revisions that end or confirm what we lead, in one batch and in an order that is not ours."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.mediation_rig import PINS, hold, opened, session_id, state
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.intake.recording import Follow, record_revisions
from serbero.mediation.ending import Endings
from serbero.mediation.escalating import escalate, escalate_unstarted, move_to
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import Trigger
from serbero.mostro.dispute_event import Revision
from serbero.store.escalations import Handoff

DISPUTE = dispute_id(1)
EVERYBODY = audience(1)
OURS = revision(1, "in-progress", T0)
THEIRS = revision(1, "in-progress", T0 + 600)
HANDOFF = Handoff(Trigger.NOTIFICATION_FAILED)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened_here = Database(tmp_path / "serbero.db")
    yield opened_here
    opened_here.close()


def hear(database: Database, *batch: Revision) -> None:
    endings = Endings(EVERYBODY)
    follow = Follow(endings.released, endings.applied)
    at_ms = (T0 + 900) * 1000
    database.run(record_revisions, batch, EVERYBODY, 0, at_ms, follow)


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in one batch"])
@pytest.mark.parametrize(("status", "ends"), [("settled", "resolved"), ("initiated", "new")])
def test_a_takeover_and_what_came_of_it(
    database: Database, batched: bool, status: str, ends: str
) -> None:
    """Both wait where the database was locked for a while; the first moves the dispute on."""
    opened(database)
    database.run(move_to, DISPUTE, Lifecycle.WAITING, T0, "session_opened")
    hear(database, OURS)
    news = (THEIRS, revision(1, status, T0 + 800))
    if batched:
        hear(database, *news)
    else:
        for each in news:
            hear(database, each)
    assert (database.state(DISPUTE), state(database, session_id())) == (ends, "closed")


def test_an_escalated_session_whose_own_take_and_end_come_at_once(database: Database) -> None:
    opened(database)
    database.run(move_to, DISPUTE, Lifecycle.WAITING, T0, "session_opened")
    database.run(escalate, EVERYBODY, session_id(), HANDOFF, T0 * 1000)
    hear(database, OURS, revision(1, "settled", T0 + 800))
    assert (database.state(DISPUTE), state(database, session_id())) == ("resolved", "closed")


def test_what_was_escalated_without_a_session_stays_so_when_our_own_take_is_heard_of(
    database: Database,
) -> None:
    """The node's answer comes before its event, as a rule."""
    hold(database)
    database.run(escalate_unstarted, EVERYBODY, DISPUTE, HANDOFF, PINS, T0 * 1000)
    hear(database, OURS)
    assert database.state(DISPUTE) == "escalated"
