"""Which disputes mediation starts with: one by one and as a batch, the same answer."""

from collections.abc import Callable
from typing import Final

import pytest
from tests.store.mediation_rig import PINS, hold, opened
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import SessionState, Trigger
from serbero.model.party import Party
from serbero.model.taking import Release
from serbero.store import eligibility, escalations, parties, session_moves
from serbero.store.eligibility import Candidate, FailedStarts, Ineligible
from serbero.store.escalations import Handoff
from serbero.store.session_moves import EndCause

D1: Final = dispute_id(1)
NOW: Final = T0 + 1_000


def judged(database: Database, dispute: str = D1, now: int = NOW) -> Candidate | Ineligible:
    """Both forms must agree."""
    one = database.run(eligibility.judge, dispute, now)
    batch = database.run(eligibility.candidates, now, 100)
    assert ([one] if isinstance(one, Candidate) else []) == [
        each for each in batch if each.dispute_id == dispute
    ]
    return one


def detect(database: Database, *, initiator: str = "buyer") -> None:
    database.record(revision(1, initiator=initiator), audience=audience(1))


def end(database: Database, cause: EndCause) -> None:
    database.run(session_moves.end_sessions, D1, cause, T0 + 50, event_id="e", status="in-progress")


def reopen(database: Database) -> None:
    database.record(revision(1, at=T0 + 900), audience=audience(1), now=T0 + 900)


def test_a_new_dispute(database: Database) -> None:
    detect(database, initiator="seller")
    assert judged(database) == Candidate(D1, Party.SELLER, revision(1).event_id)


def test_one_nobody_knows(database: Database) -> None:
    assert judged(database) is Ineligible.UNKNOWN


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("there", Lifecycle)
def test_by_lifecycle(database: Database, there: Lifecycle, *, held: bool) -> None:
    hold(database)
    if not held:
        database.run(parties.release, D1, Release.TAKEOVER, T0)
    database.rows("UPDATE disputes SET lifecycle_state = ? RETURNING 1", there)
    said = judged(database)
    if there in ("escalated", "resolved"):
        assert said is Ineligible.LIFECYCLE
    elif there in ("taken", "waiting") and not held:
        assert said is Ineligible.NOT_OURS
    else:
        assert isinstance(said, Candidate)


@pytest.mark.parametrize("initiator", ["unknown", ""])
def test_no_mediation_of_an_unknown_initiator(database: Database, initiator: str) -> None:
    detect(database)
    database.rows("UPDATE disputes SET initiator_role = ? RETURNING 1", initiator)
    assert judged(database) is Ineligible.INITIATOR


@pytest.mark.parametrize("name", ["no-uuid", "{" + D1 + "}", D1.replace("-", ""), "🦀"])
def test_no_mediation_of_what_the_node_cannot_be_asked_for(database: Database, name: str) -> None:
    database.record(revision(name), audience=audience(1))
    assert judged(database, name) is Ineligible.NO_UUID


@pytest.mark.parametrize("there", SessionState)
def test_one_session_an_opening(database: Database, there: SessionState) -> None:
    """Whatever became of it; ended ones block only until the dispute is opened anew."""
    opened(database)
    database.rows("UPDATE mediation_sessions SET state = ? RETURNING 1", there)
    over = there in (SessionState.CLOSED, SessionState.SUPERSEDED_BY_HUMAN)
    assert judged(database) is (Ineligible.HAD_SESSION if over else Ineligible.IN_SESSION)
    reopen(database)
    said = judged(database)
    if over:
        assert said == Candidate(D1, Party.BUYER, revision(1, at=T0 + 900).event_id)
    else:
        assert said is Ineligible.IN_SESSION


@pytest.mark.parametrize("cause", EndCause)
def test_a_finished_session_is_not_begun_again(database: Database, cause: EndCause) -> None:
    opened(database)
    end(database, cause)
    for later in range(0, 4_000_000, 1_000_000):
        assert judged(database, now=NOW + later) is Ineligible.HAD_SESSION


def test_an_escalation_before_any_session_is_for_good(database: Database) -> None:
    detect(database)
    handoff = Handoff(Trigger.FRAUD_INDICATOR)
    database.run(escalations.escalate_dispute, D1, handoff, PINS, T0)
    assert judged(database) is Ineligible.ESCALATED
    reopen(database)
    assert judged(database) is Ineligible.ESCALATED


def test_what_failed_is_tried_again_later(database: Database) -> None:
    detect(database)

    def wait(failures: int) -> int:
        return 30 << (failures - 1)

    first = database.run(eligibility.start_failed, D1, wait, T0)
    assert first == FailedStarts(1, T0, T0 + 30)
    assert judged(database, now=T0 + 29) is Ineligible.BACKING_OFF
    assert isinstance(judged(database, now=T0 + 30), Candidate)
    second = database.run(eligibility.start_failed, D1, wait, T0 + 30)
    assert second == FailedStarts(2, T0, T0 + 90)
    database.reopen()
    assert database.run(eligibility.failed_starts, D1) == second
    database.run(eligibility.forget_failed_starts, D1)
    assert database.run(eligibility.failed_starts, D1) is None
    assert isinstance(judged(database, now=T0 + 31), Candidate)


def test_a_new_opening_begins_without_failures(database: Database) -> None:
    detect(database)
    database.run(eligibility.start_failed, D1, lambda _: 10_000, T0)
    reopen(database)
    assert isinstance(judged(database), Candidate)
    assert database.run(eligibility.failed_starts, D1) is None
    again = database.run(eligibility.start_failed, D1, lambda _: 5, NOW)
    assert again == FailedStarts(1, NOW, NOW + 5)


def test_the_batch_is_the_oldest_first(database: Database) -> None:
    times = {1: T0 + 5, 2: T0 + 1, 3: T0 + 9, 4: T0 + 3}
    database.record(
        *(revision(number, at=at) for number, at in times.items()), audience=audience(1)
    )
    database.record(revision("odd one", at=T0), audience=audience(1))
    oldest = [dispute_id(number) for number in sorted(times, key=lambda number: times[number])]
    found: Callable[[int], list[str]] = lambda limit: [  # noqa: E731
        each.dispute_id for each in database.run(eligibility.candidates, NOW, limit)
    ]
    assert found(100) == oldest
    assert found(2) == oldest[:2], "what cannot be started takes nobody's place"


def test_only_one_nodes(database: Database) -> None:
    detect(database)
    assert database.run(eligibility.candidates, NOW, 9, "cc" * 32) == []
    assert len(database.run(eligibility.candidates, NOW, 9, revision(1).node)) == 1
