"""Weeks in the life of a team, at random: disputes, people, sleep, restarts and wrong clocks.

One seed is one team over three weeks with :data:`DISPUTES` disputes. The oracle is told everything
that happens and everything that arrives, and objects. ``python -m tests.escalation.simulation
SEED`` replays one.
"""

import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from tests.escalation.ladder_rig import Stage, person
from tests.escalation.oracle import DAY, HOUR, REMINDER, Human, Objection, Oracle
from tests.store.rig import dispute_id

from serbero.escalation.auditor import Facts, audit
from serbero.intake.reminders import ReminderPace
from serbero.model.ladder import Policy, Step
from serbero.model.people import Solver
from serbero.store import watches
from serbero.store.watches import Watched

DISPUTES: Final = 25
WEEKS: Final = 3
SWEEP: Final = 300
AUDITED_EVERY: Final = 25
"""So many looks."""
BEGINNINGS: Final = (
    "2026-01-05T00:00:00+00:00",
    "2026-03-16T00:00:00+00:00",  # both Berlin and New York go to summer time
    "2026-03-23T00:00:00+00:00",
    "2026-03-30T00:00:00+00:00",  # Auckland and Lord Howe leave it
    "2026-10-12T00:00:00+00:00",
    "2026-10-19T00:00:00+00:00",
    "2026-12-14T00:00:00+00:00",  # ends in week 53
)
ZONES: Final = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland",
    "Australia/Lord_Howe", "America/Sao_Paulo",
)  # fmt: skip
NIGHTS: Final = ("22:00-07:00", "23:30-06:15", "00:00-08:00", "02:00-03:00", "12:00-13:00",
                 "08:00-07:59", "20:00-10:00")  # fmt: skip
LADDERS: Final = (
    ((600, "writers"), (1800, "everyone")),
    ((600, "writers"), (1800, "everyone")),
    ((300, "solver:A"), (900, "group:night"), (2700, "everyone")),
    ((0, "everyone"),),
    ((120, "assigned"), (150, "writers"), (7200, "everyone")),
    ((60, "writers"), (60, "everyone"), (4 * HOUR, "solver:B")),
)

About = tuple[str, str, str]
"""Dispute, purpose, anchor."""
Happening = tuple[int, int, Callable[[], None]]


@dataclass
class Sparing(Stage):
    """Looks who is awake when somebody should be who has something to read, and now and then.

    Most looks find nobody awake. Leaving those out changes nothing but the time a seed takes.
    """

    oracle: Oracle | None = None

    def next_sweep(self, until: int) -> int:
        assert self.oracle is not None
        at = super().next_sweep(until)
        now_and_then = min(until, at + 2 * HOUR)
        readers = [letter for letter, items in self.oracle.waiting.items() if items]
        readers = [each for each in readers if each in self.oracle.humans]
        while at < now_and_then:
            wall = self.start + at + self.skew
            if not all(self.oracle.asleep(each, wall) for each in readers):
                break
            at += self.sweep
        return at


