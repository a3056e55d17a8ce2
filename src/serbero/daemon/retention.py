"""Emptying what is not kept for ever: at the start and once a day, a little at a time.

Always: texts of messages that were settled thirty days ago. With ``[retention] closed_days``: what
people and models wrote in disputes that ended so many days ago. A process that is killed in the
middle goes on at the next start: what is left is found by looking, no mark is kept.

A clock that is far ahead is not believed, and neither is one after a long time without the node:
then it is looked at again soon.
"""

import asyncio
from pathlib import Path
from typing import Final, Never

import structlog

from serbero.clock import Clock
from serbero.store import free_space, purge, purge_search, retention
from serbero.store.believed_time import believed
from serbero.store.patient import PatientStore
from serbero.store.purge import Emptied
from serbero.store.purge_search import START
from serbero.store.retention import Removed

DAY_SECONDS: Final = 86_400
EVERY_SECONDS: Final = float(DAY_SECONDS)
DOUBT_SECONDS: Final = 3_600.0
"""Until the next look, where the time was not believed."""
BATCH: Final = 100
"""Messages, alerts or watches of one transaction: some milliseconds of the only writer."""
DISPUTES_AT_ONCE: Final = 5
"""Likewise."""
PAUSE_SECONDS: Final = 0.2
"""Between two transactions, in which others have the writer for themselves."""

_log = structlog.get_logger(__name__)


class Retention:
    """Empties and removes what is older than it is kept.

    Args:
        store: the database.
        path: its file.
        closed_days: days after a dispute's end; 0 for never.
        clock: where time comes from.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        path: Path,
        closed_days: int,
        clock: Clock,
    ) -> None:
        self._store = store
        self._path = path
        self._closed_seconds = closed_days * DAY_SECONDS
        self._clock = clock

    async def run(self) -> Never:
        """Empty, and again every day."""
        while True:
            await self.once()
            now = self._clock.now()
            sure = await self._store.read(believed, now) == now
            await self._clock.sleep(EVERY_SECONDS if sure else DOUBT_SECONDS)

    async def once(self) -> None:
        """Empty and remove everything that is due now."""
        settled = await self._settled()
        disputes, closed = await self._closed()
        removed = await self._old()
        if closed:
            # On a connection and a thread of its own: it takes a moment.
            await asyncio.to_thread(free_space.rewrite, self._path)
        if settled or closed:
            counts = (settled + closed).counts()
            _log.info(purge.CONTENTS_PURGED, disputes=disputes, **counts)
        if removed.alerts or removed.watches:
            _log.info("old_records_removed", alerts=removed.alerts, watches=removed.watches)

    async def _settled(self) -> Emptied:
        whole = Emptied()
        while True:
            now = self._clock.now()
            done = await self._store.transact(retention.empty_settled, now, BATCH)
            whole += done
            if done.outbox < BATCH:
                return whole
            await self._clock.sleep(PAUSE_SECONDS)

    async def _closed(self) -> tuple[int, Emptied]:
        """How many disputes, and what of them."""
        disputes, emptied = 0, Emptied()
        place: int | None = START if self._closed_seconds else None
        now = await self._store.read(believed, self._clock.now())
        before = now - self._closed_seconds
        while place is not None:
            found = await self._store.read(purge_search.look, before, place)
            for first in range(0, len(found.ids), DISPUTES_AT_ONCE):
                ids = found.ids[first : first + DISPUTES_AT_ONCE]
                count, done = await self._store.transact(
                    purge.empty_all, ids, before, self._clock.now()
                )
                disputes, emptied = disputes + count, emptied + done
                await self._clock.sleep(PAUSE_SECONDS)
            place = found.place
        return disputes, emptied

    async def _old(self) -> Removed:
        whole = Removed()
        while True:
            now = self._clock.now()
            done = await self._store.transact(retention.remove_old, now, BATCH)
            whole += done
            if done.alerts < BATCH:
                return whole
            await self._clock.sleep(PAUSE_SECONDS)
