"""The escrow's clock: when it ends, who is warned, how often, and in which words."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from tests.escalation.ladder_rig import Stage, person
from tests.store.rig import NODE, T0, revision

from serbero.escalation.deadline import EscrowDeadline, deadline_of
from serbero.escalation.warning import MARKS, mark_due, warn
from serbero.model.people import Solver

DISPUTE = revision(1).dispute_id
ANN, BEN, ROB = person("A", write=True), person("B", write=True), person("R")
DELTA = 144
LASTS = (DELTA - 24) * 600
"""Twenty hours."""
H = 3600


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "serbero.db", (ANN, BEN, ROB), T0, warns=True, cltv_delta=DELTA)
    yield found
    found.database.close()


def told(stage: Stage) -> str:
    """``hours before the estimated end:LETTERS``."""
    found: dict[int, str] = {}
    for each in stage.sent:
        if each.purpose == "deadline_warning":
            found[each.at] = found.get(each.at, "") + each.letter
    return " ".join(f"{(LASTS - at) / H:g}:{''.join(sorted(w))}" for at, w in found.items())


def held_since(stage: Stage, at: int) -> None:
    """The node tells when the invoice was held, with a take of ours."""
    stage.hand_over(1, session=True)
    stage.plain.execute("UPDATE parties SET invoice_held_at = ?", (at,))


def ends(stage: Stage, delta: int | None = DELTA, margin: int = 24) -> EscrowDeadline | None:
    return stage.database.run(deadline_of, DISPUTE, delta, margin)


def test_estimated_from_the_opening(stage: Stage) -> None:
    stage.happens(1, "initiated")
    assert ends(stage) == EscrowDeadline(T0 + LASTS, known=False)


def test_known_from_the_invoice(stage: Stage) -> None:
    stage.happens(1, "initiated")
    held_since(stage, T0 - 5 * H)
    assert ends(stage) == EscrowDeadline(T0 - 5 * H + LASTS, known=True)


@pytest.mark.parametrize(("delta", "margin"), [(None, 24), (24, 24), (0, 24), (23, 24)])
def test_nothing_is_known_without_a_delta(stage: Stage, delta: int | None, margin: int) -> None:
    stage.happens(1, "initiated")
    assert ends(stage, delta, margin) is None
    assert stage.database.run(deadline_of, "no such dispute", DELTA, 24) is None


def test_opened_anew_it_is_the_same_escrow(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(10 * H)
    stage.happens(1, "in-progress")
    stage.goes_on(11 * H)
    stage.happens(1, "initiated")
    assert ends(stage) == EscrowDeadline(T0 + LASTS, known=False)


@pytest.mark.parametrize(
    ("left", "mark"),
    [
        (MARKS[0] + 1, None), (MARKS[0], MARKS[0]), (MARKS[1] + 1, MARKS[0]), (MARKS[1], MARKS[1]),
        (MARKS[2], MARKS[2]), (MARKS[3] + 1, MARKS[2]), (MARKS[3], MARKS[3]), (1, MARKS[3]),
        (0, None), (-5, None),
    ],
)  # fmt: skip
def test_marks(left: int, mark: int | None) -> None:
    assert mark_due(left) == mark


def test_four_warnings_and_no_more(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(LASTS + 5 * H)
    assert told(stage) == "12:AB 6:AB 2:AB 0.5:AB"


def test_nobody_may_write_everybody_is_warned(stage: Stage) -> None:
    stage.people = (ROB, person("S"))
    stage.happens(1, "initiated")
    stage.goes_on(9 * H)
    assert told(stage) == "12:RS"


def test_seen_late_only_the_most_urgent_mark(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.stops()
    stage.goes_on(LASTS - 3 * H)
    stage.starts()
    stage.goes_on(LASTS)
    assert told(stage) == "2.98333:AB 2:AB 0.5:AB"


def test_after_the_end_nobody_is_warned(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.stops()
    stage.goes_on(LASTS + 1)
    stage.starts()
    stage.goes_on(LASTS + H)
    assert told(stage) == ""


def test_restarts_change_nothing(stage: Stage) -> None:
    stage.happens(1, "initiated")
    for hour in range(21):
        stage.goes_on(hour * H)
        stage.restarts()
    assert told(stage) == "12:AB 6:AB 2:AB 0.5:AB"


@pytest.mark.parametrize("status", ["settled", "seller-refunded", "released"])
def test_closed_nobody_is_warned(stage: Stage, status: str) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(9 * H)
    stage.happens(1, status)
    stage.goes_on(LASTS)
    assert told(stage) == "12:AB"


def test_closed_between_looking_and_warning(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.happens(1, "settled")
    stage.elapsed = 9 * H
    assert stage.database.run(warn, stage.audience, stage.escrow, DISPUTE, stage.now * 1000) == 0


def test_closed_what_is_on_its_way_is_withdrawn(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.relays = False
    stage.goes_on(9 * H)
    stage.happens(1, "settled")
    states = stage.rows("SELECT DISTINCT state FROM outbox WHERE purpose = 'deadline_warning'")
    assert states == [("withdrawn",)]


def test_taken_by_somebody_the_writers_are_warned(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(9 * H)
    stage.happens(1, "in-progress")
    stage.goes_on(LASTS)
    assert told(stage) == "12:AB 6:AB 2:AB 0.5:AB"


def test_who_has_it_is_warned_alone_and_at_last_with_the_writers(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.hand_over(1)
    stage.acknowledges("B", DISPUTE, lease=30 * H)
    stage.goes_on(LASTS)
    assert told(stage) == "12:B 6:B 2:AB 0.5:AB"


def test_who_has_it_is_gone(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.hand_over(1)
    stage.acknowledges("B", DISPUTE, lease=30 * H)
    stage.people = (ANN, ROB)
    stage.goes_on(9 * H)
    assert told(stage) == "12:A"


def test_asleep_or_muted_or_off_call_all_the_same(stage: Stage) -> None:
    sleeper: Solver = person("A", write=True, quiet="00:00-23:59")
    off: Solver = person("C", write=True, on_call=frozenset({"1999-W01"}))
    stage.people = (sleeper, BEN, off)
    stage.happens(1, "initiated")
    stage.mutes("B", 30 * H)
    stage.goes_on(9 * H)
    assert told(stage) == "12:ABC"


def test_it_turns_out_to_be_sooner(stage: Stage) -> None:
    """Estimated twelve hours are seven in truth: that is told, once."""
    stage.happens(1, "initiated")
    stage.goes_on(8 * H + 1800)
    held_since(stage, T0 - 5 * H)
    stage.goes_on(LASTS)
    assert told(stage) == "12:AB 11.4833:AB 11:AB 7:AB 5.5:AB"


def test_it_turns_out_to_be_a_little_sooner(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(8 * H + 1800)
    held_since(stage, T0 - 600)
    stage.goes_on(LASTS)
    assert told(stage).split()[:2] == ["12:AB", "6.16667:AB"]


def test_two_warnings_are_ten_minutes_apart(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(8 * H + 60)
    held_since(stage, T0 - 5 * H)
    stage.goes_on(9 * H)
    assert told(stage) == "12:AB 11.8333:AB 11:AB"


def test_it_turns_out_to_be_later(stage: Stage) -> None:
    """The node allows more blocks now: what was warned of too early is warned of again in time."""
    stage.happens(1, "initiated")
    stage.goes_on(LASTS - H)
    stage.cltv_delta = DELTA + 72
    stage.goes_on(LASTS + 12 * H)
    assert told(stage) == "12:AB 6:AB 2:AB 0:AB -6:AB -10:AB -11.5:AB"


def test_the_node_says_nothing_for_a_while(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.cltv_delta = None
    stage.goes_on(15 * H)
    stage.cltv_delta = DELTA
    stage.goes_on(LASTS)
    assert told(stage) == "4.98333:AB 2:AB 0.5:AB"


def test_a_clock_that_was_ahead(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(H)
    stage.sets_clock(18 * H + 1800)
    stage.goes_on(H + 60)
    stage.sets_clock(-18 * H - 1800)
    stage.goes_on(LASTS)
    assert told(stage) == "18.9833:AB 12:AB 6:AB 2:AB 0.5:AB"


def test_disputes_of_another_node_are_not_ours(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.plain.execute("UPDATE disputes SET mostro_pubkey = ?", ("cd" * 32,))
    stage.goes_on(LASTS)
    assert told(stage) == ""
    assert NODE != "cd" * 32


def test_what_is_read(stage: Stage) -> None:
    stage.happens(1, "initiated")
    stage.goes_on(8 * H)
    [text] = {each.text for each in stage.sent if each.purpose == "deadline_warning"}
    assert text.replace(DISPUTE, "DISPUTE").replace(DISPUTE[:8], "SHORT") == snapshot("""\
The escrow of dispute SHORT ends in 12 h 0 min, perhaps sooner (an estimate).
After that nobody can settle it.

dispute_id: DISPUTE
escrow_deadline: 1767297600 (estimated)\
""")
    held_since(stage, T0 - 600)
    stage.goes_on(15 * H)
    text = [each.text for each in stage.sent if each.purpose == "deadline_warning"][-1]
    assert text.replace(DISPUTE, "DISPUTE").replace(DISPUTE[:8], "SHORT") == snapshot("""\
The escrow of dispute SHORT ends in 6 h 0 min.
After that nobody can settle it.

dispute_id: DISPUTE
escrow_deadline: 1767297000 (known)\
""")
