"""Our requests before a Mostro node on nostr-tools, and its answers before our code."""

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from nostr_sdk import Event, Keys
from tests.interop.js_peer import JsPeer

from serbero.clock import SystemClock
from serbero.mostro.message import Action, Message, send_dm, take_request
from serbero.mostro.node_info import INFO_KIND, NodeInfo, Transport, parse_info_event
from serbero.mostro.payloads import CantDo, DisputePayload
from serbero.mostro.transport import Inbound, TransportRejection, unwrap_from_node, wrap
from serbero.nostr.relay_list import RELAY_LIST_KIND, RelayList, relay_list
from serbero.simulator.clock import eventually
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay

MONTH_SECONDS = 30 * 86_400
SECRETS = ("2b" * 32, "1a" * 32, "lnbcrt1secretinvoice")
"""What the peer's node tells a solver beside what a mediator may know."""


@dataclass
class Asker:
    """A solver's program made of the code on trial: asks a node, reads what comes back."""

    relay: RelayPeer
    keys: Keys = field(default_factory=Keys.generate)
    node: str = ""
    answers: list[Inbound | TransportRejection] = field(default_factory=list)

    @property
    def public_key(self) -> str:
        return self.keys.public_key().to_hex()

    async def meet(self, node: str) -> None:
        self.node = node
        await self.relay.subscribe(
            self._heard,
            {"kinds": [14], "authors": [node], "#p": [self.public_key]},
            {"kinds": [1059], "#p": [self.public_key]},
        )

    def _heard(self, event: Event) -> None:
        now = SystemClock().now()
        self.answers.append(unwrap_from_node(event, self.keys, self.node, now=now))

    async def info(self) -> NodeInfo:
        """What the node says of itself."""
        read = parse_info_event(await self.newest(INFO_KIND), self.node)
        assert isinstance(read, NodeInfo)
        return read

    async def newest(self, kind: int) -> Event:
        """The node's newest event of a kind."""
        held = await self.relay.fetch_all({"kinds": [kind], "authors": [self.node]})
        return max(held, key=lambda each: each.created_at().as_secs())

    def request(
        self,
        message: Message,
        transport: Transport,
        *,
        age: int = 0,
        pow_bits: int = 0,
        identity: Keys | None = None,
        sign: bool = False,
    ) -> Event:
        created_at = SystemClock().now() - age
        expires_at = created_at + MONTH_SECONDS
        return wrap(
            transport,
            self.keys,
            self.node,
            message,
            created_at=created_at,
            expires_at=expires_at,
            pow_bits=pow_bits,
            identity=identity,
            sign=sign,
        )

    async def answer(self) -> Inbound:
        """The next message of the node."""
        await eventually(lambda: self.answers, seconds=20, what="an answer of the node")
        answer = self.answers.pop(0)
        assert isinstance(answer, Inbound), answer
        return answer


@dataclass
class Trade:
    """A dispute at the peer's node, with both parties listening."""

    node: str
    dispute: str
    order: str
    buyer: str
    seller: str


@pytest.fixture
async def asker(relay: LoopbackRelay) -> AsyncIterator[Asker]:
    async with RelayPeer(relay.url) as client:
        yield Asker(client)


async def opened(peer: JsPeer, asker: Asker, **settings: object) -> Trade:
    """A node with these settings, where ``asker`` is registered, and a dispute."""
    node = await peer.start("node", "mostro", **settings)
    buyer = await peer.start("party", "buyer", node=node)
    seller = await peer.start("party", "seller", node=node)
    await peer.do("register", "mostro", pubkey=asker.public_key, category="read")
    await asker.meet(node)
    made = await peer.do("dispute", "mostro", buyer=buyer, seller=seller, initiator="seller")
    return Trade(node, made["dispute"], made["order"], buyer, seller)


def request_id() -> int:
    return secrets.randbelow(2**53)


