"""What is sent to whom, by which road: types, purposes, channels, outbox states."""

from enum import IntEnum, StrEnum
from typing import Final


class NotificationType(StrEnum):
    """``notifications.notif_type``: the values the reference writes and knows."""

    INITIAL = "initial"
    RENOTIFICATION = "re-notification"
    ASSIGNMENT = "assignment"
    MEDIATION_SUMMARY = "mediation_summary"
    MEDIATION_ESCALATION_RECOMMENDED = "mediation_escalation_recommended"
    MEDIATION_RESOLUTION_REPORT = "mediation_resolution_report"
    ESCALATION = "escalation"


class Purpose(StrEnum):
    """Why an outbox row exists; settlement is chosen by it."""

    INITIAL = "initial"
    """A dispute was opened (or reopened)."""
    RENOTIFICATION = "re-notification"
    """Nobody took it for a while."""
    ASSIGNMENT = "assignment"
    """Somebody took it."""
    PARTY_MESSAGE = "party_message"
    """Words of ours to a party, in the dispute chat."""
    MEDIATION_SUMMARY = "mediation_summary"
    """What a mediation found, for whoever decides."""
    MEDIATION_ESCALATION = "mediation_escalation"
    """Serbero does not go on: a human is asked."""
    MEDIATION_BRIEF = "mediation_brief"
    """What was asked and answered, for the human who took the dispute over."""
    RESOLUTION_REPORT = "resolution_report"
    """How a dispute ended that mediation had to do with."""
    HANDOFF = "escalation_handoff"
    """The package a human goes on from."""
    REMINDER = "escalation_reminder"
    """What was handed over still waits for somebody."""
    ACKNOWLEDGED = "escalation_acknowledged"
    """Somebody said that they have it."""
    DEADLINE_WARNING = "deadline_warning"
    """The escrow of a dispute will soon be gone."""
    DIGEST = "digest"
    """What was held back in a quiet time."""
    ANSWER = "answer"
    """What a solver asked us for."""


class Channel(StrEnum):
    """The envelope an outbox row travels in."""

    NIP17 = "nip17"
    """Rumor, seal, gift wrap: any Nostr client that knows private messages."""
    MOSTRO = "mostro"
    """A signed kind 14 event with ``send-dm`` inside, as Mostro's own clients read it."""
    CHAT = "chat"
    """The dispute chat: a signed kind 14 event of the channel's key."""
    CHAT_LEGACY = "chat_legacy"
    """The dispute chat as older clients read it: a gift wrap without a seal."""


SOLVER_CHANNELS: Final = (Channel.NIP17, Channel.MOSTRO)
"""Roads to a solver; the others lead to a party."""
CHAT_CHANNELS: Final = (Channel.CHAT, Channel.CHAT_LEGACY)
"""Roads to a party."""


class OutboxState(StrEnum):
    """What became of one logical message."""

    PENDING = "pending"
    """No relay has it yet; attempts go on until the deadline."""
    SENT = "sent"
    """At least one relay took it; the other targets go on until the deadline."""
    DEAD = "dead"
    """The deadline passed and no relay took it."""
    WITHDRAWN = "withdrawn"
    """It stopped being true before any relay took it."""


class TargetState(StrEnum):
    """What one relay said to one logical message."""

    OPEN = "open"
    """Not yet, or an answer after which another attempt can help."""
    ACCEPTED = "accepted"
    """``OK true``, or ``duplicate:``."""
    REFUSED = "refused"
    """An answer after which no attempt can help on this relay."""


class TargetSource(StrEnum):
    """Why a relay is a target."""

    CONFIGURED = "configured"
    """One of ``[[relays]]``."""
    INBOX = "inbox"
    """The recipient's own: ``[[solvers]] relays`` or kind 10050."""
    NODE = "node"
    """One the Mostro node says it is connected to (kind 10002)."""


class Urgency(IntEnum):
    """Order within one claim: smaller goes first."""

    ALERT = 0
    """A dispute needs somebody now."""
    NOTICE = 1
    """Something to know."""
