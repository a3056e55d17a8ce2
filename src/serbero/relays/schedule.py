"""When a relay may be tried again. Pure: ``now`` and the random draw are arguments."""

from serbero.model.backoff import exponential
from serbero.relays.settings import RelaySettings


class ConnectSchedule:
    """The connection attempts of one relay: the first at once, then never closer than 10 s.

    The spacing counts from attempt to attempt, so it also holds for a relay that accepts and
    closes at once. Nobody can hurry it: under load somebody always needs the relay, and the wait
    would never grow.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self.attempts = 0
        self._failures = 0
        self._last_attempt: float | None = None
        self._due = 0.0

    def due(self) -> float:
        """When the next attempt may be made (monotonic seconds)."""
        return self._due

    def attempted(self, now: float) -> None:
        """An attempt starts now."""
        self.attempts += 1
        self._last_attempt = now

    def failed(self, draw: float) -> None:
        """The attempt found nobody, or the connection did not last."""
        self._failures += 1
        self._due = self._earliest(draw)

    def lost(self, connected_seconds: float, draw: float) -> None:
        """A connection ended after ``connected_seconds``."""
        if connected_seconds >= self._settings.stable_seconds:
            self._failures = 0
        self.failed(draw)

    def rest(self, until: float) -> None:
        """No attempt before ``until`` (monotonic seconds)."""
        self._due = max(self._due, until)

    def _earliest(self, draw: float) -> float:
        if self._last_attempt is None:
            return 0.0
        least = self._settings.reconnect_seconds
        ceiling = self._settings.reconnect_ceiling_seconds
        wait = exponential(self._failures, least, ceiling)
        # Jitter only lengthens: the least spacing is a promise to the relay.
        wait = min(ceiling, wait * (1 + self._settings.reconnect_jitter * draw))
        return self._last_attempt + wait
