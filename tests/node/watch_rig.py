"""A watch on a running pool, a database file, and what it told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nostr_sdk import Keys
from prometheus_client.parser import text_string_to_metric_families
from tests.migrated import provide

from serbero.node.standing import NoWay, Wanted, Way
from serbero.node.watch import NodeWatch
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Subscription
from serbero.simulator.clock import FakeClock
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

OWN = Keys.parse("11" * 32)
OWN_KEY = OWN.public_key().to_hex()


@dataclass
class WatchRig:
    """One life of a watch."""

    watch: NodeWatch
    pool: RelayPool
    store: Store
    health: Health
    metrics: Metrics
    standings: list[Way | NoWay] = field(default_factory=list)
    relays: list[tuple[str, ...]] = field(default_factory=list)
    running: "asyncio.Task[Any] | None" = None

    def run(self) -> None:
        """Start its loop."""
        self.running = asyncio.create_task(self.watch.run())

    @property
    def healthy(self) -> bool:
        return self.health.parts()[Part.NODE].ok

    def shown(self) -> list[dict[str, str]]:
        """What the metric says the node is spoken to with."""
        return [
            dict(sample.labels)
            for family in text_string_to_metric_families(self.metrics.render().decode())
            for sample in family.samples
            if sample.name == "serbero_node_transport"
        ]


@contextlib.asynccontextmanager
async def watching(
    path: Path,
    clock: FakeClock,
    node: str,
    urls: Sequence[str],
    *,
    wanted: Wanted = "auto",
    live: bool = True,
    run: bool = True,
    allow_private: bool = True,
) -> AsyncIterator[WatchRig]:
    """Build it as the daemon does, and take it down again.

    Args:
        path: the database file.
        clock: for all of it.
        node: the node's key in hex.
        urls: the configured relays.
        wanted: ``[mostro].transport``.
        live: whether the subscription is made.
        run: whether its loop runs.
        allow_private: whether the node's list may name this machine.
    """
    metrics, health = Metrics(), Health(clock)
    provide(path)
    store = Store.open(path, clock.now())
    patient = PatientStore(store, clock, health, metrics)
    pool = RelayPool(keys=OWN, clock=clock, urls=urls)
    standings: list[Way | NoWay] = []
    named: list[tuple[str, ...]] = []

    def on_relays(extra: tuple[str, ...]) -> None:
        named.append(extra)
        pool.listen_also(extra)

    watch = NodeWatch(
        node=node,
        own_key=OWN_KEY,
        wanted=wanted,
        store=patient,
        asker=pool,
        clock=clock,
        metrics=metrics,
        health=health,
        allow_private=allow_private,
        configured=urls,
        on_relays=on_relays,
        on_change=standings.append,
    )
    rig = WatchRig(watch, pool, store, health, metrics, standings, named)
    pumping = asyncio.create_task(pool.run())
    try:
        await watch.load()
        if live:
            pool.subscribe(Subscription("node", watch.filters, watch.on_event))
        if run:
            rig.run()
        yield rig
    finally:
        tasks = [pumping] + ([rig.running] if rig.running is not None else [])
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await pool.close()
        store.close()
        for task in tasks:
            if not task.cancelled():
                task.result()
