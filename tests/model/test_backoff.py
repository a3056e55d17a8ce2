"""Waiting times: growth, caps, jitter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.model.backoff import exponential, full_jitter, jittered


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(0, 2), (1, 2), (2, 4), (3, 8), (8, 256), (9, 300), (10_000, 300), (10**9, 300)],
)
def test_doubles_up_to_the_ceiling(attempt: int, seconds: float) -> None:
    assert exponential(attempt, 2, 300) == seconds


def test_the_ceiling_holds_for_the_first_wait_too() -> None:
    assert exponential(1, 600, 300) == 300


@given(attempt=st.integers(0, 2**40), initial=st.floats(0.01, 1e4), ceiling=st.floats(0.01, 1e6))
def test_never_negative_never_above_the_ceiling(
    attempt: int, initial: float, ceiling: float
) -> None:
    wait = exponential(attempt, initial, ceiling)
    assert 0 < wait <= ceiling
    assert wait <= exponential(attempt + 1, initial, ceiling)


@given(wait=st.floats(0, 1e6), draw=st.floats(0, 1, exclude_max=True))
def test_jitter_stays_in_its_bounds(wait: float, draw: float) -> None:
    assert 0 <= full_jitter(wait, draw) <= wait
    assert wait * 0.8 <= jittered(wait, 0.2, draw) <= wait * 1.2000001
