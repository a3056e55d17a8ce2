"""Parties chat with a hand-made solver: politely, and with every hostility they know."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from nostr_sdk import Event, Keys

from serbero.mostro import chat, legacy_chat
from serbero.mostro.attachments import AttachmentType
from serbero.mostro.chat import ChatMessage, ChatRejection
from serbero.mostro.chat_keys import derive
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.fault_events import Beside, Intrude, unsigned_copy
from serbero.simulator.node import Category, MostroNode
from serbero.simulator.node_messages import Protocol
from serbero.simulator.party import PartyClient
from serbero.simulator.party_chat import ChatSide, EnvelopeChoice
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver_client import SolverClient


@dataclass(frozen=True, slots=True)
class Pair:
    """A party and a hand-made solver who reads both envelopes."""

    clock: FakeClock
    party: PartyClient
    solver: ChatSide

    def judge(self, event: Event) -> ChatMessage | ChatRejection:
        """What a careful reader at the solver's end says of an outer event."""
        keys = derive(self.solver.keys.secret_key().to_hex(), self.party.public_key)
        allowed = frozenset({self.party.public_key, self.solver.public_key})
        unwrap = chat.unwrap if event.kind().as_u16() == 14 else legacy_chat.unwrap
        return unwrap(event, keys, allowed, self.clock.now())

    def verdicts(self, events: list[Event]) -> set[str]:
        """What it says of several."""
        judged = [self.judge(each) for each in events]
        return {each.value if isinstance(each, ChatRejection) else "accepted" for each in judged}


@asynccontextmanager
async def pair(
    envelope: EnvelopeChoice = "kind14", writes: EnvelopeChoice = "both"
) -> AsyncIterator[Pair]:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        PartyClient([relay.url], clock=clock, envelope=envelope) as party,
        ChatSide([relay.url], clock=clock, envelope=writes, name="solver") as solver,
    ):
        await party.meet(solver.public_key)
        await solver.meet(party.public_key)
        yield Pair(clock, party, solver)


@pytest.mark.parametrize("envelope", ["kind14", "gift-wrap", "both"])
async def test_both_ends_talk(envelope: EnvelopeChoice) -> None:
    async with pair(envelope) as p:
        inner = await p.party.say("I paid on Monday.")
        await eventually(lambda: p.solver.texts == ["I paid on Monday."])
        assert p.solver.heard[0].inner_id == inner.id().to_hex()
        assert p.solver.heard[0].author == p.party.public_key
        wanted = {"kind14", "gift-wrap"} if envelope == "both" else {envelope}
        await eventually(lambda: {each.envelope for each in p.solver.deliveries} == wanted)
        assert len(p.solver.heard) == 1
        await p.solver.say("Can you show the receipt?")
        await eventually(lambda: p.party.texts == ["Can you show the receipt?"])
        expected = 2 if envelope == "both" else 1
        await eventually(lambda: len(p.party.deliveries) == expected)
        assert p.party.echoes == [inner.id().to_hex()]
        assert p.party.rejected == []


async def test_a_party_reads_its_own_envelope_only() -> None:
    async with pair("gift-wrap", writes="kind14") as p:
        await p.solver.say("unheard")
        await p.solver.say("heard", envelope="gift-wrap")
        await eventually(lambda: p.party.texts == ["heard"])


async def test_what_was_said_before_it_came_is_read() -> None:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        ChatSide([relay.url], clock=clock, name="solver") as solver,
    ):
        keys = Keys.generate()
        await solver.meet(keys.public_key().to_hex())
        await solver.say("early")
        async with PartyClient([relay.url], clock=clock, keys=keys) as party:
            await party.meet(solver.public_key)
            await eventually(lambda: party.texts == ["early"])


async def test_attachments() -> None:
    async with pair() as p:
        await p.party.send_attachment("receipt.jpg")
        await p.party.send_attachment("statement.pdf", image=False, key="AAAA")
        image, document = (p.judge(each) for each in p.party.said)
        assert isinstance(image, ChatMessage)
        assert isinstance(document, ChatMessage)
        assert image.attachment is not None
        assert document.attachment is not None
        assert image.attachment.type is AttachmentType.IMAGE
        assert document.attachment.type is AttachmentType.FILE
        assert document.attachment.filename == "statement.pdf"


@pytest.mark.parametrize("protocol", [1, 2])
async def test_a_takeover_changes_the_key_and_buries_the_past(protocol: Protocol) -> None:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url], clock=clock, protocol=protocol) as node,
        PartyClient([relay.url], clock=clock, protocol=protocol) as buyer,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as first,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as second,
        ChatSide([relay.url], clock=clock, keys=first.keys) as first_chat,
        ChatSide([relay.url], clock=clock, keys=second.keys) as second_chat,
        node.serving(),
    ):
        node.register(first.public_key, Category.READ)
        node.register(second.public_key)
        dispute = await node.open_order_dispute(buyer)
        assert await first.take(dispute.id) is not None
        await first_chat.meet(buyer.public_key)
        await first_chat.say("from the first")
        await eventually(lambda: buyer.texts == ["from the first"])
        assert await second.take(dispute.id) is not None
        await eventually(lambda: buyer.solver == second.public_key)
        await second_chat.meet(buyer.public_key)
        await first_chat.say("from the first again")
        await second_chat.say("from the second")
        await eventually(lambda: "from the second" in buyer.texts)
        assert buyer.texts == ["from the first", "from the second"]
        await buyer.say("hello")
        await eventually(lambda: second_chat.texts == ["hello"])
        assert first_chat.texts == []
        assert [each.solver for each in buyer.named] == [first.public_key, second.public_key]


