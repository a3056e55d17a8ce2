"""Takes over the wire: who gets what, in which order, and every way to misbehave."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from nostr_sdk import Event, Keys

from serbero.mostro.message import CantDo, DisputePayload, Message
from serbero.mostro.transport import Inbound, unwrap, unwrap_from_node
from serbero.simulator.behaviour import HookBehaviour, Way
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.events import KIND_DISPUTE
from serbero.simulator.faults import FAULTS
from serbero.simulator.node import Category, Dispute, MostroNode
from serbero.simulator.node_log import Did, Drop, Manner, Refuse, TakeStep
from serbero.simulator.node_messages import Protocol
from serbero.simulator.party import PartyClient
from serbero.simulator.peer import RelayPeer
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver_client import SolverClient, take_as
from serbero.simulator.wire import Frame, peek

PROTOCOLS: list[Protocol] = [1, 2]


@dataclass(frozen=True, slots=True)
class House:
    """A serving node, two parties with a dispute, a read-only solver."""

    clock: FakeClock
    relay: LoopbackRelay
    node: MostroNode
    buyer: PartyClient
    seller: PartyClient
    solver: SolverClient
    dispute: Dispute

    async def published(self) -> list[str]:
        """The status of the dispute's newest revision on the relay."""
        async with RelayPeer(self.relay.url) as peer:
            events = await peer.fetch({"kinds": [KIND_DISPUTE], "#d": [self.dispute.id]})
        return [
            tag[1] for event in events for each in event.tags() if (tag := each.to_vec())[0] == "s"
        ]

    async def refused(self, solver: SolverClient, dispute_id: str = "") -> Message | None:
        """Take as somebody and step the clock until the queue of refusals was drained."""
        asked = len(self.node.desk.outcomes())
        heard = len(solver.letters)
        await solver.take(dispute_id or self.dispute.id, seconds=0)
        await eventually(lambda: len(self.node.desk.outcomes()) > asked)
        await run_until(self.clock, lambda: len(solver.letters) > heard, limit_seconds=1)
        return solver.answers[-1]


