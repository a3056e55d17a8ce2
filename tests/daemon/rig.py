"""The daemon's parts in this process, around them a real relay, a node, solvers and a clock.

Everything between the daemon and a relay goes through a :class:`FaultProxy`, so that a test sees
what it asks and when. Waiting that is the daemon's own happens on :class:`FakeClock`;
:meth:`World.settle` lets sockets and threads finish before each step of it.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
import structlog
from nostr_sdk import Event, Keys
from tests.daemon.settling import PROOF, Patience, Threads, WatchedProxy
from tests.migrated import provide

from serbero.clock import Clock
from serbero.config.loader import loads
from serbero.config.settings import Config
from serbero.daemon.build import Parts, build
from serbero.daemon.process import supervise
from serbero.observe.service_manager import ServiceManager
from serbero.relays.canary import Proof
from serbero.relays.settings import RelaySettings
from serbero.simulator.behaviour import Behaviour, Way
from serbero.simulator.clock import Condition, FakeClock
from serbero.simulator.events import KIND_DISPUTE, signed
from serbero.simulator.node import Dispute, MostroNode
from serbero.simulator.proxy import Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import Message, SolverInbox
from serbero.simulator.wire import Frame, peek

QUIET_SECONDS: Final = 0.008
"""Real seconds without a frame, an attempt or a log line after which nothing more is expected."""
PASS_SECONDS: Final = 0.001
"""Between two looks. Quiet is counted in looks: on a busy machine they are further apart."""
LONGEST_SETTLE_SECONDS: Final = 2.0
LONGEST_WAIT_SECONDS: Final = 90.0
"""Real seconds of one wait, however busy the machine; what is on trial is the other clock."""
LONGEST_JOB_SECONDS: Final = 30.0
"""Of a thread: longer than a database that is locked keeps one."""
HANDSHAKE_SECONDS: Final = 0.6
"""Of a connection attempt in tests: real seconds, since the library counts them."""
SETTINGS: Final = RelaySettings(connect_timeout_seconds=HANDSHAKE_SECONDS)


class Logs:
    """Structlog's last processor: keeps every line with the moment on the clock on trial.

    Attributes:
        lines: event fields with ``level`` and ``at`` (monotonic seconds).
        proofs: the rig's own notices, which are in no line.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.lines: list[dict[str, Any]] = []
        self.proofs: set[str] = set()

    def __call__(self, _logger: object, method: str, event: structlog.typing.EventDict) -> str:
        if event["event"] == "relay_notice" and str(event["reason"]).startswith(PROOF):
            self.proofs.add(event["reason"])
            raise structlog.DropEvent
        self.lines.append({**event, "level": method, "at": self._clock.monotonic()})
        raise structlog.DropEvent

    @contextlib.contextmanager
    def capture(self) -> Iterator["Logs"]:
        """Take every line until left."""
        before = structlog.get_config()
        structlog.configure(processors=[self], cache_logger_on_first_use=False)
        try:
            yield self
        finally:
            structlog.configure(**before)

    def named(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Lines called ``event`` with these fields."""
        return [
            line
            for line in self.lines
            if line["event"] == event
            and all(line.get(key) == value for key, value in fields.items())
        ]

    def faults(self, expected: Iterable[str] = ()) -> list[dict[str, Any]]:
        """Tracebacks, and errors whose names are not expected."""
        allowed = set(expected)
        return [
            line
            for line in self.lines
            if line.get("exc_info")
            or (line["level"] in {"error", "critical"} and line["event"] not in allowed)
        ]


class Watch(Behaviour):
    """Remembers dispute events that went down on a live subscription, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seen: dict[str, float] = {}

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Note it and let it pass."""
        verb, name = peek(text)
        if way == "down" and verb == "EVENT" and name.startswith("disputes:"):
            event_id = str(json.loads(text)[2].get("id", ""))
            self.seen.setdefault(event_id, self._clock.monotonic())
        return [text]


class Requests(Behaviour):
    """Remembers every REQ (subscription id and filters)."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[dict[str, Any]]]] = []

    def frame(self, way: Way, text: str, link: Link) -> list[Frame] | None:  # noqa: ARG002
        """Note it and let it pass."""
        if way == "up" and peek(text)[0] == "REQ":
            _, name, *filters = json.loads(text)
            self.asked.append((name, filters))
        return [text]

    def disputes(self) -> list[dict[str, Any]]:
        """The first filter of each live subscription, in order."""
        return [filters[0] for name, filters in self.asked if name.startswith("disputes:")]


@dataclass
class Daemon:
    """A running daemon."""

    parts: Parts
    task: asyncio.Task[None]
    stop_requested: asyncio.Event

    @property
    def alive(self) -> bool:
        """Whether its parts still run."""
        return not self.task.done()

    @property
    def hearing(self) -> bool:
        """Whether every configured relay is proven to hear."""
        states = [each for each in self.parts.pool.states() if each.configured]
        return all(each.hearing is Proof.HEARING for each in states)

    def connecting(self) -> bool:
        """Whether a connection attempt is under way: its seconds are the library's."""
        begun = sum(each.attempts for each in self.parts.pool.states())
        ended = sum(
            sample.value
            for metric in self.parts.base.metrics.relay_connect_attempts.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
        return begun > ended

    async def rows(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """Read the database as anybody could."""

        def read(tx: sa.Connection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in tx.execute(sa.text(sql), values)]

        return await self.parts.base.store.read(read)

    async def one(self, sql: str, **values: object) -> Any:
        """The single value of a query; None where it finds nothing."""
        rows = await self.rows(sql, **values)
        return rows[0][0] if rows else None

    async def history(self, dispute_id: str) -> list[str]:
        """The lifecycle of a dispute as the reference's table tells it: ``from>to (trigger)``."""
        rows = await self.rows(
            'SELECT from_state, to_state, "trigger" FROM dispute_state_transitions'
            " WHERE dispute_id = :id ORDER BY id",
            id=dispute_id,
        )
        return [f"{before}>{after} ({trigger})" for before, after, trigger in rows]

    async def notified(self, dispute_id: str) -> list[tuple[Any, ...]]:
        """The ``notifications`` rows of a dispute: (solver, status, type), sorted."""
        return sorted(
            await self.rows(
                "SELECT solver_pubkey, status, notif_type FROM notifications"
                " WHERE dispute_id = :id",
                id=dispute_id,
            )
        )

    async def state_of(self, dispute: Dispute) -> str | None:
        """The lifecycle state of a dispute; None where it is not recorded."""
        state = await self.one(
            "SELECT lifecycle_state FROM disputes WHERE dispute_id = :id", id=dispute.id
        )
        return None if state is None else str(state)


class Neighbour(Protocol):
    """Somebody else the daemon talks with over real sockets."""

    @property
    def working(self) -> bool:
        """Whether it owes an answer that time on trial must wait for."""

    @property
    def activity(self) -> int:
        """Grows with everything that passes between it and the daemon."""


@dataclass
class World:
    """Relays with proxies before them, a node, solvers, and the daemon when it was started."""

    clock: FakeClock
    folder: Path
    logs: Logs
    relays: list[LoopbackRelay]
    proxies: list[WatchedProxy]
    requests: list[Requests]
    node: MostroNode
    solvers: list[SolverInbox]
    threads: Threads
    patience: Patience = field(default_factory=Patience)
    inboxes: list[WatchedProxy] = field(default_factory=list)
    neighbours: list[Neighbour] = field(default_factory=list)
    own: Keys = field(default_factory=Keys.generate)
    quiet: float = QUIET_SECONDS
    daemon: Daemon | None = None

    def config(
        self,
        extra: str = "",
        *,
        solvers: Sequence[str] | None = None,
        sections: str = "",
        urls: Sequence[str] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Config:
        """A configuration for this world.

        Args:
            extra: TOML that follows (tables).
            solvers: what stands as ``pubkey``; None takes the world's solvers.
            sections: TOML for ``[timeouts]``; a quiet one where empty.
            urls: configured relays; None takes every proxy.
            environ: variables; none where None.
        """
        keys = [each.public_key for each in self.solvers] if solvers is None else solvers
        urls = [each.url for each in self.proxies] if urls is None else urls
        text = "\n".join(
            [
                f'[serbero]\nprivate_key = "{self.own.secret_key().to_hex()}"',
                f'db_path = "{self.folder / "serbero.db"}"',
                sections or "[timeouts]\nrenotification_seconds = 1000000",
                *(f'[[relays]]\nurl = "{url}"' for url in urls),
                *(f'[[solvers]]\npubkey = "{key}"' for key in keys),
                extra,
            ]
        )
        if "[mostro]" not in text:
            text += f'\n[mostro]\npubkey = "{self.node.public_key}"'
        return loads(text, environ or {}).config

    @contextlib.asynccontextmanager
    async def run(
        self, config: Config | None = None, settings: RelaySettings = SETTINGS
    ) -> AsyncIterator[Daemon]:
        """Run the daemon; leaving it stops it as a crash would, the store apart.

        An essential part that failed raises here.
        """
        parts = await build(config or self.config(), self.clock, relay_settings=settings)
        stop = asyncio.Event()
        task = asyncio.create_task(supervise(parts, ServiceManager({}), stop))
        self.daemon = Daemon(parts, task, stop)
        try:
            yield self.daemon
        finally:
            failed = task.done()
            task.cancel()
            results = await asyncio.gather(task, return_exceptions=True)
            await parts.close()
            self.daemon = None
            if failed and isinstance(results[0], Exception):
                raise results[0]

    @contextlib.asynccontextmanager
    async def hearing(
        self, config: Config | None = None, settings: RelaySettings = SETTINGS
    ) -> AsyncIterator[Daemon]:
        """Like :meth:`run`, from the moment every relay is proven to hear."""
        async with self.run(config, settings) as daemon:
            await self.until(lambda: daemon.hearing, limit_seconds=30, what="healthy at first")
            await self.settle()
            yield daemon

    @contextlib.asynccontextmanager
    async def inbox(self) -> AsyncIterator[WatchedProxy]:
        """One more relay, behind a proxy that is watched like the others."""
        async with LoopbackRelay() as relay, WatchedProxy(relay.url, clock=self.clock) as proxy:
            self.inboxes.append(proxy)
            try:
                yield proxy
            finally:
                self.inboxes.remove(proxy)

    async def stop(self, daemon: Daemon) -> None:
        """Stop in order, as at SIGTERM."""
        daemon.stop_requested.set()
        await self.until(daemon.task.done, limit_seconds=10, what="an orderly stop")

    # Time.

    async def settle(self) -> None:
        """Let what is real happen: frames, threads, attempts; virtual time stands still."""
        begun = time.monotonic()
        before, still = self._activity(), 0
        while True:
            await asyncio.sleep(PASS_SECONDS)  # noqa: TID251 - real I/O settles in real time
            passed = time.monotonic() - begun
            if passed > (LONGEST_JOB_SECONDS if self._at_work() else LONGEST_SETTLE_SECONDS):
                return
            activity = self._activity()
            if activity != before or self._busy():
                before, still = activity, 0
                continue
            still += 1
            if still * PASS_SECONDS >= self.quiet:
                # The first brings what was under way; in the second the library's task for the
                # connection ran again, so what was handed to it before the first went out.
                await self._prove()
                await self._prove()
                if self._activity() == before and not self._busy():
                    return
                before, still = self._activity(), 0

    def _busy(self) -> bool:
        """Whether something real is known to be under way."""
        if self._at_work() or (self.daemon and self.daemon.connecting()):
            return True
        return any(each.in_transit or each.owes() for each in self._watched())

    def _at_work(self) -> bool:
        """Whether something is under way that ends by itself, however busy the machine."""
        return self.threads.busy or any(each.working for each in self.neighbours)

    async def _prove(self) -> None:
        """Return when whatever was sent on each connection before has arrived in the daemon."""
        if self.daemon is None or self.daemon.task.done():
            return
        asked = [(each, each.question()) for each in self._watched()]
        deadline = self.patience.deadline()
        while time.monotonic() < deadline:
            awaited = set[str]().union(*(proxy.carrying(links) for proxy, links in asked))
            if awaited <= self.logs.proofs:
                self.patience.learn(proved=True)
                break
            await asyncio.sleep(PASS_SECONDS)  # noqa: TID251 - real I/O settles in real time
        else:
            self.patience.learn(proved=False)
        self.logs.proofs.clear()

    async def until(
        self,
        condition: Condition,
        *,
        limit_seconds: float,
        what: str,
        real_seconds: float = LONGEST_WAIT_SECONDS,
    ) -> float:
        """Step the clock until ``condition`` holds; return by how much it moved.

        Raises:
            AssertionError: not within ``limit_seconds`` of the clock, or the daemon died.
        """
        began, started = self.clock.monotonic(), time.monotonic()
        while True:
            if await _holds(condition):
                return self.clock.monotonic() - began
            await self.settle()
            if await _holds(condition):
                return self.clock.monotonic() - began
            if self.daemon is not None and self.daemon.task.done() and what != "an orderly stop":
                raise AssertionError(f"the daemon ended while waiting: {what}")
            moved = self.clock.monotonic() - began
            ahead = self.clock.until_next()
            if time.monotonic() - started > real_seconds or ahead is None:
                raise AssertionError(f"not within {real_seconds} real seconds: {what}")
            if moved + ahead > limit_seconds + 1e-6:
                raise AssertionError(f"not within {limit_seconds} virtual seconds: {what}")
            await self.clock.next()

    async def elapse(self, seconds: float) -> None:
        """Let time pass, step by step, real I/O finishing before each."""
        target = self.clock.monotonic() + seconds
        while True:
            await self.settle()
            ahead = self.clock.until_next()
            left = target - self.clock.monotonic()
            if ahead is None or ahead > left:
                await self.clock.advance(max(0.0, left))
                await self.settle()
                return
            await self.clock.next()

    def _watched(self) -> list[WatchedProxy]:
        return [*self.proxies, *self.inboxes]

    def _activity(self) -> tuple[int, ...]:
        return (
            *(sum(each.counts.values()) for each in self._watched()),
            *(len(each.attempts) for each in self._watched()),
            *(len(each.received) for each in self.solvers),
            *(each.activity for each in self.neighbours),
            len(self.logs.lines),
            self.threads.begun,
        )

    # What the node says beyond its own habits.

    async def publish(self, *tags: Sequence[str], at: int | None = None) -> Event:
        """Publish a kind 38386 event of the node with exactly these tags."""
        event = self.sign(*tags, at=at)
        await self.node.publish(event)
        return event

    async def revision(
        self, dispute_id: str, status: str, *more: Sequence[str], at: int | None = None
    ) -> Event:
        """Publish a revision of a dispute with more tags than the node writes."""
        event = self.sign_revision(dispute_id, status, *more, at=at)
        await self.node.publish(event)
        return event

    def inject(self, event: Event) -> None:
        """Send an event down the live subscriptions that no honest relay would serve (again)."""
        for proxy in self.proxies:
            for link in proxy.links:
                for name in link.requests:
                    if name.startswith("disputes:"):
                        link.send_down(json.dumps(["EVENT", name, wire(event)]))

    def sign(self, *tags: Sequence[str], at: int | None = None) -> Event:
        """A kind 38386 event of the node with exactly these tags, not published."""
        stamp = self.clock.now() if at is None else at
        return signed(self.node.keys, KIND_DISPUTE, "", [list(tag) for tag in tags], stamp)

    def sign_revision(
        self, dispute_id: str, status: str, *more: Sequence[str], at: int | None = None
    ) -> Event:
        """A revision of a dispute with more tags than the node writes, not published."""
        base = [["d", dispute_id], ["s", status], ["initiator", "buyer"], ["z", "dispute"]]
        return self.sign(*base, *more, at=at)

    # What solvers hold.

    async def told(self, *disputes: Dispute, solvers: Sequence[SolverInbox] = ()) -> None:
        """Wait until every solver holds the first message about each of ``disputes``."""
        wanted = list(solvers or self.solvers)
        await self.until(
            lambda: all(firsts(one, each) for one in wanted for each in disputes),
            limit_seconds=60,
            what="solvers are told",
        )

    async def held(self, solver: SolverInbox) -> dict[str, list[Message]]:
        """What each relay holds for a solver, by relay."""
        return {each.url: await solver.all_events(each.url) for each in self.relays}


def firsts(solver: SolverInbox, dispute: Dispute) -> list[Message]:
    """The messages that announce a dispute, as one solver got them."""
    wanted = f"New Mostro dispute requires attention.\ndispute_id: {dispute.id}\n"
    return [each for each in solver.messages if each.text.startswith(wanted)]


def texts(solver: SolverInbox, dispute: Dispute) -> list[str]:
    """What a solver was told about a dispute, first line of each message, in order."""
    return [each.text.split("\n")[0] for each in solver.about(dispute.id)]


@contextlib.asynccontextmanager
async def world(
    folder: Path, *, relays: int = 1, solvers: int = 2, relay: dict[str, Any] | None = None
) -> AsyncIterator[World]:
    """Build a world: ``relays`` relays, each behind a proxy, and nobody connected but people.

    Args:
        folder: for the database.
        relays: how many.
        solvers: how many, listening on every relay directly.
        relay: options of each :class:`LoopbackRelay`.
    """
    clock = FakeClock()
    logs = Logs(clock)
    provide(folder / "serbero.db")
    async with AsyncExitStack() as stack:
        stack.enter_context(logs.capture())
        threads = stack.enter_context(Threads().watched())
        running = [
            await stack.enter_async_context(LoopbackRelay(**(relay or {}))) for _ in range(relays)
        ]
        proxies = [
            await stack.enter_async_context(WatchedProxy(each.url, clock=clock)) for each in running
        ]
        requests = [Requests() for _ in proxies]
        for proxy, each in zip(proxies, requests, strict=True):
            proxy.add(each)
        urls = [each.url for each in running]
        node = await stack.enter_async_context(MostroNode(urls, clock=clock))
        inboxes = [
            await stack.enter_async_context(SolverInbox(urls, clock=clock)) for _ in range(solvers)
        ]
        yield World(clock, folder, logs, running, proxies, requests, node, inboxes, threads)


async def _holds(condition: Condition) -> bool:
    value = condition()
    if asyncio.iscoroutine(value):
        value = await value
    return bool(value)


def wire(event: Event) -> dict[str, Any]:
    """An event as JSON."""
    return dict(json.loads(event.as_json()))


_HOLD = """
import sys
from serbero.store.sqlite import driver
db = driver.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
db.rollback()
"""


@contextlib.contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Another process holds the write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.communicate()
