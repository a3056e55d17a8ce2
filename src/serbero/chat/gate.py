"""Steps 1 to 7 of receiving: which events are worth decrypting, cheapest check first."""

import secrets
from collections.abc import Callable, Iterable
from typing import Final

from nostr_sdk import Event

from serbero.chat.channel import Channel, Lane
from serbero.chat.inbox import Arrival, Inbox
from serbero.chat.tally import Tally
from serbero.clock import Clock
from serbero.mostro import chat, legacy_chat
from serbero.mostro.chat import CHAT_KIND, ChatRejection, Envelope
from serbero.relays.subscriptions import Fields, fields_of

_CHANCE: Final = secrets.SystemRandom()
_SCREENS: Final = {Envelope.KIND14: chat.screen, Envelope.GIFT_WRAP: legacy_chat.screen}


class Gate:
    """Lets events of known channels into the inbox.

    Args:
        inbox: where they go.
        tally: told of what is refused.
        clock: ours.
        on_arrival: called when the inbox gained something.
    """

    def __init__(
        self, *, inbox: Inbox, tally: Tally, clock: Clock, on_arrival: Callable[[], None]
    ) -> None:
        self._inbox = inbox
        self._tally = tally
        self._clock = clock
        self._on_arrival = on_arrival
        self._lanes: dict[tuple[Envelope, str], list[Lane]] = {}

    def admit(self, channel: Channel) -> list[Channel]:
        """Know a channel from now on; return those of the same keys that are known already.

        A trade key belongs to one trade, so there should be none. If there is, nothing tells
        which of them a message is meant for: it goes to the one that is open, of several to the
        youngest.
        """
        for lane in channel.lanes:
            self._lanes.setdefault((lane.envelope, lane.name), []).append(lane)
        beside = self._lanes[channel.kind14.envelope, channel.kind14.name]
        return [lane.channel for lane in beside if lane.channel is not channel]

    def dismiss(self, channel: Channel) -> None:
        """Know it no longer; others of the same keys stay."""
        for lane in channel.lanes:
            key = (lane.envelope, lane.name)
            kept = [each for each in self._lanes.get(key, ()) if each is not lane]
            if kept:
                self._lanes[key] = kept
            else:
                self._lanes.pop(key, None)

    def screen(self, url: str, fields: Fields) -> bool:
        """Whether a live event is worth verifying (steps 1 to 6); never blocks, never raises."""
        lane = self._lane_of(fields)
        if lane is None or not self._passes(lane, fields):
            return False
        if not lane.budget.may_verify(url, self._clock.monotonic()):
            self._over_budget(lane, url, fields)
            return False
        return True

    def arrived(self, url: str, event: Event) -> None:
        """Take a live event that was screened and whose signature was verified (step 7)."""
        self._take(url, fields_of(event), live=True)

    def fetched(self, url: str, events: Iterable[Event]) -> int:
        """Take what a relay had stored, verified; return how many were news."""
        news = 0
        for fields in _in_order([fields_of(event) for event in events]):
            lane = self._lane_of(fields)
            if lane is not None and self._passes(lane, fields):
                self._take(url, fields, live=False)
                news += 1
        return news

    def _take(self, url: str, fields: Fields, *, live: bool) -> None:
        lane = self._lane_of(fields)
        if lane is None:
            return
        arrival = Arrival(lane, url, fields, live)
        # Room is asked for first: what finds none must not spend what is opened.
        if (
            self._inbox.has_room(arrival)
            and lane.budget.may_open(arrival.size, self._clock.monotonic())
            and self._inbox.put(arrival)
        ):
            self._on_arrival()
        else:
            self._over_budget(lane, url, fields)

    def _passes(self, lane: Lane, fields: Fields) -> bool:
        """Steps 1 to 5."""
        why = _SCREENS[lane.envelope](fields, lane.channel.keys, self._clock.now())
        if why is not None:
            self._tally.rejected(lane, why)
            return False
        # Copies from other relays and repeated questions: nothing to tell.
        return not self._inbox.knows(fields["id"])

    def _over_budget(self, lane: Lane, url: str, fields: Fields) -> None:
        lane.miss(url, fields["created_at"])
        self._tally.rejected(lane, ChatRejection.BUDGET)

    def _lane_of(self, fields: Fields) -> Lane | None:
        if fields["kind"] == CHAT_KIND:
            return self._lane(Envelope.KIND14, fields["pubkey"])
        for tag in fields["tags"]:
            if tag[:1] == ["p"] and len(tag) > 1:
                lane = self._lane(Envelope.GIFT_WRAP, tag[1])
                if lane is not None:
                    return lane
        return None

    def _lane(self, envelope: Envelope, name: str) -> Lane | None:
        lanes = self._lanes.get((envelope, name))
        if lanes is None:
            return None
        return lanes[0] if len(lanes) == 1 else max(lanes, key=_preference)


def _in_order(events: list[Fields]) -> list[Fields]:
    """The oldest first; gift wraps by chance.

    Their times mean nothing, and a stranger who chose his would always be looked at before the
    party, and use up what is looked at.
    """
    wraps = [each for each in events if each["kind"] != CHAT_KIND]
    chats = [each for each in events if each["kind"] == CHAT_KIND]
    _CHANCE.shuffle(wraps)
    return sorted(chats, key=lambda each: (each["created_at"], each["id"])) + wraps


def _preference(lane: Lane) -> tuple[bool, int]:
    return (lane.channel.closed_at is None, lane.channel.opened_at)
