"""When a part that fails is worth an alert. Pure: what was reported and when goes in.

A part that comes and goes is one story, not one a minute:

- an *episode* begins when a part ceases to work, and ends when it has worked for a minute on end;
- it is told once it has lasted a minute and the part does not work: a blip is never told;
- its end is told if its beginning was;
- the beginnings told of one part are at least a quarter of an hour apart, and twice as far with
  each, up to four hours, until it has worked for four hours. What still holds then is told then.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from serbero.model.alerts import Alert, AlertEvent, Fact, Turn
from serbero.model.backoff import exponential

HOLD_SECONDS: Final = 60.0
FIRST_QUIET_SECONDS: Final = 900.0
LONGEST_QUIET_SECONDS: Final = 14_400.0


@dataclass(slots=True)
class _Story:
    """What is known of one part; times on the monotonic clock but for ``at``.

    Attributes:
        works: what it last reported.
        changed: when it last began or ceased to.
        begun: when the episode began; None while there is none.
        at: the wall clock's time of that, Unix seconds.
        told: whether the channels believe that it fails.
        quiet_until: no beginning is told before.
        tellings: beginnings told in a row.
    """

    works: bool = True
    changed: float = 0.0
    begun: float | None = None
    at: int = 0
    told: bool = False
    quiet_until: float = 0.0
    tellings: int = 0


class Damper:
    """Remembers every part's story."""

    def __init__(self) -> None:
        self._stories: dict[str, _Story] = {}

    def believed(self, failing: Collection[str], now: float, at: int) -> None:
        """Take up what the channels were told before this start.

        Args:
            failing: parts they believe to fail; the end of that is told once they report.
            now: monotonic seconds.
            at: Unix seconds.
        """
        for part in failing:
            story = self._stories.setdefault(part, _Story(changed=now))
            story.told, story.works = True, False
            story.begun, story.at = now, at

    def heard(self, part: str, works: bool, now: float, at: int) -> None:
        """A part reports whether it works; ``now`` is monotonic, ``at`` Unix seconds."""
        story = self._stories.setdefault(part, _Story(changed=now))
        if works != story.works:
            story.works, story.changed = works, now
        if not works and story.begun is None:
            story.begun, story.at = now, at

    def due(self, now: float, at: int) -> Iterator[Alert]:
        """Yield what is to be told now; once yielded, it counts as told."""
        for part, story in self._stories.items():
            steady = now - story.changed
            if story.works and steady >= LONGEST_QUIET_SECONDS:
                story.tellings = 0
            if story.begun is None:
                continue
            lasted = now - story.begun
            if story.works and steady >= HOLD_SECONDS:
                if story.told:
                    yield _turned(part, Turn.OVER, at, round(lasted - steady))
                story.begun, story.told = None, False
            elif not (story.works or story.told) and lasted >= HOLD_SECONDS:
                if now < story.quiet_until:
                    continue
                story.told = True
                story.tellings += 1
                wait = exponential(story.tellings, FIRST_QUIET_SECONDS, LONGEST_QUIET_SECONDS)
                story.quiet_until = now + wait
                yield _turned(part, Turn.BEGUN, story.at, 0)

    def told(self) -> dict[str, bool]:
        """Return what the channels believe of each part: whether it fails."""
        return {part: story.told for part, story in self._stories.items()}


def _turned(part: str, turn: Turn, at: int, seconds: int) -> Alert:
    facts: dict[str, str | int] = {Fact.PART: part, Fact.TURN: turn.value}
    if seconds > 0:
        facts[Fact.SECONDS] = seconds
    return Alert(AlertEvent.DEGRADED, f"{part}:{turn}:{at}", at, facts=facts)
