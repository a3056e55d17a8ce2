"""Asking one relay for what it has stored, and knowing whether it answered.

The library's own fetch returns an empty list alike for "nothing", CLOSED, silence and a dead
relay. Here an answer says whether it is complete.
"""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from nostr_sdk import Event

from serbero.clock import Clock, within
from serbero.nostr.replies import ClosedPolicy, ClosedReason
from serbero.relays.outgoing import Send
from serbero.relays.subscriptions import LATE, REPEATED, Filter, asked_for, fields_of
from serbero.relays.wire import close_message, request_message

ASK_PREFIX: Final = "ask"
"""Our name for the ids of questions; no subscription may bear it."""

MAX_ANSWER_EVENTS: Final = 50_000
"""Events one question may bring before the relay is taken for one that never stops."""

LEAST_CLAMP_EVENTS: Final = 100
CLAMP_STEP_EVENTS: Final = 50
"""Relays that cut pages short do so at round numbers: 100, 250, 500."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one relay said to one question.

    Attributes:
        url: the relay.
        events: verified, matching the filters, each id once, in the order of arrival.
        complete: the relay said that this is all it has (EOSE, for each page).
        reason: why it is not complete, else None.
    """

    url: str
    events: tuple[Event, ...] = ()
    complete: bool = False
    reason: str | None = None


@dataclass(slots=True)
class _Question:
    filters: Sequence[Filter]
    done: asyncio.Future[ClosedReason | str | None] = field(repr=False)
    events: dict[str, Event] = field(default_factory=dict)

    def settle(self, how: ClosedReason | str | None) -> None:
        if not self.done.done():
            self.done.set_result(how)


class Questions:
    """The open questions at one relay."""

    def __init__(
        self, url: str, clock: Clock, send: Send, authenticated: asyncio.Event, auth_wait: float
    ) -> None:
        self._url, self._clock, self._send = url, clock, send
        self._authenticated, self._auth_wait = authenticated, auth_wait
        self._open: dict[str, _Question] = {}
        self._numbers = itertools.count(1)

    @property
    def busy(self) -> bool:
        """Whether a question is open."""
        return bool(self._open)

    def saw_event(self, wire_id: str, event: Event) -> str | None:
        """An event for a question; returns why it was rejected, None if it was taken."""
        question = self._open.get(wire_id)
        if question is None:
            return LATE
        fields = fields_of(event)
        if not asked_for(fields, question.filters):
            return "unasked"
        if not event.verify():
            return "signature"
        if fields["id"] in question.events:
            return REPEATED
        question.events[fields["id"]] = event
        if len(question.events) >= MAX_ANSWER_EVENTS:
            question.settle("too many events")
        return None

    def saw_end(self, wire_id: str) -> None:
        """EOSE."""
        if question := self._open.get(wire_id):
            question.settle(None)

    def saw_closed(self, wire_id: str, reason: ClosedReason) -> None:
        """CLOSED."""
        if question := self._open.get(wire_id):
            question.settle(reason)

    def connection_lost(self) -> None:
        """Nobody will answer these any more."""
        for question in self._open.values():
            question.settle("connection lost")

    async def ask(self, filters: Sequence[Filter], seconds: float) -> Answer:
        """Ask once and close; after ``auth-required`` once more when authenticated."""
        deadline = self._clock.monotonic() + seconds
        events: dict[str, Event] = {}
        how = await self._once(filters, events, deadline)
        wants_auth = isinstance(how, ClosedReason) and how.policy is ClosedPolicy.AUTH
        if wants_auth and await self._authenticate(deadline):
            how = await self._once(filters, events, deadline)
        if isinstance(how, ClosedReason):
            how = how.text or "closed without a reason"
        return Answer(self._url, tuple(events.values()), how is None, how)

    async def _once(
        self, filters: Sequence[Filter], events: dict[str, Event], deadline: float
    ) -> ClosedReason | str | None:
        wire_id = f"{ASK_PREFIX}:{next(self._numbers)}"
        question = _Question(filters, asyncio.get_running_loop().create_future(), events)
        self._open[wire_id] = question
        try:
            if not await self._send(request_message(wire_id, filters)):
                return "not connected"
            return await within(self._clock, deadline - self._clock.monotonic(), question.done)
        except TimeoutError:
            return "no answer in time"
        finally:
            del self._open[wire_id]
            await self._send(close_message(wire_id))

    async def _authenticate(self, deadline: float) -> bool:
        wait = min(self._auth_wait, deadline - self._clock.monotonic())
        try:
            await within(self._clock, wait, self._authenticated.wait())
        except TimeoutError:
            return False
        return True


def _crowded(page: Sequence[Event], limit: int) -> bool:
    """Whether a page may hide events of its one second that the relay did not serve."""
    seconds = {event.created_at().as_secs() for event in page}
    size = len(page)
    clamped = size >= LEAST_CLAMP_EVENTS and size % CLAMP_STEP_EVENTS == 0
    return len(seconds) == 1 and (size >= limit or clamped)


async def ask_in_pages(
    questions: Questions, clock: Clock, url: str, wanted: Filter, seconds: float, page: int
) -> Answer:
    """Everything stored for one filter, newest first, however the relay clamps ``limit``.

    Each page ends where the one before began (``until`` is inclusive and seconds are coarse),
    so events repeat and are counted once; a page with nothing new is stepped over. A second
    with more events than the relay serves at once cannot be read in full: incomplete then.

    Args:
        questions: where to ask.
        clock: for the deadline.
        url: goes into the answer.
        wanted: one filter; a ``limit`` in it is replaced.
        seconds: for all pages together.
        page: events to ask for at a time.
    """
    deadline = clock.monotonic() + seconds
    held: dict[str, Event] = {}
    crowded = False
    until: int | None = None
    while True:
        bounded: dict[str, object] = {**wanted, "limit": page}
        if until is not None:
            bounded["until"] = until
        answer = await questions.ask([bounded], deadline - clock.monotonic())
        new = {event.id().to_hex(): event for event in answer.events}.keys() - held.keys()
        held |= {event.id().to_hex(): event for event in answer.events}
        if not answer.complete:
            return Answer(url, tuple(held.values()), complete=False, reason=answer.reason)
        if not answer.events:
            reason = "one second holds more events than the relay serves" if crowded else None
            return Answer(url, tuple(held.values()), complete=not crowded, reason=reason)
        oldest = min(event.created_at().as_secs() for event in answer.events)
        crowded = crowded or (not new and _crowded(answer.events, page))
        # A relay that ignores `until` must not hold us here for ever.
        below = until is None or oldest <= until
        if not new and not below:
            return Answer(url, tuple(held.values()), complete=False, reason="`until` is ignored")
        until = oldest if new else oldest - 1


async def ask_each_in_pages(
    questions: Questions,
    clock: Clock,
    url: str,
    filters: Sequence[Filter],
    seconds: float,
    page: int,
) -> Answer:
    """Everything stored for several filters; see :func:`ask_in_pages`.

    One filter at a time: several share a REQ, but not the second where a page ends.
    """
    deadline = clock.monotonic() + seconds
    events: dict[str, Event] = {}
    reasons: list[str] = []
    for each in filters:
        part = await ask_in_pages(questions, clock, url, each, deadline - clock.monotonic(), page)
        events |= {event.id().to_hex(): event for event in part.events}
        if part.reason is not None:
            reasons.append(part.reason)
    return Answer(url, tuple(events.values()), not reasons, next(iter(reasons), None))
