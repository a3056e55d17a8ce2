"""How a demonstration speaks, and what it says when it is over."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class Tone(Enum):
    """What a line is about; a terminal may colour it."""

    PLAIN = "plain"
    HEARD = "heard"
    """A message reached somebody."""
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
class TakeFigures:
    """Serbero's take.

    Attributes:
        outcome: what the node did with it; None where it never got one.
        ms: from asking to holding it, milliseconds; None where it never held it.
    """

    outcome: str | None = None
    ms: float | None = None


@dataclass(frozen=True, slots=True)
class ChatFigures:
    """The conversation, both parties together; times in milliseconds, None where none was taken.

    Attributes:
        sent: messages of Serbero's.
        read: how often the parties' clients opened one.
        written: messages of the parties.
        heard: how many of these Serbero accepted.
        after_takeover: events of the conversation that came once a person had taken over.
        to_party_ms: median from Serbero to a party.
        to_serbero_ms: median from a party to Serbero.
        envelopes: what each party's client reads and writes.
    """

    sent: int = 0
    read: int = 0
    written: int = 0
    heard: int = 0
    after_takeover: int = 0
    to_party_ms: float | None = None
    to_serbero_ms: float | None = None
    envelopes: dict[str, str] = field(default_factory=dict)


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
        protocol: what the node spoke.
        take: Serbero's take.
        chat: its conversation.
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
    protocol: int
    take: TakeFigures
    chat: ChatFigures
    solvers: list[SolverFigures] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything promised was found."""
        return not self.problems
