"""What a solver wrote to us, out of either envelope, or why it is nothing. Pure.

Private messages (NIP-17) are opened by hand, as those of the node are: a stranger's is known
after one decryption, and the rumor's id is checked, which the library does not do.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeGuard

from nostr_sdk import Event, Keys, NostrSdkError

from serbero.model.notification import Channel
from serbero.mostro import transport
from serbero.mostro.inbound import Inbound, fields_of, opened
from serbero.mostro.message import Action, TextMessage
from serbero.mostro.untrusted import (
    MAX_INTEGER,
    digits_of,
    first_value,
    hex_of,
    is_integer,
    load_json,
)
from serbero.nostr.rumor import DIRECT_MESSAGE_KIND, rumor_id
from serbero.nostr.wrap import GIFT_WRAP_KIND

MAX_WRAP_CHARACTERS: Final = 8_000
"""Of an event's content: a command of one line takes some 2,000 in its two envelopes."""
OLDEST_SECONDS: Final = 3_600
"""An older message is not answered, nor one so far in the future."""
BEFORE_START_SECONDS: Final = 600
"""Nor one so much older than this life of ours."""

_SEAL_KIND: Final = 13


class Rejection(StrEnum):
    """Why there is no answer."""

    TOO_LARGE = "too_large"
    OVER_BUDGET = "over_budget"
    KIND = "kind"
    EXPIRED = "expired"
    UNREADABLE = "unreadable"
    """Not encrypted to us."""
    SEAL = "seal"
    STRANGER = "stranger"
    """Of nobody who is configured."""
    RUMOR = "rumor"
    RUMOR_ID = "rumor_id"
    RECEIVER = "receiver"
    AUTHOR = "author"
    """Another key wrote it than sealed it."""
    NOT_A_TEXT = "not_a_text"
    OLD = "old"
    FUTURE = "future"


@dataclass(frozen=True, slots=True)
class Question:
    """A message of a solver.

    Attributes:
        id: what it is known by wherever it comes from: of the rumor, or of the signed event.
        solver: who wrote it, hex.
        text: what it says; not shown in ``repr``.
        created_at: when it was written, Unix seconds.
        channel: in which envelope.
    """

    id: str
    solver: str
    text: str = field(repr=False)
    created_at: int
    channel: Channel


def read(event: Event, keys: Keys, solvers: Collection[str], now: int) -> Question | Rejection:
    """Read a verified event of either kind to us; never raises, whatever the event.

    Args:
        event: whose signature was checked.
        keys: ours.
        solvers: the keys (hex) of everybody who is answered.
        now: Unix seconds, for the expiration (NIP-40).
    """
    fields = fields_of(event)
    if len(fields["content"]) > MAX_WRAP_CHARACTERS:
        return Rejection.TOO_LARGE
    expiration = digits_of(first_value(fields["tags"], "expiration"))
    if expiration is not None and expiration <= now:
        return Rejection.EXPIRED
    if fields["kind"] == GIFT_WRAP_KIND:
        return _private(fields, keys, solvers)
    if fields["kind"] == transport.MESSAGE_KIND:
        return _direct(event, fields["pubkey"], keys, solvers, now)
    return Rejection.KIND


def age_fault(created_at: int, started: int, now: int) -> Rejection | None:
    """Why a message of that time is not answered; None if it is. All in Unix seconds."""
    if created_at > now + OLDEST_SECONDS:
        return Rejection.FUTURE
    # The earlier of the two: where our clock was set back since the start, `started` lies in the
    # future, and every message would count as too old.
    oldest = max(min(started, now) - BEFORE_START_SECONDS, now - OLDEST_SECONDS)
    return Rejection.OLD if created_at < oldest else None


def _private(
    fields: Mapping[str, Any], keys: Keys, solvers: Collection[str]
) -> Question | Rejection:
    plaintext = opened(keys, fields["pubkey"], fields["content"])
    if plaintext is None:
        return Rejection.UNREADABLE
    try:
        seal = Event.from_json(plaintext)
    except NostrSdkError:
        return Rejection.SEAL
    sealed = fields_of(seal)
    if sealed["kind"] != _SEAL_KIND:
        return Rejection.SEAL
    if sealed["pubkey"] not in solvers:
        return Rejection.STRANGER
    if not seal.verify():
        return Rejection.SEAL
    inner = opened(keys, sealed["pubkey"], sealed["content"])
    if inner is None:
        return Rejection.SEAL
    return _rumor(load_json(inner), sealed["pubkey"], keys.public_key().to_hex())


def _rumor(value: object, author: str, own: str) -> Question | Rejection:
    if not isinstance(value, dict):
        return Rejection.RUMOR
    if not is_integer(value.get("kind"), DIRECT_MESSAGE_KIND, DIRECT_MESSAGE_KIND):
        return Rejection.KIND
    if value.get("pubkey") != author:
        return Rejection.AUTHOR
    created_at, tags, text = value.get("created_at"), value.get("tags"), value.get("content")
    if not is_integer(created_at, 0, MAX_INTEGER) or not isinstance(text, str):
        return Rejection.RUMOR
    if not _are_tags(tags):
        return Rejection.RUMOR
    identifier = rumor_id(author, created_at, DIRECT_MESSAGE_KIND, tags, text)
    if "id" in value and hex_of(value["id"], 64) != identifier:
        return Rejection.RUMOR_ID
    receivers = [each[1] for each in tags if len(each) > 1 and each[0] == "p"]
    if receivers and own not in receivers:
        return Rejection.RECEIVER
    return Question(identifier, author, text, created_at, Channel.NIP17)


def _are_tags(value: object) -> TypeGuard[list[list[str]]]:
    return isinstance(value, list) and all(
        isinstance(tag, list) and all(isinstance(part, str) for part in tag) for tag in value
    )


def _direct(
    event: Event, author: str, keys: Keys, solvers: Collection[str], now: int
) -> Question | Rejection:
    if author not in solvers:
        return Rejection.STRANGER
    got = transport.unwrap(event, keys, now=now)
    if not isinstance(got, Inbound):
        return Rejection.UNREADABLE
    if got.identity != got.sender:
        return Rejection.AUTHOR
    payload = got.message.payload
    if got.message.action != Action.SEND_DM or not isinstance(payload, TextMessage):
        return Rejection.NOT_A_TEXT
    return Question(got.event_id, got.sender, payload.text, got.created_at, Channel.MOSTRO)