@pytest.mark.parametrize("transport", list(Transport))
@pytest.mark.parametrize("bits", [0, 10])
async def test_take_is_answered(
    peer: JsPeer, asker: Asker, transport: Transport, bits: int
) -> None:
    trade = await opened(
        peer, asker, transport=transport, pow=bits // 2, pow_first_contact=bits, name="José's"
    )
    info = await asker.info()
    assert (info.transport, info.name, info.pow) == (transport, "José's", bits // 2)
    assert info.pow_first_contact == bits
    listed = relay_list(await asker.newest(RELAY_LIST_KIND), trade.node)
    assert isinstance(listed, RelayList)
    assert listed.read == listed.write == (asker.relay.url,)

    number = request_id()
    ask = take_request(trade.dispute, number, transport.message_version)
    event = asker.request(ask, transport, pow_bits=bits)
    assert (await asker.relay.publish(event)).accepted
    answer = await asker.answer()
    assert answer.message.action == Action.ADMIN_TOOK_DISPUTE
    assert (answer.message.request_id, answer.message.id) == (number, trade.dispute)
    assert answer.message.version == transport.message_version
    payload = answer.message.payload
    assert isinstance(payload, DisputePayload)
    told = payload.info
    assert told is not None
    assert (told.order_id, told.buyer, told.seller) == (trade.order, trade.buyer, trade.seller)
    assert (told.initiator, told.initiator_key) == ("seller", trade.seller)
    assert told.initiator_reputation is not None
    assert told.initiator_reputation.rating == 4.5
    assert (told.payment_method, told.amount) == ("SEPA, José", 50_000)
    assert told.invoice_held_at is not None
    assert not any(secret in repr(answer) for secret in SECRETS)

    heard = await peer.heard("request", "mostro")
    assert heard["canonical"], "to the letter what the reference would write"
    assert not heard["signed"], "one key needs no signature, on either transport"
    assert heard["sender"] == heard["identity"] == asker.public_key
    assert heard["asked"]["version"] == transport.message_version
    assert heard["asked"]["wrapper"] == "dispute"
    assert heard["bits"] >= bits
    assert heard["committed"] == (bits or None)
    assert heard["expiration"] is not None
    for party in ("buyer", "seller"):
        notice = await peer.heard("notice", party, action="admin-took-dispute")
        assert notice["payload"]["peer"]["pubkey"] == asker.public_key
    await peer.heard("took", "mostro", dispute=trade.dispute, solver=asker.public_key)


@pytest.mark.parametrize("transport", list(Transport))
async def test_refusal_is_read(peer: JsPeer, asker: Asker, transport: Transport) -> None:
    """A dispute that a solver with more rights holds; and the node's other refusal."""
    trade = await opened(peer, asker, transport=transport)
    other = Keys.generate().public_key().to_hex()
    await peer.do("take_over", "mostro", dispute=trade.dispute, solver=other)
    number = request_id()
    ask = take_request(trade.dispute, number, transport.message_version)
    await asker.relay.publish(asker.request(ask, transport))
    answer = await asker.answer()
    assert answer.message.action == Action.CANT_DO
    assert answer.message.payload == CantDo("invalid_pubkey")
    assert (answer.message.request_id, answer.message.id) == (number, trade.dispute)
    settle = Message(
        "dispute", transport.message_version, None, trade.order, Action.ADMIN_SETTLE, None
    )
    await asker.relay.publish(asker.request(settle, transport))
    answer = await asker.answer()
    assert answer.message.payload == CantDo("not_authorized")
    assert answer.message.request_id is None


@pytest.mark.parametrize("transport", list(Transport))
async def test_identity_proof_and_signatures_hold(
    peer: JsPeer, asker: Asker, transport: Transport
) -> None:
    """The forms a single-key solver does not need still are what the network means by them."""
    trade = await opened(peer, asker, transport=transport)
    identity = Keys.generate()
    name = identity.public_key().to_hex()
    await peer.do("register", "mostro", pubkey=name, category="write")
    ask = take_request(trade.dispute, request_id(), transport.message_version)
    await asker.relay.publish(asker.request(ask, transport, sign=True))
    alone = await peer.heard("request", "mostro", signed=True, identity=asker.public_key)
    assert alone["canonical"]
    await peer.heard("took", "mostro", solver=asker.public_key)
    await asker.relay.publish(asker.request(ask, transport, identity=identity))
    vouched = await peer.heard("request", "mostro", signed=True, identity=name)
    assert vouched["canonical"]
    assert vouched["sender"] == asker.public_key
    await peer.heard("took", "mostro", solver=name)


@pytest.mark.parametrize("transport", list(Transport))
async def test_peers_node_is_as_strict_as_the_real_one(
    peer: JsPeer, asker: Asker, transport: Transport
) -> None:
    """Guards the tests above: what the node must drop, this one drops, and says why."""
    trade = await opened(peer, asker, transport=transport, pow=6, pow_first_contact=6)
    version = transport.message_version
    ask = take_request(trade.dispute, request_id(), version)
    cheap = next(
        event
        for event in (asker.request(ask, transport) for _ in range(100))
        if not event.id().to_hex().startswith("0")
    )
    nameless = Message("dispute", version, 1, None, Action.ADMIN_TAKE_DISPUTE, None)
    unknown = take_request("0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10", 1, version)
    offers = {
        "pow": cheap,
        "freshness": asker.request(ask, transport, pow_bits=6, age=12),
        "message-verify": asker.request(nameless, transport, pow_bits=6),
        "unknown-dispute": asker.request(unknown, transport, pow_bits=6),
    }
    peer.tolerated |= set(offers)
    for reason, event in offers.items():
        assert (await asker.relay.publish(event)).accepted
        await peer.heard("refused", "mostro", reason=reason)
    assert not asker.answers
    assert not peer.all("took")


async def test_switch_of_transport_is_announced(peer: JsPeer, asker: Asker) -> None:
    peer.tolerated |= {"pow-first-contact"}
    trade = await opened(peer, asker, transport="gift-wrap", pow=4, pow_first_contact=4)
    assert (await asker.info()).transport is Transport.GIFT_WRAP
    await peer.do(
        "configure",
        "mostro",
        transport="nip44",
        pow_first_contact=12,
        advertise_first_contact=False,
        serbero=asker.public_key,
    )
    info = await asker.info()
    assert (info.transport, info.pow, info.serbero) == (Transport.NIP44, 4, asker.public_key)
    assert info.pow_first_contact is None, "unknown, and neither nothing nor the ordinary work"
    ask = take_request(trade.dispute, request_id(), 2)
    guess = next(
        event
        for event in (asker.request(ask, Transport.NIP44, pow_bits=4) for _ in range(100))
        if not event.id().to_hex().startswith("000")
    )
    await asker.relay.publish(guess)
    await peer.heard("refused", "mostro", reason="pow-first-contact")
    await asker.relay.publish(asker.request(ask, Transport.NIP44, pow_bits=12))
    assert (await asker.answer()).message.action == Action.ADMIN_TOOK_DISPUTE


async def test_notice_of_a_newer_node_is_read(peer: JsPeer, asker: Asker) -> None:
    """Newer nodes tell the solver that the parties ended the dispute; nobody had asked."""
    trade = await opened(peer, asker)
    payload = {"dispute": [trade.dispute, None]}
    for wrapper, action in (("dispute", "released"), ("order", "cooperative-cancel-accepted")):
        await peer.do(
            "notice",
            "mostro",
            to=asker.public_key,
            wrapper=wrapper,
            id=trade.order,
            action=action,
            payload=payload,
        )
        message = (await asker.answer()).message
        assert (message.wrapper, message.action, message.id) == (wrapper, action, trade.order)
        assert message.request_id is None
        assert message.payload == DisputePayload(trade.dispute, None)


@pytest.mark.parametrize("dispute", ["0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10", None])
async def test_mostro_message_to_a_solver_is_read(
    peer: JsPeer, asker: Asker, dispute: str | None
) -> None:
    text = json.dumps({"text": '¿Qué?\n\u2028 / \\ " 🧑\u200d⚖️ \x7f \x01'}, ensure_ascii=False)
    solver = await peer.start("solver", "human", trusted=[asker.public_key])
    now = SystemClock().now()
    event = wrap(
        Transport.NIP44,
        asker.keys,
        solver,
        send_dm(text, dispute),
        created_at=now,
        expires_at=now + MONTH_SECONDS,
    )
    assert (await asker.relay.publish(event)).accepted
    heard = await peer.heard("dm", "human")
    assert (heard["via"], heard["sender"]) == ("mostro", asker.public_key)
    assert (heard["text"], heard["dispute"]) == (text, dispute)
    assert (heard["created_at"], heard["expiration"]) == (now, now + MONTH_SECONDS)
