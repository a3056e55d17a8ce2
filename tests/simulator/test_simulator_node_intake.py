"""What the node drops, in its order, and that it never says so."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest
from nostr_sdk import (
    Event,
    EventBuilder,
    Keys,
    Kind,
    Nip44Version,
    PublicKey,
    Timestamp,
    nip44_encrypt,
)

from serbero.mostro.message import canonical, take_request
from serbero.mostro.transport import wrap
from serbero.nostr.work import leading_zero_bits
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.events import CURRENT, NEWER, DisputeStyle, signed
from serbero.simulator.node import Category, MostroNode
from serbero.simulator.node_log import Did, Drop, Received
from serbero.simulator.node_messages import TRANSPORT, Protocol
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver_client import SolverClient

PROTOCOLS: list[Protocol] = [1, 2]


@dataclass(frozen=True, slots=True)
class Room:
    """A serving node, a registered solver, and a wire of our own."""

    clock: FakeClock
    relay: LoopbackRelay
    node: MostroNode
    solver: SolverClient
    wire: RelayPeer

    def request(
        self, protocol: Protocol, *, age: int = 0, text: str = "", pow_bits: int = 0
    ) -> Event:
        """A take of a dispute that does not exist, by the solver."""
        message = text or take_request(str(uuid4()), 7, protocol)
        return wrap(
            TRANSPORT[protocol],
            self.solver.keys,
            self.node.public_key,
            message,
            created_at=self.clock.now() - age,
            expires_at=None,
            pow_bits=pow_bits,
        )

    async def give(self, event: Event) -> Received:
        """Publish and return what the desk noted last."""
        before = len(self.node.desk.received)
        await self.wire.publish(event)
        await eventually(lambda: len(self.node.desk.outcomes()) > before)
        return self.node.desk.received[-1]


@asynccontextmanager
async def room(
    protocol: Protocol = 2,
    *,
    pow_bits: int = 0,
    first_contact_bits: int | None = None,
    advertise_first_contact: bool = True,
    style: DisputeStyle = CURRENT,
) -> AsyncIterator[Room]:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        MostroNode(
            [relay.url],
            clock=clock,
            style=style,
            protocol=protocol,
            pow_bits=pow_bits,
            first_contact_bits=first_contact_bits,
            advertise_first_contact=advertise_first_contact,
        ) as node,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as solver,
        RelayPeer(relay.url) as wire,
        node.serving(),
    ):
        node.register(solver.public_key, Category.READ)
        yield Room(clock, relay, node, solver, wire)


def too_short(events: Callable[[], Event], bits: int) -> Event:
    """An event that happens to have less than ``bits`` of work."""
    while leading_zero_bits((event := events()).id().to_hex()) >= bits:
        pass
    return event


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_what_passes_is_handled(protocol: Protocol) -> None:
    async with room(protocol) as r:
        entry = await r.give(r.request(protocol, age=10))
        assert entry.outcome is Drop.UNKNOWN_DISPUTE
        assert (entry.action, entry.request_id) == ("admin-take-dispute", 7)
        assert entry.sender == entry.identity == r.solver.public_key


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_request_older_than_ten_seconds_is_dropped(protocol: Protocol) -> None:
    async with room(protocol) as r:
        assert (await r.give(r.request(protocol, age=11))).outcome is Drop.STALE
        assert (await r.give(r.request(protocol, age=-3_600))).outcome is Drop.UNKNOWN_DISPUTE


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_other_transport_is_not_heard(protocol: Protocol) -> None:
    other: Protocol = 1 if protocol == 2 else 2
    async with room(protocol) as r:
        await r.wire.publish(r.request(other))
        entry = await r.give(r.request(protocol))
        assert r.node.desk.received == [entry]


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_work_comes_first(protocol: Protocol) -> None:
    async with room(protocol, pow_bits=6) as r:
        idle = too_short(lambda: r.request(protocol, age=100), 6)
        assert (await r.give(idle)).outcome is Drop.POW  # although it is stale as well
        assert (await r.give(r.request(protocol, pow_bits=6))).outcome is Drop.UNKNOWN_DISPUTE


async def test_a_long_event_is_not_even_read() -> None:
    async with room(pow_bits=6) as r:
        text = json.dumps({"dispute": {"version": 2, "padding": "x" * 4_200}})
        assert (await r.give(r.request(2, text=text))).outcome is Drop.TOO_LARGE


async def test_a_forged_signature_is_dropped_and_leaves_no_trace() -> None:
    async with room() as r:
        genuine = r.request(2)
        forged = Event.from_json(json.dumps(json.loads(genuine.as_json()) | {"sig": "0" * 128}))
        r.node.intake.hear(r.relay.url, forged)  # an honest relay would not carry it
        await eventually(lambda: len(r.node.desk.outcomes()) == 1)
        assert r.node.desk.received[0].outcome is Drop.SIGNATURE
        assert (await r.give(genuine)).outcome is Drop.UNKNOWN_DISPUTE


async def test_the_same_event_again_is_a_replay_for_a_minute() -> None:
    async with room() as r:
        event = r.request(2, age=-200)
        assert (await r.give(event)).outcome is Drop.UNKNOWN_DISPUTE
        r.node.intake.hear(r.relay.url, event)
        await eventually(lambda: len(r.node.desk.outcomes()) == 2)
        assert r.node.desk.received[1].outcome is Drop.REPLAY
        await r.clock.advance(61)
        r.node.intake.hear(r.relay.url, event)
        await eventually(lambda: len(r.node.desk.outcomes()) == 3)
        assert r.node.desk.received[2].outcome is Drop.UNKNOWN_DISPUTE


async def test_v1_has_no_replay_memory() -> None:
    async with room(1) as r:
        event = r.request(1)
        assert (await r.give(event)).outcome is Drop.UNKNOWN_DISPUTE
        r.node.intake.hear(r.relay.url, event)
        await eventually(lambda: len(r.node.desk.outcomes()) == 2)
        assert r.node.desk.received[1].outcome is Drop.UNKNOWN_DISPUTE


@pytest.mark.parametrize(
    ("content", "detail"),
    [("not encrypted", "decrypt"), ("", "decrypt")],
)
async def test_what_cannot_be_decrypted_is_dropped(content: str, detail: str) -> None:
    async with room() as r:
        p = [["p", r.node.public_key]]
        event = signed(r.solver.keys, 14, content, p, r.clock.now() - 100)
        entry = await r.give(event)  # before its age is looked at
        assert (entry.outcome, entry.verdict and entry.verdict.detail) == (Drop.TRANSPORT, detail)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_message_without_what_its_action_needs_is_dropped(protocol: Protocol) -> None:
    async with room(protocol) as r:
        body = {"version": 2, "request_id": 7, "action": "admin-take-dispute", "payload": None}
        entry = await r.give(r.request(protocol, text=json.dumps({"dispute": body})))
        assert entry.outcome is Drop.STRUCTURE
        nonsense = json.dumps({"dispute": body | {"action": "dance", "id": str(uuid4())}})
        assert (await r.give(r.request(protocol, text=nonsense))).outcome is Drop.ACTION


async def test_an_identity_needs_a_signature_of_the_trade_key() -> None:
    async with room(1) as r:
        unsigned = wrapped_for_another(r)
        assert (await r.give(unsigned)).outcome is Drop.IDENTITY_UNSIGNED


def wrapped_for_another(r: Room) -> Event:
    """A v1 request whose seal another key signed, without a signature inside."""
    trade, identity, once = Keys.generate(), r.solver.keys, Keys.generate()
    to = PublicKey.parse(r.node.public_key)
    text = canonical(take_request(str(uuid4()), 7, 1))
    rumor = (
        EventBuilder(Kind(1), f"[{text},null]")
        .custom_created_at(Timestamp.from_secs(r.clock.now()))
        .finalize_unsigned(trade.public_key())
        .ensure_id()
    )
    inner = nip44_encrypt(identity.secret_key(), to, rumor.as_json(), Nip44Version.V2)
    seal = signed(identity, 13, inner, [], r.clock.now())
    outer = nip44_encrypt(once.secret_key(), to, seal.as_json(), Nip44Version.V2)
    return signed(once, 1059, outer, [["p", r.node.public_key]], r.clock.now())


async def test_what_was_published_while_it_was_down_is_never_processed() -> None:
    async with room() as r:
        await r.node.offline()
        await r.wire.publish(r.request(2))
        await r.node.online()
        entry = await r.give(r.request(2))
        assert r.node.desk.received == [entry]


async def test_two_relays_bring_one_event_once() -> None:
    clock = FakeClock()
    async with (
        LoopbackRelay() as one,
        LoopbackRelay() as two,
        MostroNode([one.url, two.url], clock=clock, protocol=1) as node,
        SolverClient([one.url, two.url], node.public_key, clock=clock, protocol=1) as solver,
        node.serving(),
    ):
        node.register(solver.public_key)
        dispute = await node.open_order_dispute()
        assert await solver.take(dispute.id) is not None
        refused = await solver.take(str(uuid4()), seconds=0)
        assert refused is None
        await eventually(
            lambda: node.desk.outcomes() == [Did.TOOK, Drop.UNKNOWN_DISPUTE], what="two entries"
        )


class TestFirstContact:
    """The gate that only a v2 node has."""

    async def test_strangers_need_more_work_until_the_next_refresh(self) -> None:
        async with room(first_contact_bits=8, pow_bits=2) as r:
            node, solver = r.node, r.solver
            dispute = await node.open_order_dispute()
            solver.pow_bits = 2
            event = too_short(lambda: r.request(2, pow_bits=2), 8)
            assert (await r.give(event)).outcome is Drop.FIRST_CONTACT
            solver.pow_bits = 8
            assert await solver.take(dispute.id) is not None
            # It holds a dispute now, but the node reads anew whom it knows only on its timer.
            event = too_short(lambda: r.request(2, pow_bits=2), 8)
            assert (await r.give(event)).outcome is Drop.FIRST_CONTACT
            await r.clock.advance(60)
            event = too_short(lambda: r.request(2, pow_bits=2), 8)
            assert (await r.give(event)).outcome is Drop.UNKNOWN_DISPUTE
            await node.resolve(dispute)
            await r.clock.advance(60)
            event = too_short(lambda: r.request(2, pow_bits=2), 8)
            assert (await r.give(event)).outcome is Drop.FIRST_CONTACT

    async def test_newer_nodes_know_a_solver_at_once(self) -> None:
        async with room(first_contact_bits=8, style=NEWER) as r:
            dispute = await r.node.open_order_dispute()
            r.solver.pow_bits = 8
            assert await r.solver.take(dispute.id) is not None
            event = too_short(lambda: r.request(2), 8)
            assert (await r.give(event)).outcome is Drop.UNKNOWN_DISPUTE

    async def test_v1_has_no_gate(self) -> None:
        async with room(1, first_contact_bits=30) as r:
            assert (await r.give(r.request(1))).outcome is Drop.UNKNOWN_DISPUTE


class TestInfo:
    """What the info event says of the demands."""

    @staticmethod
    def tags(event: Event) -> dict[str, str]:
        return {tag[0]: tag[1] for each in event.tags() if len(tag := each.to_vec()) > 1}

    async def test_it_tells_protocol_and_work(self) -> None:
        async with room(2, pow_bits=3, first_contact_bits=9) as r:
            tags = self.tags(await r.node.publish_info())
            said = (tags["protocol_version"], tags["pow"], tags["pow_first_contact"])
            assert said == ("2", "3", "9")
        async with room(1, pow_bits=3, first_contact_bits=9) as r:
            tags = self.tags(await r.node.publish_info())
            said = (tags["protocol_version"], tags["pow"], tags["pow_first_contact"])
            assert said == ("1", "3", "3")

    async def test_it_may_keep_first_contact_to_itself(self) -> None:
        async with room(first_contact_bits=9, advertise_first_contact=False) as r:
            assert "pow_first_contact" not in self.tags(await r.node.publish_info())
            assert (await r.give(too_short(lambda: r.request(2), 9))).outcome is Drop.FIRST_CONTACT

    async def test_a_switch_is_a_restart_with_another_transport(self) -> None:
        async with room(2) as r:
            await r.node.switch(protocol=1, pow_bits=1)
            (info,) = await r.wire.fetch({"kinds": [38385]})
            assert self.tags(info)["protocol_version"] == "1"
            await r.wire.publish(r.request(2, pow_bits=1))
            entry = await r.give(r.request(1, pow_bits=1))
            assert entry.outcome is Drop.UNKNOWN_DISPUTE
            assert [each.kind for each in r.node.desk.received] == [1059]
