"""Which of our relays the world is told of, and how each of them is told who we are."""

import asyncio
import contextlib

import pytest
from nostr_sdk import Event, Keys
from structlog.testing import capture_logs

from serbero.delivery.introduction import Introduction, fit_to_publish
from serbero.relays.pool import RelayPool
from serbero.simulator.clock import FakeClock, run_until
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay

PUBLIC = [f"wss://relay{number}.example.com" for number in range(5)]


@pytest.mark.parametrize(
    "address",
    [
        "ws://relay.example.com",
        "ws://127.0.0.1:7000",
        "wss://127.0.0.1",
        "wss://10.0.0.7:8443",
        "wss://relay.local",
        "wss://relay.example.com?token=secret",
        "wss://relay.example.com/in?token=secret",
    ],
)
def test_never_published(address: str) -> None:
    assert fit_to_publish([address], allow_private=False) == ()
    assert fit_to_publish([address, PUBLIC[0]], allow_private=False) == (PUBLIC[0],)


def test_a_closed_network_may_name_its_own_but_no_token() -> None:
    relays = ["ws://10.0.0.7:7000", "ws://10.0.0.7:7000?token=secret"]
    assert fit_to_publish(relays, allow_private=True) == ("ws://10.0.0.7:7000",)


def test_three_at_most() -> None:
    assert fit_to_publish(["ws://localhost", *PUBLIC], allow_private=False) == tuple(PUBLIC[:3])


async def stored(url: str, author: Keys) -> list[Event]:
    async with RelayPeer(url) as peer:
        return await peer.fetch({"authors": [author.public_key().to_hex()], "kinds": [0, 10050]})


async def test_each_relay_is_told_for_itself() -> None:
    """One wants work and does without; one is away and is told later; each is named once."""
    keys, clock = Keys.generate(), FakeClock()
    away = LoopbackRelay()
    await away.start()
    await away.stop()
    async with LoopbackRelay() as plain, LoopbackRelay(min_pow=24) as picky:
        urls = (away.url, picky.url, plain.url)
        pool = RelayPool(keys=keys, clock=clock, urls=urls)
        introduction = Introduction(
            keys=keys,
            publisher=pool,
            relays=urls,
            allow_private=True,
            name="Serbero",
            about="",
            clock=clock,
        )
        with capture_logs() as logs:
            tasks = [asyncio.create_task(pool.run()), asyncio.create_task(introduction.run())]

            async def told(url: str) -> bool:
                return len(await stored(url, keys)) == 2

            await run_until(clock, lambda: told(plain.url), limit_seconds=50, what="the plain one")
            for _ in range(20):
                await clock.advance(15)
                await run_until(clock, lambda: True, limit_seconds=1)
            await away.start()
            await run_until(clock, lambda: told(away.url), limit_seconds=120, what="told later")
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await pool.close()
        assert await stored(picky.url, keys) == []
        await away.stop()
    refused = [each["relay"] for each in logs if each["event"] == "identity_refused"]
    assert refused == [picky.url] * 2, "the profile and the list"
    missed = [each["relay"] for each in logs if each["event"] == "identity_not_published"]
    assert missed == [away.url]
