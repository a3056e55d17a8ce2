"""The speaking half of a Mostro node: it announces itself and publishes disputes.

Stamps follow the node's code: each revision of a dispute is dated ``max(now, last + 1)``, per
dispute (mostro: src/util.rs `monotonic_created_at`); nodes up to 0.18.5 dated two revisions of
one second alike, which ``tie=True`` reproduces.
"""

import asyncio
import json
from collections.abc import Collection, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Final, Literal, Self
from uuid import uuid4

from nostr_sdk import Event, Keys

from serbero.clock import Clock, SystemClock
from serbero.simulator import events
from serbero.simulator.node_messages import Protocol
from serbero.simulator.peer import Ok, PeerError, RelayPeer, publish_many

OWN: Final = "own"
"""Publish the protocol version that the node really speaks."""


@dataclass(slots=True)
class Dispute:
    """One dispute as the node knows it.

    Attributes:
        id: UUID text, the ``d`` tag.
        initiator: ``buyer`` or ``seller``.
        opened_at: seconds since the epoch.
        status: of the newest revision.
        stamp: ``created_at`` of the newest revision.
        revisions: all that were signed, oldest first; a take that broke may have published none.
        saved: the status in the node's database, which a broken take leaves ahead of ``status``.
        solver: who took it, hex; None where nobody did, or nobody is on record.
        taken_at: when, seconds since the epoch.
        order_id: of the order behind it; None where the node has none.
    """

    id: str
    initiator: str
    opened_at: int
    status: str = ""
    stamp: int = 0
    revisions: list[Event] = field(default_factory=list)
    saved: str = ""
    solver: str | None = None
    taken_at: int = 0
    order_id: str | None = None


