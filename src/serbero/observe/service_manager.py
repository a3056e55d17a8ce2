"""Talking to systemd: ready, status, watchdog, stopping (``sd_notify(3)``).

One datagram of ``KEY=value`` lines to the socket named by ``NOTIFY_SOCKET``; nothing where the
variable is unset, as when a person runs Serbero by hand.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Final, Never

import structlog

from serbero.clock import Clock

_log = structlog.get_logger(__name__)

MAX_STATUS: Final = 500
"""Characters of a status text; systemd shows one line."""


class ServiceManager:
    """The one that started us, if it wants to be told. A lost notice never stops the daemon.

    Args:
        environ: ``NOTIFY_SOCKET`` (a path, or ``@name`` in the abstract namespace),
            ``WATCHDOG_USEC`` (microseconds) and ``WATCHDOG_PID`` are read.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_seconds = _watchdog_seconds(environ)
        self._failing = False

    @property
    def present(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    @property
    def watchdog_seconds(self) -> float | None:
        """Within what time a ping is expected, or None where no watchdog is set."""
        return self._watchdog_seconds if self.present else None

    def ready(self, status: str = "") -> None:
        """Say that the start is over; ``status`` says in one line how things are, no secrets."""
        self._send("READY=1", *_status_line(status))

    def stopping(self) -> None:
        """Say that the end is intended."""
        self._send("STOPPING=1")

    async def watchdog(self, clock: Clock) -> Never:
        """Ping twice as often as asked for: a loop that hangs is silent, and gets restarted.

        Outages are not told here: a restart brings no relay back. Waits for its cancellation
        where no watchdog is set.
        """
        if self.watchdog_seconds is None:
            await asyncio.get_running_loop().create_future()
        while True:
            self._send("WATCHDOG=1")
            await clock.sleep((self.watchdog_seconds or 0) / 2)

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                # A full queue at the other end must not hold our loop.
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as exc:
            if not self._failing:
                _log.warning("service_manager_unreachable", reason=exc.strerror or str(exc))
            self._failing = True
        else:
            self._failing = False


def _socket_address(name: str) -> str | None:
    if name.startswith("@"):
        return "\0" + name[1:]
    return name if name.startswith("/") else None


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """The watchdog's period in seconds; None if unset, nonsense or meant for another process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    period = environ.get("WATCHDOG_USEC", "")
    if not (period.isascii() and period.isdigit()) or int(period) == 0:
        return None
    return int(period) / 1_000_000


def _status_line(status: str) -> tuple[str, ...]:
    # A line break would end the field, and the rest would be read as another.
    return (f"STATUS={' '.join(status.split())[:MAX_STATUS]}",) if status.strip() else ()
