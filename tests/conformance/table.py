"""One row of the conformance table: a fault comes and goes, and everything is as it was.

The same run for every misbehaviour: healthy, fault on, disputes opened before, during and after
it, fault off. Then hearing must be back in time, every dispute must have reached every solver
exactly once, and the relays must not have been stormed.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.daemon.rig import SETTINGS, Daemon, Watch, World, firsts, world

from serbero.relays.settings import RelaySettings
from serbero.simulator.clock import eventually
from serbero.simulator.faults import FAULTS, Fault, Group
from serbero.simulator.node import Dispute
from serbero.simulator.solver import SolverInbox

HEARING_BACK_SECONDS: Final = 29.0
"""After a fault ended, on the clock on trial: the promised 30 s, less one for handshake and
round trips, which take no time on that clock."""
LIVE_SECONDS: Final = 1.0
"""Once hearing is back an event comes down at once; less than any timer of ours."""
BEACONS_FROM: Final = 5
"""Disputes of a run that has had two beacons after the three opened before and during."""
LEAST_BETWEEN_ATTEMPTS_SECONDS: Final = 10.0
SETTLED_SECONDS: Final = 360.0
"""Until every message went out: longer than the longest wait between two attempts."""

GIVEN_UP: Final = frozenset(
    f"ok-false:{each}"
    for each in ("pow", "restricted", "blocked", "invalid", "none", "unknown", "empty")
)
"""Refusals after which a relay is not asked again with this message: without another relay it
waits, loudly, until its deadline."""
LIES: Final = frozenset({"ok-lies"})
"""The relay acknowledged and stored nothing: nobody can know, another relay must carry it."""
EXPECTED_ERRORS: Final = frozenset({"relay_refuses_us"})
"""What an operator is told about a relay that names a policy."""
REFUSES_US: Final = frozenset(f"ok-false:{each}" for each in ("restricted", "blocked", "invalid"))
"""Refusals that an operator can do something about: the relay's admission, or our clock."""


@dataclass
class Row:
    """A run in progress.

    Attributes:
        fault: on trial.
        ended_at: when it was taken off.
        disputes: all that the node opened.
        unsure: those opened while the fault was on.
    """

    world: World
    daemon: Daemon
    fault: Fault
    alone: bool
    ended_at: float = 0.0
    disputes: list[Dispute] = field(default_factory=list)
    unsure: list[Dispute] = field(default_factory=list)

    async def open(self, *, unsure: bool = False) -> Dispute:
        """The node opens a dispute on every relay."""
        dispute = await self.world.node.open_dispute()
        self.disputes.append(dispute)
        if unsure:
            self.unsure.append(dispute)
        return dispute

    @property
    def allowed_seconds(self) -> float:
        """Time for hearing to come back, counted from the end of the fault.

        Where the relay named a policy it counts from when the next ask is due.
        """
        if not self.fault.patient:
            return HEARING_BACK_SECONDS
        dues = [
            line["at"] + line["again_in_seconds"]
            for line in self.world.logs.named("subscription_closed", subscription="disputes")
        ]
        return HEARING_BACK_SECONDS + max(0.0, max(dues, default=0.0) - self.ended_at)


async def try_fault(
    folder: Path,
    fault: Fault,
    *,
    alone: bool,
    seconds: float,
    starts_at: float = 0.0,
    settings: RelaySettings = SETTINGS,
) -> None:
    """Run one row.

    Args:
        folder: for the database.
        fault: what the first relay does.
        alone: False puts an honest relay beside it.
        seconds: how long it does it, on the clock on trial.
        starts_at: not before this moment of the clock, which starts at 0.
        settings: of the relay pool.

    Raises:
        AssertionError: something was lost, told twice, too slow or too noisy.
    """
    async with world(folder, relays=1 if alone else 2) as here:
        here.quiet = 0.25 if fault.name == "slow-reader" else here.quiet
        async with here.hearing(settings=settings) as daemon:
            row = Row(here, daemon, fault, alone)
            await here.told(await row.open())
            await here.elapse(max(0.0, starts_at - here.clock.monotonic()))
            behaviour = here.proxies[0].add(fault.make())
            await row.open(unsure=True)
            await here.elapse(seconds / 2)
            await row.open(unsure=True)
            await here.elapse(seconds / 2)
            here.proxies[0].remove(behaviour)
            row.ended_at = here.clock.monotonic()
            await _hearing_is_back(row)
            await _all_are_told(row)
            _nothing_crashed(row)
            _nothing_stormed(row)
            await _nobody_told_twice(row)


