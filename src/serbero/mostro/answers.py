"""What a node's message means for a solver. Pure.

The node answers a request in many shapes and volunteers others; wrappers vary between versions.
"""

from dataclasses import dataclass
from typing import Final

from serbero.mostro.dispute_info import DisputeInfo
from serbero.mostro.message import Action, CantDo, DisputePayload, Message


@dataclass(frozen=True, slots=True)
class TookDispute:
    """The dispute is ours; with everything that mediating it needs."""

    dispute_id: str
    request_id: int | None
    info: DisputeInfo


@dataclass(frozen=True, slots=True)
class CannotDo:
    """A refusal.

    Attributes:
        request_id: of the refused request; None where the node left it out.
        id: the refused request's, a dispute's or an order's.
        reason: a :class:`serbero.mostro.message.CantDoReason`, an unknown word, or None.
    """

    request_id: int | None
    id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ClosedByParties:
    """The parties closed the dispute we hold by themselves (nodes after 0.18.5 say so).

    Attributes:
        order_id: of the trade.
        dispute_id: of the dispute.
        action: ``released`` or ``cooperative-cancel-accepted``.
    """

    order_id: str | None
    dispute_id: str | None
    action: Action


@dataclass(frozen=True, slots=True)
class SolverAdded:
    """The node registered a solver; only its operator is told."""

    request_id: int | None


@dataclass(frozen=True, slots=True)
class OtherNotice:
    """Anything a solver need not act on: a log line and no more."""

    action: str


Answer = TookDispute | CannotDo | ClosedByParties | SolverAdded | OtherNotice

_CLOSINGS: Final = (Action.RELEASED, Action.COOPERATIVE_CANCEL_ACCEPTED)


def read_answer(message: Message) -> Answer:
    """What a message that came from the node says."""
    payload = message.payload
    match message.action:
        case Action.CANT_DO:
            reason = payload.reason if isinstance(payload, CantDo) else None
            return CannotDo(message.request_id, message.id, reason)
        case Action.ADMIN_TOOK_DISPUTE:
            return _took(message)
        case Action.ADMIN_ADD_SOLVER:
            return SolverAdded(message.request_id)
        case Action.RELEASED | Action.COOPERATIVE_CANCEL_ACCEPTED:
            return _closing(message)
        case _:
            return OtherNotice(message.action)


def _took(message: Message) -> TookDispute | OtherNotice:
    """Parties get the same action with the solver's key; an answer at odds with itself is none."""
    payload = message.payload
    if (
        not isinstance(payload, DisputePayload)
        or payload.info is None
        or message.id not in (None, payload.id)
    ):
        return OtherNotice(message.action)
    return TookDispute(payload.id, message.request_id, payload.info)


def _closing(message: Message) -> ClosedByParties | OtherNotice:
    """Told from the echo of an own ``admin-settle``, which has a request id and no payload."""
    payload = message.payload
    if message.request_id is not None or not isinstance(payload, DisputePayload):
        return OtherNotice(message.action)
    action = next(each for each in _CLOSINGS if each == message.action)
    return ClosedByParties(message.id, payload.id, action)
