"""The intake loop: whatever a relay sends is counted, and what is stored is stored whole."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nostr_sdk import Event, Keys, NostrSdkError
from structlog.testing import capture_logs
from tests.store.rig import audience, dispute_id, key

from serbero.intake import feed as feed_module
from serbero.intake.announcing import at_once
from serbero.intake.feed import Feed
from serbero.intake.reconcile import pick_newest, questions
from serbero.model.people import Solver, Via
from serbero.mostro.dispute_event import Rejection
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.events import dispute_event
from serbero.simulator.malformed import badly_signed, odd_but_valid, wrongly_tagged
from serbero.store.engine import Store, run_once
from serbero.store.patient import PatientStore

NODE = Keys.generate()
NODE_HEX = NODE.public_key().to_hex()
RELAY = "wss://one.example"


class Intake:
    """A feed on a real database, and what it tells the rest."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock()
        self.at = self.clock.now()
        self.metrics = Metrics()
        self.raw = Store.open(path, self.at)
        self.woken = 0
        self.overflows = 0
        self.feed = Feed(
            node=NODE_HEX,
            store=PatientStore(self.raw, self.clock, Health(self.clock), self.metrics),
            audience=audience(2),
            horizon=0,
            cursor=0,
            clock=self.clock,
            metrics=self.metrics,
            on_enqueued=self._wake,
            on_gap=self._overflow,
        )
        self.task = asyncio.create_task(self.feed.run())

    def _wake(self) -> None:
        self.woken += 1

    def _overflow(self) -> None:
        self.overflows += 1

    def event(self, number: int, status: str = "initiated", later: int = 0) -> Event:
        return dispute_event(NODE, dispute_id(number), status, self.at + later)

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"serbero_{name}_total", labels) or 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return run_once(self.raw.path, lambda tx: [tuple(row) for row in tx.exec_driver_sql(query)])

    async def settled(self) -> None:
        await eventually(lambda: self.feed.idle)

    async def close(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        self.raw.close()


@pytest.fixture
async def intake(tmp_path: Path) -> AsyncIterator[Intake]:
    running = Intake(tmp_path / "serbero.db")
    yield running
    await running.close()


async def test_malformed_events_are_counted_and_leave_nothing(intake: Intake) -> None:
    shapes = wrongly_tagged(NODE, intake.at) | badly_signed(NODE, intake.at)
    events = []
    for text in shapes.values():
        with contextlib.suppress(NostrSdkError):
            events.append(Event.from_json(text))
    assert len(events) >= 45
    with capture_logs() as logs:
        for event in events:
            intake.feed.on_event(RELAY, event)
    counted = sum(intake.count("events_rejected", reason=each.value) for each in Rejection)
    assert counted == len(events)
    assert {each["event"] for each in logs} == {"event_rejected"}
    assert [each["event_id"] for each in logs] == list(
        dict.fromkeys(each.id().to_hex() for each in events)
    )
    assert all(each["relay"] == RELAY for each in logs)
    # The next good one goes through, and it is all there is.
    intake.feed.on_event(RELAY, intake.event(1))
    await eventually(lambda: len(intake.rows("SELECT 1 FROM disputes")) == 1)
    await intake.settled()
    assert len(intake.rows("SELECT 1 FROM disputes")) == 1
    assert len(intake.rows("SELECT 1 FROM outbox")) == 2


async def test_odd_events_are_recorded(intake: Intake) -> None:
    shapes = odd_but_valid(NODE, intake.at)
    for text in shapes.values():
        intake.feed.on_event(RELAY, Event.from_json(text))
    await eventually(lambda: len(intake.rows("SELECT 1 FROM disputes")) == len(shapes))


async def test_copies_of_other_relays_are_skipped(intake: Intake) -> None:
    event = intake.event(1)
    for _ in range(5):
        intake.feed.on_event(RELAY, event)
    await eventually(lambda: intake.count("dispute_events", outcome="detected") == 1)
    assert intake.count("dispute_events", outcome="duplicate") == 4
    assert len(intake.rows("SELECT 1 FROM outbox")) == 2
    assert intake.woken == 1


async def test_the_cursor_moves_with_what_was_recorded_and_never_past_our_clock(
    intake: Intake,
) -> None:
    intake.feed.on_event(RELAY, intake.event(1, later=-500))
    await eventually(lambda: intake.feed.cursor == intake.at - 560)
    intake.feed.on_event(RELAY, intake.event(2, later=100_000))
    await eventually(lambda: intake.feed.cursor == intake.at - 60)


async def test_a_database_that_is_away_loses_nothing(intake: Intake) -> None:
    """Kept in memory while SQLite refuses, in order, and recorded once it does not."""
    raw: Any = intake.raw._writer.raw_connection()
    raw.driver_connection.execute("PRAGMA query_only = ON").close()
    for number in range(250):
        intake.feed.on_event(RELAY, intake.event(number))
        intake.feed.on_event(RELAY, intake.event(number, "in-progress", later=1))
    await run_until(intake.clock, lambda: intake.clock.monotonic() > 30, limit_seconds=60)
    assert not intake.feed.idle
    assert intake.woken == 0
    raw.driver_connection.execute("PRAGMA query_only = OFF").close()
    raw.close()
    await run_until(intake.clock, lambda: intake.feed.idle, limit_seconds=30)
    states = intake.rows("SELECT lifecycle_state, count(*) FROM disputes GROUP BY 1")
    assert states == [("taken", 250)]
    pending = "SELECT purpose, count(*) FROM outbox WHERE state = 'pending' GROUP BY 1"
    assert intake.rows(pending) == [("assignment", 500)]


async def test_too_much_is_dropped_and_looked_up_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_WAITING", 10)
    with capture_logs() as logs:
        for number in range(30):
            intake.feed.on_event(RELAY, intake.event(number))
        await eventually(lambda: intake.overflows == 1)
    assert [each["event"] for each in logs].count("intake_overflow") == 1
    assert len(intake.rows("SELECT 1 FROM disputes")) == 10
    # What was dropped is not remembered as seen: it is taken when it is handed over again.
    for number in range(10, 20):
        intake.feed.on_event(RELAY, intake.event(number))
    await eventually(lambda: len(intake.rows("SELECT 1 FROM disputes")) == 20)


async def test_one_revision_the_database_refuses_costs_only_itself(intake: Intake) -> None:
    """Two disputes cannot have one opening event; the batch around the clash is recorded."""
    await intake.raw.transact(
        lambda tx: tx.exec_driver_sql(
            "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
            " event_timestamp, detected_at) VALUES ('other', ?, 'x', 'buyer', 1, 1)",
            (intake.event(2).id().to_hex(),),
        ).close(),
    )
    with capture_logs() as logs:
        intake.feed.offer([])
        for number in (1, 2, 3):
            intake.feed.on_event(RELAY, intake.event(number))
        await eventually(lambda: len(intake.rows("SELECT 1 FROM disputes")) == 3)
        await intake.settled()
    failed = [each for each in logs if each["event"] == "persistence_failed"]
    assert [each["dispute_id"] for each in failed] == [dispute_id(2)]
    assert len(intake.rows("SELECT 1 FROM outbox")) == 4
    assert not intake.task.done()


async def test_nobody_to_tell_is_said(tmp_path: Path) -> None:
    running = Intake(tmp_path / "alone.db")
    running.feed._audience = audience(0)
    with capture_logs() as logs:
        running.feed.on_event(RELAY, running.event(1))
        await eventually(lambda: any(each["event"] == "nobody_to_notify" for each in logs))
    await running.close()


def test_the_winner_of_each_dispute_over_all_relays() -> None:
    at = 1_767_225_600
    node = NODE_HEX

    def event(number: int, status: str, later: int) -> Event:
        return dispute_event(NODE, dispute_id(number), status, at + later)

    stranger = dispute_event(Keys.generate(), dispute_id(9), "initiated", at)
    events = [event(1, "in-progress", 5), event(2, "initiated", 1), stranger]
    events += [event(1, "initiated", 0), event(1, "settled", 5), event(2, "initiated", 0)]
    winners, rejected = pick_newest(events, node, at)
    assert [(each.dispute_id, each.status.value, each.created_at) for each in winners] == [
        (dispute_id(2), "initiated", at + 1),
        (dispute_id(1), "settled", at + 5),
    ]
    assert rejected == [Rejection.AUTHOR]


@pytest.mark.parametrize(("held", "chunks"), [(0, []), (1, [1]), (90, [90]), (250, [90, 90, 70])])
def test_questions(held: int, chunks: list[int]) -> None:
    ids = [dispute_id(number) for number in range(held)]
    first, *others = questions(NODE_HEX, -5, ids)
    assert first == {
        "kinds": [38386],
        "authors": [NODE_HEX],
        "#s": ["initiated", "in-progress"],
        "since": 0,
    }
    asked: list[Any] = [each["#d"] for each in others]
    assert [len(each) for each in asked] == chunks
    assert [each for chunk in asked for each in chunk] == ids


async def test_a_refused_event_is_logged_once(intake: Intake) -> None:
    """A relay that sends it again and again fills a counter, not the log."""
    first, other = (
        dispute_event(NODE, "no uuid", "initiated", intake.at + later) for later in (0, 1)
    )
    with capture_logs() as logs:
        for _ in range(50):
            intake.feed.on_event(RELAY, first)
        intake.feed.on_event(RELAY, other)
    assert [each["event_id"] for each in logs] == [first.id().to_hex(), other.id().to_hex()]
    assert intake.count("events_rejected", reason="d-not-a-uuid") == 51


async def test_refused_events_are_forgotten_in_turn(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "MAX_REMEMBERED", 2)
    events = [dispute_event(NODE, f"no uuid {each}", "initiated", intake.at) for each in range(3)]
    with capture_logs() as logs:
        for event in (*events, events[2], events[0]):
            intake.feed.on_event(RELAY, event)
    logged = [each["event_id"] for each in logs]
    assert logged == [each.id().to_hex() for each in (*events, events[0])]


def test_a_transaction_tells_of_as_many_disputes_as_it_may() -> None:
    """Whoever is written to on two channels counts twice, and who cannot be reached not at all."""
    assert at_once(audience(0), 100) == at_once(audience(10), 100) == 100
    assert at_once(audience(200), 100) == 5
    both = (Solver(key(9), key(9), via=Via.BOTH), Solver("npub1nonsense", None, problem="no key"))
    assert at_once(audience(both * 100), 100) == 5
    assert at_once(audience(5_000), 100) == 1


async def test_many_solvers_make_short_transactions(intake: Intake) -> None:
    """Only one may write: who else has something to write must not wait for a crowd's messages."""
    commits = 0

    def committed(_connection: Any) -> None:
        nonlocal commits
        commits += 1

    feed = Feed(
        node=NODE_HEX,
        store=PatientStore(intake.raw, intake.clock, Health(intake.clock), intake.metrics),
        audience=audience(400),
        horizon=0,
        cursor=0,
        clock=intake.clock,
        metrics=intake.metrics,
        on_enqueued=intake._wake,
        on_gap=intake._overflow,
    )
    sa.event.listen(intake.raw._writer, "commit", committed)
    for number in range(6):
        feed.on_event(RELAY, intake.event(number))
    task = asyncio.create_task(feed.run())
    await eventually(lambda: feed.idle)
    task.cancel()
    assert commits == 3
    assert intake.rows("SELECT count(*) FROM outbox") == [(6 * 400,)]
