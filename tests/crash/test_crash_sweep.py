"""One dispute from detection to resolution, killed before and after commits and publishes.

Each killed run is started once more and must end where the run that nobody killed ended: the
same rows in every table, the same texts on every relay, and no message twice.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.crashpoint import KINDS
from tests.crash.story import RELAYS, SOLVERS, Story, Told
from tests.crash.test_dialogue_sweep import chosen
from tests.crash.test_kill import dice

MOST_COMMITS = 40
"""Transactions of one run at most: how many answers of relays one of them records is chance."""
LEAST_COMMITS = 14
"""And at least: three at the start, four a round of messages (decide, claim, wrap, record)."""
PUBLISHES = 3 * RELAYS * SOLVERS
"""First message, reminder and assignment, each to every solver on every relay."""
TOGETHER = 6
"""Runs at a time: most of a run is waiting for the reminder's interval."""
SAMPLE = 4
"""Points of each kind that are tried every time; which ones, the seed says."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def uncrashed(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The run that nobody kills: what every other one is compared with."""
    return asyncio.run(Story(tmp_path_factory.mktemp("uncrashed")).tell())


def test_the_uncrashed_run_tells_everybody_everything_once(uncrashed: Told) -> None:
    assert not uncrashed.crashed
    texts = Counter(text.splitlines()[0] for *_, text in uncrashed.state.messages.elements())
    assert texts == {
        "New Mostro dispute requires attention.": RELAYS * SOLVERS,
        "Mostro dispute is still unattended.": RELAYS * SOLVERS,
        "Mostro dispute has been taken.": RELAYS * SOLVERS,
    }
    assert set(uncrashed.state.messages.values()) == {1}
    reached = Counter(point.rpartition(":")[0] for point in uncrashed.reached)
    for kind in KINDS[2:]:
        assert reached[kind] == PUBLISHES
    assert LEAST_COMMITS <= reached["commit:after"] == reached["commit:before"] <= MOST_COMMITS


async def sweep(folder: Path, points: Sequence[str], uncrashed: Told) -> None:
    """Kill a run at each of these points; each is tried whatever the others show."""
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        place = folder / point.replace(":", "-")
        place.mkdir()
        async with at_once:
            told = await Story(place, point).tell()
        _check(point, told, uncrashed)

    results = await asyncio.gather(*map(run, points), return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(points)} points", faults)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_killed_run_ends_as_the_uncrashed_one(
    kind: str, uncrashed: Told, tmp_path: Path
) -> None:
    await sweep(tmp_path, chosen(uncrashed.reached, SAMPLE, dice(), [kind]), uncrashed)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_run_killed_anywhere_ends_as_the_uncrashed_one(
    kind: str, uncrashed: Told, tmp_path: Path
) -> None:
    await sweep(tmp_path, chosen(uncrashed.reached, 0, dice(), [kind]), uncrashed)


def _check(point: str, told: Told, uncrashed: Told) -> None:
    kind, _, number = point.rpartition(":")
    if not told.crashed:
        seen = sum(each.startswith(f"{kind}:") for each in told.reached)
        assert kind.startswith("commit"), f"{point} was never reached"
        assert LEAST_COMMITS <= seen < int(number), f"{point}: not killed at {seen} of {kind}"
    else:
        assert told.reached[-1] == point
    difference = told.state.difference(uncrashed.state)
    assert not difference, f"killed at {point}, the end differs:\n{difference}"
