"""The proxy's switches, seen by a bare WebSocket client."""

import asyncio
import json
import time

import pytest
from nostr_sdk import Keys
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    InvalidMessage,
    InvalidStatus,
)

from serbero.clock import SystemClock, within
from serbero.simulator.bare import dial, hear, hear_until, say, silent
from serbero.simulator.behaviour import Way
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.events import signed
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.wire import Frame, Split


async def test_passes_frames_both_ways_and_counts_them(relay: LoopbackRelay) -> None:
    note = signed(Keys.generate(), 1, "hello", [], int(time.time()))
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await say(client, "EVENT", json.loads(note.as_json()))
        assert (await hear(client))[:3] == ["OK", note.id().to_hex(), True]
        await say(client, "REQ", "a", {"kinds": [1]})
        stored, eose = await hear_until(client, "EOSE")
        assert stored == ["EVENT", "a", json.loads(note.as_json())]
        assert eose == ["EOSE", "a"]
        (link,) = proxy.links
        assert list(link.requests) == ["a"]
        await say(client, "CLOSE", "a")
        await eventually(lambda: not link.requests)
        assert proxy.counts["REQ"] == 1
        assert proxy.counts["EVENT"] == 1
        assert proxy.counts["down:EOSE"] == 1
        assert len(proxy.attempts) == 1
        await client.close()
        await eventually(lambda: not proxy.links)


async def test_latency_delays_each_way_and_keeps_order(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        proxy.latency, proxy.jitter = 0.05, 0.05
        client = await dial(proxy.url)
        began = time.monotonic()
        for number in range(20):
            await say(client, "REQ", str(number), {"kinds": [1]})
        heard = [(await hear(client))[1] for _ in range(20)]
        spent = time.monotonic() - began
        assert heard == [str(number) for number in range(20)]
        assert 0.1 <= spent < 2
        await client.close()


async def test_jitter_may_reorder(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        proxy.jitter, proxy.reordering = 0.1, True
        client = await dial(proxy.url)
        for number in range(30):
            await say(client, "REQ", str(number), {"kinds": [1]})
        heard = [(await hear(client))[1] for _ in range(30)]
        assert sorted(heard, key=int) == [str(number) for number in range(30)]
        assert heard != sorted(heard, key=int)
        await client.close()


async def test_hook_rewrites_drops_duplicates_injects_and_cuts(relay: LoopbackRelay) -> None:
    def hook(way: Way, text: str, link: Link) -> list[Frame] | None:
        if way == "up":
            return None if "cut me" in text else [text]
        link.send_down('["NOTICE","injected"]')
        return [text, text] if '"twice"' in text else []

    async with FaultProxy(relay.url, hook) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "once", {"kinds": [1]})
        assert await hear(client) == ["NOTICE", "injected"]
        await say(client, "REQ", "twice", {"kinds": [1]})
        heard = [await hear(client) for _ in range(3)]
        assert heard.count(["EOSE", "twice"]) == 2
        await say(client, "REQ", "cut me", {"kinds": [1]})
        with pytest.raises(ConnectionClosedError):
            await hear(client)


async def test_fragments_arrive_as_one_message(relay: LoopbackRelay) -> None:
    def hook(way: Way, text: str, _link: Link) -> list[Frame] | None:
        return [Split(text, 4)] if way == "down" else [text]

    async with FaultProxy(relay.url, hook) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "a", {"kinds": [1]})
        pieces = [str(piece) async for piece in client.recv_streaming()]
        assert len(pieces) >= 4
        assert json.loads("".join(pieces)) == ["EOSE", "a"]
        await client.close()


@pytest.mark.parametrize("middle", [False, True])
async def test_cut(relay: LoopbackRelay, middle: bool) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await eventually(lambda: len(proxy.links) == 1)
        (link,) = proxy.links
        if middle:
            link.cut_mid_frame(json.dumps(["NOTICE", "x" * 500]))
        else:
            proxy.cut()
        with pytest.raises(ConnectionClosedError) as caught:
            await hear(client)
        assert caught.value.rcvd is None  # no close frame
        again = await dial(proxy.url)
        await say(again, "REQ", "a", {"kinds": [1]})
        assert await hear(again) == ["EOSE", "a"]
        assert len(proxy.attempts) == 2
        await again.close()


