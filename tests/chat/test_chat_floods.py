"""Floods: bounded, told apart from their neighbours, and read on when they are over."""

import json

import pytest
from nostr_sdk import Event, Keys
from structlog.testing import capture_logs
from tests.chat.chat_rig import Household, Writer, publish
from tests.chat.conftest import StartHousehold
from tests.relays.hostile import HostileRelay

from serbero.chat import budget, reading
from serbero.chat.budget import BURST, PER_MINUTE, WRAPS_BURST, WRAPS_PER_MINUTE
from serbero.chat.opening import open_in
from serbero.chat.reading import MAX_QUESTIONS
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat_keys import derive
from serbero.nostr.signing import signed
from serbero.simulator.clock import FakeClock
from serbero.simulator.peer import RelayPeer
from serbero.simulator.relay import LoopbackRelay


def allowed(house: Household, began: int) -> float:
    """What one envelope of one channel may have brought since."""
    return BURST + (house.clock.now() - began + 1) * PER_MINUTE / 60


def of(house: Household, writer: Writer) -> list[str]:
    return [each.message.text for each in house.heard if each.dispute_id == writer.dispute]


async def test_a_flood_is_stopped_and_its_neighbour_is_heard(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    loud, other, honest = Writer(1), Writer(2), Writer(3)
    await house.open(loud, other, honest)
    await house.listens()
    now = clock.now()
    for flooder in (loud, other):
        await publish(relay.url, *(flooder.words(f"{number}", now) for number in range(200)))
    await publish(relay.url, honest.words("hello", now))
    await house.heard_all("hello")
    await house.until(lambda: all(len(of(house, each)) >= BURST for each in (loud, other)))
    assert house.rejected("budget") > 0
    for flooder in (loud, other):
        assert len(of(house, flooder)) <= allowed(house, now)


async def test_nothing_is_lost_of_what_the_budget_stopped(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """It stays at the relay, and is taken up from there at the allowed rate; once each."""
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    wanted = [f"number {number}" for number in range(150)]
    began = clock.now()
    await publish(relay.url, *(writer.words(text, began) for text in wanted))
    await house.until(lambda: len(house.heard) >= BURST and house.rejected("budget") > 0)
    await clock.advance(20)
    await publish(relay.url, writer.words("later", clock.now()))
    await house.heard_all("later")
    [(cursor,)] = house.rows("SELECT cursor FROM chat_cursors")
    # Not passed over what is owed: a restart would have to find it as well.
    assert cursor <= began < clock.now() - 15
    wanted.append("later")
    await house.heard_all(*wanted, limit=900, real=100)
    assert sorted(house.stored()) == sorted(wanted)
    assert allowed(house, began) >= 150


async def test_a_restart_amid_a_flood_loses_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    wanted = [f"number {number}" for number in range(100)]
    await publish(relay.url, *(writer.words(text, clock.now()) for text in wanted))
    await house.until(lambda: len(house.heard) >= BURST and house.rejected("budget") > 0)
    await house.stop()
    await clock.advance(2_000)
    house = await start()
    await house.until(lambda: len(house.stored()) == 100, limit=900, real=100)
    assert sorted(house.stored()) == sorted(wanted)


async def test_a_stored_flood_hides_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """An answer full of one channel's messages makes us ask for the others apart."""
    loud, honest = Writer(1), [Writer(number) for number in range(2, 12)]
    now = clock.now()
    house = await start()
    for writer in (loud, *honest):
        keys = {writer.party: writer.trade_key}
        await house.raw.transact(open_in, writer.dispute, keys, since=now - 400, now=now)
    await house.stop()
    early = [writer.words(f"early {writer.number}", now - 300) for writer in honest]
    await publish(relay.url, *early)
    await publish(relay.url, *(loud.words(f"{number}", now - 100) for number in range(250)))
    house = await start()
    await house.heard_all(*(f"early {writer.number}" for writer in honest), real=60)
    assert len(of(house, loud)) <= allowed(house, now)


def junk(writer: Writer, at: int, count: int = 1) -> list[Event]:
    """What anybody can send who once saw the address of a gift wrap."""
    tags = [["p", writer.channel.legacy_address]]
    return [signed(Keys.generate(), 1059, "x" * 64, tags, at) for _ in range(count)]


async def test_a_flood_of_gift_wraps_does_not_touch_the_other_envelope(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Anybody can write to a gift wrap's address; nobody else to the channel's author."""
    house = await start()
    writer, stranger = Writer(1), Keys.generate()
    await house.open(writer)
    await house.listens()
    began = clock.now()
    count = WRAPS_BURST + 80
    inner = [chat.inner_message(stranger, f"{number}", began) for number in range(count)]
    wraps = [legacy_chat.wrap(writer.channel, each, expires_at=None) for each in inner]
    await publish(relay.url, *wraps)
    await house.until(lambda: house.rejected("budget") > 0)
    await publish(relay.url, writer.words("hello", clock.now()))
    await house.heard_all("hello", limit=30)

    def opened() -> float:
        found = house.rejected("inner-signer")
        assert found <= WRAPS_BURST + (clock.now() - began + 1) * WRAPS_PER_MINUTE / 60
        return found

    # In the end each was opened, once.
    await house.until(lambda: opened() >= count, limit=300)
    ended = clock.now()
    await house.until(lambda: clock.now() >= ended + 70, limit=100)
    assert opened() == count
    assert house.texts() == ["hello"]


async def test_strangers_do_not_silence_a_party_that_writes_gift_wraps(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Two a second, which would spend the party's own budget for ever. Each is opened once."""
    house = await start()
    writer, sent, words = Writer(1), 0, []
    await house.open(writer)
    await house.listens()
    async with RelayPeer(relay.url) as peer:
        for second in range(180):
            count = 100 if second == 0 else 2
            for event in junk(writer, clock.now() - second % 50, count):
                await peer.publish(event)
            sent += count
            if second % 30 == 7:
                words.append(f"said at {second}")
                await peer.publish(writer.old_words(words[-1], clock.now()))
            await clock.advance(1)
            if second % 30 == 29:
                await house.heard_all(*words, limit=20)
        await house.until(lambda: house.rejected("decrypt") == sent)
    began = clock.now()
    # Wraps are read again every minute.
    await house.until(lambda: clock.now() >= began + 130, limit=200)
    await house.until(lambda: house.chats.idle)
    assert house.rejected("decrypt") == sent
    assert house.rejected("budget") == 0


async def test_a_trickle_does_not_put_off_what_was_left_out(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes in keeps the budget low: relays are asked again all the same."""
    monkeypatch.setattr(budget, "WRAPS_BURST", 100)
    monkeypatch.setattr(budget, "WRAPS_PER_MINUTE", 60)
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    began = clock.now()
    await publish(relay.url, *junk(writer, began, 100))
    await house.until(lambda: house.rejected("decrypt") == 100, limit=9)
    await publish(relay.url, *junk(writer, began, 40))
    await publish(relay.url, writer.old_words("left out", began))
    await house.until(lambda: house.rejected("budget") >= 20, limit=9)
    assert house.heard == []
    [lane] = [channel.gift_wrap for channel in house.chats._channels.values()]
    for step in range(1, 13):
        await publish(relay.url, *junk(writer, clock.now(), 6))
        await house.until(lambda at=began + 10 * step: clock.now() >= at, limit=20)  # type: ignore[misc]
        assert not lane.budget.recovered(clock.monotonic())
    await house.heard_all("left out", limit=20)


async def test_a_party_that_floods_in_gift_wraps_is_stopped_and_loses_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    began = clock.now()
    wanted = [f"number {number}" for number in range(100)]
    await publish(relay.url, *(writer.old_words(text, began) for text in wanted))
    await house.until(lambda: len(house.heard) >= BURST and house.rejected("budget") > 0)
    assert len(house.heard) <= allowed(house, began)
    await house.heard_all(*wanted, limit=900, real=100)
    assert sorted(house.stored()) == sorted(wanted)
    assert allowed(house, began) >= 100


async def test_what_we_say_does_not_spend_what_a_party_may_say(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Our own words come back on the same channel, once from each relay and in each envelope."""
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    ours = [await house.say(writer, f"ours {number}") for number in range(BURST - 10)]
    await publish(relay.url, *(chat.wrap(writer.channel, each) for each in ours))
    await house.until(lambda: len(house.own) == len(ours), limit=30)
    theirs = [f"theirs {number}" for number in range(BURST - 10)]
    await publish(relay.url, *(writer.words(text, clock.now()) for text in theirs))
    await house.heard_all(*theirs, limit=30)
    assert house.rejected("budget") == 0


async def test_more_is_stored_than_is_ever_read(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one channel's store has no bottom, reading stops and says so."""
    monkeypatch.setattr(reading, "MAX_PAGES", 2)
    writer = Writer(1)
    now = clock.now()
    await publish(relay.url, *(writer.words(f"{n}", now - 300 + n) for n in range(290)))
    house = await start()
    with capture_logs() as logs:
        await house.open(writer, since=now - 400)
        await house.until(lambda: "chat_flooded" in [each["event"] for each in logs])
    await publish(relay.url, writer.old_words("hello", now))
    await house.heard_all("hello")


async def test_a_flood_for_nobody_costs_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Events of other channels are never asked for."""
    house = await start()
    writer, stranger = Writer(1), Writer(2)
    await house.open(writer)
    await house.listens()
    foreign = derive(stranger.keys.secret_key().to_hex(), Keys.generate().public_key().to_hex())
    inner = chat.inner_message(stranger.keys, "x", clock.now())
    await publish(relay.url, *(chat.wrap(foreign, inner) for _ in range(50)))
    await publish(relay.url, writer.words("hello", clock.now()))
    await house.heard_all("hello")
    assert house.rejected("author") == house.rejected("budget") == 0


async def test_a_relay_that_forges_stops_nobody(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Forged events bear the author's name; they must not use up what the party may say."""
    async with HostileRelay() as forger:
        house = await start(relay.url, forger.url)
        writer = Writer(1)
        await house.open(writer)
        await house.listens()
        texts = [f"number {number}" for number in range(BURST)]
        real = [writer.words(text, clock.now()) for text in texts]
        for number, event in enumerate(real):
            fields = json.loads(event.as_json())
            await forger.broadcast(fields | {"id": f"{number:064x}"})
            await forger.broadcast(fields | {"sig": "0" * 128})
        await publish(relay.url, *real)
        for event in real:  # the library verifies an id only once: now these come through to us
            await forger.broadcast(json.loads(event.as_json()) | {"content": "forged"})
        await house.heard_all(*texts, limit=20)
        assert sorted(house.stored()) == sorted(texts)


async def test_a_relay_that_ignores_what_is_asked_ends_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """It answers every page with the same hundred events, oversize ones among them."""
    async with HostileRelay() as stubborn:
        writer, now = Writer(1), clock.now()
        stubborn.stored = [
            json.loads(writer.words(f"{number}", now - 50).as_json()) for number in range(100)
        ]
        tags = [["p", writer.channel.address]]
        large = signed(writer.channel.signing, 14, "x" * 65_537, tags, now)
        stubborn.stored.append(json.loads(large.as_json()))
        house = await start(relay.url, stubborn.url)
        await house.open(writer, since=now - 60)
        await house.until(lambda: house.rejected("size") > 0)
        await publish(relay.url, writer.words("hello", now))
        await house.heard_all("hello", *(f"{number}" for number in range(100)), limit=900, real=100)
        asked = stubborn.count("REQ", "ask")
        await clock.advance(100)
        await house.until(lambda: house.chats.idle)
        assert stubborn.count("REQ", "ask") - asked <= 20 * MAX_QUESTIONS
