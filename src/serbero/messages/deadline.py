"""What solvers read of an escrow's end."""

from typing import Final

from serbero.messages.spans import spelled
from serbero.model.texts import Fixed, Outgoing

_LINE: Final = "escrow_deadline: {at} ({certainty})"
_ENDS: Final = "The escrow of dispute {short} ends in "
_KNOWN: Final = ".\nAfter that nobody can settle it.\n\n"
_ESTIMATED: Final = ", perhaps sooner (an estimate).\nAfter that nobody can settle it.\n\n"
_ABOUT: Final = "dispute_id: {dispute_id}\n"
_SHORT: Final = 8
KNOWN: Final = "known"
ESTIMATED: Final = "estimated"


def line(at: int, *, known: bool) -> Fixed:
    """Return the line that is added to hand-offs and reminders; ``at`` in Unix seconds."""
    return Fixed(_LINE, at=at, certainty=KNOWN if known else ESTIMATED)


def warning(dispute_id: str, at: int, now: int, *, known: bool) -> Outgoing:
    """Warn that an escrow ends at ``at``, Unix seconds."""
    return Outgoing(
        Fixed(_ENDS, short=dispute_id[:_SHORT]),
        spelled(at - now),
        Fixed(_KNOWN if known else _ESTIMATED),
        Fixed(_ABOUT, dispute_id=dispute_id),
        line(at, known=known),
    )
