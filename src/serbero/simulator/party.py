"""A buyer or a seller: hears the node on its transport, and chats with the solver it names.

Whenever the node names a solver the party derives its chat from that key, as the mobile client
does; under a new solver the old conversation is out of its reach.
"""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from nostr_sdk import Keys

from serbero.clock import Clock
from serbero.mostro.message import Action, DisputePayload, Message, PeerPayload
from serbero.simulator.correspondent import Correspondent, Letter
from serbero.simulator.node_messages import Protocol
from serbero.simulator.party_chat import EnvelopeChoice
from serbero.simulator.party_hostile import HostileSide


@dataclass(frozen=True, slots=True)
class Named:
    """The node named a solver.

    Attributes:
        solver: hex.
        order_id: of the order.
        request_id: of the take that led to it.
    """

    solver: str
    order_id: str
    request_id: int | None


class PartyClient(HostileSide):
    """One party of an order, polite unless told otherwise, as an async context manager.

    Args:
        relay_urls: where it reads and writes.
        clock: dates what it writes and what arrives.
        protocol: the transport between it and the node.
        envelope: what it reads and writes in the chat.
        name: for people who read about it.
        keys: the trade key; None makes one.
        identity: vouches for the trade key in requests; None is full privacy mode.
        pow_bits: work on every request to the node.

    Attributes:
        letters: everything the node sent, in order.
        named: the solvers it named, in order; a take again names the same one again.
        no_letters: why other events addressed to it were no letters of the node.
    """

    def __init__(
        self,
        relay_urls: Iterable[str],
        *,
        clock: Clock | None = None,
        protocol: Protocol = 2,
        envelope: EnvelopeChoice = "kind14",
        name: str = "party",
        keys: Keys | None = None,
        identity: Keys | None = None,
        pow_bits: int = 0,
    ) -> None:
        super().__init__(relay_urls, clock=clock, envelope=envelope, name=name, keys=keys)
        self.identity = identity
        self.pow_bits = pow_bits
        self.letters: list[Letter] = []
        self.named: list[Named] = []
        self.no_letters: list[str] = []
        self._post = Correspondent(
            self.peers, self.clock, protocol, self._read, self.no_letters.append
        )
        self._to_meet: asyncio.Queue[str] = asyncio.Queue()
        self._meeting: asyncio.Task[None] | None = None

    @property
    def protocol(self) -> Protocol:
        """The transport between it and the node."""
        return self._post.protocol

    @property
    def dispute_id(self) -> str | None:
        """The dispute the node told it of last."""
        found = [each.message.payload for each in self.letters]
        return next((p.id for p in reversed(found) if isinstance(p, DisputePayload)), None)

    @property
    def actions(self) -> list[str]:
        """What the node told it, in order."""
        return [each.message.action for each in self.letters]

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._meeting = asyncio.create_task(self._keep_meeting(), name=f"{self.name} meets")
        return self

    async def __aexit__(self, *_: object) -> None:
        problem: object = None
        if self._meeting is not None:
            self._meeting.cancel()
            (problem,) = await asyncio.gather(self._meeting, return_exceptions=True)
        await super().__aexit__()
        if isinstance(problem, Exception):
            raise problem

    # The node.

    async def attend(self, node: str) -> None:
        """Listen to the node from now on.

        Raises:
            PeerError: a relay did not answer.
        """
        await self._post.attend(node, (self.keys,), self.protocol)

    async def switch(self, protocol: Protocol) -> None:
        """Speak another transport with the node, as a client does that noticed its switch.

        Raises:
            PeerError: a relay did not answer.
            RuntimeError: it attends no node.
        """
        if self._post.node is None:
            raise RuntimeError(f"{self.name} attends no node")
        await self._post.attend(self._post.node, (self.keys,), protocol)

    async def open_dispute(self, order_id: str) -> int:
        """Ask the node for a dispute; returns the request id."""
        return await self._ask(Action.DISPUTE, order_id)

    async def release(self, order_id: str) -> int:
        """Release the escrow (the seller's); returns the request id."""
        return await self._ask(Action.RELEASE, order_id)

    async def cancel(self, order_id: str) -> int:
        """Ask for, or agree to, a cooperative cancellation; returns the request id."""
        return await self._ask(Action.CANCEL, order_id)

    async def _ask(self, action: Action, order_id: str) -> int:
        request_id = secrets.randbelow(2**53)
        message = Message("order", self.protocol, request_id, order_id, action, None)
        await self._post.send(message, self.keys, identity=self.identity, pow_bits=self.pow_bits)
        return request_id

    def _read(self, letter: Letter) -> None:
        self.letters.append(letter)
        message = letter.message
        if message.action == Action.ADMIN_TOOK_DISPUTE and isinstance(message.payload, PeerPayload):
            solver = message.payload.pubkey
            self.named.append(Named(solver, message.id or "", message.request_id))
            self._to_meet.put_nowait(solver)

    async def _keep_meeting(self) -> None:
        """Turn to each solver the node names; beside the hearing, since it asks the relays."""
        while True:
            await self.meet(await self._to_meet.get())
