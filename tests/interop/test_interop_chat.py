"""The dispute chat between our envelopes and a party on nostr-tools, both ways."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from nostr_sdk import Event, Keys
from tests.interop.js_peer import JsPeer

from serbero.clock import SystemClock
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import ChatMessage, ChatRejection, Envelope, inner_message
from serbero.mostro.chat_keys import ChatKeys, derive
from serbero.simulator.clock import eventually
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay

DAY_SECONDS = 86_400
TEXTS = {
    "plain": "Did you send the payment?",
    "unicode": '«¿Qué?» 日本語 🧑\u200d⚖️ \u2028 \x7f / \\ " \t\r\n end',
    "long": "x" * 30_000,
}


@dataclass
class Ours:
    """Our end of one channel: what reached it, opened by the code on trial."""

    keys: Keys
    channel: ChatKeys
    party: str
    relay: RelayPeer
    heard: list[ChatMessage | ChatRejection] = field(default_factory=list)

    def open(self, event: Event) -> None:
        unwrap = chat.unwrap if event.kind().as_u16() == chat.CHAT_KIND else legacy_chat.unwrap
        allowed = frozenset({self.party, self.keys.public_key().to_hex()})
        self.heard.append(unwrap(event, self.channel, allowed, SystemClock().now()))

    async def listen(self) -> None:
        await self.relay.subscribe(self.open, {"kinds": [14], "authors": [self.channel.author]})
        await self.relay.subscribe(
            self.open, {"kinds": [1059], "#p": [self.channel.legacy_address]}
        )

    async def say(self, inner: Event, envelope: str) -> None:
        if envelope == Envelope.KIND14:
            event = chat.wrap(self.channel, inner)
        else:
            until = inner.created_at().as_secs() + DAY_SECONDS
            event = legacy_chat.wrap(self.channel, inner, expires_at=until)
        assert (await self.relay.publish(event)).accepted


Join = Callable[[str], Ours]


@pytest.fixture
async def join(relay: LoopbackRelay) -> AsyncIterator[Join]:
    """Meet a party as its mediator; the keys are made first, so that the party can know us."""
    keys = Keys.generate()
    async with RelayPeer(relay.url) as client:

        def meet(party: str) -> Ours:
            return Ours(keys, derive(keys.secret_key().to_hex(), party), party, client)

        yield meet


async def met(peer: JsPeer, join: Join) -> Ours:
    """Our end of the channel with a party that expects us."""
    secret = Keys.generate()
    ours = join(secret.public_key().to_hex())
    mediator = ours.keys.public_key().to_hex()
    await peer.start("party", "buyer", secret=secret.secret_key().to_hex(), solver=mediator)
    await ours.listen()
    return ours


@pytest.mark.parametrize("envelope", list(Envelope))
async def test_both_ends_hear_each_other(peer: JsPeer, join: Join, envelope: Envelope) -> None:
    ours = await met(peer, join)
    for text in TEXTS.values():
        inner = inner_message(ours.keys, text, SystemClock().now())
        await ours.say(inner, envelope)
        heard = await peer.heard("heard", "buyer", text=text)
        assert heard["envelope"] == envelope
        assert heard["author"] == ours.keys.public_key().to_hex()
        assert heard["inner_id"] == inner.id().to_hex()
        assert heard["marked"], "a random tag keeps equal texts apart"
    ours.heard.clear()
    for text in TEXTS.values():
        said = await peer.do("say", "buyer", text=text, envelopes=[envelope])
        await eventually(lambda: ours.heard, what="the party's message")
        message = ours.heard.pop()
        assert isinstance(message, ChatMessage)
        assert (message.text, message.author) == (text, ours.party)
        assert (message.inner_id, message.created_at) == (said["inner_id"], said["created_at"])
        assert (message.envelope, message.attachment) == (envelope, None)


async def test_envelopes_carry_only_what_clients_expect(peer: JsPeer, join: Join) -> None:
    ours = await met(peer, join)
    first, second = (inner_message(ours.keys, "same", SystemClock().now()) for _ in range(2))
    await ours.say(first, Envelope.KIND14)
    await ours.say(second, Envelope.GIFT_WRAP)
    now = SystemClock().now()
    direct = await peer.heard("heard", "buyer", envelope="kind14")
    assert direct["outer_tags"] == ["p"]
    assert direct["outer_created_at"] == direct["created_at"]
    wrapped = await peer.heard("heard", "buyer", envelope="gift-wrap")
    assert wrapped["outer_tags"] == ["p", "expiration"]
    assert now - 2 * DAY_SECONDS - 60 <= wrapped["outer_created_at"] <= now
    assert direct["inner_id"] != wrapped["inner_id"], "equal texts of one second are two messages"


async def test_one_message_in_both_envelopes_is_read_once(peer: JsPeer, join: Join) -> None:
    peer.tolerated |= {"inner-dedup"}
    ours = await met(peer, join)
    inner = inner_message(ours.keys, "hello", SystemClock().now())
    await ours.say(inner, Envelope.KIND14)
    await peer.heard("heard", "buyer", inner_id=inner.id().to_hex())
    await ours.say(inner, Envelope.GIFT_WRAP)
    await peer.heard("refused", "buyer", reason="inner-dedup")
    assert len(peer.all("heard", "buyer")) == 1


async def test_largest_message_passes(peer: JsPeer, join: Join) -> None:
    """What we take for the largest inner event still is within the other side's limit."""
    ours = await met(peer, join)
    empty = len(inner_message(ours.keys, "", SystemClock().now()).as_json())
    text = "y" * (chat.MAX_INNER_BYTES - empty)
    await ours.say(inner_message(ours.keys, text, SystemClock().now()), Envelope.KIND14)
    await peer.heard("heard", "buyer", text=text)


async def test_attachment_is_recognised(peer: JsPeer, join: Join) -> None:
    ours = await met(peer, join)
    content = {
        "type": "image_encrypted",
        "blossom_url": "https://blossom.example/0a1b.bin",
        "nonce": "00" * 12,
        "mime_type": "image/jpeg",
        "original_size": 204_800,
        "width": 1080,
        "height": 1920,
        "filename": "receipt.jpg",
        "encrypted_size": 204_828,
    }
    await peer.do("say", "buyer", text=json.dumps(content))
    await eventually(lambda: ours.heard)
    message = ours.heard.pop()
    assert isinstance(message, ChatMessage)
    assert message.attachment is not None
    assert "blossom" not in message.text


async def test_each_side_refuses_a_third_writer(peer: JsPeer, join: Join) -> None:
    """Whoever knows the channel's keys can write into it; only the inner signature counts."""
    peer.tolerated |= {"inner-signer"}
    ours = await met(peer, join)
    for envelope in Envelope:
        inner = inner_message(Keys.generate(), "I am the solver", SystemClock().now())
        await ours.say(inner, envelope)
        await peer.heard("refused", "buyer", where=envelope, reason="inner-signer")
    await eventually(lambda: len(ours.heard) == len(Envelope))
    assert set(ours.heard) == {ChatRejection.INNER_SIGNER}
