"""One dispute from detection to resolution, killed before and after every commit and publish.

Each killed run is started once more and must end where the run that nobody killed ended: the
same rows in every table, the same texts on every relay, and no message twice.
"""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from tests.crash.crashpoint import KINDS
from tests.crash.story import RELAYS, SOLVERS, Story, Told

MOST_COMMITS = 40
"""Transactions of one run at most: how many answers of relays one of them records is chance."""
LEAST_COMMITS = 14
"""And at least: three at the start, four a round of messages (decide, claim, wrap, record)."""
PUBLISHES = 3 * RELAYS * SOLVERS
"""First message, reminder and assignment, each to every solver on every relay."""
TOGETHER = 7
"""Runs at a time: most of a run is waiting for the reminder's interval."""

POINTS = [
    f"{kind}:{number}"
    for kind in KINDS
    for number in range(1, (MOST_COMMITS if kind.startswith("commit") else PUBLISHES) + 1)
]
CHUNKS = 14
"""Tests, for any number of processes to share: a wave of runs each."""

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


@pytest.mark.parametrize("chunk", range(CHUNKS))
async def test_a_run_killed_anywhere_ends_as_the_uncrashed_one(
    chunk: int, uncrashed: Told, tmp_path: Path
) -> None:
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        folder = tmp_path / point.replace(":", "-")
        folder.mkdir()
        async with at_once:
            told = await Story(folder, point).tell()
        _check(point, told, uncrashed)

    # Neighbours are in different chunks, so that all chunks take about as long. Which points
    # there are, the uncrashed run says; each is tried whatever the others show.
    points = [point for point in POINTS[chunk::CHUNKS] if point in uncrashed.reached]
    results = await asyncio.gather(*map(run, points), return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(points)} points", faults)


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