@asynccontextmanager
async def house(protocol: Protocol = 2) -> AsyncIterator[House]:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url], clock=clock, protocol=protocol) as node,
        PartyClient([relay.url], clock=clock, protocol=protocol, name="buyer") as buyer,
        PartyClient([relay.url], clock=clock, protocol=protocol, name="seller") as seller,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as solver,
        node.serving(),
    ):
        node.register(solver.public_key, Category.READ)
        dispute = await node.open_order_dispute(buyer, seller, "seller", fiat_amount=77)
        yield House(clock, relay, node, buyer, seller, solver, dispute)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_take_tells_everybody(protocol: Protocol) -> None:
    async with house(protocol) as h:
        answer = await h.solver.take(h.dispute.id)
        assert answer is not None
        assert (answer.action, answer.wrapper, answer.version) == (
            "admin-took-dispute",
            "dispute",
            protocol,
        )
        assert isinstance(answer.payload, DisputePayload)
        info = answer.payload.info
        assert info is not None
        assert (info.buyer, info.seller) == (h.buyer.public_key, h.seller.public_key)
        assert (info.initiator, info.fiat_amount) == ("seller", 77)
        assert info.order_id == h.dispute.order_id
        await eventually(lambda: h.buyer.solver == h.seller.solver == h.solver.public_key)
        request_id = h.node.desk.received[0].request_id
        for party in (h.buyer, h.seller):
            assert [each.request_id for each in party.named] == [request_id]
            assert party.dispute_id == h.dispute.id
        assert h.seller.actions == ["dispute-initiated-by-you", "admin-took-dispute"]
        assert h.buyer.actions == ["dispute-initiated-by-peer", "admin-took-dispute"]
        await eventually(lambda: h.node.desk.outcomes() == [Did.TOOK])
        assert await h.published() == ["in-progress"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_answer_holds_what_a_reader_must_drop(protocol: Protocol) -> None:
    async with house(protocol) as h:
        order = h.node.order_of(h.dispute)
        secrets = (order.preimage, order.payment_hash, order.buyer_invoice)
        raw = json.dumps(order.solver_info())
        assert all(secret in raw for secret in secrets)
        answer = await h.solver.take(h.dispute.id)
        assert not any(secret in repr(answer) for secret in secrets)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_node_messages_expire_on_v2_only(protocol: Protocol) -> None:
    async with house(protocol) as h:
        await h.solver.take(h.dispute.id)
        wanted = {"kinds": [1059 if protocol == 1 else 14], "#p": [h.solver.public_key]}
        async with RelayPeer(h.relay.url) as peer:
            (event,) = await peer.fetch(wanted)
        names = {each.to_vec()[0]: each.to_vec()[1] for each in event.tags()}
        if protocol == 2:
            assert int(names["expiration"]) == h.clock.now() + 30 * 86_400
        else:
            assert "expiration" not in names


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_answer_goes_to_the_identity_and_a_refusal_to_the_author(
    protocol: Protocol,
) -> None:
    async with house(protocol) as h:
        trade, identity = Keys.generate(), Keys.generate()
        h.node.register(identity.public_key().to_hex())
        async with SolverClient(
            [h.relay.url],
            h.node.public_key,
            clock=h.clock,
            protocol=protocol,
            keys=trade,
            identity=identity,
        ) as two:
            assert await two.take(h.dispute.id) is not None
            assert two.letters[-1].receiver == identity.public_key().to_hex()
            entry = h.node.desk.received[-1]
            assert entry.sender == trade.public_key().to_hex()
            assert entry.identity == h.dispute.solver == identity.public_key().to_hex()
            await h.node.resolve(h.dispute)
            answer = await h.refused(two)
            assert answer is not None
            assert answer.payload == CantDo("invalid_pubkey")
            assert two.letters[-1].receiver == trade.public_key().to_hex()


async def test_takeovers_and_those_who_may_not() -> None:
    async with house() as h:
        relay, writer, stranger = [h.relay.url], Keys.generate(), Keys.generate()
        h.node.register(writer.public_key().to_hex())
        place = {"relay_urls": relay, "node": h.node.public_key}
        assert await h.solver.take(h.dispute.id) is not None
        assert await h.solver.take(h.dispute.id) is not None
        async with SolverClient(relay, h.node.public_key, clock=h.clock, keys=stranger) as nobody:
            answer = await h.refused(nobody)
            assert answer is not None
            assert answer.payload == CantDo("invalid_pubkey")
            assert answer.id == h.dispute.id
        letters = len(h.solver.letters)
        assert await take_as(writer, h.dispute.id, clock=h.clock, **place) is not None  # type: ignore[arg-type]
        expected = [Did.TOOK, Did.TOOK_AGAIN, Did.REFUSED, Did.TOOK_OVER]
        await eventually(lambda: h.node.desk.outcomes() == expected)
        assert len(h.solver.letters) == letters  # nobody tells the one who had it
        assert h.dispute.solver == writer.public_key().to_hex()
        stamps = [each.created_at().as_secs() for each in h.dispute.revisions]
        assert stamps == sorted(set(stamps))
        await eventually(lambda: h.buyer.solver == writer.public_key().to_hex())
        answer = await h.refused(h.solver)
        assert answer is not None
        assert answer.payload == CantDo("invalid_pubkey")


async def test_an_unknown_dispute_is_met_with_silence() -> None:
    async with house() as h:
        await h.solver.take(str(uuid4()), seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Drop.UNKNOWN_DISPUTE])
        await h.clock.advance(5)
        assert h.solver.letters == []


async def test_a_dispute_without_an_order_is_not_found() -> None:
    async with house() as h:
        bare = await h.node.open_dispute()
        answer = await h.refused(h.solver, bare.id)
        assert answer is not None
        assert answer.payload == CantDo("not_found")
        assert bare.saved == "initiated"


@pytest.mark.parametrize("flags", [(True, True), (False, False)])
async def test_contradicting_flags_save_the_take_and_say_nothing(flags: tuple[bool, bool]) -> None:
    async with house() as h:
        order = h.node.order_of(h.dispute)
        order.buyer_dispute, order.seller_dispute = flags
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Drop.FLAGS])
        assert (h.dispute.saved, h.dispute.status) == ("in-progress", "initiated")
        assert h.dispute.solver == h.solver.public_key
        await h.clock.advance(5)
        assert not any((h.solver.letters, h.buyer.named, h.seller.named))
        assert await h.published() == ["initiated"]