@dataclass
class World:
    """One team."""

    seed: int
    folder: Path
    sent: int = 0
    held: int = 0
    steps: int = 0
    looked: int = 0
    disputes: int = DISPUTES
    script: list[Happening] = field(default_factory=list)
    watched: list[tuple[int, int]] = field(default_factory=list)
    """When the daemon was there, by its own clock."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        start = int(datetime.fromisoformat(self.rng.choice(BEGINNINGS)).timestamp())
        steps = self.rng.choice(LADDERS)
        self.oracle = Oracle(steps, SWEEP)
        people = tuple(
            self._person(letter, start)
            for letter in "ABCDE"[: self.rng.choice((1, 2, 2, 3, 3, 4, 5))]
        )
        self.stage = Sparing(
            self.folder / "serbero.db",
            people,
            start,
            Policy(tuple(Step(*each) for each in steps)),
            ReminderPace(3 * HOUR, 1.0, 60) if self.rng.random() < 0.4 else None,
            sweep=SWEEP,
            oracle=self.oracle,
        )
        self.stage.looks.append(self.watch)
        self.since = self.stage.now

    def _person(self, letter: str, start: int) -> Solver:
        rng = self.rng
        zone = rng.choice(ZONES)
        night = rng.choice(NIGHTS) if rng.random() < 0.6 else ""
        weeks: frozenset[str] = frozenset()
        if rng.random() < 0.3:
            days = rng.sample(range(0, WEEKS * 7, 7), 2)
            weeks = frozenset(
                datetime.fromtimestamp(start + day * DAY).astimezone().strftime("%G-W%V")
                for day in days
            )
        groups = frozenset({"night"}) if rng.random() < 0.4 else frozenset[str]()
        writes = rng.random() < (0.9 if letter == "A" else 0.6)
        since, _, until = night.partition("-")
        quiet = (since, until) if night else None
        self.oracle.humans[letter] = Human(letter, writes, zone, quiet, weeks, groups)
        return person(
            letter, write=writes, quiet=night, timezone=zone, on_call=weeks, groups=groups
        )

    # --- what may happen -----------------------------------------------------------------------

    def at(self, second: float, what: Callable[[], None]) -> None:
        self.script.append((int(second), len(self.script), what))

    def plan(self) -> None:
        """Write down three weeks."""
        rng, weeks = self.rng, WEEKS * 7 * DAY
        for number in range(self.disputes):
            self._plan_dispute(number, rng.uniform(0, weeks - 2 * DAY))
        for _ in range(rng.randint(0, 6)):
            letter = rng.choice("ABCDE")
            seconds = round(rng.choice((0.2, 2, 9, 30, 99)) * HOUR)
            self.at(rng.uniform(0, weeks), partial(self.mute, letter, seconds))
        for _ in range(rng.randint(0, 4)):
            begin, lasts = rng.uniform(0, weeks), rng.choice((0.0, 60.0, 1800.0, 6.0 * HOUR))
            self.at(begin, self.stop)
            self.at(begin + lasts, self.go)
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            begin, by = rng.uniform(0, weeks), rng.choice((-1, 1)) * rng.choice((20, 600, 10_000))
            self.at(begin, partial(self.set_clock, by))
            self.at(begin + rng.uniform(60, 6 * HOUR), partial(self.set_clock, -by))
        if rng.random() < 0.3:
            self.at(rng.uniform(0, weeks), self.change_people)

    def _plan_dispute(self, number: int, opened: float) -> None:
        rng, dispute = self.rng, dispute_id(number)
        self.at(opened, lambda: self.revise(dispute, "initiated"))
        at = opened + rng.choice((1, 60, 900, 3 * HOUR))
        session = rng.random() < 0.3
        self.at(at, lambda: self.hand_over(dispute, number, session=session))
        for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 5))):
            at += 5 + rng.expovariate(1 / 1500)
            self.at(at, self._deed(dispute, number))
        at += rng.choice((5, 500, 2000, 5000, 10_000, 30_000))
        self.at(at, partial(self.revise, dispute, rng.choice(ENDS)))
        if rng.random() < 0.2:
            self.at(at + rng.expovariate(1 / HOUR), self._deed(dispute, number))
        # Most are not open for long, so that a seed takes less time.
        self.at(at + rng.choice((1, 1, 2, 2, 20)) * HOUR, partial(self.revise, dispute, "settled"))

    def _deed(self, dispute: str, number: int) -> Callable[[], None]:
        rng = self.rng
        letter, kind = rng.choice("ABCDE"), rng.random()
        if kind < 0.55:
            lease = rng.choice((900, 900, 900, 60, 5 * HOUR))
            return lambda: self.acknowledge(letter, dispute, lease)
        if kind < 0.75:
            seconds = rng.choice((0, 600, 2 * HOUR, 9 * DAY))
            return lambda: self.snooze(letter, dispute, seconds)
        if kind < 0.85:
            return lambda: self.hand_over(dispute, number, again=True)
        status = rng.choice(("in-progress", "initiated"))
        return lambda: self.revise(dispute, status)

    # --- what happens --------------------------------------------------------------------------

    def revise(self, dispute: str, status: str) -> None:
        real = self.stage.elapsed
        if not self.stage.on:
            # The oracle hears of it when the daemon does.
            self.stage.happens(dispute, status)
            return
        if status == "initiated" and dispute not in self.oracle.cases:
            self.oracle.opened(dispute)
        elif dispute in self.oracle.cases:
            self.oracle.revised(dispute, status)
        else:
            return
        self.stage.elapsed = real + 1  # a second is a revision's finest stamp
        self.stage.happens(dispute, status)
        self.watch(whole=False)

    def hand_over(
        self, dispute: str, number: int, *, session: bool = False, again: bool = False
    ) -> None:
        case = self.oracle.cases.get(dispute)
        if not self.stage.on or case is None or case.status != "initiated":
            return
        if not again and case.handed_at is not None:
            return
        self.oracle.handed_over(dispute, self.stage.elapsed, self.stage.now, by_us=session)
        self.stage.hand_over(number, session=session, again=again)
        self.watch(whole=False)

    def acknowledge(self, letter: str, dispute: str, lease: int) -> None:
        case = self.oracle.cases.get(dispute)
        if not self.stage.on or letter not in self.oracle.humans or case is None:
            return
        had = case.holder if case.holder_until > self.stage.now else None
        expected = self.oracle.asked_for(letter, dispute, self.stage.elapsed, self.stage.now, lease)
        seen = len(self.stage.sent)
        result = type(self.stage.acknowledges(letter, dispute, lease)).__name__
        self.oracle.object_if(result != expected, letter, "was answered", result, "not", expected)
        told = {each.letter for each in self.stage.sent[seen:]}
        news = expected == "Acknowledged" and had is None
        others = set(self.oracle.humans) - {letter} if news else set()
        self.oracle.object_if(told != others, "of who has it were told", told, "not", others)
        self.watch(whole=False)

    def snooze(self, letter: str, dispute: str, seconds: int) -> None:
        if self.stage.on and letter in self.oracle.humans and dispute in self.oracle.cases:
            self.oracle.snoozed(letter, dispute, self.stage.now, seconds)
            self.stage.snoozes(letter, dispute, seconds)

    def mute(self, letter: str, seconds: int) -> None:
        if self.stage.on and letter in self.oracle.humans:
            self.oracle.mutes(letter, self.stage.now, seconds)
            self.stage.mutes(letter, seconds)

    def stop(self) -> None:
        if self.stage.on:
            self.watched.append((self.since, self.stage.now))
            self.stage.stops()

    def go(self) -> None:
        if self.stage.on:
            return
        for told in self.stage.missed:
            if told.dispute_id in self.oracle.cases:
                self.oracle.revised(told.dispute_id, told.status.value)
            elif told.status.value == "initiated":
                self.oracle.opened(told.dispute_id)
        known = self.oracle.cases
        self.stage.missed = [each for each in self.stage.missed if each.dispute_id in known]
        self.oracle.on_since, self.since = self.stage.elapsed, self.stage.now
        self.stage.starts()
        self.watch(whole=False)

    def set_clock(self, by: int) -> None:
        if not self.stage.on:
            self.go()
        self.watched.append((self.since, self.stage.now))
        self.stage.sets_clock(by)
        self.since = self.stage.now
        self.oracle.clock_set(self.stage.elapsed, self.stage.now, by if abs(by) > 30 else abs(by))

    def change_people(self) -> None:
        gone = self.rng.choice(sorted(self.oracle.humans))
        if len(self.oracle.humans) > 1 and self.stage.on:
            del self.oracle.humans[gone]
            self.stage.people = tuple(e for e in self.stage.people if e.name != gone)
            self.stage.restarts()

    # --- what is seen --------------------------------------------------------------------------

    def watch(self, *, whole: bool = True) -> None:
        """Tell the oracle what is new; ``whole`` if the daemon had its look."""
        stage, oracle, wall = self.stage, self.oracle, self.stage.now
        new, self.sent = stage.sent[self.sent :], len(stage.sent)
        held: dict[About, list[str]] = defaultdict(list)
        rows = stage.rows(
            "SELECT id, solver, dispute_id, purpose, anchor FROM held_messages WHERE id > ?",
            self.held,
        )
        for row_id, solver, dispute, purpose, anchor in rows:
            self.held = max(self.held, row_id)
            about = (dispute, purpose, "" if purpose == REMINDER else anchor)
            held[about].append(stage.letter(solver))
            oracle.held(stage.letter(solver), dispute, purpose, wall)
        groups: dict[About, list[str]] = defaultdict(list)
        numbers: dict[str, int] = {}
        for each in new:
            if each.purpose == "digest":
                oracle.digested(each.letter, each.text, wall)
                continue
            anchor = "" if each.purpose == REMINDER else each.anchor
            groups[each.dispute, each.purpose, anchor].append(each.letter)
            if each.purpose == REMINDER:
                numbers[each.dispute] = int(re.findall(r"\(reminder (\d+)\)", each.text)[0])
        for (dispute, purpose, anchor), letters in groups.items():
            if purpose == REMINDER:
                asleep = held[dispute, purpose, anchor]
                over = {
                    each.letter
                    for each in new
                    if each.dispute == dispute and each.text.startswith("Your ack of")
                }
                number = numbers[dispute]
                oracle.reminded(dispute, letters, asleep, over, number, stage.elapsed, wall)
            else:
                oracle.arrived(purpose, dispute, letters, wall)
        self._whole(groups, held)
        self._silent_steps(set(numbers))
        if whole:
            oracle.looked(stage.elapsed, wall)
            self.looked += 1
            if self.looked % AUDITED_EVERY == 0:
                self.audit()

    def _whole(self, groups: dict[About, list[str]], held: dict[About, list[str]]) -> None:
        """What is for everybody is told or held, each person once."""
        for about in {*groups, *held}:
            if about[1] in ("assignment", "re-notification", "initial"):
                reached = sorted(groups.get(about, []) + held.get(about, []))
                wrong = reached != sorted(self.oracle.humans)
                self.oracle.object_if(wrong, about, "reached", reached)

    def _silent_steps(self, told: set[str]) -> None:
        """A step everybody snoozed leaves no message; that it was taken is on record."""
        rows = self.stage.rows(
            "SELECT j.id, j.dispute_id, json_extract(j.payload_json, '$.number') FROM journal j"
            " WHERE j.kind = 'ladder_step' AND j.id > ? ORDER BY j.id",
            self.steps,
        )
        for row_id, dispute, number in rows:
            self.steps = row_id
            if dispute not in told:
                self.oracle.skipped(dispute, number, self.stage.elapsed, self.stage.now)

    def run(self) -> None:
        """Live through it."""
        self.plan()
        try:
            for second, _, what in sorted(self.script, key=lambda each: each[:2]):
                self.stage.goes_on(second)
                what()
            self.go()
            self.stage.goes_on(WEEKS * 7 * DAY + 6 * HOUR)
            self.audit()
            self.end()
        except Objection as objection:
            raise Objection(
                f"{objection}\nreplay with: python -m tests.escalation.simulation {self.seed}"
            ) from objection
        finally:
            self.stage.database.close()

    def audit(self) -> None:
        """The second opinion: it is told when somebody was there, and has nothing to say."""
        now = self.stage.now
        spans = [*self.watched, (self.since, now)]
        back = watches.relived(spans)
        gaps = watches.joined((*watches.between(spans, now), *back))
        facts = Facts(reminders=Watched(unwatched=gaps, relived=back))
        found = self.stage.database.run(audit, now, facts)
        self.oracle.object_if(found, "the auditor says", found)

    def end(self) -> None:
        """Nothing that was held is lost, and nothing of what is over goes on."""
        waiting = sorted((a, kind) for a, kind, _ in self.stage.held())
        expected = sorted((a, kind) for a, each in self.oracle.waiting.items() for _, kind in each)
        self.oracle.object_if(waiting != expected, "held are", waiting, "not", expected)
        running = len(self.stage.rows("SELECT id FROM ladders WHERE next_at IS NOT NULL"))
        waits = sum(each.handed_at is not None for each in self.oracle.cases.values())
        self.oracle.object_if(running != waits, running, "ladders run, not", waits)


ENDS: Final = ("in-progress", "in-progress", "settled", "seller-refunded", "initiated")


def live(seed: int, folder: Path, disputes: int = DISPUTES) -> World:
    """Live through one seed.

    Raises:
        Objection: something is not as it should be; the message says how to replay it.
    """
    world = World(seed, folder, disputes=disputes)
    world.run()
    return world


if __name__ == "__main__":
    for given in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as made:
            began = time.process_time()
            found = live(int(given), Path(made))
            seconds = time.process_time() - began
            sys.stdout.write(f"seed {given}: {len(found.stage.sent)} messages, {seconds:.1f} s\n")
