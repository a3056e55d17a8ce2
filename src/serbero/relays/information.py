"""A relay's own description of itself (NIP-11): the limits that decide whether it suits us."""

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from serbero.nostr.addresses import normalise
from serbero.nostr.replies import clean

MAX_DOCUMENT_BYTES: Final = 65_536
"""Real documents have one or two thousand bytes."""


@dataclass(frozen=True, slots=True)
class RelayInformation:
    """What a relay says about itself; None where it says nothing usable.

    Attributes:
        name: its name, cleaned.
        software: what it runs, cleaned.
        max_limit: events a filter is served at most.
        max_message_length: bytes of a client message.
        max_content_length: characters of an event's content.
        max_subscriptions: subscriptions a connection.
        min_pow_difficulty: NIP-13 bits every event needs.
        auth_required: NIP-42 before anything else.
        created_at_lower_limit: how many seconds old an event may be; less than 172,800 refuses
            gift wraps, which are back-dated by up to two days.
        created_at_upper_limit: how many seconds in the future an event may be.
    """

    name: str | None = None
    software: str | None = None
    max_limit: int | None = None
    max_message_length: int | None = None
    max_content_length: int | None = None
    max_subscriptions: int | None = None
    min_pow_difficulty: int | None = None
    auth_required: bool | None = None
    created_at_lower_limit: int | None = None
    created_at_upper_limit: int | None = None


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

    def words(name: str) -> str | None:
        value = found.get(name)
        return clean(value) or None if isinstance(value, str) else None

    auth = limits.get("auth_required")
    return RelayInformation(
        name=words("name"),
        software=words("software"),
        max_limit=number("max_limit"),
        max_message_length=number("max_message_length"),
        max_content_length=number("max_content_length"),
        max_subscriptions=number("max_subscriptions"),
        min_pow_difficulty=number("min_pow_difficulty"),
        auth_required=auth if isinstance(auth, bool) else None,
        created_at_lower_limit=number("created_at_lower_limit"),
        created_at_upper_limit=number("created_at_upper_limit"),
    )


async def fetch_relay_information(
    url: str,
    timeout: float,
) -> RelayInformation | None:
    """Ask a relay for its NIP-11 document.

    Args:
        url: the relay's ``ws://`` or ``wss://`` address.
        timeout: real seconds for all of it.

    Returns:
        None if there is no such document, or no relay. Redirects are not followed.

    Raises:
        BadAddressError: ``url`` cannot be a relay's address.
    """
    return await asyncio.to_thread(_fetch, normalise(url), timeout)


def _fetch(url: str, timeout: float) -> RelayInformation | None:
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
    try:
        connection.connect()
        # Kept apart: http.client forgets the socket once it has read the headers.
        timer = threading.Timer(timeout, _cut, (connection.sock,))
        timer.daemon = True
        timer.start()
        connection.request("GET", target, headers={"Accept": "application/nostr+json"})
        response = connection.getresponse()
        if response.status != http.client.OK:
            return None
        document = response.read(MAX_DOCUMENT_BYTES + 1)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        if timer is not None:
            timer.cancel()
        connection.close()
    return parse_information(document) if len(document) <= MAX_DOCUMENT_BYTES else None


def _cut(link: socket.socket) -> None:
    """End a request whose time is up: a socket's own timeout starts again at each byte."""
    with contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