async def test_refusals_count_as_attempts(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        proxy.refusal = "reset"
        with pytest.raises((OSError, InvalidMessage)):
            await dial(proxy.url)
        proxy.refusal = "http"
        with pytest.raises(InvalidStatus):
            await dial(proxy.url)
        proxy.refusal = "close"
        client = await dial(proxy.url)
        with pytest.raises(ConnectionClosed) as caught:
            await hear(client)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013
        proxy.refusal = "stall"
        with pytest.raises(TimeoutError):
            await within(SystemClock(), 0.1, dial(proxy.url))
        assert len(proxy.attempts) == 4
        assert not proxy.links


async def test_half_open_swallows_everything_and_answers_no_ping(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "a", {"kinds": [1]})
        assert await hear(client) == ["EOSE", "a"]
        proxy.half_open(True)
        pong = asyncio.ensure_future(await client.ping())
        await say(client, "REQ", "b", {"kinds": [1]})
        assert await silent(client)
        assert not pong.done()
        proxy.half_open(False)  # the old link stays dead, a new one lives
        assert await silent(client, 0.05)
        fresh = await dial(proxy.url)
        await say(fresh, "REQ", "c", {"kinds": [1]})
        assert await hear(fresh) == ["EOSE", "c"]
        await fresh.close()
        client.transport.abort()


async def test_pause_holds_frames_and_resume_delivers_them(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        proxy.pause("up")
        for name in "abc":
            await say(client, "REQ", name, {"kinds": [1]})
        assert await silent(client)
        proxy.resume("up")
        assert [(await hear(client))[1] for _ in range(3)] == ["a", "b", "c"]
        await client.close()


async def test_pings_unanswered_while_frames_pass(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await eventually(lambda: len(proxy.links) == 1)
        (link,) = proxy.links
        await (await client.ping())
        link.ignore_pings(True)
        pong = asyncio.ensure_future(await client.ping())
        await say(client, "REQ", "a", {"kinds": [1]})
        assert await hear(client) == ["EOSE", "a"]
        assert not pong.done()
        link.ignore_pings(False)
        await (await client.ping())
        await client.close()


async def test_the_client_sees_the_relay_vanish_and_return(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await eventually(lambda: len(proxy.links) == 1)
        await relay.stop()
        with pytest.raises(ConnectionClosed):
            await hear(client)
        refused = await dial(proxy.url)
        with pytest.raises(ConnectionClosedError):
            await hear(refused)
        await relay.start()
        again = await dial(proxy.url)
        await say(again, "REQ", "a", {"kinds": [1]})
        assert await hear(again) == ["EOSE", "a"]
        await again.close()


async def test_attempts_and_requests_are_dated_on_the_given_clock(relay: LoopbackRelay) -> None:
    clock = FakeClock()
    async with FaultProxy(relay.url, clock=clock) as proxy:
        for _ in range(2):
            client = await dial(proxy.url)
            await say(client, "REQ", "a", {"kinds": [1]})
            await hear(client)
            await client.close()
            await clock.advance(30)
        assert proxy.attempts == [0.0, 30.0]
        assert proxy.asked == [(0.0, "a"), (30.0, "a")]


async def test_slow_reader_takes_its_time(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        proxy.frame_pause = 0.03
        began = time.monotonic()
        for name in "abcd":
            await say(client, "REQ", name, {"kinds": [1]})
        assert [(await hear(client))[1] for _ in range(4)] == ["a", "b", "c", "d"]
        assert time.monotonic() - began >= 0.12
        await client.close()


async def test_leaving_ends_every_connection(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        clients = [await dial(proxy.url) for _ in range(3)]
        proxy.refusal = "stall"
        waiting = asyncio.create_task(dial(proxy.url))
        await eventually(lambda: len(proxy.attempts) == 4)
    for client in clients:
        with pytest.raises(ConnectionClosed):
            await hear(client)
    with pytest.raises((OSError, InvalidMessage)):
        await waiting


async def test_a_bug_in_a_hook_does_not_stay_hidden(relay: LoopbackRelay) -> None:
    def hook(_way: Way, text: str, _link: Link) -> list[Frame] | None:
        raise LookupError(text)

    async def provoke() -> None:
        async with FaultProxy(relay.url, hook) as proxy:
            client = await dial(proxy.url)
            await client.send("boom")
            with pytest.raises(ConnectionClosed):
                await hear(client)

    with pytest.raises(ExceptionGroup) as caught:
        await provoke()
    assert isinstance(caught.value.exceptions[0], LookupError)
