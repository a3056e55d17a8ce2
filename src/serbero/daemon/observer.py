"""What relays do, told to metrics, health, the outbox and the reconciler."""

import asyncio
from collections.abc import Callable
from typing import Never

from serbero.clock import Clock
from serbero.nostr.replies import ReplyPrefix
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.relays.observer import RelayObserver
from serbero.store import outbox_work
from serbero.store.patient import PatientStore


class DaemonObserver(RelayObserver):
    """Listens to the relay pool.

    Attributes:
        listening: set once the dispute subscription is answered by some relay.
        on_gap: called when events may have been missed.
        on_waiting_due: called when messages that waited for a relay are due.
        hearing_count: how many configured relays hear; given once the pool exists.
    """

    def __init__(
        self, *, metrics: Metrics, health: Health, clock: Clock, wanted: int, configured: int
    ) -> None:
        self._metrics = metrics
        self._health = health
        self._clock = clock
        self._wanted = min(wanted, configured)
        self._configured = configured
        self._returned: asyncio.Queue[str] = asyncio.Queue()
        self.listening = asyncio.Event()
        self.hearing_count: Callable[[], int] = lambda: 0
        self.on_gap: Callable[[], None] = lambda: None
        self.on_waiting_due: Callable[[], None] = lambda: None

    async def wake_waiting(self, store: PatientStore) -> Never:
        """Make what waits for a relay due as soon as it is back."""
        while True:
            url = await self._returned.get()
            if await store.transact(outbox_work.wake_relay, url, self._clock.now()):
                self.on_waiting_due()

    def judge_relays(self) -> None:
        """Tell health whether enough relays hear."""
        hearing = self.hearing_count()
        self._health.set(
            Part.RELAYS,
            ok=hearing >= self._wanted,
            reason=f"{hearing} of {self._configured} relays hear, {self._wanted} wanted",
        )

    def connect_attempt(self, url: str, ok: bool) -> None:
        """Count it."""
        self._metrics.relay_connect_attempts.labels(url, "ok" if ok else "failed").inc()
        self.judge_relays()

    def relay_connected(self, url: str) -> None:
        """A connection stands: what waited for it is due."""
        self._metrics.relay_connected.labels(url).set(1)
        self._returned.put_nowait(url)

    def relay_lost(self, url: str, reason: str) -> None:  # noqa: ARG002 - the pool logs it
        """A connection is gone."""
        self._metrics.relay_connected.labels(url).set(0)
        self._metrics.relay_hearing.labels(url).set(0)
        self.judge_relays()

    def relay_hearing(self, url: str, regained: bool) -> None:  # noqa: ARG002 - a gap either way
        """Heard (again): ask for what was missed."""
        self._metrics.relay_hearing.labels(url).set(1)
        self.listening.set()
        self.judge_relays()
        self.on_gap()

    def relay_deaf(self, url: str, reason: str) -> None:  # noqa: ARG002 - the pool logs it
        """Connected, but nothing comes through."""
        self._metrics.relay_hearing.labels(url).set(0)
        self.judge_relays()

    def closed(self, url: str, subscription_id: str, prefix: ReplyPrefix) -> None:  # noqa: ARG002
        """Count it."""
        self._metrics.relay_closed.labels(url, prefix.value or "none").inc()

    def canary(self, url: str, milliseconds: float) -> None:
        """Measure it."""
        self._metrics.relay_canary.labels(url).observe(milliseconds / 1000)

    def event_rejected(self, url: str, reason: str) -> None:  # noqa: ARG002 - bounded labels
        """Count it."""
        self._metrics.events_rejected.labels(reason).inc()

    def stream_lagged(self) -> None:
        """Messages were lost on our side: ask for them."""
        self.on_gap()
