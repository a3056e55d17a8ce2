"""The node is followed: live, by looking, over a restart, and against what relays get wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from nostr_sdk import Event, Keys
from structlog.testing import capture_logs
from tests.node.watch_rig import OWN_KEY, WatchRig, watching
from tests.relays.hostile import HostileRelay

from serbero.mostro.node_info import Transport
from serbero.node.announcements import AHEAD_SECONDS
from serbero.node.standing import NoWay, NoWayReason, Wanted, Way
from serbero.node.watch import ANSWER_SECONDS, MISSING_SECONDS
from serbero.observe.health import NEEDED, Part
from serbero.simulator import events
from serbero.simulator.clock import FakeClock, eventually, run_until
from serbero.simulator.node import MostroNode
from serbero.simulator.relay import LoopbackRelay, free_port

NO_INFO = NoWay(NoWayReason.NO_INFO)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def relay() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running


@pytest.fixture
async def other() -> AsyncIterator[LoopbackRelay]:
    async with LoopbackRelay() as running:
        yield running


@pytest.fixture
async def node(
    relay: LoopbackRelay, other: LoopbackRelay, clock: FakeClock
) -> AsyncIterator[MostroNode]:
    async with MostroNode([relay.url, other.url], clock=clock) as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serbero.db"


def _transport(rig: WatchRig) -> Transport | None:
    return rig.watch.way.transport if isinstance(rig.watch.way, Way) else None


def _wire(event: Event) -> dict[str, object]:
    return dict(json.loads(event.as_json()))


@pytest.mark.parametrize(
    ("version", "omit", "transport", "bits"),
    [
        (2, (), Transport.NIP44, 12),
        (1, (), Transport.GIFT_WRAP, 7),
        (None, (), Transport.GIFT_WRAP, 7),
        (2, ("pow_first_contact",), Transport.NIP44, 7),
    ],
)
async def test_each_style_of_node_is_read_at_the_start(
    path: Path,
    clock: FakeClock,
    relay: LoopbackRelay,
    node: MostroNode,
    version: int | None,
    omit: tuple[str, ...],
    transport: Transport,
    bits: int,
) -> None:
    node.first_contact_bits = 12
    await node.publish_info(protocol_version=version, pow_bits=7, omit=omit)
    async with watching(path, clock, node.public_key, [relay.url], live=False) as rig:
        assert _transport(rig) is None
        await eventually(lambda: _transport(rig) is transport)
        way = rig.watch.way
        assert isinstance(way, Way)
        assert (way.bits, way.version) == (bits, transport.message_version)
        assert way.first_contact_known is not bool(omit)
        assert rig.standings == [way]
        assert rig.watch.info is not None
        assert rig.watch.info.name == events.INSTANCE_NAME
        assert rig.healthy
        label = "absent" if version is None else str(version)
        assert rig.shown() == [{"transport": transport.value, "protocol_version": label}]


async def test_an_unknown_version_is_told_as_an_error(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_info(protocol_version=3)
    with capture_logs() as logs:
        async with watching(path, clock, node.public_key, [relay.url]) as rig:
            await eventually(lambda: rig.standings)
            await rig.watch.reread(5)
            assert rig.watch.way == NoWay(NoWayReason.UNSUPPORTED_VERSION)
            assert not rig.healthy
            assert rig.shown() == [{"transport": "none", "protocol_version": "other"}]
            told = [each for each in logs if each["event"] == "node_unsupported"]
            assert [(each["log_level"], each["protocol_version"]) for each in told] == [
                ("error", "3")
            ]
            await node.publish_info(protocol_version=2)
            await eventually(lambda: _transport(rig) is Transport.NIP44)
            assert rig.healthy


@pytest.mark.parametrize(
    ("wanted", "transport"), [("nip44", Transport.NIP44), ("gift-wrap", Transport.GIFT_WRAP)]
)
async def test_a_forced_transport_is_kept_whatever_the_node_says(
    path: Path,
    clock: FakeClock,
    relay: LoopbackRelay,
    node: MostroNode,
    wanted: Wanted,
    transport: Transport,
) -> None:
    async with watching(path, clock, node.public_key, [relay.url], wanted=wanted) as rig:
        await eventually(lambda: rig.pool.heard_on("node"))
        assert await rig.watch.reread(5) == NO_INFO, "no way without an info event"
        for version in (2, 1, 3):
            shown = partial(_shows, rig, await node.publish_info(protocol_version=version))
            await eventually(shown)
            assert _transport(rig) is transport


def _shows(rig: WatchRig, event: Event) -> bool:
    return rig.watch.info is not None and rig.watch.info.event_id == event.id().to_hex()


async def test_a_switch_of_transport_is_followed_live(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_info(protocol_version=2)
    with capture_logs() as logs:
        async with watching(path, clock, node.public_key, [relay.url]) as rig:
            await eventually(lambda: _transport(rig) is Transport.NIP44)
            await eventually(lambda: rig.pool.heard_on("node"))
            began = clock.monotonic()
            await node.publish_info(protocol_version=1, pow_bits=3)
            await eventually(lambda: _transport(rig) is Transport.GIFT_WRAP)
            assert clock.monotonic() == began, "no look was needed"
            assert len(rig.standings) == 2
            assert rig.watch.confirmed_at == began
            assert rig.shown() == [{"transport": "gift-wrap", "protocol_version": "1"}]
    changes = [each for each in logs if each["event"] == "node_info_changed"]
    assert [(each["before"], each["transport"], each["bits"]) for each in changes] == [
        (None, "nip44", 0),
        ("nip44", "gift-wrap", 3),
    ]
    assert changes[1]["changed"] == ["transport", "bits"]


async def test_a_switch_is_followed_within_a_minute_where_the_subscription_is_deaf(
    path: Path, clock: FakeClock
) -> None:
    """The relay takes events, shows them to whoever asks, and passes nothing on."""
    keys = Keys.generate()
    async with HostileRelay() as relay:
        relay.forgetful = True
        relay.stored = [_wire(events.info_event(keys, clock.now(), protocol_version=2))]
        async with watching(path, clock, keys.public_key().to_hex(), [relay.url]) as rig:
            await eventually(lambda: _transport(rig) is Transport.NIP44)
            await eventually(lambda: rig.pool.heard_on("node"))
            relay.stored = [_wire(events.info_event(keys, clock.now() + 1, protocol_version=1))]
            moved = await run_until(
                clock, lambda: _transport(rig) is Transport.GIFT_WRAP, limit_seconds=60
            )
            assert moved > 0


async def test_a_silent_relay_does_not_delay_a_switch_beyond_a_minute(
    path: Path, clock: FakeClock
) -> None:
    keys = Keys.generate()
    async with HostileRelay() as relay, HostileRelay() as mute:
        mute.mute = True
        relay.stored = [_wire(events.info_event(keys, clock.now(), protocol_version=2))]
        urls = [relay.url, mute.url]
        async with watching(path, clock, keys.public_key().to_hex(), urls, live=False) as rig:
            await run_until(
                clock, lambda: _transport(rig) is Transport.NIP44, limit_seconds=ANSWER_SECONDS
            )
            relay.stored = [_wire(events.info_event(keys, clock.now() + 1, protocol_version=1))]
            await run_until(clock, lambda: _transport(rig) is Transport.GIFT_WRAP, limit_seconds=60)


async def test_an_older_copy_from_another_relay_changes_nothing(
    path: Path, clock: FakeClock, relay: LoopbackRelay, other: LoopbackRelay, node: MostroNode
) -> None:
    old = events.info_event(node.keys, clock.now() - 300, protocol_version=1)
    new = events.info_event(node.keys, clock.now(), protocol_version=2)
    await node.publish(old, relays=[other.url])
    await node.publish(new, relays=[relay.url])
    async with watching(path, clock, node.public_key, [other.url, relay.url]) as rig:
        await eventually(lambda: len(rig.pool.heard_on("node")) == 2)
        assert isinstance(await rig.watch.reread(5), Way)
        assert _shows(rig, new)
        assert all(isinstance(each, Way) for each in rig.standings)
        assert rig.standings[-1] == rig.watch.way
        confirmed = rig.watch.confirmed_at
        await clock.advance(10)
        rig.watch.on_event(other.url, old)
        assert rig.watch.confirmed_at == confirmed, "an old copy confirms nothing"


async def test_of_one_second_the_lowest_id_counts_on_every_relay(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    made = [
        events.info_event(node.keys, clock.now(), protocol_version=version) for version in (1, 2)
    ]
    lowest, highest = sorted(made, key=lambda each: each.id().to_hex())
    async with watching(path, clock, node.public_key, [relay.url], run=False) as rig:
        for event in (highest, lowest, highest):
            rig.watch.on_event(relay.url, event)
        assert _shows(rig, lowest)


async def test_what_is_not_the_node_s_is_ignored(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    stranger = Keys.generate()
    true = events.info_event(node.keys, clock.now(), protocol_version=2)
    forged = Event.from_json(json.dumps(_wire(true) | {"content": "x"}))
    async with watching(path, clock, node.public_key, [relay.url], run=False) as rig:
        for event in (
            events.info_event(stranger, clock.now(), protocol_version=2),
            forged,
            events.info_event(node.keys, clock.now(), omit=("d",)),
            events.relay_list_event(stranger, clock.now(), ["ws://127.0.0.1:1"]),
            events.profile_event(node.keys, clock.now(), "{}"),
        ):
            rig.watch.on_event(relay.url, event)
        assert rig.watch.way == NO_INFO
        assert rig.relays == []
        rig.watch.on_event(relay.url, true)
        assert _transport(rig) is Transport.NIP44


async def test_an_event_from_the_future_freezes_nothing(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    ahead = clock.now() + AHEAD_SECONDS + 60
    with capture_logs() as logs:
        async with watching(path, clock, node.public_key, [relay.url], run=False) as rig:
            wrong = events.info_event(node.keys, ahead, protocol_version=1)
            rig.watch.on_event(relay.url, wrong)
            assert rig.watch.way == NO_INFO
            rig.watch.on_event(relay.url, events.info_event(node.keys, clock.now()))
            rig.watch.on_event(relay.url, wrong)
            assert _transport(rig) is Transport.NIP44
    told = [each for each in logs if each["event"] == "node_info_from_the_future"]
    assert [each["log_level"] for each in told] == ["warning", "debug"], "a person reads it once"


async def test_what_came_while_our_clock_was_ahead_gives_way(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_info(protocol_version=2)
    async with watching(path, clock, node.public_key, [relay.url]) as rig:
        await eventually(lambda: _transport(rig) is Transport.NIP44)
        await eventually(lambda: _stored(rig) is not None)
        clock.set_back(86_400)
        true = events.info_event(node.keys, clock.now(), protocol_version=1)
        rig.watch.on_event(relay.url, true)
        assert _transport(rig) is Transport.GIFT_WRAP
        await eventually(lambda: _stored(rig) == true.created_at().as_secs())


def _stored(rig: WatchRig) -> int | None:
    """``created_at`` of the info event in the database."""
    query = "SELECT info_created_at FROM node_info"
    with rig.store._reader.connect() as tx:
        value = tx.exec_driver_sql(query).scalar()
    return None if value is None else int(value)


async def test_a_restart_remembers(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    """Relays that are down at the next start take nothing of what is known."""
    url = f"ws://127.0.0.1:{free_port()}"
    await node.publish_info(protocol_version=1, pow_bits=5)
    await node.publish_relay_list([url])
    async with watching(path, clock, node.public_key, [relay.url]) as rig:
        await eventually(lambda: _transport(rig) is Transport.GIFT_WRAP and rig.relays == [(url,)])
        info = rig.watch.info
        await eventually(lambda: _stored(rig) is not None and _relays_stored(rig))
    down = f"ws://127.0.0.1:{free_port()}"
    async with watching(path, clock, node.public_key, [down], run=False) as rig:
        assert rig.watch.info == info
        assert _transport(rig) is Transport.GIFT_WRAP
        assert rig.standings == [rig.watch.way]
        assert rig.watch.confirmed_at is None, "remembered is not confirmed"
        assert rig.pool.listening() == (down, url)


def _relays_stored(rig: WatchRig) -> bool:
    with rig.store._reader.connect() as tx:
        query = "SELECT relays_created_at FROM node_info"
        return tx.exec_driver_sql(query).scalar() is not None


async def test_a_database_somebody_wrote_into_is_not_believed(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_info(protocol_version=1)
    async with watching(path, clock, node.public_key, [relay.url]) as rig:
        await eventually(lambda: _stored(rig) is not None)
        for text in (
            "{",
            "null",
            '{"id": 1}',
            "",
            rig.watch.info.event_id if rig.watch.info else "",
        ):
            await rig.store.transact(_overwrite, text)
            again = rig.watch._read_kept(text)
            assert again is None
    async with watching(path, clock, node.public_key, [relay.url], live=False, run=False) as rig:
        assert rig.watch.way == NO_INFO
        assert isinstance(await rig.watch.reread(5), Way)


def _overwrite(tx: "object", text: str) -> None:
    tx.exec_driver_sql("UPDATE node_info SET info_json = ?", (text,))  # type: ignore[attr-defined]


async def test_a_missing_info_event_is_told_once_and_again_only_after_a_return(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    with capture_logs() as logs:
        async with watching(path, clock, node.public_key, [relay.url]) as rig:

            def told(name: str) -> int:
                return sum(each["event"] == name for each in logs)

            await eventually(lambda: told("node_info_missing") == 1)
            assert not rig.health.parts()[Part.NODE].ok
            for part in NEEDED:
                rig.health.set(part, ok=True)
            assert rig.health.ready, "disputes are seen and told of all the same"
            assert [each.partition(":")[0] for each in rig.health.degraded] == ["node"]
            began = clock.monotonic()
            await run_until(clock, lambda: clock.monotonic() > began + 100, limit_seconds=150)
            assert told("node_info_missing") == 1
            await node.publish_info()
            await eventually(lambda: told("node_info_returned") == 1)
            assert rig.health.parts()[Part.NODE].ok
            await relay.restart()
            began = clock.monotonic()
            await run_until(
                clock,
                lambda: told("node_info_missing") == 2,
                limit_seconds=MISSING_SECONDS + 120,
                real_seconds=60,
                settle=0.005,
            )
            assert clock.monotonic() - began > MISSING_SECONDS
            assert not rig.healthy
            assert _transport(rig) is Transport.NIP44, "what it said before is used"


async def test_rereading_ends_in_time_and_is_shared(path: Path, clock: FakeClock) -> None:
    keys = Keys.generate()
    async with HostileRelay() as relay:
        pubkey = keys.public_key().to_hex()
        async with watching(path, clock, pubkey, [relay.url], live=False, run=False) as rig:
            await eventually(lambda: rig.pool.states()[0].connected)
            relay.mute = True
            rereading = [asyncio.create_task(rig.watch.reread(5)) for _ in range(20)]
            moved = await run_until(
                clock, lambda: all(each.done() for each in rereading), limit_seconds=6
            )
            assert moved == pytest.approx(5)
            assert relay.count("REQ", "ask") == 1
            relay.mute = False
            relay.stored = [_wire(events.info_event(keys, clock.now()))]
            rereading = [asyncio.create_task(rig.watch.reread(5)) for _ in range(20)]
            await eventually(lambda: all(each.done() for each in rereading))
            assert all(isinstance(each.result(), Way) for each in rereading)
            assert relay.count("REQ", "ask") == 2


async def test_a_rereading_given_up_does_not_fail_the_others(path: Path, clock: FakeClock) -> None:
    keys = Keys.generate()
    async with HostileRelay() as relay:
        pubkey = keys.public_key().to_hex()
        async with watching(path, clock, pubkey, [relay.url], live=False, run=False) as rig:
            await eventually(lambda: rig.pool.states()[0].connected)
            relay.mute = True
            first = asyncio.create_task(rig.watch.reread(5))
            await eventually(lambda: relay.count("REQ", "ask") == 1)
            second = asyncio.create_task(rig.watch.reread(5))
            await asyncio.sleep(0)  # noqa: TID251 - yields, waits for nothing
            relay.mute = False
            relay.stored = [_wire(events.info_event(keys, clock.now()))]
            first.cancel()
            await eventually(second.done)
            assert isinstance(second.result(), Way)


async def test_the_node_s_relays_are_listened_to_and_its_word_is_read_there(
    path: Path, clock: FakeClock, relay: LoopbackRelay, other: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_relay_list([relay.url, other.url, "https://no.relay", "wss://[::"])
    async with watching(path, clock, node.public_key, [relay.url]) as rig:
        await eventually(lambda: rig.relays == [(other.url,)])
        await eventually(lambda: rig.pool.heard_on("node") == {relay.url, other.url})
        event = events.info_event(node.keys, clock.now(), protocol_version=1)
        await node.publish(event, relays=[other.url])
        await eventually(lambda: _shows(rig, event))


async def test_a_list_that_leads_into_a_private_network_is_not_followed(
    path: Path, clock: FakeClock, relay: LoopbackRelay, other: LoopbackRelay, node: MostroNode
) -> None:
    await node.publish_relay_list([other.url, "wss://10.0.0.1", "wss://printer.local"])
    await node.publish_info()
    urls = [relay.url]
    async with watching(path, clock, node.public_key, urls, allow_private=False) as rig:
        await eventually(lambda: _relays_stored(rig))
        assert rig.relays == []
        assert rig.pool.listening() == (relay.url,)


async def test_lists_that_change_all_the_time_are_followed_once_a_minute(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    async with watching(path, clock, node.public_key, [relay.url]) as rig:
        await eventually(lambda: rig.pool.heard_on("node"))
        for number in range(1, 11):
            made = events.relay_list_event(
                node.keys, clock.now() + number, [f"ws://127.0.0.1:{number}"]
            )
            rig.watch.on_event(relay.url, made)
        assert rig.relays == [("ws://127.0.0.1:1",)]
        await run_until(clock, lambda: len(rig.relays) == 2, limit_seconds=120)
        assert rig.relays[1] == ("ws://127.0.0.1:10",)


async def test_another_assistant_is_told_of(
    path: Path, clock: FakeClock, relay: LoopbackRelay, node: MostroNode
) -> None:
    rival = Keys.generate().public_key().to_hex()
    with capture_logs() as logs:
        async with watching(path, clock, node.public_key, [relay.url]) as rig:
            await eventually(lambda: rig.pool.heard_on("node"))
            await node.publish_info(extra=[["serbero", OWN_KEY]])
            await eventually(lambda: rig.standings)
            await node.publish_info(extra=[["serbero", rival]])
            await eventually(lambda: len(rig.standings) == 2)
    told = [each for each in logs if each["event"] == "node_names_another_assistant"]
    assert [(each["log_level"], each["assistant"]) for each in told] == [("warning", rival)]
