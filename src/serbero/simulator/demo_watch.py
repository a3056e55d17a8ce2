"""Watching a demonstration: what reaches the devices and the database, put into words."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serbero.clock import Clock
from serbero.model.lifecycle import Lifecycle
from serbero.simulator.demo_ledger import Ledger, Note
from serbero.simulator.demo_stage import Stage
from serbero.simulator.demo_story import Narrator, Tone
from serbero.simulator.demo_verdict import span

POLL_SECONDS: Final = 0.01
LOOK_SECONDS: Final = 0.05
"""Between two looks into the database."""
SEVERAL_LINES: Final = 8
"""Up to so many solvers each get a line of their own."""
MANY: Final = 100
"""From so many messages on, waiting says how far it is, every so many seconds."""
PROGRESS_SECONDS: Final = 2.0
HURRY_SECONDS: Final = 2.0
"""Patience once something failed to come: the verdict stands, the rest is for the report."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a line says of one solver, and of all of them at once.

    Attributes:
        after: what a time is counted from, where it is not the node's publishing.
    """

    one: str
    all: str
    after: str = "it was opened"


class Watch:
    """Looks at a stage, enters what it sees into a ledger, and tells of it.

    Args:
        stage: what is watched.
        ledger: what is promised.
        narrator: told what happens.
        clock: where time comes from; the story's time counts from now.
        patience: seconds that one thing may take.
    """

    def __init__(
        self, stage: Stage, ledger: Ledger, narrator: Narrator, clock: Clock, patience: float
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._narrator = narrator
        self._clock = clock
        self._patience = patience
        self._began = clock.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the story began."""
        return self._clock.monotonic() - self._began

    def say(self, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Tell what ``who`` does now."""
        self._line(self._clock.monotonic(), who, text, tone)

    def _line(self, at: float, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        self._narrator.line(at - self._began, who, text, tone)

    def look(self) -> None:
        """Enter what arrived since the last look.

        Raises:
            DaemonFailed: the daemon ended.
        """
        self._stage.collect(self._ledger)
        self._stage.check()

    async def heard(
        self,
        notes: Mapping[str, Sequence[Note]],
        words: Words,
        *,
        since: float | None = None,
        letter: bool = False,
        places: Mapping[str, str] | None = None,
    ) -> None:
        """Wait until every solver has every note; tell of each who has.

        Args:
            notes: by solver.
            words: for it.
            since: moment that times are counted from; None: the node's publishing.
            letter: show the first message.
            places: what to add of where some of the solvers read.

        Raises:
            DaemonFailed: the daemon ended meanwhile.
        """
        began = self._clock.monotonic()
        waiting, spoke = dict(notes), began
        one_by_one = len(notes) <= SEVERAL_LINES
        while waiting and self._clock.monotonic() < began + self._patience:
            self.look()
            for name in self._served(waiting):
                own = waiting.pop(name)
                if one_by_one:
                    self._tell_arrival(
                        name,
                        own,
                        words.one,
                        words.after,
                        since,
                        began,
                        (places or {}).get(name, ""),
                    )
                if letter and len(waiting) == len(notes) - 1:
                    self._narrator.letter(self._ledger.arrived[own[0]].text)
            if waiting:
                spoke = self._tell_progress(notes, spoke)
                await self._clock.sleep(POLL_SECONDS)
        if waiting:  # a device that missed what its relay has asks for it
            await self._stage.collect_stored(self._ledger)
            self._patience = min(self._patience, HURRY_SECONDS)
        if not one_by_one:
            every = [note for own in notes.values() for note in own]
            self._tell_arrival("solvers", every, words.all, words.after, since, began)

    def _tell_progress(self, notes: Mapping[str, Sequence[Note]], spoke: float) -> float:
        """Say how many arrived when many are on their way; return when that was said last."""
        every = [note for own in notes.values() for note in own]
        now = self._clock.monotonic()
        if len(every) < MANY or now - spoke < PROGRESS_SECONDS:
            return spoke
        there = sum(note in self._ledger.arrived for note in every)
        self.say("solvers", f"{there:,} of {len(every):,} have arrived", Tone.QUIET)
        return now

    def _tell_arrival(
        self,
        who: str,
        notes: Sequence[Note],
        what: str,
        after: str,
        since: float | None,
        began: float,
        place: str = "",
    ) -> None:
        there = [self._ledger.arrived[note] for note in notes if note in self._ledger.arrived]
        if not there:
            return
        if since is None:
            text = f"{what} after {span([each.latency or 0.0 for each in there])}"
        else:
            text = f"{what}, {span([each.at - since for each in there])} after {after}"
        at = max(each.at for each in there)
        if at < began:  # on a slow machine the reminder does not wait for its scene
            at, text = began, f"{text} (already)"
        self._line(at, who, text + place, Tone.HEARD)

    def _served(self, waiting: Mapping[str, Sequence[Note]]) -> list[str]:
        """Who has everything they wait for, in the order in which it was complete."""
        arrived = self._ledger.arrived
        served = {
            name: max(arrived[note].at for note in own)
            for name, own in waiting.items()
            if all(note in arrived for note in own)
        }
        return sorted(served, key=served.__getitem__)

    async def until_known(self, ids: Collection[str], state: Lifecycle) -> None:
        """Wait until the daemon's database shows ``state`` and nothing is on its way."""
        deadline = self._clock.monotonic() + self._patience
        while self._clock.monotonic() < deadline:
            self.look()
            truth = await self._stage.truth()
            if not truth.pending and all(truth.states.get(each) is state for each in ids):
                return
            await self._clock.sleep(LOOK_SECONDS)

    async def until(self, seen: Callable[[], bool]) -> bool:
        """Wait until ``seen`` says so; False if it does not in time.

        Raises:
            DaemonFailed: the daemon ended meanwhile.
        """
        deadline = self._clock.monotonic() + self._patience
        while not seen():
            if self._clock.monotonic() >= deadline:
                self._patience = min(self._patience, HURRY_SECONDS)
                return False
            self.look()
            await self._clock.sleep(POLL_SECONDS)
        return True
