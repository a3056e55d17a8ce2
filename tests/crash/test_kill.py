"""SIGKILL at random moments while disputes come in, and a new life each time."""

import itertools
import os
import random
from pathlib import Path

import pytest
from tests.crash.village import Village, village, without_ok

from serbero.clock import SystemClock
from serbero.simulator.behaviour import Hook, Way
from serbero.simulator.proxy import Link
from serbero.simulator.wire import Frame

SOLVERS = 3
RELAYS = 2
AT_ONCE = 8
"""Disputes before the first life."""
A_LIFE = 3
"""New disputes in each."""
LONGEST_SECONDS = 0.5
"""A life served so long at most; what three disputes take is less."""
LONGEST_START_SECONDS = 0.4
"""A life that began by forking serves by then, on a machine that is not busy."""

pytestmark = pytest.mark.timeout(300)


def kills(default: int) -> int:
    """How many, from ``SERBERO_KILLS``."""
    return int(os.environ.get("SERBERO_KILLS", str(default)))


def dice() -> random.Random:
    """Seeded by ``SERBERO_SEED``, or by a seed that a failure shows."""
    seed = int(os.environ.get("SERBERO_SEED", str(random.randrange(2**32))))
    print(f"SERBERO_SEED={seed}")  # noqa: T201 - pytest shows it with a failure
    return random.Random(seed)


async def live_and_die(place: Village, chance: random.Random) -> None:
    """One life: it starts, disputes come and move on, it is killed somewhere on the way."""
    clock = SystemClock()
    life = await place.home.start()
    if chance.random() < 0.2:
        # While it starts: it migrates, connects, catches up.
        await place.open(A_LIFE)
        await clock.sleep(chance.uniform(0, LONGEST_START_SECONDS))
    else:
        assert await life.ready(), place.home.logs()
        await place.move_on(A_LIFE + 1)
        await place.open(A_LIFE)
        await clock.sleep(chance.uniform(0, LONGEST_SECONDS))
    assert life.alive, place.home.logs()
    await life.kill()


async def kill_repeatedly(folder: Path, count: int, chance: random.Random) -> None:
    async with village(folder, relays=RELAYS, solvers=SOLVERS) as place:
        await place.open(AT_ONCE)
        for _ in range(count):
            await live_and_die(place, chance)
        await place.finish(await place.home.start())
        await place.check()


async def kill_while_a_relay_comes_and_goes(
    folder: Path, count: int, chance: random.Random
) -> None:
    async with village(folder, relays=RELAYS, solvers=SOLVERS) as place:
        await place.open(AT_ONCE)
        for _ in range(count):
            proxy = chance.choice(place.proxies)
            match chance.randrange(3):
                case 0:  # it is away while this life starts, and returns
                    proxy.refusal = "reset"
                    proxy.cut()
                case 1:  # its connection breaks somewhere on the way
                    proxy.add(_cut_after(chance.randrange(1, 60)))
                case _:  # its answers are lost: what it has is unknown
                    proxy.add(without_ok)
            await live_and_die(place, chance)
            proxy.refusal = ""
            proxy.clear()
        await place.finish(await place.home.start())
        await place.check()


def _cut_after(frames: int) -> Hook:
    """Cut the connection once it has carried so many frames."""
    carried = itertools.count()

    def hook(_way: Way, text: str, _link: Link) -> list[Frame] | None:
        return [text] if next(carried) < frames else None

    return hook


async def test_every_solver_is_told_once(tmp_path: Path) -> None:
    await kill_repeatedly(tmp_path, (kills(25) + 1) // 2, dice())


async def test_also_while_a_relay_comes_and_goes(tmp_path: Path) -> None:
    await kill_while_a_relay_comes_and_goes(tmp_path, kills(25) // 2, dice())


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_every_solver_is_told_once_for_hours(tmp_path: Path) -> None:
    await kill_repeatedly(tmp_path, kills(1000), dice())


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_also_while_a_relay_comes_and_goes_for_hours(tmp_path: Path) -> None:
    await kill_while_a_relay_comes_and_goes(tmp_path, kills(1000) // 4, dice())
