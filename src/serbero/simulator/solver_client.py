"""A human solver's client towards the node: it takes disputes and closes them over the wire."""

import asyncio
import secrets
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Self

from nostr_sdk import Event, Keys

from serbero.clock import Clock, SystemClock, within
from serbero.mostro.message import Action, BondResolution, Message, TextMessage, take_request
from serbero.simulator.correspondent import Correspondent, Letter
from serbero.simulator.node_messages import Protocol
from serbero.simulator.peer import RelayPeer

ANSWER_SECONDS = 5.0
"""Real seconds that an answer may take; the node's own waiting is on the node's clock."""


class SolverClient:
    """A solver with one key (or an identity behind it), as an async context manager.

    Args:
        relay_urls: where it reads and writes.
        node: whom it writes to, hex.
        clock: dates its requests.
        protocol: the node's transport.
        keys: author of its requests; None makes one.
        identity: vouches for ``keys``, where it is another key.
        pow_bits: work on every request.

    Attributes:
        letters: everything the node sent, in order.
        rejected: why other events were no letters.
        sent: its requests as events, in order.
    """

    def __init__(
        self,
        relay_urls: Iterable[str],
        node: str,
        *,
        clock: Clock | None = None,
        protocol: Protocol = 2,
        keys: Keys | None = None,
        identity: Keys | None = None,
        pow_bits: int = 0,
    ) -> None:
        self.keys = keys or Keys.generate()
        self.identity = identity
        self.relay_urls = tuple(relay_urls)
        self.node = node
        self.pow_bits = pow_bits
        self.letters: list[Letter] = []
        self.rejected: list[str] = []
        self.sent: list[Event] = []
        self._peers: dict[str, RelayPeer] = {}
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._stack = AsyncExitStack()
        self._post = Correspondent(
            self._peers, clock or SystemClock(), protocol, self._read, self.rejected.append
        )

    @property
    def public_key(self) -> str:
        """The key that permissions are asked of, hex."""
        return (self.identity or self.keys).public_key().to_hex()

    @property
    def answers(self) -> list[Message]:
        """What the node said, in order."""
        return [each.message for each in self.letters]

    async def __aenter__(self) -> Self:
        for url in self.relay_urls:
            self._peers[url] = await self._stack.enter_async_context(RelayPeer(url, keys=self.keys))
        await self.switch(self._post.protocol)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def switch(self, protocol: Protocol) -> None:
        """Speak this transport from now on.

        Raises:
            PeerError: a relay did not answer.
        """
        own = (self.keys,) if self.identity is None else (self.keys, self.identity)
        await self._post.attend(self.node, own, protocol)

    async def take(self, dispute_id: str, *, seconds: float = ANSWER_SECONDS) -> Message | None:
        """Take (or take over) a dispute; the answer, or None when none came.

        Raises:
            PeerError: a relay did not answer.
        """
        request_id = secrets.randbelow(2**53)
        message = take_request(dispute_id, request_id, self._post.protocol)
        return await self.ask(message, seconds=seconds)

    async def settle(
        self,
        order_id: str,
        *,
        slash: BondResolution | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Message | None:
        """Pay the buyer."""
        return await self.ask(self._about(Action.ADMIN_SETTLE, order_id, slash), seconds=seconds)

    async def cancel(
        self,
        order_id: str,
        *,
        slash: BondResolution | None = None,
        seconds: float = ANSWER_SECONDS,
    ) -> Message | None:
        """Refund the seller."""
        return await self.ask(self._about(Action.ADMIN_CANCEL, order_id, slash), seconds=seconds)

    async def add_solver(
        self, text: str, subject: str, *, seconds: float = ANSWER_SECONDS
    ) -> Message | None:
        """Register a solver; only the node's own key may.

        Args:
            text: ``npub1...`` with an optional suffix.
            subject: any UUID.
            seconds: how long to wait for the answer.
        """
        message = self._about(Action.ADMIN_ADD_SOLVER, subject, TextMessage(text))
        return await self.ask(message, seconds=seconds)

    async def ask(self, message: Message, *, seconds: float = ANSWER_SECONDS) -> Message | None:
        """Send any request and wait for what echoes its request id; None when nothing does.

        Args:
            message: without a request id no answer can be told from others.
            seconds: real ones; 0 sends without waiting.

        Raises:
            PeerError: a relay did not answer.
        """
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        if message.request_id is not None:
            self._waiting[message.request_id] = answer
        await self.send(message)
        try:
            return await within(SystemClock(), seconds, answer) if seconds else None
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(message.request_id or 0, None)

    async def send(self, message: Message | str, *, sign: bool = False) -> Event:
        """Send a request in a fresh event.

        Raises:
            PeerError: a relay did not answer.
        """
        event, _ = await self._post.send(
            message, self.keys, identity=self.identity, pow_bits=self.pow_bits, sign=sign
        )
        self.sent.append(event)
        return event

    async def publish(self, event: Event) -> None:
        """Publish any event, an old request for example."""
        for peer in self._peers.values():
            await peer.publish(event)

    def _about(
        self, action: Action, subject: str, payload: BondResolution | TextMessage | None
    ) -> Message:
        request_id = secrets.randbelow(2**53)
        return Message("dispute", self._post.protocol, request_id, subject, action, payload)

    def _read(self, letter: Letter) -> None:
        self.letters.append(letter)
        waiting = self._waiting.get(letter.message.request_id or -1)
        if waiting is not None and not waiting.done():
            waiting.set_result(letter.message)


async def take_as(
    keys: Keys,
    dispute_id: str,
    *,
    relay_urls: Iterable[str],
    node: str,
    clock: Clock | None = None,
    protocol: Protocol = 2,
    pow_bits: int = 0,
) -> Message | None:
    """Take a dispute with a key, over the wire, and return the answer if one came.

    Raises:
        PeerError: a relay did not answer.
    """
    async with SolverClient(
        relay_urls, node, clock=clock, protocol=protocol, keys=keys, pow_bits=pow_bits
    ) as solver:
        return await solver.take(dispute_id)
