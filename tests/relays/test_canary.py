"""The proof of hearing, as pure decisions."""

from serbero.nostr.replies import PublishOutcome
from serbero.relays.canary import Canary, Proof, Step
from serbero.relays.settings import RelaySettings

SETTINGS = RelaySettings()
ROUND = SETTINGS.canary_timeout_seconds


def _round(canary: Canary, now: float) -> tuple[list[Step], float]:
    """Let a whole round pass in silence; returns its steps and when it ended."""
    steps = []
    while True:
        due = canary.next_due()
        assert due is not None
        now = max(now, due)
        step = canary.tick(now)
        assert step is not None
        steps.append(step)
        if step not in (Step.SEND, Step.PROBE):
            return steps, now


def _heard(canary: Canary, now: float) -> None:
    assert canary.tick(now) is Step.SEND
    canary.sent(f"c{now}", now)
    assert canary.echo(f"c{now}", now + 0.04) is not None


def _proven() -> Canary:
    canary = Canary(SETTINGS)
    canary.connected()
    canary.asked(0.0)
    canary.heard(0.0)
    _heard(canary, 0.0)
    return canary


def test_an_echo_proves_and_the_next_round_waits() -> None:
    canary = _proven()
    assert canary.proof is Proof.HEARING
    assert canary.last_milliseconds == 40
    assert canary.next_due() == 0.04 + SETTINGS.canary_interval_seconds


def test_two_unheard_canaries_are_a_miss_then_a_new_request_then_a_new_connection() -> None:
    canary = _proven()
    steps, now = _round(canary, 0.0)
    assert steps == [Step.SEND, Step.SEND, Step.ASK_AGAIN]
    assert now < 26, "a deaf relay must be asked again well within half a minute"
    assert canary.proof is Proof.DEAF
    canary.asked(now)
    steps, now = _round(canary, now)
    assert steps == [Step.SEND, Step.SEND, Step.RECONNECT]
    assert now < 31


def test_doubt_outlives_the_connection_until_an_echo() -> None:
    canary = _proven()
    _, now = _round(canary, 0.0)
    canary.connected()
    canary.asked(now)
    canary.heard(now)
    before = canary.proof
    _heard(canary, now)
    assert (before, canary.proof) == (Proof.DEAF, Proof.HEARING)


def test_a_relay_that_echoed_once_is_never_excused() -> None:
    canary, now = _proven(), 0.0
    for _ in range(12):
        steps, now = _round(canary, now)
        assert Step.FALL_BACK not in steps
        canary.asked(now)
    assert canary.proof is Proof.DEAF


def test_a_relay_that_never_shows_ephemeral_events_is_probed() -> None:
    canary, now, ends = Canary(SETTINGS), 0.0, []
    canary.connected()
    for _ in range(3):
        canary.asked(now)
        canary.heard(now)
        steps, now = _round(canary, now)
        ends.append(steps[-1])
    assert ends == [Step.ASK_AGAIN, Step.RECONNECT, Step.FALL_BACK]
    assert canary.tick(now) is Step.PROBE
    canary.probe_answered(now)
    assert canary.proof is Proof.UNPROVEN
    steps, _ = _round(canary, now)
    assert steps == [Step.PROBE, Step.PROBE, Step.ASK_AGAIN]


def test_a_relay_that_never_answers_is_not_excused_either() -> None:
    canary, now = Canary(SETTINGS), 0.0
    canary.connected()
    for _ in range(12):
        canary.asked(now)
        steps, now = _round(canary, now)
        assert Step.FALL_BACK not in steps
    assert canary.proof is Proof.DEAF


def test_a_refused_write_is_probed_for_the_whole_connection() -> None:
    canary = Canary(SETTINGS)
    canary.connected()
    canary.asked(0.0)
    canary.heard(0.0)
    assert canary.tick(0.0) is Step.SEND
    canary.refused(PublishOutcome.BLOCKED, 0.1)
    assert canary.tick(0.1) is Step.PROBE
    canary.probe_answered(0.2)
    assert canary.proof is Proof.UNPROVEN
    assert canary.tick(0.2 + SETTINGS.canary_interval_seconds) is Step.PROBE


def test_a_rate_limited_write_is_probed_once_and_tried_again() -> None:
    canary = _proven()
    assert canary.tick(21.0) is Step.SEND
    canary.refused(PublishOutcome.RATE_LIMITED, 21.1)
    assert canary.tick(21.1) is Step.PROBE
    canary.probe_answered(21.2)
    assert canary.proof is Proof.UNPROVEN
    assert canary.tick(45.0) is Step.SEND


def test_a_late_echo_still_counts_and_a_strangers_does_not() -> None:
    canary = _proven()
    assert canary.tick(21.0) is Step.SEND
    canary.sent("late", 21.0)
    assert canary.tick(23.5) is Step.SEND
    assert canary.echo("another", 24.0) is None
    assert canary.echo("late", 24.0) == 3_000
    assert canary.proof is Proof.HEARING


def test_a_canary_behind_a_burst_is_late_not_lost_but_not_for_ever() -> None:
    canary, now, sent = _proven(), 0.0, 0
    for _ in range(100):
        due = canary.next_due()
        assert due is not None
        now = max(now, due)
        canary.event_seen(now)
        step = canary.tick(now)
        if step is not Step.SEND:
            break
        sent += 1
    assert step is Step.ASK_AGAIN
    assert 80 < now < 95, "a minute after the first miss"
    assert sent <= 40
