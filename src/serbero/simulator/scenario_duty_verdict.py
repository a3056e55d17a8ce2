"""Whether a dispute was kept before people's eyes until one had it, and no longer. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypeVar

from serbero.model.ladder import WRITERS
from serbero.model.notification import Purpose
from serbero.model.taking import Release
from serbero.simulator.scenario_ladder import AckSeen, LadderSeen, StepSeen, Watch
from serbero.simulator.scenario_letters import SLEEPER, WRITER
from serbero.simulator.scenario_verdict import Evidence, many

REMIND_AFTER_SECONDS: Final = 2
LEASE_SECONDS: Final = 900
TYPED: Final = 8
"""Characters of an id that a person types."""
ANSWER: Final = "You have {short} until "
"""How the answer begins to an ``ack`` that counts."""

T = TypeVar("T")

_DISPATCHED: Final = "dispatched"
_TAKEN: Final = Release.TAKEOVER
_STORY: Final = ("ladder_began", "ladder_step", "acknowledged", "ladder_ended")
"""What the journal must say, each once, in this order."""
_WAITS: Final = frozenset(each.value for each in (Purpose.ASSIGNMENT, Purpose.RESOLUTION_REPORT))
"""What the sleeper's digest will hold; that nobody had it is no news by then."""


def duty_differences(seen: Evidence, dispute_id: str) -> list[str]:
    """Say where it is not as it must be; empty when it is."""
    watch = seen.watch
    return [
        *_handed_off(watch),
        *_ladder(watch),
        *_acknowledged(watch, seen.when_acked),
        *_answered(seen, dispute_id),
        *_held(watch),
        *_story(watch),
        *_alarms(seen),
    ]


def _handed_off(watch: Watch) -> list[str]:
    found = []
    if watch.undispatched:
        found.append(f"expected no hand-off to wait, found {watch.undispatched}")
    who = sorted((SLEEPER, WRITER))
    got = [(each.status, sorted(each.to)) for each in watch.dispatches]
    if got != [(_DISPATCHED, who)]:
        shown = "; ".join(f"{status} to {', '.join(to)}" for status, to in got) or "none"
        found.append(f"expected one hand-off, {_DISPATCHED} to {', '.join(who)}, found {shown}")
    return found


def _ladder(watch: Watch) -> list[str]:
    ladder = _only(watch.ladders)
    if ladder is None:
        return [f"expected one ladder, found {len(watch.ladders)}"]
    found = []
    if (ladder.ended_by, ladder.next_at) != (_TAKEN, None):
        ended = ladder.ended_by or "nothing"
        found.append(f"expected the ladder to be ended by {_TAKEN}, found {ended}")
    step = _only(watch.steps)
    if step is None or ladder.steps_taken != 1:
        found.append(f"expected 1 reminder on record, found {len(watch.steps)}")
    else:
        found += _step(step, ladder)
    return found


def _step(step: StepSeen, ladder: LadderSeen) -> list[str]:
    found = []
    if (step.audience, step.to) != (WRITERS, (WRITER,)):
        found.append(
            f"expected the reminder for {WRITERS} to reach {WRITER}, found it for "
            f"{step.audience} reach {', '.join(step.to) or 'nobody'}"
        )
    if (after := step.at - ladder.started_at) < REMIND_AFTER_SECONDS:
        found.append(
            f"expected the reminder after {REMIND_AFTER_SECONDS} s, found it after {after}"
        )
    return found


def _acknowledged(watch: Watch, then: Watch) -> list[str]:
    ack = _only(watch.acks)
    if ack is None:
        return [f"expected one acknowledgement, found {len(watch.acks)}"]
    found = []
    lasts = ack.expires_at - ack.at
    if (ack.by, lasts) != (WRITER, LEASE_SECONDS):
        found.append(f"expected {WRITER} to have it for {LEASE_SECONDS} s, found {ack.by}, {lasts}")
    if ack.ended_by != _TAKEN:
        ended = ack.ended_by or "nothing"
        found.append(f"expected the acknowledgement to be ended by {_TAKEN}, found {ended}")
    late = [each.number for each in watch.steps if each.at > ack.at]
    if late:
        found.append(f"expected no reminder after the ack, found {many(len(late), 'reminder')}")
    return found + _paused(ack, then)


def _paused(ack: AckSeen, then: Watch) -> list[str]:
    """Right after the ack the next reminder was to wait for it to run out."""
    ladder = _only(then.ladders)
    due = None if ladder is None else ladder.next_at
    if due == ack.expires_at:
        return []
    return [f"expected the reminders to wait for the ack to run out, found the next at {due}"]


def _answered(seen: Evidence, dispute_id: str) -> list[str]:
    found = []
    commands = [(WRITER, "ack", "acknowledged")]
    if list(seen.watch.commands) != commands:
        shown = "; ".join(" ".join(each) for each in seen.watch.commands) or "none"
        found.append(f"expected one command, {' '.join(commands[0])}, found {shown}")
    for name, others in seen.others.items():
        wanted = int(name == WRITER)
        if len(others) != wanted:
            found.append(f"expected {many(wanted, 'answer')} to {name}, found {len(others)}")
    beginning = ANSWER.format(short=dispute_id[:TYPED])
    if any(not each.text.startswith(beginning) for each in seen.others.get(WRITER, ())):
        found.append(f'expected the answer to say "{beginning}", found otherwise')
    return found


def _held(watch: Watch) -> list[str]:
    found = []
    if watch.spared != (SLEEPER,):
        shown = ", ".join(watch.spared) or "nobody"
        found.append(f"expected the reminder to spare {SLEEPER}'s sleep, found it spare {shown}")
    waits = {purpose for name, purpose in watch.held if name == SLEEPER}
    if waits != _WAITS:
        shown = ", ".join(sorted(waits)) or "nothing"
        found.append(f"expected {', '.join(sorted(_WAITS))} to wait for {SLEEPER}, found {shown}")
    if others := sorted({name for name, _ in watch.held} - {SLEEPER}):
        found.append(f"expected nothing to wait for anybody else, found {', '.join(others)}")
    return found


def _story(watch: Watch) -> list[str]:
    told = [each.kind for each in watch.story if each.kind in _STORY]
    found = []
    if told != list(_STORY):
        shown = ", ".join(told) or "nothing"
        found.append(f"expected the journal to tell {', '.join(_STORY)}, found {shown}")
    steps = [each.payload.get("number") for each in watch.story if each.kind == "ladder_step"]
    if Counter(steps) != Counter(each.number for each in watch.steps):
        found.append("expected the journal and the ladder to tell of the same steps, found others")
    return found


def _alarms(seen: Evidence) -> list[str]:
    """While somebody was waited for, and in the end."""
    alarms = dict.fromkeys((*seen.when_acked.alarms, *seen.watch.alarms))
    return [f"expected no alarm of the auditor, found {each}" for each in alarms]


def _only(several: Sequence[T]) -> T | None:
    return several[0] if len(several) == 1 else None
