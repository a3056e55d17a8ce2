"""NIP-11 over a real socket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serbero.relays.information import (
    MAX_DOCUMENT_BYTES,
    InformationReply,
    RelayInformation,
    fetch_relay_information,
    parse_information,
)
from serbero.simulator.relay import free_port

Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]

DOCUMENT = {
    "name": "A relay\x1b[2J",
    "software": "https://example.com/relay",
    "supported_nips": [1, 11, 42],
    "limitation": {
        "max_limit": 500,
        "max_message_length": 131_072,
        "max_subscriptions": 20,
        "min_pow_difficulty": 8,
        "auth_required": True,
        "created_at_lower_limit": 94_608_000,
        "max_content_length": 65_536,
        "created_at_upper_limit": 900,
    },
}


@contextlib.asynccontextmanager
async def _server(speak: Speak, requests: list[bytes] | None = None) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if requests is not None:
            requests.append(head)
        with contextlib.suppress(ConnectionError):
            await speak(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/relay?x=1"


def _reply(body: bytes, status: str = "200 OK", length: bool = True) -> Speak:
    async def speak(writer: asyncio.StreamWriter) -> None:
        size = f"Content-Length: {len(body)}\r\n" if length else ""
        writer.write(f"HTTP/1.1 {status}\r\n{size}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()

    return speak


@pytest.mark.parametrize("length", [True, False])
async def test_reads_the_limits(length: bool) -> None:
    requests: list[bytes] = []
    async with _server(_reply(json.dumps(DOCUMENT).encode(), length=length), requests) as url:
        found = await fetch_relay_information(url, 5)
    assert found.information == RelayInformation(
        max_message_length=131_072,
        max_subscriptions=20,
        min_pow_difficulty=8,
        auth_required=True,
        created_at_lower_limit=94_608_000,
    )
    assert requests[0].startswith(b"GET /relay?x=1 HTTP/1.1")
    assert b"accept: application/nostr+json" in requests[0].lower()


@pytest.mark.parametrize(
    "speak",
    [
        _reply(b"{}", status="404 Not Found"),
        _reply(b"", status="302 Found"),
        _reply(b"<html>"),
        _reply(b"[1]"),
        _reply(b'{"name":"' + b"x" * (MAX_DOCUMENT_BYTES + 1) + b'"}'),
        _reply(b"[" * 60_000),
        _reply(b"\xff\xfe"),
    ],
    ids=["404", "302", "html", "list", "too long", "nested", "no text"],
)
async def test_what_is_no_document(speak: Speak) -> None:
    async with _server(speak) as url:
        assert await fetch_relay_information(url, 5) == InformationReply()


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("Thu, 01 Jan 2026 00:00:00 GMT", 1_767_225_600),
        ("Thu, 01 Jan 2026 00:00:00", 1_767_225_600),
        ("today", None),
        ("Thu, 99 Jan 2026 00:00:00 GMT", None),
    ],
)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
async def test_a_server_tells_its_time_with_or_without_a_document(
    date: str, expected: int | None, status: str
) -> None:
    async with _server(_reply(b"", status=f"{status}\r\nDate: {date}")) as url:
        assert await fetch_relay_information(url, 5) == InformationReply(None, expected)


async def test_nonsense_instead_of_http() -> None:
    async def speak(writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello\r\n\r\n")

    async with _server(speak) as url:
        assert await fetch_relay_information(url, 5) == InformationReply()


async def test_nobody_there() -> None:
    assert await fetch_relay_information(f"ws://127.0.0.1:{free_port()}", 5) == InformationReply()


@pytest.mark.parametrize("start", ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 OK\r\n\r\n{"])
async def test_an_answer_that_drips_is_left_in_time(start: str) -> None:
    """A byte now and then would keep a plain socket timeout from ever passing."""
    stop = asyncio.Event()

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(start.encode())
        while not stop.is_set():
            writer.write(b" ")
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await stop.wait()

    async with _server(drip) as url:
        began = asyncio.get_running_loop().time()
        assert await fetch_relay_information(url, 0.3) == InformationReply()
        assert asyncio.get_running_loop().time() - began < 3
        stop.set()


@settings(deadline=None)  # a busy machine is no failure
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_json_is_read_or_refused(value: object) -> None:
    body = {"limitation": {"max_subscriptions": value, "auth_required": value}}
    found = parse_information(json.dumps(body).encode())
    assert found is not None
    assert found.max_subscriptions is None or found.max_subscriptions >= 0
    assert found.auth_required in (None, True, False)
