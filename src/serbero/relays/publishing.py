"""What one relay does with our events, told to people, seldom enough to be read."""

import logging
from collections.abc import Callable

import structlog

from serbero.clock import Clock
from serbero.nostr.replies import PublishReply
from serbero.relays.observer import RelayObserver
from serbero.relays.refusals import Refusals
from serbero.relays.settings import RelaySettings

_log = structlog.get_logger(__name__)


class PublishingReport:
    """Tells log and observer about refusals and silence of one relay.

    ``counts`` says whether anything depends on the relay; where not, no person is alarmed.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        settings: RelaySettings,
        observer: RelayObserver,
        counts: Callable[[], bool],
    ) -> None:
        self._url, self._clock, self._observer = url, clock, observer
        self._counts = counts
        self._least_between = settings.stable_seconds
        self._refusals = Refusals()
        self._told = {True: float("-inf"), False: float("-inf")}

    def replied(self, reply: PublishReply, created_at: int) -> None:
        """The relay answered an event of that time (Unix seconds): say what a person can do."""
        age = self._clock.time() - created_at
        remedy = self._refusals.remedy(reply, age, self._clock.monotonic())
        if remedy is None:
            return
        if self._counts():
            _log.error("relay_refuses_events", relay=self._url, reason=reply.text, remedy=remedy)
            self._observer.relay_policy_alert(self._url, reply.text)
        else:
            _log.info("relay_refuses_events", relay=self._url, reason=reply.text)

    def silence(self, mute: bool) -> None:
        """The relay stopped answering what is published, or began again.

        One that answers now and then goes in and out of this all the time. To wake all that
        waits for it each time would cost more than it brings.
        """
        now = self._clock.monotonic()
        news = now >= self._told[mute] + self._least_between
        if news:
            self._told[mute] = now
        if mute:
            loud = logging.WARNING if self._counts() else logging.INFO
            level = loud if news else logging.DEBUG
            _log.log(level, "relay_gives_no_answers", relay=self._url)
            return
        _log.log(logging.INFO if news else logging.DEBUG, "relay_answers_again", relay=self._url)
        if news:
            self._observer.relay_answers(self._url)
