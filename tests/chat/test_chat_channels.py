"""Live chats: what parties write is accepted once, whatever happens around it."""

import asyncio

import pytest
import sqlalchemy as sa
from nostr_sdk import Event, Keys
from structlog.testing import capture_logs
from tests.chat.chat_rig import SOLVER, SOLVER_HEX, Writer, publish
from tests.chat.conftest import StartHousehold

from serbero.chat.channel import AcceptedMessage
from serbero.chat.channels import KEPT_SECONDS
from serbero.chat.opening import close_in, open_in
from serbero.chat.standing import STORED_EVENTS
from serbero.model.party import Party
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import Envelope
from serbero.mostro.chat_keys import BadChatKeyError
from serbero.nostr.signing import signed
from serbero.simulator.clock import FakeClock
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.relay import LoopbackRelay


async def test_both_envelopes_are_read_live(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    buyer, seller = Writer(1), Writer(2)
    await house.open(buyer, seller)
    await house.listens()
    with capture_logs() as logs:
        await publish(relay.url, buyer.words("secret words", clock.now()))
        await publish(relay.url, seller.old_words("old words", clock.now()))
        await house.heard_all("secret words", "old words")
    assert {each.message.text: each.message.envelope for each in house.heard} == {
        "secret words": Envelope.KIND14,
        "old words": Envelope.GIFT_WRAP,
    }
    assert {each.dispute_id for each in house.heard} == {buyer.dispute, seller.dispute}
    assert sorted(house.stored()) == ["old words", "secret words"]
    rows = house.rows("SELECT dispute_id, envelope FROM chat_cursors")
    assert dict(rows) == {buyer.dispute: "kind14", seller.dispute: "gift-wrap"}
    assert "words" not in str(logs)
    told = [each for each in logs if each["event"] == "chat_message_accepted"]
    assert {(each["party"], each["envelope"], each["attachment"]) for each in told} == {
        ("buyer", "kind14", False),
        ("buyer", "gift-wrap", False),
    }


async def test_the_envelope_a_party_uses_is_not_the_one_read_last(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Somebody changed to a newer client while we were away; its old wraps are read afterwards."""
    writer = Writer(1)
    house = await start()
    await house.open(writer)
    await house.listens()
    await house.stop()
    await clock.advance(3_600)
    at = clock.now() - 600
    await publish(relay.url, writer.old_words("from the old client", at - 1_200))
    await publish(relay.url, writer.words("from the new client", at))
    house = await start()
    await house.heard_all("from the old client", "from the new client")
    uses = "SELECT envelope, envelope_at FROM chat_cursors"
    assert house.rows(uses) == [("kind14", at)]
    await publish(relay.url, writer.old_words("an old one, late", at - 300))
    await house.heard_all("an old one, late")
    assert house.rows(uses) == [("kind14", at)]
    await publish(relay.url, writer.old_words("back to the old client", at + 300))
    await house.heard_all("back to the old client")
    assert house.rows(uses) == [("gift-wrap", at + 300)]


async def test_a_message_in_both_envelopes_shows_that_the_new_one_is_read(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    inner = chat.inner_message(writer.keys, "twice", clock.now())
    await publish(relay.url, legacy_chat.wrap(writer.channel, inner, expires_at=None))
    await house.heard_all("twice")
    await publish(relay.url, chat.wrap(writer.channel, inner))
    await house.until(lambda: house.rejected("inner-dedup") == 1)
    assert house.rows("SELECT envelope FROM chat_cursors") == [("kind14",)]
    assert house.texts() == ["twice"]


async def test_what_was_written_before_the_opening_is_read(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await publish(relay.url, writer.words("first", clock.now() - 30))
    await publish(relay.url, writer.old_words("second", clock.now() - 20))
    await house.open(writer, since=clock.now() - 60)
    await house.heard_all("first", "second")
    assert len(house.stored()) == 2


async def test_a_chat_goes_on_after_a_restart(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Nothing is lost that was written meanwhile, and nothing comes twice."""
    writer = Writer(1)
    house = await start()
    await house.open(writer)
    await house.listens()
    before = [writer.words("one", clock.now()), writer.old_words("two", clock.now())]
    await publish(relay.url, *before)
    await house.heard_all("one", "two")
    await house.stop()
    await clock.advance(3_600)
    await publish(relay.url, writer.words("three", clock.now() - 1_800))
    await publish(relay.url, writer.old_words("four", clock.now() - 900))
    house = await start()
    await house.heard_all("three", "four")
    await publish(relay.url, writer.words("five", clock.now()))
    await house.heard_all("five")
    await house.until(lambda: house.chats.idle)
    assert sorted(house.texts()) == ["five", "four", "three"]
    assert sorted(house.stored()) == ["five", "four", "one", "three", "two"]


async def test_a_process_that_dies_before_its_commit_loses_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(1)
    house = await start()
    await house.open(writer)
    await house.listens()
    opened = asyncio.Event()
    commit = house.store.transact

    async def never(*args: object, **options: object) -> object:
        if "accept" in getattr(args[0], "__name__", ""):
            opened.set()
            await asyncio.Event().wait()
        return await commit(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(house.store, "transact", never)
    await publish(relay.url, writer.words("in between", clock.now()))
    await house.until(opened.is_set)
    await house.stop()
    assert house.stored() == []
    house = await start()
    await house.heard_all("in between")
    assert house.stored() == ["in between"]


async def test_copies_are_one_message(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """From two relays, in both envelopes, wrapped again, and asked for again and again."""
    async with LoopbackRelay() as other:
        house = await start(relay.url, other.url)
        writer = Writer(1)
        await house.open(writer)
        await house.listens()
        inner = chat.inner_message(writer.keys, "once", clock.now())
        copies = [chat.wrap(writer.channel, inner) for _ in range(3)]
        copies += [legacy_chat.wrap(writer.channel, inner, expires_at=None) for _ in range(3)]
        for url in (relay.url, other.url):
            await publish(url, *copies)
        await house.heard_all("once")
        await clock.advance(30)
        await house.until(lambda: house.rejected("inner-dedup") >= 5)
        await house.until(lambda: house.chats.idle)
        assert house.texts() == house.stored() == ["once"]
        assert house.rejected("inner-dedup") == 5


async def test_one_relay_is_enough(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    async with LoopbackRelay() as other:
        house = await start(relay.url, other.url)
        writer = Writer(1)
        await house.open(writer)
        await house.listens()
        await other.stop()
        await clock.advance(120)
        await publish(relay.url, writer.words("still here", clock.now()))
        await house.heard_all("still here")
        # What the other one holds could not be read: a restart must ask from before it left.
        [(cursor, opened_at)] = house.rows("SELECT cursor, opened_at FROM chat_cursors")
        assert cursor <= opened_at + 60 < clock.now()
        await house.stop()
        house = await start(relay.url, other.url, connected=False)
        await clock.advance(120)
        await publish(relay.url, writer.words("again", clock.now()))
        await house.heard_all("again")
        assert house.rows("SELECT cursor FROM chat_cursors") == [(cursor,)]


async def test_the_cursor_follows_what_was_read(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    began = clock.now()
    await house.until(lambda: clock.now() >= began + 100, limit=200)
    await publish(relay.url, writer.words("hello", clock.now()))
    await house.heard_all("hello")
    [(cursor,)] = house.rows("SELECT cursor FROM chat_cursors")
    assert began + 60 < cursor <= clock.now()


HOSTILE = ["future", "wrong p", "two p", "garbage", "stranger", "stale", "kind"]


def hostile_events(writer: Writer, now: int) -> dict[str, Event]:
    """One event of the writer's channel for each way to be wrong."""
    keys, channel = writer.keys, writer.channel
    stranger = Keys.generate()
    inner = chat.inner_message(keys, "never", now)
    content = chat.wrap(channel, inner).content()
    good = [["p", channel.address]]

    def outer(text: str, tags: list[list[str]], at: int = now) -> Event:
        return signed(channel.signing, 14, text, tags, at)

    return {
        "future": chat.wrap(channel, chat.inner_message(keys, "never", now + 7_200)),
        "wrong p": outer(content, [["p", writer.trade_key]]),
        "two p": outer(content, [*good, ["p", SOLVER_HEX]]),
        "garbage": outer("A" * 200, good),
        "stranger": chat.wrap(channel, chat.inner_message(stranger, "never", now)),
        "stale": outer(chat.wrap(channel, inner).content(), good, now - 61),
        "kind": chat.wrap(channel, signed(keys, 14, "never", [], now)),
    }


async def test_hostile_events_leave_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    events = hostile_events(writer, clock.now())
    assert list(events) == HOSTILE
    [cursor] = house.rows("SELECT cursor FROM chat_cursors")
    with capture_logs() as logs:
        await publish(relay.url, *events.values())
        reasons = {
            "absolute-time": 1, "p-tag": 2, "decrypt": 1,
            "inner-signer": 1, "relative-time": 1, "inner-kind": 1,
        }  # fmt: skip
        for reason, count in reasons.items():
            await house.until(lambda r=reason, c=count: house.rejected(r) >= c)  # type: ignore[misc]
        assert house.heard == []
        assert house.rows("SELECT cursor FROM chat_cursors") == [cursor]
        await publish(relay.url, writer.words("honest", clock.now()))
        await house.heard_all("honest")
        await clock.advance(20)
        await house.until(lambda: {"chat_message_rejected"} <= {each["event"] for each in logs})
    assert house.stored() == ["honest"]
    lines = [each for each in logs if each["event"] == "chat_message_rejected"]
    assert {each["reason"] for each in lines} <= set(reasons)
    assert all(each["dispute_id"] == writer.dispute for each in lines)
    assert "never" not in str(logs)


async def test_a_message_from_the_future_does_not_silence_the_present(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Sixty seconds ahead is accepted; the cursor stays behind our clock, also after a restart."""
    writer = Writer(1)
    house = await start()
    await house.open(writer)
    await house.listens()
    await publish(relay.url, writer.words("ahead", clock.now() + 55))
    await house.heard_all("ahead")
    [(cursor,)] = house.rows("SELECT cursor FROM chat_cursors")
    assert cursor <= clock.now()
    await house.stop()
    await publish(relay.url, writer.words("now", clock.now()))
    house = await start()
    await house.heard_all("now")
    assert house.texts() == ["now"]


async def test_our_own_words_come_back_as_evidence(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    inner = await house.say(writer, "our question")
    await publish(relay.url, chat.wrap(writer.channel, inner))
    await publish(relay.url, legacy_chat.wrap(writer.channel, inner, expires_at=None))
    await publish(relay.url, writer.words("an answer", clock.now()))
    await house.heard_all("an answer")
    await house.until(lambda: bool(house.own) and house.chats.idle)
    assert house.texts() == house.stored() == ["an answer"]
    assert [each.inner_id for each in house.own] == [inner.id().to_hex()]
    # What we wrote in says nothing about what the party reads.
    assert house.rows("SELECT envelope FROM chat_cursors") == [("kind14",)]


async def test_our_words_to_one_party_prove_nothing_with_the_other(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Whoever got a signed message of ours can wrap it for any channel it has a key of."""
    house = await start()
    buyer, seller = Writer(1), Writer(1, Party.SELLER)
    await house.open(buyer, seller)
    await house.listens()
    inner = await house.say(buyer, "to the buyer")
    unsaid = chat.inner_message(SOLVER, "said nowhere", clock.now())
    await publish(relay.url, chat.wrap(seller.channel, inner), chat.wrap(buyer.channel, unsaid))
    await house.until(lambda: house.rejected("inner-signer") == 2)
    assert house.own == []
    assert house.rows("SELECT 1 FROM chat_seen") == []
    # Nor does it keep the message from being recognised where it was said.
    await publish(relay.url, chat.wrap(buyer.channel, inner))
    await house.until(lambda: len(house.own) == 1)
    assert (house.own[0].party, house.own[0].inner_id) == (Party.BUYER, inner.id().to_hex())


async def test_a_listener_for_our_own_words_that_fails_ends_nothing(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()

    def fails() -> None:
        raise RuntimeError("a bug")

    house.on_own = fails
    with capture_logs() as logs:
        inner = await house.say(writer, "our question")
        await publish(relay.url, chat.wrap(writer.channel, inner))
        await house.until(lambda: len(house.own) == 1)
        await publish(relay.url, writer.words("an answer", clock.now()))
        await house.heard_all("an answer")
    assert [each["event"] for each in logs if "failed" in each["event"]] == ["chat_listener_failed"]


async def test_closed_channels_are_read_for_a_day(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    with capture_logs() as logs:
        await house.chats.close(writer.dispute)
        await publish(relay.url, writer.words("too late to matter", clock.now()))
        await house.heard_all("too late to matter")
        await clock.advance(KEPT_SECONDS)
        await house.until(
            lambda: (
                house.metrics.registry.get_sample_value("serbero_chat_channels") == 0
                and "chat_dropped" in [each["event"] for each in logs]
            )
        )
        assert house.pool.heard_on("chat-0") == frozenset()
    assert [each["event"] for each in logs if each["event"] == "chat_closed"] == ["chat_closed"]


async def test_what_another_transaction_opens_and_closes_is_noticed(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """A take opens channels in its own transaction; nothing else tells us but a look."""
    house = await start()
    writer = Writer(1)
    keys = {Party.BUYER: writer.trade_key}
    await house.store.transact(open_in, writer.dispute, keys, since=clock.now(), now=clock.now())
    await publish(relay.url, writer.words("heard all the same", clock.now()))
    await house.heard_all("heard all the same")
    await house.store.transact(close_in, writer.dispute, clock.now())
    with capture_logs() as logs:
        await house.until(lambda: "chat_closed" in [each["event"] for each in logs])


async def test_another_trade_key_replaces_a_channel(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    old, new = Writer(1), Writer(1)
    await house.open(old)
    await house.listens()
    await house.open(new)
    await publish(relay.url, old.words("from the old key", clock.now()))
    await publish(relay.url, new.words("from the new key", clock.now()))
    await house.heard_all("from the new key")
    await clock.advance(20)
    await house.until(lambda: house.chats.idle)
    assert house.texts() == ["from the new key"]


async def test_two_disputes_of_one_trade_key(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """Nothing tells which is meant: the youngest open one hears, and outlives the other."""
    house = await start()
    first = Writer(1)
    second = Writer(2, keys=first.keys)

    async def hears(writer: Writer, text: str) -> None:
        await publish(relay.url, writer.words(text, clock.now()))
        await publish(relay.url, writer.old_words(f"{text}, wrapped", clock.now()))
        await house.heard_all(text, f"{text}, wrapped")
        assert {each.dispute_id for each in house.heard[-2:]} == {writer.dispute}

    await house.open(first)
    await house.listens()
    await hears(first, "one")
    await clock.advance(5)
    with capture_logs() as logs:
        await house.open(second)
        await house.chats.refresh()
        await hears(second, "two")
    shared = [each for each in logs if each["event"] == "chat_channels_share_a_key"]
    assert [(each["dispute_id"], each["with_disputes"]) for each in shared] == [
        (second.dispute, [first.dispute])
    ]
    await house.chats.close(second.dispute)
    await hears(first, "three")
    await house.chats.close(first.dispute)
    await house.open(first)

    def a_day_passes(tx: sa.Connection) -> None:
        earlier = (KEPT_SECONDS + 1,)
        tx.exec_driver_sql("UPDATE chat_cursors SET closed_at = closed_at - ?", earlier)

    await house.store.transact(a_day_passes)
    await house.chats.refresh()
    assert house.metrics.registry.get_sample_value("serbero_chat_channels") == 1
    await hears(first, "four")


async def test_a_key_that_is_none_costs_only_itself(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    with pytest.raises(BadChatKeyError):
        await house.chats.open(Writer(1).dispute, {Party.BUYER: "ff" * 32}, clock.now())
    assert house.rows("SELECT 1 FROM chat_cursors") == []
    writer = Writer(2)
    keys = {Party.BUYER: writer.trade_key, Party.SELLER: "ff" * 32}
    with capture_logs() as logs:
        await house.store.transact(
            open_in, writer.dispute, keys, since=clock.now(), now=clock.now()
        )
        await house.chats.refresh()
        await house.chats.refresh()
    told = [each for each in logs if each["event"] == "chat_channel_unusable"]
    assert [each["party"] for each in told] == ["seller"]
    await publish(relay.url, writer.words("hello", clock.now()))
    await house.heard_all("hello")


async def test_a_listener_that_fails_keeps_nothing_from_the_others(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    heard: list[str] = []

    def fails(_message: AcceptedMessage) -> None:
        raise RuntimeError("a bug")

    house.chats.listen(fails)
    end = house.chats.listen(lambda message: heard.append(message.message.text))
    await house.open(writer)
    await house.listens()
    with capture_logs() as logs:
        await publish(relay.url, writer.words("one", clock.now()))
        await house.until(lambda: heard == ["one"])
    assert "chat_listener_failed" in [each["event"] for each in logs]
    end()
    await publish(relay.url, writer.words("two", clock.now()))
    await house.heard_all("one", "two")
    assert heard == ["one"]


async def test_what_the_database_refuses_costs_only_itself(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    house = await start()
    writer = Writer(1)
    await house.open(writer)

    def forbid(tx: sa.Connection) -> None:
        tx.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS said (dispute TEXT, party TEXT, inner_id TEXT,"
            " text TEXT CHECK (length(text) < 6))"
        )

    await house.store.transact(forbid)
    now = clock.now()
    with capture_logs() as logs:
        await publish(relay.url, *(writer.words(each, now) for each in ("a", "poison", "b")))
        await house.heard_all("a", "b")
        await house.until(lambda: "persistence_failed" in [each["event"] for each in logs])
    assert sorted(house.stored()) == ["a", "b"]
    assert "poison" not in str([each for each in logs if each["event"] == "persistence_failed"])


async def test_a_relay_that_keeps_gift_wraps_to_itself_brings_the_rest(
    start: StartHousehold, clock: FakeClock
) -> None:
    """Inbox relays serve wraps only to their receiver, and a channel's address is nobody's key."""
    async with LoopbackRelay(auth_dm=True) as inbox_relay:
        house = await start(inbox_relay.url)
        writer = Writer(1)
        await publish(inbox_relay.url, writer.words("before", clock.now()))
        await house.open(writer)
        await house.until(lambda: bool(house.pool.heard_on("chat-0")))
        await publish(inbox_relay.url, writer.words("after", clock.now()))
        await house.heard_all("before", "after")
        assert house.pool.heard_on("chat-old-0") == frozenset()


async def test_a_relay_that_comes_later_is_read_from_the_beginning(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """The node's own relays are known only after the start; what only they hold is not lost."""
    async with LoopbackRelay() as other:
        writer = Writer(1)
        house = await start()
        await house.open(writer)
        await house.listens()
        await publish(other.url, writer.words("only there", clock.now()))
        await clock.advance(3_600)
        await publish(relay.url, writer.words("here", clock.now()))
        await house.heard_all("here")
        house.pool.listen_also([other.url])
        await house.heard_all("only there", limit=120)


async def test_late_and_early_messages(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """A phone that was offline publishes what it wrote an hour ago: the past is unlimited."""
    house = await start()
    writer = Writer(1)
    await house.open(writer, since=clock.now() - 7_200)
    await house.listens()
    await publish(relay.url, writer.words("written an hour ago", clock.now() - 3_600))
    await house.heard_all("written an hour ago")


async def test_what_was_written_minutes_ago_and_published_in_a_gap_is_found(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """A phone without network, back while our connection is gone; others were louder since."""
    async with FaultProxy(relay.url) as proxy:
        house = await start(proxy.url)
        writer, loud = Writer(1), Writer(2)
        await house.open(writer, loud)
        await house.listens()
        await publish(relay.url, writer.words("one", clock.now()), loud.words("one", clock.now()))
        await house.until(lambda: len(house.heard) == 2)
        late = writer.words("late", clock.now()), writer.old_words("late, wrapped", clock.now())
        written = clock.now()
        await house.until(lambda: clock.now() >= written + 300, limit=400)
        proxy.half_open(True)
        await publish(relay.url, *late)
        await publish(relay.url, *(loud.words(f"{n}", clock.now()) for n in range(STORED_EVENTS)))
        await house.until(lambda: clock.now() >= written + 330, limit=60)
        proxy.half_open(False)
        proxy.cut()
        await house.heard_all("late", "late, wrapped", limit=120)
        await house.stop()
        house = await start()
        await publish(relay.url, writer.words("two", clock.now()))
        await house.heard_all("two")
        assert house.stored().count("late") == 1


async def test_a_phone_whose_clock_is_fast_is_heard(
    start: StartHousehold, relay: LoopbackRelay, clock: FakeClock
) -> None:
    """In the one envelope once its time has come, in the other at once, and dated now."""
    house = await start()
    writer = Writer(1)
    await house.open(writer)
    await house.listens()
    at = clock.now() + 120
    inner = chat.inner_message(writer.keys, "wrapped", at)
    wrap = legacy_chat.wrap(writer.channel, inner, expires_at=None, created_at=clock.now() - 99)
    await publish(relay.url, writer.words("signed", at), wrap)
    await house.heard_all("wrapped", limit=30)
    assert house.heard[0].message.created_at <= clock.now()
    await house.heard_all("signed", limit=120)
    assert clock.now() >= at - 60
