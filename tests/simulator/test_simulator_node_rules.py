"""The node's tables of who may do what, row by row."""

import pytest

from serbero.simulator.node_rules import (
    Category,
    Closing,
    Holder,
    OrderStatus,
    Take,
    judge_closing,
    judge_take,
)

NODE, READER, WRITER, OTHER, STRANGER, TRADER = "node", "reader", "writer", "other", "nobody", "t"
USERS = {
    READER: Category.READ,
    "second reader": Category.READ,
    WRITER: Category.READ_WRITE,
    OTHER: Category.READ_WRITE,
    TRADER: Category.NONE,
}


def holder(key: str | None) -> Holder | None:
    return None if key is None else Holder(key, USERS.get(key))


def take(status: str | None, held_by: str | None, caller: str) -> Take:
    return judge_take(status, holder(held_by), caller=caller, category=USERS.get(caller), node=NODE)


@pytest.mark.parametrize(
    ("status", "held_by", "caller", "expected"),
    [
        (None, None, WRITER, Take.NO_REPLY),
        (None, None, NODE, Take.NO_REPLY),
        ("initiated", None, READER, Take.FIRST),
        ("initiated", None, WRITER, Take.FIRST),
        ("initiated", None, NODE, Take.FIRST),
        ("initiated", None, STRANGER, Take.REFUSED),
        ("initiated", None, TRADER, Take.REFUSED),
        ("in-progress", READER, READER, Take.AGAIN),
        ("in-progress", WRITER, WRITER, Take.AGAIN),
        ("in-progress", NODE, NODE, Take.AGAIN),
        ("in-progress", READER, WRITER, Take.OVER),
        ("in-progress", READER, "second reader", Take.REFUSED),
        ("in-progress", READER, STRANGER, Take.REFUSED),
        ("in-progress", READER, TRADER, Take.REFUSED),
        ("in-progress", WRITER, OTHER, Take.REFUSED),
        ("in-progress", WRITER, READER, Take.REFUSED),
        ("in-progress", NODE, WRITER, Take.REFUSED),
        ("in-progress", None, WRITER, Take.REFUSED),
        ("in-progress", STRANGER, WRITER, Take.REFUSED),
        ("in-progress", READER, NODE, Take.OVER),
        ("in-progress", WRITER, NODE, Take.OVER),
        ("in-progress", None, NODE, Take.OVER),
        *(
            (status, READER, caller, Take.REFUSED)
            for status in ("settled", "seller-refunded", "released", "cooperatively-canceled")
            for caller in (READER, WRITER, NODE, STRANGER)
        ),
    ],
)
def test_who_may_take(status: str | None, held_by: str | None, caller: str, expected: Take) -> None:
    assert take(status, held_by, caller) is expected


def closing(
    status: OrderStatus | None,
    held_by: str | None,
    caller: str,
    *,
    settles: bool = True,
    slashed: frozenset[str] = frozenset(),
) -> Closing:
    return judge_closing(
        status,
        holder(held_by),
        caller=caller,
        category=USERS.get(caller),
        node=NODE,
        settles=settles,
        slashed=slashed,
        bonds={"buyer"},
    )


@pytest.mark.parametrize(
    ("status", "held_by", "caller", "expected"),
    [
        (None, None, WRITER, Closing.NOT_FOUND),
        (OrderStatus.DISPUTE, None, WRITER, Closing.NOT_YOURS),
        (OrderStatus.DISPUTE, READER, WRITER, Closing.NOT_YOURS),
        (OrderStatus.DISPUTE, WRITER, NODE, Closing.NOT_YOURS),
        (OrderStatus.DISPUTE, WRITER, READER, Closing.NOT_YOURS),
        (OrderStatus.DISPUTE, NODE, WRITER, Closing.ADMIN_HAS_IT),
        (OrderStatus.DISPUTE, READER, READER, Closing.NOT_AUTHORIZED),
        (OrderStatus.COOPERATIVELY_CANCELED, READER, READER, Closing.NOT_AUTHORIZED),
        (OrderStatus.COOPERATIVELY_CANCELED, WRITER, WRITER, Closing.ALREADY_CANCELED),
        (OrderStatus.DISPUTE, WRITER, WRITER, Closing.DONE),
        (OrderStatus.DISPUTE, NODE, NODE, Closing.DONE),
    ],
)
@pytest.mark.parametrize("settles", [True, False])
def test_who_may_close(
    status: OrderStatus | None, held_by: str | None, caller: str, expected: Closing, settles: bool
) -> None:
    assert closing(status, held_by, caller, settles=settles) is expected


def test_settling_and_cancelling_refuse_a_wrong_status_differently() -> None:
    settled = OrderStatus.SETTLED_HOLD_INVOICE
    assert closing(settled, WRITER, WRITER, settles=True) == "invalid_order_status"
    assert closing(settled, WRITER, WRITER, settles=False) == "not_allowed_by_status"


def test_a_bond_that_is_not_locked_cannot_be_slashed() -> None:
    dispute = OrderStatus.DISPUTE
    assert closing(dispute, WRITER, WRITER, slashed=frozenset({"buyer"})) is Closing.DONE
    assert closing(dispute, WRITER, WRITER, slashed=frozenset({"seller"})) is Closing.NO_SUCH_BOND
