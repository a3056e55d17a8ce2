"""Hearing: lost in every way, found again on a clock of ours."""

import asyncio
import itertools
import json
from typing import Any

import pytest
from nostr_sdk import EventBuilder, Keys, Kind
from tests.relays.hostile import HostileRelay, Message, Peer, closing
from tests.relays.relay_rig import Rig, StartPool, dispute, until

from serbero.nostr.replies import PublishOutcome, ReplyPrefix
from serbero.relays.canary import Proof
from serbero.relays.subscriptions import Subscription
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.relay import LoopbackRelay


def _proof(rig: Rig) -> Proof:
    return rig.pool.states()[0].hearing


async def _hearing(rig: Rig) -> None:
    await eventually(lambda: _proof(rig) is Proof.HEARING)


def _wire(event: Any) -> dict[str, Any]:
    return dict(json.loads(event.as_json()))


async def test_hears_publishes_and_asks(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url)
    await _hearing(rig)
    event = dispute(Keys.generate())
    first = await rig.pool.publish(relay.url, event)
    again = await rig.pool.publish(relay.url + "/", event)
    assert (first.outcome, again.outcome) == (PublishOutcome.ACCEPTED, PublishOutcome.DUPLICATE)
    await eventually(lambda: rig.ids() == [event.id().to_hex()])
    answer = await rig.pool.ask(relay.url, [{"kinds": [38386]}], 5)
    assert answer.complete
    assert [each.id().to_hex() for each in answer.events] == rig.ids()
    await until(clock, lambda: rig.notes.count("canary") >= 3, 60)
    state = rig.pool.states()[0]
    assert state.attempts == 1
    assert state.last_canary_ms is not None
    assert rig.pool.hearing_count() == 1
    assert rig.notes.told[:4] == [
        ("attempt", True),
        ("connected",),
        ("hearing", False),
        rig.notes.told[3],
    ]
    assert rig.notes.told[3][0] == "canary"


@pytest.mark.parametrize(
    ("text", "prefix", "again_in"),
    [
        ("rate-limited: slow", ReplyPrefix.RATE_LIMITED, 1),
        ("error: no", ReplyPrefix.ERROR, 1),
        ("invalid: no", ReplyPrefix.INVALID, 1),
        ("duplicate: no", ReplyPrefix.DUPLICATE, 1),
        ("pow: no", ReplyPrefix.POW, 1),
        ("mute: no", ReplyPrefix.MUTE, 1),
        ("weather: rain", ReplyPrefix.UNKNOWN, 1),
        ("", ReplyPrefix.NONE, 1),
        ("restricted: no", ReplyPrefix.RESTRICTED, 300),
        ("blocked: no", ReplyPrefix.BLOCKED, 300),
        ("unsupported: no", ReplyPrefix.UNSUPPORTED, 300),
    ],
)
async def test_each_closing_is_seen_and_asked_again(
    hostile: HostileRelay,
    start_pool: StartPool,
    clock: FakeClock,
    text: str,
    prefix: ReplyPrefix,
    again_in: float,
) -> None:
    hostile.on_req = closing(text)(hostile)
    rig = await start_pool(hostile.url)
    await eventually(lambda: rig.notes.count("closed", "disputes", prefix) == 1)
    assert _proof(rig) is Proof.DEAF
    assert rig.notes.count("alert") == (1 if again_in > 60 else 0)
    if again_in > 60:
        await clock.advance(again_in - 5)
        assert hostile.count("REQ") == 1
        again_in = 5
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, again_in + 4)
    assert moved >= again_in
    assert hostile.count("REQ") == 2
    assert hostile.count("CLOSE", "disputes:1") == 1, "some relays keep what they closed"
    await hostile.broadcast(_wire(dispute(rig.keys)))
    await eventually(lambda: len(rig.heard) == 1)


@pytest.mark.parametrize("challenge", ["at connect", "with the closing", "late"])
async def test_a_demand_for_authentication_is_met_and_asked_again_at_once(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock, challenge: str
) -> None:
    authenticated: set[int] = set()

    async def greet(peer: Peer) -> None:
        if challenge == "at connect":
            await peer.say("AUTH", "c")

    async def demand(peer: Peer, message: Message) -> None:
        if peer.number in authenticated:
            await hostile.honest_req(peer, message)
            return
        await peer.say("CLOSED", message[1], "auth-required: who are you")
        if challenge == "with the closing":
            await peer.say("AUTH", "c")

    async def accept(peer: Peer, message: Message) -> None:
        authenticated.add(peer.number)
        await hostile.accept_auth(peer, message)

    hostile.on_connect, hostile.on_req, hostile.on_auth = greet, demand, accept
    rig = await start_pool(hostile.url)
    if challenge == "late":
        await eventually(lambda: rig.notes.count("closed") == 1)
        await hostile.peers[0].say("AUTH", "c")
    await _hearing(rig)
    assert clock.monotonic() == 0, "no waiting of ours was needed"
    assert hostile.count("AUTH") == 1
    assert hostile.count("REQ") <= 2


