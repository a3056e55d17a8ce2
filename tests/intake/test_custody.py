"""Who holds a dispute: our own take, a takeover, and the news that waits for an outcome."""

from dataclasses import replace
from typing import Final

import pytest
import sqlalchemy as sa
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.intake import custody
from serbero.intake.custody import Custody
from serbero.intake.recording import Follow, RecordedRevision, record_revisions
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
        return self.database.run(
            record_revisions, [event], PEOPLE, 0, now * 1000, Follow(self._on_release)
        )

    def _on_release(self, _tx: sa.Connection, about: str, why: Release, _now: int) -> None:
        self.released.append((about, why))

    def begin(self, at: int) -> int:
        known = self.database.one("SELECT created_at FROM revisions")
        take_id = self.database.run(takes.begin, DISPUTE, known, now=at, deadline_at=at + 60)
        self.database.run(takes.count_attempt, take_id, 7)
        return take_id

    def finish(
        self,
        take_id: int,
        state: TakeState,
        *,
        answered_at: int = 0,
        now: int | None = None,
        reason: str | None = None,
    ) -> Custody | None:
        at = answered_at if now is None else now

        def conclude(tx: sa.Connection) -> Custody | None:
            if state is TakeState.TAKEN and not parties.save(tx, told(answered_at), at):
                return None
            owed = takes.finish(tx, take_id, state, reason, at)
            return custody.outcome(
                tx,
                PEOPLE,
                DISPUTE,
                state,
                reason,
                at * 1000,
                owed=owed,
                on_release=self._on_release,
            )

        return self.database.run(conclude)

    def tell_long_held(self, now: int) -> None:
        self.database.run(custody.tell_long_held, PEOPLE, now * 1000, self._on_release)

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
    keys = "b" * 64, "c" * 64
    return NewParties(DISPUTE, dispute_id(2), *keys, "buyer", {}, None, OWN, answered_at)


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
    assert (case.assigned, case.held, case.assignments) == (None, False, ["unknown"])
    assert case.released == [(DISPUTE, Release.TAKEOVER)]


def test_a_repeated_take_as_the_assigned_solver_is_no_takeover(database: Database) -> None:
    """The first answer was lost, and the second tells of the second revision."""
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 20)
    done = case.finish(take, TakeState.TAKEN, answered_at=T0 + 20)
    assert (done, case.assigned, case.assignments) == (Custody.OURS, OWN, [OWN])
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 80).custody is Custody.TAKEN_OVER


def test_the_second_of_our_own_revisions_may_come_after_the_answer(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    assert case.finish(take, TakeState.TAKEN, answered_at=T0 + 20) is Custody.OURS
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 20).custody is Custody.OURS
    assert (case.held, case.assignments) == (True, [OWN])


def test_news_waits_half_a_minute_and_is_put_right_by_the_outcome(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    for at, expected in ((T0 + 26, []), (T0 + 30, ["unknown"]), (T0 + 90, ["unknown"])):
        case.tell_long_held(at)
        assert case.assignments == expected
    case.finish(take, TakeState.TAKEN, answered_at=T0 + 2, now=T0 + 95)
    assert case.assignments == ["unknown", OWN]


def test_every_later_assignment_is_told_while_an_exchange_hangs(database: Database) -> None:
    case = Case(database)
    case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.tell_long_held(T0 + 40)
    case.see(DisputeStatus.SETTLED, T0 + 45)
    case.see(DisputeStatus.INITIATED, T0 + 46)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 50)
    case.tell_long_held(T0 + 80)
    assert case.assignments == ["unknown"]
    # An exchange that is open long after its deadline holds nothing back.
    case.see(DisputeStatus.SETTLED, T0 + 85)
    case.see(DisputeStatus.INITIATED, T0 + 86)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 200).custody is Custody.FOREIGN
    assert case.assignments == ["unknown"]


def test_an_exchange_left_open_hands_on_what_waits(database: Database) -> None:
    """A crash: the next exchange about the dispute tells what waited for the outcome."""
    case = Case(database)
    case.begin(T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    again = case.begin(T0 + 5)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 6)
    done = case.finish(again, TakeState.TAKEN, answered_at=T0 + 6)
    assert (done, case.assignments) == (Custody.OURS, [OWN])
    assert database.rows("SELECT state FROM takes ORDER BY id") == [("interrupted",), ("taken",)]


def test_a_late_answer_tells_solvers_that_it_was_us(database: Database) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    case.finish(take, TakeState.NO_ANSWER, now=T0 + 10)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 12)
    done = case.finish(take, TakeState.TAKEN, answered_at=T0 + 12, now=T0 + 300)
    assert (done, case.assigned, case.assignments) == (Custody.OURS, OWN, ["unknown", OWN])


@pytest.mark.parametrize("open_at_first", [True, False])
def test_a_late_answer_gives_us_nothing_that_a_human_took(
    database: Database, open_at_first: bool
) -> None:
    case = Case(database)
    take = case.begin(T0 + 1)
    if not open_at_first:
        case.finish(take, TakeState.NO_ANSWER, now=T0 + 1)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    if open_at_first:
        case.finish(take, TakeState.NO_ANSWER, now=T0 + 10)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 60)
    assert case.finish(take, TakeState.TAKEN, answered_at=T0 + 2, now=T0 + 90) is Custody.TAKEN_OVER
    assert (case.held, case.assigned) == (False, None)


def test_a_withheld_answer_brings_no_holding_back(database: Database) -> None:
    case = Case(database)
    first = case.begin(T0 + 1)
    case.finish(first, TakeState.NO_ANSWER, now=T0 + 10)
    case.finish(case.begin(T0 + 20), TakeState.TAKEN, answered_at=T0 + 22)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 22)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 60)
    assert not case.held
    assert case.finish(first, TakeState.TAKEN, answered_at=T0 + 2, now=T0 + 90) is None
    assert not case.held


def test_a_refusal_of_what_we_thought_we_held_is_a_takeover(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    again = case.begin(T0 + 50)
    refused = case.finish(again, TakeState.REFUSED, now=T0 + 52, reason="invalid_pubkey")
    assert (refused, case.held) == (Custody.TAKEN_OVER, False)


@pytest.mark.parametrize("reason", ["maintenance_mode", None])
def test_other_refusals_leave_us_what_we_hold(database: Database, reason: str | None) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    case.finish(case.begin(T0 + 50), TakeState.REFUSED, now=T0 + 52, reason=reason)
    assert case.held


def test_taking_again_without_an_answer_is_no_takeover(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    again = case.begin(T0 + 50)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 51).custody is Custody.HELD_BACK
    case.finish(again, TakeState.NO_ANSWER, now=T0 + 60)
    assert (case.held, case.assigned) == (True, OWN)
    assert case.see(DisputeStatus.IN_PROGRESS, T0 + 90).custody is Custody.TAKEN_OVER


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


def test_a_dispute_held_under_another_key_is_given_up(database: Database) -> None:
    case = Case(database)
    case.finish(case.begin(T0 + 1), TakeState.TAKEN, answered_at=T0 + 2)
    case.see(DisputeStatus.IN_PROGRESS, T0 + 2)
    assert database.run(parties.held_under_another_key, OWN) == []
    assert database.run(parties.held_under_another_key, "d" * 64) == [DISPUTE]
    about = (DISPUTE, Release.KEY_CHANGED, (T0 + 9) * 1000, "own_key_changed.d")
    database.run(custody.give_up, PEOPLE, *about, on_release=case._on_release)
    assert (case.held, case.assigned, case.assignments) == (False, None, ["unknown"])
    assert case.released == [(DISPUTE, Release.KEY_CHANGED)]