@pytest.mark.parametrize("step", list(TakeStep)[:-1])
async def test_a_failure_between_two_effects_leaves_the_later_ones_out(step: TakeStep) -> None:
    async with house() as h:
        h.node.desk.upcoming.append(Manner(fail_after=step))
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Drop.STOPPED])
        verdict = h.node.desk.received[0].verdict
        assert verdict is not None
        assert verdict.detail == step.name.lower()
        assert h.dispute.saved == "in-progress"
        assert (h.dispute.status == "in-progress") is (step >= TakeStep.STAMPED)
        reached = {
            TakeStep.REPLIED: h.solver.letters,
            TakeStep.BUYER_TOLD: h.buyer.named,
            TakeStep.SELLER_TOLD: h.seller.named,
        }
        done = [heard for each, heard in reached.items() if each <= step]
        await eventually(lambda: all(done))
        assert await h.published() == ["initiated"]
        assert not any(heard for each, heard in reached.items() if each > step)
        # The assigned solver's second take finds a way out.
        assert await h.solver.take(h.dispute.id) is not None
        await eventually(lambda: h.node.desk.outcomes()[-1] is Did.TOOK_AGAIN)
        assert await h.published() == ["in-progress"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_effects_are_seen_in_the_nodes_order(protocol: Protocol) -> None:
    seen: list[str] = []

    def watch(way: Way, text: str, _link: Link) -> list[Frame]:
        if way == "up" and peek(text)[0] == "EVENT":
            seen.append(text)
        return [text]

    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, HookBehaviour(watch)) as proxy,
        MostroNode([proxy.url], clock=clock, protocol=protocol) as node,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as solver,
        node.serving(),
    ):
        node.register(solver.public_key)
        buyer, seller = Keys.generate(), Keys.generate()
        pair = (buyer.public_key().to_hex(), seller.public_key().to_hex())
        dispute = await node.open_order_dispute(*pair)
        seen.clear()
        await solver.take(dispute.id)
        await eventually(lambda: len(seen) == 4)
        events = [Event.from_json(json.dumps(json.loads(text)[1])) for text in seen]
        for event, keys in zip(events, (solver.keys, buyer, seller), strict=False):
            got = unwrap_from_node(event, keys, node.public_key, now=clock.now())
            assert isinstance(got, Inbound)
            assert got.message.action == "admin-took-dispute"
        assert events[3].kind().as_u16() == KIND_DISPUTE
        assert events[3].created_at().as_secs() <= clock.now() + 1
        assert unwrap(events[0], buyer, now=clock.now()) == "decrypt"


async def test_one_relay_is_enough_and_none_is_a_failure() -> None:
    clock = FakeClock()
    async with (
        LoopbackRelay() as one,
        LoopbackRelay() as two,
        FaultProxy(two.url) as proxy,
        MostroNode([one.url, proxy.url], clock=clock) as node,
        SolverClient([one.url], node.public_key, clock=clock) as solver,
        node.serving(),
    ):
        node.register(solver.public_key)
        dispute = await node.open_order_dispute()
        proxy.add(FAULTS["ok-false:blocked"].make())
        assert await solver.take(dispute.id) is not None
        await eventually(lambda: node.desk.outcomes() == [Did.TOOK])
    async with (
        LoopbackRelay() as alone,
        FaultProxy(alone.url) as proxy,
        MostroNode([proxy.url], clock=clock) as node,
        SolverClient([alone.url], node.public_key, clock=clock) as solver,
        node.serving(),
    ):
        node.register(solver.public_key)
        other = await node.open_order_dispute()
        proxy.add(FAULTS["ok-false:blocked"].make())
        await solver.take(other.id, seconds=0)
        await eventually(lambda: node.desk.outcomes() == [Drop.PUBLISH])
        assert (other.saved, solver.letters) == ("in-progress", [])


async def test_a_silent_desk_changes_nothing() -> None:
    async with house() as h:
        h.node.desk.silent = True
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Drop.SILENT])
        assert h.dispute.saved == "initiated"
        h.node.desk.silent = False
        assert await h.solver.take(h.dispute.id) is not None


async def test_answers_twice_for_others_and_with_wrong_ids() -> None:
    async with house() as h:
        other = str(uuid4())
        manners = [Manner(answers=2), Manner(answer_dispute=other), Manner(answer_request=5)]
        h.node.desk.upcoming.extend(manners)
        assert await h.solver.take(h.dispute.id) is not None
        await eventually(lambda: len(h.solver.letters) == 2)
        assert len({each.event_id for each in h.solver.letters}) == 2
        answer = await h.solver.take(h.dispute.id)
        assert answer is not None
        assert isinstance(answer.payload, DisputePayload)
        assert answer.id == answer.payload.id == other
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: len(h.solver.letters) == 4)
        assert h.solver.answers[-1].request_id == 5


