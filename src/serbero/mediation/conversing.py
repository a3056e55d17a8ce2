"""Leading the open sessions: each is evaluated when its parties have finished typing.

When is in the database (``session_facts.evaluate_at``), so a restart goes on where the last life
ended. One evaluation at a time a session; sessions do not wait for one another.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms, wait_for_event
from serbero.mediation import evaluation
from serbero.mediation.bundles import Bundles
from serbero.mediation.evaluation import ESCALATED, MOST_A_ROUND, Acting, View
from serbero.mediation.mind import Mind, entries_of
from serbero.mediation.policy import asks_for_human, decide
from serbero.mediation.summarising import Summariser
from serbero.model.backoff import exponential
from serbero.model.mediation import EscalationReason, SessionState, Trigger
from serbero.observe.metrics import Metrics
from serbero.reasoning.bundle import PromptBundle
from serbero.reasoning.calls import ClassifyRequest, ReasoningFailed
from serbero.store import evaluations, sessions
from serbero.store.errors import StoreRejected
from serbero.store.escalations import Handoff
from serbero.store.patient import PatientStore
from serbero.store.sessions import Session

LONGEST_SLEEP_SECONDS: Final = 30.0
SHORTEST_SLEEP_SECONDS: Final = 0.5
"""While everything that is due is being evaluated already."""
LONGEST_REST_SECONDS: Final = 1800.0
"""Of a session with a fault nobody foresaw that cannot even be handed over."""
_BATCH: Final = 100
_MOST_CALM: Final = 10_000

_log = structlog.get_logger(__name__)


class Conversation:
    """Leads sessions.

    Args:
        store: where they are.
        mind: the model; None where mediation is off, so that open sessions go to a human.
        bundles: what each session tells the model.
        acting: who acts.
        summariser: makes summaries.
        clock: ours.
        metrics: counts.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        mind: Mind | None,
        bundles: Bundles,
        acting: Acting,
        summariser: Summariser,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._mind, self._bundles = store, mind, bundles
        self._acting, self._summariser = acting, summariser
        self._clock, self._metrics = clock, metrics
        self._on_enqueued = on_enqueued
        self._woken = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resting: dict[str, float] = {}
        """Sessions with a fault nobody foresaw, until when they are left alone, monotonic."""
        self._faults: dict[str, int] = {}
        """How often in a row they had one."""
        self._calm: set[str] = set()
        """Inner ids of messages that were found not to ask for a person."""

    def wake(self) -> None:
        """A party wrote, or a session has become ready for its summary. Never blocks."""
        self._woken.set()

    @property
    def idle(self) -> bool:
        """Whether nothing is being evaluated."""
        return not self._tasks and not self._woken.is_set()

    async def run(self) -> Never:
        """Evaluate what is due, for ever."""
        try:
            while True:
                self._woken.clear()
                wait = await self._look()
                await wait_for_event(self._clock, self._woken, wait)
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> float:
        """Begin what is due; return the seconds until something else is."""
        now = self._clock.now()
        # Those at work and at rest are due as well; they must not stand before the others.
        room = _BATCH + len(self._tasks) + len(self._resting)
        due, unfinished, next_at = await self._store.read(_work, now, room)
        for session in due:
            self._begin(session.session_id, self._evaluate)
        for session in unfinished:
            self._begin(session.session_id, self._summarise)
        if next_at is None:
            return LONGEST_SLEEP_SECONDS
        return min(LONGEST_SLEEP_SECONDS, max(SHORTEST_SLEEP_SECONDS, next_at - now))

    def _begin(self, session_id: str, work: Callable[[str], Coroutine[None, None, None]]) -> None:
        if session_id in self._tasks or self._rests(session_id):
            return
        task = asyncio.create_task(self._guarded(session_id, work), name=f"session {session_id}")
        self._tasks[session_id] = task

        def over(done: asyncio.Task[None]) -> None:
            del self._tasks[session_id]
            if not done.cancelled():
                if (fault := done.exception()) is not None:
                    _log.error("evaluation_failed", session_id=session_id, exc_info=fault)
                self.wake()

        task.add_done_callback(over)

    async def _evaluate(self, session_id: str) -> None:
        """Ask the model about a session and do what the policy decides."""
        view = await self._store.read(evaluation.look, session_id)
        if view is None or view.session.state is not SessionState.AWAITING_RESPONSE:
            return
        if await self._called_for_a_person(view):
            return
        if view.session.open_question and view.session.evaluations >= MOST_A_ROUND:
            # The model was asked often enough this round: wait until the other party answers, too.
            await self._store.transact(evaluations.rest, session_id)
            return
        bundle = await self._bundles.of(view.session.pins.policy_hash)
        if bundle is None:
            await self._hand_over(view.session, self._without_bundle())
            return
        await self._ask_the_model(view, bundle)

    async def _called_for_a_person(self, view: View) -> bool:
        """Hand a session over in which a party asks for a person."""
        if not (wanted := await self._who_wants_a_person(view)):
            return False
        reason = EscalationReason.HUMAN_REQUESTED.value
        handoff = Handoff(Trigger.LOW_CONFIDENCE, reason=reason, evidence_refs=wanted)
        await self._hand_over(view.session, handoff)
        return True

    async def _who_wants_a_person(self, view: View) -> tuple[str, ...]:
        """Return the inner ids of the messages that ask for one; each is read for that once."""
        lines = tuple(each for each in view.lines if each.inner_id not in self._calm)
        wanted = await asyncio.to_thread(evaluation.human_wanted, lines, asks_for_human)
        if len(self._calm) > _MOST_CALM:
            self._calm.clear()
        self._calm.update({each.inner_id for each in lines}.difference(wanted))
        return wanted

    async def _ask_the_model(self, view: View, bundle: PromptBundle) -> None:
        session = view.session
        if self._mind is None or view.initiator is None:
            await self._fail(view, None)
            return
        outcome = await self._mind.classify(
            ClassifyRequest(
                session_id=session.session_id,
                dispute_id=session.dispute_id,
                initiator=view.initiator.value,
                round_count=session.pairs_put,
                bundle=bundle,
                transcript=entries_of(view.lines),
            )
        )
        if isinstance(outcome, ReasoningFailed):
            await self._fail(view, outcome)
            return
        facts = view.facts(self._acting.max_rounds)
        decision = await asyncio.to_thread(decide, outcome.verdict, facts)
        done = await self._store.transact(
            evaluation.conclude, self._acting, view, outcome, decision, now_ms(self._clock)
        )
        self._metrics.mediation_decisions.labels(done).inc()
        _log.info(
            "session_evaluated",
            dispute_id=session.dispute_id,
            session_id=session.session_id,
            classification=outcome.verdict.classification.value,
            confidence=outcome.verdict.confidence,
            decision=done,
        )
        if (trigger := done.removeprefix(ESCALATED)) != done:
            _log.warning(
                "escalation_recommended",
                dispute_id=session.dispute_id,
                session_id=session.session_id,
                trigger=trigger,
            )
        self._on_enqueued()

    async def _summarise(self, session_id: str) -> None:
        view = await self._store.read(evaluation.look, session_id)
        # A party may call for a person while the model judges (looked for here), or while it writes
        # the summary (looked for by the summariser).
        if view is not None and not await self._called_for_a_person(view):
            await self._summariser.summarise(
                session_id, self._without_bundle, self._look_for_a_call
            )

    async def _look_for_a_call(self, session_id: str) -> None:
        view = await self._store.read(evaluation.look, session_id)
        if view is not None and view.session.state is SessionState.SUMMARY_PENDING:
            await self._called_for_a_person(view)

    def _without_bundle(self) -> Handoff:
        current = self._bundles.current
        loaded = None if current is None else current.policy_hash
        return Handoff(Trigger.POLICY_BUNDLE_MISSING, loaded_hash=loaded)

    async def _fail(self, view: View, failure: ReasoningFailed | None) -> None:
        about = (self._acting.audience, view, failure, now_ms(self._clock))
        failures = await self._store.transact(evaluation.failed, *about)
        _log.warning(
            "evaluation_without_verdict",
            dispute_id=view.session.dispute_id,
            session_id=view.session.session_id,
            failures=failures,
            of=evaluation.MOST_FAILURES,
        )
        self._on_enqueued()

    async def _hand_over(self, session: Session, handoff: Handoff) -> None:
        about = (self._acting.audience, session.session_id, handoff, now_ms(self._clock))
        if await self._store.transact(evaluation.escalate_as, *about):
            self._metrics.mediation_decisions.labels(f"{ESCALATED}{handoff.trigger.value}").inc()
            _log.warning(
                "escalation_recommended",
                dispute_id=session.dispute_id,
                session_id=session.session_id,
                trigger=handoff.trigger.value,
                reason=handoff.reason,
            )
        self._on_enqueued()

    async def _guarded(
        self, session_id: str, work: Callable[[str], Coroutine[None, None, None]]
    ) -> None:
        """Do it; one session's fault costs only itself, not at once again, and not for ever."""
        try:
            await work(session_id)
        except Exception as error:  # noqa: BLE001 - a boundary: the others go on
            self._tell_fault(session_id, error)
            faults = self._faults[session_id] = self._faults.get(session_id, 0) + 1
            wait = exponential(faults, evaluation.RETRY_SECONDS, LONGEST_REST_SECONDS)
            self._resting[session_id] = self._clock.monotonic() + wait
            await self._count_fault(session_id)
        else:
            self._faults.pop(session_id, None)

    async def _count_fault(self, session_id: str) -> None:
        """Let a human have what fails again and again; where that fails too, it only rests."""
        about = (self._acting.audience, session_id, now_ms(self._clock))
        try:
            await self._store.transact(evaluation.stumbled, *about)
        except Exception as error:  # noqa: BLE001 - the same boundary
            self._tell_fault(session_id, error)
        self._on_enqueued()

    @staticmethod
    def _tell_fault(session_id: str, error: Exception) -> None:
        known = isinstance(error, StoreRejected)
        _log.error(
            "evaluation_failed",
            session_id=session_id,
            reason=str(error) if known else type(error).__name__,
            exc_info=None if known else error,
        )

    def _rests(self, session_id: str) -> bool:
        until = self._resting.get(session_id)
        if until is not None and self._clock.monotonic() >= until:
            del self._resting[session_id]
            until = None
        return until is not None


def _work(
    tx: sa.Connection, now: int, limit: int
) -> tuple[list[Session], list[Session], int | None]:
    """What is due, what waits for its summary, and when something is due next."""
    return (
        sessions.due_for_evaluation(tx, now, limit),
        sessions.without_summary(tx),
        sessions.next_evaluation_at(tx),
    )
