"""The transition table and the order of revisions."""

from itertools import permutations, product

import pytest

from serbero.model.lifecycle import (
    TRANSITIONS,
    DisputeStatus,
    IllegalTransition,
    Lifecycle,
    check_transition,
    newer,
)

REFERENCE = {
    ("new", "notified"),
    ("new", "taken"),
    ("new", "resolved"),
    ("notified", "taken"),
    ("notified", "resolved"),
    ("taken", "waiting"),
    ("taken", "escalated"),
    ("taken", "resolved"),
    ("waiting", "taken"),
    ("waiting", "escalated"),
    ("waiting", "resolved"),
    ("escalated", "resolved"),
}
"""The reference's moves, less the two it declares and never writes (notified to itself and to
escalated)."""

OURS = {(state.value, "new") for state in Lifecycle if state is not Lifecycle.NEW} | {
    ("escalated", "taken"),
    ("resolved", "taken"),
}
"""Any state reopens, a human takes what was escalated, a closed dispute is found taken."""


def test_the_table_is_the_references_plus_ours() -> None:
    written = {(one.value, other.value) for one in Lifecycle for other in TRANSITIONS[one]}
    assert written == REFERENCE | OURS


@pytest.mark.parametrize(("current", "wanted"), list(product(Lifecycle, Lifecycle)))
def test_check_refuses_what_the_table_does_not_hold(current: Lifecycle, wanted: Lifecycle) -> None:
    if (current.value, wanted.value) in REFERENCE | OURS:
        check_transition(current, wanted)
        return
    with pytest.raises(IllegalTransition) as refused:
        check_transition(current, wanted)
    assert str(refused.value) == f"invalid state transition: {current.value} -> {wanted.value}"


def test_ranks() -> None:
    ranks = {status.value: status.rank for status in DisputeStatus}
    assert ranks == {
        "initiated": 0,
        "in-progress": 1,
        "settled": 2,
        "seller-refunded": 2,
        "released": 2,
        "cooperatively-canceled": 2,
    }
    assert all(status.terminal == (status.rank == 2) for status in DisputeStatus)


def test_newer_is_a_strict_order() -> None:
    orders = list(product((10, 11), DisputeStatus))
    for one, other in permutations(orders, 2):
        assert not (newer(one, other) and newer(other, one))
    assert not any(newer(one, one) for one in orders)


def test_time_comes_first_and_the_rank_only_breaks_ties() -> None:
    assert newer((11, DisputeStatus.INITIATED), (10, DisputeStatus.SETTLED))
    assert newer((10, DisputeStatus.IN_PROGRESS), (10, DisputeStatus.INITIATED))
    assert not newer((10, DisputeStatus.RELEASED), (10, DisputeStatus.SETTLED))
