"""A Mostro node: it publishes disputes, and once it serves it answers solvers and parties.

:mod:`~serbero.simulator.node_public` is what it says to everybody,
:mod:`~serbero.simulator.node_intake` what it does with an arriving event,
:mod:`~serbero.simulator.desk` and :mod:`~serbero.simulator.desk_closing` what it does on request,
:mod:`~serbero.simulator.node_rules` whom it allows what.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol as Shape
from typing import Self, Unpack

from nostr_sdk import Keys

from serbero.clock import Clock
from serbero.simulator import events
from serbero.simulator.desk import Desk
from serbero.simulator.desk_closing import announce
from serbero.simulator.node_intake import Intake
from serbero.simulator.node_messages import Protocol
from serbero.simulator.node_public import Dispute, PublicNode
from serbero.simulator.node_rules import Category
from serbero.simulator.orders import Order, OrderFacts, Side

__all__ = ["Category", "Dispute", "MostroNode"]


class Trader(Shape):
    """A party of an order; :class:`serbero.simulator.party.PartyClient` is one."""

    @property
    def public_key(self) -> str:
        """The trade key, hex."""

    async def attend(self, node: str) -> None:
        """Listen to the node from now on."""


class MostroNode(PublicNode):
    """The node, as an async context manager; ``async with node.serving():`` opens its desk.

    Args:
        relay_urls: where it publishes and listens.
        keys: the node's key; None makes one.
        clock: where its stamps, its freshness and its timers come from.
        style: which node version it is.
        protocol: which transport it speaks.
        pow_bits: work it demands of every event sent to it.
        first_contact_bits: work it demands of authors it does not know (v2 only).
        advertise_first_contact: whether its info event says so.
        known_keys_refresh_seconds: how often it reads anew whom it knows.

    Attributes:
        desk: users, orders, everything received, and the ways to misbehave.
    """

    def __init__(
        self,
        relay_urls: Iterable[str],
        *,
        keys: Keys | None = None,
        clock: Clock | None = None,
        style: events.DisputeStyle = events.CURRENT,
        protocol: Protocol = 2,
        pow_bits: int = 0,
        first_contact_bits: int | None = None,
        advertise_first_contact: bool = True,
        known_keys_refresh_seconds: float = 60.0,
    ) -> None:
        super().__init__(
            relay_urls,
            keys=keys,
            clock=clock,
            style=style,
            protocol=protocol,
            pow_bits=pow_bits,
            first_contact_bits=first_contact_bits,
            advertise_first_contact=advertise_first_contact,
        )
        self.desk = Desk(self)
        self.intake = Intake(self, self.desk, known_keys_refresh_seconds)
        self._is_online = False

    # The desk.

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Answer requests while inside; needs the node's connections.

        Raises:
            PeerError: a relay did not answer.
        """
        try:
            await self.online()
            yield self
        finally:
            await self.offline()

    async def online(self) -> None:
        """Listen (again); what was published meanwhile is never processed.

        Raises:
            PeerError: a relay did not answer.
        """
        if not self._is_online:
            self._is_online = True
            await self.intake.start()

    async def offline(self) -> None:
        """Stop listening; queued refusals, late answers and the replay memory are lost."""
        if self._is_online:
            self._is_online = False
            await self.intake.stop()

    async def switch(
        self,
        *,
        protocol: Protocol | None = None,
        pow_bits: int | None = None,
        first_contact_bits: int | None = None,
    ) -> None:
        """Restart with other settings (None keeps one) and publish the info event.

        Args:
            protocol: the transport.
            pow_bits: work on every event.
            first_contact_bits: work by strangers; 0 ends it.

        Raises:
            PeerError: a relay did not answer.
        """
        serves = self._is_online
        await self.offline()
        self.protocol = self.protocol if protocol is None else protocol
        self.pow_bits = self.pow_bits if pow_bits is None else pow_bits
        if first_contact_bits is not None:
            self.first_contact_bits = first_contact_bits
        if serves:
            await self.online()
        await self.publish_info()

    def register(self, public_key: str, category: Category = Category.READ_WRITE) -> bool:
        """Insert a solver; False where the key has a row already, which stays as it is."""
        return self.desk.register(public_key, category)

    # Orders.

    async def open_order(
        self,
        buyer: Trader | str | None = None,
        seller: Trader | str | None = None,
        **facts: Unpack[OrderFacts],
    ) -> Order:
        """Record an order in ``fiat-sent`` (or ``previous_status``) without a dispute.

        Args:
            buyer: a client (it listens to this node afterwards), a trade key in hex, or None
                for somebody who never answers.
            seller: likewise.
            facts: anything else; see :class:`~serbero.simulator.orders.Order`.

        Raises:
            PeerError: a relay did not answer a client.
        """
        order = Order(await self._meet(buyer), await self._meet(seller), **facts)
        order.status = order.previous_status
        now = self.clock.now()
        order.created_at = order.created_at or now - 7_200
        order.taken_at = order.taken_at or now - 3_600
        order.invoice_held_at = order.invoice_held_at or now - 3_500
        self.desk.orders[order.id] = order
        return order

    async def open_order_dispute(
        self,
        buyer: Trader | str | None = None,
        seller: Trader | str | None = None,
        initiator: Side = "buyer",
        *,
        dispute_id: str | None = None,
        **facts: Unpack[OrderFacts],
    ) -> Dispute:
        """Record an order and let a side open a dispute of it.

        Raises:
            PeerError: no relay took an event, or one did not answer a client.
        """
        order = await self.open_order(buyer, seller, **facts)
        dispute = self._new(initiator, dispute_id)
        dispute.order_id = order.id
        await announce(self.desk, order, dispute, initiator, None)
        return dispute

    def order_of(self, dispute: Dispute) -> Order:
        """The order behind a dispute.

        Raises:
            KeyError: there is none.
        """
        return self.desk.orders[dispute.order_id or ""]

    async def _meet(self, trader: Trader | str | None) -> str:
        if trader is None:
            return Keys.generate().public_key().to_hex()
        if isinstance(trader, str):
            return trader
        await trader.attend(self.public_key)
        return trader.public_key
