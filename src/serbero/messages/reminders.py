"""What solvers read while a dispute that was handed over waits for somebody."""

from typing import Final

from serbero.model.texts import Fixed, Outgoing

_REMINDER: Final = (
    "Nobody has this dispute yet.\n"
    "dispute_id: {dispute_id}\n"
    "handed_over: {minutes} minutes ago\n"
    "reminder: {number}\n"
    "\n"
)
_HOW: Final = (
    "If you have it, answer: ack {short}\n"
    "Then take it at the node, in Mostrix or with your own client."
)
_HOW_READER: Final = "A solver with write permission can answer: ack {short}"
_LEASE_OVER: Final = "\nYour ack has run out, and nobody took it at the node."
_ACKNOWLEDGED: Final = (
    "{name} has this dispute.\n"
    "dispute_id: {dispute_id}\n"
    "until: {clock} UTC, unless it is taken at the node before"
)
_LINE_END: Final = "\n"
SHORT: Final = 8
"""Characters of an id that people type."""


def reminder(
    dispute_id: str,
    number: int,
    waited_seconds: int,
    *,
    may_write: bool,
    lease_over: bool = False,
    deadline: Fixed | None = None,
) -> Outgoing:
    """Remind one solver.

    Args:
        dispute_id: which dispute.
        number: which reminder, from 1.
        waited_seconds: since it was handed over.
        may_write: whether the reader may say ``ack``.
        lease_over: whether the reader said so, and the time for it has passed.
        deadline: the escrow's line, where that is known.
    """
    short = dispute_id[:SHORT]
    parts = [
        Fixed(
            _REMINDER, dispute_id=dispute_id, minutes=max(0, waited_seconds) // 60, number=number
        ),
        Fixed(_HOW if may_write else _HOW_READER, short=short),
    ]
    if lease_over:
        parts.append(Fixed(_LEASE_OVER))
    if deadline is not None:
        parts += [Fixed(_LINE_END), deadline]
    return Outgoing(*parts)


def acknowledged(dispute_id: str, name: str, clock: str) -> Outgoing:
    """Tell the others who has a dispute.

    Args:
        dispute_id: which.
        name: what that solver is called, see :func:`serbero.model.duty.display`.
        clock: until when, as ``HH:MM``.
    """
    return Outgoing(Fixed(_ACKNOWLEDGED, name=name, dispute_id=dispute_id, clock=clock))
