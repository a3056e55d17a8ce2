"""What relays do, told to metrics, health, the outbox and the reconciler."""

import asyncio
from collections.abc import Callable

from serbero.nostr.addresses import loggable
from serbero.nostr.replies import ReplyPrefix
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.relays.observer import RelayObserver


class DaemonObserver(RelayObserver):
    """Listens to the relay pool.

    Attributes:
        listening: set once the dispute subscription is answered by some relay.
        on_gap: called when events may have been missed.
        on_return: called with a relay's address when a connection to it stands, and when it
            answers again what is published.
        hearing_count: how many configured relays hear; given once the pool exists.
    """

    def __init__(self, *, metrics: Metrics, health: Health, wanted: int, configured: int) -> None:
        self._metrics = metrics
        self._health = health
        self._wanted = min(wanted, configured)
        self._configured = configured
        self._judging = False
        self.listening = asyncio.Event()
        self.hearing_count: Callable[[], int] = lambda: 0
        self.on_gap: Callable[[], None] = lambda: None
        self.on_return: Callable[[str], None] = lambda _url: None

    def begin_judging(self) -> None:
        """From now on too few hearing relays are a fault; before they were a beginning."""
        self._judging = True
        self._judge_relays()

    def _judge_relays(self) -> None:
        """Tell health whether enough relays hear."""
        hearing = self.hearing_count()
        enough = hearing >= self._wanted
        self._judging = self._judging or enough
        if not self._judging:
            return
        self._health.set(
            Part.RELAYS,
            ok=enough,
            reason=f"{hearing} of {self._configured} relays hear, {self._wanted} wanted",
        )

    def connect_attempt(self, url: str, ok: bool) -> None:
        """Count it."""
        self._metrics.relay_connect_attempts.labels(loggable(url), "ok" if ok else "failed").inc()
        self._judge_relays()

    def relay_connected(self, url: str) -> None:
        """A connection stands: what waited for it is due."""
        self._metrics.relay_connected.labels(loggable(url)).set(1)
        self.on_return(url)

    def relay_lost(self, url: str, reason: str) -> None:  # noqa: ARG002 - the pool logs it
        """A connection is gone."""
        self._metrics.relay_connected.labels(loggable(url)).set(0)
        self._metrics.relay_hearing.labels(loggable(url)).set(0)
        self._judge_relays()

    def relay_hearing(self, url: str, regained: bool) -> None:  # noqa: ARG002 - a gap either way
        """Heard (again): ask for what was missed."""
        self._metrics.relay_hearing.labels(loggable(url)).set(1)
        self.listening.set()
        self._health.set(Part.INTAKE, ok=True)
        self._judge_relays()
        self.on_gap()

    def relay_deaf(self, url: str, reason: str) -> None:  # noqa: ARG002 - the pool logs it
        """Connected, but nothing comes through."""
        self._metrics.relay_hearing.labels(loggable(url)).set(0)
        self._judge_relays()

    def closed(self, url: str, subscription_id: str, prefix: ReplyPrefix) -> None:  # noqa: ARG002
        """Count it."""
        self._metrics.relay_closed.labels(loggable(url), prefix.value or "none").inc()

    def canary(self, url: str, milliseconds: float) -> None:
        """Measure it."""
        self._metrics.relay_canary.labels(loggable(url)).observe(milliseconds / 1000)

    def event_rejected(self, url: str, reason: str) -> None:  # noqa: ARG002 - bounded labels
        """Count it."""
        self._metrics.events_rejected.labels(reason).inc()

    def relay_policy_alert(self, url: str, reason: str) -> None:  # noqa: ARG002 - the pool logs it
        """Count it: a person should look."""
        self._metrics.relay_policy_alerts.labels(loggable(url)).inc()

    def relay_answers(self, url: str) -> None:
        """It takes events again: what waited for it is due."""
        self.on_return(url)

    def stream_lagged(self) -> None:
        """Messages were lost on our side: ask for them."""
        self.on_gap()

    def relay_forgotten(self, url: str) -> None:
        """Drop its series: the network names relays, and their number must stay bounded."""
        self._metrics.forget_relay(loggable(url))
