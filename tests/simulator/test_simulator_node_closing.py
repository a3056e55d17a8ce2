"""How disputes begin and end, by parties and solvers, on nodes old and new."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import pytest

from serbero.mostro.message import BondResolution, CantDo, DisputePayload, Message
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.events import CURRENT, KIND_DISPUTE, NEWER, DisputeStyle
from serbero.simulator.node import Category, MostroNode
from serbero.simulator.node_log import Did, Drop
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_rules import OrderStatus
from serbero.simulator.orders import Order
from serbero.simulator.party import PartyClient
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver_client import SolverClient


@dataclass(frozen=True, slots=True)
class Trade:
    """An order without a dispute, its parties, and a solver who may write."""

    clock: FakeClock
    relay: LoopbackRelay
    node: MostroNode
    buyer: PartyClient
    seller: PartyClient
    solver: SolverClient
    order: Order

    async def statuses(self) -> list[str]:
        """The newest status of each dispute on the relay."""
        async with RelayPeer(self.relay.url) as peer:
            events = await peer.fetch({"kinds": [KIND_DISPUTE]})
        return [
            tag[1] for event in events for each in event.tags() if (tag := each.to_vec())[0] == "s"
        ]

    async def handled(self, *outcomes: Did | Drop) -> None:
        """Wait until the last requests led to these."""
        count = len(outcomes)
        await eventually(
            lambda: self.node.desk.outcomes()[-count:] == list(outcomes), what=str(outcomes)
        )

    async def refusal_of(self, party: PartyClient) -> Message:
        """Step the clock until a party was refused."""
        await self.handled(Did.REFUSED)
        await run_until(self.clock, lambda: "cant-do" in party.actions, limit_seconds=1)
        return next(each.message for each in party.letters if each.message.action == "cant-do")

    async def taken(self) -> str:
        """The buyer opens a dispute and the solver takes it; its id."""
        await self.buyer.open_dispute(self.order.id)
        await self.handled(Did.OPENED)
        dispute = self.node.desk.dispute_of(self.order)
        assert dispute is not None
        assert await self.solver.take(dispute.id) is not None
        await self.handled(Did.OPENED, Did.TOOK)
        return dispute.id


@asynccontextmanager
async def trade(protocol: Protocol = 2, style: DisputeStyle = CURRENT) -> AsyncIterator[Trade]:
    clock = FakeClock()
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url], clock=clock, protocol=protocol, style=style) as node,
        PartyClient([relay.url], clock=clock, protocol=protocol, name="buyer") as buyer,
        PartyClient([relay.url], clock=clock, protocol=protocol, name="seller") as seller,
        SolverClient([relay.url], node.public_key, clock=clock, protocol=protocol) as solver,
        node.serving(),
    ):
        node.register(solver.public_key)
        order = await node.open_order(buyer, seller)
        yield Trade(clock, relay, node, buyer, seller, solver, order)


@pytest.mark.parametrize("protocol", [1, 2])
async def test_a_party_opens_a_dispute(protocol: Protocol) -> None:
    async with trade(protocol) as t:
        request_id = await t.seller.open_dispute(t.order.id)
        await eventually(lambda: t.buyer.letters and t.seller.letters)
        (to_seller,), (to_buyer,) = t.seller.letters, t.buyer.letters
        assert to_seller.message.action == "dispute-initiated-by-you"
        assert to_buyer.message.action == "dispute-initiated-by-peer"
        await t.handled(Did.OPENED)
        dispute = t.node.desk.dispute_of(t.order)
        assert dispute is not None
        for message in (to_seller.message, to_buyer.message):
            assert message.payload == DisputePayload(dispute.id, None)
            assert (message.id, message.request_id) == (t.order.id, request_id)
        assert dispute.initiator == t.order.initiator == "seller"
        assert t.order.status is OrderStatus.DISPUTE
        assert t.order.previous_status is OrderStatus.FIAT_SENT
        assert await t.statuses() == ["initiated"]
        # At most one dispute an order, ever; the second request is met with silence.
        await t.buyer.open_dispute(t.order.id)
        await t.handled(Drop.ALREADY_DISPUTED)


async def test_a_dispute_that_cannot_be_opened() -> None:
    async with trade() as t:
        await t.buyer.open_dispute(str(uuid4()))
        assert (await t.refusal_of(t.buyer)).payload == CantDo("not_found")
        other = await t.node.open_order(t.buyer, t.buyer)
        await t.seller.open_dispute(other.id)
        assert (await t.refusal_of(t.seller)).payload == CantDo("invalid_pubkey")


async def test_an_order_that_is_over_cannot_be_disputed() -> None:
    async with trade() as t:
        t.order.status = OrderStatus.SETTLED_HOLD_INVOICE
        await t.buyer.open_dispute(t.order.id)
        assert (await t.refusal_of(t.buyer)).payload == CantDo("not_allowed_by_status")


@pytest.mark.parametrize(
    ("style", "status"), [(CURRENT, "settled"), (NEWER, "released")], ids=["old", "new"]
)
async def test_the_seller_releases(style: DisputeStyle, status: str) -> None:
    async with trade(style=style) as t:
        dispute_id = await t.taken()
        before = len(t.solver.letters)
        await t.seller.release(t.order.id)
        await t.handled(Did.RELEASED)
        await eventually(lambda: "released" in t.buyer.actions)
        await eventually(lambda: t.seller.actions[-2:] == ["hold-invoice-payment-settled", "rate"])
        assert await t.statuses() == [status]
        if style is NEWER:
            await eventually(lambda: len(t.solver.letters) > before)
            notice = t.solver.answers[-1]
            assert (notice.action, notice.id, notice.request_id) == ("released", t.order.id, None)
            assert notice.payload == DisputePayload(dispute_id, None)
        else:
            assert len(t.solver.letters) == before


@pytest.mark.parametrize(
    ("style", "status"),
    [(CURRENT, "seller-refunded"), (NEWER, "cooperatively-canceled")],
    ids=["old", "new"],
)
async def test_both_cancel(style: DisputeStyle, status: str) -> None:
    async with trade(style=style) as t:
        dispute_id = await t.taken()
        before = len(t.solver.letters)
        await t.seller.cancel(t.order.id)
        await t.handled(Did.CANCEL_ASKED)
        await eventually(
            lambda: (
                t.seller.actions[-1] == "cooperative-cancel-initiated-by-you"
                and t.buyer.actions[-1] == "cooperative-cancel-initiated-by-peer"
            )
        )
        assert await t.statuses() == ["in-progress"]
        await t.buyer.cancel(t.order.id)
        await t.handled(Did.CANCELED_TOGETHER)
        for party in (t.buyer, t.seller):
            await eventually(lambda: party.actions[-1] == "cooperative-cancel-accepted")  # noqa: B023
        assert await t.statuses() == [status]
        if style is NEWER:
            await eventually(lambda: len(t.solver.letters) > before)
            assert t.solver.answers[-1].action == "cooperative-cancel-accepted"
            assert t.solver.answers[-1].request_id is None
            assert t.solver.answers[-1].payload == DisputePayload(dispute_id, None)
        else:
            assert len(t.solver.letters) == before
        # The solver who comes too late hears so, in the form of an own action's answer.
        answer = await t.solver.settle(t.order.id)
        assert answer is not None
        assert (answer.action, answer.payload) == ("cooperative-cancel-accepted", None)
        assert answer.request_id is not None


async def test_release_and_cancel_end_an_untaken_dispute_too() -> None:
    async with trade() as t:
        await t.buyer.open_dispute(t.order.id)
        await t.handled(Did.OPENED)
        await t.seller.release(t.order.id)
        await t.handled(Did.RELEASED)
        assert await t.statuses() == ["settled"]


async def test_who_may_not_release_or_cancel() -> None:
    async with trade() as t:
        await t.buyer.release(t.order.id)
        assert (await t.refusal_of(t.buyer)).payload == CantDo("invalid_peer")
        await t.seller.cancel(t.order.id)
        await t.handled(Did.CANCEL_ASKED)
        await t.seller.cancel(t.order.id)
        assert (await t.refusal_of(t.seller)).payload == CantDo("invalid_pubkey")
        assert t.order.status is OrderStatus.FIAT_SENT


@pytest.mark.parametrize("protocol", [1, 2])
async def test_a_solver_settles(protocol: Protocol) -> None:
    async with trade(protocol) as t:
        await t.taken()
        answer = await t.solver.settle(t.order.id)
        assert answer is not None
        assert (answer.action, answer.id, answer.payload) == ("admin-settled", t.order.id, None)
        await t.handled(Did.SETTLED)
        for party in (t.buyer, t.seller):
            await eventually(lambda: party.actions[-1] == "admin-settled")  # noqa: B023
            assert party.letters[-1].message.request_id is None
        assert await t.statuses() == ["settled"]
        assert t.order.status is OrderStatus.SETTLED_BY_ADMIN


async def test_a_solver_cancels() -> None:
    async with trade() as t:
        await t.taken()
        answer = await t.solver.cancel(t.order.id)
        assert answer is not None
        assert answer.action == "admin-canceled"
        await t.handled(Did.CANCELED)
        for party in (t.buyer, t.seller):
            await eventually(lambda: party.actions[-1] == "admin-canceled")  # noqa: B023
            assert party.letters[-1].message.request_id == answer.request_id
        assert await t.statuses() == ["seller-refunded"]


async def test_a_read_only_solver_closes_nothing() -> None:
    async with trade() as t:
        t.node.desk.users[t.solver.public_key] = Category.READ
        await t.taken()
        for number, ask in enumerate((t.solver.settle, t.solver.cancel), start=2):
            await ask(t.order.id, seconds=0)
            await run_until(t.clock, lambda: len(t.solver.letters) == number, limit_seconds=1)  # noqa: B023
            assert t.solver.answers[-1].payload == CantDo("not_authorized")
        assert await t.statuses() == ["in-progress"]


async def test_a_bond_is_slashed_only_where_there_is_one() -> None:
    async with trade() as t:
        await t.taken()
        t.order.bonds = frozenset({"buyer"})
        await t.solver.settle(t.order.id, slash=BondResolution(True, False), seconds=0)
        await run_until(t.clock, lambda: len(t.solver.letters) == 2, limit_seconds=1)
        assert t.solver.answers[-1].payload == CantDo("invalid_payload")
        assert await t.statuses() == ["in-progress"]
        assert await t.solver.settle(t.order.id, slash=BondResolution(False, True)) is not None
        await eventually(lambda: t.buyer.actions[-2:] == ["admin-settled", "bond-slashed"])
        assert "bond-slashed" not in t.seller.actions
