"""The node's relay list reaches everything that uses relays: listening at once, delivery next."""

import asyncio
from typing import Never

from serbero.delivery.node_relays import NodeRelays
from serbero.relays.pool import RelayPool


class FurtherRelays:
    """Hands on the relays that the node lists besides the configured ones.

    Args:
        pool: listens there.
        delivery: gives messages to them as well.
    """

    def __init__(self, pool: RelayPool, delivery: NodeRelays) -> None:
        self._pool, self._delivery = pool, delivery
        self._urls: tuple[str, ...] = ()
        self._changed = asyncio.Event()

    def on_relays(self, urls: tuple[str, ...]) -> None:
        """Take the relays that the node uses besides the configured ones. Never blocks."""
        self._urls = urls
        self._pool.listen_also(urls)
        self._changed.set()

    async def run(self) -> Never:
        """Tell delivery, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._delivery.learn(self._urls)
