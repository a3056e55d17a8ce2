"""A clock that was ahead leaves nothing of mediation waiting for the difference."""

from tests.store.mediation_rig import BUYER, Talk, hold, opened
from tests.store.rig import NODE, T0, Database, dispute_id

from serbero.store import eligibility, session_messages, sessions, standing
from serbero.store.corrected_clock import correct
from serbero.store.mediation_clock import (
    LONGEST_PROBE_WAIT_SECONDS,
    LONGEST_SETTLING_SECONDS,
    LONGEST_START_WAIT_SECONDS,
)
from serbero.store.standing import Standing, StandingState

AHEAD = T0 + 90 * 86_400


def test_what_waits_for_months_waits_as_long_as_it_may(database: Database) -> None:
    session = opened(database, 1, AHEAD)
    Talk(database, session).hears(BUYER, AHEAD)
    hold(database, 2, AHEAD)
    database.run(eligibility.start_failed, dispute_id(2), lambda _: 1_800, AHEAD)
    refused = Standing(StandingState.REFUSED, AHEAD, 2, 60, AHEAD + 120)
    database.run(standing.save, NODE, refused)
    database.run(correct, T0)
    found = database.run(sessions.load, session)
    assert found is not None
    assert found.evaluate_at == T0 + LONGEST_SETTLING_SECONDS
    times = (found.taken_at, found.started_at, found.buyer.asked_at, found.buyer.answered_at)
    assert times == (T0, T0, T0, T0)
    failed = database.run(eligibility.failed_starts, dispute_id(2))
    assert failed == eligibility.FailedStarts(1, T0, T0 + LONGEST_START_WAIT_SECONDS)
    ours = database.run(standing.load, NODE)
    assert ours is not None
    assert (ours.since, ours.next_probe_at) == (T0, T0 + LONGEST_PROBE_WAIT_SECONDS)
    # A party's words of now are none from before the take.
    said = Talk(database, session, 9).message(BUYER, T0 + 5)
    assert database.run(session_messages.take_in, said, T0 + 5, 5) == "fresh"


def test_what_waits_as_it_should_is_left_alone(database: Database) -> None:
    session = opened(database)
    Talk(database, session).hears(BUYER)
    hold(database, 2)
    database.run(eligibility.start_failed, dispute_id(2), lambda _: 900, T0 + 10)
    before = {
        name: rows
        for name, rows in database.dump().items()
        if name.startswith(("mediation_", "session_"))
    }
    database.run(correct, T0 + 10)
    after = database.dump()
    assert {name: after[name] for name in before} == before
