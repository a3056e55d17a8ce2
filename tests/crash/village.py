"""A node, its disputes, their solvers and relays, around a daemon that is being killed."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from tests.crash.household import PATIENCE_SECONDS, Daemon, Household

from serbero.model.lifecycle import TRANSITIONS, Lifecycle
from serbero.model.notification import NotificationType, OutboxState, TargetState
from serbero.simulator.behaviour import Way
from serbero.simulator.clock import eventually
from serbero.simulator.node import Dispute, MostroNode
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.simulator.wire import Frame
from serbero.store.schema import disputes, notifications, outbox, outbox_targets, transitions

LATENCY_SECONDS = 0.02
"""Between daemon and relay, each way: messages are long enough on their way to be caught there."""

OPTIONS: dict[str, dict[str, object]] = {
    "mostro": {"cold_start_lookback_seconds": 86_400},
    "timeouts": {"renotification_seconds": 86_400},
    # The last life finishes what a relay missed without long waits.
    "delivery": {"backoff_initial_seconds": 1, "backoff_max_seconds": 2},
}


@dataclass
class Village:
    """Everything around the daemon, and what it must have been told.

    Attributes:
        home: the daemon's.
        node: the node; it is always connected to the relays themselves.
        proxies: one before each relay, on the daemon's side.
        opened: every dispute the node opened.
        taken: those it published as taken.
        closed: those it published as closed.
    """

    home: Household
    node: MostroNode
    relays: list[LoopbackRelay]
    proxies: list[FaultProxy]
    solvers: list[SolverInbox]
    opened: list[Dispute] = field(default_factory=list)
    taken: list[Dispute] = field(default_factory=list)
    closed: list[Dispute] = field(default_factory=list)

    async def open(self, count: int) -> None:
        """Open disputes, as fast as the relays take them."""
        self.opened += await self.node.open_many(count, connections=1)

    async def move_on(self, count: int) -> None:
        """Close disputes known to be taken, and take some that every relay knows to be announced.

        Earlier, the first message might be withdrawn before it reached every relay, and a closing
        replaces the taking on the relays, of which a life that just began has not heard.
        """
        known = self.home.read(_known_as_taken)
        for dispute in [each for each in self.taken if each.id in known][:count]:
            await self.node.resolve(dispute)
            self.closed.append(dispute)
        ready = self.home.read(_announced) - {each.id for each in self.taken}
        for dispute in [each for each in self.opened if each.id in ready][:count]:
            await self.node.take(dispute)
            self.taken.append(dispute)

    async def finish(self, life: Daemon) -> None:
        """Wait until the daemon has nothing left to tell, and end it in order."""
        assert await life.ready(), self.home.logs()
        wanted = len(self.solvers) * (len(self.opened) + len(self.taken))
        await eventually(
            lambda: self.home.holds(lambda tx: _all_sent(tx, wanted, len(self.relays))),
            seconds=PATIENCE_SECONDS,
            every=0.05,
            what=f"{wanted} messages on every relay",
        )
        await eventually(
            lambda: self.home.holds(lambda tx: _resolved(tx) == {each.id for each in self.closed}),
            seconds=PATIENCE_SECONDS,
            every=0.05,
            what=f"{len(self.closed)} disputes resolved",
        )
        assert await life.stop() == 0, self.home.logs()

    async def check(self) -> None:
        """Every relay, every table: each solver was told everything exactly once."""
        for relay in self.relays:
            for solver in self.solvers:
                await self._check_held(relay.url, solver)
        self.home.read(self._check_tables)

    async def _check_held(self, url: str, solver: SolverInbox) -> None:
        held = await solver.all_events(url)
        rumors = Counter(message.rumor_id for message in held)
        assert [each for each, count in rumors.items() if count > 1] == [], f"twice on {url}"
        told = Counter((message.text.splitlines()[0], _dispute(message.text)) for message in held)
        wanted = Counter(
            [("New Mostro dispute requires attention.", each.id) for each in self.opened]
            + [("Mostro dispute has been taken.", each.id) for each in self.taken]
        )
        assert told - wanted == Counter(), f"too much on {url}"
        assert wanted - told == Counter(), f"missing on {url}"

    def _check_tables(self, tx: sa.Connection) -> None:
        assert tx.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        assert tx.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        self._check_history(tx)
        sent = Counter(
            tuple(row)
            for row in tx.execute(
                sa.select(
                    notifications.c.notif_type,
                    notifications.c.dispute_id,
                    notifications.c.solver_pubkey,
                ).where(notifications.c.status == "sent")
            )
        )
        told = [(NotificationType.INITIAL.value, each.id) for each in self.opened]
        told += [(NotificationType.ASSIGNMENT.value, each.id) for each in self.taken]
        assert sent == Counter(
            (*each, solver.public_key) for each in told for solver in self.solvers
        )

    def _check_history(self, tx: sa.Connection) -> None:
        """Each dispute went a legal way from ``new`` to the state it is in."""
        held = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state))
        states: dict[str, str] = {row.dispute_id: row.lifecycle_state for row in held}
        assert states.keys() == {each.id for each in self.opened}
        places = dict.fromkeys(states, Lifecycle.NEW)
        steps = sa.select(
            transitions.c.dispute_id, transitions.c.from_state, transitions.c.to_state
        ).order_by(transitions.c.id)
        for step in tx.execute(steps):
            assert step.from_state == places[step.dispute_id].value
            assert Lifecycle(step.to_state) in TRANSITIONS[places[step.dispute_id]]
            places[step.dispute_id] = Lifecycle(step.to_state)
        assert {each: place.value for each, place in places.items()} == states
        closed, taken = ({each.id for each in group} for group in (self.closed, self.taken))
        for dispute, place in places.items():
            wanted = Lifecycle.TAKEN if dispute in taken else Lifecycle.NOTIFIED
            assert place is (Lifecycle.RESOLVED if dispute in closed else wanted)


@asynccontextmanager
async def village(folder: Path, *, relays: int, solvers: int) -> AsyncIterator[Village]:
    """Build one; the daemon reaches each relay through a proxy that takes its time."""
    async with AsyncExitStack() as stack:
        running = [await stack.enter_async_context(LoopbackRelay()) for _ in range(relays)]
        urls = [relay.url for relay in running]
        proxies = [await stack.enter_async_context(FaultProxy(url)) for url in urls]
        for proxy in proxies:
            proxy.latency = LATENCY_SECONDS
        people = [SolverInbox(urls, name=f"solver {each + 1}") for each in range(solvers)]
        node = await stack.enter_async_context(MostroNode(urls))
        home = Household(
            folder,
            relays=[proxy.url for proxy in proxies],
            node=node.public_key,
            solvers=[each.public_key for each in people],
            options=OPTIONS,
        )
        yield Village(await stack.enter_async_context(home), node, running, proxies, people)


def without_ok(way: Way, text: str, _link: Link) -> list[Frame] | None:
    """A proxy's hook: the relay's answers are lost, so what it has is unknown."""
    return [] if way == "down" and text.startswith('["OK"') else [text]


def _dispute(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("dispute_id: "))[12:]


def _known_as_taken(tx: sa.Connection) -> set[str]:
    """Disputes that the daemon holds as taken and not closed."""
    query = sa.select(disputes.c.dispute_id).where(
        disputes.c.lifecycle_state == Lifecycle.TAKEN.value
    )
    return set(tx.execute(query).scalars())


def _announced(tx: sa.Connection) -> set[str]:
    """Disputes with nothing left to send."""
    known = set(tx.execute(sa.select(disputes.c.dispute_id)).scalars())
    open_targets = (
        sa.select(outbox.c.dispute_id)
        .outerjoin(outbox_targets, outbox_targets.c.outbox_id == outbox.c.id)
        .where(
            sa.or_(
                outbox.c.state != OutboxState.SENT.value,
                outbox_targets.c.state != TargetState.ACCEPTED.value,
            )
        )
    )
    return known - set(tx.execute(open_targets).scalars())


def _all_sent(tx: sa.Connection, messages: int, relays: int) -> bool:
    rows = Counter(tx.execute(sa.select(outbox.c.state)).scalars())
    targets = Counter(tx.execute(sa.select(outbox_targets.c.state)).scalars())
    return rows == {OutboxState.SENT.value: messages} and targets == {
        TargetState.ACCEPTED.value: messages * relays
    }


def _resolved(tx: sa.Connection) -> set[str]:
    query = sa.select(disputes.c.dispute_id).where(
        disputes.c.lifecycle_state == Lifecycle.RESOLVED.value
    )
    return set(tx.execute(query).scalars())
