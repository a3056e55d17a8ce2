"""A hand-off and its reminders, killed before and after commits and publishes.

Whatever was killed where, each relay holds the hand-off once for each recipient and each reminder
once, the dispatch has one row with its event, and the ladder is whole and over since the take.
"""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.crashpoint import KINDS
from tests.crash.handover_end import Told, held_over
from tests.crash.mediation_plays import HANDED_OVER
from tests.crash.mediation_story import Mediation
from tests.crash.test_kill import dice
from tests.crash.test_mediation_sweep import TOGETHER, chosen, ready_to_mediate, some

FIRST_LIFE = {"commit": (12, 28), "publish": (7, 24)}
"""Where one that is not killed dispatches and reminds; before, it tells of the dispute."""

__all__ = ["ready_to_mediate"]

pytestmark = pytest.mark.timeout(600)


async def told(folder: Path, kills: Sequence[str] = ()) -> tuple[Told, Mediation]:
    """Tell the play; return what the solvers were told, which was held against what must be."""
    folder.mkdir()  # noqa: ASYNC240 - nothing to wait for
    story = Mediation(folder, HANDED_OVER, 2, kills)
    end = await story.tell(lambda scene: held_over(scene, HANDED_OVER, story.blame()))
    return end, story


def around_the_handoff(chance: random.Random, lives: int) -> list[str]:
    """Pick a crash point for each life; the first gets to the dispatch or to a reminder."""
    kind = chance.choice(KINDS)
    first, last = FIRST_LIFE[kind.partition(":")[0]]
    return [f"{kind}:{chance.randint(first, last)}", *some(chance, lives - 1)]


@pytest.mark.parametrize("lives", [2, 3])
async def test_killed_again_and_again_it_is_handed_over_once(tmp_path: Path, lives: int) -> None:
    _, story = await told(tmp_path / "run", around_the_handoff(dice(), lives))
    # A life that has less to do than its point wants ends the killing.
    assert story.killed, story.blame()


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_killed_at_any_point_it_is_handed_over_once(tmp_path: Path) -> None:
    wanted, whole = await told(tmp_path / "whole")
    assert not whole.killed
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        async with at_once:
            end, story = await told(tmp_path / point.replace(":", "-"), [point])
        # How many transactions there are is chance: several answers may share one.
        assert story.killed or point.startswith("commit"), f"{point} was never reached"
        assert end == wanted, f"killed at {point}"

    points = chosen(whole.reached, 0, dice())
    results = await asyncio.gather(*map(run, points), return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(points)} points", faults)
