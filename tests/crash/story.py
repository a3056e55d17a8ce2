"""One dispute from detection to resolution, told by a real daemon that is killed if asked to."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from tests.crash.end_state import EndState, Names, dump, without_times
from tests.crash.household import PATIENCE_SECONDS, Daemon, Household

from serbero.clock import SystemClock
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import OutboxState, Purpose, TargetState
from serbero.simulator.clock import eventually
from serbero.simulator.node import Dispute, MostroNode
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox
from serbero.store.engine import Store
from serbero.store.schema import disputes, inboxes, outbox, outbox_targets

CRASHPOINT = Path(__file__).with_name("crashpoint.py")
RELAYS = 2
SOLVERS = 2

OPTIONS: dict[str, dict[str, object]] = {
    # A life may begin after the dispute was opened.
    "mostro": {"cold_start_lookback_seconds": 3600},
    # One reminder soon, the next a hundred seconds later. The check is seconds away, so that a
    # life that starts on a busy machine has told both solvers before: a solver whose first
    # message is on its way is left out of a round, and the next one is far.
    "timeouts": {
        "renotification_seconds": 1,
        "renotification_check_interval_seconds": 6,
        "renotification_backoff": 100.0,
    },
    "delivery": {"backoff_initial_seconds": 1, "backoff_max_seconds": 1},
}


@dataclass(frozen=True)
class Told:
    """A finished run.

    Attributes:
        state: what it left behind.
        reached: the crash points its first life came to, in order.
        crashed: whether that life was killed at the wanted one.
    """

    state: EndState
    reached: tuple[str, ...]
    crashed: bool


class Story:
    """The run. The node publishes the next revision only once the daemon is done with the last.

    Args:
        folder: an empty one.
        crash_at: a crash point's name, or "" to live on.
    """

    program: tuple[str, ...] = (str(CRASHPOINT), "serbero", "run")

    def __init__(self, folder: Path, crash_at: str = "") -> None:
        self._folder = folder
        self._log = folder / "points"
        self._log.touch()
        self._crash_at = crash_at
        self._lives = 0

    async def tell(self) -> Told:
        """Run it to its end.

        Raises:
            AssertionError: a step never happened, or a relay holds what it must not.
        """
        relays = [LoopbackRelay() for _ in range(RELAYS)]
        for relay in relays:
            await relay.start()
        urls = [relay.url for relay in relays]
        inboxes = [SolverInbox(urls, name=f"solver {each + 1}") for each in range(SOLVERS)]
        try:
            async with (
                MostroNode(urls) as node,
                Household(
                    self._folder,
                    relays=urls,
                    node=node.public_key,
                    solvers=[each.public_key for each in inboxes],
                    options=OPTIONS,
                ) as home,
            ):
                return await self._live(home, node, inboxes)
        finally:
            for relay in relays:
                await relay.stop()

    async def _live(self, home: Household, node: MostroNode, solvers: list[SolverInbox]) -> Told:
        self._home = home
        self._life = await self._begin()
        await self._until(self._serving, "the daemon serves")
        dispute = await node.open_dispute()
        await self._reach(Lifecycle.NOTIFIED, {Purpose.INITIAL})
        await self._reach(Lifecycle.NOTIFIED, {Purpose.INITIAL, Purpose.RENOTIFICATION})
        await node.take(dispute)
        told = {Purpose.INITIAL, Purpose.RENOTIFICATION, Purpose.ASSIGNMENT}
        await self._reach(Lifecycle.TAKEN, told)
        await node.resolve(dispute)
        await self._reach(Lifecycle.RESOLVED, told)
        await self._until(lambda: home.holds(_looked_up), "the solvers' relays were looked up")
        await self._until(self._serving, "the last life serves")  # before, SIGTERM just ends it
        code = await self._life.stop()
        if code == -9 and self._lives == 1:  # the crash point lay in the shutdown
            self._life = await self._begin()
            await self._until(self._serving, "the daemon serves again")
            code = await self._life.stop()
        assert code == 0, f"exit code {code}\n{home.logs()}"
        reached = tuple(self._log.read_text().split())
        return Told(await self._end_state(node, dispute, solvers), reached, self._lives > 1)

    async def _begin(self) -> Daemon:
        """Start a life; only the first one is told to die."""
        self._lives += 1
        wanted = (
            {"CRASH_AT": self._crash_at, "CRASH_LOG": str(self._log)} if self._lives == 1 else {}
        )
        return await self._home.start(self.program, **wanted)

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition; a life that was killed meanwhile is followed by another."""

        async def holds() -> bool:
            if not self._life.alive:
                code = await self._life.ended()
                assert (code, self._lives) == (-9, 1), f"exit code {code}\n{self._home.logs()}"
                self._life = await self._begin()
            return condition()

        try:
            await eventually(holds, seconds=PATIENCE_SECONDS, every=0.1, what=what)
        except AssertionError as error:
            raise AssertionError(f"{self._crash_at}: {error}\n{self._home.logs()}") from error

    def _serving(self) -> bool:
        return self._life.logged("ready")

    async def _reach(self, state: Lifecycle, purposes: set[Purpose]) -> None:
        """Wait for a lifecycle state and until every relay took each message of ``purposes``."""
        await self._until(
            lambda: self._home.holds(lambda tx: _settled(tx, state, purposes)),
            f"{state.value}, with {sorted(purposes)} on every relay",
        )

    async def _end_state(
        self, node: MostroNode, dispute: Dispute, solvers: list[SolverInbox]
    ) -> EndState:
        # As the next start finds it: what a start takes up belongs to every run's end.
        Store.open(self._home.database, SystemClock().now()).close()
        names = {dispute.id: "<dispute>", dispute.id[:8]: "<dispute, short>"}
        names[node.public_key] = "<node>"
        names[self._home.keys.public_key().to_hex()] = "<us>"
        names |= {each.public_key: f"<{each.name}>" for each in solvers}
        names |= {url: f"<relay {place}>" for place, url in enumerate(node.relay_urls)}
        for place, revision in enumerate(dispute.revisions):
            names[revision.id().to_hex()] = f"<revision {place}>"
            names[revision.id().to_hex()[:16]] = f"<revision {place}, short>"
            names[f": {revision.created_at().as_secs()}"] = f": <time of revision {place}>"
        words = Names(names)
        messages: Counter[tuple[str, str, str, str]] = Counter()
        for url in node.relay_urls:
            for solver in solvers:
                held = await solver.all_events(url)
                rumors = Counter(message.rumor_id for message in held)
                assert max(rumors.values()) == 1, f"{self._crash_at}: told twice on {url}: {held}"
                for message in held:
                    channel = "nip17" if message.kind == 14 else str(message.kind)
                    text = words.of(without_times(message.text))
                    messages[words.of(url), words.of(solver.public_key), channel, text] += 1
        return EndState(self._home.read(lambda tx: dump(tx, words)), messages)


def _settled(tx: sa.Connection, state: Lifecycle, purposes: set[Purpose]) -> bool:
    if tx.execute(sa.select(disputes.c.lifecycle_state)).scalars().all() != [state.value]:
        return False
    messages = tx.execute(sa.select(outbox.c.purpose, outbox.c.state)).all()
    sent = [(purpose.value, OutboxState.SENT.value) for purpose in purposes]
    if Counter((row.purpose, row.state) for row in messages) != Counter(sent * SOLVERS):
        return False
    targets = tx.execute(sa.select(outbox_targets.c.state)).scalars().all()
    return targets == [TargetState.ACCEPTED.value] * (len(purposes) * SOLVERS * RELAYS)


def _looked_up(tx: sa.Connection) -> bool:
    return tx.execute(sa.select(sa.func.count()).select_from(inboxes)).scalar() == SOLVERS
