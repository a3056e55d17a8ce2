"""The live subscriptions: few a relay, however many channels there are.

A relay allows some 10 to 20 subscriptions, so channels share them, a hundred each. Opening or
closing one asks again only where it stands. What was written before is not asked for here: the
flood of one channel would hide what the others hold (see :mod:`serbero.chat.reading`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from nostr_sdk import Event

from serbero.chat.channel import Channel
from serbero.chat.reading import lane_filter
from serbero.clock import Clock
from serbero.mostro.chat import Envelope
from serbero.nostr.wrap import BACKDATING_SECONDS
from serbero.relays.subscriptions import Fields, Filter, Subscription

CHANNELS_EACH: Final = 100
"""Channels a subscription: some 7 kB a filter, which relays take."""
LIVE_OVERLAP_SECONDS: Final = 60
"""Asked for again at each REQ: parties' clocks, and the moment between two REQs."""


class Subscriber(Protocol):
    """What standing subscriptions need of the relays."""

    def subscribe(self, wanted: Subscription) -> None:
        """Want this from now on; the same id replaces."""

    def unsubscribe(self, id: str) -> None:  # noqa: A002 - NIP-01's word
        """Want it no longer."""


class Standing:
    """Which channel stands in which subscription.

    Args:
        subscriber: the relays.
        screen: called with each event before its signature is verified.
        on_event: called with each verified event.
        clock: ours.
    """

    def __init__(
        self,
        *,
        subscriber: Subscriber,
        screen: Callable[[str, Fields], bool],
        on_event: Callable[[str, Event], None],
        clock: Clock,
    ) -> None:
        self._subscriber = subscriber
        self._screen = screen
        self._on_event = on_event
        self._clock = clock
        self._groups: list[set[Channel]] = []

    def change(self, gone: Iterable[Channel], new: Iterable[Channel]) -> None:
        """Stop listening to some channels and begin with others."""
        changed: set[int] = set()
        for channel in gone:
            for number, group in enumerate(self._groups):
                if channel in group:
                    group.remove(channel)
                    changed.add(number)
        for channel in new:
            number = self._with_room()
            self._groups[number].add(channel)
            changed.add(number)
        for number in sorted(changed):
            self._renew(number)

    def _with_room(self) -> int:
        for number, group in enumerate(self._groups):
            if len(group) < CHANNELS_EACH:
                return number
        self._groups.append(set())
        return len(self._groups) - 1

    def _renew(self, number: int) -> None:
        name, group = f"chat-{number}", self._groups[number]
        if not group:
            self._subscriber.unsubscribe(name)
            return
        channels = tuple(group)
        self._subscriber.subscribe(
            Subscription(
                name,
                filters=lambda: self._filters(channels),
                on_event=self._on_event,
                screen=self._screen,
            )
        )

    def _filters(self, channels: Sequence[Channel]) -> list[Filter]:
        since = self._clock.now() - LIVE_OVERLAP_SECONDS
        kind14 = lane_filter(Envelope.KIND14, (each.kind14.name for each in channels))
        wraps = lane_filter(Envelope.GIFT_WRAP, (each.gift_wrap.name for each in channels))
        return [
            {**kind14, "since": since},
            # Live ones are back-dated; of the stored ones two days would come, so only one is
            # asked for. Some relays take `limit` 0 for no filter at all.
            {**wraps, "since": since - BACKDATING_SECONDS, "limit": 1},
        ]
