"""Mediation's scenarios, one dispute each, all at the same time, told one after the other."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from serbero.clock import Clock
from serbero.simulator.demo_daemon import DaemonFailed
from serbero.simulator.demo_story import Tone
from serbero.simulator.node_messages import Protocol
from serbero.simulator.peer import PeerError
from serbero.simulator.scenario_duty_verdict import REMIND_AFTER_SECONDS, duty_differences
from serbero.simulator.scenario_evidence import Post, gather, read_post
from serbero.simulator.scenario_plays import PLAYS
from serbero.simulator.scenario_scene import Scene, SceneFailed
from serbero.simulator.scenario_script import SCRIPTS, Scenario
from serbero.simulator.scenario_teller import Programme, Storyteller
from serbero.simulator.scenario_truth import UNKNOWN, Case
from serbero.simulator.scenario_verdict import (
    RIGHT_ENDS,
    Evidence,
    broken_promises,
    differences,
    many,
)
from serbero.simulator.scenario_world import Times, World
from serbero.simulator.solver import NotReadable
from serbero.store.errors import StoreError

INTERRUPTED: Final = "interrupted; what it had started has ended"

BEFORE: Final = "tells of disputes from now on; what mediation needs is loaded meanwhile"
"""Why some seconds pass before the model is asked."""

ELSEWHERE: Final[Mapping[Scenario, Times]] = {
    Scenario.UNRESPONSIVE: Times(response_timeout=6),
    Scenario.PROVIDER_DOWN: Times(),
    Scenario.RESTART: Times(),
    Scenario.ESCALATION: Times(remind_after=REMIND_AFTER_SECONDS),
}
"""Scenarios that need a daemon of their own; the others share one."""


@dataclass(slots=True)
class Result:
    """What became of one scenario.

    Attributes:
        problems: what was expected and what was found instead.
        tail: the end of the daemon's log, where it helps.
        case: what the database said in the end.
        dispute_id: None where the node never opened it.
        seen: everything that was gathered; None where it did not come to that.
        model_calls: how often the model was asked about it.
        seconds: how long it took.
    """

    problems: list[str] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    case: Case = UNKNOWN
    dispute_id: str | None = None
    seen: Evidence | None = None
    model_calls: int = 0
    seconds: float = 0.0
    over: bool = False

    @property
    def ok(self) -> bool:
        """Whether it reached its right end."""
        return self.over and not self.problems


class Evening:
    """Scenarios played together.

    Args:
        folder: an empty folder for configurations, databases and logs.
        names: what is played, in the order in which it is told.
        protocol: what the node speaks.
        narrator: told what happens.
        clock: where time comes from.

    Attributes:
        results: of each scenario, in that order.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[Scenario],
        protocol: Protocol,
        narrator: Storyteller,
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._names = names
        self._protocol: Protocol = protocol
        self._clock = clock
        self._programme = Programme(names, narrator, clock)
        self._tellers = {name: self._programme.teller(name) for name in names}
        self.results = {name: Result() for name in names}

    async def run(self) -> None:
        """Play; whatever goes wrong stands in the results."""
        for name in self._names:
            self._tellers[name].chapter(SCRIPTS[name].title)
            self._tellers[name].prose(SCRIPTS[name].premise)
        together = [name for name in self._names if name not in ELSEWHERE]
        alone = [name for name in self._names if name in ELSEWHERE]
        worlds = [self._world(self._folder, Times(), together)] if together else []
        for name in alone:
            folder = self.folder_of(self._folder, name, self._names)
            worlds.append(self._world(folder, ELSEWHERE[name], [name]))
        await _together(worlds)

    @staticmethod
    def folder_of(folder: Path, name: Scenario, names: Sequence[Scenario]) -> Path:
        """Where a scenario's daemon keeps what it knows, of several played in ``folder``."""
        return folder / name if name in ELSEWHERE and len(names) > 1 else folder

    async def _world(self, folder: Path, times: Times, names: Sequence[Scenario]) -> None:
        """Play the scenarios that share a daemon."""
        try:
            async with World(_made(folder), times, self._protocol, self._clock) as world:
                await self._play_in(world, names)
        except (DaemonFailed, PeerError, StoreError, NotReadable, OSError) as error:
            for name in names:
                if not self.results[name].over:
                    self._fail(name, error)
        for name in names:
            self._close(name)

    async def _play_in(self, world: World, names: Sequence[Scenario]) -> None:
        async with AsyncExitStack() as stack:
            scenes = {
                name: await stack.enter_async_context(
                    Scene(world, SCRIPTS[name], self._tellers[name], RIGHT_ENDS[name].questions)
                )
                for name in names
            }
            for name in names:
                scenes[name].down = name is Scenario.PROVIDER_DOWN
            await world.start()
            for name in names:
                self._tellers[name].line("serbero", f"the real daemon, pid {world.daemon.pid}")
                self._tellers[name].line("serbero", BEFORE, Tone.QUIET)
            await _together([self._play(name, scenes[name]) for name in names])
            await world.stop()
            post = await read_post(world)
            for name in names:
                await self._judge(name, scenes[name], post)

    async def _play(self, name: Scenario, scene: Scene) -> None:
        began = self._clock.monotonic()
        try:
            await PLAYS[name](scene)
        except (SceneFailed, DaemonFailed, PeerError, StoreError) as error:
            self._fail(name, error)
        result = self.results[name]
        result.seconds = round(self._clock.monotonic() - began, 3)
        result.dispute_id = scene.dispute_id or None
        result.model_calls = len(scene.calls)

    def _fail(self, name: Scenario, error: Exception) -> None:
        result = self.results[name]
        if str(error) not in result.problems:
            result.problems.append(str(error))
        if isinstance(error, DaemonFailed):
            result.tail = error.tail

    async def _judge(self, name: Scenario, scene: Scene, post: Post) -> None:
        result = self.results[name]
        seen = await gather(scene, post)
        result.seen, result.case = seen, seen.case
        result.model_calls = len(scene.calls)
        if not result.problems:  # one that broke off has no end to be judged
            result.problems += differences(seen, RIGHT_ENDS[name])
            if name is Scenario.ESCALATION:
                result.problems += duty_differences(seen, scene.dispute_id)
        result.problems += broken_promises(seen, scene.script.forbidden)
        result.over = True

    def _close(self, name: Scenario) -> None:
        result, teller = self.results[name], self._tellers[name]
        result.over = True
        if result.ok:
            teller.line("verdict", f"the right end: {_found(result)}", Tone.HEARD)
        for problem in result.problems:
            teller.line("verdict", f"wrong: {problem}")
        self._programme.over(name)

    def interrupted(self) -> bool:
        """Whether somebody ended it early."""
        return not all(result.over for result in self.results.values())


async def _together(works: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do several things at once; all have ended after this, whatever made it end.

    The first failure ends the others and is raised as it is: a reader's leaving, for one, is
    known by its type. Each is cancelled once, since a second time would cut its tidying short.
    """
    tasks = [asyncio.ensure_future(each) for each in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        unfinished = [task for task in tasks if not task.done()]
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
    for task in done:
        task.result()


def _made(folder: Path) -> Path:
    """Return ``folder``, which exists now.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _found(result: Result) -> str:
    """What was looked at, in a line."""
    seen = result.seen
    if seen is None:
        return "nothing was looked at"
    letters = sum(map(len, seen.letters.values()))
    heard = sum(map(len, seen.heard.values()))
    takes, rows = many(len(seen.takes), "take"), many(len(seen.case.events), "row")
    return (
        f"{takes} and nothing else at the node, {many(heard, 'message')} to the parties and "
        f"{letters} to the solvers, each once, {rows} of audit, no word of it in the log"
    )
