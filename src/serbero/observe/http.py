"""``/healthz``, ``/readyz`` and ``/metrics`` on the address of ``[observe].http_listen``.

Runs inside the daemon's event loop. uvicorn's own ``serve`` is not used: it installs signal
handlers and wakes ten times a second to look at a flag; its start-up and shutdown are called
here, and in between the task only waits.
"""

import asyncio
import os
import socket
from typing import Final, Never

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from serbero import __version__
from serbero.clock import Clock
from serbero.model.backoff import exponential
from serbero.observe.health import Health
from serbero.observe.metrics import CONTENT_TYPE, Metrics

_log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS: Final = 1
"""How long answers in flight may take to finish; under the daemon's own 5 s to stop."""

BACKLOG: Final = 64
"""Connections waiting to be accepted; a scraper and a probe or two are expected."""

_HEADERS: Final = {"cache-control": "no-store"}


FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 300.0
"""Between two attempts to get an address that somebody else has."""

_REMEDY: Final = "change [observe].http_listen, or stop the program that uses the address"


class ListenError(Exception):
    """The address cannot be listened on; the text says which and why."""


class HttpServer:
    """The HTTP endpoint. It only reads: nothing here changes anything.

    Args:
        address: host (a name or an address) and port; port 0 lets the system choose.
        metrics: what ``/metrics`` shows.
        health: what ``/readyz`` shows.
        clock: tells the uptime and spaces attempts.
    """

    def __init__(
        self, address: tuple[str, int], metrics: Metrics, health: Health, clock: Clock
    ) -> None:
        self._address = address
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._started = clock.monotonic()
        self._socket: socket.socket | None = None

    def bind(self) -> tuple[str, int]:
        """Take the address and return it with the real port; :meth:`run` does it otherwise.

        Raises:
            ListenError: the address is in use or not ours.
        """
        host, port = self._held_socket().getsockname()[:2]
        return host, port

    async def keep_serving(self) -> Never:
        """Serve until cancelled, as soon as the address can be had.

        The endpoint is optional: disputes are told of without it. So an address that somebody
        else has is said once, and again only when the reason changes, and tried with backoff.
        """
        failures, told = 0, ""
        while True:
            try:
                await self.run()
            except ListenError as error:
                failures += 1
                if str(error) != told:
                    told = str(error)
                    _log.warning("http_unavailable", reason=told, remedy=_REMEDY)
                wait = exponential(failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS)
                await self._clock.sleep(wait)

    async def run(self) -> Never:
        """Serve until cancelled; then finish the answers in flight and give the port back.

        Raises:
            ListenError: see :meth:`bind`.
        """
        host, port = self.bind()
        server = uvicorn.Server(self._settings())
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        try:
            await server.startup(sockets=[self._held_socket()])
            _log.info("http_listening", host=host, port=port)
            await asyncio.get_running_loop().create_future()
            raise AssertionError("a future nobody resolves")
        finally:
            if server.started:
                await server.shutdown()
            self.close()

    def close(self) -> None:
        """Give the address back; for a server that was bound and never run."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _held_socket(self) -> socket.socket:
        if self._socket is None:
            self._socket = self._bound()
        return self._socket

    def _bound(self) -> socket.socket:
        host, port = self._address
        try:
            family, _, _, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            return socket.create_server(address[:2], family=family, backlog=BACKLOG)
        except OSError as exc:
            # socket appends the address to some texts; ours names it already. A
            # resolver's errors have negative numbers and texts of their own.
            known = exc.errno is not None and exc.errno > 0
            problem = os.strerror(exc.errno or 0) if known else exc.strerror or str(exc)
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            raise ListenError(f"cannot listen on {shown}: {problem}") from exc

    def _settings(self) -> uvicorn.Config:
        routes = [
            Route("/healthz", self._healthz, methods=["GET"]),
            Route("/readyz", self._readyz, methods=["GET"]),
            Route("/metrics", self._show_metrics, methods=["GET"]),
        ]
        return uvicorn.Config(
            Starlette(routes=routes),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # uvicorn renews this header from the loop that is not run here.
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )

    async def _healthz(self, _request: Request) -> Response:
        # An answer is the proof: what cannot go on ends the process.
        body = {
            "live": True,
            "version": __version__,
            "uptime_seconds": int(self._clock.monotonic() - self._started),
        }
        return JSONResponse(body, 200, _HEADERS)

    async def _readyz(self, _request: Request) -> Response:
        body = {
            "ready": self._health.ready,
            "degraded": list(self._health.degraded),
            "parts": {
                part.value: {"ok": state.ok, "reason": state.reason, "since": state.since}
                for part, state in self._health.parts().items()
            },
        }
        return JSONResponse(body, 200 if self._health.ready else 503, _HEADERS)

    async def _show_metrics(self, _request: Request) -> Response:
        self._metrics.set_parts((part, state.ok) for part, state in self._health.parts().items())
        return Response(self._metrics.render(), media_type=CONTENT_TYPE, headers=_HEADERS)
