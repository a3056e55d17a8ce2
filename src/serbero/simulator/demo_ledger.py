"""What a demonstration promises, what arrived, and whether the two agree. Pure bookkeeping."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from serbero.messages import solver as texts


class Told(Enum):
    """What a message says, by its first line; by its last where that tells it from another."""

    OPENED = texts.new_dispute("", "", 0).splitlines()[0]
    REMINDED = texts.still_unattended("", 0).splitlines()[0]
    TAKEN = texts.dispute_taken("", None).splitlines()[0]
    HELD = texts.HELD_BY_SERBERO
    """Taken as well, by Serbero."""


class Note(NamedTuple):
    """One message one solver should get: about which dispute, saying what, to whom (name)."""

    dispute_id: str
    told: Told
    solver: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """The first copy of a message on a solver's device.

    Attributes:
        text: what the solver reads.
        at: seconds on the demonstration's monotonic clock.
        latency: seconds since the node published what the message is about; None for a
            reminder, which is about the absence of an event.
    """

    text: str
    at: float
    latency: float | None


def read_text(text: str, solver: str) -> Note | None:
    """Return which message ``text`` is, or None if it is none of Serbero's."""
    lines = text.splitlines()
    try:
        told = Told.HELD if lines[-1] == Told.HELD.value else Told(lines[0])
    except (ValueError, IndexError):
        return None
    label = "dispute_id: "
    named = [line.removeprefix(label) for line in lines if line.startswith(label)]
    return Note(named[0], told, solver) if named else None


@dataclass(slots=True)
class Ledger:
    """Promises and arrivals.

    Attributes:
        expected: every message that must arrive.
        allowed: messages that may arrive or not: reminders of disputes that were about to be
            taken when they fell due.
        arrived: first copies.
        strange: what nobody promised and cannot be read as a message of Serbero's.
    """

    expected: set[Note] = field(default_factory=set)
    allowed: set[Note] = field(default_factory=set)
    arrived: dict[Note, Arrival] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    _published: dict[tuple[str, Told], float] = field(default_factory=dict)
    _wraps: defaultdict[Note, set[str]] = field(default_factory=lambda: defaultdict(set))

    def published(self, dispute_id: str, told: Told, at: float) -> None:
        """The node begins to publish what ``told`` will be about, at monotonic ``at``."""
        self._published[dispute_id, told] = at

    def expect(
        self, dispute_ids: Iterable[str], told: Told, solvers: Sequence[str]
    ) -> dict[str, list[Note]]:
        """Promise a message about each dispute to each solver; return the notes by solver."""
        ids = list(dispute_ids)
        notes = {name: [Note(each, told, name) for each in ids] for name in solvers}
        self.expected.update(note for own in notes.values() for note in own)
        return notes

    def allow(self, dispute_ids: Iterable[str], told: Told, solvers: Sequence[str]) -> None:
        """Accept a message that is right whether it comes or not."""
        self.allowed.update(Note(each, told, name) for each in dispute_ids for name in solvers)

    def arrive(self, solver: str, wrap_id: str, text: str, at: float) -> None:
        """A wrap was read on a solver's device; the same one on two relays counts once."""
        note = read_text(text, solver)
        if note is None:
            self.strange.append(f"{solver}: {text.splitlines()[:1]}")
            return
        self._wraps[note].add(wrap_id)
        if note not in self.arrived:
            since = self._published.get((note.dispute_id, note.told))
            self.arrived[note] = Arrival(text, at, None if since is None else at - since)

    @property
    def missing(self) -> set[Note]:
        """Promised and not there."""
        return self.expected - self.arrived.keys()

    @property
    def uncalled_for(self) -> set[Note]:
        """There and not promised."""
        return self.arrived.keys() - self.expected - self.allowed

    @property
    def duplicates(self) -> int:
        """Copies beyond the first."""
        return sum(len(wraps) - 1 for wraps in self._wraps.values())

    def copies(self, solver: str) -> int:
        """Copies beyond the first that one solver got."""
        return sum(len(wraps) - 1 for note, wraps in self._wraps.items() if note.solver == solver)

    def count(self, told: Told, solver: str) -> int:
        """How many messages of a kind one solver got."""
        return sum(note.told is told and note.solver == solver for note in self.arrived)

    def latencies(self, solver: str | None = None) -> list[float]:
        """Sorted seconds from the node's publishing to the device; of one solver or of all."""
        return sorted(
            arrival.latency
            for note, arrival in self.arrived.items()
            if arrival.latency is not None and solver in {None, note.solver}
        )

    def problems(self) -> list[str]:
        """Say what was expected and what was found; empty when every promise was kept."""
        found = []
        if missing := self.missing:
            found.append(
                f"expected {len(self.expected)} messages, found "
                f"{len(self.expected) - len(missing)}; missing: {_some(missing)}"
            )
        if self.duplicates:
            found.append(f"expected each message once, found {self.duplicates} more copies")
        if extra := self.uncalled_for:
            found.append(f"expected no other messages, found {len(extra)}: {_some(extra)}")
        if self.strange:
            found.append(f"expected messages of Serbero's alone, found {self.strange[0]}")
        return found


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile of sorted values, None where there are none."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _some(notes: Iterable[Note]) -> str:
    ordered = sorted(notes, key=lambda note: (note.solver, note.dispute_id, note.told.name))
    shown = [f"{each.told.name.lower()} {each.dispute_id[:8]} to {each.solver}" for each in ordered]
    return ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
