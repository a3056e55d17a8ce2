"""The whole daemon takes a dispute and talks with both parties, over a real relay."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.daemon.rig import Daemon, World, texts, world

from serbero.chat.channel import AcceptedMessage
from serbero.chat.speaking import NoChannelError, say
from serbero.model.party import Party
from serbero.node.result import Taken
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute
from serbero.simulator.node_rules import Category
from serbero.simulator.party import PartyClient
from serbero.simulator.party_chat import EnvelopeChoice
from serbero.simulator.solver_client import SolverClient

QUESTION = "Did you send the payment? ¿Enviaste el pago?"


@dataclass
class Talk:
    """A dispute we hold, its parties, and what was accepted of them."""

    stage: World
    daemon: Daemon
    dispute: Dispute
    parties: dict[Party, PartyClient]
    accepted: list[AcceptedMessage]

    async def ask(self, party: Party, text: str, anchor: str) -> bool:
        parts = self.daemon.parts
        inner = await parts.base.store.transact(
            say,
            parts.speaker,
            self.dispute.id,
            party,
            text,
            anchor=anchor,
            at_ms=int(self.stage.clock.time() * 1000),
        )
        parts.delivery.worker.wake()
        return inner is not None

    def heard(self, party: Party) -> list[str]:
        return [each.text for each in self.parties[party].heard]

    async def until_heard(self, party: Party, count: int) -> None:
        await self.stage.until(
            lambda: len(self.heard(party)) >= count, limit_seconds=60, what=f"{party} hears"
        )

    async def until_accepted(self, count: int) -> None:
        await self.stage.until(
            lambda: len(self.accepted) >= count, limit_seconds=60, what="accepted"
        )

    async def begin(self) -> None:
        """Take the dispute and open the channels."""
        parts = self.daemon.parts
        parts.chats.listen(self.accepted.append)
        taken = await parts.node.taker.take(self.dispute.id)
        assert isinstance(taken, Taken), taken
        keys = {Party.BUYER: taken.info.buyer, Party.SELLER: taken.info.seller}
        await parts.chats.open(
            self.dispute.id,
            {party: key for party, key in keys.items() if key is not None},
            since=taken.answered_at,
        )
        for client in self.parties.values():
            await self.stage.until(
                lambda client=client: client.solver is not None,  # type: ignore[misc]
                limit_seconds=30,
                what="parties are told",
            )


@asynccontextmanager
async def people(
    folder: Path, protocol: Protocol = 2, envelope: EnvelopeChoice = "kind14"
) -> AsyncIterator[tuple[World, dict[Party, PartyClient]]]:
    """A serving node that knows us, and two parties."""
    async with world(folder, solvers=1) as stage, stage.node.serving():
        stage.node.register(stage.own.public_key().to_hex(), Category.READ)
        await stage.node.switch(protocol=protocol)
        urls = [each.url for each in stage.relays]
        buyer = PartyClient(
            urls, clock=stage.clock, protocol=protocol, envelope=envelope, name="buyer"
        )
        seller = PartyClient(urls, clock=stage.clock, protocol=protocol, name="seller")
        async with buyer, seller:
            yield stage, {Party.BUYER: buyer, Party.SELLER: seller}


async def disputed(stage: World, daemon: Daemon, parties: dict[Party, PartyClient]) -> Dispute:
    """A dispute that solvers were told of, the node's ways being known."""
    await stage.until(
        lambda: daemon.parts.node.watch.info is not None, limit_seconds=30, what="info"
    )
    dispute = await stage.node.open_order_dispute(parties[Party.BUYER], parties[Party.SELLER])
    await stage.told(dispute)
    return dispute


@asynccontextmanager
async def talk(
    folder: Path, protocol: Protocol = 2, envelope: EnvelopeChoice = "kind14"
) -> AsyncIterator[Talk]:
    async with people(folder, protocol, envelope) as (stage, parties), stage.hearing() as daemon:
        dispute = await disputed(stage, daemon, parties)
        yield Talk(stage, daemon, dispute, parties, [])


@pytest.mark.parametrize("protocol", [2, 1])
async def test_both_parties_hear_and_are_heard(tmp_path: Path, protocol: Protocol) -> None:
    async with talk(tmp_path, protocol) as case:
        await case.begin()
        for party in Party:
            assert await case.ask(party, QUESTION, "round-1")
            assert not await case.ask(party, "again", "round-1")
            await case.until_heard(party, 1)
            assert case.heard(party) == [QUESTION]
        await case.parties[Party.BUYER].say("Yes, yesterday.")
        await case.parties[Party.SELLER].say("No llegó nada.")
        await case.until_accepted(2)
        assert {(each.party, each.message.text) for each in case.accepted} == {
            (Party.BUYER, "Yes, yesterday."),
            (Party.SELLER, "No llegó nada."),
        }
        rows = await case.daemon.rows(
            "SELECT count(*) FROM journal WHERE kind = 'outbound_sent' AND dispute_id = :id",
            id=case.dispute.id,
        )
        assert rows == [(2,)]
        everything = repr(case.stage.logs.lines)
        assert QUESTION not in everything
        assert "yesterday" not in everything


