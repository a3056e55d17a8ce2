"""Texts for solvers, byte for byte as the reference writes them.

Lines are separated by a newline and none ends with one. Other programs parse these texts: lines
keep their place and wording; new ones are only ever added at the end.
"""

from typing import Final

from serbero.model.reference_names import UNKNOWN

DM_TEST_SUBJECT: Final = "Serbero test"
DM_TEST: Final = (
    "This is a test message from Serbero, the dispute assistant of a Mostro node.\n"
    "Please answer with the word help: it shows the operator that messages reach you and that your "
    "answers come back."
)
"""What ``serbero doctor --dm-test`` sends."""

HELD_BY_SERBERO: Final = "note: held by Serbero (mediation); a human can take it over at any time"


def new_dispute(dispute_id: str, initiator: str, event_timestamp: int) -> str:
    """Say that a dispute was opened and needs somebody.

    Args:
        dispute_id: the dispute's UUID.
        initiator: ``buyer``, ``seller`` or ``unknown``.
        event_timestamp: ``created_at`` of the opening revision, Unix seconds.
    """
    return (
        "New Mostro dispute requires attention.\n"
        f"dispute_id: {dispute_id}\n"
        f"initiator: {initiator}\n"
        f"event_timestamp: {event_timestamp}\n"
        "status: initiated"
    )


def still_unattended(dispute_id: str, elapsed_seconds: int) -> str:
    """Remind that nobody took a dispute.

    Args:
        dispute_id: the dispute's UUID.
        elapsed_seconds: from the opening revision's ``created_at`` to the start of this round.
    """
    return (
        "Mostro dispute is still unattended.\n"
        f"dispute_id: {dispute_id}\n"
        "lifecycle_state: notified\n"
        f"time_elapsed_seconds: {elapsed_seconds}"
    )


def dispute_taken(dispute_id: str, assigned_solver: str | None, *, by_serbero: bool = False) -> str:
    """Say that somebody took a dispute.

    Args:
        dispute_id: the dispute's UUID.
        assigned_solver: who, in hex, where that is known (the node says it to nobody).
        by_serbero: whether that is us, which takes nothing away from the reader.
    """
    text = (
        "Mostro dispute has been taken.\n"
        f"dispute_id: {dispute_id}\n"
        f"assigned_solver: {assigned_solver or UNKNOWN}\n"
        "lifecycle_state: taken"
    )
    return f"{text}\n{HELD_BY_SERBERO}" if by_serbero else text


def subject(dispute_id: str) -> str:
    """Return the thread's subject: short enough for a phone, unique enough for a person."""
    return f"Dispute {dispute_id[:8]}"
