"""When a part that fails is told of, in simulated seconds."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.alerts.damping import (
    FIRST_QUIET_SECONDS,
    HOLD_SECONDS,
    LONGEST_QUIET_SECONDS,
    Damper,
)
from serbero.model.alerts import Alert, Fact

WALL = 1_795_000_000


class Part:
    """One part and what is told of it."""

    def __init__(self) -> None:
        self.damper = Damper()
        self.now = 0.0
        self.told: list[tuple[float, str]] = []
        self.alerts: list[Alert] = []

    def reports(self, works: bool, *, for_seconds: float) -> None:
        self.damper.heard("relays", works, self.now, WALL + int(self.now))
        end = self.now + for_seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            for alert in self.damper.due(self.now, WALL + int(self.now)):
                self.alerts.append(alert)
                self.told.append((self.now, str(alert.facts[Fact.TURN])))


def test_a_blip_is_not_told() -> None:
    part = Part()
    for _ in range(5):
        part.reports(False, for_seconds=HOLD_SECONDS - 1)
        part.reports(True, for_seconds=10 * HOLD_SECONDS)
    assert part.told == []


def test_a_failure_and_its_end_are_told_after_a_minute_each_with_their_times() -> None:
    part = Part()
    part.reports(True, for_seconds=100)
    part.reports(False, for_seconds=200)
    part.reports(True, for_seconds=1_000)
    assert part.told == [(160, "begun"), (360, "over")]
    begun, over = part.alerts
    assert (begun.at, over.facts[Fact.SECONDS]) == (WALL + 100, 200)


def test_what_comes_and_goes_every_few_seconds_is_one_story() -> None:
    part = Part()
    for _ in range(500):
        part.reports(False, for_seconds=30)
        part.reports(True, for_seconds=30)
    assert [turn for _, turn in part.told] == ["begun"]
    part.reports(True, for_seconds=60)
    assert [turn for _, turn in part.told] == ["begun", "over"]


def test_what_comes_and_goes_every_few_minutes_is_told_ever_more_rarely() -> None:
    part = Part()
    for _ in range(24 * 6):
        part.reports(False, for_seconds=300)
        part.reports(True, for_seconds=300)
    begun = [at for at, turn in part.told if turn == "begun"]
    gaps = [b - a for a, b in itertools.pairwise(begun)]
    assert gaps[0] >= FIRST_QUIET_SECONDS
    assert gaps == sorted(gaps)
    assert len(part.told) <= 20, "of 288 changes in a day"
    assert len(part.told) % 2 == 0


def test_after_a_quiet_time_it_counts_as_new() -> None:
    part = Part()
    part.reports(False, for_seconds=300)
    part.reports(True, for_seconds=LONGEST_QUIET_SECONDS + 1)
    began = part.now
    part.reports(False, for_seconds=300)
    assert part.told[-1] == (began + HOLD_SECONDS, "begun")


def test_what_was_told_before_a_start_is_ended_once_the_part_reports() -> None:
    part = Part()
    part.damper.believed({"relays"}, 0.0, WALL)
    for _ in range(200):
        part.now += 1
        assert not list(part.damper.due(part.now, WALL)), "it has not said anything yet"
    part.reports(True, for_seconds=HOLD_SECONDS)
    assert [turn for _, turn in part.told] == ["over"]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2_000)), max_size=12))
def test_turns_alternate_and_the_last_one_is_true_in_the_end(
    story: list[tuple[bool, int]],
) -> None:
    """Whatever a part does: begun, over, begun, over; and what holds for long is what was told."""
    part = Part()
    for works, seconds in story:
        part.reports(works, for_seconds=seconds)
    last = story[-1][0] if story else True
    part.reports(last, for_seconds=LONGEST_QUIET_SECONDS + 2 * HOLD_SECONDS)
    turns = [turn for _, turn in part.told]
    assert turns == ["begun", "over"] * (len(turns) // 2) + ["begun"] * (len(turns) % 2)
    assert (turns[-1:] == ["begun"]) is not last
