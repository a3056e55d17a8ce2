"""One channel and its queue: patience, joining, what is given up, what is remembered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
import structlog
from pydantic import SecretStr
from structlog.testing import LogCapture
from tests.alerts.endpoint import Endpoint, children, endpoint
from tests.migrated import provide

from serbero.alerts.sending import (
    FIRST_WAIT_SECONDS,
    GAP_SECONDS,
    LEAST_TRIED_SECONDS,
    PATIENCE_SECONDS,
    REMEMBERED,
    Sender,
)
from serbero.config.alerts import AlertChannel
from serbero.model.alerts import Alert, AlertEvent
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store import alerts as queue
from serbero.store.engine import Store

NAME = "phone"


def dispute(number: int) -> str:
    return str(UUID(int=number << 96 | 1))


@dataclass
class Desk:
    """A sender with a real database and a real service."""

    service: Endpoint
    store: Store
    clock: FakeClock
    health: Health
    metrics: Metrics
    log: LogCapture
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.health.set(Part.STORE, ok=True)
        self.open()

    def open(self) -> None:
        """As a new start of the daemon."""
        self.sender = Sender(
            channel=AlertChannel(NAME, SecretStr(self.service.url), frozenset(AlertEvent)),
            store=self.store,
            health=self.health,
            metrics=self.metrics,
            clock=self.clock,
        )

    def alert(self, number: int, event: AlertEvent = AlertEvent.NEW_DISPUTE) -> Alert:
        return Alert(event, f"first:{number}", self.clock.now(), dispute(number))

    async def happen(self, *alerts: Alert) -> None:
        listener = queue.Listener(NAME, frozenset(AlertEvent))
        await self.store.transact(queue.record, [listener], alerts, {}, self.clock.now())

    async def rows(self, columns: str) -> list[tuple[Any, ...]]:
        text = sa.text(f"SELECT {columns} FROM alerts ORDER BY id")  # noqa: S608 - of this file
        return await self.store.read(lambda tx: [tuple(row) for row in tx.execute(text)])

    def counted(self) -> dict[tuple[str, str], float]:
        return {
            (sample.labels["event"], sample.labels["result"]): sample.value
            for metric in self.metrics.alerts.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }

    def named(self, event: str) -> list[dict[str, Any]]:
        return [dict(line) for line in self.log.entries if line["event"] == event]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    log, clock = LogCapture(), FakeClock()
    provide(tmp_path / "serbero.db")
    structlog.configure(processors=[log])
    store = Store.open(tmp_path / "serbero.db", clock.now())
    async with endpoint() as service:
        yield Desk(service, store, clock, Health(clock), Metrics(), log)
    store.close()


async def test_an_empty_queue_starts_no_process(desk: Desk) -> None:
    assert await desk.sender.step() is None
    assert not desk.service.calls


async def test_a_thousand_disputes_of_an_outage_are_one_message(desk: Desk) -> None:
    desk.service.manner = "refuse"
    await desk.happen(desk.alert(1))
    assert await desk.sender.step()
    await desk.happen(*map(desk.alert, range(2, 1001)))
    await desk.happen(desk.alert(7, AlertEvent.ESCALATED))
    await desk.clock.advance(3_600)
    desk.service.manner = "take"
    assert await desk.sender.step() == GAP_SECONDS
    assert await desk.sender.step() is None
    assert desk.service.texts[1].split("\n")[:3] == [
        "Serbero: 1001 alerts",
        "1000 new disputes: 00000001, 00000002, 00000003, 00000004, 00000005, 00000006, 00000007, "
        "00000008, 00000009, 0000000a and 990 more",
        "1 dispute that needs a human: 00000007",
    ]
    assert desk.service.texts[1].endswith("some of it is old news.")
    assert len(desk.service.texts[1]) < 1_000
    assert set(await desk.rows("state, next_attempt_at IS NULL, settled_at > 0")) == {
        ("sent", 1, 1)
    }
    assert desk.counted()["new_dispute", "sent"] == 1_000


async def test_a_service_in_trouble_is_asked_ever_more_rarely_and_named_once(desk: Desk) -> None:
    desk.service.manner = "refuse"
    await desk.happen(desk.alert(1))
    waits = [await desk.sender.step() or 0 for _ in range(2)]
    assert all(0.8 <= wait / FIRST_WAIT_SECONDS / 2**n <= 1.2 for n, wait in enumerate(waits))
    (line,) = desk.named("alert_channel_failing")
    assert line["channel"] == NAME
    desk.service.manner = "take"
    await desk.sender.step()
    assert len(desk.named("alert_channel_works_again")) == 1
    assert await desk.rows("state, attempts, reason") == [("sent", 3, None)]


async def test_what_cannot_be_told_for_a_day_is_given_up_and_the_rest_goes_on(desk: Desk) -> None:
    desk.service.manner = "refuse"
    await desk.happen(desk.alert(1), desk.alert(2))
    await desk.sender.step()
    await desk.clock.advance(PATIENCE_SECONDS)
    await desk.happen(desk.alert(3))
    await desk.sender.step()
    places = {
        "log": str(desk.log.entries),
        "metrics": desk.metrics.render().decode(),
        "repr": repr(desk.sender.channel) + repr(desk.sender.__dict__),
        "database": str(await desk.rows("*")),
    }
    for place, text in places.items():
        assert text, place
        assert "nobody-guesses" not in text, place
        assert "secret words" not in text, f"of the service, in the {place}"
    (line,) = desk.named("alerts_given_up")
    assert (line["channel"], line["count"]) == (NAME, 2)
    assert [row[0] for row in await desk.rows("state")] == ["dead", "dead", "pending"]
    assert desk.counted()["new_dispute", "dead"] == 2
    desk.service.manner = "take"
    await desk.sender.step()
    assert dispute(3) in desk.service.texts[-1]
    assert dispute(1) not in desk.service.texts[-1]


async def test_a_clock_that_is_ahead_for_a_while_gives_nothing_up(desk: Desk) -> None:
    happened = desk.alert(1)
    await desk.happen(happened)
    desk.service.manner = "refuse"
    desk.clock.set_back(-2 * PATIENCE_SECONDS)
    await desk.sender.step()
    assert [row[0] for row in await desk.rows("state")] == ["pending"]
    await desk.clock.advance(LEAST_TRIED_SECONDS)
    await desk.sender.step()
    assert [row[0] for row in await desk.rows("state")] == ["dead"]


async def test_after_a_day_of_rest_one_attempt_is_still_made(desk: Desk) -> None:
    """The daemon was off, not the service."""
    await desk.happen(desk.alert(1))
    await desk.clock.advance(2 * PATIENCE_SECONDS)
    desk.open()
    await desk.sender.step()
    assert len(desk.service.calls) == 1
    assert [row[0] for row in await desk.rows("state")] == ["sent"]


async def test_a_service_that_hangs_has_one_process_and_holds_nobody_else(desk: Desk) -> None:
    desk.service.manner = "hang"
    await desk.happen(*map(desk.alert, range(20)))
    running = asyncio.create_task(desk.sender.run())
    await desk.service.got(1)
    await desk.happen(desk.alert(21))
    desk.sender.wake()
    await desk.clock.advance(20)
    assert (len(children()), len(desk.service.calls)) == (1, 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not children()
    assert {row[0] for row in await desk.rows("state")} == {"pending"}
    desk.service.manner = "take"
    desk.open()
    await desk.sender.step()
    assert desk.service.texts[-1].startswith("Serbero: 21 alerts")


async def test_what_was_told_while_the_database_failed_is_not_told_again(desk: Desk) -> None:
    await desk.happen(desk.alert(1))
    await _pragma(desk.store, "query_only = ON")
    assert await desk.sender.step() == GAP_SECONDS
    assert [row[0] for row in await desk.rows("state")] == ["pending"]
    assert await desk.sender.step() is None
    await _pragma(desk.store, "query_only = OFF")
    await desk.happen(desk.alert(2))
    await desk.sender.step()
    assert [dispute(1) in text for text in desk.service.texts] == [True, False]
    assert {row[0] for row in await desk.rows("state")} == {"sent"}


async def _pragma(store: Store, text: str) -> None:
    """What a file system that turns read-only looks like to SQLite, on the writer's connection."""

    def change() -> None:
        with store._writer.connect() as connection:
            connection.connection.cursor().execute(f"PRAGMA {text}")

    await asyncio.get_running_loop().run_in_executor(store._write_thread, change)


async def test_memory_keeps_the_newest_few(desk: Desk) -> None:
    desk.health.set(Part.STORE, ok=False, reason="away")
    for number in range(REMEMBERED + 5):
        desk.sender.tell(desk.alert(number, AlertEvent.DEGRADED))
    await desk.sender.step()
    assert desk.service.texts[0].startswith(f"Serbero: {REMEMBERED} alerts")
    assert await desk.sender.step() is None
