"""SIGTERM in the middle of a burst: the daemon ends in time, and the next life goes on."""

import signal
from collections import Counter
from pathlib import Path

import sqlalchemy as sa
from tests.crash.household import PATIENCE_SECONDS
from tests.crash.village import Village, village, without_ok

from serbero.clock import SystemClock
from serbero.model.notification import OutboxState
from serbero.simulator.clock import eventually
from serbero.store.schema import outbox

DISPUTES = 200
SOLVERS = 3
RELAYS = 2
SLOW_SECONDS = 0.012
"""Between two frames that a relay reads: the burst takes it seven seconds."""
STOP_SECONDS = 4.0
"""It has five in all."""
DRAIN_SECONDS = 3.0
"""What an orderly stop waits for answers that do not come."""


def sent(place: Village) -> int:
    """Messages that some relay took."""

    def count(tx: sa.Connection) -> int:
        return Counter(tx.execute(sa.select(outbox.c.state)).scalars())[OutboxState.SENT.value]

    return place.home.read(count)


async def all_on_their_way(place: Village, count: int) -> None:
    """Open disputes while every relay's answers are lost: all messages stay in flight."""
    before = {proxy: proxy.counts["EVENT"] for proxy in place.proxies}
    for proxy in place.proxies:
        proxy.add(without_ok)
    await place.open(count)
    wanted = count * len(place.solvers)
    await eventually(
        lambda: all(proxy.counts["EVENT"] - before[proxy] >= wanted for proxy in place.proxies),
        seconds=PATIENCE_SECONDS,
        what="every message is on its way",
    )


async def test_a_stop_that_waits_for_answers_does_not_call_the_relays_deaf(tmp_path: Path) -> None:
    async with village(tmp_path, relays=RELAYS, solvers=1) as place:
        life = await place.home.start()
        assert await life.ready(), place.home.logs()
        await all_on_their_way(place, 1)
        assert await life.stop() == 0, place.home.logs()
        assert life.complaints_since("received SIGTERM") == []


async def test_a_stop_in_a_burst_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with village(tmp_path, relays=RELAYS, solvers=SOLVERS) as place:
        life = await place.home.start()
        assert await life.ready(), place.home.logs()
        for proxy in place.proxies:
            proxy.frame_pause = SLOW_SECONDS
        await place.open(DISPUTES)
        await eventually(lambda: sent(place) > 0, seconds=PATIENCE_SECONDS)
        assert await life.stop() == 0, place.home.logs()
        # By its own log: how long the interpreter then takes to end depends on the machine.
        took = life.moment("serbero exited cleanly") - life.moment("received SIGTERM")
        assert took < STOP_SECONDS
        assert 0 < sent(place) < DISPUTES * SOLVERS, "it was not stopped in the middle"
        for proxy in place.proxies:
            proxy.frame_pause = 0.0
        await place.finish(await place.home.start())
        await place.check()


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    clock = SystemClock()
    async with village(tmp_path, relays=RELAYS, solvers=SOLVERS) as place:
        life = await place.home.start()
        assert await life.ready(), place.home.logs()
        await all_on_their_way(place, 5)
        life.signal(signal.SIGTERM)
        await eventually(
            lambda: life.logged("shutdown signal received, stopping daemon"),
            seconds=PATIENCE_SECONDS,
        )
        assert life.alive  # it waits for the answers
        asked = clock.monotonic()
        life.signal(signal.SIGTERM)
        assert await life.ended() == 1, place.home.logs()
        assert clock.monotonic() - asked < DRAIN_SECONDS / 2
        assert not life.logged("serbero exited cleanly")
        for proxy in place.proxies:
            proxy.clear()
        await place.finish(await place.home.start())
        await place.check()
