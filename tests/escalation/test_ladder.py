"""The ladder, told as stories: what happens at which minute, and who is reminded at which.

The people, unless a story names its own: Ann and Ben may write, Rob may only read. The ladder is
the default one: writers after 10 minutes, everyone after 30, then everyone every hour.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.escalation.ladder_rig import Stage, person
from tests.store.rig import revision

from serbero.model.ladder import DEFAULT_POLICY, Policy, Step
from serbero.model.people import Solver
from serbero.model.taking import Release
from serbero.store import parties

TOLD = ("escalation_reminder", "escalation_acknowledged", "digest")
ANN, BEN, ROB = person("A", write=True), person("B", write=True), person("R")
TEAM = (ANN, BEN, ROB)
NOON = "2026-01-05T12:00:00+00:00"
"""A Monday of ISO week 2026-W02."""
NIGHT = "22:00-07:00"


def policy(text: str) -> Policy:
    """Read ``5 writers, 20 group:night``."""
    pairs = [each.split() for each in text.split(",")]
    return Policy(tuple(Step(int(after) * 60, to) for after, to in pairs))


@dataclass(frozen=True)
class Story:
    """A name, what happens, and what arrives."""

    name: str
    happens: str
    told: str
    until: int = 100
    people: tuple[Solver, ...] = TEAM
    steps: str = ""
    start: str = NOON
    handed: str = "before"


def play(path: Path, story: Story) -> Stage:
    stage = Stage(
        path,
        story.people,
        int(datetime.fromisoformat(story.start).timestamp()),
        policy(story.steps) if story.steps else DEFAULT_POLICY,
    )
    dispute = revision(1).dispute_id
    stage.happens(1, "initiated")
    if story.handed != "not":
        stage.hand_over(1, session=story.handed == "session")
    for line in filter(None, (each.strip() for each in story.happens.split(";"))):
        minute, verb, *words = line.split()
        stage.goes_on(round(float(minute) * 60))
        act(stage, dispute, verb, words)
    stage.goes_on(story.until * 60)
    return stage


def act(stage: Stage, dispute: str, verb: str, words: list[str]) -> None:
    if verb in STATUS:
        stage.happens(dispute, STATUS[verb])
    elif verb in PLAIN:
        PLAIN[verb](stage)
    elif verb in ("ack", "snooze", "mute"):
        rest(stage, dispute, verb, words)
    else:
        change(stage, dispute, verb, words)


STATUS = {"take": "in-progress", "close": "settled", "reopen": "initiated"}
PLAIN = {"off": Stage.stops, "on": Stage.starts, "restart": Stage.restarts}


def rest(stage: Stage, dispute: str, verb: str, words: list[str]) -> None:
    letter, *more = words
    seconds = int((more or ["15"])[0]) * 60
    if verb == "ack":
        stage.acknowledges(letter, dispute, seconds)
    elif verb == "snooze":
        stage.snoozes(letter, dispute, seconds)
    else:
        stage.mutes(letter, seconds)


def change(stage: Stage, dispute: str, verb: str, words: list[str]) -> None:
    match verb, words:
        case "hand", how:
            stage.hand_over(1, session="session" in how, again="again" in how)
        case "clock", [minutes]:
            stage.sets_clock(int(minutes) * 60)
        case "relays", [state]:
            stage.relays = state == "up"
            stage.deliver()
        case "without", [letter]:
            stage.people = tuple(each for each in stage.people if each.name != letter)
        case "with", [letter]:
            stage.people = (*stage.people, person(letter, write=True))
        case "new-steps", [*text]:
            stage.policy = policy(" ".join(text))
        case "new-key", []:
            release(stage, dispute)
        case _:
            raise AssertionError(f"no such verb: {verb} {words}")


def release(stage: Stage, dispute: str) -> None:
    """Our key is another one: we hold the dispute no longer, and nobody else does."""
    stage.database.run(parties.release, dispute, Release.KEY_CHANGED, stage.now)


def asleep(letter: str, **more: str) -> Solver:
    return person(letter, write=letter != "R", quiet=NIGHT, **more)


LATE = "2026-01-05T23:00:00+00:00"
SLEEPY = (asleep("A"), BEN, ROB)
ALL_SLEEPY = (asleep("A"), asleep("B"), asleep("R"))
WEEK2, WEEK3 = frozenset({"2026-W02"}), frozenset({"2026-W03"})
SUNDAY = "2026-01-11T23:30:00+00:00"
BROKEN = Solver("npub1nothing", None, problem="not a key")

STEPS = [
    Story("the default steps", "", "10:AB 30:ABR 90:ABR"),
    Story("hourly for ever", "", "10:AB 30:ABR 90:ABR 150:ABR 210:ABR 270:ABR", until=300),
    Story("a mediation's own hand-off", "", "10:AB 30:ABR 90:ABR", handed="session"),
    Story("nothing is handed over", "", "", handed="not"),
    Story("before the first step nobody is reminded", "", "", until=9),
    Story("a step is taken when it is due, not later", "", "10:AB", until=10),
    Story("no writers: writers mean everyone", "", "10:RS 30:RS 90:RS",
          people=(ROB, person("S"))),
    Story("one solver alone", "", "10:A 30:A 90:A", people=(ANN,)),
    Story("nobody is configured", "", "", people=()),
    Story("a key that is none is left out", "", "10:A 30:AR 90:AR", people=(ANN, ROB, BROKEN)),
    Story("nobody can be reached", "", "", people=(BROKEN,)),
]  # fmt: skip

AUDIENCES = [
    Story("everyone at once", "", "5:ABR 65:ABR", steps="5 everyone"),
    Story("one by name", "", "5:B 65:B", steps="5 solver:B"),
    Story("one by name, whatever the case", "", "5:B 65:B", steps="5 solver:b"),
    Story("a group", "", "5:AR 65:AR", steps="5 group:night",
          people=(person("A", write=True, groups=frozenset({"night"})), BEN,
                  person("R", groups=frozenset({"night"})))),
    Story("assigned to nobody we know means the writers", "", "5:AB 65:AB", steps="5 assigned"),
    Story("assigned to ourselves means the writers", "", "5:AB 65:AB", steps="5 assigned",
          handed="session"),
    Story("assigned, and nobody may write", "", "5:R 65:R", steps="5 assigned", people=(ROB,)),
    Story("who was named is gone: everybody", "", "5:ABR 65:ABR", steps="5 solver:Z"),
    Story("a group nobody is in any more: everybody", "", "5:ABR", steps="5 group:z", until=60),
    Story("one, then a group, then everyone", "", "5:B 10:AR 20:ABR 80:ABR",
          steps="5 solver:B, 10 group:g, 20 everyone",
          people=(person("A", write=True, groups=frozenset({"g"})), BEN,
                  person("R", groups=frozenset({"g"})))),
    Story("two steps at the same time are a minute apart", "", "5:A 6:B 65:B",
          steps="5 solver:A, 5 solver:B"),
    Story("a step at once", "", "0:AB 10:ABR 70:ABR", steps="0 writers, 10 everyone"),
    Story("steps a day apart", "", "10:AB 1450:ABR", steps="10 writers, 1450 everyone",
          until=1460),
    Story("a ladder keeps the steps it began with", "5 new-steps 1 solver:R; 40 restart",
          "10:AB 30:ABR 90:ABR"),
    Story("an hour after the last step, not after the first", "", "5:A 45:AB 105:AB 165:AB",
          steps="5 solver:A, 45 writers", until=170),
]  # fmt: skip

OUTAGES = [
    Story("down over the first step", "5 off; 20 on", "20:AB 30:ABR 90:ABR"),
    Story("down over both steps: one, and the next as long after as planned", "5 off; 60 on",
          "60:AB 80:ABR 90:ABR"),
    Story("down for hours: one step, not all that were missed", "5 off; 300 on",
          "300:AB 320:ABR 380:ABR", until=390),
    Story("down for hours after the last step", "35 off; 400 on",
          "10:AB 30:ABR 400:ABR 460:ABR", until=480),
    Story("back a moment before the next is planned", "5 off; 29 on", "29:AB 30:ABR 90:ABR"),
    Story("back in the very minute of the next", "5 off; 29.5 on", "29.5:AB 30.5:ABR 90:ABR"),
    Story("down for a week", "5 off; 10080 on", "10080:AB 10100:ABR 10160:ABR", until=10170),
    Story("a late step of a long ladder comes within the hour", "1 off; 3000 on",
          "3000:AB 3060:ABR", steps="10 writers, 1450 everyone", until=3070),
    Story("taken while we were down", "5 off; 100 take; 300 on", "", until=500),
    Story("closed while we were down", "5 off; 100 close; 300 on", "", until=500),
    Story("taken and opened anew while we were down", "5 off; 100 take; 200 reopen; 300 on", "",
          until=500),
    Story("restart before the first step", "5 restart", "10:AB 30:ABR 90:ABR"),
    Story("restart between two steps", "20 restart", "10:AB 30:ABR 90:ABR"),
    Story("restart in the moment of a step", "10 restart", "10:AB 30:ABR 90:ABR"),
    Story("restart after restart", "8 restart; 9 restart; 10 restart; 11 restart; 29 restart",
          "10:AB 30:ABR 90:ABR"),
    Story("relays away: what was meant arrives late, once", "9 relays down; 50 relays up",
          "50:AABBR 90:ABR"),
]  # fmt: skip

HAVING = [
    Story("acknowledged before the first step", "5 ack A; 6 take", "5:ack(BR)"),
    Story("acknowledged between two steps", "20 ack A; 21 take", "10:AB 20:ack(BR)"),
    Story("acknowledged while reminded hourly", "100 ack B; 101 take",
          "10:AB 30:ABR 90:ABR 100:ack(AR)", until=300),
    Story("its lease over: at once, and the next as planned", "5 ack A",
          "5:ack(BR) 20:AB 30:ABR 90:ABR"),
    Story("its lease over just before a step: a minute between them", "14.5 ack A",
          "10:AB 14.5:ack(BR) 29.5:ABR 89.5:ABR", until=91),
    Story("whose lease is over hears of it, whomever the step means", "6 ack A",
          "5:B 6:ack(BR) 21:AB 81:B", steps="5 solver:B"),
    Story("its lease over is told once", "6 ack A",
          "5:B 6:ack(BR) 21:AB 81:B 141:B", steps="5 solver:B", until=150),
    Story("acknowledged again: longer, and told once", "5 ack A; 15 ack A; 25 ack A; 30 take",
          "5:ack(BR)"),
    Story("acknowledged again, and over", "5 ack A; 15 ack A", "5:ack(BR) 30:AB 50:ABR 90:ABR"),
    Story("another's changes nothing", "5 ack A; 8 ack B", "5:ack(BR) 20:AB 30:ABR 90:ABR"),
    Story("another's once it is over", "5 ack A; 22 ack B; 23 take",
          "5:ack(BR) 20:AB 22:ack(AR)"),
    Story("another's in the second it is over", "5 ack A; 20 ack B; 21 take",
          "5:ack(BR) 20:AB 20:ack(AR)"),
    Story("a reader's changes nothing", "5 ack R", "10:AB 30:ABR 90:ABR"),
    Story("a longer lease", "5 ack A 60", "5:ack(BR) 65:AB 85:ABR 90:ABR"),
    Story("a lease shorter than the wait for the first step", "1 ack A 2",
          "1:ack(BR) 3:AB 30:ABR 90:ABR"),
    Story("what another has is over at the hour", "35 ack A; 50 ack B",
          "10:AB 30:ABR 35:ack(BR) 50:ABR 50:ack(AR) 65:ABR"),
    Story("a restart while somebody has it", "5 ack A; 10 restart; 19 restart",
          "5:ack(BR) 20:AB 30:ABR 90:ABR"),
    Story("down when it ran out", "5 ack A; 10 off; 300 on",
          "5:ack(BR) 300:AB 320:ABR", until=340),
    Story("acknowledged, down, taken", "5 ack A; 6 off; 10 take; 60 on", "5:ack(BR)"),
    Story("reminders on their way are withdrawn",
          "9 relays down; 12 ack A; 13 relays up; 14 take", "13:ack(BR)"),
    Story("that somebody had it is withdrawn when it ran out",
          "1 relays down; 2 ack A 5; 8 relays up", "8:AB 30:ABR 90:ABR"),
    Story("that somebody had it is withdrawn when another has it",
          "1 relays down; 2 ack A 3; 2.1 off; 6 on; 6 ack B; 6 relays up; 7 take", "6:ack(AR)"),
    Story("acknowledged before it was handed over", "1 ack A; 5 hand", "15:AB 35:ABR 95:ABR",
          handed="not"),
    Story("who acknowledged was removed", "5 ack A; 6 without A", "5:ack(BR) 20:B 30:BR 90:BR"),
    Story("who acknowledged was removed and is back", "5 ack A; 6 without A; 25 with A",
          "5:ack(BR) 20:B 30:ABR 90:ABR"),
    Story("a later hand-off, and somebody has it already", "5 ack A 60; 20 hand again",
          "5:ack(BR) 65:AB 85:ABR 110:ABR", until=115),
]  # fmt: skip

ENDS = [
    Story("taken before the first step", "5 take", ""),
    Story("taken between two steps", "20 take", "10:AB"),
    Story("taken after the last step", "40 take", "10:AB 30:ABR", until=200),
    Story("taken in the second of a step", "10 take", "10:AB"),
    Story("taken from us", "20 take", "10:AB", handed="session"),
    Story("closed before the first step", "5 close", ""),
    Story("closed between two steps", "20 close", "10:AB"),
    Story("closed after the last step", "40 close", "10:AB 30:ABR", until=200),
    Story("closed, then opened anew: told as a new one", "5 close; 6 reopen", ""),
    Story("opened anew between two steps", "20 reopen", "10:AB"),
    Story("taken, then opened anew", "20 take; 25 reopen", "10:AB"),
    Story("closed while somebody has it", "5 ack A; 10 close", "5:ack(BR)"),
    Story("opened anew while somebody has it", "5 ack A; 10 reopen", "5:ack(BR)"),
    Story("taken, acknowledged too late", "5 take; 6 ack A", ""),
    Story("closed, acknowledged too late", "5 close; 6 ack A", ""),
    Story("replaced by a later hand-off before the first step", "5 hand again",
          "15:AB 35:ABR 95:ABR"),
    Story("replaced between two steps", "20 hand again", "10:AB 30:AB 50:ABR 110:ABR",
          until=115),
    Story("replaced after the last", "45 hand again", "10:AB 30:ABR 55:AB 75:ABR"),
    Story("replaced, then taken", "20 hand again; 25 take", "10:AB"),
    Story("reminders on their way are withdrawn when it is taken",
          "9 relays down; 12 take; 13 relays up", ""),
    Story("reminders on their way are withdrawn when it is closed",
          "9 relays down; 40 close; 41 relays up", ""),
    Story("reminders on their way are withdrawn when it is opened anew",
          "9 relays down; 12 reopen; 13 relays up", ""),
    Story("that somebody has it is withdrawn when it is taken",
          "4 relays down; 5 ack A; 6 take; 7 relays up", ""),
    Story("under a new key we hold nothing, and nobody else does", "5 new-key",
          "10:AB 30:ABR 90:ABR", handed="session"),
    Story("under a new key, then taken", "5 new-key; 20 take", "10:AB", handed="session"),
]  # fmt: skip

RESTING = [
    Story("snoozed: the others are reminded", "5 snooze A 60", "10:B 30:BR 90:ABR"),
    Story("snoozed between two steps", "15 snooze B 20", "10:AB 30:AR 90:ABR"),
    Story("snoozed by both writers: readers in the second step", "5 snooze A 60; 5 snooze B 60",
          "30:R 90:ABR"),
    Story("snoozed by everybody", "5 snooze A 60; 5 snooze B 60; 5 snooze R 60", "90:ABR"),
    Story("a snooze over in the second of a step", "5 snooze A 25", "10:B 30:ABR 90:ABR"),
    Story("a snooze taken back", "5 snooze A 60; 20 snooze A 0", "10:B 30:ABR 90:ABR"),
    Story("a snooze does not outlive its dispute", "5 snooze A 600; 8 reopen; 9 take",
          "", until=20),
    Story("a snooze outlives a later hand-off", "5 snooze A 60; 8 hand again",
          "18:B 38:BR 98:ABR"),
    Story("snoozed by who acknowledged", "5 ack A; 6 snooze A 60", "5:ack(BR) 20:B 30:BR 90:ABR"),
    Story("snoozing is for a day at most", "5 snooze A 99999", "1470:ABR",
          steps="1470 everyone", until=1480),
    Story("a snooze of what nobody handed over", "5 snooze A 60; 6 hand", "16:AB 36:ABR 96:ABR",
          handed="not"),
    Story("muted: the others are reminded, and it is read later", "5 mute A 60",
          "10:B 30:BR 65:digest(A) 90:ABR"),
    Story("muted by everybody: everybody is reminded", "5 mute A 60; 5 mute B 60; 5 mute R 60",
          "10:AB 30:ABR 90:ABR"),
    Story("muted by both writers", "5 mute A 60; 5 mute B 60", "10:AB 30:R 65:digest(AB) 90:ABR"),
    Story("a mute taken back", "5 mute A 600; 15 mute A 0", "10:B 16:digest(A) 30:ABR 90:ABR"),
    Story("muted, and somebody took it: that is left to read", "5 mute A 60; 20 take",
          "10:B 65:digest(A)"),
    Story("muted, and somebody has it: nothing is left to read", "5 mute A 60; 20 ack B 90",
          "10:B 20:ack(AR)"),
    Story("muted, and closed: that is left to read", "5 mute A 60; 20 close", "10:B 65:digest(A)"),
    Story("muted for three days at most", "0 mute A 99999", "4350:ABR",
          steps="4350 everyone", until=4360),
    Story("muted and snoozed: neither reminded nor told later", "5 snooze A 60; 5 mute A 60",
          "10:B 30:BR 90:ABR"),
    Story("snoozed by who is awake: the sleeper is woken", "5 mute A 60; 5 snooze B 60",
          "10:A 30:R 65:digest(A) 90:ABR"),
    Story("muted before a restart", "5 mute A 60; 6 restart", "10:B 30:BR 65:digest(A) 90:ABR"),
    Story("awake while we were down", "5 mute A 20; 12 off; 28 on",
          "10:B 29:digest(A) 30:ABR 90:ABR"),
    Story("that somebody has it is told at night too", "5 mute B 60; 8 ack A",
          "8:ack(BR) 23:A 30:AR 65:digest(B) 90:ABR"),
    Story("asleep, and then taken: that is read later", "5 mute R 60; 8 ack A; 9 take",
          "8:ack(BR) 65:digest(R)", handed="session"),
]  # fmt: skip

NIGHTS = [
    Story("asleep: the others are reminded; who took it is read in the morning", "180 take",
          "10:B 30:BR 90:BR 150:BR 480:digest(A)", people=SLEEPY, start=LATE, until=600),
    Story("asleep, and still open in the morning", "",
          "10:B 30:BR 90:BR 150:BR 210:BR 270:BR 330:BR 390:BR 450:BR 480:digest(A) 510:ABR",
          people=SLEEPY, start=LATE, until=520),
    Story("everybody asleep: everybody is woken", "", "10:AB 30:ABR 90:ABR",
          people=ALL_SLEEPY, start=LATE),
    Story("both writers asleep: they are woken first, then the reader", "",
          "10:AB 30:R 90:R", people=(asleep("A"), asleep("B"), ROB), start=LATE),
    Story("falls asleep between two steps", "", "10:AB 30:BR", people=SLEEPY,
          start="2026-01-05T21:45:00+00:00", until=40),
    Story("the minute the night begins", "", "10:B", people=SLEEPY,
          start="2026-01-05T21:50:00+00:00", until=20),
    Story("the minute the night ends", "", "10:AB", people=SLEEPY,
          start="2026-01-06T06:50:00+00:00", until=20),
    Story("the minute before it ends", "", "10:B 11:digest(A)", people=SLEEPY,
          start="2026-01-06T06:49:00+00:00", until=20),
    Story("night elsewhere", "", "10:B", until=20, start=NOON,
          people=(asleep("A", timezone="Pacific/Auckland"), BEN, ROB)),
    Story("day elsewhere", "", "10:AB", until=20, start=LATE,
          people=(asleep("A", timezone="Pacific/Auckland"), BEN, ROB)),
    Story("a zone that is none counts as UTC", "", "10:B", until=20, start=LATE,
          people=(asleep("A", timezone="Mars/Base"), BEN, ROB)),
    Story("spring: the night ends an hour of real time sooner", "",
          "10:B 20:digest(A)", until=25, start="2026-03-29T04:40:00+00:00",
          people=(asleep("A", timezone="Europe/Berlin"), BEN, ROB)),
    Story("the day before, it ends an hour later", "", "10:B", until=25,
          start="2026-03-28T04:40:00+00:00",
          people=(asleep("A", timezone="Europe/Berlin"), BEN, ROB)),
    Story("autumn: the night ends an hour of real time later", "", "10:B 30:BR", until=50,
          start="2026-10-25T04:40:00+00:00",
          people=(asleep("A", timezone="Europe/Berlin"), BEN, ROB)),
    Story("the day before, it ends an hour sooner", "", "10:B 20:digest(A) 30:ABR", until=50,
          start="2026-10-24T04:40:00+00:00",
          people=(asleep("A", timezone="Europe/Berlin"), BEN, ROB)),
    Story("a nap in the hour that does not exist", "", "10:AB 30:ABR", until=50,
          start="2026-03-29T00:55:00+00:00",
          people=(person("A", write=True, quiet="02:00-03:00", timezone="Europe/Berlin"),
                  BEN, ROB)),
    Story("a nap in the hour that comes twice", "", "10:B 30:BR 90:BR", until=100,
          start="2026-10-25T00:00:00+00:00",
          people=(person("A", write=True, quiet="02:00-03:00", timezone="Europe/Berlin"),
                  BEN, ROB)),
]  # fmt: skip

WEEKS = [
    Story("off call: not reminded, and nothing to read later", "", "10:A 30:AR 90:AR",
          people=(ANN, person("B", write=True, on_call=WEEK3), ROB)),
    Story("this week's", "", "10:AB 30:ABR 90:ABR",
          people=(ANN, person("B", write=True, on_call=WEEK2), ROB)),
    Story("nobody on call: everybody", "", "10:AB", until=20,
          people=(person("A", write=True, on_call=WEEK3), person("B", write=True, on_call=WEEK3),
                  ROB)),
    Story("nobody of the writers on call: the writers all the same", "", "10:AB 30:R 90:R",
          people=(person("A", write=True, on_call=WEEK3), person("B", write=True, on_call=WEEK3),
                  ROB)),
    Story("the week changes between two steps", "", "10:A 30:BR 90:BR", start=SUNDAY,
          people=(person("A", write=True, on_call=WEEK2), person("B", write=True, on_call=WEEK3),
                  ROB)),
    Story("the week changes by the solver's own clock", "", "10:B 30:BR", start=SUNDAY, until=40,
          people=(person("A", write=True, on_call=WEEK2, timezone="Europe/Berlin"),
                  person("B", write=True, on_call=WEEK3, timezone="Europe/Berlin"), ROB)),
    Story("on call and asleep, the other off call: woken", "", "10:A", until=20, start=LATE,
          people=(asleep("A"), person("B", write=True, on_call=WEEK3), ROB)),
    Story("the last week of a long year", "", "10:A", until=20,
          start="2027-01-03T12:00:00+00:00",
          people=(person("A", write=True, on_call=frozenset({"2026-W53"})),
                  person("B", write=True, on_call=frozenset({"2027-W01"})), ROB)),
]  # fmt: skip

PEOPLE = [
    Story("a solver is removed between two steps", "20 without B", "10:AB 30:AR 90:AR"),
    Story("a solver is added between two steps", "20 with C", "10:AB 30:ABCR 90:ABCR"),
    Story("the only one a step names is removed", "5 without B", "10:AR 70:AR",
          steps="10 solver:B", until=80),
    Story("everybody is removed, and one is back",
          "5 without A; 5 without B; 5 without R; 40 with A", "90:A"),
    Story("who sleeps is removed: nothing is told to nobody", "5 mute A 60; 20 without A",
          "10:B 30:BR 90:BR"),
    Story("who was removed asleep is back: it is read then", "5 mute A 60; 20 without A; 70 with A",
          "10:B 30:BR 71:digest(A) 90:ABR"),
]  # fmt: skip

CLOCKS = [
    Story("set forward over a step", "5 clock +8", "5:AB 22:ABR 82:ABR"),
    Story("set forward by days: one step", "5 clock +5000", "5:AB 25:ABR 85:ABR", until=90),
    Story("set forward while somebody has it: that is over", "5 ack A; 6 clock +60",
          "5:ack(BR) 6:AB 26:ABR 30:ABR", until=40),
    Story("set back before the first step: nobody waits longer than a step",
          "5 clock -3000", "15:AB 35:ABR 95:ABR"),
    Story("set back between two steps", "20 clock -3000", "10:AB 40:ABR 100:ABR"),
    Story("set back after the last", "40 clock -3000", "10:AB 30:ABR 100:ABR 160:ABR", until=170),
    Story("set back while somebody has it: as long as it was to last",
          "5 ack A; 10 clock -3000", "5:ack(BR) 25:AB 40:ABR 100:ABR", until=106),
    Story("set back while we were down", "5 off; 8 clock -3000; 20 on",
          "30:AB 50:ABR", until=60),
    Story("a little back", "5 clock -5", "15:AB 35:ABR 95:ABR"),
    Story("forward and back again", "5 clock +5000; 6 clock -5000", "5:AB 26:ABR 86:ABR"),
]  # fmt: skip

ALL = [
    *STEPS, *AUDIENCES, *OUTAGES, *HAVING, *ENDS, *RESTING, *NIGHTS, *WEEKS, *PEOPLE, *CLOCKS,
]  # fmt: skip


def test_there_are_enough_stories() -> None:
    assert len({each.name for each in ALL}) == len(ALL) >= 100


@pytest.fixture
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Story, Stage]]:
    stage = play(tmp_path / "serbero.db", request.param)
    yield request.param, stage
    stage.database.close()


@pytest.mark.parametrize("played", ALL, ids=lambda each: each.name, indirect=True)
def test_story(played: tuple[Story, Stage]) -> None:
    story, stage = played
    assert stage.story(TOLD) == story.told
    rows = stage.database.rows(
        "SELECT purpose, dispute_id, anchor, recipient, channel, count(*) FROM outbox"
        " GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 1"
    )
    assert rows == []
    steps = stage.database.one("SELECT count(*) FROM ladder_steps")
    journalled = stage.database.one("SELECT count(*) FROM journal WHERE kind = 'ladder_step'")
    assert steps == journalled


def test_a_finished_ladder_costs_no_look(tmp_path: Path) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "20 take", ""))
    plan = stage.database.rows("EXPLAIN QUERY PLAN SELECT id FROM ladders WHERE next_at <= 5")
    assert "ix_ladders_due" in str(plan)
    assert stage.database.one("SELECT next_at FROM ladders") is None
    stage.database.close()


def test_what_is_written_of_a_step(tmp_path: Path) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "5 mute A 60", "", until=31))
    rows = stage.database.rows("SELECT number, audience, recipients_json FROM ladder_steps")
    assert rows == [
        (1, "writers", f'["{BEN.hex}"]'),
        (2, "everyone", f'["{BEN.hex}", "{ROB.hex}"]'),
    ]
    kinds = stage.database.rows("SELECT kind FROM journal WHERE kind NOT LIKE 'dispute%'")
    assert [kind for (kind,) in kinds] == ["ladder_began", "muted", "ladder_step", "ladder_step"]
    types = stage.database.rows(
        "SELECT DISTINCT notif_type, session_id FROM outbox WHERE purpose = 'escalation_reminder'"
    )
    assert types == [("escalation", None)]
    stage.database.close()


def test_a_key_that_is_none_gets_its_failed_row_at_every_step(tmp_path: Path) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "", "", until=31, people=(ANN, BROKEN)))
    rows = stage.database.rows(
        "SELECT solver_pubkey, status FROM notifications WHERE notif_type = 'escalation'"
    )
    assert rows == [("npub1nothing", "failed")]  # the first step means writers, the second all
    stage.database.close()


def test_a_policy_that_cannot_be_read_is_the_default_one(tmp_path: Path) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "", "", until=1))
    with stage.database.engine.begin() as tx:
        tx.execute(sa.text("UPDATE ladders SET policy_json = '[[1e999, 5]]'"))
    stage.goes_on(1900)
    assert stage.story(TOLD) == "10:AB 30:ABR"
    stage.database.close()


def test_rest_asked_for_by_a_clock_that_was_ahead_is_no_longer_than_it_can_be(
    tmp_path: Path,
) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "1 clock +99999", "", until=1))
    dispute = revision(1).dispute_id
    stage.snoozes("A", dispute, 600)
    stage.mutes("B", 600)
    stage.sets_clock(-99999 * 60)
    assert stage.database.one("SELECT until FROM snoozes") == stage.now + 86_400
    assert stage.database.one("SELECT until FROM mutes") == stage.now + 3 * 86_400
    stage.database.close()


@pytest.mark.parametrize(
    ("why", "ended"), [(Release.TAKEOVER, "takeover"), (Release.KEY_CHANGED, None)]
)
def test_we_hold_it_no_longer_as_the_answer_to_a_take_shows(
    tmp_path: Path, why: Release, ended: str | None
) -> None:
    stage = play(tmp_path / "serbero.db", Story("", "", "", until=5, handed="session"))
    released = stage.follow.on_release
    stage.database.run(released, revision(1).dispute_id, why, stage.now)
    assert stage.database.one("SELECT ended_by FROM ladders ORDER BY id LIMIT 1") == ended
    stage.database.close()
