"""In which envelopes a message of ours goes out. Pure.

Every current client reads kind 14. A party on an older one may know only the gift wrap, and nothing
tells which one it has until it writes.
"""

from dataclasses import dataclass
from enum import StrEnum

from serbero.model.notification import Channel
from serbero.mostro.chat import Envelope


class LegacyChat(StrEnum):
    """``[chat].legacy``."""

    AUTO = "auto"
    """As the party writes. Before it does: both envelopes on a node of protocol 1, else kind 14."""
    NEVER = "never"
    """Kind 14 only."""
    ALWAYS = "always"
    """Both, always."""


@dataclass(frozen=True, slots=True)
class PartyUse:
    """What a party wrote in, and when.

    Attributes:
        envelope: which.
        written_at: by the party's clock, but never beyond ours; Unix seconds.
    """

    envelope: Envelope
    written_at: int


def latest_use(known: PartyUse | None, envelope: Envelope, created_at: int, now: int) -> PartyUse:
    """Return what the party used last once this message of its is known too.

    Messages are read in any order: gift wraps of a day may come after this morning's kind 14.

    Args:
        known: so far.
        envelope: of this message.
        created_at: of its inner event, Unix seconds.
        now: Unix seconds.
    """
    new = PartyUse(envelope, min(created_at, now))
    # A time beyond our clock was taken while that was ahead, and would outlast every other.
    if known is None or known.written_at > now or new.written_at > known.written_at:
        return new
    tie = new.written_at == known.written_at
    return new if tie and envelope is Envelope.KIND14 else known


def envelopes_for(
    setting: LegacyChat, *, speaks_v1: bool, party_uses: Envelope | None
) -> tuple[Channel, ...]:
    """Return the channels of one message to one party.

    Args:
        setting: ``[chat].legacy``.
        speaks_v1: whether the node speaks protocol 1.
        party_uses: in what the party wrote its latest message; None before it wrote.
    """
    if setting is LegacyChat.NEVER:
        return (Channel.CHAT,)
    if setting is LegacyChat.ALWAYS:
        return (Channel.CHAT, Channel.CHAT_LEGACY)
    if party_uses is Envelope.KIND14:
        return (Channel.CHAT,)
    if party_uses is Envelope.GIFT_WRAP and speaks_v1:
        return (Channel.CHAT_LEGACY,)
    # Around a node of protocol 2 every client is expected to read kind 14, so that is never left
    # out there (protocol: src/dispute_chat.md).
    unsure = speaks_v1 or party_uses is Envelope.GIFT_WRAP
    return (Channel.CHAT, Channel.CHAT_LEGACY) if unsure else (Channel.CHAT,)
