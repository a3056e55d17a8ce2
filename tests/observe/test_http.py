"""The endpoint, asked over a real socket."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from serbero import __version__
from serbero.observe.health import Health, Part
from serbero.observe.http import HttpServer, ListenError
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, eventually


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


async def get(port: int, path: str, method: str = "GET") -> Reply:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    first, *rest = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in rest)
    return Reply(int(first.split()[1]), headers, body)


@dataclass
class Served:
    port: int
    metrics: Metrics
    health: Health
    task: asyncio.Task[None]


@asynccontextmanager
async def serving(clock: FakeClock) -> AsyncIterator[Served]:
    metrics, health = Metrics(), Health(clock)
    server = HttpServer(("127.0.0.1", 0), metrics, health, clock)
    _, port = server.bind()
    task: asyncio.Task[None] = asyncio.create_task(server.run())
    try:
        yield Served(port, metrics, health, task)
    finally:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_healthz_says_that_it_lives(clock: FakeClock) -> None:
    async with serving(clock) as served:
        await clock.advance(90)
        alive = await get(served.port, "/healthz")
    assert (alive.status, alive.json) == (
        200,
        {"live": True, "version": __version__, "uptime_seconds": 90},
    )
    assert alive.headers["content-type"] == "application/json"
    assert alive.headers["cache-control"] == "no-store"


async def test_readyz_names_parts_and_reasons(clock: FakeClock) -> None:
    now = clock.now()
    async with serving(clock) as served:
        served.health.set(Part.STORE, ok=True)
        served.health.set(Part.RELAYS, ok=False, reason="0 of 2 relays hear")
        not_ready = await get(served.port, "/readyz")
        for part in Part:
            served.health.set(part, ok=True)
        ready = await get(served.port, "/readyz")
    silent = {"ok": False, "reason": "not reported yet", "since": 0}
    well = {"ok": True, "reason": "", "since": now}
    assert (not_ready.status, not_ready.json) == (
        503,
        {
            "ready": False,
            "degraded": ["relays: 0 of 2 relays hear", "intake: not reported yet"],
            "parts": {
                "store": well,
                "relays": {"ok": False, "reason": "0 of 2 relays hear", "since": now},
                "intake": silent,
                "delivery": silent,
                "node": silent,
            },
        },
    )
    assert (ready.status, ready.json) == (
        200,
        {"ready": True, "degraded": [], "parts": {part.value: well for part in Part}},
    )


async def test_metrics_are_prometheus_text(clock: FakeClock) -> None:
    async with serving(clock) as served:
        served.metrics.dispute_events.labels("detected").inc()
        served.health.set(Part.STORE, ok=True)
        reply = await get(served.port, "/metrics")
    printed = reply.body.decode().splitlines()
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'serbero_dispute_events_total{outcome="detected"} 1.0' in printed
    assert 'serbero_part_ok{part="store"} 1.0' in printed
    assert 'serbero_part_ok{part="relays"} 0.0' in printed


async def test_it_only_reads(clock: FakeClock) -> None:
    async with serving(clock) as served:
        statuses = [
            (await get(served.port, "/")).status,
            (await get(served.port, "/metrics", "POST")).status,
            (await get(served.port, "/metrics", "HEAD")).status,
        ]
    assert statuses == [404, 405, 200]


async def test_no_signal_handler_and_no_timer_of_its_own(clock: FakeClock) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with serving(clock) as served:
        await get(served.port, "/healthz")
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
        assert clock.sleepers == 0


async def test_cancelling_closes_idle_connections_and_frees_the_port(clock: FakeClock) -> None:
    async with serving(clock) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"}")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    again = HttpServer(("127.0.0.1", served.port), served.metrics, served.health, clock)
    assert again.bind() == ("127.0.0.1", served.port)
    again.close()


async def test_a_half_sent_request_does_not_hold_the_stop(clock: FakeClock) -> None:
    async with serving(clock) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /heal")
        await writer.drain()
        await get(served.port, "/healthz")
    assert served.task.cancelled()
    with contextlib.suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionResetError):
        await writer.wait_closed()


async def test_an_address_in_use_is_said_once_and_taken_when_it_is_free(clock: FakeClock) -> None:
    """A busy port costs the endpoint, never the daemon, and one line however long it lasts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HttpServer(("127.0.0.1", port), Metrics(), Health(clock), clock)
        with capture_logs() as logs:
            task: asyncio.Task[None] = asyncio.create_task(server.keep_serving())
            for wait in (0, 1, 2, 4, 8):
                await clock.advance(wait)
                await eventually(lambda: clock.sleepers == 1)
    assert logs == [
        {
            "event": "http_unavailable",
            "log_level": "warning",
            "reason": f"cannot listen on 127.0.0.1:{port}: Address already in use",
            "remedy": "change [observe].http_listen, or stop the program that uses the address",
        }
    ]
    with capture_logs() as logs:
        await clock.advance(16)
        await eventually(lambda: logs)
    assert logs[0]["event"] == "http_listening"
    assert (await get(port, "/healthz")).status == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_address_that_is_not_ours_is_said_so(clock: FakeClock) -> None:
    server = HttpServer(("192.0.2.1", 9464), Metrics(), Health(clock), clock)
    with pytest.raises(ListenError, match="Cannot assign requested address"):
        server.bind()
