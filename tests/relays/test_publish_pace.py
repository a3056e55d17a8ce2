"""How fast one relay is given events."""

import pytest

from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.relays.publish_pace import PublishPace
from serbero.relays.settings import RelaySettings

LIMITED = PublishReply(PublishOutcome.RATE_LIMITED, "rate-limited: slow down")
TAKEN = PublishReply(PublishOutcome.ACCEPTED)


@pytest.fixture
def pace() -> PublishPace:
    return PublishPace(RelaySettings())


def test_pauses_double_until_an_event_is_taken(pace: PublishPace) -> None:
    now, pauses = 100.0, []
    for _ in range(9):
        pace.answered(LIMITED, now, now, draw=0)
        assert pace.paused(now) == LIMITED
        began = now
        while pace.paused(now) is not None:
            now += 0.5
        pauses.append(now - began)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    pace.answered(TAKEN, now, now, draw=0)
    pace.answered(LIMITED, now, now, draw=1)
    assert pace.paused(now + 7.4) is not None
    assert pace.paused(now + 7.5) is None


def test_one_burst_is_one_pause(pace: PublishPace) -> None:
    for number in range(200):
        pace.answered(LIMITED, 100, 100.5 + number / 1000, draw=0)
    assert pace.paused(105.4) is not None
    assert pace.paused(105.5) is None


def test_after_a_pause_it_begins_with_one(pace: PublishPace) -> None:
    assert pace.room(255)
    assert not pace.room(256)
    pace.answered(LIMITED, 100, 100, draw=0)
    assert pace.room(0)
    assert not pace.room(1)
    pace.answered(TAKEN, 106, 106, draw=0)
    assert pace.room(1)
    assert not pace.room(2)
    for _ in range(1_000):
        pace.answered(TAKEN, 107, 107, draw=0)
    assert pace.room(255)
    assert not pace.room(256)


def _mute(pace: PublishPace) -> bool:
    return not pace.room(1)


def test_one_unanswered_among_answered_ones_is_not_silence(pace: PublishPace) -> None:
    pace.answered(TAKEN, 101, 102, draw=0)
    pace.silent(101)
    assert not _mute(pace)
    pace.silent(103)
    assert _mute(pace)
    assert pace.room(0)
    pace.answered(TAKEN, 104, 105, draw=0)
    assert not _mute(pace)
    assert pace.room(255)
