"""A take and a chat, killed before and after commits and publishes.

Each killed run is started once more and must end where the run that nobody killed ended: the
dispute taken with one request, each solver told everything once, each party asked once, each
answer accepted once, and the same rows in every table.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.crashpoint import KINDS
from tests.crash.dialogue import ENVELOPES, Dialogue
from tests.crash.story import RELAYS, Told
from tests.crash.test_kill import dice

from serbero.model.party import Party
from serbero.simulator.node_messages import Protocol

MOST_COMMITS = 60
"""Transactions of one run at most: how many answers of relays one of them records is chance."""
LEAST_COMMITS = 18
TOGETHER = 6
"""Runs at a time."""
SAMPLE: dict[Protocol, int] = {2: 3, 1: 1}
"""Points of each kind that are tried every time; which ones, the seed says."""

pytestmark = pytest.mark.timeout(300)


def publishes(protocol: Protocol) -> int:
    """Two messages to the solver, one to the node, one question to each party; on every relay."""
    return RELAYS * (2 + 1 + len(Party) * ENVELOPES[protocol])


async def uncrashed(folder: Path, protocol: Protocol) -> Told:
    """The run that nobody kills."""
    told = await Dialogue(folder, protocol).tell()
    assert not told.crashed
    reached = Counter(point.rpartition(":")[0] for point in told.reached)
    for kind in KINDS[2:]:
        assert reached[kind] == publishes(protocol)
    assert LEAST_COMMITS <= reached["commit:after"] == reached["commit:before"] <= MOST_COMMITS
    return told


async def sweep(folder: Path, protocol: Protocol, sample: int, chance: random.Random) -> None:
    """Kill a run at each point, or at ``sample`` of each kind (0: all of them)."""
    whole = folder / "uncrashed"
    whole.mkdir()
    wanted = await uncrashed(whole, protocol)
    at_once = asyncio.Semaphore(TOGETHER)

    async def run(point: str) -> None:
        place = folder / point.replace(":", "-")
        place.mkdir()
        async with at_once:
            told = await Dialogue(place, protocol, point).tell()
        check(point, told, wanted)

    points = chosen(wanted.reached, sample, chance)
    results = await asyncio.gather(*map(run, points), return_exceptions=True)
    faults = [each for each in results if isinstance(each, Exception)]
    if faults:
        raise ExceptionGroup(f"{len(faults)} of {len(points)} points", faults)


def chosen(
    reached: Sequence[str], sample: int, chance: random.Random, kinds: Sequence[str] = KINDS
) -> list[str]:
    """Pick as many points of each kind (0: all), spread over the run."""
    picked = []
    for kind in kinds:
        points = [each for each in reached if each.startswith(f"{kind}:")]
        parts = sample or len(points)
        for part in range(parts):
            first, end = (len(points) * at // parts for at in (part, part + 1))
            picked.append(chance.choice(points[first:end]))
    return picked


def check(point: str, told: Told, wanted: Told) -> None:
    """Compare a run with the one that nobody killed."""
    kind, _, number = point.rpartition(":")
    if told.crashed:
        assert told.reached[-1] == point
    else:  # how many transactions there are is chance
        seen = sum(each.startswith(f"{kind}:") for each in told.reached)
        assert kind.startswith("commit"), f"{point} was never reached"
        assert LEAST_COMMITS <= seen < int(number), f"{point}: not killed at {seen} of {kind}"
    difference = told.state.difference(wanted.state)
    assert not difference, f"killed at {point}, the end differs:\n{difference}"


@pytest.mark.parametrize("protocol", [2, 1])
async def test_killed_in_a_take_or_a_chat_it_ends_as_if_it_was_not(
    tmp_path: Path, protocol: Protocol
) -> None:
    await sweep(tmp_path, protocol, SAMPLE[protocol], dice())


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("protocol", [2, 1])
async def test_killed_at_any_point(tmp_path: Path, protocol: Protocol) -> None:
    await sweep(tmp_path, protocol, 0, dice())
