"""Finds out what the operator's channels are to be told, without anybody telling it.

It reads what others have committed. Nothing that takes in disputes or delivers messages calls it,
waits for it, or knows that it is there; what it does not get around to now it finds later.
"""

from collections.abc import Sequence
from typing import Final, Never

import sqlalchemy as sa

from serbero.alerts.damping import Damper
from serbero.alerts.sending import Sender
from serbero.clock import Clock
from serbero.model.alerts import Alert, AlertEvent
from serbero.observe.health import NOT_REPORTED, Health, Part, PartState
from serbero.store import alert_sources as sources
from serbero.store import alerts as queue
from serbero.store.alert_sources import News, Place
from serbero.store.engine import Store
from serbero.store.errors import StoreUnavailable

LOOK_SECONDS: Final = 3.0
MOST_KNOWN: Final = 50_000


class Collector:
    """Looks every few seconds.

    Args:
        senders: one a channel.
        store: the database; used as it is, without waiting for it.
        health: listened to.
        place: our node and key.
        failing: parts that the channels believe to fail, from before this start.
        clock: where time comes from.
    """

    def __init__(
        self,
        *,
        senders: Sequence[Sender],
        store: Store,
        health: Health,
        place: Place,
        failing: frozenset[str],
        clock: Clock,
    ) -> None:
        self._senders = senders
        self._listeners = [
            queue.Listener(each.channel.name, each.channel.events) for each in senders
        ]
        self._store = store
        self._health = health
        self._place = place
        self._clock = clock
        self._damper = Damper()
        self._recorded = dict.fromkeys(failing, True)
        self._known: set[str] = set()
        self._damper.believed(failing, clock.monotonic(), clock.now())
        for part, state in health.parts().items():
            if state.reason != NOT_REPORTED:
                self._heard(part, state)
        health.tell(self._heard)

    def _heard(self, part: Part, state: PartState) -> None:
        """Called by whoever reports: notes it, and no more."""
        self._damper.heard(part.value, state.ok, self._clock.monotonic(), state.since)

    async def run(self) -> Never:
        """Look every few seconds."""
        while True:
            more = await self.look()
            await self._clock.sleep(0 if more else LOOK_SECONDS)

    async def look(self) -> bool:
        """Take up what happened; return whether there is more."""
        now = self._clock.now()
        turned = list(self._damper.due(self._clock.monotonic(), now))
        # A database in trouble is left to the parts that need it; it could not store alerts now.
        if not self._health.parts()[Part.STORE].ok:
            self._tell(turned)
            return False
        try:
            return await self._record(turned, now)
        except StoreUnavailable:
            self._tell(turned)
            return False

    async def _record(self, turned: Sequence[Alert], now: int) -> bool:
        news = await self._store.read(sources.look, self._place, now, self._known)
        beliefs = {
            sources.PART + part: int(told)
            for part, told in self._damper.told().items()
            if told != self._recorded.get(part, False)
        }
        if news.alerts or news.moved or turned or beliefs:
            told = await self._store.transact(
                queue.record,
                self._listeners,
                (*news.alerts, *turned),
                dict(news.moved) | beliefs,
                now,
            )
            self._recorded |= self._damper.told()
            self._remember(news)
            for each in self._senders:
                if each.channel.name in told:
                    each.wake()
        return news.more

    def _tell(self, turned: Sequence[Alert]) -> None:
        """From memory: once each, and what the channels believe is recorded when it can be."""
        for alert in turned:
            for each in self._senders:
                each.tell(alert)

    def _remember(self, news: News) -> None:
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known |= {
            each.dedupe_key for each in news.alerts if each.event is AlertEvent.DEAD_LETTER
        }


def prepare(tx: sa.Connection, names: Sequence[str], place: Place, now: int) -> frozenset[str]:
    """Make the marks true to the channels of today; return which parts they believe to fail.

    Args:
        tx: the transaction.
        names: the channels that can be used.
        place: our node and key.
        now: Unix seconds.
    """
    queue.adopt(tx, names, now)
    sources.begin(tx, place, now)
    return sources.parts_told(tx)
