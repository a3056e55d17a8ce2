"""Who holds a dispute: our own take, a takeover, and the news that waits for an outcome."""

from dataclasses import replace
from typing import Final

import sqlalchemy as sa
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.intake import custody
from serbero.intake.custody import Custody
from serbero.intake.recording import RecordedRevision, record_revisions
from serbero.model.lifecycle import DisputeStatus
from serbero.model.taking import Release, TakeState
from serbero.mostro.dispute_event import Revision
from serbero.store import parties, takes
from serbero.store.parties import NewParties

DISPUTE: Final = dispute_id(1)
PEOPLE: Final = audience(1)
OWN: Final = PEOPLE.sender


class Case:
    """One known dispute, and what our side does about it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.released: list[tuple[str, Release]] = []
        self.serial = 0
        self.see(DisputeStatus.INITIATED, T0)

    def see(self, status: DisputeStatus, at: int, now: int | None = None) -> RecordedRevision:
        self.serial += 1
        event = replace(revision(DISPUTE, at=at), event_id=f"{self.serial:064x}", status=status)
        [recorded] = self._record(event, at if now is None else now)
        return recorded

    def _record(self, event: Revision, now: int) -> list[RecordedRevision]:
        return self.database.run(record_revisions, [event], PEOPLE, 0, now * 1000, self._on_release)

    def _on_release(self, _tx: sa.Connection, about: str, why: Release, _now: int) -> None:
        self.released.append((about, why))

    def begin(self, at: int) -> int:
        take_id, _ = self.database.run(takes.begin, DISPUTE, 7, now=at, deadline_at=at + 60)
        self.database.run(takes.count_attempt, take_id)
        return take_id

    def finish(
        self,
        take_id: int,
        state: TakeState,
        *,
        answered_at: int,
        attempts: int = 1,
        now: int | None = None,
    ) -> Custody | None:
        def conclude(tx: sa.Connection) -> Custody | None:
            at = answered_at if now is None else now
            if state is TakeState.TAKEN:
                parties.save(tx, told(answered_at), at)
            held = takes.finish(tx, take_id, state, None, at)
            return custody.outcome(
                tx, PEOPLE, DISPUTE, held, attempts, at * 1000, on_release=self._on_release
            )

        return self.database.run(conclude)

    @property
    def assignments(self) -> list[str]:
        """Who has it, by each assignment message that was not withdrawn, in order."""
        rows = self.database.rows(
            "SELECT json_extract(rumor_json, '$.content') FROM outbox"
            " WHERE purpose = 'assignment' AND state <> 'withdrawn' ORDER BY id"
        )
        return [text.split("assigned_solver: ")[1].split("\n")[0] for (text,) in rows]

    @property
    def assigned(self) -> str | None:
        found: str | None = self.database.one("SELECT assigned_solver FROM disputes")
        return found

    @property
    def held(self) -> bool:
        return self.database.run(parties.holding, DISPUTE) is not None


def told(answered_at: int) -> NewParties:
    return NewParties(DISPUTE, dispute_id(2), "b" * 64, "c" * 64, "buyer", {}, None, answered_at)


def test_a_strangers_take_is_told_as_ever(database: Database) -> None:
    case = Case(database)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 5).custody is Custody.FOREIGN
    assert case.assignments == ["unknown"]


def test_our_own_take_whose_answer_came_first(database: Database) -> None:
    """As nodes do it: the answer is sent before the event."""
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    assert case.assignments == []
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 2).custody is Custody.OURS
    assert (case.assigned, case.assignments, case.held) == (OWN, [OWN], True)


def test_our_own_take_whose_event_came_first(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 2).custody is Custody.HELD_BACK
    assert case.assignments == []
    assert case.finish(take, TakeState.TAKEN, answered_at=T0 + 2) is Custody.OURS
    assert (case.assigned, case.assignments) == (OWN, [OWN])


def test_the_news_of_a_refused_take_is_a_strangers(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    assert case.finish(take, TakeState.REFUSED, answered_at=T0 + 3) is Custody.FOREIGN
    assert (case.assigned, case.assignments, case.held) == (None, ["unknown"], False)


def test_a_later_revision_is_a_takeover(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 4)  # two seconds later: still the own one
    assert (case.held, case.released) == (True, [])
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 60).custody is Custody.TAKEN_OVER
    assert (case.assigned, case.held) == (None, False)
    assert case.released == [(DISPUTE, Release.TAKEOVER)]
    # That Serbero holds it was still on its way, and is not said any more.
    assert case.assignments == ["unknown"]
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 90).custody is Custody.FOREIGN
    assert len(case.released) == 1


def test_the_first_revision_is_a_takeover_if_it_is_too_late_to_be_ours(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 5).custody is Custody.TAKEN_OVER


def test_a_second_revision_within_the_two_seconds_is_a_takeover(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 3).custody is Custody.TAKEN_OVER


def test_two_revisions_while_one_request_was_open(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 9)
    assert case.finish(take, TakeState.TAKEN, answered_at=T0 + 2) is Custody.TAKEN_OVER
    assert (case.assigned, case.held) == (None, False)
    assert case.released == [(DISPUTE, Release.TAKEOVER)]


def test_each_of_several_requests_may_have_left_a_revision(database: Database) -> None:
    """The first answer was lost: the repeated take as the assigned solver is no takeover."""
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 20)
    done = case.finish(take, TakeState.TAKEN, answered_at=T0 + 20, attempts=2)
    assert (done, case.assigned, case.assignments) == (Custody.OURS, OWN, [OWN])
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 80).custody is Custody.TAKEN_OVER


def test_the_second_of_our_own_revisions_may_come_after_the_answer(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.finish(take, TakeState.TAKEN, answered_at=T0 + 20, attempts=2)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 20).custody is Custody.OURS
    assert case.held


def test_news_waits_thirty_seconds_and_is_put_right_by_the_outcome(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    for at, expected in ((T0 + 32, []), (T0 + 33, ["unknown"]), (T0 + 90, ["unknown"])):
        database.run(custody.tell_long_held, PEOPLE, at * 1000)
        assert case.assignments == expected
    case.finish(take, TakeState.TAKEN, answered_at=T0 + 2, now=T0 + 95)
    assert case.assignments == ["unknown", OWN]


def test_an_exchange_left_open_hands_on_what_waits(database: Database) -> None:
    """A crash: the next exchange about the dispute tells what waited for the outcome."""
    case = Case(database)
    case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    again, earlier = database.run(takes.begin, DISPUTE, 8, now=T0 + 5, deadline_at=T0 + 65)
    assert earlier == 1
    database.run(takes.count_attempt, again)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 6)
    done = case.finish(again, TakeState.TAKEN, answered_at=T0 + 6, attempts=2)
    assert (done, case.assignments) == (Custody.OURS, [OWN])
    assert database.rows("SELECT state FROM takes ORDER BY id") == [("interrupted",), ("taken",)]


def test_closing_and_reopening_end_our_holding(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    assert case.see(DisputeStatus.SETTLED, T0 + 50).custody is Custody.RELEASED
    assert case.see(DisputeStatus.INITIATED, T0 + 70).custody is None
    case.finish(case.begin(T0 + 71), TakeState.TAKEN, answered_at=T0 + 72)
    assert case.see(DisputeStatus.INITIATED, T0 + 80).custody is Custody.RELEASED
    assert case.released == [(DISPUTE, Release.CLOSED), (DISPUTE, Release.REOPENED)]


def test_an_answer_that_comes_after_the_end_gives_us_nothing(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.see(DisputeStatus.SETTLED, T0 + 9)
    assert case.finish(take, TakeState.TAKEN, answered_at=T0 + 2) is Custody.RELEASED
    assert (case.held, case.assignments) == (False, [])
