"""The outbox worker against real relays: who gets what, how often, with which bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from nostr_sdk import Event, Keys
from tests.store.rig import SETTLEMENTS, revision

from serbero.delivery.judgement import Pace
from serbero.delivery.worker import DeliverySettings, DeliveryWorker, Publisher
from serbero.intake.announcing import Audience
from serbero.intake.recording import record_revisions
from serbero.model.notification import TargetSource
from serbero.model.people import Solver
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.relays.observer import QuietObserver
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import FakeClock, run_until
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.store import outbox_work
from serbero.store.engine import Store, run_once
from serbero.store.patient import PatientStore

DISPUTE = revision(1).dispute_id
PACE = Pace(2, 300)


class Rig:
    """A worker, a pool, a database and some solvers; what :func:`Rig.start` starts, it stops."""

    def __init__(self, path: Path, urls: tuple[str, ...], people: int, pace: Pace = PACE) -> None:
        self.clock = FakeClock()
        self.keys = Keys.generate()
        self.solvers = [Keys.generate() for _ in range(people)]
        self.raw = Store.open(path, self.clock.now())
        self.metrics = Metrics()
        self.store = PatientStore(self.raw, self.clock, Health(self.clock), self.metrics)
        self.pool = RelayPool(keys=self.keys, clock=self.clock, urls=urls, observer=Waker(self))
        self.publisher: Publisher = self.pool
        self.relays: dict[str, Mapping[str, TargetSource]] = {}
        self.base = dict.fromkeys(urls, TargetSource.CONFIGURED)
        self.worker = DeliveryWorker(
            store=self.store,
            publisher=Through(self),
            keys=self.keys,
            clock=self.clock,
            relays_of=lambda who: self.relays.get(who, self.base),
            settlements=SETTLEMENTS,
            settings=DeliverySettings(pace, 30 * 86_400),
            metrics=self.metrics,
            draw=lambda: 0.999,
        )
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self.tasks = [asyncio.create_task(self.pool.run()), asyncio.create_task(self.worker.run())]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        for task in self.tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.pool.close()
        self.worker.close()
        self.raw.close()

    async def announce(self, *extra: Solver, dispute: int = 1) -> None:
        known = [Solver(typed=each, hex=each) for each in map(hex_of, self.solvers)]
        everybody = Audience(hex_of(self.keys), (*known, *extra), 86_400)
        at = int(self.clock.time() * 1000)
        await self.store.transact(record_revisions, [revision(dispute)], everybody, 0, at)
        self.worker.wake()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return run_once(self.raw.path, lambda tx: [tuple(row) for row in tx.exec_driver_sql(query)])

    async def until(self, query: str, wanted: list[tuple[Any, ...]], seconds: float = 600) -> None:
        await run_until(
            self.clock,
            lambda: self.rows(query) == wanted,
            limit_seconds=seconds,
            real_seconds=30,
            what=f"{query}: {wanted}",
        )

    async def held_by(self, url: str, solver: Keys) -> list[tuple[str, str]]:
        """(wrap id, rumor id) of everything a relay holds for a solver."""
        inbox = SolverInbox([url], keys=solver)
        return [(each.outer_id, each.rumor_id) for each in await inbox.all_events(url)]


class Waker(QuietObserver):
    """Tells the worker about connections, as the daemon does."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.returned: list[str] = []

    def relay_connected(self, url: str) -> None:
        self.returned.append(url)
        self.rig.worker.relay_returned(url)


