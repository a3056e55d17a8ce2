"""A mediation that cannot begin by a fault of our own is tried a few times, then a human has it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.store.mediation_rig import PINS
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.mediation.own_faults import MOST_TRIES, OwnFaults
from serbero.model.lifecycle import DisputeStatus
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store import eligibility, start_faults
from serbero.store.engine import Store
from serbero.store.mediation_events import Pins
from serbero.store.patient import PatientStore

DISPUTE = dispute_id(1)
ASKED = "SELECT payload_json FROM mediation_events WHERE kind = 'escalation_recommended'"


class Case:
    """A dispute that waits for mediation, and who counts the faults of beginning with it."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.database.record(revision(1, at=T0), audience=audience(2))
        self.clock = FakeClock(T0 + 60)
        store = Store.open(path, self.clock.now())
        self.store = store
        patient = PatientStore(store, self.clock, Health(self.clock), Metrics())
        self.faults = OwnFaults(patient, self.clock, audience(2), self.pins)
        self.known: Pins | None = PINS

    def pins(self, _tx: sa.Connection, _dispute_id: str) -> Pins | None:
        return self.known

    async def fail(self, times: int) -> None:
        for _ in range(times):
            await self.faults.happened(DISPUTE, "ValueError")
            await self.clock.advance(1800)

    def may_start(self) -> bool:
        return bool(self.database.run(eligibility.candidates, self.clock.now(), 9))


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    made = Case(tmp_path / "serbero.db")
    yield made
    made.store.close()
    made.database.close()


async def test_a_human_is_asked_after_so_many_tries(case: Case) -> None:
    await case.fail(MOST_TRIES - 1)
    assert case.database.rows(ASKED) == []
    assert case.may_start()
    await case.fail(1)
    assert not case.may_start()
    [asked] = [json.loads(payload) for (payload,) in case.database.rows(ASKED)]
    assert (asked["trigger"], asked["reason"]) == ("reasoning_unavailable", "own_fault")
    told = [each for each in case.database.outbox(DISPUTE) if each[0] == "mediation_escalation"]
    assert len(told) == 2
    kept = case.database.rows("SELECT payload_json FROM journal WHERE kind = 'start_failed'")
    last = {"attempt": MOST_TRIES, "fault": "ValueError"}
    assert [json.loads(payload) for (payload,) in kept][-1] == last


async def test_where_no_human_can_be_asked_no_model_is_either(case: Case) -> None:
    """What fails may be the handing over itself: tried again, ever more rarely."""
    case.known = None
    await case.fail(MOST_TRIES)
    assert case.may_start()
    assert await case.faults.are_too_many(DISPUTE)
    assert not case.may_start(), "at once it would be a loop"
    await case.clock.advance(1801)
    case.known = PINS
    assert await case.faults.are_too_many(DISPUTE)
    assert len(case.database.rows(ASKED)) == 1


async def test_a_dispute_that_was_closed_is_nobodys_any_more(case: Case) -> None:
    await case.fail(MOST_TRIES - 1)
    settled = revision(1, DisputeStatus.SETTLED, at=T0 + 90)
    case.database.record(settled, audience=audience(2), now=T0 + 90)
    await case.fail(1)
    assert case.database.rows(ASKED) == []


async def test_a_dispute_that_is_opened_anew_is_tried_anew(case: Case) -> None:
    await case.fail(MOST_TRIES - 1)
    for number, status in enumerate((DisputeStatus.SETTLED, DisputeStatus.INITIATED), 1):
        later = revision(1, status, at=T0 + 100 * number)
        case.database.record(later, audience=audience(2), now=T0 + 100 * number)
    assert case.database.run(start_faults.count, DISPUTE) == 0
    assert not await case.faults.are_too_many(DISPUTE)
