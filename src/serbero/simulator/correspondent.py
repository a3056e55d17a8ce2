"""Somebody who exchanges letters with a node: hears what it sends to their keys, sends requests."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.mostro.message import Message
from serbero.mostro.transport import Inbound, unwrap_from_node, wrap
from serbero.simulator.node_messages import INTAKE_KIND, TRANSPORT, Protocol
from serbero.simulator.peer import Ok, RelayPeer

LIFE_SECONDS = 30 * 86_400
"""Expiration of a request on v2, as Mostrix sends it."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message of the node.

    Attributes:
        message: what it says, without what our types drop.
        receiver: which of the keys it was sent to, hex.
        event_id: of the event that carried it.
        created_at: of the event on v2, of the rumor on v1, Unix seconds.
        relay: who delivered it first.
    """

    message: Message
    receiver: str
    event_id: str
    created_at: int
    relay: str


class Correspondent:
    """Letters between some keys and one node, over connections that stand already.

    Args:
        peers: by relay URL.
        clock: dates requests.
        protocol: which transport it writes and reads.
        hear: called with each letter, once.
        rejected: called with why something else was no letter.
    """

    def __init__(
        self,
        peers: Mapping[str, RelayPeer],
        clock: Clock,
        protocol: Protocol,
        hear: Callable[[Letter], None],
        rejected: Callable[[str], None],
    ) -> None:
        self.protocol: Protocol = protocol
        self.node: str | None = None
        self._peers = peers
        self._clock = clock
        self._hear = hear
        self._rejected = rejected
        self._keys: tuple[Keys, ...] = ()
        self._seen: set[str] = set()
        self._subscriptions: list[tuple[str, str]] = []

    async def attend(self, node: str, keys: tuple[Keys, ...], protocol: Protocol) -> None:
        """Hear the node from now on, what relays have stored included.

        Args:
            node: its key, hex.
            keys: whoever reads here.
            protocol: which transport.

        Raises:
            PeerError: a relay did not answer.
        """
        if (node, protocol) == (self.node, self.protocol) and self._subscriptions:
            return
        for url, name in self._subscriptions:
            await self._peers[url].unsubscribe(name)
        self._subscriptions.clear()
        self.node, self.protocol, self._keys = node, protocol, keys
        wanted = {
            "kinds": [INTAKE_KIND[protocol]],
            "#p": [each.public_key().to_hex() for each in keys],
        } | ({"authors": [node]} if protocol == 2 else {})
        for url, peer in self._peers.items():
            name = await peer.subscribe(partial(self._arrived, url), wanted)
            self._subscriptions.append((url, name))

    def _arrived(self, url: str, event: Event) -> None:
        event_id = event.id().to_hex()
        if event_id in self._seen or self.node is None:
            return
        now, why = self._clock.now(), ""
        for keys in self._keys:
            got = unwrap_from_node(event, keys, self.node, now=now)
            if isinstance(got, Inbound):
                self._seen.add(event_id)
                receiver = keys.public_key().to_hex()
                self._hear(Letter(got.message, receiver, event_id, got.created_at, url))
                return
            why = got.value
        self._rejected(why)

    async def send(
        self,
        message: Message | str,
        keys: Keys,
        *,
        identity: Keys | None = None,
        pow_bits: int = 0,
        sign: bool = False,
    ) -> tuple[Event, dict[str, Ok]]:
        """Build a fresh request, publish it to every relay, return it and what each said.

        Args:
            message: or its JSON text.
            keys: the author's.
            identity: vouches for the author, where it is another.
            pow_bits: work on the event, done on a thread.
            sign: sign although nothing is to be proved.

        Raises:
            PeerError: a relay did not answer.
            RuntimeError: no node was named yet.
        """
        if self.node is None:
            raise RuntimeError("no node to write to")
        now = self._clock.now()
        event = await asyncio.to_thread(
            wrap,
            TRANSPORT[self.protocol],
            keys,
            self.node,
            message,
            created_at=now,
            expires_at=now + LIFE_SECONDS if self.protocol == 2 else None,
            pow_bits=pow_bits,
            identity=identity,
            sign=sign,
        )
        self._seen.add(event.id().to_hex())  # the node as its own admin would hear itself
        answers = await asyncio.gather(*(peer.publish(event) for peer in self._peers.values()))
        return event, dict(zip(self._peers, answers, strict=True))
