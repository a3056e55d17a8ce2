"""The service manager's side of a real datagram socket."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from serbero.observe.service_manager import ServiceManager
from serbero.simulator.clock import FakeClock


class Manager:
    """What systemd is to a service: a socket that collects notices."""

    def __init__(self, address: str) -> None:
        self.name = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.setblocking(False)

    def received(self) -> list[str]:
        notices = []
        while True:
            try:
                notices.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return notices

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@serbero-{os.getpid()}"
    made = Manager(address)
    yield made
    made.close()


def test_notices_arrive(manager: Manager) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.name})
    service.ready("1 of 2 relays hear\nSTOPPING=1")
    service.ready("  ")
    service.stopping()
    assert service.present
    assert manager.received() == [
        "READY=1\nSTATUS=1 of 2 relays hear STOPPING=1",
        "READY=1",
        "STOPPING=1",
    ]


async def test_the_watchdog_is_fed_at_half_its_time(manager: Manager, clock: FakeClock) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "30000000"})
    task = asyncio.create_task(service.watchdog(clock))
    await clock.advance(0)
    assert manager.received() == ["WATCHDOG=1"]
    await clock.advance(14.9)
    assert manager.received() == []
    await clock.advance(0.1)
    assert manager.received() == ["WATCHDOG=1"]
    await clock.advance(45)
    assert manager.received() == ["WATCHDOG=1"] * 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
)
async def test_no_watchdog_only_waits(
    manager: Manager, clock: FakeClock, environ: dict[str, str]
) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": manager.name, **environ})
    task = asyncio.create_task(service.watchdog(clock))
    await clock.advance(60)
    assert (service.watchdog_seconds, manager.received(), clock.sleepers) == (None, [], 0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_nobody_listens(environ: dict[str, str]) -> None:
    with capture_logs() as logs:
        service = ServiceManager({**environ, "WATCHDOG_USEC": "1000000"})
        service.ready()
        service.stopping()
    assert (service.present, service.watchdog_seconds, logs) == (False, None, [])


def test_a_manager_that_is_gone_is_mentioned_once_and_stops_nothing(tmp_path: Path) -> None:
    service = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    with capture_logs() as logs:
        service.ready()
        service.stopping()
    assert logs == [
        {
            "event": "service_manager_unreachable",
            "log_level": "warning",
            "reason": "No such file or directory",
        }
    ]
