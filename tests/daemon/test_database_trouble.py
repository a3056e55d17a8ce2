"""A database that cannot be written while the daemon runs, and what becomes of the disputes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from tests.daemon.rig import Daemon, World, firsts, write_lock

from serbero.observe.health import Part
from serbero.simulator.node import Dispute
from serbero.store import sqlite


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock is waited for by SQLite in real time: five seconds are too long here."""
    pragmas = ("busy_timeout=20", *sqlite._PRAGMAS[1:])
    monkeypatch.setattr(sqlite, "_PRAGMAS", pragmas)


async def _pragma(daemon: Daemon, text: str) -> None:
    """Change the daemon's own connection, as no other process can."""

    def change() -> None:
        with daemon.parts.base.store._writer.connect() as connection:
            connection.connection.cursor().execute(text)

    loop = asyncio.get_running_loop()
    await loop.run_in_executor(daemon.parts.base.store._write_thread, change)


@contextlib.asynccontextmanager
async def _trouble(kind: str, here: World, daemon: Daemon) -> AsyncIterator[None]:
    if kind == "locked":
        with write_lock(here.folder / "serbero.db"):
            yield
        return
    if kind == "read-only":
        # What a file system that turns read-only looks like to SQLite.
        await _pragma(daemon, "PRAGMA query_only = ON")
        yield
        await _pragma(daemon, "PRAGMA query_only = OFF")
        return
    await _pragma(daemon, "PRAGMA max_page_count = 1")
    yield
    await _pragma(daemon, "PRAGMA max_page_count = 1073741823")


@pytest.mark.parametrize("kind", ["locked", "read-only", "full"])
async def test_it_stops_telling_says_so_and_loses_nothing(here: World, kind: str) -> None:
    """What could not be recorded is kept, and recorded later."""
    async with here.hearing() as daemon:
        health = daemon.parts.base.health
        before = await here.node.open_dispute()
        await here.told(before)
        await here.settle()
        during: list[Dispute] = []
        async with _trouble(kind, here, daemon):
            # Enough of them that a full database has no free page left for some.
            during += [await here.node.open_dispute() for _ in range(40)]
            await here.until(
                lambda: not health.parts()[Part.STORE].ok,
                limit_seconds=30,
                what="health says so",
            )
            await here.elapse(20)
            assert not health.ready
            assert len(here.logs.named("database_unavailable")) == 1, "once, loudly"
            assert here.logs.named("database_unavailable")[0]["level"] == "error"
            unrecorded = [each for each in during if await daemon.state_of(each) is None]
            assert unrecorded
            assert all(not firsts(one, each) for one in here.solvers for each in unrecorded)
            assert daemon.alive
        await here.told(before, *during)
        await here.until(lambda: health.ready, limit_seconds=30, what="recovered")
        assert len(here.logs.named("database_restored")) == 1
        for solver in here.solvers:
            assert [len(firsts(solver, each)) for each in (before, *during)] == [1] * 41
        assert await daemon.one("PRAGMA integrity_check") == "ok"
        assert here.logs.faults(["database_unavailable"]) == []


async def test_a_delivery_that_cannot_be_recorded(here: World) -> None:
    """The relay took it, the database did not: the same bytes again at most, never new ones."""
    async with here.hearing() as daemon:
        slow = here.proxies[0].add(lambda way, text, _link: [] if _is_ok(way, text) else [text])
        dispute = await here.node.open_dispute()
        await here.until(
            lambda: all(firsts(each, dispute) for each in here.solvers),
            limit_seconds=5,
            what="stored at the relay, the answer lost",
        )
        with write_lock(here.folder / "serbero.db"):
            here.proxies[0].remove(slow)
            await here.elapse(30)
            assert await daemon.state_of(dispute) == "new"

        async def told() -> bool:
            return await daemon.state_of(dispute) == "notified"

        await here.until(told, limit_seconds=60, what="recorded")
        for solver in here.solvers:
            assert len(await solver.all_events(here.relays[0].url)) == 1
        assert await daemon.one("SELECT count(*) FROM notifications WHERE status = 'sent'") == 2


def _is_ok(way: str, text: str) -> bool:
    return way == "down" and text.startswith('["OK"')


def test_the_driver_of_the_tests_is_the_daemons() -> None:
    """Two SQLite libraries in one process would void the locks these tests rely on."""
    assert sa.create_engine("sqlite://", module=sqlite.driver).dialect.dbapi is sqlite.driver
