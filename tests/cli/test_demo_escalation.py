"""``serbero demo --scenario escalation``: played, read back, and every wrong end of it noticed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from serbero.cli.app import app
from serbero.config.loader import load
from serbero.model.duty import is_quiet, quiet_until
from serbero.model.people import Permission, Quiet, Solver
from serbero.simulator.scenario_duty import retold
from serbero.simulator.scenario_duty_verdict import ANSWER, duty_differences
from serbero.simulator.scenario_ladder import (
    AckSeen,
    Dispatched,
    LadderSeen,
    Line,
    StepSeen,
    Watch,
)
from serbero.simulator.scenario_verdict import Evidence, Received
from serbero.simulator.scenario_world import ZONE, night

LONG_SECONDS = 200
DISPUTE = "3f2a91bc-0000-4000-8000-000000000000"
T0 = 1_790_000_000
LINES = ("ladder_began", "ladder_step", "acknowledged", "ladder_ended")


def test_it_is_played_and_can_be_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in ("SERBERO_CONFIG", "SERBERO_DB_PATH", "SERBERO_PRIVATE_KEY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "kept"
    command = ("-m", "serbero", "demo", "--scenario", "escalation", "--json", "--keep", folder)
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=LONG_SECONDS,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["scenarios"]) == ["escalation"]
    entry = found["scenarios"]["escalation"]
    assert (entry["ok"], entry["problems"], entry["lifecycle"]) == (True, [], "resolved")
    check_story(done.stderr, entry["dispute_id"][:8])
    loaded = load(folder / "config.toml", {"DEMO_MODEL_KEY": "any"})
    assert loaded.warnings == ()
    assert [(each.name, each.permission) for each in loaded.config.solvers] == [
        ("Chiara", Permission.WRITE),
        ("Bruno", Permission.WRITE),
        ("Alice", Permission.READ),
    ]
    database = str(folder / "serbero.db")
    shown = read_back("sessions", "show", entry["session_id"], "--db", database, "--json")
    assert [each["status"] for each in shown["dispatches"]] == ["dispatched"]
    audited = read_back("audit", "ladder", "--db", database, "--json")
    assert (audited["ok"], audited["discrepancies"]) == (True, [])


def read_back(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def check_story(story: str, short: str) -> None:
    """Everything, in this order."""
    at = 0
    for words in (
        rf"Chiara +sleeps: quiet \d\d:\d\d-\d\d:\d\d \({ZONE}\)",
        r"Chiara +gets the hand-off",
        r"Bruno +gets it too",
        "escalation_handoff/v1",
        r"escrow_deadline: \d+ \(known\)",
        r"Bruno +is reminded",
        f"Nobody has dispute {short} yet",
        rf'Bruno +writes to Serbero: "ack {short}"',
        f"You have {short} until ",
        r"Chiara +is told that Bruno has it",
        f"Bruno looks after dispute {short}",
        r"Alice +is told that Bruno has it",
        r"Bruno +takes .+ over at the node",
        r"Bruno +settles ",
        r"database +\d\d:\d\d:\d\d hand-off dispatched to Chiara and Bruno",
        r"database +\d\d:\d\d:\d\d reminder 1 to Bruno, held for Chiara",
        r"database +\d\d:\d\d:\d\d Bruno has it until ",
        r"database +\d\d:\d\d:\d\d the reminders are over: takeover",
        "second opinion: all as it should be",
        "1 of 1 reached the right end",
        "serbero sessions show ",
    ):
        there = re.search(words, story[at:])
        assert there, words
        at += there.end()


@pytest.mark.parametrize("hour", range(0, 24, 5))
def test_she_sleeps_whatever_the_hour(hour: int) -> None:
    now = T0 + hour * 3600
    solver = Solver("c" * 64, "c" * 64, timezone=ZONE, quiet=Quiet.of(night(now)))
    assert ZoneInfo(ZONE)
    assert is_quiet(solver, now)
    until = quiet_until(solver, now)
    assert until is not None
    assert until - now > 4 * 3600


# --- the verdict ----------------------------------------------------------------------------------


def story() -> tuple[Line, ...]:
    payload: dict[str, dict[str, Any]] = {
        "ladder_step": {"number": 1, "recipients": ["b"], "held": ["c"]},
        "acknowledged": {"solver": "b", "expires_at": T0 + 904},
        "ladder_ended": {"by": "takeover"},
    }
    return tuple(
        Line(T0 + number, kind, payload.get(kind, {})) for number, kind in enumerate(LINES)
    )


def as_it_should_be() -> Evidence:
    watch = Watch(
        dispatches=(Dispatched("dispatched", ("Chiara", "Bruno"), T0),),
        ladders=(LadderSeen(T0, 1, None, "takeover"),),
        steps=(StepSeen(1, T0 + 2, "writers", ("Bruno",)),),
        acks=(AckSeen("Bruno", T0 + 4, T0 + 904, "takeover"),),
        held=(("Chiara", "assignment"), ("Chiara", "resolution_report")),
        spared=("Chiara",),
        commands=(("Bruno", "ack", "acknowledged"),),
        story=story(),
    )
    then = Watch(ladders=(LadderSeen(T0, 1, T0 + 904, None),))
    answer = Received("answer", ANSWER.format(short=DISPUTE[:8]) + "12:00 UTC (in 15m)")
    others = {"Chiara": [], "Bruno": [answer], "Alice": []}
    return Evidence(watch=watch, when_acked=then, others=others)


def test_the_right_end_is_one() -> None:
    assert duty_differences(as_it_should_be(), DISPUTE) == []


def test_nothing_at_all_is_none() -> None:
    assert len(duty_differences(Evidence(), DISPUTE)) > 5


def of_watch(**changes: Any) -> Callable[[Evidence], Evidence]:
    return lambda seen: replace(seen, watch=replace(seen.watch, **changes))


def answered(name: str, *texts: str) -> Callable[[Evidence], Evidence]:
    new = [Received(text, text) for text in texts]
    return lambda seen: replace(seen, others={**seen.others, name: new})


def told_once_more(seen: Evidence) -> Evidence:
    """A reminder after the ack, as the ladder has it."""
    again = StepSeen(2, T0 + 64, "writers", ("Bruno",))
    return of_watch(steps=(*seen.watch.steps, again))(seen)


WRONG: dict[str, tuple[Callable[[Evidence], Evidence], str]] = {
    "not sent": (of_watch(undispatched=1), "expected no hand-off to wait, found 1"),
    "to nobody": (
        of_watch(dispatches=()),
        "expected one hand-off, dispatched to Bruno, Chiara, found none",
    ),
    "failed": (
        of_watch(dispatches=(Dispatched("send_failed", ("Chiara", "Bruno"), T0),)),
        "expected one hand-off, dispatched to Bruno, Chiara, found send_failed to ",
    ),
    "to a reader": (
        of_watch(dispatches=(Dispatched("dispatched", ("Chiara", "Bruno", "Alice"), T0),)),
        "expected one hand-off, dispatched to Bruno, Chiara, found dispatched to Alice, ",
    ),
    "no ladder": (of_watch(ladders=()), "expected one ladder, found 0"),
    "goes on": (
        of_watch(ladders=(LadderSeen(T0, 1, T0 + 904, None),)),
        "expected the ladder to be ended by takeover, found nothing",
    ),
    "still due": (
        of_watch(ladders=(LadderSeen(T0, 1, T0 + 904, "takeover"),)),
        "expected the ladder to be ended by takeover, found takeover",
    ),
    "not reminded": (of_watch(steps=()), "expected 1 reminder on record, found 0"),
    "woken": (
        of_watch(steps=(StepSeen(1, T0 + 2, "writers", ("Chiara", "Bruno")),)),
        "expected the reminder for writers to reach Bruno, found it for writers reach Chiara, ",
    ),
    "too early": (
        of_watch(steps=(StepSeen(1, T0 + 1, "writers", ("Bruno",)),)),
        "expected the reminder after 2 s, found it after 1",
    ),
    "after the ack": (told_once_more, "expected no reminder after the ack, found 1 reminder"),
    "not acknowledged": (of_watch(acks=()), "expected one acknowledgement, found 0"),
    "by another": (
        of_watch(acks=(AckSeen("Alice", T0 + 4, T0 + 904, "takeover"),)),
        "expected Bruno to have it for 900 s, found Alice, 900",
    ),
    "ack left": (
        of_watch(acks=(AckSeen("Bruno", T0 + 4, T0 + 904, None),)),
        "expected the acknowledgement to be ended by takeover, found nothing",
    ),
    "not paused": (
        lambda seen: replace(seen, when_acked=Watch(ladders=(LadderSeen(T0, 1, T0 + 62, None),))),
        "expected the reminders to wait for the ack to run out, found the next at ",
    ),
    "refused": (
        of_watch(commands=(("Bruno", "ack", "not_found"),)),
        "expected one command, Bruno ack acknowledged, found Bruno ack not_found",
    ),
    "no answer": (answered("Bruno"), "expected 1 answer to Bruno, found 0"),
    "another answer": (
        answered("Bruno", "I do not know that."),
        'expected the answer to say "You have 3f2a91bc until ", found otherwise',
    ),
    "a stranger's answer": (answered("Alice", "Hello"), "expected 0 answers to Alice, found 1"),
    "not spared": (
        of_watch(spared=()),
        "expected the reminder to spare Chiara's sleep, found it spare nobody",
    ),
    "digest lost": (
        of_watch(held=(("Chiara", "assignment"),)),
        "expected assignment, resolution_report to wait for Chiara, found assignment",
    ),
    "held for the wakeful": (
        lambda seen: of_watch(held=(*seen.watch.held, ("Bruno", "assignment")))(seen),
        "expected nothing to wait for anybody else, found Bruno",
    ),
    "untold": (
        of_watch(story=story()[:-1]),
        "expected the journal to tell ladder_began, ladder_step, acknowledged, ladder_ended, found "
        "ladder_began, ladder_step, acknowledged",
    ),
    "two stories": (
        of_watch(steps=(StepSeen(2, T0 + 2, "writers", ("Bruno",)),)),
        "expected the journal and the ladder to tell of the same steps, found others",
    ),
    "an alarm while she waited": (
        lambda seen: replace(
            seen, when_acked=replace(seen.when_acked, alarms=("reminder_twice: Bruno",))
        ),
        "expected no alarm of the auditor, found reminder_twice: Bruno",
    ),
    "an alarm": (
        of_watch(alarms=("step_late: a reminder",)),
        "expected no alarm of the auditor, found step_late: a reminder",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_every_promise_can_be_found_broken(what: str) -> None:
    change, words = WRONG[what]
    found = duty_differences(change(as_it_should_be()), DISPUTE)
    assert any(each.startswith(words) for each in found), found


def test_the_database_is_retold_in_words() -> None:
    watch = replace(as_it_should_be().watch, alarms=("step_late: a reminder",))
    told = [re.sub(r"^\d\d:\d\d:\d\d ", "", each) for each in retold(watch, {"b": "Bruno"})]
    assert told == [
        "hand-off dispatched to Chiara and Bruno",
        "the reminders begin",
        "reminder 1 to Bruno, held for c",
        "Bruno has it until 14:28:24",
        "the reminders are over: takeover",
        "in Chiara's next digest: assignment",
        "in Chiara's next digest: resolution_report",
        "second opinion: step_late: a reminder",
    ]
