"""A console between a real database and real relays, with delivery beside it, and solvers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nostr_sdk import Event, Keys
from tests.migrated import provide

from serbero.delivery.judgement import Pace
from serbero.delivery.worker import DeliverySettings, DeliveryWorker
from serbero.intake.announcing import Audience
from serbero.model.notification import TargetSource
from serbero.model.people import Permission, Solver
from serbero.mostro import transport
from serbero.mostro.inbound import Inbound
from serbero.mostro.message import TextMessage, send_dm
from serbero.mostro.node_info import Transport
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import Condition, FakeClock, eventually, run_until
from serbero.simulator.peer import RelayPeer
from serbero.simulator.solver import SolverInbox
from serbero.solvers.desk import DeskSettings
from serbero.solvers.inbound import Console
from serbero.store.engine import Store, run_once
from serbero.store.patient import PatientStore

NODE = "aa" * 32
PATIENCE_SECONDS = 30.0
"""How long a machine that is busy with other tests may take."""


@dataclass
class Life:
    """One life of the daemon's part."""

    console: Console
    worker: DeliveryWorker
    metrics: Metrics
    pool: RelayPool
    store: Store
    changes: list[str] = field(default_factory=list)

    def counted(self, outcome: str) -> int:
        """What the metric says of an outcome."""
        sample = self.metrics.registry.get_sample_value(
            "serbero_solver_messages_total", {"outcome": outcome}
        )
        return int(sample or 0)


@dataclass
class Scene:
    """Relays, a clock, our key and one database; lives come and go."""

    path: Path
    urls: Sequence[str]
    clock: FakeClock = field(default_factory=FakeClock)
    keys: Keys = field(default_factory=Keys.generate)

    @property
    def own(self) -> str:
        return self.keys.public_key().to_hex()

    @contextlib.asynccontextmanager
    async def life(
        self, people: Sequence[Keys], *, answers: bool = True, delivers: bool = True
    ) -> AsyncIterator[Life]:
        """Run it until left.

        Args:
            people: who is configured, with write permission.
            answers: whether the console's loop runs.
            delivers: whether the delivery worker runs.
        """
        provide(self.path)
        store = Store.open(self.path, self.clock.now())
        metrics = Metrics()
        patient = PatientStore(store, self.clock, Health(self.clock), metrics)
        pool = RelayPool(keys=self.keys, clock=self.clock, urls=self.urls)
        solvers = tuple(
            Solver(hex_of(each), hex_of(each), permission=Permission.WRITE) for each in people
        )
        base = dict.fromkeys(self.urls, TargetSource.CONFIGURED)
        worker = DeliveryWorker(
            store=patient,
            publisher=pool,
            keys=self.keys,
            clock=self.clock,
            relays_of=lambda _who: base,
            settlements={},
            settings=DeliverySettings(Pace(2, 300), 30 * 86_400),
            metrics=metrics,
        )
        changes: list[str] = []
        console = Console(
            keys=self.keys,
            audience=Audience(self.own, solvers, 86_400),
            store=patient,
            clock=self.clock,
            metrics=metrics,
            settings=DeskSettings(NODE, acknowledge=True, lease_seconds=900),
            relays=pool,
            on_enqueued=worker.wake,
            on_changed=lambda: changes.append("changed"),
        )
        console.listen()
        runs = [pool.run(), *([console.run()] if answers else [])]
        runs += [worker.run()] if delivers else []
        tasks = [asyncio.create_task(each) for each in runs]
        life = Life(console, worker, metrics, pool, store, changes)
        try:
            await self.until(lambda: heard_everywhere(life, self.urls), "what is wanted is heard")
            yield life
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await pool.close()
            worker.close()
            store.close()
            for each in ended:
                if isinstance(each, Exception):
                    raise each

    async def until(self, condition: Condition, what: str) -> None:
        """Wait for what needs sockets and threads only; the clock stands still."""
        await eventually(condition, seconds=PATIENCE_SECONDS, what=what)

    async def later(self, condition: Condition, what: str) -> float:
        """Let time pass until it holds; return how many virtual seconds passed."""
        return await run_until(self.clock, condition, limit_seconds=600, real_seconds=60, what=what)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return run_once(self.path, lambda tx: [tuple(row) for row in tx.exec_driver_sql(query)])

    def private(self, keys: Keys, text: str, *, at: int | None = None) -> Event:
        """A private message of somebody to us."""
        now = self.clock.now() if at is None else at
        rumor = direct_message(
            sender=hex_of(keys), recipient=self.own, text=text, created_at=now, subject="",
            root=None,
        )  # fmt: skip
        return gift_wrap(keys, self.own, rumor.json, expires_at=now + 30 * 86_400).event

    def direct(self, keys: Keys, text: str) -> Event:
        """The same as Mostro's own clients write it."""
        now = self.clock.now()
        return transport.wrap(
            Transport.NIP44, keys, self.own, send_dm(text, None),
            created_at=now, expires_at=now + 86_400,
        )  # fmt: skip


def heard_everywhere(life: Life, urls: Sequence[str]) -> bool:
    wanted = life.console.subscriptions()
    return all(len(life.pool.heard_on(each.id)) == len(urls) for each in wanted)


def hex_of(keys: Keys) -> str:
    return keys.public_key().to_hex()


def answers(inbox: SolverInbox) -> list[str]:
    """What a solver was answered by private message, each rumor once."""
    found = {each.rumor_id: each.text for each in inbox.messages}
    return list(found.values())


@contextlib.asynccontextmanager
async def mostrix(url: str, keys: Keys, serbero: str) -> AsyncIterator[list[str]]:
    """What Mostro's own client of a solver shows."""
    shown: list[str] = []

    def heard(event: Event) -> None:
        got = transport.unwrap(event, keys, now=event.created_at().as_secs())
        assert isinstance(got, Inbound)
        assert isinstance(got.message.payload, TextMessage)
        shown.append(got.message.payload.text)

    async with RelayPeer(url, keys=keys) as peer:
        wanted = {"kinds": [14], "authors": [serbero], "#p": [hex_of(keys)]}
        await peer.subscribe(heard, wanted)
        yield shown