class PublicNode:
    """The node without its desk, as an async context manager that holds its connections.

    Args:
        keys: the node's key; None makes one.
        relay_urls: where it publishes.
        clock: where its stamps come from.
        style: which node version it is.
        protocol: which transport it speaks.
        pow_bits: work it demands of every event sent to it.
        first_contact_bits: work it demands of authors it does not know; None: no more than that.
        advertise_first_contact: whether its info event says so.
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
    ) -> None:
        self.keys = keys or Keys.generate()
        self.relay_urls = tuple(relay_urls)
        self.style = style
        self.protocol: Protocol = protocol
        self.pow_bits = pow_bits
        self.first_contact_bits = first_contact_bits
        self.advertise_first_contact = advertise_first_contact
        self.disputes: dict[str, Dispute] = {}
        self.clock: Clock = clock or SystemClock()
        self.peers: dict[str, RelayPeer] = {}
        self._met: set[str] = set()
        self._stack = AsyncExitStack()
        self._last_notice = 0

    @property
    def public_key(self) -> str:
        """The node's key, hex."""
        return self.keys.public_key().to_hex()

    async def __aenter__(self) -> Self:
        for url in self.relay_urls:
            peer = RelayPeer(url, keys=self.keys)
            self.peers[url] = await self._stack.enter_async_context(peer)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # Disputes.

    async def open_dispute(
        self,
        initiator: str = "buyer",
        *,
        dispute_id: str | None = None,
        relays: Collection[str] | None = None,
    ) -> Dispute:
        """A party opens a dispute.

        Args:
            initiator: who.
            dispute_id: its UUID; None makes one.
            relays: publish to these only; None means all.

        Raises:
            PeerError: a relay refused the event or did not answer.
        """
        dispute = self._new(initiator, dispute_id)
        await self.revise(dispute, "initiated", relays=relays)
        return dispute

    async def take(
        self,
        dispute: Dispute,
        *,
        relays: Collection[str] | None = None,
        tie: bool = False,
        solver: str | None = None,
    ) -> Event:
        """A solver takes (or takes over) the dispute, off stage: only the revision is published.

        Args:
            dispute: which.
            relays: publish to these only; None means all.
            tie: date the revision as the one before, if that was made this second.
            solver: whom the node holds for its solver from now on; None: nobody on record.
        """
        dispute.solver, dispute.taken_at = solver, self.clock.now()
        return await self.revise(dispute, "in-progress", relays=relays, tie=tie)

    async def resolve(
        self,
        dispute: Dispute,
        status: str = "settled",
        *,
        relays: Collection[str] | None = None,
        tie: bool = False,
    ) -> Event:
        """The dispute ends; ``status`` is one of the terminal ones."""
        return await self.revise(dispute, status, relays=relays, tie=tie)

    async def reopen(self, dispute: Dispute, *, relays: Collection[str] | None = None) -> Event:
        """The escrow's deadline makes a dispute of a closed one, under its old id."""
        dispute.solver = None
        return await self.revise(dispute, "initiated", relays=relays)

    async def revise(
        self,
        dispute: Dispute,
        status: str,
        *,
        relays: Collection[str] | None = None,
        tie: bool = False,
    ) -> Event:
        """Sign the next revision and publish it.

        Raises:
            PeerError: a relay refused the event or did not answer.
        """
        event = self.sign_revision(dispute, status, tie=tie)
        await self.publish(event, relays=relays)
        return event

    def sign_revision(self, dispute: Dispute, status: str, *, tie: bool = False) -> Event:
        """The next revision, signed and remembered, not published.

        Args:
            dispute: which.
            status: the ``s`` tag.
            tie: date it as the one before, if that was made this second.
        """
        floor = dispute.stamp if tie else dispute.stamp + 1
        stamp = max(self.clock.now(), floor) if dispute.revisions else self.clock.now()
        event = events.dispute_event(
            self.keys,
            dispute.id,
            status,
            stamp,
            initiator=dispute.initiator,
            opened_at=dispute.opened_at,
            style=self.style,
        )
        dispute.status = dispute.saved = status
        dispute.stamp = stamp
        dispute.revisions.append(event)
        return event

    def sign_many(self, count: int) -> list[Dispute]:
        """``count`` opened disputes, signed and not published (0.3 ms each)."""
        opened = [self._new("buyer" if index % 2 else "seller") for index in range(count)]
        for dispute in opened:
            self.sign_revision(dispute, "initiated")
        return opened

    async def open_many(self, count: int, *, connections: int = 4) -> list[Dispute]:
        """Open ``count`` disputes: sign all first, then publish as fast as each relay takes them.

        Raises:
            PeerError: a relay refused one of them or did not answer.
        """
        opened = self.sign_many(count)
        signed = [dispute.revisions[-1] for dispute in opened]
        results = await asyncio.gather(
            *(publish_many(url, signed, connections=connections) for url in self.relay_urls)
        )
        for url, answers in zip(self.relay_urls, results, strict=True):
            refused = [answer.reason for answer in answers if not answer.accepted]
            if refused:
                raise PeerError(f"{url} refused {len(refused)} of {count} events: {refused[0]}")
        return opened

    def _new(self, initiator: str, dispute_id: str | None = None) -> Dispute:
        dispute = Dispute(dispute_id or str(uuid4()), initiator, self.clock.now())
        self.disputes[dispute.id] = dispute
        return dispute

    # What it says of itself.

    async def announce(self) -> None:
        """Publish profile, info event and relay list, as a node does at its start."""
        await self.publish_profile()
        await self.publish_info()
        await self.publish_relay_list()

    async def announce_every(self, seconds: float = 300.0) -> None:
        """Publish info event and relay list again and again, on the node's clock."""
        while True:
            await self.clock.sleep(seconds)
            await self.publish_info()
            await self.publish_relay_list()

    async def publish_info(
        self,
        *,
        protocol_version: int | Literal["own"] | None = OWN,
        pow_bits: int | None = None,
        omit: Collection[str] = (),
        extra: events.Tags = (),
    ) -> Event:
        """The info event, in the style of a version and with tags left out or added.

        Args:
            protocol_version: the tag; None leaves it out, "own" is what the node speaks.
            pow_bits: the tag; None is what the node demands.
            omit: names of tags to leave out.
            extra: tags to add, for example ``["serbero", key]`` of newer nodes.
        """
        version = self.protocol if protocol_version == OWN else protocol_version
        bits = self.pow_bits if pow_bits is None else pow_bits
        hidden = () if self.advertise_first_contact else ("pow_first_contact",)
        event = events.info_event(
            self.keys,
            self._notice_stamp(),
            protocol_version=version,
            pow_bits=bits,
            first_contact_bits=self._advertised_first_contact(version, bits),
            instance=self.style.instance,
            omit=(*omit, *hidden),
            extra=extra,
        )
        await self.publish(event)
        return event

    def _advertised_first_contact(self, version: int | None, bits: int) -> int:
        """None beyond ``pow`` on v1 (mostro: src/nip33.rs `advertised_first_contact_pow`)."""
        return max(bits, self.first_contact_bits or 0) if version == 2 else bits

    async def publish_profile(self, name: str = events.INSTANCE_NAME) -> Event:
        """The node's profile (kind 0)."""
        content = json.dumps({"name": name, "about": "A node made of code and good intentions"})
        event = events.profile_event(self.keys, self._notice_stamp(), content)
        await self.publish(event)
        return event

    async def publish_relay_list(self, urls: Iterable[str] | None = None) -> Event:
        """The relay list (kind 10002): ``urls``, or the relays it is connected to now."""
        connected = [url for url, peer in self.peers.items() if peer.connected]
        listed = connected if urls is None else list(urls)
        event = events.relay_list_event(self.keys, self._notice_stamp(), listed)
        await self.publish(event)
        return event

    def _notice_stamp(self) -> int:
        """Strictly later than the last one, so that a relay replaces what it holds."""
        self._last_notice = max(self.clock.now(), self._last_notice + 1)
        return self._last_notice

    # The wire.

    async def publish(
        self, event: Event, *, relays: Collection[str] | None = None
    ) -> dict[str, Ok]:
        """Send any event and wait for every relay's OK.

        Raises:
            PeerError: a relay refused the event or did not answer.
        """
        answers = await self.offer(event, relays=relays)
        for url, answer in answers.items():
            if not answer.accepted and not answer.reason.startswith("duplicate:"):
                raise PeerError(f"{url} refused {event.id().to_hex()}: {answer.reason}")
        return answers

    async def send(self, event: Event) -> None:
        """Send as the node's own client does: one relay that takes it is enough.

        A relay that was there once and is gone now is not waited for.

        Raises:
            PeerError: none took it.
        """
        there = [url for url, peer in self.peers.items() if peer.connected or url not in self._met]
        answers = await self.offer(event, relays=there)
        taken = [ok for ok in answers.values() if ok.accepted or ok.reason.startswith("duplicate:")]
        if not taken:
            said = "; ".join(f"{url}: {ok.reason}" for url, ok in answers.items())
            raise PeerError(f"no relay took {event.id().to_hex()}: {said or 'none connected'}")

    async def offer(self, event: Event, *, relays: Collection[str] | None = None) -> dict[str, Ok]:
        """Send any event and return what each relay said, refusals included.

        Raises:
            PeerError: a relay did not answer.
            KeyError: ``relays`` names one the node does not use.
        """
        urls = list(self.relay_urls if relays is None else relays)
        answers = await asyncio.gather(*(self.peers[url].publish(event) for url in urls))
        self._met.update(urls)
        return dict(zip(urls, answers, strict=True))
