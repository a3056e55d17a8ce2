"""What becomes of an event, by every way a relay can answer."""

import asyncio
from typing import Any

import pytest
from nostr_sdk import Keys
from tests.relays.hostile import HostileRelay, Message, Peer
from tests.relays.relay_rig import DISPUTE_KIND, Rig, StartPool, dispute, until

from serbero.nostr.replies import PublishOutcome
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.relay import LoopbackRelay, free_port


def _only_disputes(relay: HostileRelay, reply: Any) -> None:
    """Answer published disputes with ``reply(peer, event)``; canaries honestly."""

    async def answer(peer: Peer, message: Message) -> None:
        if message[1]["kind"] == DISPUTE_KIND:
            await reply(peer, message[1])
        else:
            await relay.honest_event(peer, message)

    relay.on_event = answer


async def _connected(rig: Rig) -> None:
    await eventually(lambda: rig.pool.states()[0].connected)


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("duplicate: have it", PublishOutcome.DUPLICATE),
        ("pow: difficulty 3 is less than 20", PublishOutcome.POW),
        ("restricted: no", PublishOutcome.RESTRICTED),
        ("rate-limited: slow", PublishOutcome.RATE_LIMITED),
        ("blocked: no", PublishOutcome.BLOCKED),
        ("invalid: no", PublishOutcome.INVALID),
        ("error: no", PublishOutcome.RETRY),
        ("nonsense", PublishOutcome.RETRY),
    ],
)
async def test_each_refusal(
    hostile: HostileRelay, start_pool: StartPool, text: str, outcome: PublishOutcome
) -> None:
    async def refuse(peer: Peer, event: dict[str, Any]) -> None:
        await peer.say("OK", event["id"], False, text)

    _only_disputes(hostile, refuse)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    reply = await rig.pool.publish(hostile.url, dispute(rig.keys))
    assert (reply.outcome, reply.text) == (outcome, text)


