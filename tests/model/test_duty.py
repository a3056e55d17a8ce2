"""Quiet hours and weeks of duty, by each solver's own clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.model.duty import display, is_on_call, is_quiet, is_week, on_duty, quiet_until
from serbero.model.people import Quiet, Solver
from serbero.model.texts import Fixed

NIGHT = Quiet(22 * 60, 7 * 60)
ZONES = ["UTC", "Europe/Madrid", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]


def solver(zone: str = "UTC", quiet: Quiet | None = NIGHT, **more: object) -> Solver:
    return Solver("aa" * 32, "aa" * 32, timezone=zone, quiet=quiet, **more)  # type: ignore[arg-type]


def at(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("22:00-07:00", Quiet(1320, 420)),
        (" 9:30 - 17:05 ", Quiet(570, 1025)),
        ("00:00-23:59", Quiet(0, 1439)),
        ("22:00-22:00", None),
        ("24:00-07:00", None),
        ("22:60-07:00", None),
        ("night", None),
        ("", None),
    ],
)
def test_a_span_is_read_or_not(text: str, span: Quiet | None) -> None:
    assert Quiet.of(text) == span


@pytest.mark.parametrize(
    ("moment", "quiet"),
    [
        ("2026-11-23T21:59:59", False),
        ("2026-11-23T22:00:00", True),
        ("2026-11-24T00:00:00", True),
        ("2026-11-24T06:59:59", True),
        ("2026-11-24T07:00:00", False),
    ],
)
def test_a_night_is_the_solvers_own(moment: str, quiet: bool) -> None:
    for zone in ZONES:
        assert is_quiet(solver(zone), at(moment, zone)) is quiet


def test_without_a_span_nobody_sleeps() -> None:
    assert not is_quiet(solver(quiet=None), at("2026-11-24T03:00:00"))
    assert quiet_until(solver(quiet=None), at("2026-11-24T03:00:00")) is None


@pytest.mark.parametrize(
    ("evening", "hours"),
    [("2026-03-28T22:00:00", 8), ("2026-10-24T22:00:00", 10), ("2026-11-23T22:00:00", 9)],
)
def test_the_night_of_a_change_of_clocks_is_as_long_as_it_is(evening: str, hours: int) -> None:
    began = at(evening, "Europe/Madrid")
    assert quiet_until(solver("Europe/Madrid"), began) == began + hours * 3600


def test_a_span_that_begins_in_an_hour_that_is_left_out() -> None:
    """02:30 does not exist on 29 March in Madrid; the span begins when the clock is past it."""
    sleeper = solver("Europe/Madrid", Quiet(150, 240))
    change = int(datetime(2026, 3, 29, 1, tzinfo=UTC).timestamp())
    assert not is_quiet(sleeper, change - 1)
    assert is_quiet(sleeper, change)
    assert quiet_until(sleeper, change) == change + 3600


@given(
    st.integers(min_value=1_600_000_000, max_value=2_000_000_000),
    st.sampled_from(ZONES),
    st.integers(min_value=0, max_value=1439),
    st.integers(min_value=1, max_value=1439),
)
def test_the_end_is_the_first_moment_awake(now: int, zone: str, start: int, length: int) -> None:
    sleeper = solver(zone, Quiet(start, (start + length) % 1440))
    end = quiet_until(sleeper, now)
    if end is None:
        assert not is_quiet(sleeper, now)
        return
    assert is_quiet(sleeper, now)
    assert is_quiet(sleeper, end - 1)
    assert not is_quiet(sleeper, end)
    assert now < end <= now + 26 * 3600


@pytest.mark.parametrize(
    ("text", "week"),
    [("2026-W48", True), ("2026-W53", True), ("2025-W53", False), ("2026-W00", False),
     ("2026-48", False), ("0000-W01", False), ("٢٠٢٦-W48", False)],
)  # fmt: skip
def test_a_week_exists_or_not(text: str, week: bool) -> None:
    assert is_week(text) is week


def test_a_week_begins_on_the_solvers_monday() -> None:
    there = solver("Pacific/Apia", on_call=frozenset({"2026-W48"}))
    assert not is_on_call(there, at("2026-11-22T23:59:59", "Pacific/Apia"))
    assert is_on_call(there, at("2026-11-23T00:00:00", "Pacific/Apia"))
    assert is_on_call(there, at("2026-11-29T23:59:59", "Pacific/Apia"))
    assert not is_on_call(there, at("2026-11-30T00:00:00", "Pacific/Apia"))


def test_the_first_days_of_a_year_may_be_the_last_week_of_the_old_one() -> None:
    assert is_on_call(solver(on_call=frozenset({"2026-W53"})), at("2027-01-02T12:00:00"))


def test_where_nobody_is_on_call_everybody_is() -> None:
    one, other = (solver(on_call=frozenset({week})) for week in ("2026-W01", "2026-W48"))
    assert on_duty((one, other), at("2026-11-23T12:00:00")) == (other,)
    assert on_duty((one, other), at("2026-07-01T12:00:00")) == (one, other)


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Ana", "Ana"), ("Ana María", "Ana-Mar-a"), ("pay now: http://x", "pay-now-http-x"),
     ("", "aaaaaaaaaaaa"), ("...", "aaaaaaaaaaaa"), ("_ana", "ana"), ("-_.", "aaaaaaaaaaaa")],
)  # fmt: skip
def test_a_name_is_no_sentence(name: str, shown: str) -> None:
    assert display(solver(name=name)) == shown
    assert Fixed("{name}", name=shown).words == shown  # or nobody could be told who has a dispute
