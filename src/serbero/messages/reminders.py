"""What solvers read while a dispute that was handed over waits for somebody."""

from typing import Final

from serbero.messages.spans import spelled
from serbero.model.texts import Fixed, Outgoing

_NOBODY: Final = "Nobody has dispute {short} yet.\nIt was handed over "
_LEASE_OVER: Final = (
    "Your ack of dispute {short} has run out, and nobody took it at the node.\n"
    "The others are reminded again. It was handed over "
)
_AGO: Final = " ago (reminder {number}).\n\n"
_HOW: Final = (
    "If you look after it, answer: ack {short}\n"
    "Then take it at the node, in Mostrix or with your own client.\n\n"
)
_HOW_AGAIN: Final = (
    "If you still look after it, answer: ack {short}\n"
    "Then take it at the node, in Mostrix or with your own client.\n\n"
)
_HOW_READER: Final = (
    "It takes a solver with write permission. One who looks after it can answer: ack {short}\n\n"
)
_ABOUT: Final = "dispute_id: {dispute_id}"
_ACKNOWLEDGED: Final = (
    "{name} looks after dispute {short}.\n"
    "Reminders rest until {clock} UTC, and go on if nobody has taken it by then.\n\n"
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
    how = _HOW_READER if not may_write else _HOW_AGAIN if lease_over else _HOW
    parts = [
        Fixed(_LEASE_OVER if lease_over else _NOBODY, short=short),
        spelled(waited_seconds),
        Fixed(_AGO, number=number),
        Fixed(how, short=short),
        Fixed(_ABOUT, dispute_id=dispute_id),
    ]
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
    return Outgoing(
        Fixed(_ACKNOWLEDGED, name=name, short=dispute_id[:SHORT], clock=clock),
        Fixed(_ABOUT, dispute_id=dispute_id),
    )
