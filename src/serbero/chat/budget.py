"""How much of a channel is looked at: 30 messages a minute of its party, 60 at once.

Source: protocol, ``src/chat.md``; mostrix, ``src/util/chat_security.rs``. Pure: time is handed in.
"""

from typing import Final

from serbero.mostro.chat import Envelope

PER_MINUTE: Final = 30
BURST: Final = 60
WRAPS_PER_MINUTE: Final = 300
"""Gift wraps opened to find out who wrote them: some 5 ms a second of one core at worst."""
WRAPS_BURST: Final = 600
CHARACTERS_EACH: Final = 8_192
"""A larger gift wrap counts as several: decrypting one of the largest costs what thirty do."""
MAX_RELAYS: Final = 32
"""Relays counted apart; further ones share one count."""

_OTHERS: Final = ""


class TokenBucket:
    """Tokens that come back with time, never more than a burst of them.

    Args:
        now: monotonic seconds; it starts full.
        per_minute: tokens that come back a minute.
        burst: the most there are.
    """

    __slots__ = ("_at", "_burst", "_per_minute", "_tokens")

    def __init__(self, now: float, per_minute: int = PER_MINUTE, burst: int = BURST) -> None:
        self._per_minute = per_minute
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def available(self, now: float) -> float:
        """How many tokens there are."""
        elapsed = max(0.0, now - self._at)
        return min(float(self._burst), self._tokens + elapsed * self._per_minute / 60)

    def take(self, now: float, cost: int = 1) -> bool:
        """Take so many if they are there."""
        available = self.available(now)
        self._at = max(self._at, now)
        self._tokens = available
        if available < cost:
            return False
        self._tokens = available - cost
        return True

    def give_back(self, now: float) -> None:
        """Return one that was taken."""
        self._tokens = min(float(self._burst), self.available(now) + 1)
        self._at = max(self._at, now)

    def half_full(self, now: float) -> bool:
        """Whether at least half of a burst is there."""
        return self.available(now) >= self._burst / 2


class Budget:
    """The budget of one envelope of one channel.

    Before its signature is verified an event says nothing about its author: a relay could spend
    the whole budget of a channel with forged ones. So each relay has a count of its own for what
    is verified, and the channel has one for what is then decrypted.

    Only the two ends of a channel can write kind 14 there, so that is the party's count. Gift
    wraps anybody can write who saw their address: many more of them are opened, and only those
    that turn out to be the party's count as its messages.

    What we wrote ourselves comes back from every relay. It is counted apart, so that our words
    never cost the party its own; apart and not free, since a party may send ours again and again.

    Args:
        now: monotonic seconds.
        envelope: which.
    """

    __slots__ = ("_echoes", "_limits", "_opened", "_party", "_relays")

    def __init__(self, now: float, envelope: Envelope) -> None:
        wraps = envelope is Envelope.GIFT_WRAP
        self._limits = (WRAPS_PER_MINUTE, WRAPS_BURST) if wraps else (PER_MINUTE, BURST)
        self._opened = TokenBucket(now, *self._limits)
        self._party = TokenBucket(now) if wraps else self._opened
        self._echoes = TokenBucket(now)
        self._relays: dict[str, TokenBucket] = {}

    def may_verify(self, url: str, now: float) -> bool:
        """Whether one more event from this relay is worth verifying."""
        return self._relay(url, now).take(now)

    def may_open(self, characters: int, now: float) -> bool:
        """Whether one more verified event, of so many characters, is decrypted."""
        only_the_party = self._party is self._opened
        return self._opened.take(now, 1 if only_the_party else 1 + characters // CHARACTERS_EACH)

    def may_accept(self, now: float) -> bool:
        """Whether one more message that the party is known to have written is accepted."""
        return self._party is self._opened or self._party.take(now)

    def came_back(self, url: str, now: float, *, live: bool) -> None:
        """One that was opened is ours: the party does not pay for it.

        Args:
            url: the relay it came from.
            now: monotonic seconds.
            live: whether it was counted there before it was verified.
        """
        if not self._echoes.take(now):
            return
        self._opened.give_back(now)
        if live:
            self._relay(url, now).give_back(now)

    def recovered(self, now: float) -> bool:
        """Whether much of what relays are asked for again would be looked at."""
        return self._opened.half_full(now) and self._party.half_full(now)

    def _relay(self, url: str, now: float) -> TokenBucket:
        if url not in self._relays and len(self._relays) >= MAX_RELAYS:
            url = _OTHERS
        bucket = self._relays.get(url)
        if bucket is None:
            bucket = self._relays[url] = TokenBucket(now, *self._limits)
        return bucket
