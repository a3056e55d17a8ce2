"""What we say to a party: decided and stored in the caller's transaction, sent by the outbox."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa
from nostr_sdk import Event, Keys

from serbero.chat.envelopes import LegacyChat, envelopes_for
from serbero.model.notification import Purpose, Urgency
from serbero.model.party import Party
from serbero.mostro.chat import MAX_INNER_BYTES, inner_message
from serbero.store import chats, outbox

_MAX_TEXT_BYTES: Final = MAX_INNER_BYTES
"""Before it is escaped; the event's own size is checked as well."""


class CannotSayError(Exception):
    """A message that cannot go out; nothing was written. Its text never repeats the message."""


class NoChannelError(CannotSayError):
    """The party has no open channel: never opened, or closed."""


class UnsayableTextError(CannotSayError):
    """The text is empty, too long for a chat event, or no Unicode text."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who writes, and how.

    Attributes:
        keys: ours; the author of the inner event.
        legacy: ``[chat].legacy``.
        deadline_seconds: how long relays are tried.
        speaks_v1: whether the node speaks protocol 1 just now; called on a database thread.
    """

    keys: Keys = field(repr=False)
    legacy: LegacyChat
    deadline_seconds: int
    speaks_v1: Callable[[], bool]


def say(
    tx: sa.Connection,
    speaker: Speaker,
    dispute_id: str,
    party: Party,
    text: str,
    *,
    anchor: str,
    at_ms: int,
    session_id: str | None = None,
) -> Event | None:
    """Enqueue one message to a party, in every envelope it needs.

    Args:
        tx: the caller's transaction.
        speaker: who writes.
        dispute_id: which dispute.
        party: which side.
        text: the final words.
        anchor: what makes it this message: the same anchor never makes a second one.
        at_ms: Unix milliseconds of the decision.
        session_id: the mediation session, if any.

    Returns:
        The signed inner event, or None if this anchor was said to this party before.

    Raises:
        NoChannelError: no open channel.
        UnsayableTextError: this text cannot be sent.
    """
    channel = chats.channel(tx, dispute_id, party)
    if channel is None or channel.closed_at is not None:
        state = "was never opened" if channel is None else "is closed"
        raise NoChannelError(f"the chat with the {party} of {dispute_id} {state}")
    if chats.was_said(tx, dispute_id, anchor, channel.trade_key):
        return None
    inner, inner_json = _inner(speaker.keys, text, at_ms // 1000)
    outbox.enqueue(
        tx,
        [
            outbox.NewMessage(
                purpose=Purpose.PARTY_MESSAGE,
                dispute_id=dispute_id,
                anchor=anchor,
                recipient=channel.trade_key,
                recipient_typed=channel.trade_key,
                notif_type=None,
                rumor_id=inner.id().to_hex(),
                rumor_json=inner_json,
                urgency=Urgency.NOTICE,
                enqueued_ms=at_ms,
                deadline_at=at_ms // 1000 + speaker.deadline_seconds,
                channel=each,
                session_id=session_id,
            )
            for each in envelopes_for(
                speaker.legacy, speaks_v1=speaker.speaks_v1(), party_uses=channel.envelope
            )
        ],
    )
    return inner


def _inner(keys: Keys, text: str, created_at: int) -> tuple[Event, str]:
    if not text.strip():
        raise UnsayableTextError("the message is empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UnsayableTextError("the message holds half a character (a lone surrogate)") from None
    if size > _MAX_TEXT_BYTES:
        raise UnsayableTextError(f"the message has {size} bytes, {_MAX_TEXT_BYTES} at most")
    inner = inner_message(keys, text, created_at)
    inner_json = inner.as_json()
    if len(inner_json.encode()) > MAX_INNER_BYTES:
        raise UnsayableTextError(f"the message's event has more than {MAX_INNER_BYTES} bytes")
    return inner, inner_json
