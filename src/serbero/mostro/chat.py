"""The dispute chat's current envelope: a signed kind 14 event around a signed kind 1 event.

Source: protocol, ``src/chat.md`` and ``src/dispute_chat.md``; mostro-core, ``src/chat/wrap.rs`` and
``src/chat/unwrap.rs``. The outer event is written by a key both ends of the channel share, so only
the inner signature tells who wrote. The steps are checked in the protocol's order, cheapest first.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from nostr_sdk import (
    Event,
    EventBuilder,
    Keys,
    Kind,
    Nip44Version,
    NostrSdkError,
    SingleThreadPow,
    Tag,
    Timestamp,
    nip44_decrypt,
    nip44_encrypt,
)

from serbero.mostro.attachments import Attachment, recognise
from serbero.mostro.chat_keys import ChatKeys
from serbero.nostr.signing import signed

CHAT_KIND: Final = 14
INNER_KIND: Final = 1
MAX_SKEW_SECONDS: Final = 60
"""Inclusive; of the outer time against our clock and of the inner against the outer."""
MAX_CONTENT_BYTES: Final = 65_536
"""Of the encrypted content."""
MAX_INNER_BYTES: Final = 40_960
"""Of the inner event's JSON: more does not fit the content limit once padded (NIP-44)."""


class Envelope(StrEnum):
    """What a message came in."""

    KIND14 = "kind14"
    GIFT_WRAP = "gift-wrap"


class ChatRejection(StrEnum):
    """Why an event is no message of a channel; the first failing check names it."""

    KIND = "kind"
    AUTHOR = "author"
    P_TAG = "p-tag"
    ABSOLUTE_TIME = "absolute-time"
    SIZE = "size"
    OUTER_DUPLICATE = "outer-dedup"
    BUDGET = "budget"
    OUTER_SIGNATURE = "outer-signature"
    DECRYPT = "decrypt"
    INNER_PARSE = "inner-parse"
    INNER_SIGNATURE = "inner-signature"
    INNER_SIGNER = "inner-signer"
    INNER_KIND = "inner-kind"
    INNER_DUPLICATE = "inner-dedup"
    RELATIVE_TIME = "relative-time"

    @property
    def step(self) -> int:
        """The protocol's number of the check (protocol: ``src/chat.md``, receiving)."""
        return _STEPS[self]


