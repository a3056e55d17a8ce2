"""Steps 8 to 13 of receiving, and the one transaction that makes a message accepted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.chat.channel import AcceptedMessage, Channel
from serbero.chat.inbox import Arrival
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import ChatMessage, ChatRejection, Envelope
from serbero.store import chats

Record = Callable[[sa.Connection, AcceptedMessage], None]
"""Stores a message; runs in the transaction that accepts it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that is good by itself; whether it is new, the database knows.

    Attributes:
        arrival: what it came in.
        message: what it is.
        cursor: where the channel's cursor must stand at least if it is accepted.
    """

    arrival: Arrival
    message: ChatMessage
    cursor: int

    @property
    def ours(self) -> bool:
        """Whether we wrote it."""
        return self.message.author == self.arrival.lane.channel.own


def open_all(
    batch: Sequence[Arrival], now: int
) -> list[tuple[Arrival, ChatMessage | ChatRejection]]:
    """Decrypt and check a batch; all cryptography, for a thread of its own."""
    return [(arrival, _open(arrival, now)) for arrival in batch]


def _open(arrival: Arrival, now: int) -> ChatMessage | ChatRejection:
    channel = arrival.lane.channel
    if arrival.lane.envelope is Envelope.KIND14:
        return chat.open_verified(arrival.fields, channel.keys, channel.allowed)
    return legacy_chat.open_verified(arrival.fields, channel.keys, channel.allowed, now)


def accept(
    tx: sa.Connection, batch: Sequence[Candidate], now: int, record: Record
) -> list[Candidate]:
    """Remember and record what is new of a batch; return it, in the batch's order.

    Args:
        tx: the transaction.
        batch: candidates.
        now: Unix seconds.
        record: stores each new message of a party.
    """
    given = {_name(each): each for each in reversed(batch)}  # of two copies the first counts
    unknown = chats.remember(tx, given.keys(), now)
    new = [each for each in batch if _name(each) in unknown and given[_name(each)] is each]
    chats.move_on(tx, _standings(new))
    for each in new:
        if not each.ours:
            record(tx, accepted_message(each, now))
    return new


def _standings(new: Sequence[Candidate]) -> list[chats.Standing]:
    """The channels whose row changes, once each: in a lively chat few messages do that."""
    after: dict[Channel, tuple[int, Envelope | None]] = {}
    for each in new:
        channel = each.arrival.lane.channel
        cursor, envelope = after.get(channel, (channel.cursor, channel.envelope))
        used = envelope if each.ours else each.message.envelope
        after[channel] = (max(cursor, each.cursor), used)
    return [
        chats.Standing(channel.key, cursor, envelope)
        for channel, (cursor, envelope) in after.items()
        if (cursor, envelope) != (channel.cursor, channel.envelope)
    ]


def _name(candidate: Candidate) -> tuple[chats.Key, str]:
    return (candidate.arrival.lane.channel.key, candidate.message.inner_id)


def accepted_message(candidate: Candidate, now: int) -> AcceptedMessage:
    """What is handed on of a party's message accepted at ``now`` (Unix seconds)."""
    channel = candidate.arrival.lane.channel
    return AcceptedMessage(channel.dispute_id, channel.party, candidate.message, now)
