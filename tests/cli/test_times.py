"""Times as people type them."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.cli.times import NoTime, parse_span, parse_time

NOW = 1_795_000_000


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [
        ("30s", 30),
        ("90min", 5400),
        ("90m", 5400),
        ("12h", 43_200),
        ("3d", 259_200),
        (" 2 W ", 1_209_600),
    ],
)
def test_a_span(typed: str, seconds: int) -> None:
    assert parse_span(typed) == seconds
    assert parse_time(typed, NOW) == NOW - seconds


@pytest.mark.parametrize(
    ("typed", "at"),
    [
        ("2026-11-23", 1_795_392_000),
        ("2026-11-23 14:05", 1_795_442_700),
        ("2026-11-23T14:05:00Z", 1_795_442_700),
        ("2026-11-23T15:05+01:00", 1_795_442_700),
        ("1795442700", 1_795_442_700),
        ("999999999y", 0),
    ],
)
def test_a_moment(typed: str, at: int) -> None:
    assert parse_time(typed, NOW) == at


@pytest.mark.parametrize(
    "typed", ["", "soon", "3 days ago", "-3d", "23.11.2026", "2026-13-01", "1e9", "3dd"]
)
def test_no_time(typed: str) -> None:
    with pytest.raises(NoTime, match="expected a span such as"):
        parse_time(typed, NOW)


@pytest.mark.parametrize(
    ("typed", "found"),
    [("", "nothing"), ("yesterday", "`yesterday`"), ("\x1b[2J", "`[2J`"), ("9" * 40, "9`…|…`")],
)
def test_what_was_found_is_said(typed: str, found: str) -> None:
    with pytest.raises(NoTime) as problem:
        parse_span(typed)
    assert re.search(found if "|" in found else re.escape(f"; found {found}"), str(problem.value))


@given(st.text())
def test_any_text_is_a_time_or_none(typed: str) -> None:
    with contextlib.suppress(NoTime):
        assert parse_time(typed, NOW) >= 0
