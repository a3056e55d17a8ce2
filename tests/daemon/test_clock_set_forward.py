"""A clock that goes forward, at boot or while we run, gives up nothing that was not tried."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.daemon.rig import Daemon, World, firsts

from serbero.simulator.faults import FAULTS
from serbero.simulator.node import Dispute

DAY_SECONDS = 86_400
YEARS_SECONDS = 12 * 365 * DAY_SECONDS
LIFE_SECONDS = 60
BRIEF = f"[delivery]\ndeadline_seconds = {LIFE_SECONDS}\n"


@asynccontextmanager
async def refused(here: World) -> AsyncIterator[Dispute]:
    """A dispute solvers cannot be told of, because their relay takes nothing."""
    async with here.hearing(here.config(BRIEF)) as daemon:
        fault = here.proxies[0].add(FAULTS["ok-false:error"].make())
        dispute = await here.node.open_dispute()
        await here.until(
            lambda: daemon.one("SELECT max(attempts) > 0 FROM outbox_targets"),
            limit_seconds=60,
            what="tried in vain",
        )
        yield dispute
    here.proxies[0].remove(fault)


async def states(daemon: Daemon) -> set[str]:
    return {state for (state,) in await daemon.rows("SELECT DISTINCT state FROM outbox")}


async def time_left(here: World, daemon: Daemon) -> int:
    return int(await daemon.one("SELECT min(deadline_at) FROM outbox")) - here.clock.now()


async def test_a_boot_with_a_clock_years_ahead(here: World) -> None:
    """A machine without a battery for its clock, set right by the network half a minute later."""
    async with refused(here) as dispute:
        pass
    fault = here.proxies[0].add(FAULTS["ok-false:error"].make())
    here.clock.set_back(-YEARS_SECONDS)
    async with here.run() as daemon:
        await here.elapse(30)
        assert await states(daemon) == {"pending"}
        here.clock.set_back(YEARS_SECONDS)
        here.proxies[0].remove(fault)
        await here.told(dispute)
        assert [len(firsts(each, dispute)) for each in here.solvers] == [1] * len(here.solvers)
        kinds = await daemon.rows("SELECT kind, payload_json FROM journal ORDER BY id")
        assert [kind for kind, _ in kinds] == ["clock_set_back"]


async def test_the_clock_goes_forward_while_a_message_waits(here: World) -> None:
    """Set right after a boot in the past, or a machine that was paused for days."""
    async with refused(here) as dispute:
        daemon = here.daemon
        assert daemon is not None
        before = await time_left(here, daemon)
        here.clock.set_back(-3 * DAY_SECONDS)
        await here.elapse(10)
        assert await states(daemon) == {"pending"}
        assert before - 30 <= await time_left(here, daemon) <= before
        [line] = here.logs.named("clock_set_forward")
        assert (line["seconds"], line["messages"]) == (3 * DAY_SECONDS, len(here.solvers))
        # And it is given up when it was tried for its time.
        await here.elapse(LIFE_SECONDS)
        assert await states(daemon) == {"dead"}
    assert not firsts(here.solvers[0], dispute)


async def test_days_without_the_daemon(here: World) -> None:
    """Nobody tried meanwhile; what is still true is told at last."""
    async with refused(here) as dispute:
        pass
    here.clock.set_back(-3 * DAY_SECONDS)
    async with here.run() as daemon:
        await here.told(dispute)
        assert await states(daemon) == {"sent"}
