"""What waits, and how often somebody is answered."""

from collections import Counter

from nostr_sdk import Event, Keys

from serbero.nostr.signing import signed
from serbero.solvers.pace import (
    ANSWERS_A_MINUTE,
    MAX_LANES,
    QUEUED,
    UNKNOWN_SECONDS,
    AnswerPace,
    Arrival,
    Buckets,
    Verdict,
    Waiting,
)

EVENT: Event = signed(Keys.parse("11" * 32), 1059, "", [], 0)
ANSWER, SAY_SO, SILENCE = Verdict


def arrival(number: int, lane: str = "wss://one") -> Arrival:
    return Arrival(lane, f"{number:064x}", EVENT)


def test_lanes_take_turns() -> None:
    waiting = Waiting()
    for number in range(50):
        waiting.put(arrival(number))
    waiting.put(arrival(100, "wss://two"))
    first = [waiting.take(), waiting.take()]
    assert {each.lane for each in first if each} == {"wss://one", "wss://two"}


def test_within_a_lane_chance_decides() -> None:
    """A stranger who came first, or last, is not therefore opened first."""
    places = Counter[int]()
    for _ in range(200):
        waiting = Waiting()
        for number in range(4):
            waiting.put(arrival(number))
        while (taken := waiting.take()) is not None:
            if taken.id == f"{0:064x}":
                places[len(waiting)] += 1
    assert all(places[each] > 10 for each in range(4)), places


def test_a_full_lane_takes_and_drops_by_chance() -> None:
    waiting, late = Waiting(), range(QUEUED, 3 * QUEUED)
    assert all(waiting.put(arrival(number)) for number in range(QUEUED))
    assert not any(waiting.put(arrival(number)) for number in late)
    assert len(waiting) == QUEUED
    known = [number for number in range(3 * QUEUED) if waiting.knows(f"{number:064x}")]
    assert len(known) == QUEUED, "what gave way may come again by another relay"
    taken = set()
    while (each := waiting.take()) is not None:
        taken.add(int(each.id, 16))
    assert taken == set(known)
    assert taken & set(late)
    assert taken & set(range(QUEUED))


def test_there_are_never_too_many_lanes() -> None:
    waiting = Waiting()
    for number in range(2 * MAX_LANES):
        waiting.put(arrival(number, f"wss://{number}"))
    taken = [waiting.take() for _ in range(2 * MAX_LANES)]
    assert len({each.id for each in taken if each}) == 2 * MAX_LANES
    assert waiting.take() is None


def test_each_relay_has_its_own_budget() -> None:
    buckets = Buckets(60, 2)
    assert [buckets.take("one", 0) for _ in range(3)] == [True, True, False]
    assert buckets.take("two", 0)
    assert buckets.take("one", 1.1)
    for number in range(MAX_LANES):
        buckets.take(str(number), 2)
    assert [buckets.take(f"new {number}", 2) for number in range(3)] == [False] * 3


def test_a_solver_is_answered_so_often_and_then_told_once() -> None:
    pace = AnswerPace()
    said = [pace.judge("ana", 0.1 * number, understood=True) for number in range(30)]
    assert said == [ANSWER] * ANSWERS_A_MINUTE + [SAY_SO] + [SILENCE] * 9
    assert pace.judge("bob", 3, understood=True) is ANSWER
    assert pace.judge("ana", 59, understood=True) is SILENCE
    assert pace.judge("ana", 60.05, understood=True) is ANSWER
    assert pace.judge("ana", 60.05, understood=True) is SAY_SO


def test_one_help_line_a_minute() -> None:
    pace = AnswerPace()
    assert pace.judge("ana", 0, understood=False) is ANSWER
    assert pace.judge("ana", UNKNOWN_SECONDS - 1, understood=False) is SILENCE
    assert pace.judge("ana", UNKNOWN_SECONDS - 1, understood=True) is ANSWER
    assert pace.judge("ana", UNKNOWN_SECONDS, understood=False) is ANSWER


def test_two_programs_that_answer_each_other_come_to_rest() -> None:
    pace = AnswerPace()
    said = Counter(pace.judge("bot", second, understood=False) for second in range(600))
    assert said[ANSWER] == 10
    assert said[SAY_SO] == 0
