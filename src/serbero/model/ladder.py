"""The ladder: who is reminded, and after how long, until a human has a dispute. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from serbero.model.people import Permission, Solver

ASSIGNED: Final = "assigned"
WRITERS: Final = "writers"
EVERYONE: Final = "everyone"
SOLVER: Final = "solver:"
GROUP: Final = "group:"
REPEAT_SECONDS: Final = 3600
"""After the last step its audience is reminded again this often, for as long as it takes."""
SHORTEST_WAIT_SECONDS: Final = 60
"""Between two steps, whatever was missed or put off meanwhile."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    Attributes:
        after_seconds: from the hand-off.
        to: ``assigned``, ``writers``, ``everyone``, ``solver:NAME`` or ``group:NAME``.
    """

    after_seconds: int
    to: str


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps of a ladder, in order of their times; at least one."""

    steps: tuple[Step, ...]

    def to_json(self) -> str:
        """As it is stored with a ladder, which keeps the policy it began with."""
        return json.dumps([[each.after_seconds, each.to] for each in self.steps])

    @classmethod
    def of_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote; what cannot be read is the default ladder."""
        try:
            steps = tuple(Step(int(after), str(to)) for after, to in json.loads(text))
        except (ValueError, TypeError, OverflowError):
            steps = ()
        return cls(steps or DEFAULT_STEPS)

    def step(self, number: int) -> Step:
        """Return step ``number`` (from 1); beyond the last one, its audience hourly."""
        if number <= len(self.steps):
            return self.steps[number - 1]
        last = self.steps[-1]
        further = number - len(self.steps)
        return Step(last.after_seconds + further * REPEAT_SECONDS, last.to)

    def gap(self, number: int) -> int:
        """Seconds from the step before ``number`` (the hand-off for the first) to it."""
        before = self.step(number - 1).after_seconds if number > 1 else 0
        return self.step(number).after_seconds - before

    def next_at(self, started_at: int, taken: int, now: int) -> int:
        """When the step after ``taken``, which was taken just now, is due, Unix seconds.

        As planned from the hand-off, but never at once: a step that was missed is not made up
        for, the next comes as long after this one as it was to come (within the hour). Nor is
        one that came early, because somebody's time was over, followed by a longer silence.

        Args:
            started_at: of the ladder, Unix seconds.
            taken: number of the step.
            now: Unix seconds.
        """
        gap = max(SHORTEST_WAIT_SECONDS, self.gap(taken + 1))
        planned = started_at + self.step(taken + 1).after_seconds
        if planned <= now:
            return now + min(REPEAT_SECONDS, gap)
        return min(max(planned, now + SHORTEST_WAIT_SECONDS), now + max(REPEAT_SECONDS, gap))


DEFAULT_STEPS: Final = (Step(600, WRITERS), Step(1800, EVERYONE))
DEFAULT_POLICY: Final = Policy(DEFAULT_STEPS)


def means_somebody(to: str, solvers: Sequence[Solver]) -> bool:
    """Whether a step's ``to`` is one of the forms, and names somebody of the configuration."""
    if to in (ASSIGNED, WRITERS, EVERYONE):
        return True
    return bool(to.startswith((SOLVER, GROUP)) and audience(to, solvers, None))


def audience(to: str, solvers: Sequence[Solver], assigned: str | None) -> tuple[Solver, ...]:
    """Return whom a step means, in the order of the configuration.

    ``assigned`` without anybody assigned who is configured means the writers, and writers where
    there are none means everyone: a step that reached nobody would remind nobody.

    Args:
        to: as in :class:`Step`.
        solvers: as configured.
        assigned: who has the dispute, hex; None where nobody knows.
    """
    everyone = tuple(solvers)
    writers = tuple(each for each in everyone if each.permission is Permission.WRITE)
    if to == EVERYONE:
        return everyone
    if to == WRITERS:
        return writers or everyone
    if to == ASSIGNED:
        his = tuple(each for each in everyone if each.hex is not None and each.hex == assigned)
        return his or writers or everyone
    name = to.partition(":")[2].strip().lower()
    if to.startswith(GROUP):
        return tuple(each for each in everyone if name in each.groups)
    return tuple(each for each in everyone if each.name.lower() == name and name)
