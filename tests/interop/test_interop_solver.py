"""Our messages to solvers, read by nostr-tools; and a solver's answer, read by us."""

import pytest
from nostr_sdk import Event, Keys, Nip44Version, PublicKey, nip44_encrypt
from tests.interop.js_peer import JsPeer

from serbero.clock import SystemClock
from serbero.nostr.rumor import direct_message
from serbero.nostr.signing import signed
from serbero.nostr.wrap import Special, gift_wrap
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.solver import SolverInbox

TEXT = 'New Mostro dispute requires attention.\ndispute_id: 1\n¿Qué? \u2028 🧑\u200d⚖️ \\ " /'
DAY_SECONDS = 86_400


@pytest.mark.parametrize("bits", [None, 8], ids=["ordinary", "mined"])
async def test_private_message_is_read(
    peer: JsPeer, relay: LoopbackRelay, bits: int | None
) -> None:
    keys, now = Keys.generate(), SystemClock().now()
    sender = keys.public_key().to_hex()
    solver = await peer.start("solver", "human")
    rumor = direct_message(
        sender=sender,
        recipient=solver,
        text=TEXT,
        created_at=now - 5,
        subject="Dispute 1",
        root="ab" * 32,
    )
    special = None if bits is None else Special(created_at=now - 60, pow_bits=bits)
    wrap = gift_wrap(keys, solver, rumor.json, expires_at=now + DAY_SECONDS, special=special)
    async with RelayPeer(relay.url) as ours:
        assert (await ours.publish(wrap.event)).accepted
        heard = await peer.heard("dm", "human")
    assert heard["via"] == "nip17"
    assert heard["sender"] == sender
    assert heard["text"] == TEXT
    assert heard["rumor_id"] == rumor.id
    assert heard["created_at"] == now - 5
    assert ["subject", "Dispute 1"] in heard["tags"]
    assert ["e", "ab" * 32, "", "root"] in heard["tags"]
    assert now + DAY_SECONDS <= heard["expiration"] < now + DAY_SECONDS + 3600
    assert now - 2 * DAY_SECONDS <= heard["outer_created_at"] <= SystemClock().now()


async def test_solvers_answer_is_read(peer: JsPeer, relay: LoopbackRelay) -> None:
    async with SolverInbox([relay.url]) as ours:
        solver = await peer.start("solver", "human")
        await peer.do("dm", "human", to=ours.public_key, text=TEXT)
        (message,) = await ours.all_events(relay.url)
    assert (message.sender, message.text, message.kind) == (solver, TEXT, 14)


async def test_peer_refuses_what_a_third_key_sealed(peer: JsPeer, relay: LoopbackRelay) -> None:
    """Guards the test above: the peer does look at who sealed and who wrote."""
    peer.tolerated |= {"nip59"}
    liar, now = Keys.generate(), SystemClock().now()
    solver = await peer.start("solver", "human")
    rumor = direct_message(
        sender=Keys.generate().public_key().to_hex(),
        recipient=solver,
        text=TEXT,
        created_at=now,
        subject="",
        root=None,
    )
    async with RelayPeer(relay.url) as ours:
        await ours.publish(sealed_by(liar, solver, rumor.json))
        await peer.heard("refused", "human", reason="nip59")
    assert not peer.all("dm")


def sealed_by(keys: Keys, receiver: str, rumor_json: str) -> Event:
    """A wrap whose seal is not the rumor's author's, which our own code refuses to make."""
    one_time, now = Keys.generate(), SystemClock().now()
    seal = signed(keys, 13, encrypted(keys, receiver, rumor_json), [], now)
    content = encrypted(one_time, receiver, seal.as_json())
    return signed(one_time, 1059, content, [["p", receiver]], now)


def encrypted(keys: Keys, receiver: str, text: str) -> str:
    return nip44_encrypt(keys.secret_key(), PublicKey.parse(receiver), text, Nip44Version.V2)
