"""A clock that was ahead and was set right is told from a time that was changed by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rig import T0, Database, audience, revision

from serbero.store import clock_steps, corrected_clock, journal
from serbero.store.verification import CHECKS, Finding, Level, verify

AHEAD = T0 + 8 * 3600
CHECK = "messages settled early"
FORGED = "UPDATE outbox SET settled_at = settled_at - 90000 WHERE id = 1"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


def early(database: Database) -> list[Finding]:
    checks = [each for each in CHECKS if each.name == CHECK]
    return list(database.run(verify, T0 + 86_400, checks=checks).findings)


def sent_after_the_step(database: Database) -> None:
    """Decided with a clock that is eight hours ahead; sent when it is right again."""
    database.record(revision(1, at=T0), audience=audience(1), now=AHEAD)
    database.run(corrected_clock.correct, T0 + 60)
    database.answer(database.claim(T0 + 60), delivered=True, now=T0 + 60)


def test_a_step_on_record_is_no_news(database: Database) -> None:
    database.record(revision(1, at=T0), audience=audience(1), now=AHEAD)
    assert database.run(clock_steps.notice, T0 + 60) == AHEAD - T0 - 60
    assert database.run(clock_steps.notice, T0 + 90) == 0, "it is on record already"
    database.run(corrected_clock.correct, T0 + 60)
    database.answer(database.claim(T0 + 60), delivered=True, now=T0 + 60)
    assert early(database) == []


def test_other_rows_that_show_the_step_are_enough(database: Database) -> None:
    for number, at in enumerate((T0 - 60, AHEAD + 5, T0 + 61)):
        database.run(journal.write, "muted", at, payload={"number": number})
    sent_after_the_step(database)
    assert early(database) == []


def test_a_step_that_nothing_else_shows_is_a_note(database: Database) -> None:
    sent_after_the_step(database)
    [found] = early(database)
    assert (found.level, found.row) == (Level.NOTE, "1")
    assert "the clock was ahead" in found.meaning


def test_a_time_of_settlement_changed_by_hand_is_damage(database: Database) -> None:
    sent_after_the_step(database)
    database.run(lambda tx: tx.exec_driver_sql(FORGED))
    [found] = early(database)
    assert found.level is Level.DAMAGE


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE outbox SET enqueued_ms = enqueued_ms + 90000000, created_at = created_at + 90000",
        "UPDATE outbox SET enqueued_ms = enqueued_ms + 90000000, rumor_json ="
        " json_set(rumor_json, '$.created_at', created_at + 90000)",
        FORGED,
    ],
)
def test_a_forged_order_is_damage(database: Database, forgery: str) -> None:
    """A step on record excuses only what it explains."""
    database.record(revision(1, at=T0), audience=audience(1))
    database.answer(database.claim(), delivered=True)
    database.run(clock_steps.write, T0 + 100, -7000)
    database.run(lambda tx: tx.exec_driver_sql(forgery))
    [found] = early(database)
    assert (found.level, found.row) == (Level.DAMAGE, "1")
