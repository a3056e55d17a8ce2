"""Beginning mediations: which dispute is looked at when, and what one attempt does.

The database says which disputes may start; being woken only makes it look sooner, so nothing is
missed by a restart or a lost wake-up. Each attempt is a task of its own, as many at once as
configured, oldest dispute first.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.intake.announcing import Audience
from serbero.mediation import start_records
from serbero.mediation.authority import Authority
from serbero.mediation.bundles import Bundles, pins_of
from serbero.mediation.escalating import move_to
from serbero.mediation.mind import Asked, Mind
from serbero.mediation.opening import Opener, Prepared
from serbero.mediation.own_faults import OwnFaults
from serbero.mediation.policy import Ask, Escalate, Summarize, decide, opening
from serbero.mediation.standing import Gate
from serbero.mediation.start_records import Begun
from serbero.model.backoff import exponential
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind, EscalationReason, StopReason, Trigger
from serbero.model.party import Party
from serbero.model.taking import TakeState
from serbero.node.result import TAKEN_OVER, NoAnswer, Refused, Taken, TakeResult
from serbero.observe.metrics import Metrics
from serbero.reasoning.bundle import PromptBundle
from serbero.reasoning.calls import Classified, ClassifyRequest, ReasoningFailed
from serbero.store import audit_trail, eligibility, parties, start_events
from serbero.store.eligibility import Candidate, Ineligible
from serbero.store.errors import StoreRejected
from serbero.store.mediation_events import Pins
from serbero.store.patient import PatientStore
from serbero.store.standing import StandingState

SWEEP_SECONDS: Final = 30.0
"""Between two looks for what nobody woke us for."""
REST_SECONDS: Final = 300.0
"""A dispute with a fault that could not even be recorded is left alone so long, then longer."""
LONGEST_REST_SECONDS: Final = 21_600.0

_log = structlog.get_logger(__name__)

Take = Callable[[str], Awaitable[TakeResult]]


@dataclass(frozen=True, slots=True)
class StartSettings:
    """How mediations begin.

    Attributes:
        node: only its disputes, hex.
        at_once: attempts at once.
        deadline_seconds: so long after the first failed attempt a dispute goes to a human.
        max_rounds: pairs of questions a session may put.
    """

    node: str
    at_once: int
    deadline_seconds: int
    max_rounds: int


class Starter:
    """Begins mediations.

    Args:
        store: where everything is.
        mind: judges disputes.
        bundles: what the model is told.
        authority: whether the node lets us act.
        opener: opens sessions.
        take: asks the node for a dispute.
        clock: ours.
        metrics: counts.
        settings: limits.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        mind: Mind,
        bundles: Bundles,
        authority: Authority,
        opener: Opener,
        take: Take,
        clock: Clock,
        metrics: Metrics,
        settings: StartSettings,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._mind, self._bundles = store, mind, bundles
        self._authority, self._opener, self._take = authority, opener, take
        self._clock, self._metrics, self._settings = clock, metrics, settings
        self._on_enqueued = on_enqueued
        self._faults = OwnFaults(store, clock, opener.audience, self._pins_at_hand)
        self._woken = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._prepared: dict[str, Prepared] = {}
        """Verdicts whose take is under way; read on the database's thread."""
        self._told: set[str] = set()
        """Disputes whose failed take is on record already."""
        self._resting: dict[str, float] = {}
        """Disputes with a fault that is not on record, until when they rest, monotonic."""
        self._unrecorded: Counter[str] = Counter()
        """How often each had one."""

    @property
    def _audience(self) -> Audience:
        return self._opener.audience

    def wake(self) -> None:
        """There may be something to begin with. Never blocks."""
        self._woken.set()

    @property
    def idle(self) -> bool:
        """Whether no attempt is under way."""
        return not self._tasks and not self._woken.is_set()

    # --- hooks of the take -----------------------------------------------------------------

    def on_taken(self, tx: sa.Connection, taken: Taken, now: int) -> None:
        """The node gave us a dispute: open its session in the transaction that records it.

        Without a verdict at hand, because the answer came after a restart or after we had given
        up, the dispute is only held; the next attempt goes on from there.
        """
        prepared = self._prepared.get(taken.dispute_id)
        pins = prepared.pins if prepared else self._pins(tx, taken.dispute_id)
        if pins is None:
            return
        start_events.take_dispute_issued(tx, taken.dispute_id, now, pins=pins)
        eligibility.forget_failed_starts(tx, taken.dispute_id)
        kind = AuditKind.ESCALATION_RECOMMENDED
        if audit_trail.newest_of_dispute(tx, taken.dispute_id, kind) is not None:
            # It went to a human while the answer was on its way; we only hold it for them.
            move_to(tx, taken.dispute_id, Lifecycle.ESCALATED, now, "late_take")
        elif prepared is not None:
            told = {Party.BUYER: taken.info.buyer, Party.SELLER: taken.info.seller}
            keys = {party: key for party, key in told.items() if key is not None}
            if not self._opener.open(tx, prepared, keys, taken.answered_at, now * 1000):
                self._later(tx, taken.dispute_id)

    def on_outcome(
        self, tx: sa.Connection, dispute_id: str, state: TakeState, reason: str | None, now: int
    ) -> None:
        """A take ended; one that gave us nothing is on record with it."""
        if state is TakeState.TAKEN:
            return
        pins = self._pins(tx, dispute_id)
        if pins is not None:
            start_records.take_failed(tx, dispute_id, state, reason, now, pins)
            self._told.add(dispute_id)

    def _pins(self, tx: sa.Connection, dispute_id: str) -> Pins | None:
        prepared = self._prepared.get(dispute_id)
        return prepared.pins if prepared else start_records.pins_of_verdict(tx, dispute_id)

    # --- which and when --------------------------------------------------------------------

    async def run(self) -> Never:
        """Begin what may begin, for ever."""
        try:
            while True:
                self._woken.clear()
                for candidate in await self._next():
                    self._begin(candidate)
                await wait_for_event(self._clock, self._woken, SWEEP_SECONDS)
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self) -> list[Candidate]:
        """What to begin with now, oldest first."""
        room = self._settings.at_once - len(self._tasks)
        if room < 1 or self._bundles.current is None:
            return []
        gate = self._authority.gate()
        if gate is Gate.OPEN and self._authority.state is StandingState.REFUSED:
            # While the node refuses us, one is enough to learn whether it still does.
            room = 1 if not self._tasks else 0
        monotonic = self._clock.monotonic()
        self._resting = {each: at for each, at in self._resting.items() if at > monotonic}
        passed_over = self._tasks.keys() | self._resting.keys()
        found = await self._store.read(
            self._candidates, self._clock.now(), room + len(passed_over), gate
        )
        return [each for each in found if each.dispute_id not in passed_over][:room]

    def _candidates(self, tx: sa.Connection, now: int, limit: int, gate: Gate) -> list[Candidate]:
        # That nothing begins is on record once a dispute, not at every look.
        untried = gate is not Gate.OPEN
        return eligibility.candidates(tx, now, limit, self._settings.node, untried=untried)

    def _begin(self, candidate: Candidate) -> None:
        dispute_id = candidate.dispute_id
        task = asyncio.create_task(self._attempt(candidate), name=f"start {dispute_id}")
        self._tasks[dispute_id] = task

        def over(done: asyncio.Task[None]) -> None:
            del self._tasks[dispute_id]
            self._prepared.pop(dispute_id, None)
            self._told.discard(dispute_id)
            if not done.cancelled():
                if (fault := done.exception()) is not None:
                    _log.error("start_attempt_failed", dispute_id=dispute_id, exc_info=fault)
                    self._rest(dispute_id)
                self.wake()

        task.add_done_callback(over)

    def _rest(self, dispute_id: str) -> None:
        self._unrecorded[dispute_id] += 1
        rest = exponential(self._unrecorded[dispute_id], REST_SECONDS, LONGEST_REST_SECONDS)
        self._resting[dispute_id] = self._clock.monotonic() + rest

    # --- one attempt -----------------------------------------------------------------------

    async def _attempt(self, candidate: Candidate) -> None:
        try:
            result = await self._start(candidate)
        except Exception as error:  # noqa: BLE001 - one dispute's fault must cost only itself
            result = "failed"
            known = isinstance(error, StoreRejected)
            _log.error(
                "start_attempt_failed",
                dispute_id=candidate.dispute_id,
                reason=str(error) if known else type(error).__name__,
                exc_info=not known,
            )
            await self._faults.happened(candidate.dispute_id, type(error).__name__)
        self._metrics.mediation_starts.labels(result).inc()
        self._on_enqueued()

    def _pins_at_hand(self, tx: sa.Connection, dispute_id: str) -> Pins | None:
        pins, bundle = self._pins(tx, dispute_id), self._bundles.current
        return pins_of(bundle) if pins is None and bundle is not None else pins

    async def _start(self, candidate: Candidate) -> str:
        """Run one attempt; return a word for how it ended."""
        dispute_id, bundle = candidate.dispute_id, self._bundles.current
        if bundle is None:
            return "not_ready"
        if await self._faults.are_too_many(dispute_id):
            return "failed"
        begun = await self._store.transact(
            start_records.begin, dispute_id, self._authority.gate(), self._clock.now()
        )
        if not isinstance(begun, Begun):
            return self._stopped(dispute_id, begun)
        _log.info("start_attempt_started", dispute_id=dispute_id)
        if not self._mind.healthy and await self._mind.health() is not None:
            await self._store.transact(
                start_records.unhealthy,
                self._audience,
                dispute_id,
                pins_of(bundle),
                self._settings.deadline_seconds,
                now_ms(self._clock),
            )
            return self._stopped(dispute_id, StopReason.REASONING_UNHEALTHY)
        prepared = await self._judge(begun, bundle)
        if prepared is None:
            return "no_positive_verdict"
        if begun.holding is not None:
            await self._store.transact(self._resume, prepared, now_ms(self._clock))
            return "resumed"
        return await self._take_it(prepared)

    def _stopped(self, dispute_id: str, why: StopReason | Ineligible) -> str:
        _log.info("start_attempt_stopped", dispute_id=dispute_id, reason=why.value)
        return why.value

    async def _judge(self, begun: Begun, bundle: PromptBundle) -> Prepared | None:
        """Ask the model and let the policy decide; None where nothing is to be taken."""
        candidate = begun.candidate
        asked = Asked(candidate.dispute_id, None, pins_of(bundle))
        outcome = await self._mind.classify(
            ClassifyRequest(
                session_id=candidate.dispute_id,
                dispute_id=candidate.dispute_id,
                initiator=candidate.initiator.value,
                round_count=0,
                bundle=bundle,
            )
        )
        if isinstance(outcome, ReasoningFailed):
            await self._store.transact(
                start_records.no_verdict,
                self._audience,
                asked,
                outcome,
                self._settings.deadline_seconds,
                now_ms(self._clock),
            )
            return None
        facts = opening(self._settings.max_rounds)
        decision = await asyncio.to_thread(decide, outcome.verdict, facts)
        if isinstance(decision, Summarize):  # the policy says so too: nobody has said anything
            reason = EscalationReason.SUMMARY_WITHOUT_ANSWERS
            decision = Escalate(Trigger.INVALID_MODEL_OUTPUT, reason)
        prepared = await self._store.transact(
            start_records.verdict, self._audience, asked, outcome, decision, now_ms(self._clock)
        )
        self._tell_verdict(outcome, decision, candidate.dispute_id, positive=prepared is not None)
        return prepared

    @staticmethod
    def _tell_verdict(
        outcome: Classified, decision: Ask | Escalate, dispute_id: str, *, positive: bool
    ) -> None:
        _log.info(
            "reasoning_verdict" if positive else "reasoning_verdict_negative",
            dispute_id=dispute_id,
            classification=outcome.verdict.classification.value,
            confidence=outcome.verdict.confidence,
            decision=type(decision).__name__.lower(),
        )

    async def _take_it(self, prepared: Prepared) -> str:
        dispute_id = prepared.dispute_id
        self._prepared[dispute_id] = prepared
        self._told.discard(dispute_id)
        result = await self._take(dispute_id)
        match result:
            case Taken():
                return "opened"
            case Refused():
                await self._note_failure(prepared, TakeState.REFUSED, result.reason)
                if result.reason != TAKEN_OVER:
                    self._authority.refused(dispute_id, result.reason)
                return "refused"
            case NoAnswer():
                await self._note_failure(prepared, TakeState.NO_ANSWER, None)
                return "no_answer"

    async def _note_failure(self, prepared: Prepared, state: TakeState, reason: str | None) -> None:
        """Record a failed take that no exchange recorded: nothing was asked at all."""
        dispute_id = prepared.dispute_id
        if dispute_id not in self._told:
            now = self._clock.now()
            about = (dispute_id, state, reason, now, prepared.pins)
            await self._store.transact(start_records.take_failed, *about)

    def _resume(self, tx: sa.Connection, prepared: Prepared, at_ms: int) -> None:
        """Open the session of a dispute that an earlier attempt took."""
        dispute_id = prepared.dispute_id
        holding = parties.holding(tx, dispute_id)
        if holding is None:
            return
        if not start_records.took(tx, dispute_id):
            # Taken in a life that knew of no verdict; that we hold it is what counts.
            now = at_ms // 1000
            start_events.take_dispute_issued(tx, dispute_id, now, pins=prepared.pins)
        keys = parties.trade_keys(tx, dispute_id)
        if not self._opener.open(tx, prepared, keys, holding.answered_at, at_ms):
            self._later(tx, dispute_id)

    def _later(self, tx: sa.Connection, dispute_id: str) -> None:
        """Let a dispute rest before the next attempt."""
        eligibility.start_failed(tx, dispute_id, start_records.backoff, self._clock.now())