class TestHostility:
    """Each attack reaches the other end and is what its name says."""

    async def test_a_flood_is_valid(self) -> None:
        async with pair() as p:
            sent = await p.party.flood(60)
            assert p.verdicts(sent) == {"accepted"}
            await eventually(lambda: len(p.solver.heard) == 60)
            assert p.solver.repeated() == {}

    async def test_a_replay_is_one_message(self) -> None:
        async with pair() as p:
            inner = await p.party.say("once")
            old, new = await p.party.replay()
            assert old.as_json() == p.party.said[0].as_json()
            assert old.id().to_hex() != new.id().to_hex()
            await eventually(lambda: len(p.solver.deliveries) == 2)
            assert [each.inner_id for each in p.solver.heard] == [inner.id().to_hex()]

    async def test_replay_needs_something_said(self) -> None:
        async with pair() as p:
            with pytest.raises(RuntimeError, match="nothing to repeat"):
                await p.party.replay()

    async def test_dates_ahead(self) -> None:
        async with pair() as p:
            assert p.verdicts(await p.party.from_the_future(60)) == {"accepted"}
            assert p.verdicts(await p.party.from_the_future(61)) == {"absolute-time"}
            later = await p.party.from_the_future(61, inner_only=True)
            assert p.verdicts(later) == {"relative-time"}

    @pytest.mark.parametrize(
        ("attack", "verdicts"),
        [
            ("wrong_p", {"p-tag"}),
            ("two_p_tags", {"p-tag"}),
            ("foreign_signer", {"inner-signer"}),
            ("wrong_inner_kind", {"inner-kind"}),
            ("garbage", {"decrypt", "inner-parse", "inner-signature"}),
        ],
    )
    async def test_broken_rules(self, attack: str, verdicts: set[str]) -> None:
        async with pair() as p:
            sent: list[Event] = await getattr(p.party, attack)()
            assert p.verdicts(sent) == verdicts
            assert all(each.verify() for each in sent)
            await p.party.say("an honest word")
            await eventually(lambda: p.solver.texts == ["an honest word"])
            assert len(p.solver.rejected) == len(sent)

    async def test_somebody_elses_name(self) -> None:
        async with pair() as p:
            sent = await p.party.in_the_name_of(p.solver.public_key)
            assert p.verdicts(sent) == {"inner-signature"}

    async def test_an_outsider_knows_the_address_only(self) -> None:
        async with pair() as p:
            sent = await p.party.outsider(3)
            assert p.verdicts(sent) == {"author"}
            await p.party.say("an honest word")
            await eventually(lambda: p.solver.texts == ["an honest word"])
            assert p.solver.rejected == []  # it listens by author

    async def test_oversize_is_valid_but_for_its_size(self) -> None:
        async with pair() as p:
            outer, answers = await p.party.oversize()
            assert p.judge(outer) is ChatRejection.SIZE
            assert not any(each.accepted for each in answers.values())

    async def test_oversize_through_a_relay_that_takes_all(self) -> None:
        clock = FakeClock()
        async with (
            LoopbackRelay() as relay,
            PartyClient([relay.url], clock=clock) as party,
            FaultProxy(relay.url) as proxy,
            ChatSide([proxy.url], clock=clock) as solver,
        ):
            await party.meet(solver.public_key)
            outer, _ = await party.oversize()
            proxy.add(Intrude(outer.as_json))
            await solver.meet(party.public_key)
            await eventually(lambda: solver.rejected == ["size"])

    async def test_a_broken_copy_comes_first(self) -> None:
        async with pair() as p:
            forged, genuine = await p.party.broken_signature_copy("after all")
            assert json.loads(forged)["id"] == genuine.id().to_hex()
            assert p.judge(Event.from_json(forged)) is ChatRejection.OUTER_SIGNATURE
            await eventually(lambda: p.solver.texts == ["after all"])

    async def test_a_broken_copy_through_a_relay_that_checks_nothing(self) -> None:
        clock = FakeClock()
        async with (
            LoopbackRelay() as relay,
            PartyClient([relay.url], clock=clock) as party,
            FaultProxy(relay.url, Beside(unsigned_copy, first=True)) as proxy,
            ChatSide([proxy.url], clock=clock) as solver,
        ):
            await party.meet(solver.public_key)
            await solver.meet(party.public_key)
            await party.say("genuine")
            await eventually(lambda: solver.texts == ["genuine"])
            assert solver.rejected == ["outer-signature"]
