"""A relay and the JavaScript peer beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nostr_sdk import Keys
from tests.interop.house import House
from tests.interop.js_peer import REQUIRED, JsPeer, missing, required

from serbero.simulator.relay import LoopbackRelay


@pytest.fixture(scope="session")
def node_js() -> None:
    """Skip where the peer cannot run; fail where it must."""
    if reason := missing():
        if required():
            pytest.fail(f"{REQUIRED} is set, but {reason}")
        pytest.skip(f"the JavaScript peer is left out: {reason}")


@pytest.fixture
async def relay() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running


@pytest.fixture
async def peer(node_js: None, relay: LoopbackRelay) -> AsyncIterator[JsPeer]:
    """The peer, content to the end."""
    async with JsPeer(relay.url) as running:
        yield running


@pytest.fixture
async def house(peer: JsPeer, relay: LoopbackRelay, tmp_path: Path) -> House:
    """A node that knows us, and nothing running yet."""
    own = Keys.generate()
    node = await peer.start("node", "the node", name="Interop")
    key = own.public_key().to_hex()
    await peer.do("register", "the node", pubkey=key, category="read")
    return House(peer, relay, tmp_path, own, node)
