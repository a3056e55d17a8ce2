"""Several stories at once, told one after the other.

Scenarios play at the same time; a reader wants them in order. The first that is not over is told
live, the others wait with what they have to tell.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from serbero.clock import Clock
from serbero.simulator.demo_story import Narrator, Tone


class Storyteller(Narrator, Protocol):
    """A narrator who can also address the reader."""

    def prose(self, text: str) -> None:
        """Say something to the reader."""


class Teller:
    """One story's voice. Times count from its first line.

    Args:
        say: where a line goes, now or later.
        narrator: who speaks in the end.
        clock: where time comes from.
    """

    def __init__(
        self, say: Callable[[Callable[[], None]], None], narrator: Storyteller, clock: Clock
    ) -> None:
        self._say = say
        self._narrator = narrator
        self._clock = clock
        self._began: float | None = None

    def chapter(self, title: str) -> None:
        """Begin the chapter."""
        self._say(partial(self._narrator.chapter, title))

    def prose(self, text: str) -> None:
        """Say something to the reader."""
        self._say(partial(self._narrator.prose, text))

    def line(self, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Say what ``who`` does now."""
        now = self._clock.monotonic()
        self._began = now if self._began is None else self._began
        self._say(partial(self._narrator.line, now - self._began, who, text, tone))

    def letter(self, text: str) -> None:
        """Show a message as its receiver reads it."""
        self._say(partial(self._narrator.letter, text))


class Programme:
    """The stories of one evening, in order.

    Args:
        names: of the stories, in the order in which they are told.
        narrator: who speaks.
        clock: where time comes from.
    """

    def __init__(self, names: Sequence[str], narrator: Storyteller, clock: Clock) -> None:
        self._waiting: dict[str, list[Callable[[], None]]] = {name: [] for name in names}
        self._over: set[str] = set()
        self._narrator = narrator
        self._clock = clock

    def teller(self, name: str) -> Teller:
        """The voice of one story."""
        return Teller(partial(self._take, name), self._narrator, self._clock)

    def over(self, name: str) -> None:
        """A story is over; the next one that waited is told."""
        self._over.add(name)
        while self._waiting and (first := next(iter(self._waiting))) in self._over:
            del self._waiting[first]
            if self._waiting:
                self._catch_up(next(iter(self._waiting)))

    def _take(self, name: str, speak: Callable[[], None]) -> None:
        if name == next(iter(self._waiting), None):
            speak()
        elif name in self._waiting:
            self._waiting[name].append(speak)

    def _catch_up(self, name: str) -> None:
        for speak in self._waiting[name]:
            speak()
        self._waiting[name].clear()
