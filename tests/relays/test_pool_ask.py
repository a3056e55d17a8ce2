"""Questions: nothing, no answer and not all of it are told apart."""

import asyncio
import json
from typing import Any

import pytest
from nostr_sdk import EventBuilder, Keys, Kind, Tag, Timestamp
from tests.relays.hostile import HostileRelay, Message, Peer
from tests.relays.relay_rig import StartPool, dispute, until

from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.relay import LoopbackRelay, free_port

ALL = [{"kinds": [38386]}]


def _events(count: int, per_second: int = 1, start: int = 1_700_000_000) -> list[dict[str, Any]]:
    keys = Keys.generate()
    made = []
    for number in range(count):
        builder = EventBuilder(Kind(38386), "").tags([Tag.identifier(str(number))])
        at = Timestamp.from_secs(start + number // per_second)
        unsigned = builder.custom_created_at(at).finalize_unsigned(keys.public_key())
        made.append(dict(json.loads(keys.sign_event(unsigned).as_json())))
    return made


def _paging(relay: HostileRelay, clamp: int) -> list[dict[str, Any]]:
    """Serve stored events newest first, ``clamp`` at most; returns the filters asked with."""
    asked: list[dict[str, Any]] = []

    async def answer(peer: Peer, message: Message) -> None:
        wanted = message[2]
        if message[1].startswith("ask"):
            asked.append(wanted)
        until = wanted.get("until", 2**40)
        fitting = [each for each in relay.stored if each["created_at"] <= until]
        fitting.sort(key=lambda each: -each["created_at"])
        for event in fitting[: min(clamp, wanted.get("limit", clamp))]:
            await peer.say("EVENT", message[1], event)
        await peer.say("EOSE", message[1])

    relay.on_req = answer
    return asked


async def test_nothing_is_a_complete_answer(hostile: HostileRelay, start_pool: StartPool) -> None:
    rig = await start_pool(hostile.url, listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 5)
    assert (answer.events, answer.complete, answer.reason) == ((), True, None)
    await eventually(lambda: hostile.count("CLOSE", "ask:1") == 1)


async def test_a_closing_is_not_an_answer(hostile: HostileRelay, start_pool: StartPool) -> None:
    async def refuse(peer: Peer, message: Message) -> None:
        await peer.say("CLOSED", message[1], "rate-limited: slow")

    hostile.on_req = refuse
    rig = await start_pool(hostile.url, listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 5)
    assert (answer.complete, answer.reason) == (False, "rate-limited: slow")


async def test_silence_is_not_an_answer(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(hostile.url, listen=False)
    await eventually(lambda: rig.pool.states()[0].connected)
    hostile.mute = True
    asking = asyncio.create_task(rig.pool.ask(hostile.url, ALL, 5))
    await eventually(lambda: hostile.count("REQ") == 1)
    moved = await until(clock, asking.done, 6)
    answer = await asking
    assert (answer.complete, answer.reason) == (False, "no answer in time")
    assert moved == pytest.approx(5)


async def test_a_relay_that_is_down_is_not_an_answer(start_pool: StartPool) -> None:
    rig = await start_pool()
    answer = await rig.pool.ask(f"ws://127.0.0.1:{free_port()}", ALL, 5)
    assert not answer.complete
    assert answer.reason is not None
    assert "refused" in answer.reason.lower()


async def test_a_cut_is_not_an_answer(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def cut(peer: Peer, message: Message) -> None:
        peer.socket.transport.abort()

    hostile.on_req = cut
    rig = await start_pool(hostile.url, listen=False)
    asking = asyncio.create_task(rig.pool.ask(hostile.url, ALL, 60))
    moved = await until(clock, asking.done, 6)
    assert (await asking).reason == "connection lost"
    assert moved <= 2.1


async def test_authenticates_and_asks_again(hostile: HostileRelay, start_pool: StartPool) -> None:
    authenticated: set[int] = set()
    hostile.stored = _events(1)

    async def demand(peer: Peer, message: Message) -> None:
        if peer.number in authenticated:
            await hostile.honest_req(peer, message)
        else:
            await peer.say("CLOSED", message[1], "auth-required: who")
            await peer.say("AUTH", "c")

    async def accept(peer: Peer, message: Message) -> None:
        authenticated.add(peer.number)
        await hostile.accept_auth(peer, message)

    hostile.on_req, hostile.on_auth = demand, accept
    rig = await start_pool(listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 5)
    assert answer.complete
    assert len(answer.events) == 1


async def test_only_genuine_events_that_were_asked_for_once_each(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    true, other = _events(2)
    note = json.loads(
        (k := Keys.generate())
        .sign_event(EventBuilder(Kind(1), "x").finalize_unsigned(k.public_key()))
        .as_json()
    )

    async def answer(peer: Peer, message: Message) -> None:
        for event in (true, true | {"content": "forged"}, true, note, other):
            await peer.say("EVENT", message[1], event)
        await peer.say("EOSE", message[1])

    hostile.on_req = answer
    rig = await start_pool(hostile.url, listen=False)
    got = await rig.pool.ask(hostile.url, ALL, 5)
    assert [each.id().to_hex() for each in got.events] == [true["id"], other["id"]]
    assert rig.notes.count("rejected", "signature") == 1
    assert rig.notes.count("rejected", "unasked") == 1


@pytest.mark.parametrize("clamp", [7, 100, 1_000])
async def test_pages_through_a_silent_clamp(
    hostile: HostileRelay, start_pool: StartPool, clamp: int
) -> None:
    hostile.stored = _events(60, per_second=3)
    asked = _paging(hostile, clamp)
    rig = await start_pool(hostile.url, listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 30, page=20)
    assert answer.complete, answer.reason
    assert {each.id().to_hex() for each in answer.events} == {e["id"] for e in hostile.stored}
    assert all(each["limit"] == 20 for each in asked)


async def test_a_second_that_cannot_be_read_in_full_is_admitted(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    hostile.stored = _events(30, per_second=30)
    _paging(hostile, 20)
    rig = await start_pool(hostile.url, listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 30, page=20)
    assert not answer.complete
    assert len(answer.events) == 20


async def test_a_relay_that_ignores_until_does_not_hold_us(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    hostile.stored = _events(5)
    rig = await start_pool(hostile.url, listen=False)
    answer = await rig.pool.ask(hostile.url, ALL, 30, page=5)
    assert (answer.complete, answer.reason) == (False, "`until` is ignored")
    assert len(answer.events) == 5
    assert hostile.count("REQ") <= 4


async def test_a_real_relay_is_paged_to_the_end(
    relay: LoopbackRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(relay.url, listen=False)
    keys = Keys.generate()
    made = [dispute(keys, number) for number in range(3)]
    for event in made:
        await rig.pool.publish(relay.url, event)
    answers = await rig.pool.ask_all(ALL, 10, page=500)
    assert [each.complete for each in answers] == [True]
    assert {each.id().to_hex() for each in answers[0].events} == {x.id().to_hex() for x in made}


async def test_ask_all_answers_for_each(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool
) -> None:
    down = f"ws://127.0.0.1:{free_port()}"
    rig = await start_pool(relay.url, hostile.url, down, listen=False)
    answers = await rig.pool.ask_all(ALL, 5)
    assert [each.url for each in answers] == [relay.url, hostile.url, down]
    assert [each.complete for each in answers] == [True, True, False]


async def test_what_is_no_address_has_no_answer(
    relay: LoopbackRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(relay.url, listen=False)
    answer = await rig.pool.ask("nonsense", ALL, 5)
    assert not answer.complete
    assert "not a relay address" in (answer.reason or "")
