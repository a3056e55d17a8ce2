"""Steps of a ladder and whom they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.model.ladder import (
    DEFAULT_POLICY,
    DEFAULT_STEPS,
    EVERYONE,
    REPEAT_SECONDS,
    Policy,
    Step,
    audience,
    means_somebody,
)
from serbero.model.people import Permission, Solver

ANA = Solver("a" * 64, "a" * 64, permission=Permission.WRITE, name="Ana", groups=frozenset({"n"}))
BEN = Solver("b" * 64, "b" * 64, permission=Permission.WRITE)
CAI = Solver("c" * 64, "c" * 64, name="Cai", groups=frozenset({"n"}))
ALL = (ANA, BEN, CAI)


def test_the_default_goes_on_hourly_for_ever() -> None:
    assert [DEFAULT_POLICY.step(number) for number in range(1, 6)] == [
        *DEFAULT_STEPS,
        Step(1800 + 3600, EVERYONE),
        Step(1800 + 7200, EVERYONE),
        Step(1800 + 10800, EVERYONE),
    ]


@given(st.lists(st.tuples(st.integers(1, 10**6), st.text()), min_size=1))
def test_a_policy_is_what_was_stored(steps: list[tuple[int, str]]) -> None:
    policy = Policy(tuple(Step(*each) for each in steps))
    assert Policy.of_json(policy.to_json()) == policy


@pytest.mark.parametrize("text", ["", "{}", "[]", "[[1]]", "null", '[["x", 1]]', "[1]"])
def test_what_is_no_policy_is_the_default(text: str) -> None:
    assert Policy.of_json(text) == DEFAULT_POLICY


@given(st.integers(1, 500))
def test_times_only_grow(number: int) -> None:
    later = (
        DEFAULT_POLICY.step(number + 1).after_seconds - DEFAULT_POLICY.step(number).after_seconds
    )
    assert 0 < later <= REPEAT_SECONDS


@pytest.mark.parametrize(
    ("to", "assigned", "meant"),
    [
        ("everyone", None, ALL),
        ("writers", None, (ANA, BEN)),
        ("assigned", "b" * 64, (BEN,)),
        ("assigned", "c" * 64, (CAI,)),
        ("assigned", "f" * 64, (ANA, BEN)),
        ("assigned", None, (ANA, BEN)),
        ("solver:ana", None, (ANA,)),
        ("solver: CAI ", None, (CAI,)),
        ("solver:", None, ()),
        ("group:N", None, (ANA, CAI)),
        ("group:none", None, ()),
    ],
)
def test_whom_a_step_means(to: str, assigned: str | None, meant: tuple[Solver, ...]) -> None:
    assert audience(to, ALL, assigned) == meant
    assert means_somebody(to, ALL) is bool(meant)


def test_a_step_to_nobody_in_particular_reaches_somebody() -> None:
    assert audience("writers", (CAI,), None) == (CAI,)
    assert audience("assigned", (CAI,), None) == (CAI,)
    assert not means_somebody("sometimes", ALL)
