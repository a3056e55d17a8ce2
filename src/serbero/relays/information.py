"""A relay's own description of itself (NIP-11): the limits that decide whether it suits us."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from serbero.nostr.addresses import normalise

MAX_DOCUMENT_BYTES: Final = 65_536
"""Real documents have one or two thousand bytes."""


@dataclass(frozen=True, slots=True)
class RelayInformation:
    """What a relay says about itself; None where it says nothing usable.

    Attributes:
        max_message_length: bytes of a client message.
        max_subscriptions: subscriptions a connection.
        min_pow_difficulty: NIP-13 bits every event needs.
        auth_required: NIP-42 before anything else.
        created_at_lower_limit: how many seconds old an event may be; less than 172,800 refuses
            gift wraps, which are back-dated by up to two days.
    """

    max_message_length: int | None = None
    max_subscriptions: int | None = None
    min_pow_difficulty: int | None = None
    auth_required: bool | None = None
    created_at_lower_limit: int | None = None


@dataclass(frozen=True, slots=True)
class InformationReply:
    """What came of asking a relay for its document.

    Attributes:
        information: the document, None if there is no usable one, or no relay.
        server_time: Unix seconds by the server's clock (the whole second in which it answered),
            None if it did not tell. Servers tell it with or without a document.
    """

    information: RelayInformation | None = None
    server_time: int | None = None


def parse_information(document: bytes) -> RelayInformation | None:
    """Read a NIP-11 document; None if it is no JSON object. Values of wrong types are ignored."""
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    limitation = found.get("limitation")
    limits = limitation if isinstance(limitation, dict) else {}

    def number(name: str) -> int | None:
        value = limits.get(name)
        usable = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return value if usable else None

    auth = limits.get("auth_required")
    return RelayInformation(
        max_message_length=number("max_message_length"),
        max_subscriptions=number("max_subscriptions"),
        min_pow_difficulty=number("min_pow_difficulty"),
        auth_required=auth if isinstance(auth, bool) else None,
        created_at_lower_limit=number("created_at_lower_limit"),
    )


async def fetch_relay_information(url: str, timeout: float) -> InformationReply:
    """Ask a relay for its NIP-11 document. Redirects are not followed.

    Args:
        url: the relay's ``ws://`` or ``wss://`` address.
        timeout: real seconds for all of it.

    Raises:
        BadAddressError: ``url`` cannot be a relay's address.
    """
    return await asyncio.to_thread(_fetch, normalise(url), timeout)


def _fetch(url: str, timeout: float) -> InformationReply:
    parts = urlsplit(url)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "wss":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    timer: threading.Timer | None = None
    server_time: int | None = None
    try:
        connection.connect()
        # Kept apart: http.client forgets the socket once it has read the headers.
        timer = threading.Timer(timeout, _cut, (connection.sock,))
        timer.daemon = True
        timer.start()
        connection.request("GET", target, headers={"Accept": "application/nostr+json"})
        response = connection.getresponse()
        server_time = _unix_seconds(response.getheader("Date"))
        if response.status != http.client.OK:
            return InformationReply(None, server_time)
        document = response.read(MAX_DOCUMENT_BYTES + 1)
    except (OSError, http.client.HTTPException):
        return InformationReply(None, server_time)
    finally:
        if timer is not None:
            timer.cancel()
        connection.close()
    usable = len(document) <= MAX_DOCUMENT_BYTES
    return InformationReply(parse_information(document) if usable else None, server_time)


def _unix_seconds(header: str | None) -> int | None:
    """Read an HTTP date, whose zone is always UTC; None if it is none."""
    try:
        date = parsedate_to_datetime(header) if header else None
        if date is None:
            return None
        return int((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _cut(link: socket.socket) -> None:
    """End a request whose time is up: a socket's own timeout starts again at each byte."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
