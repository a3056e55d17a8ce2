"""The dispute chat's old envelope: a gift wrap without a seal around the signed inner event.

Source: mostro-core up to 0.14.0, ``src/chat/wrap.rs`` and ``src/chat/unwrap.rs``. The wrap is
written by a key made for it and addressed to the public key of the raw shared secret, so anybody
who ever saw that address can write to it; only the inner signature counts.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from nostr_sdk import (
    Event,
    EventBuilder,
    Keys,
    Kind,
    Nip44Version,
    NostrSdkError,
    PublicKey,
    SingleThreadPow,
    Tag,
    Timestamp,
    nip44_decrypt,
    nip44_encrypt,
)

from serbero.mostro.chat import (
    ChatMessage,
    ChatRejection,
    Envelope,
    open_inner,
    screen_addressed,
)
from serbero.mostro.chat_keys import ChatKeys
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND

_EXPIRATION_GRAIN_SECONDS: Final = 3600
"""The expiration tag is public; rounding it up keeps it from telling the send time."""


def wrap(
    chat_keys: ChatKeys,
    inner: Event,
    *,
    expires_at: int | None,
    created_at: int | None = None,
    pow_bits: int = 0,
) -> Event:
    """Return a gift wrap around ``inner``; another one at each call.

    Args:
        chat_keys: of the channel.
        inner: the signed inner event.
        expires_at: Unix seconds after which relays may drop it (NIP-40), rounded up to the hour;
            None for never.
        created_at: Unix seconds; None takes a random time in the two days before the inner one.
        pow_bits: leading zero bits of the id (NIP-13); callers cap it.
    """
    one_time = Keys.generate()
    receiver = PublicKey.parse(chat_keys.legacy_address)
    content = nip44_encrypt(one_time.secret_key(), receiver, inner.as_json(), Nip44Version.V2)
    tags = [Tag.parse(["p", chat_keys.legacy_address])]
    if expires_at is not None:
        grain = _EXPIRATION_GRAIN_SECONDS
        tags.append(Tag.expiration(Timestamp.from_secs(-(-expires_at // grain) * grain)))
    if created_at is None:
        created_at = inner.created_at().as_secs() - secrets.randbelow(BACKDATING_SECONDS + 1)
    unsigned = (
        EventBuilder(Kind(GIFT_WRAP_KIND), content)
        .tags(tags)
        .custom_created_at(Timestamp.from_secs(max(0, created_at)))
        .finalize_unsigned(one_time.public_key())
    )
    if pow_bits:
        unsigned = unsigned.mine(SingleThreadPow(), pow_bits)
    return one_time.sign_event(unsigned)


def screen(fields: Mapping[str, Any], chat_keys: ChatKeys, now: int) -> ChatRejection | None:
    """What can be checked without cryptography; the author is nobody. None when it holds."""
    if fields["kind"] != GIFT_WRAP_KIND:
        return ChatRejection.KIND
    return screen_addressed(fields, chat_keys.legacy_address, now)


def unwrap(
    event: Event, chat_keys: ChatKeys, allowed: frozenset[str], now: int
) -> ChatMessage | ChatRejection:
    """Check and open one wrap; the steps are those of the current envelope where they apply.

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
    return open_verified(fields, chat_keys, allowed, now)


def open_verified(
    fields: Mapping[str, Any], chat_keys: ChatKeys, allowed: frozenset[str], now: int
) -> ChatMessage | ChatRejection:
    """Open a wrap that was screened and whose signature was verified.

    No time of a wrap can be held against another: the outer one is random. So a message dated
    ahead is accepted, as written now: its signature proves who wrote, and it counts only once.
    """
    try:
        author = PublicKey.parse(fields["pubkey"])
        plain = nip44_decrypt(chat_keys.legacy.secret_key(), author, fields["content"])
    except NostrSdkError:
        return ChatRejection.DECRYPT
    message = open_inner(plain, fields, allowed, Envelope.GIFT_WRAP)
    if isinstance(message, ChatMessage) and message.created_at > now:
        return replace(message, created_at=now)
    return message
