"""Our standing with the node: every piece of news on every state, and the pace of the probes."""

from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.config.models import LARGEST_INTEGER, MediationSection
from serbero.mediation.standing import (
    ANOTHER_NAMED,
    LONGEST_WAIT_SECONDS,
    REST_SECONDS,
    Attempt,
    Change,
    Gate,
    RetryPace,
    Why,
    about_standing,
    error_of,
    gate,
    gave,
    granted,
    looked,
    refused,
    registration,
)
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.mostro.payloads import CantDoReason
from serbero.nostr.keys import npub
from serbero.store.standing import Standing, StandingState

NOW = 1_767_225_600
OWN = "4f355bdcb7cc0af728ef3cceb9615d90684bb5b2ca5f859ab0f0b704075871aa"
OTHER = "22" * 32
PACE = RetryPace.of(MediationSection())
WORD = "invalid_pubkey"

INFO = NodeInfo(
    node="aa" * 32,
    event_id="01" * 32,
    created_at=NOW - 100,
    transport=Transport.NIP44,
    protocol_version="2",
    pow=0,
    pow_first_contact=0,
    serbero=None,
    version="0.19.1",
    name=None,
    cltv_delta=144,
    bond_enabled=None,
    networks=(),
)

UNKNOWN = Standing(StandingState.UNKNOWN, NOW - 500)
AUTHORIZED = Standing(StandingState.AUTHORIZED, NOW - 500)
WAITING = Standing(StandingState.REFUSED, NOW - 30, 1, 0, NOW + 30)
DUE = Standing(StandingState.REFUSED, NOW - 60, 1, 0, NOW)
GIVEN_UP = Standing(StandingState.TERMINATED, NOW - 60, 24, 64_980, None, NOW - 100)
RESTED = replace(GIVEN_UP, since=NOW - REST_SECONDS)
FREE = (None, UNKNOWN, AUTHORIZED)
REFUSED = (WAITING, DUE, GIVEN_UP, RESTED)


def answered_no(held: Standing | None, now: int = NOW, pace: RetryPace = PACE) -> Change | None:
    return refused(held, now, pace, error=WORD, info=INFO)


def look(
    held: Standing | None, before: NodeInfo | None, info: NodeInfo | None, now: int = NOW
) -> Change | None:
    return looked(held, now, PACE, own_key=OWN, before=before, info=info)


def newer(
    info: NodeInfo = INFO, *, serbero: str | None = None, version: str | None = "0"
) -> NodeInfo:
    """A later info event; ``version`` 0 keeps it."""
    version = info.version if version == "0" else version
    stamp = info.created_at + 300
    return replace(info, created_at=stamp, event_id="02" * 32, serbero=serbero, version=version)


# --- the gate -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (None, Gate.OPEN),
        (UNKNOWN, Gate.OPEN),
        (AUTHORIZED, Gate.OPEN),
        (WAITING, Gate.PENDING),
        (DUE, Gate.OPEN),
        (GIVEN_UP, Gate.TERMINATED),
        (RESTED, Gate.OPEN),
    ],
)
def test_whether_a_dispute_may_be_taken(held: Standing | None, expected: Gate) -> None:
    assert gate(held, NOW, PACE) is expected


@pytest.mark.parametrize("held", [WAITING, GIVEN_UP])
def test_a_clock_that_was_wrong_keeps_nobody_waiting(held: Standing) -> None:
    """What was written a year ahead would otherwise close the gate for that year."""
    assert gate(held, NOW - 366 * 86_400, PACE) is Gate.OPEN


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("held", FREE)
def test_the_first_refusal_is_the_first_attempt(held: Standing | None) -> None:
    change = answered_no(held)
    assert change == Change(
        StandingState.UNKNOWN if held is None else held.state,
        Standing(StandingState.REFUSED, NOW, 1, 0, NOW + 60),
        Why.TAKE_REFUSED,
        attempt=Attempt(1, WORD),
    )
    assert (change.lost, change.moved, change.terminated) == (True, True, False)


def test_a_refused_probe_is_the_next_attempt_and_no_new_loss() -> None:
    change = answered_no(DUE, NOW + 7)
    assert change is not None
    assert change.standing == replace(DUE, attempts=2, waited_seconds=60, next_probe_at=NOW + 127)
    assert change.attempt == Attempt(2, WORD)
    assert (change.lost, change.moved) == (False, False)


@pytest.mark.parametrize("held", [WAITING, GIVEN_UP])
def test_a_refusal_that_was_asked_for_before_says_nothing_new(held: Standing) -> None:
    """Several disputes may be asked for at once; they must not use up the attempts."""
    assert answered_no(held) is None


