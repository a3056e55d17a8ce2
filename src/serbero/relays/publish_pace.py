"""How fast one relay is given events. Pure: ``now`` and the random draw are arguments.

A relay that says ``rate-limited`` must be left alone as a whole: each message backing off by
itself would still be a burst. One that takes events and gives no answers must not hold up what
other relays wait for.
"""

from serbero.model.backoff import exponential
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.relays.settings import RelaySettings


class PublishPace:
    """How many unanswered events one relay may have, and when it gets none.

    Attributes:
        mute: what was sent lately ran out of time without any answer. One event at a time is
            sent then, to learn when that ends.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._window = settings.in_flight
        self._pauses = 0
        self._pause_began = float("-inf")
        self._paused_until = float("-inf")
        self._why = PublishReply(PublishOutcome.RATE_LIMITED)
        self._last_answer = float("-inf")
        self.mute = False

    def paused(self, now: float) -> PublishReply | None:
        """What to answer instead of sending, while the relay wants to be left alone."""
        return self._why if now < self._paused_until else None

    def room(self, flying: int) -> bool:
        """Whether another event may follow ``flying`` unanswered ones."""
        return flying < (1 if self.mute else self._window)

    def patience(self) -> float:
        """Seconds an event may wait for its turn."""
        numbers = self._settings
        return numbers.mute_backlog_seconds if self.mute else numbers.backlog_seconds

    def answered(self, reply: PublishReply, launched: float, now: float, draw: float) -> None:
        """The relay answered an event that was sent at ``launched``."""
        self.mute = False
        self._last_answer = now
        if reply.outcome is PublishOutcome.RATE_LIMITED:
            # Further refusals of the burst that began this pause must not prolong it.
            if launched >= self._pause_began:
                self._pause(reply, now, draw)
        elif reply.outcome.delivered:
            self._pauses = 0
            # From 1 after a pause: twice as many a round trip, as TCP starts.
            self._window = min(self._settings.in_flight, self._window + 1)

    def silent(self, launched: float) -> None:
        """The time of an event sent at ``launched`` ran out."""
        if self._last_answer < launched:
            self.mute = True

    def connection_lost(self) -> None:
        """The next connection may answer; what the relay thinks of our rate stays."""
        self.mute = False

    def _pause(self, reply: PublishReply, now: float, draw: float) -> None:
        self._pauses += 1
        first, longest = (
            self._settings.rate_limit_seconds,
            self._settings.rate_limit_ceiling_seconds,
        )
        wait = exponential(self._pauses, first, longest) * (1 + draw / 2)
        self._pause_began, self._paused_until = now, now + wait
        self._why = reply
        self._window = 1
