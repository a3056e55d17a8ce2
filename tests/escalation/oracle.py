"""What people should have been told, from what happened alone.

Written from the rules; nothing here uses the code that keeps them, nor looks into its tables. It
follows along: every fact and every arrived message is told to it in order, and it objects.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

HOUR: Final = 3600
DAY: Final = 86_400
HOLDS: Final = {"re-notification", "assignment", "resolution_report"}
"""What waits for whoever sleeps, whatever the others do."""
REMINDER: Final = "escalation_reminder"


@dataclass(frozen=True)
class Human:
    """A solver as a person would write one down."""

    letter: str
    writes: bool
    zone: str = "UTC"
    quiet: tuple[str, str] | None = None
    weeks: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def at_home(self, wall: int) -> datetime:
        return datetime.fromtimestamp(wall, ZoneInfo(self.zone))

    def in_quiet_hours(self, wall: int) -> bool:
        if self.quiet is None:
            return False
        since, until = self.quiet
        clock = self.at_home(wall).strftime("%H:%M")
        return since <= clock < until if since < until else clock >= since or clock < until

    def on_call(self, wall: int) -> bool:
        return not self.weeks or self.at_home(wall).strftime("%G-W%V") in self.weeks


@dataclass
class Case:
    """One dispute."""

    status: str = "initiated"
    led_by_us: bool = False
    handed_at: int | None = None
    """By the wall clock; None while nobody is to be reminded of it."""
    low: int = 0
    """Not before this, in real seconds."""
    high: int = 0
    """Not later than this."""
    fuzzy: bool = False
    """A clock was set meanwhile."""
    told: int = 0
    told_at: int = 0
    holder: str | None = None
    holder_since: int = 0
    holder_until: int = 0
    snoozed: dict[str, int] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        return self.handed_at is not None and self.status == "initiated"


class Objection(AssertionError):  # noqa: N818 - named for what it is
    """The daemon did what it should not, or did not what it should."""


@dataclass
class Oracle:
    """Everything that happened.

    Attributes:
        steps: of the ladder, seconds and audience.
        sweep: real seconds between two looks at who is awake.
    """

    steps: Sequence[tuple[int, str]]
    sweep: int
    humans: dict[str, Human] = field(default_factory=dict)
    cases: dict[str, Case] = field(default_factory=dict)
    muted: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    on_since: int = 0

    def object_if(self, wrong: object, *what: object) -> None:
        if wrong:
            raise Objection(" ".join(map(str, what)))

    # --- people --------------------------------------------------------------------------------

    def asleep(self, letter: str, wall: int) -> bool:
        return self.humans[letter].in_quiet_hours(wall) or self.muted.get(letter, 0) > wall

    def named(self, to: str) -> set[str]:
        everyone = set(self.humans)
        writers = {each.letter for each in self.humans.values() if each.writes} or everyone
        if to in ("writers", "assigned"):
            return writers
        kind, _, name = to.partition(":")
        if kind == "solver":
            return {name} & everyone or everyone
        if kind == "group":
            return {e.letter for e in self.humans.values() if name in e.groups} or everyone
        return everyone

    def step(self, number: int) -> tuple[int, str]:
        if number == 0:
            return 0, ""
        beyond = max(0, number - len(self.steps))
        after, to = self.steps[min(number, len(self.steps)) - 1]
        return after + beyond * HOUR, to

    # --- facts ---------------------------------------------------------------------------------

    def opened(self, dispute: str) -> None:
        self.cases[dispute] = Case()

    def handed_over(self, dispute: str, real: int, wall: int, *, by_us: bool) -> None:
        case = self.cases[dispute]
        case.led_by_us |= by_us
        if by_us:
            self._untrue(dispute, "re-notification")
        self._untrue(dispute, REMINDER)
        case.handed_at, case.told, case.fuzzy = wall, 0, False
        case.low = case.high = real + self.step(1)[0]

    def revised(self, dispute: str, status: str) -> None:
        case = self.cases[dispute]
        case.status = status
        case.handed_at = case.holder = None
        case.snoozed.clear()
        gone = ["re-notification", REMINDER]
        if status == "initiated":
            case.led_by_us = False
            gone.append("assignment")
        for each in gone:
            self._untrue(dispute, each)

    def asked_for(self, letter: str, dispute: str, real: int, wall: int, lease: int) -> str:
        """What an acknowledgement should be answered."""
        case = self.cases[dispute]
        self._lapse(case, wall)
        if not self.humans[letter].writes:
            return "MayNot"
        if not case.waits:
            return "NothingToTake"
        if case.holder is not None and case.holder_until > wall and case.holder != letter:
            return "HeldByAnother"
        case.holder, case.holder_since, case.holder_until = letter, wall, wall + lease
        case.high = max(case.high, real + lease)
        case.low = min(case.low, real + lease)
        self._untrue(dispute, REMINDER)
        return "Acknowledged"

    def snoozed(self, letter: str, dispute: str, wall: int, seconds: int) -> None:
        if self.cases[dispute].handed_at is not None:
            self.cases[dispute].snoozed[letter] = wall + min(seconds, DAY)

    def mutes(self, letter: str, wall: int, seconds: int) -> None:
        self.muted[letter] = wall + min(seconds, 3 * DAY)

    def clock_set(self, real: int, wall: int, by: int) -> None:
        """The wall clock shows ``wall`` now, ``by`` seconds more than a moment ago."""
        for case in self.cases.values():
            case.fuzzy = True
            case.low = min(case.low, case.told_at + 60)
            case.high = max(case.high, real + self._longest(case))
            if by < 0 and case.holder is not None and case.holder_since > wall:
                case.holder_until -= case.holder_since - wall
                case.holder_since = wall
            if case.holder is not None:
                case.high = max(case.high, real + case.holder_until - wall)
            if by < 0:
                case.snoozed = {k: min(v, wall + DAY) for k, v in case.snoozed.items()}
        if by < 0:
            self.muted = {k: min(v, wall + 3 * DAY) for k, v in self.muted.items()}

    def _longest(self, case: Case) -> int:
        return max(HOUR, self.step(case.told + 1)[0] - self.step(case.told)[0])

    def _untrue(self, dispute: str, purpose: str) -> None:
        for letter, items in self.waiting.items():
            self.waiting[letter] = [each for each in items if each != (dispute, purpose)]

    def _lapse(self, case: Case, wall: int) -> str | None:
        """Whose time is over and was not told so yet."""
        return case.holder if case.holder is not None and case.holder_until <= wall else None

    # --- what the daemon did -------------------------------------------------------------------

    def reminded(
        self,
        dispute: str,
        letters: list[str],
        held: list[str],
        over: set[str],
        number: int,
        real: int,
        wall: int,
    ) -> None:
        """One step of a dispute's ladder.

        ``held`` are those who are to read it later, ``over`` who is told that his time is over.
        """
        case = self.cases[dispute]
        self.object_if(not case.waits, "reminded although nobody waits:", dispute)
        lapsed = self._lapse(case, wall)
        free = case.holder is None or lapsed
        self.object_if(not free, "reminded although", case.holder, "has it:", dispute)
        self.object_if(number != case.told + 1, "step", number, "after", case.told)
        self.object_if(len(set(letters)) != len(letters), "one person twice:", letters)
        expected, asleep = self._audience(case, number, lapsed, wall)
        about = (dispute, "step", number, "at", wall)
        self.object_if(set(letters) != expected, *about, "told", letters, "not", sorted(expected))
        self.object_if(sorted(held) != sorted(asleep), *about, "held", held, "not", sorted(asleep))
        wrong = over != {each for each in letters if each == lapsed}
        self.object_if(wrong, *about, over, "are told that their time is over, not", lapsed)
        if not case.fuzzy and lapsed is None:
            self.object_if(real < case.low, *about, case.low - real, "s too early")
        if case.told:
            self.object_if(real - case.told_at < 60, *about, "too soon after the last")
        if lapsed is not None:
            case.holder = None
        case.told, case.told_at = number, real
        self._plan(case, real, wall)

    def _audience(
        self, case: Case, number: int, lapsed: str | None, wall: int
    ) -> tuple[set[str], set[str]]:
        meant = self.named(self.step(number)[1]) | (
            {each for each in self.humans if each == lapsed}
        )
        called = {each for each in meant if self.humans[each].on_call(wall)} or meant
        called = {each for each in called if case.snoozed.get(each, 0) <= wall}
        asleep = {each for each in called if self.asleep(each, wall)}
        return (called - asleep, asleep) if called - asleep else (called, set())

    def _plan(self, case: Case, real: int, wall: int) -> None:
        """When the next has to come."""
        gap = max(60, self.step(case.told + 1)[0] - self.step(case.told)[0])
        planned = real + (case.handed_at or 0) + self.step(case.told + 1)[0] - wall
        due = max(planned, real + 60) if planned > real else real + min(HOUR, gap)
        due = min(due, real + max(HOUR, gap))
        case.low, case.high = due, (real + max(HOUR, gap)) if case.fuzzy else due

    def skipped(self, dispute: str, number: int, real: int, wall: int) -> None:
        """A step was taken in which nobody was told anything: everybody had snoozed it."""
        self.reminded(dispute, [], [], set(), number, real, wall)

    def arrived(self, purpose: str, dispute: str, letters: list[str], wall: int) -> None:
        """Any other message."""
        self.object_if(len(set(letters)) != len(letters), "one person twice:", purpose, letters)
        if purpose in HOLDS:
            woken = [each for each in letters if self.asleep(each, wall)]
            self.object_if(woken, purpose, "woke", woken, "at", wall)
        if purpose == "re-notification":
            self.object_if(
                self.cases[dispute].status != "initiated" or self.cases[dispute].led_by_us,
                "re-notified of what somebody has:",
                dispute,
            )

    def held(self, letter: str, dispute: str, purpose: str, wall: int) -> None:
        """Something was put into somebody's digest."""
        self.object_if(purpose not in HOLDS | {REMINDER}, purpose, "was held")
        self.object_if(not self.asleep(letter, wall), purpose, "held of", letter, "who is awake")
        self.waiting.setdefault(letter, []).append((dispute, purpose))

    def digested(self, letter: str, text: str, wall: int) -> None:
        """Somebody reads what was held back."""
        self.object_if(self.asleep(letter, wall), letter, "was woken by a digest")
        items = self.waiting.pop(letter, [])
        found = {
            block.split("\n")[0].removeprefix("dispute_id: "): block
            for block in text.split("\n\n")
            if block.startswith("dispute_id: ")
        }
        self.object_if(set(found) != {each for each, _ in items}, "digest", text, "of", items)
        for dispute, block in found.items():
            counted = re.search(r"reminders held back: (\d+)", block)
            reminders = sum(
                1
                for about, kind in items
                if about == dispute and kind in (REMINDER, "re-notification")
            )
            self.object_if((int(counted[1]) if counted else 0) != reminders, block, reminders)
            self.object_if(f"now: {self._now(dispute)}" not in block, block, self._now(dispute))

    def _now(self, dispute: str) -> str:
        case = self.cases[dispute]
        if case.status == "in-progress":
            return "taken"
        if case.status != "initiated":
            return f"closed ({case.status})"
        return "waits for a human" if case.led_by_us else "nobody has it yet"

    def looked(self, real: int, wall: int) -> None:
        """All that was due by now should have been told."""
        for dispute, case in self.cases.items():
            if not case.waits or (case.holder is not None and case.holder_until > wall):
                continue
            latest = max(case.high, self.on_since)
            self.object_if(real > latest, dispute, "unreminded for", real - latest, "s at", wall)
        if real % self.sweep == 0:
            for letter in self.humans:
                items = self.waiting.get(letter)
                self.object_if(
                    items and not self.asleep(letter, wall), letter, "is awake and not told", items
                )
