"""Steps 8 to 13 of receiving, and the one transaction that makes a message accepted."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.chat.channel import AcceptedMessage, Channel
from serbero.chat.envelopes import PartyUse, latest_use
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


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a channel stands after a batch.

    Attributes:
        cursor: Unix seconds.
        uses: in what its party wrote its latest message; None before it wrote.
    """

    cursor: int
    uses: PartyUse | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a transaction changed.

    Attributes:
        new: what is new of the batch, in its order.
        known: what was accepted before.
        foreign: what bears our signature but was never said on that channel, so that somebody
            carried it there.
        moved: the channels that stand elsewhere now.
    """

    new: list[Candidate]
    known: list[Candidate]
    foreign: list[Candidate]
    moved: Mapping[Channel, Standing]


def accept(tx: sa.Connection, batch: Sequence[Candidate], now: int, record: Record) -> Accepted:
    """Remember and record what is new of a batch.

    Args:
        tx: the transaction.
        batch: candidates.
        now: Unix seconds.
        record: stores each new message of a party.
    """
    foreign = [each for each in batch if each.ours and not _was_said(tx, each)]
    carried = {id(each) for each in foreign}
    batch = [each for each in batch if id(each) not in carried]
    # Reversed: of two copies in one batch the first counts.
    given = {_name(each): each for each in reversed(batch)}
    unknown = chats.remember(tx, given.keys(), now)
    new = [each for each in batch if _name(each) in unknown and given[_name(each)] is each]
    fresh = {id(each) for each in new}
    moved = _moved(batch, fresh, now)
    chats.move_on(tx, [_stored(channel, standing) for channel, standing in moved.items()])
    for each in new:
        if not each.ours:
            record(tx, accepted_message(each, now))
    known = [each for each in batch if id(each) not in fresh]
    return Accepted(new, known, foreign, moved)


def _was_said(tx: sa.Connection, candidate: Candidate) -> bool:
    """Whether the outbox holds this message of ours, to this party: decided before it was sent."""
    channel = candidate.arrival.lane.channel
    inner_id = candidate.message.inner_id
    return chats.is_ours(tx, channel.dispute_id, channel.trade_key, inner_id)


def _moved(batch: Sequence[Candidate], new: Container[int], now: int) -> dict[Channel, Standing]:
    """The channels whose row changes, once each: in a lively chat few messages do that."""
    after: dict[Channel, Standing] = {}
    for each in batch:
        channel, message = each.arrival.lane.channel, each.message
        before = after.get(channel, Standing(channel.cursor, channel.uses))
        cursor = max(before.cursor, each.cursor) if id(each) in new else before.cursor
        uses = before.uses
        # The second envelope of one message is no new message, but tells that it is used as well.
        if not each.ours:
            uses = latest_use(uses, message.envelope, message.created_at, now)
        after[channel] = Standing(cursor, uses)
    return {
        channel: standing
        for channel, standing in after.items()
        if standing != Standing(channel.cursor, channel.uses)
    }


def _stored(channel: Channel, standing: Standing) -> chats.Standing:
    uses = standing.uses
    if uses is None:
        return chats.Standing(channel.key, standing.cursor, None, None)
    return chats.Standing(channel.key, standing.cursor, uses.envelope, uses.written_at)


def _name(candidate: Candidate) -> tuple[chats.Key, str]:
    return (candidate.arrival.lane.channel.key, candidate.message.inner_id)


def accepted_message(candidate: Candidate, now: int) -> AcceptedMessage:
    """What is handed on of a party's message accepted at ``now`` (Unix seconds)."""
    channel = candidate.arrival.lane.channel
    return AcceptedMessage(channel.dispute_id, channel.party, candidate.message, now)
