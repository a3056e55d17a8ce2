"""Purposes, states and recipients of messages in plain words."""

from collections.abc import Mapping
from typing import Final

from serbero.cli.page import word
from serbero.cli.solver_keys import solver_name
from serbero.model.notification import CHAT_CHANNELS, OutboxState, Purpose
from serbero.store.outbox_lookup import Letter

PURPOSES: Final[Mapping[str, str]] = {
    Purpose.INITIAL: "new dispute",
    Purpose.RENOTIFICATION: "nobody took it yet",
    Purpose.ASSIGNMENT: "somebody took it",
    Purpose.PARTY_MESSAGE: "question to a party",
    Purpose.MEDIATION_SUMMARY: "mediation's summary",
    Purpose.MEDIATION_ESCALATION: "needs a human",
    Purpose.MEDIATION_BRIEF: "brief for who took it",
    Purpose.RESOLUTION_REPORT: "final report",
    Purpose.HANDOFF: "hand-off",
    Purpose.REMINDER: "hand-off still waits",
    Purpose.ACKNOWLEDGED: "somebody has it",
    Purpose.DEADLINE_WARNING: "escrow ends soon",
    Purpose.DIGEST: "digest",
    Purpose.ANSWER: "answer to a command",
}

STATES: Final[Mapping[str, str]] = {
    OutboxState.PENDING: "no relay has it yet",
    OutboxState.SENT: "a relay has it",
    OutboxState.DEAD: "given up: no relay took it before its deadline",
    OutboxState.WITHDRAWN: "withdrawn: it stopped being true, or a person dropped it",
}


def purpose_words(purpose: str) -> str:
    """What a message is for."""
    return PURPOSES.get(purpose) or word(purpose)


def to_party(letter: Letter) -> bool:
    """Whether a message goes to a party of a dispute; their keys are shown to nobody."""
    return letter.channel in tuple(CHAT_CHANNELS)


def recipient_words(letter: Letter) -> str:
    """To whom, in short."""
    if to_party(letter):
        return "party" if letter.party is None else word(letter.party)
    return solver_name(letter.recipient)