async def test_an_old_client_is_reached_on_an_old_node_and_answered_in_kind(
    tmp_path: Path,
) -> None:
    async with talk(tmp_path, protocol=1, envelope="gift-wrap") as case:
        await case.begin()
        for party in Party:
            await case.ask(party, "one", "round-1")
        await case.until_heard(Party.BUYER, 1)
        await case.until_heard(Party.SELLER, 1)

        async def channels(anchor: str) -> list[tuple[str, str]]:
            rows = await case.daemon.rows(
                "SELECT channel, state FROM outbox WHERE purpose = 'party_message'"
                " AND anchor = :anchor AND recipient = :key ORDER BY channel",
                anchor=anchor,
                key=case.parties[Party.BUYER].public_key,
            )
            return [(row[0], row[1]) for row in rows]

        assert await channels("round-1") == [("chat", "sent"), ("chat_legacy", "sent")]
        await case.parties[Party.BUYER].say("an old client answers")
        await case.until_accepted(1)
        assert case.accepted[0].message.envelope == "gift-wrap"
        await case.ask(Party.BUYER, "two", "round-2")
        await case.until_heard(Party.BUYER, 2)
        assert await channels("round-2") == [("chat_legacy", "sent")]
        assert case.heard(Party.BUYER) == ["one", "two"]
        sent = await case.daemon.rows("SELECT count(*) FROM journal WHERE kind = 'outbound_sent'")
        assert sent == [(3,)]


async def test_after_a_takeover_nothing_more_goes_to_the_parties(tmp_path: Path) -> None:
    async with talk(tmp_path) as case:
        await case.begin()
        await case.ask(Party.BUYER, "one", "round-1")
        await case.until_heard(Party.BUYER, 1)
        await case.stage.until(
            lambda: len(texts(case.stage.solvers[0], case.dispute)) == 2,
            limit_seconds=30,
            what="ours",
        )
        await case.stage.elapse(10)
        human = Keys.generate()
        case.stage.node.register(human.public_key().to_hex())
        urls = [each.url for each in case.stage.relays]
        client = SolverClient(urls, case.stage.node.public_key, clock=case.stage.clock, keys=human)
        async with client:
            await client.take(case.dispute.id)
            await case.stage.until(
                lambda: bool(case.stage.logs.named("dispute_taken_over")),
                limit_seconds=30,
                what="noticed",
            )
        with pytest.raises(NoChannelError):
            await case.ask(Party.BUYER, "two", "round-2")
        await case.stage.elapse(30)
        assert case.heard(Party.BUYER) == ["one"]


async def test_a_restart_in_the_middle_of_a_chat(tmp_path: Path) -> None:
    """What was said is said once, what parties wrote meanwhile is accepted once."""
    async with people(tmp_path) as (stage, parties):
        buyer = parties[Party.BUYER]
        async with stage.hearing() as daemon:
            dispute = await disputed(stage, daemon, parties)
            case = Talk(stage, daemon, dispute, parties, [])
            await case.begin()
            await case.ask(Party.BUYER, "one", "round-1")
            await case.until_heard(Party.BUYER, 1)
            wrote = [await buyer.say("first")]
            await case.until_accepted(1)
            # The end comes like a crash, with a message on its way.
            await case.ask(Party.SELLER, "for the seller", "round-1")
        wrote.append(await buyer.say("second"))
        await stage.elapse(30)
        async with stage.hearing() as daemon:
            case.daemon = daemon

            async def both_accepted() -> bool:
                rows = await daemon.rows("SELECT inner_id FROM chat_seen WHERE party = 'buyer'")
                return {each.id().to_hex() for each in wrote} <= {row[0] for row in rows}

            await stage.until(both_accepted, limit_seconds=60, what="accepted")
            await case.until_heard(Party.SELLER, 1)
            assert not await case.ask(Party.BUYER, "one", "round-1")
            await case.ask(Party.BUYER, "two", "round-2")
            await case.until_heard(Party.BUYER, 2)
            await stage.elapse(60)
        told = stage.logs.named("chat_message_accepted", party="buyer")
        assert len(told) == 2
        assert case.heard(Party.BUYER) == ["one", "two"]
        assert case.heard(Party.SELLER) == ["for the seller"]
        for client in parties.values():
            assert all(len(set(outers)) == 1 for outers in client.repeated().values())
