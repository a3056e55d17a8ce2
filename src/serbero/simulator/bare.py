"""A bare WebSocket client: one connection, one Nostr message at a time.

It adds nothing to what is said and hides nothing of what is heard, which is what looking at a
misbehaving relay takes.
"""

import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from serbero.clock import SystemClock, within


async def dial(url: str) -> ClientConnection:
    """A connection without compression, pings or limits.

    Without the last, a client that does not read cannot even close: its buffer is full.
    """
    return await connect(
        url, compression=None, ping_interval=None, max_size=None, max_queue=None, proxy=None
    )


async def say(client: ClientConnection, *message: Any) -> None:
    """Send one Nostr message."""
    await client.send(json.dumps(message))


async def hear(client: ClientConnection, seconds: float = 5.0) -> Any:
    """The next Nostr message, parsed."""
    return json.loads(await within(SystemClock(), seconds, client.recv()))


async def hear_until(client: ClientConnection, verb: str, seconds: float = 5.0) -> list[Any]:
    """Messages up to and with the first one that begins with ``verb``."""
    messages = []
    while True:
        message = await hear(client, seconds)
        messages.append(message)
        if message[0] == verb:
            return messages


async def silent(client: ClientConnection, seconds: float = 0.15) -> bool:
    """Whether nothing arrives for so long: the one place where real time must pass."""
    try:
        await within(SystemClock(), seconds, client.recv())
    except TimeoutError:
        return True
    return False
