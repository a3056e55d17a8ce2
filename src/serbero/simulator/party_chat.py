"""A party's side of the dispute chat, as the mobile client (kind 14) or an old one has it.

It knows its trade key and, once told, the solver's; it hears its own channel only, and believes
only what the solver signed inside.
"""

import json
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal, Self

from nostr_sdk import Event, Keys

from serbero.clock import Clock, SystemClock
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import ChatMessage, ChatRejection
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.simulator.events import KIND_GIFT_WRAP
from serbero.simulator.peer import Ok, PeerError, RelayPeer

EnvelopeChoice = Literal["kind14", "gift-wrap", "both"]
"""What a client reads and writes."""

LEGACY_LIFE_SECONDS: Final = 30 * 86_400

_IMAGE: Final = {
    "type": "image_encrypted",
    "blossom_url": "https://blossom.example/" + "0" * 64,
    "nonce": "00" * 12,
    "mime_type": "image/jpeg",
    "original_size": 204_800,
    "width": 1_080,
    "height": 1_920,
    "encrypted_size": 204_828,
}
_DOCUMENT: Final = {
    "type": "file_encrypted",
    "file_type": "document",
    "blossom_url": "https://blossom.example/" + "1" * 64,
    "nonce": "00" * 12,
    "mime_type": "application/pdf",
    "original_size": 51_200,
    "encrypted_size": 51_228,
}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of the solver as it first arrived.

    Attributes:
        text: what it says.
        inner_id: id of the signed event inside.
        author: who signed it: the solver, hex.
        created_at: of the inner event, Unix seconds.
        at: arrival, seconds since the epoch on the party's clock.
        monotonic: arrival on a clock that never goes back, for latencies.
        envelope: ``kind14`` or ``gift-wrap``.
        outer_id: id of the event that carried it.
        relay: who delivered it.
    """

    text: str
    inner_id: str
    author: str
    created_at: int
    at: float
    monotonic: float
    envelope: str
    outer_id: str
    relay: str


class ChatSide:
    """One party's chat with whoever is the solver, as an async context manager.

    The two ends are alike: with a solver's ``keys`` and a party's key to :meth:`meet` it is a
    hand-made solver's end of that channel.

    Args:
        relay_urls: where it reads and writes.
        clock: dates what it writes and what arrives.
        envelope: what it reads and writes.
        name: for people who read about it.
        keys: the trade key; None makes one.

    Attributes:
        solver: the solver it chats with, hex; None before it met one.
        heard: the solver's messages, each inner event once, in the order of arrival.
        deliveries: every envelope that carried one, so that repetitions show.
        echoes: inner ids of its own messages that came back.
        rejected: why events on its channel were refused.
        said: the outer events of what it wrote, in order.
    """

    def __init__(
        self,
        relay_urls: Iterable[str],
        *,
        clock: Clock | None = None,
        envelope: EnvelopeChoice = "kind14",
        name: str = "party",
        keys: Keys | None = None,
    ) -> None:
        self.keys = keys or Keys.generate()
        self.relay_urls = tuple(relay_urls)
        self.envelope: EnvelopeChoice = envelope
        self.name = name
        self.clock: Clock = clock or SystemClock()
        self.solver: str | None = None
        self.heard: list[Heard] = []
        self.deliveries: list[Heard] = []
        self.echoes: list[str] = []
        self.rejected: list[str] = []
        self.said: list[Event] = []
        self.last_inner: Event | None = None
        self.peers: dict[str, RelayPeer] = {}
        self._chat_keys: ChatKeys | None = None
        self._subscriptions: list[tuple[str, str]] = []
        self._outer_seen: set[str] = set()
        self._inner_seen: set[str] = set()
        self._stack = AsyncExitStack()

    @property
    def public_key(self) -> str:
        """The trade key, hex."""
        return self.keys.public_key().to_hex()

    @property
    def texts(self) -> list[str]:
        """What the solver said, each message once."""
        return [each.text for each in self.heard]

    @property
    def chat_keys(self) -> ChatKeys:
        """Keys of the present channel.

        Raises:
            RuntimeError: it has met no solver.
        """
        if self._chat_keys is None:
            raise RuntimeError(f"{self.name} has met no solver")
        return self._chat_keys

    async def __aenter__(self) -> Self:
        for url in self.relay_urls:
            self.peers[url] = await self._stack.enter_async_context(RelayPeer(url, keys=self.keys))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def meet(self, solver: str) -> None:
        """Chat with this solver from now on; what was said under another key is out of reach.

        Raises:
            PeerError: a relay did not answer.
        """
        if solver == self.solver:
            return
        for url, name in self._subscriptions:
            await self.peers[url].unsubscribe(name)
        self._subscriptions.clear()
        self.solver = solver
        self._chat_keys = derive(self.keys.secret_key().to_hex(), solver)
        for url, peer in self.peers.items():
            name = await peer.subscribe(partial(self._arrived, url, solver), *self._filters())
            self._subscriptions.append((url, name))

    def repeated(self) -> dict[str, list[str]]:
        """Texts the solver said in more than one inner event, with their ids."""
        ids: dict[str, list[str]] = {}
        for each in self.heard:
            ids.setdefault(each.text, []).append(each.inner_id)
        return {text: found for text, found in ids.items() if len(found) > 1}

    # Writing.

    async def say(self, text: str, *, envelope: EnvelopeChoice | None = None) -> Event:
        """Write to the solver in the party's envelope, or another; return the inner event.

        Raises:
            PeerError: a relay refused it or did not answer.
            RuntimeError: it has met no solver.
        """
        inner = chat.inner_message(self.keys, text, self.clock.now())
        for outer in self.outers(inner, envelope or self.envelope):
            await self.publish(outer)
        self.last_inner = inner
        return inner

    async def send_attachment(
        self, filename: str = "receipt.jpg", *, image: bool = True, **fields: object
    ) -> Event:
        """Write what a client writes once it has uploaded an encrypted file.

        Args:
            filename: as the party names it.
            image: an image; otherwise a document.
            fields: replace or add fields, ``key`` for example.

        Raises:
            PeerError: a relay refused it or did not answer.
        """
        described = {"filename": filename, **(_IMAGE if image else _DOCUMENT), **fields}
        return await self.say(json.dumps(described))

    def outers(self, inner: Event, envelope: EnvelopeChoice) -> list[Event]:
        """The envelopes of a signed message."""
        outers = []
        if envelope != "gift-wrap":
            outers.append(chat.wrap(self.chat_keys, inner))
        if envelope != "kind14":
            expires = self.clock.now() + LEGACY_LIFE_SECONDS
            outers.append(legacy_chat.wrap(self.chat_keys, inner, expires_at=expires))
        return outers

    async def publish(self, event: Event) -> None:
        """Send an event to every relay.

        Raises:
            PeerError: one refused it or did not answer.
        """
        for url, answer in (await self.offer(event)).items():
            if not answer.accepted and not answer.reason.startswith("duplicate:"):
                raise PeerError(f"{url} refused a message of {self.name}: {answer.reason}")

    async def offer(self, event: Event) -> dict[str, Ok]:
        """Send an event to every relay and return what each said.

        Raises:
            PeerError: one did not answer.
        """
        self.said.append(event)
        return {url: await peer.publish(event) for url, peer in self.peers.items()}

    # Reading.

    def _filters(self) -> list[dict[str, Any]]:
        keys = self.chat_keys
        filters: list[dict[str, Any]] = []
        if self.envelope != "gift-wrap":
            filters.append({"kinds": [chat.CHAT_KIND], "authors": [keys.author]})
        if self.envelope != "kind14":
            filters.append({"kinds": [KIND_GIFT_WRAP], "#p": [keys.legacy_address]})
        return filters

    def _arrived(self, url: str, solver: str, event: Event) -> None:
        if solver != self.solver:
            return  # of a channel that was left
        place = f"{url} {event.id().to_hex()}"
        if place in self._outer_seen:
            return  # a relay's stored events come again with each connection
        now, allowed = self.clock.now(), frozenset({solver, self.public_key})
        legacy = event.kind().as_u16() == KIND_GIFT_WRAP
        unwrap = legacy_chat.unwrap if legacy else chat.unwrap
        message = unwrap(event, self.chat_keys, allowed, now)
        if isinstance(message, ChatRejection):
            self.rejected.append(message.value)
            return
        self._outer_seen.add(place)
        self._accept(url, message)

    def _accept(self, url: str, message: ChatMessage) -> None:
        first = message.inner_id not in self._inner_seen
        self._inner_seen.add(message.inner_id)
        if message.author == self.public_key:
            if first:
                self.echoes.append(message.inner_id)
            return
        heard = Heard(
            text=message.text,
            inner_id=message.inner_id,
            author=message.author,
            created_at=message.created_at,
            at=self.clock.time(),
            monotonic=self.clock.monotonic(),
            envelope=message.envelope.value,
            outer_id=message.outer_id,
            relay=url,
        )
        self.deliveries.append(heard)
        if first:
            self.heard.append(heard)
