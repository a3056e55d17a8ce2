"""The catalogue of faults, seen by a bare WebSocket client."""

import json
import time
from typing import Any

import pytest
from nostr_sdk import Event, Keys, NostrSdkError
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from serbero.clock import SystemClock, within
from serbero.simulator.bare import dial, hear, hear_until, say, silent
from serbero.simulator.clock import eventually
from serbero.simulator.events import auth_event, dispute_event
from serbero.simulator.faults import FAULTS, REASONS
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay

DISPUTE = "0f9c2b51-5a0e-4d0d-8e0b-6d9f6f1c7a10"


def dispute(keys: Keys, status: str = "initiated", age: int = 0) -> dict[str, Any]:
    """A revision as a JSON object, ``age`` seconds old."""
    made = dispute_event(keys, DISPUTE, status, int(time.time()) - age)
    parsed: dict[str, Any] = json.loads(made.as_json())
    return parsed


def genuine(event: dict[str, Any]) -> bool:
    """Whether id and signature hold."""
    try:
        return Event.from_json(json.dumps(event)).verify()
    except NostrSdkError:
        return False


async def subscribed(url: str) -> ClientConnection:
    """A client that hears disputes."""
    client = await dial(url)
    await say(client, "REQ", "d", {"kinds": [38386]})
    assert (await hear_until(client, "EOSE"))[-1] == ["EOSE", "d"]
    return client


async def publish(url: str, *events: dict[str, Any]) -> None:
    """Store events directly at a relay."""
    client = await dial(url)
    for event in events:
        await say(client, "EVENT", event)
        assert (await hear(client))[2] is True
    await client.close()


def test_the_catalogue_is_large_and_explains_itself() -> None:
    assert len(FAULTS) >= 40
    for name, fault in FAULTS.items():
        assert fault.name == name
        assert fault.summary
        assert fault.honest
        assert fault.make() is not fault.make()


@pytest.mark.parametrize("name", sorted(FAULTS))
async def test_after_a_fault_a_new_connection_is_served(relay: LoopbackRelay, name: str) -> None:
    """Each fault strikes an open, subscribed client while events flow, and leaves no trace."""
    keys = Keys.generate()
    async with FaultProxy(relay.url) as proxy:
        client = await subscribed(proxy.url)
        behaviour = proxy.add(FAULTS[name].make())
        await publish(relay.url, dispute(keys, age=9), dispute(keys, "in-progress", age=5))
        try:
            await say(client, "REQ", "e", {"kinds": [38386]})
            await silent(client, 0.03)
        except ConnectionClosed:
            pass
        proxy.remove(behaviour)
        fresh = await subscribed(proxy.url)
        await publish(relay.url, dispute(keys, "settled"))
        (heard,) = await hear_until(fresh, "EVENT")
        assert heard == ["EVENT", "d", heard[2]]
        assert genuine(heard[2])
        assert ["s", "settled"] in heard[2]["tags"]
        await fresh.close()
        client.transport.abort()


@pytest.mark.parametrize("key", sorted(set(REASONS) - {"unsupported"}))
async def test_ok_false(relay: LoopbackRelay, key: str) -> None:
    event = dispute(Keys.generate())
    async with FaultProxy(relay.url, FAULTS[f"ok-false:{key}"].make()) as proxy:
        client = await dial(proxy.url)
        await say(client, "EVENT", event)
        assert await hear(client) == ["OK", event["id"], False, REASONS[key]]
        assert await silent(client, 0.05)
        await say(client, "REQ", "a", {"ids": [event["id"]]})
        stored = (await hear_until(client, "EOSE"))[:-1]
        assert len(stored) == (1 if key == "duplicate" else 0)
        proxy.clear()
        await say(client, "EVENT", event)
        assert (await hear_until(client, "OK"))[-1][2] is True
        await client.close()


@pytest.mark.parametrize("key", ["rate-limited", "restricted", "empty"])
async def test_closed_once_ends_the_subscription_at_the_relay(
    relay: LoopbackRelay, key: str
) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await subscribed(proxy.url)
        proxy.add(FAULTS[f"closed-once:{key}"].make())
        assert await hear(client) == ["CLOSED", "d", REASONS[key]]
        await publish(relay.url, dispute(Keys.generate()))
        assert await silent(client)
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert [each[0] for each in await hear_until(client, "EOSE")] == ["EVENT", "EOSE"]
        await client.close()


