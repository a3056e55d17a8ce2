"""In which envelopes a message of ours goes out. Pure.

Every current client reads kind 14. A node of protocol 1 may have clients around it that know only
the gift wrap, and nothing tells which one a party has until it writes.
"""

from enum import StrEnum

from serbero.model.notification import Channel
from serbero.mostro.chat import Envelope


class LegacyChat(StrEnum):
    """``[chat].legacy``."""

    AUTO = "auto"
    """On a node of protocol 1 both envelopes until the party writes, then the one it uses."""
    NEVER = "never"
    """Kind 14 only."""
    ALWAYS = "always"
    """Both, always."""


def envelopes_for(
    setting: LegacyChat, *, speaks_v1: bool, party_uses: Envelope | None
) -> tuple[Channel, ...]:
    """Return the channels of one message to one party.

    Args:
        setting: ``[chat].legacy``.
        speaks_v1: whether the node speaks protocol 1.
        party_uses: what the party last wrote in; None before it wrote.
    """
    if setting is LegacyChat.NEVER:
        return (Channel.CHAT,)
    if setting is LegacyChat.ALWAYS:
        return (Channel.CHAT, Channel.CHAT_LEGACY)
    if party_uses is Envelope.KIND14:
        return (Channel.CHAT,)
    if party_uses is Envelope.GIFT_WRAP:
        return (Channel.CHAT_LEGACY,)
    return (Channel.CHAT, Channel.CHAT_LEGACY) if speaks_v1 else (Channel.CHAT,)
