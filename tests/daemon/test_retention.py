"""The daemon empties by itself what is not kept for ever, and nothing it does waits for that."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.daemon.rig import Daemon, Logs, World
from tests.store.purge_rig import DAY, close, found, mediated, send, words_of
from tests.store.rig import NODE, T0, Database, audience, revision

from serbero.clock import Clock
from serbero.daemon.retention import Retention
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, run_until
from serbero.store import node_info
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

KEPT = "[retention]\nclosed_days = 30\n"
TOLD = 20
"""Long settled messages that the past here holds, besides those of its three disputes."""


def past(path: Path) -> None:
    """What a database holds of disputes of long ago: two ended, one still open."""
    database = Database(path)
    close(database, *(mediated(database, number) for number in (1, 2)))
    mediated(database, 3)
    database.record(*(revision(n, at=T0) for n in range(10, 10 + TOLD)), audience=audience(1))
    send(database, T0)
    database.claim(T0 + DAY, limit=0)
    database.close()


async def purged(daemon: Daemon) -> list[tuple[object, ...]]:
    query = "SELECT dispute_id IS NULL, payload_json FROM journal WHERE kind = 'contents_purged'"
    return await daemon.rows(f"{query} ORDER BY id")


async def test_at_the_start_what_is_too_old_is_emptied(here: World) -> None:
    path = here.folder / "serbero.db"
    past(path)
    async with here.hearing(here.config(KEPT)) as daemon:
        await here.until(
            lambda: here.logs.named("contents_purged"), limit_seconds=60, what="it is emptied"
        )
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        assert len(await purged(daemon)) == 3, "a batch of messages, and two disputes"
        [line] = here.logs.named("contents_purged")
        names = line.keys() - {"level", "at", "event"}
        assert all(type(line[name]) is int for name in names), "nothing but counts"
        assert (line["disputes"], line["messages"], line["summaries"]) == (2, 8, 2)
        assert line["outbox"] == TOLD + 3, "also of the dispute that is open"
        old = "SELECT count(*) FROM outbox WHERE rumor_json IS NOT NULL AND created_at < :then"
        assert await daemon.one(old, then=T0 + DAY) == 0
        assert found(path, words_of(1) + words_of(2)) == []
        spoken = [each for each in words_of(3) if not each.endswith("K")]
        assert found(path, spoken) == spoken
    assert here.logs.faults() == []


async def test_conversations_are_kept_where_nobody_says_otherwise(here: World) -> None:
    path = here.folder / "serbero.db"
    past(path)
    async with here.hearing() as daemon:
        await here.until(
            lambda: here.logs.named("contents_purged"), limit_seconds=60, what="it is emptied"
        )
        [line] = here.logs.named("contents_purged")
        assert (line["disputes"], line["messages"], line["outbox"]) == (0, 0, TOLD + 3)
        assert await daemon.one("SELECT count(*) FROM mediation_messages WHERE content = ''") == 0


async def test_a_failure_of_it_is_nobody_elses(here: World) -> None:
    """It is logged and begun again; meanwhile disputes are told of as ever."""
    path = here.folder / "serbero.db"
    past(path)
    database = Database(path)
    refuse = "BEGIN SELECT RAISE(ABORT, 'not now'); END"
    statement = f"CREATE TRIGGER refusal BEFORE UPDATE OF content ON mediation_messages {refuse}"
    database.run(lambda tx: tx.exec_driver_sql(statement).close())
    database.close()
    async with here.hearing(here.config(KEPT)) as daemon:
        await here.until(
            lambda: here.logs.named("part_failed", part="retention"),
            limit_seconds=60,
            what="it fails",
        )
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        assert daemon.alive
        drop = sa.text("DROP TRIGGER refusal")
        await daemon.parts.base.store.transact(lambda tx: tx.execute(drop).close())
        await here.until(
            lambda: here.logs.named("contents_purged", disputes=2),
            limit_seconds=700,
            what="it is emptied after all",
        )
        said = [line for line in here.logs.lines if "WORD" in repr(line)]
        assert said == []


# --- in its own time ------------------------------------------------------------------------------


class Keeper:
    """The part alone, over a real database, on a clock that is moved by hand."""

    def __init__(self, path: Path, clock: Clock, closed_days: int = 30) -> None:
        self.store = Store.open(path, clock.now())
        patient = PatientStore(self.store, clock, Health(clock), Metrics())
        self.part = Retention(store=patient, path=path, closed_days=closed_days, clock=clock)

    async def count(self, query: str) -> int:
        return int(await self.store.read(lambda tx: tx.execute(sa.text(query)).scalar_one()))

    async def emptied(self) -> int:
        """Disputes the journal names."""
        return await self.count(
            "SELECT count(dispute_id) FROM journal WHERE kind = 'contents_purged'"
        )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serbero.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0 + 100 * DAY)


@pytest.fixture
def logs(clock: FakeClock) -> Iterator[Logs]:
    with Logs(clock).capture() as lines:
        yield lines


async def test_it_looks_again_every_day(path: Path, clock: FakeClock, logs: Logs) -> None:
    database = Database(path)
    first, second = mediated(database, 1), mediated(database, 2)
    start = clock.now()
    close(database, first, at=start - 30 * DAY)
    close(database, second, at=start - 28 * DAY - 10)
    database.close()
    keeper = Keeper(path, clock)
    running = asyncio.create_task(keeper.part.run())
    try:
        await run_until(clock, lambda: logs.named("contents_purged"), limit_seconds=DAY / 2)
        assert await keeper.emptied() == 1
        await clock.advance(DAY + 60)
        assert await keeper.emptied() == 1, "it has ended 29 days ago"
        await run_until(
            clock,
            lambda: len(logs.named("contents_purged", disputes=1)) == 2,
            limit_seconds=2 * DAY,
        )
        assert await keeper.emptied() == 2
        assert clock.now() < start + 2 * DAY + 3600
        assert len(logs.lines) == 2, "and says nothing of a day without"
    finally:
        running.cancel()
        keeper.store.close()


async def test_a_clock_that_is_ahead_empties_nothing_that_is_to_be_kept(
    path: Path, clock: FakeClock, logs: Logs
) -> None:
    """Started with it, as machines without a battery are, and again once the node is heard."""
    database = Database(path)
    close(database, mediated(database, 1), at=clock.now())
    database.run(node_info.save_info, NODE, "{}", clock.now(), clock.now())
    database.close()
    ahead = FakeClock(clock.now() + 365 * DAY)
    keeper = Keeper(path, ahead)
    await keeper.part.once()
    assert await keeper.emptied() == 0
    later = clock.now() + 30 * DAY
    await keeper.store.transact(node_info.save_info, NODE, "{}", later, later)
    running = asyncio.create_task(keeper.part.run())
    done = "contents_purged"
    await run_until(ahead, lambda: logs.named(done, disputes=1), limit_seconds=DAY / 2)
    running.cancel()
    assert await keeper.emptied() == 1
    keeper.store.close()


async def test_stopped_in_the_middle_it_goes_on_at_the_next_start(
    path: Path, clock: FakeClock, logs: Logs
) -> None:
    database = Database(path)
    many = 23
    close(database, *(mediated(database, number) for number in range(many)))
    database.close()
    keeper = Keeper(path, clock)
    running = asyncio.create_task(keeper.part.run())

    async def some() -> bool:
        return await keeper.emptied() > 5

    await run_until(clock, some, limit_seconds=60)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    done = await keeper.emptied()
    keeper.store.close()
    assert 5 < done < many
    again = Keeper(path, clock)
    running = asyncio.create_task(again.part.run())
    await run_until(clock, lambda: logs.named("contents_purged"), limit_seconds=60)
    running.cancel()
    assert await again.emptied() == many
    assert await again.count("SELECT count(*) FROM mediation_messages WHERE content != ''") == 0
    again.store.close()


async def test_between_two_batches_others_write(path: Path, clock: FakeClock, logs: Logs) -> None:
    """Each takes a moment of the only writer, and then leaves it alone for a while."""
    database = Database(path)
    close(database, *(mediated(database, number) for number in range(12)))
    database.close()
    keeper = Keeper(path, clock)
    running = asyncio.create_task(keeper.part.run())
    seen = set()

    async def look() -> bool:
        seen.add(await keeper.emptied())
        return bool(logs.named("contents_purged"))

    await run_until(clock, look, limit_seconds=60)
    running.cancel()
    keeper.store.close()
    assert seen >= {5, 10, 12}, "five disputes at a time, with a pause in which one can look"
