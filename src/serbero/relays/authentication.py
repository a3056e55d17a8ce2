"""NIP-42 on one connection.

The library has an authenticator of its own, but it calls back into Python from its threads,
which hangs sends and crashes the interpreter at exit; some lines here do the same safely.
"""

import asyncio
from collections import deque
from typing import Final

from nostr_sdk import Event, Keys

from serbero.clock import Clock
from serbero.nostr.signing import signed

AUTH_KIND: Final = 22242

ANSWERS_PER_MINUTE: Final = 6
"""Each answer is a signature; a relay that challenges without end gets no more than these."""


class Authentication:
    """Challenges of one connection and our answers.

    Attributes:
        accepted: set while the relay holds us for authenticated.
    """

    def __init__(self, url: str, keys: Keys, clock: Clock) -> None:
        self._url, self._keys, self._clock = url, keys, clock
        self.accepted = asyncio.Event()
        self._challenge: str | None = None
        self._answered: str | None = None
        self._waiting_for: str | None = None
        self._answers: deque[float] = deque(maxlen=ANSWERS_PER_MINUTE)

    def reset(self) -> None:
        """A new connection begins: challenges belong to connections."""
        self.accepted.clear()
        self._challenge = self._answered = self._waiting_for = None

    def challenged(self, challenge: str) -> None:
        """The relay sent a challenge; the newest one counts."""
        self._challenge = challenge

    def answer(self) -> Event | None:
        """The event to send now, once for each challenge; None when there is nothing to answer."""
        if self._challenge is None or self._challenge == self._answered:
            return None
        now = self._clock.monotonic()
        full = len(self._answers) == ANSWERS_PER_MINUTE
        if full and now - self._answers[0] < 60:
            return None
        self._answers.append(now)
        self._answered = self._challenge
        # The relay knows an answer by `relay` and `challenge`; content stays empty (NIP-42).
        tags = [["relay", self._url], ["challenge", self._challenge]]
        event = signed(self._keys, AUTH_KIND, "", tags, self._clock.now())
        self._waiting_for = event.id().to_hex()
        return event

    def replied(self, event_id: str, accepted: bool) -> bool:
        """An OK came; True if it was for our answer."""
        if event_id != self._waiting_for:
            return False
        self._waiting_for = None
        if accepted:
            self.accepted.set()
        return True
