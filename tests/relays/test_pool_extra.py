"""Relays listened to beside the configured ones: they help, and can harm nobody."""

import asyncio
import json
import socket

import pytest
from nostr_sdk import Keys
from structlog.testing import capture_logs
from tests.relays.hostile import HostileRelay, Message, Peer, closing
from tests.relays.relay_rig import StartPool, dispute, until

from serbero.relays.canary import Proof
from serbero.relays.state import RelayState
from serbero.relays.subscriptions import Subscription
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.relay import LoopbackRelay, free_port


def _of(states: tuple[RelayState, ...], url: str) -> RelayState | None:
    return next((each for each in states if each.url == url), None)


async def test_an_extra_relay_carries_every_subscription(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(relay.url)
    rig.pool.listen_also([hostile.url])
    rig.pool.subscribe(Subscription("mail", lambda: [{"kinds": [1059]}], lambda _u, _e: None))
    await eventually(lambda: rig.pool.heard_on("mail") == {relay.url, hostile.url})
    assert rig.pool.listening() == (relay.url, hostile.url)
    assert [(each.configured, each.extra) for each in rig.pool.states()] == [
        (True, False),
        (False, True),
    ]
    await hostile.broadcast(json.loads(dispute(rig.keys).as_json()))
    await eventually(lambda: len(rig.heard) == 1)


async def test_an_extra_relay_counts_for_nothing(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    """The configured relay is down: that the extra one hears must not hide it."""
    rig = await start_pool(f"ws://127.0.0.1:{free_port()}")
    rig.pool.listen_also([hostile.url])
    await eventually(lambda: rig.pool.heard_on("disputes") == {hostile.url})
    assert rig.pool.hearing_count() == 0
    assert rig.notes.count("hearing") == 0, "nothing that waits for the start goes on"
    state = _of(rig.pool.states(), hostile.url)
    assert state is not None
    assert state.hearing is not Proof.DEAF


async def test_an_extra_relay_that_goes_away_alarms_nobody(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    """Lost, unreachable, deaf and refusing: all of it is information."""
    down = f"ws://127.0.0.1:{free_port()}"
    hostile.on_req = closing("blocked: go away", only_first=False)(hostile)
    with capture_logs() as logs:
        rig = await start_pool(relay.url)
        rig.pool.listen_also([hostile.url, down])
        await eventually(lambda: rig.notes.count("closed", "disputes") == 1)
        await eventually(lambda: rig.notes.count("attempt", False) == 1)
        hostile.cut()
        await until(clock, lambda: rig.notes.count("lost") == 1, 10)
        await eventually(lambda: rig.pool.hearing_count() == 1)
    told = {each["event"] for each in logs}
    assert {"relay_lost", "relay_unreachable", "relay_refuses_us"} <= told
    assert [each for each in logs if each["log_level"] not in ("info", "debug")] == []
    assert rig.notes.count("alert") == 0
    assert rig.notes.count("deaf") == 0


async def test_a_relay_no_longer_named_is_left_when_idle_and_forgotten(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url, idle_seconds=30, forget_seconds=60)
    rig.pool.listen_also([hostile.url])
    await eventually(lambda: rig.pool.heard_on("disputes") == {relay.url, hostile.url})
    before = len(asyncio.all_tasks())
    rig.pool.listen_also([])
    assert rig.pool.listening() == (relay.url,)
    assert rig.pool.heard_on("disputes") == {relay.url}
    await eventually(lambda: hostile.peers[0].subscriptions == {})
    await hostile.broadcast(json.loads(dispute(rig.keys).as_json()))
    await run_until(clock, lambda: hostile.peers == [], limit_seconds=40)
    state = _of(rig.pool.states(), hostile.url)
    assert state is not None
    assert (state.extra, state.connected) == (False, False)
    await run_until(clock, lambda: _of(rig.pool.states(), hostile.url) is None, limit_seconds=100)
    await eventually(lambda: len(asyncio.all_tasks()) <= before - 2)
    assert rig.heard == []
    assert rig.notes.count("forgotten") == 1
    reply = await rig.pool.publish(hostile.url, dispute(rig.keys))
    assert reply.outcome.delivered, "it can be met again like any other"


async def test_a_relay_named_again_is_listened_to_again(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool
) -> None:
    """On the same connection: words about its former life are not taken for new ones."""
    rig = await start_pool(relay.url)
    rig.pool.listen_also([hostile.url])
    await eventually(lambda: hostile.url in rig.pool.heard_on("disputes"))
    rig.pool.listen_also([])
    hostile.mute = True
    rig.pool.listen_also([hostile.url])
    await eventually(lambda: hostile.count("REQ", "disputes") == 2)
    await hostile.peers[0].say("EOSE", "disputes:1")
    await hostile.peers[0].say("CLOSED", "disputes:1", "blocked: we said so")
    await hostile.peers[0].say("NOTICE", "mark")
    event = dispute(Keys.generate())
    await rig.pool.publish(relay.url, event)
    await eventually(lambda: event.id().to_hex() in rig.ids())
    assert rig.pool.heard_on("disputes") == {relay.url}
    asked = [each[1] for each in hostile.got if each[0] == "REQ"]
    assert asked == ["disputes:1", "disputes:2"]
    await hostile.peers[0].say("EOSE", "disputes:2")
    await eventually(lambda: hostile.url in rig.pool.heard_on("disputes"))
    assert hostile.connections == 1


async def test_a_configured_relay_stays_configured(
    relay: LoopbackRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(relay.url)
    rig.pool.listen_also([relay.url + "/", relay.url.upper().replace("WS", "ws")])
    assert rig.pool.listening() == (relay.url,)
    rig.pool.listen_also([])
    await eventually(lambda: rig.pool.hearing_count() == 1)
    assert [(each.configured, each.extra) for each in rig.pool.states()] == [(True, False)]


async def test_what_is_no_address_is_skipped(relay: LoopbackRelay, start_pool: StartPool) -> None:
    rig = await start_pool()
    rig.pool.listen_also(["https://example.com", "", "ws://", relay.url])
    await eventually(lambda: rig.pool.heard_on("disputes") == {relay.url})


async def test_a_relay_met_on_demand_becomes_an_extra_one(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url, idle_seconds=30)
    assert (await rig.pool.publish(hostile.url, dispute(rig.keys))).outcome.delivered
    assert hostile.count("REQ") == 0
    rig.pool.listen_also([hostile.url])
    await eventually(lambda: hostile.url in rig.pool.heard_on("disputes"))
    start = clock.monotonic()
    await until(clock, lambda: clock.monotonic() > start + 60, 90)
    assert hostile.connections == 1, "it is not left while it is listened to"


async def test_questions_go_to_extra_relays_when_wanted(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(relay.url, listen=False)
    rig.pool.listen_also([hostile.url])
    wanted = [{"kinds": [38385]}]
    assert [each.url for each in await rig.pool.ask_all(wanted, 5)] == [relay.url]
    both = await rig.pool.ask_all(wanted, 5, extra=True)
    assert [(each.url, each.complete) for each in both] == [(relay.url, True), (hostile.url, True)]


async def test_a_question_ends_in_time_though_a_relay_cannot_be_reached(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    """A connection attempt may take longer than the question has."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        rig = await start_pool(relay.url, connect_timeout_seconds=0.5)
        await eventually(lambda: rig.pool.states()[0].connected)
        rig.pool.listen_also([f"ws://127.0.0.1:{silent.getsockname()[1]}"])
        asking = asyncio.create_task(rig.pool.ask_all([{"kinds": [1]}], 0.1, extra=True))
        moved = await until(clock, asking.done, 5)
    assert moved <= 0.2
    assert [each.complete for each in await asking] == [True, False]


@pytest.mark.parametrize("also", [False, True])
async def test_waiting_ends_when_every_connected_relay_has_answered(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock, also: bool
) -> None:
    held: list[tuple[Peer, Message]] = []

    async def later(peer: Peer, message: Message) -> None:
        if message[1].startswith("answers"):
            held.append((peer, message))
        else:
            await hostile.honest_req(peer, message)

    hostile.on_req = later
    rig = await start_pool(relay.url, *([] if also else [hostile.url]))
    rig.pool.listen_also([hostile.url] if also else [])
    await eventually(lambda: rig.pool.heard_on("disputes") == {relay.url, hostile.url})
    rig.pool.subscribe(Subscription("answers", lambda: [{"kinds": [14]}], lambda _u, _e: None))
    waiting = asyncio.create_task(rig.pool.until_heard("answers", 30))
    await eventually(lambda: rig.pool.heard_on("answers") == {relay.url} and held)
    assert not waiting.done()
    await hostile.honest_req(*held[0])
    await eventually(waiting.done)
    assert waiting.result() == {relay.url, hostile.url}
    assert clock.monotonic() == 0, "woken by the answer, not by the clock"


async def test_waiting_ends_at_the_limit(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def silent(peer: Peer, message: Message) -> None:
        if not message[1].startswith("answers"):
            await hostile.honest_req(peer, message)

    hostile.on_req = silent
    rig = await start_pool(relay.url, hostile.url)
    await eventually(lambda: rig.pool.heard_on("disputes") == {relay.url, hostile.url})
    rig.pool.subscribe(Subscription("answers", lambda: [{"kinds": [14]}], lambda _u, _e: None))
    waiting = asyncio.create_task(rig.pool.until_heard("answers", 5))
    moved = await until(clock, waiting.done, 6)
    assert moved == pytest.approx(5)
    assert waiting.result() == {relay.url}


@pytest.mark.parametrize("text", ["blocked: no", "rate-limited: slow"])
async def test_a_relay_that_refuses_is_not_waited_for(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock, text: str
) -> None:
    async def refuse(peer: Peer, message: Message) -> None:
        if message[1].startswith("answers"):
            await peer.say("CLOSED", message[1], text)
        else:
            await hostile.honest_req(peer, message)

    hostile.on_req = refuse
    rig = await start_pool(relay.url, hostile.url)
    await eventually(lambda: rig.pool.heard_on("disputes") == {relay.url, hostile.url})
    rig.pool.subscribe(Subscription("answers", lambda: [{"kinds": [14]}], lambda _u, _e: None))
    waiting = asyncio.create_task(rig.pool.until_heard("answers", 30))
    await eventually(waiting.done)
    assert waiting.result() == {relay.url}
    assert clock.monotonic() == 0


async def test_waiting_with_no_relay_at_all_ends_empty(
    start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(f"ws://127.0.0.1:{free_port()}")
    waiting = asyncio.create_task(rig.pool.until_heard("disputes", 5))
    await until(clock, waiting.done, 6)
    assert waiting.result() == frozenset()


async def test_waiting_ends_when_the_first_relay_comes(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    await relay.stop()
    rig = await start_pool(relay.url)
    await eventually(lambda: rig.notes.count("attempt", False) == 1)
    waiting = asyncio.create_task(rig.pool.until_heard("disputes", 60))
    await relay.start()
    moved = await until(clock, waiting.done, 30)
    assert moved < 30
    assert waiting.result() == {relay.url}


async def test_a_subscription_replaced_is_not_heard_by_its_former_answer(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(hostile.url)
    await eventually(lambda: rig.pool.heard_on("disputes") == {hostile.url})
    hostile.mute = True
    rig.pool.subscribe(Subscription("disputes", lambda: [{"kinds": [1]}], lambda _u, _e: None))
    assert rig.pool.heard_on("disputes") == frozenset()


async def test_another_subscription_s_refusal_is_seen_and_leaves_disputes_heard(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    async def refuse(peer: Peer, message: Message) -> None:
        if message[1].startswith("mail"):
            await peer.say("CLOSED", message[1], "restricted: not for you")
        else:
            await hostile.honest_req(peer, message)

    hostile.on_req = refuse
    rig = await start_pool(hostile.url)
    rig.pool.subscribe(Subscription("mail", lambda: [{"kinds": [1059]}], lambda _u, _e: None))
    await eventually(lambda: rig.notes.count("closed", "mail") == 1)
    await eventually(lambda: rig.pool.states()[0].hearing is Proof.HEARING)
    assert rig.pool.hearing_count() == 1
    assert rig.pool.states()[0].closed == (("mail", "restricted: not for you"),)
    assert rig.notes.count("alert") == 1, "a person can read of it"
    assert rig.notes.count("deaf") == 0


async def test_a_wish_withdrawn_while_others_are_asked_leaves_nothing_behind(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    """Chats open and close at any moment, also between two requests of one round."""
    rig = await start_pool(hostile.url)
    await eventually(lambda: rig.pool.heard_on("disputes") == {hostile.url})
    names = [f"chat{number}" for number in range(40)]
    for name in names:
        rig.pool.subscribe(Subscription(name, lambda: [{"kinds": [14]}], lambda _u, _e: None))
    await eventually(lambda: hostile.count("REQ", "chat"), every=0)
    for name in names:
        rig.pool.unsubscribe(name)
    rig.pool.subscribe(Subscription("last", lambda: [{"kinds": [14]}], lambda _u, _e: None))
    await eventually(lambda: rig.pool.heard_on("last") == {hostile.url})
    await eventually(lambda: set(hostile.peers[0].subscriptions) == {"disputes:1", "last:2"})
