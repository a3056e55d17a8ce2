"""How disputes begin and end at the desk, by the parties and by solvers.

Messages and addressees follow mostro: src/app/dispute.rs, src/app/release.rs,
src/app/cancel.rs, src/app/admin_settle.rs and src/app/admin_cancel.rs. Nodes since 0.19.1
give disputes that the parties close themselves a status of their own and tell the solver
(:attr:`~serbero.simulator.events.DisputeStyle.own_endings`).
"""

from typing import Final
from uuid import uuid4

from serbero.simulator import node_messages as say
from serbero.simulator.desk import Desk, Request
from serbero.simulator.node_log import Did, Drop, Verdict
from serbero.simulator.node_messages import Saying
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import (
    DISPUTABLE,
    INITIATED,
    INVALID_PUBKEY,
    NOT_FOUND,
    RELEASABLE,
    Closing,
    OrderStatus,
    judge_closing,
)
from serbero.simulator.orders import Order, Side

_BAD_STATUS: Final = "not_allowed_by_status"
_OPEN: Final = frozenset({INITIATED, "in-progress"})


async def open_dispute(desk: Desk, request: Request) -> Verdict:
    """A party's ``dispute``.

    Raises:
        PeerError: no relay took what the node sends; later effects did not happen.
    """
    order = desk.orders.get(request.subject)
    if order is None:
        return desk.refuse_request(request, NOT_FOUND)
    if desk.dispute_of(order) is not None:
        return Verdict(Drop.ALREADY_DISPUTED)
    if order.status not in DISPUTABLE:
        return desk.refuse_request(request, _BAD_STATUS)
    side = order.side_of(request.sender)
    if side is None:
        return desk.refuse_request(request, INVALID_PUBKEY)
    dispute = Dispute(str(uuid4()), side, desk.node.clock.now(), order_id=order.id)
    desk.node.disputes[dispute.id] = dispute
    await announce(desk, order, dispute, side, request.request_id)
    return Verdict(Did.OPENED)


async def announce(
    desk: Desk, order: Order, dispute: Dispute, side: Side, request_id: int | None
) -> None:
    """Begin a dispute of an order: tell both parties, publish the first revision.

    Raises:
        PeerError: no relay took what the node sends.
    """
    order.begin_dispute(side)
    for each, key in order.trade_keys.items():
        action = f"dispute-initiated-by-{'you' if each == side else 'peer'}"
        await desk.say(key, say.opened(action, order.id, request_id, dispute.id))
    await desk.revise(dispute, INITIATED)


async def release(desk: Desk, request: Request) -> Verdict:
    """The seller's ``release``, which during a dispute ends it.

    Raises:
        PeerError: no relay took what the node sends; later effects did not happen.
    """
    order = desk.orders.get(request.subject)
    if order is None:
        return desk.refuse_request(request, NOT_FOUND)
    if order.side_of(request.sender) != "seller":
        return desk.refuse_request(request, "invalid_peer")
    if order.status not in RELEASABLE:
        return desk.refuse_request(request, _BAD_STATUS)
    order.status = OrderStatus.SETTLED_HOLD_INVOICE
    if order.buyer is not None:
        await desk.say(order.buyer, say.told("released", order.id))
    for action in ("hold-invoice-payment-settled", "rate"):
        await desk.say(request.sender, say.told(action, order.id, request.request_id))
    await _closed_by_parties(desk, order, "settled", "released", "released")
    return Verdict(Did.RELEASED)


async def cancel(desk: Desk, request: Request) -> Verdict:
    """A party's ``cancel``: the first one asks, the other side's makes it so.

    Raises:
        PeerError: no relay took what the node sends; later effects did not happen.
    """
    order = desk.orders.get(request.subject)
    if order is None:
        return desk.refuse_request(request, NOT_FOUND)
    if order.status not in RELEASABLE:
        return desk.refuse_request(request, _BAD_STATUS)
    side = order.side_of(request.sender)
    if side is None or order.cancel_wanted_by == side:
        return desk.refuse_request(request, INVALID_PUBKEY)
    if order.cancel_wanted_by is None:
        order.cancel_wanted_by = side
        for each, key in order.trade_keys.items():
            action = f"cooperative-cancel-initiated-by-{'you' if each == side else 'peer'}"
            await desk.say(key, say.told(action, order.id, request.request_id))
        return Verdict(Did.CANCEL_ASKED)
    order.status = OrderStatus.COOPERATIVELY_CANCELED
    accepted = "cooperative-cancel-accepted"
    for key in order.trade_keys.values():
        await desk.say(key, say.told(accepted, order.id, request.request_id))
    await _closed_by_parties(desk, order, "seller-refunded", "cooperatively-canceled", accepted)
    return Verdict(Did.CANCELED_TOGETHER)


async def _closed_by_parties(desk: Desk, order: Order, old: str, new: str, action: str) -> None:
    """Publish the end of an open dispute, and on newer nodes tell whoever holds it."""
    dispute = desk.dispute_of(order)
    if dispute is None or dispute.saved not in _OPEN:
        return
    newer = desk.node.style.own_endings
    if newer and dispute.solver is not None:
        notice = say.closed_by_parties(action, order.id, dispute.id)
        await desk.say(dispute.solver, notice)
    await desk.revise(dispute, new if newer else old)


async def close(desk: Desk, request: Request, *, settles: bool) -> Verdict:
    """A solver's ``admin-settle`` or ``admin-cancel``.

    Raises:
        PeerError: no relay took what the node sends; later effects did not happen.
    """
    order = desk.orders.get(request.subject)
    dispute = desk.dispute_of(order) if order is not None else None
    closing = judge_closing(
        order.status if order is not None else None,
        desk.holder_of(dispute),
        caller=request.identity,
        category=desk.users.get(request.identity),
        node=desk.node.public_key,
        settles=settles,
        slashed=request.slashed,
        bonds=order.bonds if order is not None else (),
    )
    if order is None or dispute is None or closing not in _CARRIED_OUT:
        return desk.refuse_request(request, closing.value)
    if closing is Closing.ALREADY_CANCELED:
        notice = Saying("dispute", closing.value, request.request_id, order.id)
        await desk.say(request.identity, notice)
        return Verdict(Did.ALREADY_CANCELED)
    await _carry_out(desk, request, order, dispute, settles=settles)
    return Verdict(Did.SETTLED if settles else Did.CANCELED)


_CARRIED_OUT: Final = frozenset({Closing.DONE, Closing.ALREADY_CANCELED})


async def _carry_out(
    desk: Desk, request: Request, order: Order, dispute: Dispute, *, settles: bool
) -> None:
    """The effects of a settlement or a cancellation."""
    order.status = OrderStatus.SETTLED_BY_ADMIN if settles else OrderStatus.CANCELED_BY_ADMIN
    action = "admin-settled" if settles else "admin-canceled"
    await desk.revise(dispute, "settled" if settles else "seller-refunded")
    await desk.say(request.identity, Saying("dispute", action, request.request_id, order.id))
    parties_id = None if settles else request.request_id
    for side, key in order.trade_keys.items():
        await desk.say(key, say.told(action, order.id, parties_id))
        if side in request.slashed:
            slashed = Saying("order", "bond-slashed", None, order.id, {"order": order.small()})
            await desk.say(key, slashed)
