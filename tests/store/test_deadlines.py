"""Deadlines count the time in which a message was tried, whatever the clock says meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.store.rig import T0, Database, audience, revision

from serbero.delivery import ledger
from serbero.model.notification import TargetSource
from serbero.store import cursors, deadlines

DAY = 86_400
YEARS = 12 * 365 * DAY
FORGET = "DELETE FROM cursors WHERE name = 'trying'"


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[Database]:
    """One message, decided at T0, that no relay took yet."""
    opened = Database(tmp_path / "serbero.db")
    opened.run(deadlines.resume, T0 - 3600)
    opened.record(revision(1, at=T0), audience=audience(1))
    opened.run(deadlines.note, T0 + 60)
    yield opened
    opened.close()


def left(database: Database, now: int) -> int:
    return int(database.one("SELECT deadline_at FROM outbox")) - now


def test_time_in_which_nobody_tried_is_given_back(waiting: Database) -> None:
    waiting.run(deadlines.note, T0 + 3600)
    back = T0 + 3 * DAY
    assert waiting.run(deadlines.resume, back) == 1
    assert left(waiting, back) == DAY - 3600
    assert not waiting.claim(back).settled
    assert [each.state for each in waiting.claim(back + DAY - 3600).settled] == ["dead"]


def test_restarts_add_up(waiting: Database) -> None:
    """Somebody who is killed every half minute must not try for ever."""

    def live_often(tx: sa.Connection) -> None:
        for now in range(T0 + 60, T0 + DAY, 60):
            deadlines.resume(tx, now)

    waiting.run(live_often)
    assert left(waiting, T0 + DAY) == 0


def test_what_was_decided_after_the_last_note_counts_from_its_decision(waiting: Database) -> None:
    waiting.record(revision(2, at=T0 + 5000), audience=audience(1), now=T0 + 5000)
    waiting.run(deadlines.resume, T0 + 6000)
    found = waiting.rows("SELECT deadline_at - created_at FROM outbox ORDER BY id")
    assert found == [(DAY + 6000 - 60,), (DAY + 1000,)]


@pytest.mark.parametrize("by", [YEARS, -YEARS, 300, -300])
def test_a_start_with_a_wrong_clock_and_its_correction(waiting: Database, by: int) -> None:
    wrong = T0 + 120 + by
    waiting.run(deadlines.resume, wrong)
    assert left(waiting, wrong) in (DAY - 60, DAY - 120)
    right = T0 + 180
    waiting.run(deadlines.step, right, -by)
    assert left(waiting, right) in (DAY - 120, DAY - 180)


def test_the_clock_is_set_between_two_lives(waiting: Database) -> None:
    """Killed with a clock that is ahead, right again at the next start."""
    ahead = T0 + 120 + YEARS
    waiting.run(deadlines.resume, ahead)
    waiting.run(deadlines.note, ahead + 60)
    waiting.run(deadlines.resume, T0 + 240)
    assert DAY - 240 <= left(waiting, T0 + 240) <= DAY - 60


def test_what_was_decided_after_a_step_is_not_moved(waiting: Database) -> None:
    now = T0 + YEARS
    waiting.record(revision(2, at=T0), audience=audience(1), now=now - 3)
    assert waiting.run(deadlines.step, now, YEARS) == 1
    assert waiting.rows("SELECT deadline_at FROM outbox ORDER BY id") == [
        (T0 + DAY + YEARS,),
        (now - 3 + DAY,),
    ]


def test_a_step_that_is_not_seen_to_yet_ends_nothing(waiting: Database) -> None:
    def claim(tx: sa.Connection, deadlines_by: int) -> list[str]:
        known: dict[str, TargetSource] = {}
        late = ledger.claim(tx, T0 + YEARS, 9, (), lambda _: known, {}, deadlines_by=deadlines_by)
        return [each.state.value for each in late.settled]

    assert waiting.run(claim, T0 + 100) == []
    assert waiting.run(claim, T0 + DAY) == ["dead"]


def test_of_an_older_database_only_the_future_is_corrected(waiting: Database) -> None:
    waiting.run(sa.Connection.exec_driver_sql, FORGET)
    assert waiting.run(deadlines.resume, T0 + DAY - 60) == 0
    waiting.run(sa.Connection.exec_driver_sql, FORGET)
    assert waiting.run(deadlines.resume, T0 - YEARS) == 1
    assert left(waiting, T0 - YEARS) == DAY


def test_nothing_is_written_where_nothing_waits(tmp_path: Path) -> None:
    idle = Database(tmp_path / "serbero.db")
    idle.run(deadlines.resume, T0)
    idle.run(deadlines.note, T0 + 7200)
    assert idle.run(cursors.get, cursors.TRYING) == T0
    idle.close()
