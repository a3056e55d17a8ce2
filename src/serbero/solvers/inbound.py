"""Solvers write to our own key, from any client: what arrives is screened, opened and answered.

Two roads, as messages to solvers have: private messages (NIP-17), which arrive as gift wraps that
anybody can send, and Mostro's own ``send-dm``, whose author stands on the event. Strangers get
silence: no answer tells whether anybody reads this.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Never, Protocol

import structlog
from nostr_sdk import Event, Keys

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.intake.announcing import Audience
from serbero.mostro.transport import MESSAGE_KIND
from serbero.nostr.wrap import BACKDATING_SECONDS, GIFT_WRAP_KIND
from serbero.observe.metrics import Metrics
from serbero.relays.subscriptions import Fields, Filter, Subscription
from serbero.solvers.commands import Unknown, parse
from serbero.solvers.desk import Answered, Desk, DeskSettings
from serbero.solvers.pace import (
    DIRECT_A_MINUTE,
    DIRECT_AT_ONCE,
    OPENED_A_MINUTE,
    OPENED_AT_ONCE,
    VERIFIED_A_MINUTE,
    VERIFIED_AT_ONCE,
    AnswerPace,
    Arrival,
    Buckets,
    Verdict,
    Waiting,
)
from serbero.solvers.reading import (
    BEFORE_START_SECONDS,
    MAX_WRAP_CHARACTERS,
    OLDEST_SECONDS,
    Question,
    Rejection,
    age_fault,
    read,
)
from serbero.store import commands as records
from serbero.store.errors import StoreRejected
from serbero.store.patient import PatientStore

DIRECT_SUBSCRIPTION: Final = "solvers"
PRIVATE_SUBSCRIPTION: Final = "solvers-private"
"""Apart from the other: a relay that serves gift wraps to nobody would close what asks for both."""
STORED_EVENTS: Final = 300
"""Of either kind asked for at each REQ: what came while we were away or too busy."""
KEPT_SECONDS: Final = 2 * 86_400
"""How long a message counts as answered; none is answered that is older than an hour or two."""
TIDY_SECONDS: Final = 3_600.0
AGAIN_SECONDS: Final = 60.0
"""The least time between two REQs for what was passed over in a flood."""

_log = structlog.get_logger(__name__)


class Subscriber(Protocol):
    """What the console needs of the relays."""

    def subscribe(self, wanted: Subscription) -> None:
        """Want this from now on; the same id replaces."""


class Console:
    """Reads what solvers write and answers.

    Args:
        keys: ours.
        audience: everybody configured; who cannot be reached is a stranger here.
        store: where disputes and messages are.
        clock: ours.
        metrics: counts.
        settings: what is configured.
        relays: where to listen.
        on_enqueued: called when there is something to send.
        on_changed: called when somebody acknowledged or wants rest.
    """

    def __init__(
        self,
        *,
        keys: Keys,
        audience: Audience,
        store: PatientStore,
        clock: Clock,
        metrics: Metrics,
        settings: DeskSettings,
        relays: Subscriber,
        on_enqueued: Callable[[], None],
        on_changed: Callable[[], None],
    ) -> None:
        self._keys, self._own = keys, keys.public_key().to_hex()
        self._store, self._clock, self._metrics = store, clock, metrics
        self._relays = relays
        self._on_enqueued, self._on_changed = on_enqueued, on_changed
        self._started = clock.now()
        self._desk = Desk(audience, settings, self._started)
        self._solvers = self._desk.solvers
        self._waiting = Waiting()
        self._arrived = asyncio.Event()
        self._verified = Buckets(VERIFIED_A_MINUTE, VERIFIED_AT_ONCE)
        self._direct = Buckets(DIRECT_A_MINUTE, DIRECT_AT_ONCE)
        self._opened = Buckets(OPENED_A_MINUTE, OPENED_AT_ONCE)
        self._pace = AnswerPace()
        self._missed = False
        self._asked_at = clock.monotonic()
        self._tidied_at = float("-inf")

    def listen(self) -> None:
        """Want what solvers write, from now on; nothing where there is no solver."""
        self._asked_at = self._clock.monotonic()
        for each in self.subscriptions():
            self._relays.subscribe(each)

    def subscriptions(self) -> Sequence[Subscription]:
        """What is asked of relays."""
        if not self._solvers:
            # Some relays refuse a filter whose list of authors is empty.
            return ()
        wished = (
            (DIRECT_SUBSCRIPTION, self._direct_filters),
            (PRIVATE_SUBSCRIPTION, self._private_filters),
        )
        return tuple(
            Subscription(name, filters=filters, on_event=self.on_event, screen=self.screen)
            for name, filters in wished
        )

    def _direct_filters(self) -> list[Filter]:
        return [
            {
                "kinds": [MESSAGE_KIND],
                "authors": sorted(self._solvers),
                "#p": [self._own],
                "since": self._oldest(),
                "limit": STORED_EVENTS,
            }
        ]

    def _private_filters(self) -> list[Filter]:
        # Relays apply `since` to live events as well, and a gift wrap is dated up to two days
        # before it was sent.
        since = max(0, self._oldest() - BACKDATING_SECONDS)
        wraps = {"kinds": [GIFT_WRAP_KIND], "#p": [self._own]}
        return [wraps | {"since": since, "limit": STORED_EVENTS}]

    def _oldest(self) -> int:
        return max(0, self._clock.now() - OLDEST_SECONDS - BEFORE_START_SECONDS)

    def screen(self, url: str, fields: Fields) -> bool:
        """Whether an event is worth verifying; never blocks, never raises."""
        if self._waiting.knows(fields["id"]):
            return False
        if len(fields["content"]) > MAX_WRAP_CHARACTERS:
            self._count(Rejection.TOO_LARGE)
            return False
        now = self._clock.monotonic()
        if fields["kind"] == GIFT_WRAP_KIND:
            affordable = self._verified.take(url, now)
        else:
            affordable = self._direct.take(f"{fields['pubkey']} {url}", now)
        if not affordable:
            self._over_budget()
        return affordable

    def on_event(self, url: str, event: Event) -> None:
        """Take a screened event whose signature was verified; never blocks, never raises."""
        event_id = event.id().to_hex()
        if self._waiting.knows(event_id):
            return
        private = event.kind().as_u16() == GIFT_WRAP_KIND
        lane = url if private else event.author().to_hex()
        if not self._waiting.put(Arrival(lane, event_id, event)):
            self._over_budget()
        self._arrived.set()

    async def run(self) -> Never:
        """Open and answer, for ever."""
        while True:
            self._arrived.clear()
            while (arrival := self._waiting.take()) is not None:
                await self._afford(arrival)
                await self._look(arrival)
            self._ask_again()
            await self._tidy()
            await wait_for_event(self._clock, self._arrived, AGAIN_SECONDS)

    async def _afford(self, arrival: Arrival) -> None:
        """Wait until a gift wrap may be opened; what a solver signed costs less and waits not."""
        if arrival.event.kind().as_u16() != GIFT_WRAP_KIND:
            return
        while not self._opened.take("", self._clock.monotonic()):
            await self._clock.sleep(60 / OPENED_A_MINUTE)

    async def _look(self, arrival: Arrival) -> None:
        now = self._clock.now()
        found = read(arrival.event, self._keys, self._solvers, now)
        if isinstance(found, Question):
            fault = age_fault(found.created_at, self._started, now)
            if fault is None:
                await self._answer(found)
                return
            if fault is Rejection.FUTURE:
                _log.info("solver_clock_ahead", solver=found.solver[:12])
            found = fault
        self._count(found)
        _log.debug("solver_message_rejected", reason=found.value)

    async def _answer(self, question: Question) -> None:
        # Before it is counted: relays, and wraps of the same message, must not use up answers.
        if await self._store.read(records.seen, question.id):
            self._metrics.solver_messages.labels("seen").inc()
            return
        understood = not isinstance(parse(question.text), Unknown)
        now = self._clock.monotonic()
        verdict = self._pace.judge(question.solver, now, understood=understood)
        at_ms = now_ms(self._clock)
        try:
            done = await self._store.transact(self._desk.answer, question, verdict, at_ms)
        except StoreRejected as error:
            self._metrics.solver_messages.labels("failed").inc()
            _log.error("solver_command_failed", reason=str(error))
            return
        self._told(question, verdict, done)

    def _told(self, question: Question, verdict: Verdict, done: Answered | None) -> None:
        outcome = "seen" if done is None else _OUTCOMES[verdict]
        self._metrics.solver_messages.labels(outcome).inc()
        if done is None or verdict is Verdict.SILENCE:
            return
        _log.info(
            "solver_command",
            solver=question.solver[:12],
            command=done.command,
            outcome=done.outcome,
            channel=question.channel.value,
        )
        if done.changed:
            self._on_changed()
        if done.rows:
            self._on_enqueued()

    def _over_budget(self) -> None:
        self._missed = True
        self._count(Rejection.OVER_BUDGET)

    def _count(self, why: Rejection) -> None:
        self._metrics.solver_messages.labels(why.value).inc()

    def _ask_again(self) -> None:
        """Once a flood is over, have the relays send again what was passed over in it."""
        if self._missed and self._clock.monotonic() - self._asked_at >= AGAIN_SECONDS:
            self._missed = False
            self.listen()

    async def _tidy(self) -> None:
        if self._clock.monotonic() - self._tidied_at >= TIDY_SECONDS:
            self._tidied_at = self._clock.monotonic()
            await self._store.transact(records.forget, self._clock.now() - KEPT_SECONDS)


_OUTCOMES: Final = {
    Verdict.ANSWER: "answered",
    Verdict.SAY_SO: "too_many",
    Verdict.SILENCE: "silence",
}
