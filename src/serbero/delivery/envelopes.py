"""The envelope of an outbox row: the signed event that goes to relays, made for its channel.

A row holds what is said, its channel how that travels. A new envelope of the same row is another
event of the same message, so the caller stores the bytes before it publishes them.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from nostr_sdk import Event, Keys, NostrSdkError

from serbero.model.notification import CHAT_CHANNELS, Channel
from serbero.mostro import chat, legacy_chat, transport
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.mostro.message import send_dm
from serbero.mostro.node_info import Transport
from serbero.nostr.wrap import Special, Wrap, gift_wrap
from serbero.store.outbox_work import Row

KEPT_CHAT_KEYS: Final = 256
"""Channels whose keys are remembered: deriving them again costs a millisecond."""


class UnsealableError(ValueError):
    """No envelope can be made of a row, now or ever; the text repeats nothing of the message."""


class Envelopes:
    """Makes them. Used by more than one thread at once."""

    def __init__(self, keys: Keys, expiration_seconds: int) -> None:
        """Keep what is the same for all.

        Args:
            keys: ours: every row must be of their hand.
            expiration_seconds: how long relays are asked to keep an envelope (NIP-40); those of
                the current dispute chat carry no expiration, as no client's do.
        """
        self._keys = keys
        self._public = keys.public_key().to_hex()
        self._expiration_seconds = expiration_seconds
        # Only public keys are kept to find them by; they are forgotten with this object.
        self._chat_keys: Callable[[str], ChatKeys] = lru_cache(KEPT_CHAT_KEYS)(self._derive)

    def make(self, row: Row, special: Special | None, now: int) -> Wrap:
        """Return a new envelope of ``row``.

        Args:
            row: the message.
            special: what a relay demanded when it refused the ordinary one; None for that one.
                The time of a chat message is its writer's: a wish for another is not met there.
            now: Unix seconds.

        Raises:
            UnsealableError: nothing can be made of this row.
        """
        try:
            return self._make(row, special, now)
        except UnsealableError:
            raise
        except (NostrSdkError, ValueError, TypeError, LookupError) as error:
            # Words of a library about a chat message or its keys might repeat some of them.
            why = type(error).__name__ if row.channel in CHAT_CHANNELS else str(error)
            raise UnsealableError(f"cannot be encrypted: {why}") from None

    def _make(self, row: Row, special: Special | None, now: int) -> Wrap:
        expires_at = now + self._expiration_seconds
        bits = 0 if special is None else special.pow_bits
        match row.channel:
            case Channel.NIP17:
                return gift_wrap(
                    self._keys,
                    row.recipient,
                    row.rumor_json,
                    expires_at=expires_at,
                    special=special,
                )
            case Channel.MOSTRO:
                return _whole(self._send_dm(row, now, expires_at, bits))
            case Channel.CHAT:
                return _whole(chat.wrap(self._chat_keys(row.recipient), self._inner(row), bits))
            case Channel.CHAT_LEGACY:
                return _whole(
                    legacy_chat.wrap(
                        self._chat_keys(row.recipient),
                        self._inner(row),
                        expires_at=expires_at,
                        created_at=None if special is None else special.created_at,
                        pow_bits=bits,
                    )
                )

    def _send_dm(self, row: Row, now: int, expires_at: int, bits: int) -> Event:
        """The rumor's text as Mostro's own clients read it, whatever the node's transport."""
        rumor = json.loads(row.rumor_json)
        self._check_author(rumor["pubkey"])
        return transport.wrap(
            Transport.NIP44,
            self._keys,
            row.recipient,
            send_dm(rumor["content"], row.dispute_id),
            created_at=now,
            expires_at=expires_at,
            pow_bits=bits,
        )

    def _inner(self, row: Row) -> Event:
        """The signed inner event of a chat message."""
        if len(row.rumor_json.encode()) > chat.MAX_INNER_BYTES:
            raise UnsealableError("cannot be encrypted: longer than any reader of the chat takes")
        inner = Event.from_json(row.rumor_json)
        self._check_author(inner.author().to_hex())
        return inner

    def _check_author(self, author: str) -> None:
        if author != self._public:
            text = "cannot be encrypted: the message was written under another key of ours"
            raise UnsealableError(text)

    def _derive(self, party: str) -> ChatKeys:
        return derive(self._keys.secret_key().to_hex(), party)


def has_fixed_time(channel: Channel) -> bool:
    """Whether every envelope of a message bears the same time.

    Source: protocol, ``src/chat.md``: the outer time of the current chat envelope is the inner's.
    """
    return channel is Channel.CHAT


def _whole(event: Event) -> Wrap:
    return Wrap(id=event.id().to_hex(), json=event.as_json(), event=event)