async def test_a_closing_of_the_previous_request_is_not_about_this_one(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    hostile.on_req = closing("error: once")(hostile)
    rig = await start_pool(hostile.url)
    await until(clock, lambda: _proof(rig) is Proof.HEARING, 5)
    await hostile.peers[0].say("CLOSED", "disputes:1", "blocked: late word")
    await hostile.peers[0].say("EVENT", "disputes:2", _wire(dispute(rig.keys)))
    await eventually(lambda: len(rig.heard) == 1)
    assert _proof(rig) is Proof.HEARING
    assert rig.notes.count("alert") == 0


async def test_the_canary_finds_a_forgotten_subscription(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    hostile.peers[0].subscriptions.clear()
    moved = await until(clock, lambda: hostile.count("REQ") == 2, 30)
    await _hearing(rig)
    assert moved <= 26
    assert rig.notes.count("deaf") == 1
    assert rig.notes.count("hearing", True) == 1
    assert hostile.connections == 1


async def test_half_open_is_left_and_heard_again_within_half_a_minute(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    hostile.mute = True
    await until(clock, lambda: rig.notes.count("lost") == 1, 35)
    hostile.mute = False
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, 30)
    assert moved < 30
    assert hostile.connections == 2


async def test_a_relay_that_went_silent_for_good_stays_deaf_without_a_storm(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    hostile.forgetful = True
    await until(clock, lambda: _proof(rig) is Proof.DEAF, 30)
    before, start = hostile.count("REQ"), clock.monotonic()
    await run_until(
        clock,
        lambda: clock.monotonic() > start + 600,
        limit_seconds=700,
    )
    assert _proof(rig) is Proof.DEAF
    assert hostile.count("REQ") - before <= 60, "six a minute at most"


async def test_a_relay_that_shows_no_ephemeral_events_is_unproven_not_down(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    hostile.forgetful = True
    rig = await start_pool(hostile.url)
    await until(clock, lambda: hostile.count("REQ", "probe") >= 3, 120)
    assert _proof(rig) is Proof.UNPROVEN
    assert rig.pool.hearing_count() == 1
    assert hostile.connections == 2


async def test_a_relay_that_refuses_the_canary_is_unproven_not_down(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def refuse(peer: Peer, message: Message) -> None:
        await peer.say("OK", message[1]["id"], False, "blocked: not on the list")

    hostile.on_event = refuse
    rig = await start_pool(hostile.url)
    await until(clock, lambda: hostile.count("REQ", "probe") == 3, 60)
    await eventually(lambda: _proof(rig) is Proof.UNPROVEN)
    assert rig.notes.count("deaf") == 0
    assert hostile.count("EVENT") == 1, "a refusal is not asked for twice on one connection"
    assert [m[2]["limit"] for m in hostile.got if m[0] == "REQ" and m[1].startswith("probe")] == [
        1,
        1,
        1,
    ]
    hostile.mute = True
    await until(clock, lambda: rig.notes.count("deaf") == 1, 40)


async def test_no_eose_ever_but_events_are_heard(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    """The canary's echo proves more than an EOSE would."""

    async def silent(peer: Peer, message: Message) -> None:
        peer.subscriptions[message[1]] = message[2:]

    hostile.on_req = silent
    rig = await start_pool(hostile.url)
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, 10)
    assert moved <= 6
    assert hostile.count("REQ") == 1


async def test_neither_eose_nor_echo_is_asked_again_with_backoff(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def nothing(peer: Peer, message: Message) -> None:
        return

    hostile.on_req = nothing
    rig = await start_pool(hostile.url)
    await run_until(clock, lambda: clock.monotonic() > 300, limit_seconds=400)
    assert _proof(rig) is Proof.DEAF
    assert 5 <= hostile.count("REQ") <= 50
    hostile.on_req = hostile.honest_req
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, 40)
    assert moved <= 40


@pytest.mark.parametrize(
    "text", ["error: x", "auth-required: x", "blocked: x", "rate-limited: x", ""]
)
async def test_no_storm_however_often_it_closes(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock, text: str
) -> None:
    """The relay challenges anew each time, and accepts every answer."""
    challenges = iter(range(10_000))
    close = closing(text, only_first=False)(hostile)

    async def answer(peer: Peer, message: Message) -> None:
        await peer.say("AUTH", f"c{next(challenges)}")
        await close(peer, message)

    hostile.on_req = answer
    await start_pool(hostile.url)
    await run_until(clock, lambda: clock.monotonic() > 120, limit_seconds=150)
    assert hostile.count("REQ") <= 16, "two minutes"
    assert hostile.count("AUTH") <= 16
    assert hostile.connections == 1


async def test_accept_and_close_keeps_the_spacing(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    times: list[float] = []

    async def close(peer: Peer) -> None:
        times.append(clock.monotonic())
        await peer.socket.close()

    hostile.on_connect = close
    rig = await start_pool(hostile.url)

    async with asyncio.TaskGroup() as pestering:
        sent: list[asyncio.Task[object]] = []

        def pestered() -> bool:
            sent.append(pestering.create_task(rig.pool.publish(hostile.url, dispute(rig.keys))))
            return len(times) >= 5

        await run_until(clock, pestered, limit_seconds=120)
        # What was sent into a closed connection learns so at the next look, or has waited enough.
        await run_until(clock, lambda: all(each.done() for each in sent), limit_seconds=60)
    assert all(b - a >= 10 for a, b in itertools.pairwise(times)), times
    hostile.on_connect = None
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, 30)
    assert moved < 30


async def test_a_relay_that_comes_back_is_heard_again(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url)
    await _hearing(rig)
    await relay.stop()
    await until(clock, lambda: rig.notes.count("attempt", False) == 2, 40)
    assert (rig.notes.count("lost"), rig.pool.hearing_count()) == (1, 0)
    await relay.start()
    moved = await until(clock, lambda: _proof(rig) is Proof.HEARING, 30)
    assert moved < 30
    event = dispute(rig.keys)
    await rig.pool.publish(relay.url, event)
    await eventually(lambda: rig.ids() == [event.id().to_hex()])
    assert rig.notes.count("connected") == 2
    assert rig.notes.count("hearing", True) == 1


async def test_a_forged_copy_of_a_known_event_is_rejected(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    true = _wire(dispute(rig.keys))
    await hostile.broadcast(true)
    await hostile.broadcast(true | {"tags": [["d", "other"]]})
    await hostile.broadcast(true | {"content": "settled"})
    await eventually(lambda: rig.notes.count("rejected", "signature") == 2)
    assert rig.ids() == [true["id"]]


async def test_what_was_not_asked_for_is_rejected(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    author, stranger = Keys.generate(), Keys.generate()
    rig = await start_pool(hostile.url, listen=False)
    wanted = [{"kinds": [38386], "authors": [author.public_key().to_hex()], "#d": ["d1", "d2"]}]
    rig.pool.subscribe(
        Subscription("disputes", lambda: wanted, lambda _url, event: rig.heard.append(event))
    )
    await eventually(lambda: _proof(rig) is Proof.UNPROVEN)
    note = author.sign_event(EventBuilder(Kind(1), "x").finalize_unsigned(author.public_key()))
    good = dispute(author, 2)
    for event in (note, dispute(stranger, 1), dispute(author, 3), good):
        await hostile.peers[0].say("EVENT", "disputes:1", _wire(event))
    await eventually(lambda: len(rig.heard) == 1)
    assert rig.ids() == [good.id().to_hex()]
    assert rig.notes.count("rejected", "unasked") == 3


async def test_garbage_does_no_harm(hostile: HostileRelay, start_pool: StartPool) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    socket = hostile.peers[0].socket
    for text in (
        "{",
        "[]",
        '["EVENT"]',
        '["EVENT","disputes:1",{}]',
        "null",
        '["OK",1,2,3]',
        "\x00",
    ):
        await socket.send(text)
    await socket.send(b"\xff\xfe")
    await hostile.broadcast(_wire(dispute(rig.keys)))
    await eventually(lambda: len(rig.heard) == 1)
    assert hostile.connections == 1


async def test_a_listener_that_fails_does_not_deafen_the_pool(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(hostile.url, listen=False)

    def fail(_url: str, event: object) -> None:
        rig.heard.append(event)  # type: ignore[arg-type]
        raise ValueError("a bug")

    rig.pool.subscribe(Subscription("s", lambda: [{"kinds": [38386]}], fail))
    await eventually(lambda: rig.pool.hearing_count() == 1)
    for number in range(2):
        await hostile.broadcast(_wire(dispute(rig.keys, number)))
    await eventually(lambda: len(rig.heard) == 2)


async def test_wishes_can_change_while_running(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    rig = await start_pool(hostile.url)
    await _hearing(rig)
    extra = Subscription("mail", lambda: [{"kinds": [1059]}], lambda _url, _event: None)
    rig.pool.subscribe(extra)
    await eventually(lambda: hostile.count("REQ", "mail:1") == 1)
    rig.pool.subscribe(Subscription("mail", lambda: [{"kinds": [14]}], lambda _url, _event: None))
    await eventually(lambda: hostile.count("REQ", "mail:2") == 1)
    rig.pool.unsubscribe("mail")
    await eventually(lambda: "mail:2" not in hostile.peers[0].subscriptions)
    assert set(hostile.peers[0].subscriptions) == {"disputes:1"}
    assert hostile.count("REQ", "disputes") == 1, "others are left alone"


@pytest.mark.parametrize("name", ["ask", "probe", "a:b", ""])
async def test_names_that_would_collide_are_refused(start_pool: StartPool, name: str) -> None:
    rig = await start_pool()
    with pytest.raises(ValueError, match="cannot name"):
        rig.pool.subscribe(Subscription(name, list, lambda _url, _event: None))
