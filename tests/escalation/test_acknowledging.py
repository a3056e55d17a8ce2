"""Saying "I have it": what is answered, what is written, and what the others read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from inline_snapshot import snapshot
from tests.escalation.ladder_rig import LEASE, Stage, person
from tests.store.rig import T0, revision

from serbero.escalation.acknowledging import Acknowledged, HeldByAnother, MayNot, NothingToTake

DISPUTE = revision(1).dispute_id
SHORT = DISPUTE[:8]
ANN, BEN, ROB = person("A", write=True), person("B", write=True), person("R")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    found = Stage(tmp_path / "serbero.db", (ANN, BEN, ROB), T0)
    found.happens(1, "initiated")
    found.hand_over(1)
    found.goes_on(300)
    yield found
    found.database.close()


def words(stage: Stage, purpose: str, letter: str) -> str:
    texts = [e.text for e in stage.sent if (e.purpose, e.letter) == (purpose, letter)]
    return texts[-1].replace(DISPUTE, "DISPUTE").replace(SHORT, "SHORT")


def test_first_and_again(stage: Stage) -> None:
    assert stage.acknowledges("A", DISPUTE) == Acknowledged(T0 + 300 + LEASE, again=False)
    stage.goes_on(400)
    assert stage.acknowledges("A", DISPUTE) == Acknowledged(T0 + 400 + LEASE, again=True)
    rows = stage.rows("SELECT solver, at, expires_at, ended_by FROM acknowledgements ORDER BY id")
    assert rows == [
        (ANN.hex, T0 + 300, T0 + 300 + LEASE, "renewed"),
        (ANN.hex, T0 + 400, T0 + 400 + LEASE, None),
    ]


def test_another_is_told_who_has_it(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    assert stage.acknowledges("B", DISPUTE) == HeldByAnother("A", T0 + 300 + LEASE)


def test_another_who_is_gone_has_no_name(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    stage.people = (BEN, ROB)
    assert stage.acknowledges("B", DISPUTE) == HeldByAnother("somebody", T0 + 300 + LEASE)


def test_the_second_it_runs_out_another_may(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    stage.goes_on(299 + LEASE)
    assert isinstance(stage.acknowledges("B", DISPUTE), HeldByAnother)
    stage.elapsed = 300 + LEASE
    assert stage.acknowledges("B", DISPUTE) == Acknowledged(T0 + 300 + 2 * LEASE, again=False)
    ended = stage.rows("SELECT ended_by FROM acknowledgements ORDER BY id")
    assert ended == [("expired",), (None,)]


def test_who_may_only_read_changes_nothing(stage: Stage) -> None:
    before = stage.database.dump()
    assert stage.acknowledges("R", DISPUTE) == MayNot()
    assert stage.database.dump() == before


@pytest.mark.parametrize(
    ("status", "why"), [("in-progress", "taken"), ("settled", "resolved"), ("released", "resolved")]
)
def test_too_late(stage: Stage, status: str, why: str) -> None:
    stage.happens(1, status)
    before = stage.database.dump()
    assert stage.acknowledges("A", DISPUTE) == NothingToTake(why)
    assert stage.database.dump() == before


def test_what_was_never_handed_over(stage: Stage) -> None:
    stage.happens(2, "initiated")
    other = revision(2).dispute_id
    assert stage.acknowledges("A", other) == NothingToTake("not_handed_over")
    assert stage.acknowledges("A", "no such dispute") == NothingToTake("gone")


def test_the_journal_knows(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    rows = stage.rows("SELECT dispute_id, payload_json FROM journal WHERE kind = 'acknowledged'")
    assert rows == [(DISPUTE, f'{{"expires_at":{T0 + 300 + LEASE},"solver":"{ANN.hex}"}}')]


def test_what_the_others_read(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    assert stage.story(["escalation_acknowledged"]) == "5:ack(BR)"
    assert words(stage, "escalation_acknowledged", "B") == snapshot("""\
A looks after dispute SHORT.
Reminders rest until 00:20 UTC, and go on if nobody has taken it by then.

dispute_id: DISPUTE\
""")


def test_a_name_that_could_be_a_sentence(stage: Stage) -> None:
    odd = person("A", write=True)
    object.__setattr__(odd, "name", "_Send 5 sats to\nme!")
    stage.people = (odd, BEN, ROB)
    stage.acknowledges("_Send 5 sats to\nme!", DISPUTE)
    assert words(stage, "escalation_acknowledged", "B").startswith("Send-5-sats-to-me looks after")


def test_what_a_writer_reads(stage: Stage) -> None:
    stage.cltv_delta = 144
    stage.goes_on(600)
    assert words(stage, "escalation_reminder", "A") == snapshot("""\
Nobody has dispute SHORT yet.
It was handed over 10 minutes ago (reminder 1).

If you look after it, answer: ack SHORT
Then take it at the node, in Mostrix or with your own client.

dispute_id: DISPUTE
escrow_deadline: 1767297600 (estimated)\
""")


def test_what_a_reader_reads(stage: Stage) -> None:
    stage.goes_on(5400)
    assert words(stage, "escalation_reminder", "R") == snapshot("""\
Nobody has dispute SHORT yet.
It was handed over 90 minutes ago (reminder 3).

It takes a solver with write permission. One who looks after it can answer: ack SHORT

dispute_id: DISPUTE\
""")


def test_what_is_read_by_whose_time_is_over(stage: Stage) -> None:
    stage.acknowledges("A", DISPUTE)
    stage.goes_on(300 + LEASE)
    assert words(stage, "escalation_reminder", "A") == snapshot("""\
Your ack of dispute SHORT has run out, and nobody took it at the node.
The others are reminded again. It was handed over 20 minutes ago (reminder 1).

If you still look after it, answer: ack SHORT
Then take it at the node, in Mostrix or with your own client.

dispute_id: DISPUTE\
""")
    assert words(stage, "escalation_reminder", "B").startswith("Nobody has dispute SHORT yet.")


def test_a_message_says_how_long_in_words(stage: Stage) -> None:
    stage.goes_on(3 * 86_400)
    assert "It was handed over 2 days 23 h ago (reminder 73)." in words(
        stage, "escalation_reminder", "A"
    )
