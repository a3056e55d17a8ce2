"""What a message to a solver is, by its first line. Pure."""

from enum import StrEnum
from typing import Final

from serbero.messages import solver as texts

READER: Final = "Alice"
WRITER: Final = "Bruno"
SLEEPER: Final = "Chiara"
"""The solvers: one the node lets read only, one who may take and close, and, where a scenario has
her, one who may as well and sleeps."""


class Letter(StrEnum):
    """The messages a solver may get in a scenario; the value is what people call it."""

    OPENED = "a new dispute"
    REMINDED = "a reminder"
    HELD = "Serbero has it"
    TAKEN = "a person has it"
    SUMMARY = "a summary"
    ESCALATED = "a hand-over"
    ESCALATED_UNTAKEN = "a hand-over without a take"
    BRIEF = "a brief"
    HANDOFF = "the hand-off"
    CALL = "a call for somebody"
    WHO = "word of who has it"
    DIGEST = "a digest"
    REPORT = "a final report"
    STRANGE = "something unknown"


CAN_WAIT: Final = frozenset({Letter.REMINDED, Letter.HELD, Letter.TAKEN, Letter.REPORT})
"""Kept for the digest of a solver who sleeps; nothing else is."""


_BEGINNINGS: Final = (
    (texts.new_dispute("", "", 0).splitlines()[0], Letter.OPENED),
    (texts.still_unattended("", 0).splitlines()[0], Letter.REMINDED),
    ("Mediation summary for dispute ", Letter.SUMMARY),
    ("Mediation session ", Letter.ESCALATED),
    ("Dispute ", Letter.ESCALATED_UNTAKEN),
    ("Mediation brief", Letter.BRIEF),
    ("mediation_resolution_report/v1", Letter.REPORT),
    ("escalation_handoff/v1", Letter.HANDOFF),
    ("Nobody has dispute ", Letter.CALL),
    ("While you were away, ", Letter.DIGEST),
)
_WHO: Final = " looks after dispute "
_TAKEN: Final = texts.dispute_taken("", None).splitlines()[0]


def kind_of(text: str) -> Letter:
    """Return what a message is."""
    lines = text.splitlines()
    if not lines:
        return Letter.STRANGE
    if lines[0] == _TAKEN:
        return Letter.HELD if lines[-1] == texts.HELD_BY_SERBERO else Letter.TAKEN
    if _WHO in lines[0]:
        return Letter.WHO
    known = (kind for beginning, kind in _BEGINNINGS if lines[0].startswith(beginning))
    return next(known, Letter.STRANGE)