class Through:
    """Asks whichever publisher the rig has at the moment."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    async def publish(self, url: str, event: Event) -> PublishReply:
        return await self.rig.publisher.publish(url, event)


class Belated:
    """The pool; an answer that a relay is away is handed on when it is back already."""

    def __init__(self, rig: Rig, relay: LoopbackRelay) -> None:
        self.rig, self.relay = rig, relay
        self.belated = 0

    async def publish(self, url: str, event: Event) -> PublishReply:
        reply = await self.rig.pool.publish(url, event)
        if reply.outcome is PublishOutcome.NOT_CONNECTED:
            await self.relay.start()
            while not self.rig.pool.states()[0].connected:
                await self.rig.clock.sleep(0.1)
            self.belated += 1
        return reply


def hex_of(keys: Keys) -> str:
    return keys.public_key().to_hex()


Start = Callable[..., Awaitable[Rig]]
ACCEPTED = "SELECT state, count(*) FROM outbox_targets GROUP BY 1 ORDER BY 1"
MESSAGES = "SELECT state, count(*) FROM outbox GROUP BY 1 ORDER BY 1"


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    rigs: list[Rig] = []

    async def make(*urls: str, people: int = 2, pace: Pace = PACE) -> Rig:
        rig = Rig(tmp_path / f"{len(rigs)}.db", urls, people, pace)
        rigs.append(rig)
        rig.start()
        return rig

    yield make
    for rig in rigs:
        await rig.close()


async def test_every_relay_holds_one_event_for_every_solver(start: Start) -> None:
    async with LoopbackRelay() as one, LoopbackRelay() as two:
        rig = await start(one.url, two.url, people=3)
        await rig.announce()
        await rig.until(ACCEPTED, [("accepted", 6)])
        await rig.until(MESSAGES, [("sent", 3)])
        for solver in rig.solvers:
            first, second = await rig.held_by(one.url, solver), await rig.held_by(two.url, solver)
            assert first == second
            [(_, rumor)] = first
            assert (rumor,) in rig.rows("SELECT rumor_id FROM outbox")
        assert rig.rows("SELECT status, count(*) FROM notifications GROUP BY 1") == [("sent", 3)]
        assert rig.rows("SELECT lifecycle_state FROM disputes") == [("notified",)]


async def test_work_for_the_relay_that_asks_for_it_alone(start: Start) -> None:
    async with LoopbackRelay(min_pow=6) as picky, LoopbackRelay() as plain:
        rig = await start(picky.url, plain.url, people=1)
        await rig.announce()
        await rig.until(ACCEPTED, [("accepted", 2)])
        [solver] = rig.solvers
        [(mined, rumor)] = await rig.held_by(picky.url, solver)
        [(ordinary, same)] = await rig.held_by(plain.url, solver)
        assert int(mined, 16) < 2 ** (256 - 6)
        assert rumor == same
        # An ordinary wrap may be lucky; it is another event only if it was not.
        if int(ordinary, 16) >= 2 ** (256 - 6):
            assert mined != ordinary


async def test_work_for_one_relay_delays_no_other(start: Start) -> None:
    """A second dispute goes out while the wraps of the first are still being worked on."""
    people = 6
    async with LoopbackRelay(min_pow=15) as picky, LoopbackRelay() as plain:
        rig = await start(picky.url, plain.url, people=people)
        await rig.announce()
        asked = f"SELECT count(*) FROM outbox_targets WHERE relay = '{picky.url}'"  # noqa: S608
        await rig.until(f"{asked} AND pow_bits = 15", [(people,)])
        await rig.announce(dispute=2)
        second = revision(2).dispute_id
        await rig.until(
            f"SELECT count(*) FROM outbox WHERE dispute_id = '{second}' AND state = 'sent'",  # noqa: S608
            [(people,)],
        )
        [(mined,)] = rig.rows(f"{asked} AND wraps = 2")
        assert mined < people
        await rig.until(ACCEPTED, [("accepted", 4 * people)])
        for solver in rig.solvers:
            rumors = [rumor for _, rumor in await rig.held_by(picky.url, solver)]
            assert len(rumors) == len(set(rumors)) == 2


async def test_an_inbox_relay_learned_late_gets_the_same_bytes(start: Start) -> None:
    async with LoopbackRelay() as configured, LoopbackRelay() as inbox:
        rig = await start(configured.url, people=2)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 2)])
        first, second = rig.solvers
        rig.relays[hex_of(first)] = rig.base | {inbox.url: TargetSource.INBOX}
        await rig.store.transact(outbox_work.wake_recipient, hex_of(first), rig.clock.now())
        rig.worker.wake()
        await rig.until(ACCEPTED, [("accepted", 3)])
        assert await rig.held_by(inbox.url, first) == await rig.held_by(configured.url, first)
        assert await rig.held_by(inbox.url, second) == []
        assert rig.rows("SELECT count(*) FROM notifications") == [(2,)]


async def test_a_relay_that_was_away(start: Start) -> None:
    """`failed` rows meanwhile, one message when it is back, and the state follows only then."""
    relay = LoopbackRelay()
    await relay.start()
    url = relay.url
    await relay.stop()
    rig = await start(url, people=2)
    await rig.announce()
    failed = "SELECT status, count(*) FROM notifications GROUP BY 1"
    await rig.until(failed, [("failed", 2)])
    assert rig.rows("SELECT lifecycle_state, last_notified_at FROM disputes") == [("new", None)]
    await relay.start()
    try:
        await rig.until(MESSAGES, [("sent", 2)])
        for solver in rig.solvers:
            assert len(await rig.held_by(url, solver)) == 1
        assert ("sent", 2) in rig.rows(failed)
        assert rig.rows("SELECT lifecycle_state FROM disputes") == [("notified",)]
    finally:
        await relay.stop()


async def test_a_relay_that_is_back_before_its_absence_is_recorded(start: Start) -> None:
    """The message goes out at once, not when its wait for an absent relay would be over."""
    relay = LoopbackRelay()
    await relay.start()
    await relay.stop()
    try:
        rig = await start(relay.url, people=1, pace=Pace(3000, 3000))
        rig.publisher = late = Belated(rig, relay)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 1)], seconds=120)
        assert late.belated == 1
    finally:
        await relay.stop()


async def test_a_key_nothing_can_be_encrypted_for_costs_only_itself(start: Start) -> None:
    """64 hex digits that are no point of the curve: said once, the others are told."""
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=1)
        await rig.announce(Solver(typed="f" * 64, hex="f" * 64))
        await rig.until(MESSAGES, [("pending", 1), ("sent", 1)])
        await rig.until(
            "SELECT solver_pubkey, status FROM notifications ORDER BY status",
            [("f" * 64, "failed"), (hex_of(rig.solvers[0]), "sent")],
        )
        [(reason,)] = rig.rows("SELECT reason FROM outbox_targets WHERE state = 'refused'")
        assert reason.startswith("cannot be encrypted")


async def test_unrecorded_answers_cost_no_second_event(start: Start) -> None:
    """The database as a crash leaves it: wraps committed, relays have them, no answer recorded."""
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=2)
        await rig.announce()
        await rig.until(MESSAGES, [("sent", 2)])
        before = [await rig.held_by(relay.url, each) for each in rig.solvers]
        await rig.store.transact(forget_answers)
        assert rig.rows(MESSAGES) == [("pending", 2)]
        rig.worker.wake()
        await rig.until(MESSAGES, [("sent", 2)])
        assert [await rig.held_by(relay.url, each) for each in rig.solvers] == before


def forget_answers(tx: sa.Connection) -> None:
    tx.exec_driver_sql("UPDATE outbox SET state = 'pending', next_attempt_at = 1")
    tx.exec_driver_sql("UPDATE outbox_targets SET state = 'open', next_attempt_at = 1")
    tx.exec_driver_sql("DELETE FROM notifications")


async def test_drain_lets_what_is_in_flight_be_recorded(start: Start) -> None:
    async with LoopbackRelay() as relay:
        rig = await start(relay.url, people=5)
        await rig.announce()
        await rig.until("SELECT count(*) FROM outbox_wraps", [(5,)])
        draining = asyncio.create_task(rig.worker.drain(30))
        await run_until(rig.clock, draining.done, limit_seconds=60)
        assert rig.rows("SELECT count(*) FROM outbox WHERE state = 'sent'") == [(5,)]
