"""``serbero doctor --store-test``: whether relays keep what the node and the parties send us."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nostr_sdk import Keys

from serbero.cli.doctor_checks.examination import Wishes, examine
from serbero.cli.doctor_checks.findings import Level
from serbero.cli.doctor_checks.store_test import Fate, Stored, run_store_test, store_findings
from serbero.clock import SystemClock
from serbero.mostro.transport import MESSAGE_KIND
from serbero.relays.pool import RelayPool
from serbero.simulator.behaviour import Way
from serbero.simulator.clock import FakeClock, run_until
from serbero.simulator.fault_replies import LoseEvents, RefuseEvents
from serbero.simulator.peer import RelayPeer
from serbero.simulator.proxy import FaultProxy, Link
from serbero.simulator.relay import LoopbackRelay
from serbero.simulator.wire import Frame, peek

OURS = Keys.generate()
OWN = OURS.public_key().to_hex()
CLOSED_PORT = "ws://127.0.0.1:1"


@asynccontextmanager
async def running(*urls: str) -> AsyncIterator[RelayPool]:
    """A pool on the machine's clock: what waits here are sockets."""
    pool = RelayPool(keys=OURS, clock=SystemClock(), urls=urls)
    driving: asyncio.Task[None] = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        await pool.close()


async def tried(pool: RelayPool, url: str) -> Stored:
    """One relay tried, its pauses on a clock that costs nothing."""
    clock = FakeClock()
    trying = asyncio.create_task(run_store_test(pool, OURS, clock, [url]))
    await run_until(clock, trying.done, limit_seconds=60.0)
    (stored,) = await trying
    return stored


async def test_a_relay_that_keeps_it() -> None:
    async with LoopbackRelay() as relay, running(relay.url) as pool:
        before = SystemClock().now()
        assert await tried(pool, relay.url) == Stored(relay.url, Fate.KEPT)
        async with RelayPeer(relay.url) as peer:
            (event,) = await peer.fetch({"kinds": [MESSAGE_KIND], "authors": [OWN]})
    tags = {tag.to_vec()[0]: tag.to_vec()[1] for tag in event.tags()}
    assert tags["p"] == OWN
    assert 0 <= int(tags["expiration"]) - before - 120 <= 60


async def test_a_relay_that_wants_to_know_who_asks() -> None:
    async with LoopbackRelay(auth="both") as relay, running(relay.url) as pool:
        assert (await tried(pool, relay.url)).fate is Fate.KEPT


async def test_a_relay_that_takes_it_and_forgets() -> None:
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, LoseEvents()) as proxy,
        running(proxy.url) as pool,
    ):
        assert await tried(pool, proxy.url) == Stored(proxy.url, Fate.FORGOTTEN)


async def test_a_relay_that_shows_it_late() -> None:
    looks = 0

    def late(way: Way, text: str, link: Link) -> list[Frame] | None:
        nonlocal looks
        verb, _ = peek(text)
        looks += way == "up" and verb == "REQ"
        hidden = way == "down" and verb == "EVENT" and looks < 3
        return [] if hidden else [text]

    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, late) as proxy,
        running(proxy.url) as pool,
    ):
        assert (await tried(pool, proxy.url)).fate is Fate.KEPT
    assert looks == 3


async def test_a_relay_that_refuses_it() -> None:
    refusal = RefuseEvents("blocked: kind 14 is not welcome")
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, refusal) as proxy,
        running(proxy.url) as pool,
    ):
        stored = await tried(pool, proxy.url)
    assert stored == Stored(proxy.url, Fate.REFUSED, "blocked: kind 14 is not welcome")


async def test_a_relay_that_is_not_there() -> None:
    async with running(CLOSED_PORT) as pool:
        assert (await tried(pool, CLOSED_PORT)).fate is Fate.UNKNOWN


@pytest.mark.parametrize(
    ("fate", "level"),
    [
        (Fate.KEPT, Level.OK),
        (Fate.UNKNOWN, Level.NOTE),
        (Fate.REFUSED, Level.WARNING),
        (Fate.FORGOTTEN, Level.WARNING),
    ],
)
def test_what_is_said_of_it(fate: Fate, level: Level) -> None:
    (finding,) = store_findings(Stored("wss://relay.example", fate, "its words"))
    assert (finding.check, finding.level) == ("store-test wss://relay.example", level)
    assert ("its words" in finding.message) == (fate in (Fate.UNKNOWN, Fate.REFUSED))


async def test_it_is_tried_on_request_only(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    async with (
        LoopbackRelay() as relay,
        FaultProxy(relay.url, RefuseEvents("restricted: no")) as proxy,
        RelayPeer(relay.url) as peer,
    ):
        path.write_text(
            f'[serbero]\nprivate_key = "{OURS.secret_key().to_bech32()}"\n'
            f'db_path = "{tmp_path / "serbero.db"}"\n'
            f'[mostro]\npubkey = "{Keys.generate().public_key().to_hex()}"\n'
            f'[[relays]]\nurl = "{relay.url}"\n[[relays]]\nurl = "{proxy.url}"\n'
        )
        path.chmod(0o600)
        clock = SystemClock()
        plain = await examine(path, {}, clock)
        assert await peer.fetch({"authors": [OWN]}) == []
        asked = await examine(path, {}, clock, Wishes(store_test=True))
        assert len(await peer.fetch({"authors": [OWN]})) == 1
    assert [x for x in plain.findings if x.check.startswith("store-test")] == []
    found = {x.check: x.level for x in asked.findings if x.check.startswith("store-test")}
    assert found == {
        f"store-test {relay.url}": Level.OK,
        f"store-test {proxy.url}": Level.WARNING,
    }
