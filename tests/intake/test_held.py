"""What waits for whoever sleeps, and what never does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.escalation.ladder_rig import Stage, person
from tests.store.rig import T0

from serbero.intake.announcing import HOLDABLE
from serbero.intake.reminders import ReminderPace
from serbero.model.notification import Purpose

H = 3600
NIGHT = "00:00-08:00"
"""The clock begins at midnight."""
ANN, BEN = person("A", write=True, quiet=NIGHT), person("B", write=True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "serbero.db", (ANN, BEN), T0, pace=ReminderPace(H, 1.0, 60))
    yield found
    found.database.close()


def got(stage: Stage, letter: str) -> list[str]:
    return [each.purpose for each in stage.sent if each.letter == letter]


def test_what_may_wait() -> None:
    assert {
        Purpose.RENOTIFICATION,
        Purpose.ASSIGNMENT,
        Purpose.RESOLUTION_REPORT,
    } == HOLDABLE


def test_a_new_dispute_and_a_hand_off_wake(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.hand_over(1, session=True)
    assert got(stage, "A") == got(stage, "B") == ["initial", "escalation_handoff"]


def test_reminders_an_assignment_and_a_report_wait(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(H + 60)
    stage.hand_over(1)
    stage.goes_on(H + 120)
    stage.happens(1, "in-progress")
    stage.goes_on(H + 180)
    stage.happens(1, "settled")
    assert got(stage, "A") == ["initial", "escalation_handoff"]
    assert got(stage, "B") == [
        "initial", "re-notification", "escalation_handoff", "assignment", "resolution_report",
    ]  # fmt: skip
    # The reminder stopped being true when somebody took it.
    assert [purpose for _, purpose, _ in stage.held()] == ["assignment", "resolution_report"]


def test_everybody_asleep_rounds_go_on_in_the_digest(stage: Stage) -> None:
    stage.people = (ANN,)
    stage.happens(1, "initiated")
    stage.goes_on(5 * H)
    assert len(stage.held()) == 4  # one an hour, not one a look
    stage.goes_on(8 * H)
    assert got(stage, "A")[:2] == ["initial", "digest"]


def test_a_round_of_a_second_night_is_another_one(stage: Stage) -> None:
    """Everybody slept through the same round twice: the second time it is held again."""
    stage.people = (ANN,)
    stage.pace = ReminderPace(24 * H, 1.0, 60)
    stage.happens(1, "initiated")
    stage.goes_on(3 * 24 * H)
    assert got(stage, "A") == ["initial", "digest", "digest"]


def test_who_is_awake_is_reminded_each_round(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(4 * H)
    assert got(stage, "B") == ["initial", *["re-notification"] * 3]


def test_taken_over_from_us_what_we_said_is_dropped(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.hand_over(1, session=True)
    stage.goes_on(60)
    stage.happens(1, "in-progress")
    assert [purpose for _, purpose, _ in stage.held()] == ["assignment"]
    stage.goes_on(120)
    stage.happens(1, "initiated")
    assert stage.held() == []


def test_a_solver_who_cannot_be_reached_is_not_asleep(stage: Stage) -> None:
    """Our own key among the solvers, with quiet hours."""
    odd = person("C", quiet=NIGHT, problem="own key")
    stage.people = (odd, BEN)
    stage.happens(1, "initiated")
    stage.goes_on(3 * H)
    assert stage.held() == []
    assert got(stage, "B") == ["initial", *["re-notification"] * 2]
