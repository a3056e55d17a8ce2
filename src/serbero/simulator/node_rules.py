"""What a node allows whom, as pure tables.

Source: Mostro, src/app/admin_take_dispute.rs `pubkey_event_can_solve`, src/app/admin_settle.rs,
src/app/admin_cancel.rs, src/db.rs `ensure_dispute_finalize_permission`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final


class Category(IntEnum):
    """What a registered key may do; the values are the node's own (column ``category``).

    ``NONE`` is a row of somebody who trades and solves nothing.
    """

    NONE = 0
    READ = 1
    READ_WRITE = 2


class OrderStatus(StrEnum):
    """States of an order, as far as disputes meet them."""

    ACTIVE = "active"
    FIAT_SENT = "fiat-sent"
    DISPUTE = "dispute"
    SETTLED_BY_ADMIN = "settled-by-admin"
    CANCELED_BY_ADMIN = "canceled-by-admin"
    SETTLED_HOLD_INVOICE = "settled-hold-invoice"
    COOPERATIVELY_CANCELED = "cooperatively-canceled"


INITIATED: Final = "initiated"
IN_PROGRESS: Final = "in-progress"
DISPUTABLE: Final = frozenset({OrderStatus.ACTIVE, OrderStatus.FIAT_SENT})
RELEASABLE: Final = DISPUTABLE | {OrderStatus.DISPUTE}
"""Where the seller may release and both may cancel together."""

INVALID_PUBKEY: Final = "invalid_pubkey"
NOT_FOUND: Final = "not_found"


class Take(StrEnum):
    """What becomes of an ``admin-take-dispute``."""

    FIRST = "first"
    AGAIN = "again"
    OVER = "over"
    REFUSED = "refused"
    NO_REPLY = "no-reply"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who a dispute is assigned to.

    Attributes:
        key: hex.
        category: of the row that key has; None where it has none.
    """

    key: str
    category: Category | None


def judge_take(
    status: str | None,
    holder: Holder | None,
    *,
    caller: str,
    category: Category | None,
    node: str,
) -> Take:
    """Say what a take of a dispute does.

    Args:
        status: of the dispute in the node's database; None where there is no such dispute.
        holder: the solver on record.
        caller: the identity that asks, hex.
        category: of the caller's row; None where it has none.
        node: the node's own key, hex: the administrator.
    """
    if status is None:
        return Take.NO_REPLY
    is_node = caller == node
    if status == INITIATED:
        return Take.FIRST if is_node or _solves(category) else Take.REFUSED
    if status != IN_PROGRESS:
        return Take.REFUSED
    if holder is not None and holder.key == caller:
        return Take.AGAIN
    if is_node:
        return Take.OVER
    if holder is None or holder.key == node or holder.category is not Category.READ:
        return Take.REFUSED
    return Take.OVER if category is Category.READ_WRITE else Take.REFUSED


def _solves(category: Category | None) -> bool:
    return category is not None and category is not Category.NONE


class Closing(StrEnum):
    """What becomes of ``admin-settle`` and ``admin-cancel``; the refusals are the node's words."""

    DONE = "done"
    ALREADY_CANCELED = "cooperative-cancel-accepted"
    NOT_FOUND = "not_found"
    NOT_YOURS = "is_not_your_dispute"
    ADMIN_HAS_IT = "dispute_taken_by_admin"
    NOT_AUTHORIZED = "not_authorized"
    WRONG_STATUS_TO_SETTLE = "invalid_order_status"
    WRONG_STATUS_TO_CANCEL = "not_allowed_by_status"
    NO_SUCH_BOND = "invalid_payload"


def judge_closing(
    status: OrderStatus | None,
    holder: Holder | None,
    *,
    caller: str,
    category: Category | None,
    node: str,
    settles: bool,
    slashed: Collection[str] = (),
    bonds: Collection[str] = (),
) -> Closing:
    """Say what settling or cancelling an order as a solver does; the first rule that fits wins.

    Args:
        status: of the order; None where there is no such order.
        holder: the solver on record for its dispute.
        caller: the identity that asks, hex.
        category: of the caller's row.
        node: the node's own key, hex.
        settles: whether it is a settlement; otherwise a cancellation.
        slashed: sides whose bond the caller wants slashed.
        bonds: sides with a locked bond.
    """
    if status is None:
        return Closing.NOT_FOUND
    if holder is None or holder.key != caller:
        held_by_node = holder is not None and holder.key == node
        return Closing.ADMIN_HAS_IT if held_by_node else Closing.NOT_YOURS
    if caller != node and category is not Category.READ_WRITE:
        return Closing.NOT_AUTHORIZED
    if status is OrderStatus.COOPERATIVELY_CANCELED:
        return Closing.ALREADY_CANCELED
    if status is not OrderStatus.DISPUTE:
        return Closing.WRONG_STATUS_TO_SETTLE if settles else Closing.WRONG_STATUS_TO_CANCEL
    return Closing.DONE if set(slashed) <= set(bonds) else Closing.NO_SUCH_BOND