async def test_a_late_answer_comes_late_and_holds_nobody_up() -> None:
    async with house() as h:
        h.node.desk.upcoming.append(Manner(answer_after=40))
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Did.TOOK])
        assert h.dispute.saved == "in-progress"
        other = await h.node.open_order_dispute()
        assert await h.solver.take(other.id) is not None
        await h.clock.advance(39)
        assert [each.message.id for each in h.solver.letters] == [other.id]
        assert await h.published() == ["initiated"]
        await h.clock.advance(1)
        await eventually(lambda: len(h.solver.letters) == 2)
        await eventually(lambda: h.buyer.named)
        assert h.solver.answers[-1].id == h.dispute.id


@pytest.mark.parametrize("reason", ["invalid_pubkey", "maintenance_mode", None])
async def test_a_refusal_at_will_comes_through_the_queue(reason: str | None) -> None:
    async with house() as h:
        h.node.desk.refuse = Refuse(reason)
        await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: h.node.desk.outcomes() == [Did.REFUSED])
        await h.clock.advance(0.2)
        assert h.solver.letters == []
        await h.clock.advance(0.05)
        await eventually(lambda: len(h.solver.letters) == 1)
        answer = h.solver.answers[0]
        assert (answer.wrapper, answer.action) == ("cant-do", "cant-do")
        assert answer.payload == CantDo(reason)
        assert h.dispute.saved == "initiated"


async def test_the_queue_sends_one_a_tick() -> None:
    async with house() as h:
        h.node.desk.maintenance = True
        for _ in range(3):
            await h.solver.take(h.dispute.id, seconds=0)
        await eventually(lambda: len(h.node.desk.outcomes()) == 3)
        for number in (1, 2, 3):
            await run_until(h.clock, lambda: len(h.solver.letters) == number, limit_seconds=0.25)  # noqa: B023
        assert {str(each.payload) for each in h.solver.answers} == {str(CantDo("maintenance_mode"))}


class TestRegistration:
    """Insert-only, by the node's key alone."""

    @staticmethod
    def npub(keys: Keys) -> str:
        return keys.public_key().to_bech32()

    @pytest.mark.parametrize(
        ("suffix", "category"),
        [
            ("", Category.READ_WRITE),
            (":read", Category.READ),
            (":read-write", Category.READ_WRITE),
            (":write", Category.READ_WRITE),
        ],
    )
    async def test_by_event(self, suffix: str, category: Category) -> None:
        async with house() as h:
            keys = Keys.generate()
            async with SolverClient(
                [h.relay.url], h.node.public_key, clock=h.clock, keys=h.node.keys
            ) as admin:
                answer = await admin.add_solver(self.npub(keys) + suffix, str(uuid4()))
                assert answer is not None
                assert (answer.wrapper, answer.action) == ("dispute", "admin-add-solver")
                assert answer.id is None
                assert answer.payload is None
                assert h.node.desk.users[keys.public_key().to_hex()] is category
                await admin.add_solver(self.npub(keys), str(uuid4()), seconds=0)
                await eventually(lambda: h.node.desk.outcomes()[-1] is Drop.DATABASE)
                assert h.node.desk.users[keys.public_key().to_hex()] is category

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "invalid_text_message"),
            ("{npub}:admin", "invalid_parameters"),
            ("{npub}:", "invalid_parameters"),
            ("{npub}:read:write", "invalid_parameters"),
        ],
    )
    async def test_refusals(self, text: str, reason: str) -> None:
        async with house() as h:
            npub = self.npub(Keys.generate())
            async with SolverClient(
                [h.relay.url], h.node.public_key, clock=h.clock, keys=h.node.keys
            ) as admin:
                await admin.add_solver(text.format(npub=npub), str(uuid4()), seconds=0)
                await run_until(h.clock, lambda: admin.letters, limit_seconds=1)
                assert admin.answers[0].payload == CantDo(reason)

    async def test_nobody_else_and_no_hex(self) -> None:
        async with house() as h:
            key = Keys.generate().public_key()
            await h.solver.add_solver(key.to_bech32(), str(uuid4()), seconds=0)
            await eventually(lambda: h.node.desk.outcomes() == [Drop.NOT_THE_NODE])
            async with SolverClient(
                [h.relay.url], h.node.public_key, clock=h.clock, keys=h.node.keys
            ) as admin:
                await admin.add_solver(key.to_hex(), str(uuid4()), seconds=0)
                await eventually(lambda: len(h.node.desk.outcomes()) == 2)
            assert h.node.desk.outcomes()[1] is Drop.DATABASE
            assert key.to_hex() not in h.node.desk.users

    async def test_a_key_that_has_a_row_keeps_it(self) -> None:
        async with house() as h:
            assert not h.node.register(h.solver.public_key, Category.READ_WRITE)
            assert h.node.desk.users[h.solver.public_key] is Category.READ
