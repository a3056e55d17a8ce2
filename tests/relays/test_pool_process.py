"""The pool as a part of a process: what it logs, its sockets, its end."""

import asyncio
import socket
import sys
import textwrap

import pytest
from nostr_sdk import Keys
from structlog.testing import capture_logs
from tests.relays.hostile import HostileRelay
from tests.relays.relay_rig import StartPool, dispute, until

from serbero.clock import SystemClock
from serbero.relays.pool import RelayPool
from serbero.relays.sockets import disable_nagle
from serbero.simulator.clock import FakeClock, eventually
from serbero.simulator.relay import LoopbackRelay

PROGRAM = """
    import asyncio, contextlib, sys
    from nostr_sdk import EventBuilder, Keys, Kind
    from serbero.clock import SystemClock
    from serbero.relays.pool import RelayPool
    from serbero.relays.subscriptions import Subscription

    async def main(url):
        keys, heard = Keys.generate(), asyncio.Event()
        pool = RelayPool(keys=keys, clock=SystemClock(), urls=[url])
        wanted = Subscription("s", lambda: [{"kinds": [1]}], lambda _u, _e: heard.set(), True)
        pool.subscribe(wanted)
        running = asyncio.create_task(pool.run())
        event = EventBuilder(Kind(1), "x").finalize_unsigned(keys.public_key())
        reply = await pool.publish(url, keys.sign_event(event))
        print(reply.outcome, flush=True)
        async with asyncio.timeout(10):
            await heard.wait()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        if sys.argv[2] == "close":
            await pool.close()

    asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize("ending", ["close", "leave"])
async def test_a_process_that_used_the_pool_ends_cleanly(relay: LoopbackRelay, ending: str) -> None:
    """Python objects inside the library's client crash the interpreter at exit; ours must not."""
    for _ in range(5):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-X", "dev", "-c", textwrap.dedent(PROGRAM), relay.url, ending),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert (process.returncode, b"accepted" in out) == (0, True), err.decode()
        assert b"Traceback" not in err


async def test_each_loss_and_each_return_is_logged_once(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    with capture_logs() as logs:
        rig = await start_pool(relay.url)
        await eventually(lambda: rig.pool.hearing_count() == 1)
        await relay.stop()
        await until(clock, lambda: rig.notes.count("attempt", False) == 3, 90)
        await relay.start()
        await until(clock, lambda: rig.pool.hearing_count() == 1, 30)
    names = [each["event"] for each in logs]
    assert names.count("relay_lost") == 1
    assert names.count("relay_unreachable") == 1, "the same failure again is no news"
    assert names.count("relay_connected") == 2
    assert names.count("relay_hearing") == 2
    assert rig.keys.secret_key().to_hex() not in str(logs)


async def test_a_stream_that_ends_is_opened_again_and_told(
    relay: LoopbackRelay, start_pool: StartPool, clock: FakeClock
) -> None:
    rig = await start_pool(relay.url)
    await eventually(lambda: rig.pool.hearing_count() == 1)
    await rig.pool._client.shutdown()  # what no relay can bring about, and we never do
    await until(clock, lambda: rig.notes.count("lagged") >= 1, 30)
    await until(clock, lambda: rig.pool.hearing_count() == 1, 30)


async def test_one_deaf_relay_does_not_hold_up_the_other(
    relay: LoopbackRelay, hostile: HostileRelay, start_pool: StartPool
) -> None:
    hostile.mute = True
    rig = await start_pool(hostile.url, relay.url)
    await eventually(lambda: rig.pool.hearing_count() == 1)
    event = dispute(rig.keys)
    await rig.pool.publish(relay.url, event)
    await eventually(lambda: rig.ids() == [event.id().to_hex()])
    assert [each.hears for each in rig.pool.states()] == [False, True]


async def test_closing_settles_what_is_under_way_and_may_be_repeated(
    hostile: HostileRelay,
) -> None:
    hostile.mute = True
    keys = Keys.generate()
    pool = RelayPool(keys=keys, clock=SystemClock(), urls=[hostile.url])
    running = asyncio.create_task(pool.run())
    await eventually(lambda: pool.states()[0].connected)
    sending = asyncio.create_task(pool.publish(hostile.url, dispute(keys)))
    await eventually(lambda: hostile.count("EVENT") == 1)
    running.cancel()
    await asyncio.wait([running])
    await pool.close()
    await pool.close()
    assert not (await sending).outcome.delivered
    await eventually(lambda: hostile.peers == [])


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_nagle_is_switched_off_on_sockets_of_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        with client:
            before = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert disable_nagle() >= 1
            after = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert before == 0
    assert after != 0
