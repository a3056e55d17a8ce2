"""A delivery worker between a real database and real relays."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from nostr_sdk import Event, Keys
from tests.migrated import provide
from tests.store.rig import SETTLEMENTS, revision

from serbero.delivery.judgement import Pace
from serbero.delivery.ledger import RelaysOf
from serbero.delivery.worker import DeliverySettings, DeliveryWorker, Publisher
from serbero.intake.announcing import Audience
from serbero.intake.recording import record_revisions
from serbero.model.notification import TargetSource
from serbero.model.people import Solver
from serbero.nostr.replies import PublishReply
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.relays.observer import QuietObserver
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import FakeClock, run_until
from serbero.simulator.solver import SolverInbox
from serbero.store.engine import Store, run_once
from serbero.store.patient import PatientStore

PACE = Pace(2, 300)


class Rig:
    """A worker, a pool, a database and some solvers; what :func:`Rig.start` starts, it stops."""

    def __init__(self, path: Path, urls: tuple[str, ...], people: int, pace: Pace = PACE) -> None:
        self.clock = FakeClock()
        self.keys = Keys.generate()
        self.solvers = [Keys.generate() for _ in range(people)]
        provide(path)
        self.raw = Store.open(path, self.clock.now())
        self.metrics = Metrics()
        self.store = PatientStore(self.raw, self.clock, Health(self.clock), self.metrics)
        self.pool = RelayPool(keys=self.keys, clock=self.clock, urls=urls, observer=Waker(self))
        self.publisher: Publisher = self.pool
        self.relays: dict[str, Mapping[str, TargetSource]] = {}
        self.base = dict.fromkeys(urls, TargetSource.CONFIGURED)
        self.relays_of: RelaysOf = lambda who: self.relays.get(who, self.base)
        self.settlements = dict(SETTLEMENTS)
        self.worker = DeliveryWorker(
            store=self.store,
            publisher=Through(self),
            keys=self.keys,
            clock=self.clock,
            relays_of=lambda who: self.relays_of(who),
            settlements=self.settlements,
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
            real_seconds=90,
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


def hex_of(keys: Keys) -> str:
    return keys.public_key().to_hex()


Start = Callable[..., Awaitable[Rig]]
ACCEPTED = "SELECT state, count(*) FROM outbox_targets GROUP BY 1 ORDER BY 1"
MESSAGES = "SELECT state, count(*) FROM outbox GROUP BY 1 ORDER BY 1"
