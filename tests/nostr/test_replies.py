"""Every prefix of NIP-01 and NIP-42, and what relays really write."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.nostr.replies import (
    MAX_TEXT,
    ClosedPolicy,
    PublishOutcome,
    ReplyPrefix,
    clean,
    parse_closed,
    parse_ok,
    prefix_of,
)


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("duplicate: already have this event", PublishOutcome.DUPLICATE),
        ("pow: difficulty 26 is less than 30", PublishOutcome.POW),
        (
            "auth-required: we only accept events from registered users",
            PublishOutcome.AUTH_REQUIRED,
        ),
        ("restricted: not allowed to write", PublishOutcome.RESTRICTED),
        ("rate-limited: slow down there chief", PublishOutcome.RATE_LIMITED),
        ("blocked: you are banned from posting here", PublishOutcome.BLOCKED),
        ("invalid: event creation date is too far off", PublishOutcome.INVALID),
        ("unsupported: kind 1059", PublishOutcome.INVALID),
        ("mute: no one was listening", PublishOutcome.RETRY),
        ("error: could not connect to the database", PublishOutcome.RETRY),
        ("shadowbanned: whatever", PublishOutcome.RETRY),
        ("no colon at all", PublishOutcome.RETRY),
        ("", PublishOutcome.RETRY),
        ("BLOCKED : shouted", PublishOutcome.BLOCKED),
    ],
)
def test_refusals(message: str, outcome: PublishOutcome) -> None:
    assert parse_ok(accepted=False, message=message).outcome is outcome


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        ("", PublishOutcome.ACCEPTED),
        ("duplicate: have it", PublishOutcome.DUPLICATE),
        ("pow: difficulty 25>=24", PublishOutcome.ACCEPTED),
        ("blocked: but true wins", PublishOutcome.ACCEPTED),
    ],
)
def test_acceptances(message: str, outcome: PublishOutcome) -> None:
    reply = parse_ok(accepted=True, message=message)
    assert reply.outcome is outcome
    assert reply.outcome.delivered


@pytest.mark.parametrize(
    ("message", "bits"),
    [
        ("pow: 25>=24", 24),
        ("pow: difficulty 26 is less than 30", 30),
        ("pow: difficulty 0<28", 28),
        ("pow: 16 bits needed", 16),
        ("pow: too little work", None),
        ("pow: at least 9999 bits", None),
        ("blocked: 30", None),
    ],
)
def test_the_difficulty_a_relay_asks_for(message: str, bits: int | None) -> None:
    assert parse_ok(accepted=False, message=message).pow_bits == bits


def test_no_outcome_is_both_delivered_and_final() -> None:
    assert {each for each in PublishOutcome if each.final} == {
        PublishOutcome.RESTRICTED,
        PublishOutcome.BLOCKED,
        PublishOutcome.INVALID,
    }
    assert not any(each.delivered and each.final for each in PublishOutcome)


@pytest.mark.parametrize(
    ("message", "policy"),
    [
        ("auth-required: who are you", ClosedPolicy.AUTH),
        ("restricted: not you", ClosedPolicy.POLICY),
        ("blocked: not you", ClosedPolicy.POLICY),
        ("unsupported: filter", ClosedPolicy.POLICY),
        ("rate-limited: slow down", ClosedPolicy.TRANSIENT),
        ("error: shutting down", ClosedPolicy.TRANSIENT),
        ("invalid: filter", ClosedPolicy.TRANSIENT),
        ("duplicate: x", ClosedPolicy.TRANSIENT),
        ("pow: x", ClosedPolicy.TRANSIENT),
        ("mute: x", ClosedPolicy.TRANSIENT),
        ("weather: x", ClosedPolicy.TRANSIENT),
        ("just words", ClosedPolicy.TRANSIENT),
        ("", ClosedPolicy.TRANSIENT),
    ],
)
def test_closed(message: str, policy: ClosedPolicy) -> None:
    assert parse_closed(message).policy is policy


def test_unknown_and_missing_prefixes_differ() -> None:
    assert prefix_of("weather: rain") is ReplyPrefix.UNKNOWN
    assert prefix_of("rain") is ReplyPrefix.NONE


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=2_000), st.booleans())
def test_any_words_become_one_short_printable_line(message: str, accepted: bool) -> None:
    text = parse_ok(accepted, message).text
    assert len(text) <= MAX_TEXT
    assert all(c.isprintable() for c in text)
    assert text == clean(text)
