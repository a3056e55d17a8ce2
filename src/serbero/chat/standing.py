"""The live subscriptions: few a relay, however many channels there are.

A relay allows some 10 to 20 subscriptions, so channels share them, a hundred each. Opening or
closing one asks again only where it stands. What was written before is not asked for here: the
flood of one channel would hide what the others hold (see :mod:`serbero.chat.reading`).

The two envelopes stand apart: some relays serve gift wraps only to whom they are addressed, and
would close what asks for both (NIP-42, NIP-59).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final, Protocol

from nostr_sdk import Event

from serbero.chat.channel import Channel
from serbero.chat.cursor import first_since
from serbero.chat.reading import lane_filter
from serbero.clock import Clock
from serbero.mostro.chat import Envelope
from serbero.relays.subscriptions import Fields, Filter, Subscription

CHANNELS_EACH: Final = 100
"""Channels a subscription: some 7 kB a filter, which relays take."""
STORED_EVENTS: Final = 20
"""Stored ones asked for at each REQ: enough for the moment between two of them."""

_PREFIXES: Final = {Envelope.KIND14: "chat", Envelope.GIFT_WRAP: "chat-old"}


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
        channels = tuple(self._groups[number])
        for envelope, prefix in _PREFIXES.items():
            name = f"{prefix}-{number}"
            if not channels:
                self._subscriber.unsubscribe(name)
                continue
            self._subscriber.subscribe(
                Subscription(
                    name,
                    filters=partial(self._filters, envelope, channels),
                    on_event=self._on_event,
                    screen=self._screen,
                )
            )

    def _filters(self, envelope: Envelope, channels: Sequence[Channel]) -> list[Filter]:
        # Relays apply `since` to live events as well, and a message may be published long after
        # it was written: so `since` lies as far back as any could be. The limit keeps it cheap.
        opened = min(min(each.read_from, each.opened_at) for each in channels)
        since = first_since(envelope, opened, opened, self._clock.now())
        lanes = [each.lane(envelope) for each in channels]
        for lane in lanes:
            lane.times_asked += 1
        names = (lane.name for lane in lanes)
        return [{**lane_filter(envelope, names), "since": since, "limit": STORED_EVENTS}]
