"""What is opened at all of the messages addressed to us in the node's envelope.

On protocol 1 they are gift wraps, and anybody may send us those: whether one is the node's shows
only after two decryptions. So they are opened while an answer is waited for and for a while
after, only of a size an answer has, and only so many a second: detection comes first.
"""

from collections import OrderedDict
from typing import Final

from serbero.clock import Clock
from serbero.nostr.wrap import GIFT_WRAP_KIND
from serbero.relays.subscriptions import Fields

MAX_CHARACTERS: Final = 16_000
"""Of an event's content. The longest answer is some 3 kB, and its two envelopes double that."""
WRAPS_A_SECOND: Final = 40
"""Gift wraps opened; each costs one to three milliseconds."""
LATE_SECONDS: Final = 3600.0
"""How long after an exchange gift wraps are opened all the same."""
MAX_REFUSED: Final = 8192
"""Ids of events that hold nothing for us: relays send them again."""


class Gate:
    """Screens events before anything is verified or decrypted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._refused: OrderedDict[str, None] = OrderedDict()
        self._late_until = float("-inf")
        self._second, self._count = 0, 0

    def lets_in(self, fields: Fields, *, expecting: bool) -> bool:
        """Whether an event is worth its cryptography.

        Args:
            fields: the event's, unverified.
            expecting: whether an answer is waited for now.
        """
        if len(fields["content"]) > MAX_CHARACTERS:
            return False
        if fields["kind"] != GIFT_WRAP_KIND:
            return True
        now = self._clock.monotonic()
        if self.refused(fields["id"]) or not (expecting or now < self._late_until):
            return False
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        self._count += 1
        return self._count <= WRAPS_A_SECOND

    def expect_late_answers(self) -> None:
        """Go on opening gift wraps for a while: an exchange ended just now."""
        self._late_until = self._clock.monotonic() + LATE_SECONDS

    def refuse(self, event_id: str) -> None:
        """Remember that an event, verified, holds nothing for us."""
        self._refused[event_id] = None
        if len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)

    def refused(self, event_id: str) -> bool:
        """Whether an event was opened in vain."""
        return event_id in self._refused
