"""What is read after a quiet time: everything that was held back, once, as it is now."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from tests.escalation.ladder_rig import Stage, person
from tests.store.rig import T0, dispute_id, revision

from serbero.intake.reminders import ReminderPace
from serbero.messages.digest import MOST

ANN, BEN = person("A", write=True), person("B", write=True)
H = 3600


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "serbero.db", (ANN, BEN), T0, pace=ReminderPace(H, 1.0, 60))
    yield found
    found.database.close()


def digests(stage: Stage) -> list[str]:
    return [each.text for each in stage.sent if each.purpose == "digest"]


def short(text: str, *numbers: int) -> str:
    for number in numbers:
        text = text.replace(dispute_id(number), f"DISPUTE {number}")
    return text


def test_the_most_urgent_first_and_all_as_they_are_now(stage: Stage) -> None:
    stage.mutes("A", 10 * H)
    for number in range(1, 6):
        stage.happens(number, "initiated")
    stage.goes_on(3 * H)
    stage.happens(2, "in-progress")
    stage.hand_over(3, session=True)
    stage.happens(5, "in-progress")
    stage.goes_on(4 * H)
    stage.happens(5, "settled")
    stage.goes_on(11 * H)
    [text] = digests(stage)
    blocks = [each.split("\n") for each in short(text, 1, 2, 3, 4, 5).split("\n\n")[1:]]
    assert text.startswith("While you were away, about 5 disputes:")
    states = [line for block in blocks for line in block if line.startswith("now: ")]
    assert states == [
        "now: waits for a human",
        "now: nobody has it yet",
        "now: nobody has it yet",
        "now: taken",
        "now: closed (settled)",
    ]
    assert stage.held() == []


def test_what_is_read(stage: Stage) -> None:
    stage.mutes("A", 3 * H)
    stage.happens(1, "initiated")
    stage.goes_on(3 * H)
    [text] = digests(stage)
    assert short(text, 1) == snapshot("""\
While you were away, about 1 dispute:

dispute_id: DISPUTE 1
now: nobody has it yet
reminders held back: 2\
""")


def test_more_than_anybody_reads_is_counted(stage: Stage) -> None:
    stage.mutes("A", 2 * H)
    for number in range(MOST + 3):
        stage.happens(number, "initiated")
    stage.goes_on(2 * H)
    [text] = digests(stage)
    assert text.count("dispute_id: ") == MOST
    assert text.endswith("And 3 more. To see all that are open, answer: open")


def test_nothing_that_is_still_true_nothing_to_read(stage: Stage) -> None:
    stage.mutes("A", 2 * H)
    stage.happens(1, "initiated")
    stage.goes_on(H + 600)
    assert [purpose for _, purpose, _ in stage.held()] == ["re-notification"]
    stage.mutes("A", 0)
    stage.happens(1, "in-progress")
    stage.goes_on(3 * H)
    assert digests(stage) == []


def test_a_restart_between_holding_and_telling(stage: Stage) -> None:
    stage.mutes("A", 2 * H)
    stage.happens(1, "initiated")
    stage.goes_on(H + 600)
    stage.restarts()
    stage.goes_on(3 * H)
    stage.restarts()
    stage.goes_on(4 * H)
    assert len(digests(stage)) == 1


def test_a_dispute_whose_id_no_text_may_carry(stage: Stage) -> None:
    stage.mutes("A", 2 * H)
    stage.happens(1, "initiated")
    stage.happens(2, "initiated")
    stage.goes_on(H + 600)
    for table in ("disputes", "revisions", "held_messages"):
        stage.plain.execute("PRAGMA foreign_keys = OFF")
        stage.plain.execute(
            f"UPDATE {table} SET dispute_id = 'no id!' WHERE dispute_id = ?",  # noqa: S608
            (dispute_id(1),),
        )
    stage.pace = None
    stage.goes_on(3 * H)
    [text] = digests(stage)
    assert "no id!" not in text
    assert revision(2).dispute_id in text


def test_no_notifications_row_and_one_message_on_each_channel(stage: Stage) -> None:
    stage.mutes("A", 2 * H)
    stage.happens(1, "initiated")
    stage.goes_on(3 * H)
    rows = stage.rows("SELECT notif_type, recipient FROM outbox WHERE purpose = 'digest'")
    assert rows == [(None, ANN.hex)]
