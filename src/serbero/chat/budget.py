"""How much of a channel is looked at: 30 messages a minute, 60 at once.

Source: protocol, ``src/chat.md``; mostrix, ``src/util/chat_security.rs``. Pure: time is handed in.
"""

from typing import Final

PER_MINUTE: Final = 30
BURST: Final = 60
MAX_RELAYS: Final = 32
"""Relays counted apart; further ones share one count."""

_OTHERS: Final = ""


class TokenBucket:
    """Tokens that come back with time, never more than a burst of them.

    Args:
        now: monotonic seconds; it starts full.
    """

    __slots__ = ("_at", "_tokens")

    def __init__(self, now: float) -> None:
        self._tokens = float(BURST)
        self._at = now

    def available(self, now: float) -> float:
        """How many tokens there are."""
        elapsed = max(0.0, now - self._at)
        return min(float(BURST), self._tokens + elapsed * PER_MINUTE / 60)

    def take(self, now: float) -> bool:
        """Take one if there is one."""
        available = self.available(now)
        self._at = max(self._at, now)
        self._tokens = available
        if available < 1:
            return False
        self._tokens = available - 1
        return True


class Budget:
    """The budget of one envelope of one channel.

    Before its signature is verified an event says nothing about its author: a relay could spend
    the whole budget of a channel with forged ones. So each relay has a count of its own for what
    is verified, and the channel has one for what is then decrypted.

    Args:
        now: monotonic seconds.
    """

    __slots__ = ("_channel", "_relays")

    def __init__(self, now: float) -> None:
        self._channel = TokenBucket(now)
        self._relays: dict[str, TokenBucket] = {}

    def may_verify(self, url: str, now: float) -> bool:
        """Whether one more event from this relay is worth verifying."""
        if url not in self._relays and len(self._relays) >= MAX_RELAYS:
            url = _OTHERS
        bucket = self._relays.get(url)
        if bucket is None:
            bucket = self._relays[url] = TokenBucket(now)
        return bucket.take(now)

    def may_open(self, now: float) -> bool:
        """Whether one more verified event is decrypted."""
        return self._channel.take(now)

    def recovered(self, now: float) -> bool:
        """Whether it is worth asking relays again for what was left out."""
        return self._channel.available(now) >= BURST / 2
