"""When the connection to one relay stood and fell, told to log and observer."""

import logging
from collections.abc import Callable

import structlog

from serbero.clock import Clock
from serbero.relays.observer import RelayObserver

_log = structlog.get_logger(__name__)


class Outages:
    """The story of one relay's connections.

    Args:
        url: the relay.
        clock: time.
        observer: told of each attempt and loss.
        counts: whether anything depends on the relay; where not, an outage is no warning.

    Attributes:
        since: wall time, Unix seconds, of the last change.
        last_reason: the last loss, failed attempt or refused AUTH, in a few words.
    """

    def __init__(
        self, url: str, clock: Clock, observer: RelayObserver, counts: Callable[[], bool]
    ) -> None:
        self._url, self._clock, self._observer = url, clock, observer
        self._counts = counts
        self._told_unreachable = False
        self.since = clock.time()
        self.last_reason: str | None = None

    def connected(self, attempt: int) -> None:
        """A connection stands."""
        self._told_unreachable = False
        self.since = self._clock.time()
        self._observer.connect_attempt(self._url, True)
        _log.info("relay_connected", relay=self._url, attempt=attempt)
        self._observer.relay_connected(self._url)

    def failed(self, problem: str) -> None:
        """An attempt found nobody. One warning an outage, though each may fail in other words."""
        self.last_reason = problem
        self._observer.connect_attempt(self._url, False)
        if self._told_unreachable:
            _log.debug("relay_still_unreachable", relay=self._url, reason=problem)
        else:
            level = logging.WARNING if self._counts() else logging.INFO
            _log.log(level, "relay_unreachable", relay=self._url, reason=problem)
        self._told_unreachable = True

    def lost(self, reason: str, needed: bool) -> None:
        """A connection is gone; ``needed`` says whether we would rather have kept it."""
        self.last_reason, self.since = reason, self._clock.time()
        level = logging.WARNING if needed and self._counts() else logging.INFO
        _log.log(level, "relay_lost", relay=self._url, reason=reason)
        self._observer.relay_lost(self._url, reason)
