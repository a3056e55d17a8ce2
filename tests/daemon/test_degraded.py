"""Too few relays hear: said once, over HTTP too, and over when they hear again."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from tests.daemon.rig import World, world

from serbero.daemon.process import LISTEN_FIRST_SECONDS
from serbero.observe.health import Part
from serbero.simulator.faults import FAULTS
from serbero.simulator.relay import free_port


def _get(port: int, path: str) -> tuple[int, dict[str, Any]]:
    """A plain HTTP request over a real socket."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def _readyz(port: int) -> tuple[int, dict[str, Any]]:
    return await asyncio.to_thread(_get, port, "/readyz")


async def test_too_few_hearing_relays_are_a_degraded_state(tmp_path: Path) -> None:
    port = free_port()
    observe = f'[observe]\nmin_hearing_relays = 2\nhttp_listen = "127.0.0.1:{port}"\n'
    async with world(tmp_path, relays=2) as here, here.hearing(here.config(observe)) as daemon:
        await here.until(
            lambda: here.logs.named("http_listening"), limit_seconds=5, what="HTTP is served"
        )
        assert (await _readyz(port))[0] == 200
        outage = here.proxies[0].add(FAULTS["refuse"].make())
        await here.until(
            lambda: not daemon.parts.base.health.ready, limit_seconds=5, what="degraded"
        )
        status, body = await _readyz(port)
        assert status == 503
        assert body["ready"] is False
        assert any("1 of 2 relays hear, 2 wanted" in each for each in body["degraded"])
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        await here.elapse(120)
        assert not daemon.parts.base.health.ready
        here.proxies[0].remove(outage)
        await here.until(lambda: daemon.parts.base.health.ready, limit_seconds=30, what="recovered")
        assert (await _readyz(port))[0] == 200
        _said_once(here)


def _said_once(here: World) -> None:
    """Loss and return of a relay stand in the log once each, however many attempts there were."""
    url = here.proxies[0].url
    assert len(here.logs.named("relay_lost", relay=url)) == 1
    assert len(here.logs.named("relay_unreachable", relay=url)) == 1
    assert len(here.logs.named("relay_connected", relay=url)) == 2
    assert len(here.logs.named("recovered", part="relays")) == 1, "the return, not the start"


async def test_deaf_counts_as_down(tmp_path: Path) -> None:
    """A relay that stays connected and serves nothing does not make the daemon ready."""
    async with world(tmp_path) as here, here.hearing() as daemon:
        deaf = here.proxies[0].add(FAULTS["closed-always:restricted"].make())
        here.proxies[0].cut()
        await here.until(
            lambda: here.logs.named("relay_refuses_us", relay=here.proxies[0].url),
            limit_seconds=60,
            what="connected, and deaf",
        )
        assert daemon.parts.pool.states()[0].connected
        assert not daemon.parts.base.health.ready
        await here.elapse(200)
        assert len(here.logs.named("relay_refuses_us")) == 1
        url = here.proxies[0].url
        alerts = f'serbero_relay_policy_alerts_total{{relay="{url}"}} 1.0'
        assert alerts in daemon.parts.base.metrics.render().decode()
        here.proxies[0].remove(deaf)
        await here.until(
            lambda: daemon.parts.base.health.ready, limit_seconds=330, what="asked again"
        )


async def test_a_start_is_no_outage(tmp_path: Path) -> None:
    """While the relays are being connected to, too few of them hear: that is no news."""
    async with world(tmp_path, relays=2) as here, here.hearing() as daemon:
        await here.until(lambda: daemon.parts.base.health.ready, limit_seconds=20, what="ready")
        # This node says nothing of itself, which is told apart.
        assert here.logs.named("degraded") == here.logs.named("degraded", part="node")
        assert here.logs.named("recovered") == []


async def test_a_start_without_any_relay_is_said_after_the_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.proxies[0].add(FAULTS["refuse"].make())
        async with here.run():
            await here.elapse(LISTEN_FIRST_SECONDS - 1)
            assert here.logs.named("degraded") == []
            await here.elapse(2)
            assert len(here.logs.named("degraded", part="relays")) == 1


async def test_an_outage_of_minutes_is_said_once(tmp_path: Path) -> None:
    """The reason of a degraded state does not change with the seconds it lasts."""
    async with world(tmp_path) as here, here.hearing():
        here.proxies[0].add(FAULTS["ok-false:error"].make())
        await here.node.open_dispute()

        def said() -> int:
            return len(here.logs.named("degraded", part="delivery"))

        await here.until(lambda: said() > 0, limit_seconds=900, what="it is said")
        await here.elapse(90)
        assert said() == 1


async def test_intake_is_not_well_before_a_subscription_stands(tmp_path: Path) -> None:
    """Ready with no relay to hear anything from would be a lie, whatever else runs."""
    async with world(tmp_path) as here:
        outage = here.proxies[0].add(FAULTS["refuse"].make())
        async with here.run() as daemon:
            health = daemon.parts.base.health
            await here.elapse(LISTEN_FIRST_SECONDS + 1)
            assert here.logs.named("ready")
            assert not health.parts()[Part.INTAKE].ok
            assert any("subscription" in each for each in health.degraded)
            here.proxies[0].remove(outage)
            await here.until(
                lambda: health.parts()[Part.INTAKE].ok, limit_seconds=40, what="listening"
            )
            assert here.logs.named("recovered", part="intake")
