"""What time a relay thinks it is: the ``Date`` of an HTTP answer of its server. Best effort."""

import asyncio
import http.client
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from serbero.clock import Clock


async def clock_offset(url: str, clock: Clock, timeout_seconds: float) -> float | None:
    """Seconds our clock is ahead of the server of relay ``url``; None if it does not tell.

    The header counts whole seconds, so the value is right within about one.
    """
    before = clock.time()
    date = await asyncio.to_thread(_date, url, timeout_seconds)
    if date is None:
        return None
    # The server stamped somewhere between; its second began up to one second before that.
    return (before + clock.time()) / 2 - (date.timestamp() + 0.5)


def _date(url: str, timeout_seconds: float) -> datetime | None:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/", headers={"Accept": "application/nostr+json"})
        header = connection.getresponse().getheader("Date")
        date = parsedate_to_datetime(header) if header else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return date if date is None or date.tzinfo else date.replace(tzinfo=UTC)