async def test_no_answer_is_unknown_after_ten_seconds(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def ignore(peer: Peer, event: dict[str, Any]) -> None:
        return

    _only_disputes(hostile, ignore)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    sending = asyncio.create_task(rig.pool.publish(hostile.url, dispute(rig.keys)))
    moved = await until(clock, sending.done, 15)
    assert (await sending).outcome is PublishOutcome.TIMEOUT
    assert moved == pytest.approx(10, abs=2.1)


async def test_a_cut_before_the_answer_is_unknown_and_afterwards_the_relay_is_down(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def cut(peer: Peer, event: dict[str, Any]) -> None:
        peer.socket.transport.abort()

    _only_disputes(hostile, cut)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    sending = asyncio.create_task(rig.pool.publish(hostile.url, dispute(rig.keys)))
    moved = await until(clock, sending.done, 9)
    assert (await sending).outcome is PublishOutcome.TIMEOUT
    assert moved <= 2.1
    again = await rig.pool.publish(hostile.url, dispute(rig.keys))
    assert again.outcome is PublishOutcome.NOT_CONNECTED
    assert rig.notes.count("lost") == 1


async def test_a_relay_that_is_down_answers_at_once(start_pool: StartPool) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    rig = await start_pool(url)
    await eventually(lambda: rig.notes.count("attempt") == 1)
    reply = await rig.pool.publish(url, dispute(rig.keys))
    assert reply.outcome is PublishOutcome.NOT_CONNECTED
    assert "refused" in reply.text.lower()


async def test_an_unknown_relay_is_connected_on_demand_and_left_when_idle(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url)
    event = dispute(rig.keys)
    replies = await asyncio.gather(*(rig.pool.publish(hostile.url, event) for _ in range(5)))
    assert {each.outcome for each in replies} == {PublishOutcome.ACCEPTED}
    assert hostile.count("EVENT") == 1, "five callers, one message"
    assert hostile.count("REQ") == 0, "written to only"
    assert [each.configured for each in rig.pool.states()] == [True, False]
    await run_until(clock, lambda: not rig.pool.states()[1].connected, limit_seconds=310)
    assert rig.pool.states()[0].connected
    reply = await rig.pool.publish(hostile.url, dispute(rig.keys, 2))
    assert reply.outcome is PublishOutcome.ACCEPTED
    assert hostile.connections == 2


async def test_an_impossible_address_is_an_outcome(start_pool: StartPool) -> None:
    rig = await start_pool()
    reply = await rig.pool.publish("https://example.com", dispute(rig.keys))
    assert reply.outcome is PublishOutcome.BLOCKED


async def test_a_thousand_at_once(relay: LoopbackRelay, start_pool: StartPool) -> None:
    rig = await start_pool(relay.url)
    events = [dispute(Keys.generate(), number) for number in range(1_000)]
    replies = await asyncio.gather(*(rig.pool.publish(relay.url, each) for each in events))
    assert {each.outcome for each in replies} == {PublishOutcome.ACCEPTED}
    await eventually(lambda: len(set(rig.ids())) == 1_000)


async def test_at_most_256_unanswered(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    waiting: list[tuple[Peer, str]] = []

    async def later(peer: Peer, event: dict[str, Any]) -> None:
        waiting.append((peer, event["id"]))

    _only_disputes(hostile, later)
    rig = await start_pool(hostile.url)
    events = [dispute(rig.keys, number) for number in range(300)]
    sending = asyncio.gather(*(rig.pool.publish(hostile.url, each) for each in events))
    await eventually(lambda: len(waiting) >= 256)
    await clock.advance(0.5)
    assert len(waiting) == 256
    for peer, event_id in waiting[:256]:
        await peer.say("OK", event_id, True, "")
    await eventually(lambda: len(waiting) == 300)
    for peer, event_id in waiting[256:]:
        await peer.say("OK", event_id, True, "")
    assert {each.outcome for each in await sending} == {PublishOutcome.ACCEPTED}


@pytest.mark.parametrize("configured", [True, False])
async def test_authenticates_and_sends_the_same_event_once_more(
    hostile: HostileRelay, start_pool: StartPool, configured: bool
) -> None:
    """The challenge comes only with the refusal."""
    authenticated: set[int] = set()

    async def demand(peer: Peer, event: dict[str, Any]) -> None:
        if peer.number in authenticated:
            await peer.say("OK", event["id"], True, "")
        else:
            await peer.say("AUTH", "challenge")
            await peer.say("OK", event["id"], False, "auth-required: who are you")

    async def accept(peer: Peer, message: Message) -> None:
        authenticated.add(peer.number)
        await hostile.accept_auth(peer, message)

    _only_disputes(hostile, demand)
    hostile.on_auth = accept
    rig = await start_pool(*([hostile.url] if configured else []))
    event = dispute(rig.keys)
    reply = await rig.pool.publish(hostile.url, event)
    assert reply.outcome is PublishOutcome.ACCEPTED
    sent = [m[1]["id"] for m in hostile.got if m[0] == "EVENT" and m[1]["kind"] == DISPUTE_KIND]
    assert sent == [event.id().to_hex()] * 2
    answers = [m[1] for m in hostile.got if m[0] == "AUTH"]
    assert [each["pubkey"] for each in answers] == [rig.keys.public_key().to_hex()]
    assert ["challenge", "challenge"] in answers[0]["tags"]
    assert ["relay", hostile.url] in answers[0]["tags"]


async def test_auth_that_never_succeeds_is_an_outcome(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    async def demand(peer: Peer, event: dict[str, Any]) -> None:
        await peer.say("OK", event["id"], False, "auth-required: who are you")

    _only_disputes(hostile, demand)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    sending = asyncio.create_task(rig.pool.publish(hostile.url, dispute(rig.keys)))
    await until(clock, sending.done, 8)
    assert (await sending).outcome is PublishOutcome.AUTH_REQUIRED


@pytest.mark.parametrize("mode", ["read", "write", "both"])
async def test_a_real_relay_that_demands_authentication(start_pool: StartPool, mode: str) -> None:
    async with LoopbackRelay(auth=mode) as demanding:
        rig = await start_pool(demanding.url)
        event = dispute(rig.keys)
        reply = await rig.pool.publish(demanding.url, event)
        assert reply.outcome is PublishOutcome.ACCEPTED
        await eventually(lambda: set(rig.ids()) == {event.id().to_hex()})


async def test_one_callers_cancellation_leaves_the_answer_to_the_other(
    hostile: HostileRelay, start_pool: StartPool
) -> None:
    waiting: list[tuple[Peer, str]] = []

    async def later(peer: Peer, event: dict[str, Any]) -> None:
        waiting.append((peer, event["id"]))

    _only_disputes(hostile, later)
    rig = await start_pool(hostile.url)
    event = dispute(rig.keys)
    first = asyncio.create_task(rig.pool.publish(hostile.url, event))
    second = asyncio.create_task(rig.pool.publish(hostile.url, event))
    await eventually(lambda: len(waiting) == 1)
    first.cancel()
    await waiting[0][0].say("OK", waiting[0][1], True, "")
    assert (await second).outcome is PublishOutcome.ACCEPTED


async def test_another_spelling_of_a_configured_relay_is_that_relay(
    relay: LoopbackRelay, start_pool: StartPool
) -> None:
    """Two links to one address would close each other's connection for ever."""
    rig = await start_pool(relay.url)
    await eventually(lambda: rig.pool.hearing_count() == 1)
    odd = relay.url.replace("127.0.0.1", "127.0.0.0x1")
    assert odd != relay.url
    for number in range(3):
        reply = await rig.pool.publish(odd, dispute(rig.keys, number))
        assert reply.outcome is PublishOutcome.ACCEPTED
    assert [each.url for each in rig.pool.states()] == [relay.url]
    assert rig.pool.states()[0].attempts == 1
    await eventually(lambda: len(rig.ids()) == 3)


async def test_a_relay_that_answers_nothing_gives_events_back_soon(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    """What it holds up is held up for all relays, since a message is one row."""
    silent = True

    async def perhaps(peer: Peer, event: dict[str, Any]) -> None:
        if not silent:
            await peer.say("OK", event["id"], True, "")

    _only_disputes(hostile, perhaps)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    events = [dispute(rig.keys, number) for number in range(600)]
    first = asyncio.gather(*(rig.pool.publish(hostile.url, each) for each in events))
    await until(clock, first.done, 14)
    outcomes = [each.outcome for each in await first]
    assert outcomes == [PublishOutcome.TIMEOUT] * 256 + [PublishOutcome.BUSY] * 344

    second = [asyncio.create_task(rig.pool.publish(hostile.url, each)) for each in events[256:]]
    moved = await until(clock, lambda: sum(each.done() for each in second) >= 343, 8)
    assert moved <= 3.1, "the relay is known to be mute: nobody waits long for a turn"
    sent = [each for each in second if not each.done()]
    assert len(sent) <= 1, "one is tried"
    silent = False
    for task in sent:
        task.cancel()
    await clock.advance(10)
    reply = await rig.pool.publish(hostile.url, dispute(rig.keys, 1_000))
    assert reply.outcome is PublishOutcome.ACCEPTED
    assert rig.notes.count("answers") == 1, "what waits for it can be sent"
    third = await asyncio.gather(*(rig.pool.publish(hostile.url, each) for each in events))
    assert {each.outcome for each in third} == {PublishOutcome.ACCEPTED}


async def test_a_relay_that_answers_now_and_then_wakes_what_waits_once_a_minute(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    silent = False

    async def perhaps(peer: Peer, event: dict[str, Any]) -> None:
        if not silent:
            await peer.say("OK", event["id"], True, "")

    _only_disputes(hostile, perhaps)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    began = clock.monotonic()
    for number in range(10):
        silent = number % 2 == 0
        sending = asyncio.create_task(rig.pool.publish(hostile.url, dispute(rig.keys, number)))
        await until(clock, sending.done, 14)
        wanted = PublishOutcome.TIMEOUT if silent else PublishOutcome.ACCEPTED
        assert (await sending).outcome is wanted
    assert clock.monotonic() - began < 75
    assert rig.notes.count("answers") <= 2


async def test_a_relay_that_limits_its_rate_is_left_alone_by_all_messages(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    limited = True

    async def limit(peer: Peer, event: dict[str, Any]) -> None:
        text = "rate-limited: slow down" if limited else ""
        await peer.say("OK", event["id"], not limited, text)

    def sent() -> int:
        return sum(m[0] == "EVENT" and m[1]["kind"] == DISPUTE_KIND for m in hostile.got)

    _only_disputes(hostile, limit)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    numbers = iter(range(1_000))

    async def publish() -> PublishOutcome:
        reply = await rig.pool.publish(hostile.url, dispute(rig.keys, next(numbers)))
        return reply.outcome

    for _ in range(10):
        assert await publish() is PublishOutcome.RATE_LIMITED
    assert sent() == 1, "the other nine stayed here"
    await clock.advance(7.6)
    assert await publish() is PublishOutcome.RATE_LIMITED
    assert sent() == 2
    await clock.advance(7.6)
    assert await publish() is PublishOutcome.RATE_LIMITED
    assert sent() == 2, "the second pause is twice as long"
    await clock.advance(7.5)
    limited = False
    burst = await asyncio.gather(*(publish() for _ in range(50)))
    assert set(burst) == {PublishOutcome.ACCEPTED}


@pytest.mark.parametrize("configured", [True, False])
async def test_publishing_to_a_relay_that_is_down_does_not_hurry_its_attempts(
    start_pool: StartPool, clock: FakeClock, configured: bool
) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    rig = await start_pool(*([url] if configured else []))
    began = clock.monotonic()

    async def attempts(count: int) -> float:
        """Publish each second until so many attempts were made; returns when, in seconds."""
        while not rig.pool.states() or rig.pool.states()[0].attempts < count:
            reply = await rig.pool.publish(url, dispute(rig.keys))
            assert reply.outcome is PublishOutcome.NOT_CONNECTED
            await clock.advance(1)
        return clock.monotonic() - began

    third = await attempts(3)
    assert await attempts(5) - third >= 40, "two waits of 20 s at least"


async def test_a_relay_that_refuses_us_is_told_of_once_until_it_takes_something(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    text = "restricted: members only"

    async def refuse(peer: Peer, event: dict[str, Any]) -> None:
        await peer.say("OK", event["id"], not text, text)

    _only_disputes(hostile, refuse)
    rig = await start_pool(hostile.url)
    await _connected(rig)
    for number in range(5):
        await rig.pool.publish(hostile.url, dispute(rig.keys, number))
    assert rig.notes.count("alert", text) == 1
    text = ""
    await rig.pool.publish(hostile.url, dispute(rig.keys, 6))
    text = "blocked: banned"
    await rig.pool.publish(hostile.url, dispute(rig.keys, 7))
    assert rig.notes.count("alert") == 2


async def test_a_clock_that_a_relay_finds_wrong_is_told_of(
    hostile: HostileRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    """The canary has the time of our clock, and goes out even where nothing else does."""

    async def refuse(peer: Peer, message: Message) -> None:
        await peer.say("OK", message[1]["id"], False, "invalid: created_at is in the future")

    hostile.on_event = refuse
    rig = await start_pool(hostile.url)
    await until(clock, lambda: rig.notes.count("alert") > 0, 60)
    await clock.advance(60)
    assert rig.notes.count("alert") == 1
