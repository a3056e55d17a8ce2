"""The daemon's chats, through its outbox and relays, with parties on nostr-tools."""

import functools
import itertools
from dataclasses import dataclass

import pytest
from nostr_sdk import Keys
from tests.interop.house import House, nothing_left, rows

from serbero.chat.channel import AcceptedMessage
from serbero.chat.speaking import NoChannelError, say
from serbero.daemon.build import Parts
from serbero.model.party import Party
from serbero.mostro.chat import Envelope
from serbero.mostro.node_info import Transport
from serbero.node.result import Taken
from serbero.simulator.clock import eventually


@dataclass
class Talk:
    """A dispute that we hold: how to say something in its chats, and what was answered."""

    parts: Parts
    dispute: str
    accepted: list[AcceptedMessage]

    async def say(self, party: Party, text: str) -> str:
        """Say something through the outbox; return the message's id."""
        at_ms = int(self.parts.base.clock.time() * 1000)
        deed = functools.partial(say, anchor=text, at_ms=at_ms)
        about = (self.parts.speaker, self.dispute, party, text)
        inner = await self.parts.base.patient.transact(deed, *about)
        assert inner is not None
        self.parts.delivery.worker.wake()
        return inner.id().to_hex()

    async def answer(self, text: str) -> AcceptedMessage:
        """Wait until a message of this text was accepted."""
        await eventually(
            lambda: any(each.message.text == text for each in self.accepted),
            seconds=30,
            what=f"{text!r} is accepted",
        )
        return next(each for each in self.accepted if each.message.text == text)


async def taken(house: House, parts: Parts) -> Talk:
    """Take a dispute and open its chats."""
    trade = await house.open()
    result = await parts.node.taker.take(trade.dispute)
    assert isinstance(result, Taken), result
    keys = {Party.BUYER: trade.buyer, Party.SELLER: trade.seller}
    await parts.chats.open(trade.dispute, keys, since=result.answered_at)
    return Talk(parts, trade.dispute, house.accepted)


@pytest.mark.parametrize("transport", list(Transport))
async def test_both_parties_are_asked_and_answer(house: House, transport: Transport) -> None:
    """On a node of version 1 what we say travels in both envelopes until the party writes.

    On one of version 2 it does once the party wrote in the old one: kind 14 is never left out.
    """
    house.peer.tolerated |= {"inner-dedup"}
    await house.peer.do("configure", "the node", transport=transport)
    both = transport is Transport.GIFT_WRAP
    uses = {Party.BUYER: Envelope.KIND14, Party.SELLER: Envelope.GIFT_WRAP}
    async with house.daemon() as parts:
        talk = await taken(house, parts)
        for party, envelope in uses.items():
            await house.peer.heard("notice", party)
            asked = await talk.say(party, f"What happened, {party}?")
            heard = await house.peer.heard("heard", party, inner_id=asked)
            assert heard["author"] == house.public_key
            if both:
                await house.peer.heard("refused", party, reason="inner-dedup")
            text = f"I am the {party}: ¿qué? 🧑\u200d⚖️"
            said = await house.peer.do("say", party, text=text, envelopes=[envelope])
            answer = await talk.answer(text)
            assert (answer.party, answer.dispute_id) == (party, talk.dispute)
            assert answer.message.inner_id == said["inner_id"]
            assert answer.message.envelope == envelope
            again = await talk.say(party, f"Thank you, {party}.")
            heard = await house.peer.heard("heard", party, inner_id=again)
            if both or envelope is Envelope.KIND14:
                assert heard["envelope"] == envelope, "the one the party uses"
            else:
                await house.peer.heard("refused", party, reason="inner-dedup")
        await eventually(lambda: nothing_left(parts), what="the outbox is done")
        assert len(talk.accepted) == len(uses), "nothing of ours is taken for theirs"
        sent = await rows(parts, "SELECT count(*) FROM journal WHERE kind = 'outbound_sent'")
        assert sent == [(4,)], "once a message, however many envelopes it has"
    for party, envelope in uses.items():
        assert len(house.peer.all("heard", party)) == 2
        twice = both or envelope is Envelope.GIFT_WRAP
        assert len(house.peer.all("refused", party)) == int(twice)


async def test_chat_goes_on_after_a_restart(house: House) -> None:
    house.peer.tolerated |= {"inner-dedup"}  # we answer in both envelopes, as the buyer wrote
    async with house.daemon() as parts:
        talk = await taken(house, parts)
        await house.peer.heard("notice", "buyer")
        await house.peer.do("say", "buyer", text="before")
        await talk.answer("before")
    for envelope in Envelope:
        await house.peer.do("say", "buyer", text=f"meanwhile {envelope}", envelopes=[envelope])
    async with house.daemon() as parts:
        talk = Talk(parts, talk.dispute, house.accepted)
        for envelope in Envelope:
            await talk.answer(f"meanwhile {envelope}")
        told = await talk.say(Party.BUYER, "Here I am again.")
        await house.peer.heard("heard", "buyer", inner_id=told)
        assert len(talk.accepted) == len(Envelope), "and what was heard before is not heard again"


async def test_takeover_ends_our_writing(house: House) -> None:
    async with house.daemon() as parts:
        talk = await taken(house, parts)
        await talk.say(Party.BUYER, "What happened?")
        await house.peer.heard("heard", "buyer")
        human = Keys.generate().public_key().to_hex()
        await house.peer.do(
            "take_over", "the node", dispute=talk.dispute, solver=human, seconds_later=5
        )
        tries = itertools.count()

        async def silenced() -> bool:
            try:
                await talk.say(Party.SELLER, f"And you? {next(tries)}")
            except NoChannelError:
                return True
            return False

        await eventually(silenced, seconds=30, every=0.05, what="nothing more can be said")
