"""Which refusals a person hears of, and how often."""

import pytest

from serbero.nostr.replies import PublishOutcome, PublishReply, parse_ok
from serbero.relays.refusals import Refusals

TAKEN = PublishReply(PublishOutcome.ACCEPTED)
TWO_DAYS = 172_800.0


@pytest.mark.parametrize(
    ("text", "age", "word"),
    [
        ("restricted: members only", TWO_DAYS, "admit"),
        ("blocked: you are banned", TWO_DAYS, "admit"),
        ("invalid: created_at too far in the future", 0.0, "clock"),
        ("invalid: event too old", -30.0, "clock"),
    ],
)
def test_what_a_person_can_mend(text: str, age: float, word: str) -> None:
    assert word in (Refusals().remedy(parse_ok(False, text), age, 0.0) or "")


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("invalid: event too old", TWO_DAYS),
        ("invalid: too many tags", 0.0),
        ("invalid: expired in the past", 0.0),
        ("blocked: event is expired", TWO_DAYS),
        ("error: no", 0.0),
        ("rate-limited: slow", 0.0),
        ("pow: 20", 0.0),
        ("duplicate: have it", 0.0),
    ],
)
def test_what_the_next_attempt_mends_or_nobody(text: str, age: float) -> None:
    """A wrap's time is back-dated: a relay that finds it old is right, and our clock may be."""
    assert Refusals().remedy(parse_ok(False, text), age, 0.0) is None


def test_once_for_each_kind_until_something_is_taken() -> None:
    refusals = Refusals()

    def told(text: str, now: float) -> bool:
        return refusals.remedy(parse_ok(False, text), 0.0, now) is not None

    assert told("restricted: no", 0)
    assert told("blocked: no", 0)
    assert not told("restricted: in other words", 9_000)
    assert refusals.remedy(TAKEN, 0.0, 9_001) is None
    assert told("restricted: no", 9_002)


def test_a_relay_that_takes_some_and_refuses_others_is_told_of_once_an_hour() -> None:
    refusals, told = Refusals(), 0
    for minute in range(120):
        refusals.remedy(TAKEN, 0.0, minute * 60.0)
        reply = parse_ok(False, "restricted: not this recipient")
        told += refusals.remedy(reply, 0.0, minute * 60.0) is not None
    assert told == 2