async def _hearing_is_back(row: Row) -> None:
    """An event published after the fault comes down in time; one published then, live.

    A connection that was frozen and given up still delivers what waited in it: seen there, an
    event proves nothing, and the next one is waited for as long as the promise allows.
    """
    watch = Watch(row.world.clock)
    row.world.proxies[0].add(watch)
    limit = row.allowed_seconds
    deadline = row.world.clock.monotonic() + limit
    while True:
        beacon = (await row.open()).revisions[0].id().to_hex()
        took = await row.world.until(
            lambda wanted=beacon: wanted in watch.seen,  # type: ignore[misc]
            limit_seconds=limit,
            what=f"hearing is back after {row.fault.name}",
        )
        left = deadline - row.world.clock.monotonic()
        if took <= LIVE_SECONDS and len(row.disputes) >= BEACONS_FROM:
            return
        limit = max(LIVE_SECONDS, left)


async def _all_are_told(row: Row) -> None:
    """Every dispute is recorded, every message delivered, as far as that is possible."""
    here, name = row.world, row.fault.name
    lost = list(row.unsure) if row.alone and name in (GIVEN_UP | LIES) else []
    sure = [each for each in row.disputes if each not in lost]
    await here.until(
        lambda: all(firsts(one, each) for one in here.solvers for each in sure),
        limit_seconds=SETTLED_SECONDS,
        what=f"every solver is told of every dispute after {name}",
    )
    for dispute in row.disputes:
        assert await row.daemon.state_of(dispute) is not None, "an honest relay holds it"
    if lost and name in GIVEN_UP:
        failed = await row.daemon.rows(
            "SELECT dispute_id, solver_pubkey FROM notifications WHERE status = 'failed'"
        )
        for dispute in lost:
            for solver in here.solvers:
                told = firsts(solver, dispute)
                assert told or (dispute.id, solver.public_key) in failed, "it is said, at least"
    if not row.alone:
        # What reached the faulty relay later on must be there before it is counted.
        await here.settle()


def _nothing_crashed(row: Row) -> None:
    expected = EXPECTED_ERRORS if row.fault.patient else frozenset[str]()
    assert row.daemon.alive
    assert row.world.logs.faults({*expected, "relay_refuses_events"}) == []
    alerts = row.world.logs.named("relay_refuses_events")
    assert len(alerts) == (row.fault.name in REFUSES_US), "once, and only where it helps"


def _nothing_stormed(row: Row) -> None:
    passed = row.world.clock.monotonic()
    for proxy in row.world.proxies:
        assert_spaced(proxy.attempts)
        assert_calm([at for at, name in proxy.asked if name.startswith("disputes:")], passed)
        busiest = Counter(int(at) for at, _ in proxy.asked).most_common(1)
        assert busiest[0][1] <= 16, f"{busiest} REQs in one second"
        assert len(proxy.asked) <= 40 + passed / 2, "REQs in all"


def assert_spaced(attempts: Sequence[float]) -> None:
    """At most one connection attempt in ten seconds."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(attempts)]
    assert all(gap >= LEAST_BETWEEN_ATTEMPTS_SECONDS - 0.001 for gap in gaps), gaps


def assert_calm(asked: Sequence[float], passed: float) -> None:
    """REQs for the disputes follow the backoff: some at first, then few."""
    assert len(asked) <= 10 + passed / 12, f"{len(asked)} REQs in {passed:.0f} s"
    for at in asked:
        assert sum(at <= other < at + 10 for other in asked) <= 7, asked


async def _nobody_told_twice(row: Row) -> None:
    for solver in row.world.solvers:
        for relay, messages in (await row.world.held(solver)).items():
            rumors = Counter(each.rumor_id for each in messages)
            assert max(rumors.values(), default=0) <= 1, f"{relay} holds a message twice"
        assert solver.repeated_texts() == {}, "told twice in other bytes"
        _once_each(solver, row.disputes)
    await eventually(lambda: all(not each.unreadable for each in row.world.solvers))


def _once_each(solver: SolverInbox, disputes: Sequence[Dispute]) -> None:
    for dispute in disputes:
        rumors = {each.rumor_id for each in firsts(solver, dispute)}
        assert len(rumors) <= 1, f"{dispute.id} was announced {len(rumors)} times"
    known = {each.id for each in disputes}
    for message in solver.messages:
        assert any(each in message.text for each in known), "told of what the node never said"


def names(*groups: Group) -> list[str]:
    """The faults of some groups (all where none is given)."""
    return [name for name, each in FAULTS.items() if not groups or each.group in groups]
