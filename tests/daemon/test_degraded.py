"""Too few relays hear: said once, over HTTP too, and over when they hear again."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

from tests.daemon.rig import World, world

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
        await here.until(lambda: not daemon.parts.health.ready, limit_seconds=5, what="degraded")
        status, body = await _readyz(port)
        assert status == 503
        assert body["ready"] is False
        assert any("1 of 2 relays hear, 2 wanted" in each for each in body["degraded"])
        dispute = await here.node.open_dispute()
        await here.told(dispute)
        await here.elapse(120)
        assert not daemon.parts.health.ready
        here.proxies[0].remove(outage)
        await here.until(lambda: daemon.parts.health.ready, limit_seconds=30, what="recovered")
        assert (await _readyz(port))[0] == 200
        _said_once(here)


def _said_once(here: World) -> None:
    """Loss and return of a relay stand in the log once each, however many attempts there were."""
    url = here.proxies[0].url
    assert len(here.logs.named("relay_lost", relay=url)) == 1
    assert len(here.logs.named("relay_unreachable", relay=url)) == 1
    assert len(here.logs.named("relay_connected", relay=url)) == 2
    assert len(here.logs.named("recovered", part="relays")) == 2, "the start, and the return"


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
        assert not daemon.parts.health.ready
        await here.elapse(200)
        assert len(here.logs.named("relay_refuses_us")) == 1
        here.proxies[0].remove(deaf)
        await here.until(lambda: daemon.parts.health.ready, limit_seconds=330, what="asked again")