_STEPS: Final = {
    ChatRejection.KIND: 1,
    ChatRejection.AUTHOR: 1,
    ChatRejection.P_TAG: 2,
    ChatRejection.ABSOLUTE_TIME: 3,
    ChatRejection.SIZE: 4,
    ChatRejection.OUTER_DUPLICATE: 5,
    ChatRejection.BUDGET: 6,
    ChatRejection.OUTER_SIGNATURE: 7,
    ChatRejection.DECRYPT: 8,
    ChatRejection.INNER_PARSE: 8,
    ChatRejection.INNER_SIGNATURE: 9,
    ChatRejection.INNER_SIGNER: 10,
    ChatRejection.INNER_KIND: 11,
    ChatRejection.INNER_DUPLICATE: 12,
    ChatRejection.RELATIVE_TIME: 13,
}


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message whose writer is proven.

    Attributes:
        inner_id: id of the signed inner event, hex: what makes it the same message.
        author: who signed it, hex.
        text: what was written; for an attachment its description, never its address or key.
        created_at: Unix seconds, chosen by the writer.
        outer_id: id of the event it came in, hex.
        outer_created_at: that event's time; random in the past for a gift wrap.
        attachment: what the text was, if it was one.
        envelope: what it came in.
    """

    inner_id: str
    author: str
    text: str = field(repr=False)
    created_at: int
    outer_id: str
    outer_created_at: int
    attachment: Attachment | None = field(repr=False)
    envelope: Envelope


def inner_message(keys: Keys, text: str, created_at: int) -> Event:
    """Return the signed inner event of one text of ours.

    A random ``u`` tag, as the mobile client adds, keeps two equal texts of one second apart: the
    second would be dropped as a replay (Source: mobile, ``createChatRumor``).

    Args:
        keys: the writer's own.
        text: what to say.
        created_at: Unix seconds.
    """
    return signed(keys, INNER_KIND, text, [["u", secrets.token_hex(8)]], created_at)


def wrap(chat_keys: ChatKeys, inner: Event, pow_bits: int = 0) -> Event:
    """Return the kind 14 event around ``inner``; encrypted anew at each call.

    Args:
        chat_keys: of the channel.
        inner: from :func:`inner_message`; its time becomes the outer time.
        pow_bits: leading zero bits of the id (NIP-13); every bit doubles the work, callers cap it.
    """
    conversation = chat_keys.conversation
    # Both ends of the key exchange are K_conv: that is how the protocol encrypts to a channel.
    content = nip44_encrypt(
        conversation.secret_key(), conversation.public_key(), inner.as_json(), Nip44Version.V2
    )
    unsigned = (
        EventBuilder(Kind(CHAT_KIND), content)
        .tags([Tag.parse(["p", chat_keys.address])])
        .custom_created_at(Timestamp.from_secs(inner.created_at().as_secs()))
        .finalize_unsigned(chat_keys.signing.public_key())
    )
    if pow_bits:
        unsigned = unsigned.mine(SingleThreadPow(), pow_bits)
    return chat_keys.signing.sign_event(unsigned)


def screen(fields: Mapping[str, Any], chat_keys: ChatKeys, now: int) -> ChatRejection | None:
    """Steps 1 to 4, without any cryptography; None when they hold.

    Args:
        fields: the outer event as its NIP-01 object.
        chat_keys: of the channel.
        now: Unix seconds.
    """
    if fields["kind"] != CHAT_KIND:
        return ChatRejection.KIND
    if fields["pubkey"] != chat_keys.author:
        return ChatRejection.AUTHOR
    return screen_addressed(fields, chat_keys.address, now)


def screen_addressed(fields: Mapping[str, Any], address: str, now: int) -> ChatRejection | None:
    """Steps 2 to 4, which both envelopes share: exactly one ``p`` tag, time, size."""
    receivers = [tag[1:2] for tag in fields["tags"] if tag[:1] == ["p"]]
    if receivers != [[address]]:
        return ChatRejection.P_TAG
    if fields["created_at"] > now + MAX_SKEW_SECONDS:
        return ChatRejection.ABSOLUTE_TIME
    content = fields["content"]
    # Every character is at least one byte; what is no base64 is not worth counting exactly.
    if (
        len(content) > MAX_CONTENT_BYTES
        or len(content.encode("utf-8", "surrogatepass")) > MAX_CONTENT_BYTES
    ):
        return ChatRejection.SIZE
    return None


def unwrap(
    event: Event, chat_keys: ChatKeys, allowed: frozenset[str], now: int
) -> ChatMessage | ChatRejection:
    """Steps 1 to 4, 7 to 11 and 13. Remembering ids and budgets are the caller's.

    Args:
        event: anything a relay sent.
        chat_keys: of the channel.
        allowed: who may have signed the inner event, hex.
        now: Unix seconds.
    """
    fields = json.loads(event.as_json())
    if (why := screen(fields, chat_keys, now)) is not None:
        return why
    if not event.verify():
        return ChatRejection.OUTER_SIGNATURE
    return open_verified(fields, chat_keys, allowed)


def open_verified(
    fields: Mapping[str, Any], chat_keys: ChatKeys, allowed: frozenset[str]
) -> ChatMessage | ChatRejection:
    """Steps 8 to 11 and 13, of an event that was screened and whose signature was verified."""
    conversation = chat_keys.conversation
    try:
        plain = nip44_decrypt(
            conversation.secret_key(), conversation.public_key(), fields["content"]
        )
    except NostrSdkError:
        return ChatRejection.DECRYPT
    message = open_inner(plain, fields, allowed, Envelope.KIND14)
    if isinstance(message, ChatRejection):
        return message
    if abs(message.created_at - message.outer_created_at) > MAX_SKEW_SECONDS:
        return ChatRejection.RELATIVE_TIME
    return message


def open_inner(
    plain: str, outer: Mapping[str, Any], allowed: frozenset[str], envelope: Envelope
) -> ChatMessage | ChatRejection:
    """Steps 8 (parsing) to 11: the inner event, which alone proves who wrote."""
    try:
        inner = Event.from_json(plain)
    except NostrSdkError:
        return ChatRejection.INNER_PARSE
    if not inner.verify():
        return ChatRejection.INNER_SIGNATURE
    fields = json.loads(inner.as_json())
    if fields["pubkey"] not in allowed:
        return ChatRejection.INNER_SIGNER
    if fields["kind"] != INNER_KIND:
        return ChatRejection.INNER_KIND
    text = fields["content"]
    attachment = recognise(text)
    return ChatMessage(
        inner_id=fields["id"],
        author=fields["pubkey"],
        text=text if attachment is None else attachment.description,
        created_at=fields["created_at"],
        outer_id=outer["id"],
        outer_created_at=outer["created_at"],
        attachment=attachment,
        envelope=envelope,
    )
