"""Mediations killed before and after commits and publishes, from the start to the report.

Whatever was killed where, the node was asked once, each relay holds each message once, the audit
trail is whole and in order, and every row is as if nobody had been killed, but for how often a
start was tried. Where the dispute is only handed over, each relay holds the hand-off and each of
its reminders once for each recipient, and the ladder is whole and over since the take.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.crash import household, nursery
from tests.crash.crashpoint import KINDS
from tests.crash.end_state import EndState
from tests.crash.handover_end import Told, held_over
from tests.crash.mediation_end import held
from tests.crash.mediation_plays import HANDED_OVER, PLAYS, Play
from tests.crash.mediation_story import Mediation
from tests.crash.test_kill import dice

from serbero.simulator.node_messages import Protocol

TOGETHER = 4
"""Runs at a time, in a complete sweep."""
SPREAD = 6
"""Points of each kind of a play on a node of the older protocol, in a complete sweep."""
A_LIFE = {"commit": 15, "publish": 5}
"""How far the lives of a sample get at most; what a play takes is about three times that."""
FIRST_LIFE = {"commit": (12, 28), "publish": (7, 24)}
"""Where one that hands over dispatches and reminds; before, it tells of the dispute."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def ready_to_mediate() -> Iterator[None]:
    """Spare each life what mediation loads, too."""
    if not household.NURSERY:
        yield
        return
    with nursery.running("mediation_ready") as place:
        household.NURSERY.insert(0, place)
        yield
        household.NURSERY.remove(place)


async def told(
    folder: Path, play: Play, protocol: Protocol, kills: Sequence[str] = ()
) -> tuple[EndState, Mediation]:
    """Tell a play; return its end, which was held against what it must be."""
    folder.mkdir()  # noqa: ASYNC240 - nothing to wait for
    story = Mediation(folder, play, protocol, kills)
    end = await story.tell(lambda scene: held(scene, play, story.blame()))
    return end, story


def some(chance: random.Random, count: int) -> list[str]:
    """Pick a crash point for each of some lives, commits and publishes by turns."""
    kinds = [chance.choice(KINDS[:2]), chance.choice(KINDS[2:])] * count
    first = chance.randrange(2)
    picked = kinds[first : first + count]
    return [f"{kind}:{chance.randint(1, A_LIFE[kind.partition(':')[0]])}" for kind in picked]


@pytest.mark.parametrize(
    ("protocol", "lives"), [(2, 3), pytest.param(1, 2, marks=pytest.mark.soak)]
)
@pytest.mark.parametrize(
    "play",
    [PLAYS[0], *(pytest.param(each, marks=pytest.mark.soak) for each in PLAYS[1:])],
    ids=lambda play: play.name.replace(" ", "-"),
)
async def test_killed_again_and_again_it_ends_as_it_must(
    tmp_path: Path, play: Play, protocol: Protocol, lives: int
) -> None:
    kills = some(dice(), lives)
    _, story = await told(tmp_path / "run", play, protocol, kills)
    # A life that has less to do than its point wants ends the killing.
    assert story.killed, story.blame()


async def handed_over(folder: Path, kills: Sequence[str] = ()) -> tuple[Told, Mediation]:
    """Tell of a hand-off; return who was told what, which was held against what must be."""
    folder.mkdir()  # noqa: ASYNC240 - nothing to wait for
    story = Mediation(folder, HANDED_OVER, 2, kills)
    return await story.tell(lambda scene: held_over(scene, HANDED_OVER, story.blame())), story


@pytest.mark.parametrize("lives", [2, pytest.param(3, marks=pytest.mark.soak)])
async def test_killed_around_a_dispatch_it_is_handed_over_once(tmp_path: Path, lives: int) -> None:
    chance = dice()
    kind = chance.choice(KINDS)
    first = f"{kind}:{chance.randint(*FIRST_LIFE[kind.partition(':')[0]])}"
    _, story = await handed_over(tmp_path / "run", [first, *some(chance, lives - 1)])
    assert story.killed, story.blame()


async def sweep(folder: Path, play: Play, protocol: Protocol, sample: int) -> None:
    """Kill a run at each point, or at ``sample`` of each kind (0: all of them)."""
    wanted, whole = await told(folder / "whole", play, protocol)
    assert not whole.killed
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        async with at_once:
            end, story = await told(folder / point.replace(":", "-"), play, protocol, [point])
        # How many transactions there are is chance: several answers may share one.
        assert story.killed or point.startswith("commit"), f"{point} was never reached"
        difference = end.difference(wanted)
        assert not difference, f"killed at {point}, the end differs:\n{difference}"

    await at_each(chosen(whole.reached, sample, dice()), run)


async def at_each(points: Sequence[str], run: Callable[[str], Awaitable[None]]) -> None:
    """Run all of them and raise what any raised."""
    results = await asyncio.gather(*map(run, points), return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(points)} points", faults)


def chosen(reached: Sequence[str], sample: int, chance: random.Random) -> list[str]:
    """Pick as many points of each kind, spread over the run."""
    picked = []
    for kind in KINDS:
        points = [each for each in reached if each.startswith(f"{kind}:")]
        parts = sample or len(points)
        for part in range(parts):
            first, end = (len(points) * at // parts for at in (part, part + 1))
            picked.append(chance.choice(points[first:end]))
    return picked


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name.replace(" ", "-"))
async def test_killed_at_any_point(tmp_path: Path, play: Play) -> None:
    await sweep(tmp_path, play, 2, 0)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("play", PLAYS, ids=lambda play: play.name.replace(" ", "-"))
async def test_killed_at_some_points_on_the_older_protocol(tmp_path: Path, play: Play) -> None:
    await sweep(tmp_path, play, 1, SPREAD)


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_killed_at_any_point_it_is_handed_over_once(tmp_path: Path) -> None:
    wanted, whole = await handed_over(tmp_path / "whole")
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        async with at_once:
            end, story = await handed_over(tmp_path / point.replace(":", "-"), [point])
        assert story.killed or point.startswith("commit"), f"{point} was never reached"
        assert end == wanted, f"killed at {point}"

    await at_each(chosen(whole.reached, 0, dice()), run)