def test_a_refusal_after_the_rest_is_a_first_attempt_but_no_loss() -> None:
    change = answered_no(RESTED)
    assert change is not None
    assert change.standing == Standing(StandingState.REFUSED, NOW, 1, 0, NOW + 60)
    assert (change.attempt, change.lost) == (Attempt(1, WORD), False)


def test_one_attempt_may_be_all_there_are() -> None:
    change = answered_no(AUTHORIZED, pace=replace(PACE, max_attempts=1))
    assert change is not None
    assert (change.standing.state, change.lost) == (StandingState.TERMINATED, True)
    assert change.terminated


def probe(pace: RetryPace, most: int) -> list[Change]:
    """Refuse us whenever a probe is due, until the node is given up or ``most`` refusals."""
    held, now, changes = None, NOW, list[Change]()
    while len(changes) < most and gate(held, now, pace) is Gate.OPEN:
        change = refused(held, now, pace, error=WORD, info=INFO)
        assert change is not None
        changes.append(change)
        held = change.standing
        now = held.next_probe_at or now
        assert held.next_probe_at is None or gate(held, now - 1, pace) is Gate.PENDING
    return changes


def test_the_loop_that_never_recovers() -> None:
    """Scenario 43: 24 attempts at 60, 120, ... 1920, 3600 s, ended exactly once."""
    changes = probe(PACE, 100)
    waits = [60, 120, 240, 480, 960, 1920] + [3600] * 17
    assert [each.attempt for each in changes] == [Attempt(n, WORD) for n in range(1, 25)]
    probes = [each.standing.next_probe_at for each in changes[:-1]]
    assert probes == [NOW + waited for waited in accumulate(waits)]
    assert [each.terminated for each in changes] == [False] * 23 + [True]
    assert changes[-1].standing == Standing(
        StandingState.TERMINATED, NOW + sum(waits), 24, sum(waits), None, INFO.created_at
    )


def test_the_sum_of_the_waits_ends_it_too() -> None:
    changes = probe(replace(PACE, max_total_seconds=180), 100)
    assert [each.standing.waited_seconds for each in changes] == [0, 60, 180]
    assert changes[-1].terminated


integers = st.integers(min_value=0, max_value=LARGEST_INTEGER) | st.integers(0, 10_000)


@given(
    pace=st.builds(
        RetryPace,
        initial_seconds=integers,
        max_interval_seconds=integers,
        max_total_seconds=integers,
        max_attempts=st.integers(0, 2**32 - 1) | st.integers(0, 40),
    )
)
def test_any_pace_is_bounded_and_kept(pace: RetryPace) -> None:
    changes = probe(pace, 60)
    assert [each.attempt for each in changes] == [
        Attempt(n, WORD) for n in range(1, len(changes) + 1)
    ]
    waits = [pace.wait(n) for n in range(1, len(changes))]
    assert waits == sorted(waits)
    assert all(1 <= wait <= LONGEST_WAIT_SECONDS for wait in waits)
    assert all(wait <= max(1, pace.max_interval_seconds) for wait in waits)
    sums = [0, *accumulate(waits)]
    assert [each.standing.waited_seconds for each in changes] == sums
    ended = [
        n >= pace.max_attempts or waited >= pace.max_total_seconds
        for n, waited in enumerate(sums, start=1)
    ]
    assert [each.terminated for each in changes] == ended
    assert not any(ended[:-1])
    assert ended[-1] or len(changes) == 60
    assert all((each.standing.next_probe_at or 0) <= LARGEST_INTEGER for each in changes)
    assert [each.lost for each in changes] == [True] + [False] * (len(changes) - 1)


# --- grants -------------------------------------------------------------------------------------


def test_two_refusals_then_a_grant() -> None:
    """Scenario 44: two attempts, recovered with the third."""
    *_, last = probe(PACE, 2)
    change = granted(last.standing, NOW + 180)
    assert change is not None
    assert change.recovered == 3
    assert change.standing == Standing(StandingState.AUTHORIZED, NOW + 180)
    assert change.attempt is None


def test_what_a_grant_changes() -> None:
    assert granted(AUTHORIZED, NOW) is None
    for held in (None, UNKNOWN):
        change = granted(held, NOW)
        assert change is not None
        assert (change.recovered, change.lost) == (None, False)
    after_rest = look(RESTED, INFO, INFO)
    assert after_rest is not None
    recovered = granted(after_rest.standing, NOW)
    assert recovered is not None
    assert recovered.recovered == 1


# --- the node's info event ----------------------------------------------------------------------

OURS, THEIRS = newer(serbero=OWN), newer(serbero=OTHER)


@pytest.mark.parametrize("before", [None, INFO, OURS])
@pytest.mark.parametrize("held", [None, UNKNOWN])
def test_the_tag_is_obeyed_where_nothing_is_known(
    held: Standing | None, before: NodeInfo | None
) -> None:
    change = look(held, before, OURS)
    assert change is not None
    assert (change.standing.state, change.why) == (StandingState.AUTHORIZED, Why.NAMED)
    change = look(held, before, THEIRS)
    assert change is not None
    assert (change.standing.state, change.lost) == (StandingState.REFUSED, True)
    assert change.attempt == Attempt(1, ANOTHER_NAMED)


