"""What solvers read of an escrow's end."""

from typing import Final

from serbero.model.texts import Fixed, Outgoing

_LINE: Final = "escrow_deadline: {at} ({certainty})"
_WARNING: Final = (
    "The escrow of a dispute ends soon: nobody can settle it afterwards.\n"
    "dispute_id: {dispute_id}\n"
    "minutes_left: {minutes}\n"
)
KNOWN: Final = "known"
ESTIMATED: Final = "estimated"


def line(at: int, *, known: bool) -> Fixed:
    """Return the line that is added to hand-offs and reminders; ``at`` in Unix seconds."""
    return Fixed(_LINE, at=at, certainty=KNOWN if known else ESTIMATED)


def warning(dispute_id: str, at: int, now: int, *, known: bool) -> Outgoing:
    """Warn that an escrow ends at ``at``, Unix seconds."""
    minutes = max(0, at - now) // 60
    return Outgoing(Fixed(_WARNING, dispute_id=dispute_id, minutes=minutes), line(at, known=known))
