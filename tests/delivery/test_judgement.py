"""What a relay's reply means for a message, as a table."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.delivery.judgement import MAX_POW_BITS, MAX_WRAPS, Pace, judge
from serbero.model.notification import TargetSource, TargetState
from serbero.model.target import Target, TargetUpdate
from serbero.nostr.replies import PublishOutcome, PublishReply, parse_ok

NOW = 1_767_225_600
PACE = Pace(initial=2, longest=300)
RELAY = "wss://one.example"


def target(**history: Any) -> Target:
    values: dict[str, Any] = {
        "relay": RELAY,
        "source": TargetSource.INBOX,
        "event_json": "{}",
        "attempts": 0,
        "unclear_replies": 0,
        "wraps": 1,
        "pow_bits": 0,
        "fresh_time": False,
    }
    return Target(**(values | history))


def verdict(reply: PublishReply, *, draw: float = 0.5, **history: Any) -> TargetUpdate:
    return judge(7, target(**history), reply, now=NOW, pace=PACE, draw=draw, round_trip_ms=12)


def refusal(text: str, *, draw: float = 0.5, **history: Any) -> TargetUpdate:
    return verdict(parse_ok(False, text), draw=draw, **history)


@pytest.mark.parametrize(
    "reply",
    [
        parse_ok(True, ""),
        parse_ok(True, "duplicate: have it"),
        parse_ok(False, "duplicate: already have this event"),
    ],
)
def test_taken(reply: PublishReply) -> None:
    """Sent means that a relay has it: `OK true`, or a duplicate whatever the flag says."""
    assert verdict(reply, attempts=9) == TargetUpdate(
        7, RELAY, TargetState.ACCEPTED, None, None, 12
    )


@pytest.mark.parametrize(
    "text",
    [
        "restricted: members only",
        "blocked: you are banned",
        "blocked: your past is known",
        "restricted: your membership has expired",
        "invalid: bad signature",
        "unsupported: no such kind",
    ],
)
def test_final_words(text: str) -> None:
    update = refusal(text)
    assert update == TargetUpdate(7, RELAY, TargetState.REFUSED, None, text, None)


@pytest.mark.parametrize(
    "text",
    [
        "invalid: created_at is too old",
        "invalid: event timestamp out of range",
        "invalid: Event expired",
        "blocked: event is expired",
        "invalid: event too far in the past",
    ],
)
def test_another_time_may_help(text: str) -> None:
    update = refusal(text)
    assert (update.state, update.next_attempt_at) == (TargetState.OPEN, NOW)
    assert (update.drop_wrap, update.fresh_time) == (True, True)
    worn_out = refusal(text, wraps=MAX_WRAPS)
    assert worn_out.state is TargetState.REFUSED
    assert not worn_out.drop_wrap
    # An event whose time is its writer's would only be refused again, three more times.
    fixed = judge(7, target(), parse_ok(False, text), now=NOW, pace=PACE, draw=0.5, fixed_time=True)
    assert fixed == TargetUpdate(7, RELAY, TargetState.REFUSED, None, text, None)


@pytest.mark.parametrize(
    ("text", "had", "bits"),
    [
        ("pow: difficulty 12 is less than 16", 0, 16),
        ("pow: 4>=8", 0, 8),
        ("pow: required", 0, 8),
        ("pow: required", 8, 16),
        (f"pow: 0 < {MAX_POW_BITS}", 0, MAX_POW_BITS),
    ],
)
def test_proof_of_work_asks_for_other_bytes_on_this_relay(text: str, had: int, bits: int) -> None:
    update = refusal(text, pow_bits=had)
    assert (update.state, update.next_attempt_at) == (TargetState.OPEN, NOW)
    assert (update.drop_wrap, update.pow_bits) == (True, bits)


@pytest.mark.parametrize(
    ("text", "history"),
    [
        (f"pow: 0 < {MAX_POW_BITS + 1}", {}),
        ("pow: 0 < 256", {}),
        ("pow: required", {"pow_bits": 16}),
        ("pow: 0 < 8", {"wraps": MAX_WRAPS}),
    ],
)
def test_more_work_than_a_relay_gets(text: str, history: dict[str, Any]) -> None:
    assert refusal(text, **history).state is TargetState.REFUSED


UNKNOWN_OUTCOMES = [
    PublishReply(PublishOutcome.TIMEOUT),
    PublishReply(PublishOutcome.BUSY, "busy with what was sent before"),
    PublishReply(PublishOutcome.NOT_CONNECTED),
    PublishReply(PublishOutcome.AUTH_REQUIRED, "auth-required: who are you"),
    parse_ok(False, "error: database is locked"),
    parse_ok(False, "mute: not now"),
]


@pytest.mark.parametrize("reply", UNKNOWN_OUTCOMES, ids=lambda reply: reply.outcome.value)
@pytest.mark.parametrize(
    ("attempts", "longest"), [(0, 2), (1, 4), (2, 8), (7, 256), (8, 300), (500, 300)]
)
def test_the_same_bytes_again_later(reply: PublishReply, attempts: int, longest: int) -> None:
    """Full jitter: anything up to the doubled wait; never new bytes, never given up."""
    for draw in (0.0, 0.25, 0.999):
        update = verdict(reply, draw=draw, attempts=attempts)
        assert update.state is TargetState.OPEN
        assert update.next_attempt_at == NOW + max(1, math.ceil(longest * draw))
        assert not update.drop_wrap
        assert update.reason == (reply.text or reply.outcome.value)


@pytest.mark.parametrize("source", [TargetSource.CONFIGURED, TargetSource.NODE])
@pytest.mark.parametrize("attempts", [0, 1, 50])
def test_a_relay_we_stay_connected_to_is_waited_for_while_away(
    attempts: int, source: TargetSource
) -> None:
    """Its return makes the message due; to try meanwhile only fills the database."""
    away = PublishReply(PublishOutcome.NOT_CONNECTED, "connection refused")
    for draw, factor in ((0.0, 0.8), (0.5, 1.0)):
        update = verdict(away, draw=draw, attempts=attempts, source=source)
        assert update.state is TargetState.OPEN
        assert update.next_attempt_at == NOW + PACE.longest * factor
        assert not update.drop_wrap


@pytest.mark.parametrize(("attempts", "wait"), [(0, 5), (1, 10), (3, 40), (9, 300)])
def test_rate_limited_waits_longer(attempts: int, wait: int) -> None:
    for draw, factor in ((0.0, 0.5), (0.5, 1.0)):
        update = refusal("rate-limited: slow down", draw=draw, attempts=attempts)
        assert update.state is TargetState.OPEN
        assert update.next_attempt_at == NOW + math.ceil(wait * factor)
        assert not update.drop_wrap


@pytest.mark.parametrize("text", ["", "no", "policy-violation: go away", "filtered: spam"])
def test_words_of_no_known_meaning_are_given_up_the_third_time(text: str) -> None:
    for before, state in [(0, TargetState.OPEN), (1, TargetState.OPEN), (2, TargetState.REFUSED)]:
        update = refusal(text, unclear_replies=before)
        assert update.state is state
        assert update.unclear is (state is TargetState.OPEN)


@given(
    text=st.text(max_size=60),
    accepted=st.booleans(),
    draw=st.floats(0, 1, exclude_max=True),
    attempts=st.integers(0, 10**6),
    unclear=st.integers(0, 5),
    wraps=st.integers(0, 9),
    bits=st.integers(0, 30),
)
def test_whatever_a_relay_says(
    text: str, accepted: bool, draw: float, attempts: int, unclear: int, wraps: int, bits: int
) -> None:
    """An open target has a time within the longest waits; a closed one has none."""
    update = verdict(
        parse_ok(accepted, text),
        draw=draw,
        attempts=attempts,
        unclear_replies=unclear,
        wraps=wraps,
        pow_bits=bits,
    )
    assert (update.next_attempt_at is not None) == (update.state is TargetState.OPEN)
    if update.next_attempt_at is not None:
        assert NOW <= update.next_attempt_at <= NOW + 451
        # Due at once only with other bytes, and those are counted: no loop without an end.
        assert update.next_attempt_at > NOW or (update.drop_wrap and wraps < MAX_WRAPS)
    assert update.pow_bits <= MAX_POW_BITS
    assert accepted == (update.state is TargetState.ACCEPTED) or text.strip().lower().startswith(
        "duplicate"
    )