async def test_closed_always_and_after_eose(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        proxy.add(FAULTS["closed-always:error"].make())
        for _ in range(3):
            await say(client, "REQ", "d", {"kinds": [38386]})
            assert (await hear(client))[:2] == ["CLOSED", "d"]
        proxy.clear()
        proxy.add(FAULTS["closed-after-eose:error"].make())
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert await hear(client) == ["EOSE", "d"]
        assert (await hear(client))[:2] == ["CLOSED", "d"]
        await publish(relay.url, dispute(Keys.generate()))
        assert await silent(client)
        await client.close()


@pytest.mark.parametrize("name", ["forgotten", "live-lost"])
async def test_deaf_without_a_word(relay: LoopbackRelay, name: str) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await subscribed(proxy.url)
        proxy.add(FAULTS[name].make())
        await say(client, "REQ", "sync", {"kinds": [1]})  # passes after what the fault sent up
        assert await hear(client) == ["EOSE", "sync"]
        await publish(relay.url, dispute(Keys.generate()))
        assert await silent(client)
        await client.close()


async def test_eose_never_and_early(relay: LoopbackRelay) -> None:
    await publish(relay.url, dispute(Keys.generate()))
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        proxy.add(FAULTS["eose-never"].make())
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert (await hear(client))[0] == "EVENT"
        assert await silent(client)
        proxy.clear()
        proxy.add(FAULTS["eose-early"].make())
        await say(client, "REQ", "e", {"kinds": [38386]})
        assert [(await hear(client))[0] for _ in range(2)] == ["EOSE", "EVENT"]
        await client.close()


async def test_limit_clamped(relay: LoopbackRelay) -> None:
    events = [dispute(Keys.generate(), age=age) for age in range(12)]
    await publish(relay.url, *events)
    async with FaultProxy(relay.url, FAULTS["limit-clamped"].make()) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "d", {"kinds": [38386], "limit": 100})
        assert len(await hear_until(client, "EOSE")) == 11
        await client.close()


@pytest.mark.parametrize("name", ["auth-at-once", "auth-late", "auth-again", "auth-never-accepted"])
async def test_auth(relay: LoopbackRelay, name: str) -> None:
    keys = Keys.generate()

    async def answer(challenge: str) -> Any:
        event = auth_event(keys, int(time.time()), proxy.url, challenge)
        await say(client, "AUTH", json.loads(event.as_json()))
        return await hear(client)

    async with FaultProxy(relay.url, FAULTS[name].make()) as proxy:
        client = await dial(proxy.url)
        if name != "auth-late":
            verb, challenge = await hear(client)
            assert verb == "AUTH"
        await say(client, "REQ", "d", {"kinds": [38386]})
        if name == "auth-late":
            verb, challenge = await hear(client)
            assert verb == "AUTH"
        assert (await hear(client))[2].startswith("auth-required:")
        assert (await answer("wrong"))[2] is False
        reply = await answer(challenge)
        if name == "auth-again":
            assert reply[2:] == [False, "error: please try again"]
            reply = await answer((await hear(client))[1])
        assert reply[2] is (name != "auth-never-accepted")
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert (await hear(client))[0] == ("CLOSED" if name == "auth-never-accepted" else "EOSE")
        await client.close()


@pytest.mark.parametrize(
    "name", ["event-forged", "event-backdated", "event-future", "event-unsigned"]
)
async def test_forged_copies_carry_the_true_id(relay: LoopbackRelay, name: str) -> None:
    event = dispute(Keys.generate())
    await publish(relay.url, event)
    async with FaultProxy(relay.url, FAULTS[name].make()) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "d", {"kinds": [38386]})
        true, copy, _ = await hear_until(client, "EOSE")
        assert true[2] == event
        assert copy[2]["id"] == event["id"]
        assert copy[2] != event
        assert not genuine(copy[2])
        await client.close()


async def test_stale_revisions_come_again(relay: LoopbackRelay) -> None:
    keys = Keys.generate()
    old, new = dispute(keys, age=9), dispute(keys, "in-progress")
    async with FaultProxy(relay.url, FAULTS["event-stale"].make()) as proxy:
        client = await subscribed(proxy.url)
        await publish(relay.url, old, new)
        assert [(await hear(client))[2] for _ in range(3)] == [old, new, old]
        await client.close()


async def test_intruders_are_genuine_and_unasked(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url, FAULTS["oversized"].make()) as proxy:
        client = await dial(proxy.url)
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert (await hear(client))[0] == "EOSE"
        _, name, event = await hear(client)
        assert name == "d"
        assert len(event["content"]) == 1_000_000
        assert genuine(event)
        await client.close()


@pytest.mark.parametrize("name", ["garbage-invalid-utf8", "garbage-bad-opcode"])
async def test_frames_that_end_a_connection(relay: LoopbackRelay, name: str) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await dial(proxy.url)
        await eventually(lambda: len(proxy.links) == 1)
        proxy.add(FAULTS[name].make())
        with pytest.raises(ConnectionClosed) as caught:
            await hear(client)
        assert caught.value.sent is not None
        assert caught.value.sent.code in {1002, 1007}


async def test_faults_compose(relay: LoopbackRelay) -> None:
    await publish(relay.url, dispute(Keys.generate()))
    async with FaultProxy(relay.url) as proxy:
        for name in ("garbage-binary", "event-twice", "event-forged", "fragments"):
            proxy.add(FAULTS[name].make())
        client = await dial(proxy.url)
        await say(client, "REQ", "d", {"kinds": [38386]})
        assert isinstance(await within(SystemClock(), 5, client.recv()), bytes)
        messages = [await within(SystemClock(), 5, client.recv()) for _ in range(4)]
        assert all(json.loads(each)[0] == "EVENT" for each in messages)
        await client.close()


async def test_freeze_loses_nothing(relay: LoopbackRelay) -> None:
    async with FaultProxy(relay.url) as proxy:
        client = await subscribed(proxy.url)
        frozen = proxy.add(FAULTS["freeze"].make())
        await publish(relay.url, dispute(Keys.generate()), dispute(Keys.generate()))
        assert await silent(client)
        proxy.remove(frozen)
        heard = [await hear(client) for _ in range(2)]
        assert [each[0] for each in heard] == ["EVENT", "EVENT"]
        await client.close()
