"""A dispute that we took and could not begin with: nobody else attends to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.store.mediation_rig import hold, opened
from tests.store.rig import NODE, T0, Database, audience, dispute_id

from serbero.mediation.clocks import DOUBT_SECONDS, Clocks, Limits
from serbero.model.party import Party
from serbero.model.taking import Release
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store import node_info, parties
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

DISPUTE = dispute_id(1)
DEADLINE = 600
KINDS = "SELECT kind FROM mediation_events WHERE session_id IS NULL ORDER BY id DESC LIMIT 2"


class Deaf:
    """No relay is connected."""

    hears = False

    def is_caught_up(self, dispute_id: str, party: Party) -> bool:
        del dispute_id, party
        return False


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(tmp_path / "serbero.db")
    yield made
    made.close()


async def look(database: Database, after: int) -> int:
    """A life that mediates nothing, so many seconds after the take."""
    async with clocks(database, FakeClock(T0 + after)) as looking:
        return await looking.look()


@asynccontextmanager
async def clocks(database: Database, clock: FakeClock) -> AsyncIterator[Clocks]:
    store = Store.open(database.path, clock.now())
    metrics = Metrics()
    looking = Clocks(
        store=PatientStore(store, clock, Health(clock), metrics),
        audience=audience(1),
        limits=Limits(silence=0, session=0, start=DEADLINE),
        ears=Deaf(),
        clock=clock,
        metrics=metrics,
        on_enqueued=lambda: None,
    )
    try:
        yield looking
    finally:
        store.close()


async def test_it_goes_to_a_human_once_its_time_is_up(database: Database) -> None:
    """Taken, and the process ended before its session; the next life has no model, or no bundle."""
    hold(database)
    assert await look(database, DEADLINE - 1) == 0
    assert await look(database, DEADLINE) == 1
    assert await look(database, 2 * DEADLINE) == 0
    assert database.rows(KINDS) == [("handoff_prepared",), ("escalation_recommended",)]
    assert database.state(DISPUTE) == "escalated"
    told = [each for each in database.outbox(DISPUTE) if each[0] == "mediation_escalation"]
    assert len(told) == 1


async def test_a_clock_that_the_node_does_not_bear_out_ends_nothing_for_an_hour(
    database: Database,
) -> None:
    """It may be years ahead until somebody sets it; the node may be away for ever, too."""
    hold(database)
    database.run(node_info.save_info, NODE, "{}", T0 + 60, T0 + 60)
    clock = FakeClock(T0 + 12 * 365 * 86_400)
    async with clocks(database, clock) as looking:
        assert await looking.look() == 0
        await clock.advance(DOUBT_SECONDS - 60)
        assert await looking.look() == 0
        clock.set_back(12 * 365 * 86_400)
        assert await looking.look() == 1, "the clock was set right, and the hour has passed"


async def test_what_is_led_or_not_ours_is_left_alone(database: Database) -> None:
    opened(database, 1)
    hold(database, 2)
    database.run(parties.release, dispute_id(2), Release.TAKEOVER, T0 + 10)
    assert await look(database, 2 * DEADLINE) == 0
