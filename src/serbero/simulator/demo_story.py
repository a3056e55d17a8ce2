"""How a demonstration speaks, and what it says when it is over."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class Tone(Enum):
    """What a line is about; a terminal may colour it."""

    PLAIN = "plain"
    HEARD = "heard"
    """A message reached a solver."""
    QUIET = "quiet"
    """Something to know, nothing to look at."""


class Narrator(Protocol):
    """Who tells the story. Times are seconds on the demonstration's monotonic clock."""

    def chapter(self, title: str) -> None:
        """Begin a chapter."""

    def line(self, at: float, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Say what ``who`` did or saw at ``at``."""

    def letter(self, text: str) -> None:
        """Show a message as a solver reads it."""


@dataclass(frozen=True, slots=True)
class SolverFigures:
    """One solver's part; times in milliseconds, None where nothing was measured."""

    name: str
    opened: int
    reminded: int
    taken: int
    copies: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a demonstration showed.

    Attributes:
        problems: what was expected and what was found instead; empty when all went well.
        interrupted: whether somebody ended it early.
        tail: the end of the daemon's log, where it helps.
        disputes: how many were opened, and of these how many were reminded of, taken, closed.
        delivered: of the ``expected`` messages, those that reached their solver.
        duplicates: copies beyond the first.
        p50_ms: median time from the node's publishing to the solver's device, milliseconds.
        p99_ms: the same, 99th percentile.
        relays: how many ran.
        database: where the daemon kept what it knows.
        seconds: how long it all took.
    """

    problems: list[str]
    interrupted: bool
    tail: list[str]
    disputes: int
    renotified: int
    taken: int
    resolved: int
    expected: int
    delivered: int
    duplicates: int
    p50_ms: float | None
    p99_ms: float | None
    relays: int
    database: Path
    seconds: float
    solvers: list[SolverFigures] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything promised was found."""
        return not self.problems
