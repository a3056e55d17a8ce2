"""A takeover only notes that its brief is owed; it is written afterwards, once, as things stood."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.store.mediation_rig import BUYER, SELLER, Talk, opened, session_id
from tests.store.rig import T0, Database, audience, dispute_id, key, revision

from serbero.intake.recording import Follow, record_revisions
from serbero.mediation.briefing import Briefs
from serbero.mediation.ending import Endings
from serbero.mediation.escalating import move_to
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import Purpose
from serbero.model.people import Permission, Solver
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

WRITER: Final = Solver(key(5), key(5), permission=Permission.WRITE)
READER: Final = Solver(key(6), key(6))
PEOPLE: Final = audience((WRITER, READER))
TAKEN: Final = T0 + 600


def hear(tx: sa.Connection, number: int, status: str, at: int) -> None:
    endings = Endings(PEOPLE)
    follow = Follow(endings.released, endings.applied)
    record_revisions(tx, [revision(number, status, at)], PEOPLE, 0, at * 1000, follow)


class Office:
    """Disputes that we mediate, and the part of the daemon that writes briefs."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        self.clock = FakeClock(float(TAKEN + 5))
        self.raw = Store.open(path, self.clock.now())
        health, metrics = Health(self.clock), Metrics()
        self.store = PatientStore(self.raw, self.clock, health, metrics)
        self.woken = 0

    def writer(self) -> Briefs:
        def on_enqueued() -> None:
            self.woken += 1

        return Briefs(store=self.store, audience=PEOPLE, clock=self.clock, on_enqueued=on_enqueued)

    def lead(self, number: int = 1) -> Talk:
        """A mediation that is under way."""
        opened(self.database, number)
        self.database.run(move_to, dispute_id(number), Lifecycle.WAITING, T0, "session_opened")
        self.database.run(hear, number, "in-progress", T0)
        return Talk(self.database, session_id(number))

    def taken_over(self, number: int = 1) -> None:
        self.database.run(hear, number, "in-progress", TAKEN)

    def told(self) -> list[tuple[str, str]]:
        """Who was written a brief, and its words."""
        rows = self.database.rows(
            "SELECT recipient, rumor_json FROM outbox WHERE purpose = ? ORDER BY id",
            Purpose.MEDIATION_BRIEF.value,
        )
        return [(recipient, json.loads(rumor)["content"]) for recipient, rumor in rows]

    def notes(self) -> list[tuple[Any, ...]]:
        return self.database.rows(
            "SELECT session_id, dispute_id, settled_at, messages FROM owed_briefs"
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    here = Office(tmp_path / "serbero.db")
    yield here
    here.raw.close()
    here.database.close()


async def test_the_takeover_owes_it_and_what_is_owed_is_written(office: Office) -> None:
    office.lead().hears(BUYER, T0 + 60, words="I paid on Monday.")
    office.taken_over()
    assert office.told() == []
    assert office.notes() == [(session_id(), dispute_id(1), None, None)]
    assert await office.writer().write_owed() == 1
    [(recipient, text)] = office.told()
    assert recipient == key(5)
    assert "> I paid on Monday." in text
    assert office.notes() == [(session_id(), dispute_id(1), TAKEN + 5, 1)]
    assert office.woken == 1


async def test_it_says_what_had_been_said_when_the_dispute_was_taken(office: Office) -> None:
    """However late it is written, and whatever has become of the dispute by then."""
    talk = office.lead()
    talk.hears(BUYER, T0 + 60, words="Before.")
    office.taken_over()
    talk.hears(SELLER, TAKEN + 1, words="Afterwards.")
    office.database.run(hear, 1, "settled", TAKEN + 2)
    office.database.reopen()
    assert await office.writer().write_owed() == 1
    [(_, text)] = office.told()
    assert "> Before." in text
    assert "Afterwards." not in text


async def test_it_is_written_once(office: Office) -> None:
    """Also where two have read that it is owed, as a life that is slow to end and the next."""
    office.lead()
    office.taken_over()
    first, second = office.writer(), office.writer()
    assert sorted(await asyncio.gather(first.write_owed(), second.write_owed())) == [0, 1]
    office.taken_over()
    office.database.run(hear, 1, "in-progress", TAKEN + 60)
    assert await first.write_owed() == 0
    assert len(office.told()) == 1


async def test_one_that_cannot_be_written_holds_up_no_other(office: Office) -> None:
    count = 3
    for number in range(1, count + 1):
        office.lead(number)
        office.taken_over(number)
    office.database.run(
        lambda tx: tx.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON outbox WHEN NEW.purpose = 'mediation_brief'"
            f" AND NEW.session_id = '{session_id(1)}'"
            " BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    )
    writer = office.writer()
    with capture_logs() as logs:
        assert await writer.write_owed() == count - 1
        assert await writer.write_owed() == 0
    assert [(each["event"], each["session_id"]) for each in logs] == [
        ("brief_not_recorded", session_id(1))
    ]
    office.database.run(lambda tx: tx.exec_driver_sql("DROP TRIGGER refuse"))
    assert await office.writer().write_owed() == 1


def test_a_takeover_costs_the_same_however_much_was_said(tmp_path: Path) -> None:
    """In steps of SQLite's machine: 120 messages of 20 kB against one of each party."""
    assert steps(tmp_path / "long.db", 60, "I paid, truly. " * 1_400) < 1.2 * steps(
        tmp_path / "short.db", 1, "I paid."
    )


def steps(path: Path, each: int, words: str) -> int:
    """Count what a takeover takes, its chat being so long."""
    office = Office(path)
    talk = office.lead()
    for number in range(each):
        for party in (BUYER, SELLER):
            talk.hears(party, T0 + number, words=words)
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    def takeover(tx: sa.Connection) -> None:
        raw: Any = tx.connection.driver_connection
        raw.set_progress_handler(count, 10)
        hear(tx, 1, "in-progress", TAKEN)
        raw.set_progress_handler(None, 0)

    office.database.run(takeover)
    assert [note[2] for note in office.notes()] == [None]
    office.raw.close()
    office.database.close()
    return counted
