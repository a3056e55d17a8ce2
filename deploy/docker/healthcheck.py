#!/usr/local/bin/python -IS
"""Whether the Serbero in this container lives: one request to its /healthz.

The address is [observe].http_listen of the configuration that SERBERO_CONFIG names, so there is
nothing to keep in step. Where it is empty nothing can be asked; that is said, and is no failure:
what cannot be known is no reason to end a container that tells solvers of disputes. It asks for
life, not readiness, because a new start brings no relay back.

Exit codes: 0 alive or not to be known, 1 not. Uses the standard library alone, and little of it:
it runs every half minute.
"""

import os
import socket
import sys
import tomllib

TIMEOUT_SECONDS = 4.0
"""Under the five seconds after which Docker gives up without a word."""

DEFAULT_CONFIG = "config.toml"
ANSWER_BYTES = 64
"""Holds the status line, which is all that is looked at."""

_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - looked up, not bound


class UnhealthyError(Exception):
    """Not alive, or its address cannot be found out; the text says what and what to do."""


def address(listen: str) -> tuple[str, int]:
    """Return host and port to ask, of an ``http_listen`` such as ``0.0.0.0:9464``.

    Raises:
        UnhealthyError: it is none.
    """
    host, colon, port = listen.strip().rpartition(":")
    host = host.strip("[]")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise UnhealthyError(f"[observe].http_listen: expected HOST:PORT, found {listen!r}")
    return _ANY.get(host, host), int(port)


def listening(path: str) -> str:
    """Return ``[observe].http_listen`` of the configuration at ``path``, empty if it has none.

    Raises:
        UnhealthyError: the configuration cannot be read.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib would be half of the start-up time
            document = tomllib.load(file)
    except (OSError, ValueError) as error:
        # A parser's own words may quote the file, and there may be a key in it.
        reason = error.strerror if isinstance(error, OSError) else "no valid TOML"
        raise UnhealthyError(f"{path}: {reason}; SERBERO_CONFIG names the configuration") from None
    observe = document.get("observe")
    listen = observe.get("http_listen", "") if isinstance(observe, dict) else ""
    return listen if isinstance(listen, str) else ""


def ask(host: str, port: int) -> None:
    """Ask for ``/healthz``.

    Raises:
        UnhealthyError: nobody answers in time, or not with 200.
    """
    name = f"[{host}]" if ":" in host else host
    request = f"GET /healthz HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            answer = connection.recv(ANSWER_BYTES)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror
        raise UnhealthyError(f"{name}:{port}: {reason}") from None
    status = answer.split(b"\r\n", 1)[0].decode("ascii", "replace")
    if status.split(" ")[1:2] != ["200"]:
        raise UnhealthyError(f"/healthz: expected 200, found {status!r}")


def main() -> int:
    """Ask, say in one line what was found, and return the exit code."""
    path = os.environ.get("SERBERO_CONFIG", "").strip() or DEFAULT_CONFIG
    try:
        listen = listening(path)
        if not listen.strip():
            print('nothing to ask: set [observe].http_listen = "127.0.0.1:9464"')  # noqa: T201
            return 0
        ask(*address(listen))
    except UnhealthyError as error:
        print(error)  # noqa: T201
        return 1
    print("alive")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