@pytest.mark.parametrize("held", REFUSED)
def test_being_named_is_recovery(held: Standing) -> None:
    change = look(held, INFO, OURS)
    assert change is not None
    assert change.standing == Standing(StandingState.AUTHORIZED, NOW)
    assert change.recovered == held.attempts + 1


def test_that_another_is_named_ends_our_standing_at_once() -> None:
    for before in (INFO, OURS, newer(serbero="33" * 32)):
        change = look(AUTHORIZED, before, THEIRS)
        assert change is not None
        assert (change.lost, change.why) == (True, Why.ANOTHER_NAMED)
    for held in (WAITING, DUE):
        assert look(held, INFO, THEIRS) is None, "refused it is already"


@pytest.mark.parametrize("before", [None, OURS])
@pytest.mark.parametrize("held", [WAITING, DUE, GIVEN_UP])
def test_a_node_that_names_and_refuses_us_is_not_believed_every_five_minutes(
    held: Standing, before: NodeInfo | None
) -> None:
    again = replace(OURS, event_id="03" * 32)
    assert look(held, before, again) is None


@pytest.mark.parametrize("before", [None, THEIRS])
def test_a_node_that_names_another_and_lets_us_act_is_not_lost_again(
    before: NodeInfo | None,
) -> None:
    assert look(AUTHORIZED, before, replace(THEIRS, event_id="03" * 32)) is None


@pytest.mark.parametrize("held", [*FREE, *REFUSED[:3]])
@pytest.mark.parametrize("before", [None, INFO, OURS, THEIRS])
def test_a_look_at_nothing_says_nothing(held: Standing | None, before: NodeInfo | None) -> None:
    assert look(held, before, None) is None


@pytest.mark.parametrize("held", [None, UNKNOWN, AUTHORIZED, WAITING, DUE])
def test_no_tag_says_nothing(held: Standing | None) -> None:
    for before in (None, INFO, OURS, THEIRS):
        assert look(held, before, newer()) is None


@pytest.mark.parametrize("info", [newer(version="0.19.2"), newer(serbero=OTHER)])
def test_news_of_the_node_starts_the_probing_again(info: NodeInfo) -> None:
    change = look(GIVEN_UP, INFO, info)
    assert change is not None
    assert change.why is Why.NODE_CHANGED
    assert change.standing == Standing(StandingState.REFUSED, NOW, next_probe_at=NOW)
    assert gate(change.standing, NOW, PACE) is Gate.OPEN
    assert (change.lost, change.attempt, change.recovered) == (False, None, None)


@pytest.mark.parametrize(
    ("before", "info"),
    [
        (INFO, newer()),
        (newer(version="0.19.2"), INFO),
        (None, newer(version="0.19.2")),
    ],
    ids=["the same again", "older", "nothing to compare it with"],
)
def test_what_is_no_news_of_the_node(before: NodeInfo | None, info: NodeInfo) -> None:
    assert look(GIVEN_UP, before, info) is None


def test_the_first_word_of_a_node_given_up_without_one_is_news() -> None:
    change = look(replace(GIVEN_UP, info_created_at=None), None, INFO)
    assert change is not None
    assert change.why is Why.NODE_CHANGED


@pytest.mark.parametrize("info", [None, INFO])
def test_a_day_starts_the_probing_again(info: NodeInfo | None) -> None:
    assert look(GIVEN_UP, info, info, GIVEN_UP.since + REST_SECONDS - 1) is None
    change = look(GIVEN_UP, info, info, GIVEN_UP.since + REST_SECONDS)
    assert change is not None
    assert (change.why, change.standing.attempts) == (Why.TIME_PASSED, 0)


# --- words --------------------------------------------------------------------------------------


def test_which_refusals_are_about_us() -> None:
    about_us = {each for each in (None, WORD, "not_authorized") if about_standing(each)}
    assert about_us == {None, WORD, "not_authorized"}
    for word in ("not_found", "too_many_requests", "invalid_action", "taken_over", "new word"):
        assert not about_standing(word)
    assert gave("taken_over")
    assert not gave(WORD)


@given(st.text())
def test_the_trail_never_repeats_what_a_node_makes_up(word: str) -> None:
    fixed = error_of(word)
    assert fixed in {"other", *CantDoReason}


def test_words_of_errors() -> None:
    assert [error_of(each) for each in (None, WORD, "\x1b[31m")] == ["none", WORD, "other"]


def test_the_registration_is_spelt_out() -> None:
    assert f"admin-add-solver {npub(OWN)}:read" in registration(OWN)
