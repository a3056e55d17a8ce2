"""What a hostile party can do to the chat: it holds the channel's keys and knows how to use them.

Every method returns the outer events it published. Two attacks need more than a client, since an
honest relay refuses the event: a copy with a broken signature and an oversized event reach
Serbero only through a relay that does not check, such as a
:class:`~serbero.simulator.proxy.FaultProxy` with
:class:`~serbero.simulator.fault_events.Beside` or
:class:`~serbero.simulator.fault_events.Intrude`.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

from nostr_sdk import Event, Keys, Nip44Version, nip44_encrypt

from serbero.mostro import chat
from serbero.simulator.events import signed
from serbero.simulator.party_chat import ChatSide
from serbero.simulator.peer import Ok

FLOOD_SLICE: Final = 25
"""Messages built in one go, so that the loop stays responsive."""


class HostileSide(ChatSide):
    """The chat side with everything that a good client would not do."""

    async def flood(self, count: int, text: str = "flood") -> list[Event]:
        """Send valid messages as fast as the relays take them."""
        sent: list[Event] = []
        for first in range(0, count, FLOOD_SLICE):
            numbers = range(first, min(first + FLOOD_SLICE, count))
            batch = [self.outer(self.inner(f"{text} {number}")) for number in numbers]
            await asyncio.gather(*(self.publish(each) for each in batch))
            sent += batch
        return sent

    async def replay(self) -> list[Event]:
        """Send the last genuine message again: the same bytes, and its inner event in new ones.

        Raises:
            RuntimeError: nothing was said yet.
        """
        inner = self.last_inner
        if inner is None:
            raise RuntimeError(f"{self.name} has said nothing to repeat")
        old = next(each for each in reversed(self.said) if each.kind().as_u16() == chat.CHAT_KIND)
        return await self._all([old, self.outer(inner)])

    async def from_the_future(self, seconds: int, *, inner_only: bool = False) -> list[Event]:
        """Date a message ahead: both layers, or the inner one against an honest outer one."""
        later = self.clock.now() + seconds
        inner = self.inner("from the future", created_at=later)
        return await self._all(
            [self.outer(inner, created_at=self.clock.now() if inner_only else later)]
        )

    async def wrong_p(self) -> list[Event]:
        """Address a valid message to another conversation."""
        stranger = Keys.generate().public_key().to_hex()
        return await self._all([self.outer(self.inner("wrong p"), tags=[["p", stranger]])])

    async def two_p_tags(self) -> list[Event]:
        """Address one message to this conversation twice, and one to another one as well."""
        here, stranger = self.chat_keys.address, Keys.generate().public_key().to_hex()
        return await self._all(
            [
                self.outer(self.inner("two p tags"), tags=[["p", here], ["p", other]])
                for other in (here, stranger)
            ]
        )

    async def foreign_signer(self) -> list[Event]:
        """Let somebody else sign inside a valid envelope."""
        inner = chat.inner_message(Keys.generate(), "foreign signer", self.clock.now())
        return await self._all([self.outer(inner)])

    async def in_the_name_of(self, author: str) -> list[Event]:
        """Claim that somebody wrote a message which they did not sign."""
        claimed = json.loads(self.inner("in another name").as_json()) | {"pubkey": author}
        return await self._all([self.outer_of(json.dumps(claimed))])

    async def oversize(self, characters: int = 48_000) -> tuple[Event, dict[str, Ok]]:
        """Send a valid message whose envelope is beyond 65,536 bytes; relays may refuse it."""
        outer = self.outer(self.inner("x" * characters))
        return outer, await self.offer(outer)

    async def garbage(self) -> list[Event]:
        """Send valid envelopes with nonsense inside."""
        now, here = self.clock.now(), [["p", self.chat_keys.address]]
        noise = base64.b64encode(secrets.token_bytes(200)).decode()
        raw = [
            signed(self.chat_keys.signing, chat.CHAT_KIND, content, here, now)
            for content in ("", "not base64", noise, "AgAA", "\u202e\u2603")
        ]
        deep = "[" * 5_000 + "]" * 5_000
        genuine: dict[str, Any] = json.loads(self.inner("garbage").as_json())
        inside = ["no json", "null", "7", "[]", "{}", deep, '{"kind":1,"kind":1}']
        inside += [json.dumps(genuine | change) for change in _NONSENSE]
        return await self._all([*raw, *(self.outer_of(text) for text in inside)])

    async def wrong_inner_kind(self, kind: int = 4) -> list[Event]:
        """Send an event of another kind, properly signed, in a valid envelope."""
        inner = signed(self.keys, kind, "another kind", [], self.clock.now())
        return await self._all([self.outer(inner)])

    async def outsider(self, count: int = 1) -> list[Event]:
        """Flood the address without the channel's keys, as anybody can who saw one event."""
        here, now = [["p", self.chat_keys.address]], self.clock.now()
        events = [
            signed(Keys.generate(), chat.CHAT_KIND, f"noise {number}", here, now)
            for number in range(count)
        ]
        return await self._all(events)

    async def broken_signature_copy(self, text: str = "genuine") -> tuple[str, Event]:
        """Send a copy of a message with a broken signature before the message itself.

        Returns:
            The copy as JSON (an honest relay refuses it) and the genuine outer event.
        """
        inner = self.inner(text)
        outer = self.outer(inner)
        copy = json.loads(outer.as_json()) | {"sig": "0" * 128}
        forged = json.dumps(copy)
        for peer in self.peers.values():
            await peer.publish_text(outer.id().to_hex(), forged)
        await self.publish(outer)
        self.last_inner = inner
        return forged, outer

    # Building.

    def inner(self, text: str, *, created_at: int | None = None) -> Event:
        """A signed inner event of this party."""
        return chat.inner_message(self.keys, text, created_at or self.clock.now())

    def outer(
        self,
        inner: Event,
        *,
        created_at: int | None = None,
        tags: Sequence[Sequence[str]] | None = None,
    ) -> Event:
        """An outer event around ``inner`` by hand, dated and tagged at will."""
        at = inner.created_at().as_secs() if created_at is None else created_at
        return self.outer_of(inner.as_json(), created_at=at, tags=tags)

    def outer_of(
        self,
        text: str,
        *,
        created_at: int | None = None,
        tags: Sequence[Sequence[str]] | None = None,
    ) -> Event:
        """An outer event whose plaintext is any text."""
        keys = self.chat_keys
        conversation = keys.conversation
        content = nip44_encrypt(
            conversation.secret_key(), conversation.public_key(), text, Nip44Version.V2
        )
        at = self.clock.now() if created_at is None else created_at
        marked = [["p", keys.address]] if tags is None else tags
        return signed(keys.signing, chat.CHAT_KIND, content, marked, at)

    async def _all(self, events: list[Event]) -> list[Event]:
        for event in events:
            await self.publish(event)
        return events


_NONSENSE: Final[tuple[dict[str, Any], ...]] = (
    {"sig": "0" * 128},
    {"id": "0" * 64},
    {"content": 7},
    {"kind": True},
    {"created_at": 10**30},
    {"tags": None},
    {"pubkey": "z" * 64},
)
