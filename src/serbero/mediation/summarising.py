"""The end of a mediation that went well: a summary for whoever decides.

The session waits in ``summary_pending`` until a relay has taken the summary for one solver; that
settlement closes it. If nobody can have it, it goes to a human the loud way.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.chat.opening import close_in
from serbero.clock import Clock, now_ms
from serbero.intake.announcing import Audience
from serbero.mediation import evaluation
from serbero.mediation.bundles import Bundles
from serbero.mediation.escalating import escalate, move_to
from serbero.mediation.evaluation import View
from serbero.mediation.mind import Mind, entries_of, failed_call, rationale_of, record_call
from serbero.mediation.policy import Deliver, Escalate, decide_summary
from serbero.mediation.start_records import handoff_of
from serbero.mediation.telling import tell_summary
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import EscalationReason, SessionState, Trigger
from serbero.model.reasoning import Classification
from serbero.reasoning.calls import ReasoningFailed, Summarised, SummarizeRequest
from serbero.store import (
    chats,
    mediation_events,
    outbox_summaries,
    rationales,
    sessions,
    summaries,
)
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Label
from serbero.store.outbox_work import Row
from serbero.store.patient import PatientStore
from serbero.store.session_moves import Moved, advance, finish_summary

NO_RECIPIENTS: Final = "no solver recipients configured"
ALL_FAILED: Final = "all recipient sends failed"

_log = structlog.get_logger(__name__)


class Summariser:
    """Makes summaries.

    Args:
        store: where sessions are.
        mind: the model; None where mediation is off.
        bundles: what each session tells the model.
        audience: the solvers.
        clock: ours.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        mind: Mind | None,
        bundles: Bundles,
        audience: Audience,
        clock: Clock,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._mind, self._bundles = store, mind, bundles
        self._audience, self._clock = audience, clock
        self._on_enqueued = on_enqueued

    async def summarise(
        self,
        session_id: str,
        without_bundle: Callable[[], Handoff],
        look_again: Callable[[str], Awaitable[None]],
    ) -> None:
        """Have a session's summary made and enqueue it, or hand the session over.

        Args:
            session_id: a session that waits for its summary.
            without_bundle: the hand-off where the session's bundle is gone.
            look_again: called when there is a summary, before it counts: it may end the session.
        """
        view = await self._store.transact(_look, session_id, self._clock.now())
        if view is None:
            return
        session = view.session
        bundle = await self._bundles.of(session.pins.policy_hash)
        if bundle is None:
            await self._hand_over(session_id, without_bundle())
            return
        label = _label(view)
        if self._mind is None or label is None:
            reason = EscalationReason.REASONING_FAILED.value
            await self._hand_over(session_id, Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason))
            return
        outcome = await self._mind.summarize(
            SummarizeRequest(
                session_id=session_id,
                dispute_id=session.dispute_id,
                classification=label.classification,
                confidence=label.confidence,
                bundle=bundle,
                transcript=entries_of(view.lines),
            )
        )
        if isinstance(outcome, ReasoningFailed):
            await self._store.transact(
                unsummarised, self._audience, view, outcome, now_ms(self._clock)
            )
        else:
            decision = await asyncio.to_thread(decide_summary, outcome.summary)
            await look_again(session_id)
            about = (self._audience, view, label, outcome, decision)
            await self._store.transact(_record, *about, now_ms(self._clock))
        _log.info(
            "session_summarised",
            dispute_id=session.dispute_id,
            session_id=session_id,
            outcome=type(outcome).__name__.lower(),
        )
        self._on_enqueued()

    async def _hand_over(self, session_id: str, handoff: Handoff) -> None:
        about = (self._audience, session_id, handoff, now_ms(self._clock))
        await self._store.transact(evaluation.escalate_as, *about)
        self._on_enqueued()


def _look(tx: sa.Connection, session_id: str, now: int) -> View | None:
    """Return the session if its summary is to be made; one left half-way is brought there."""
    view = evaluation.look(tx, session_id)
    if view is None:
        return None
    if view.session.state is SessionState.CLASSIFIED:
        advance(tx, session_id, SessionState.SUMMARY_PENDING, now)
    elif view.session.state is not SessionState.SUMMARY_PENDING:
        return None
    return None if summaries.of_session(tx, session_id) is not None else view


def _label(view: View) -> Label | None:
    session = view.session
    if session.classification is None or session.confidence is None:
        return None
    try:
        return Label(Classification(session.classification), session.confidence)
    except ValueError:
        return None


def unsummarised(
    tx: sa.Connection, audience: Audience, view: View, failed: ReasoningFailed, at_ms: int
) -> None:
    """The model gave no summary: on record, and the session goes to a human."""
    now, session = at_ms // 1000, view.session
    rejected = None
    if failed.raw is not None:
        rejected = rationales.save(tx, rationale_of(view.asked, failed.call, failed.raw), now)
    record_call(tx, view.asked, failed.call, now, failure=failed.kind, rationale_id=rejected)
    mediation_events.reasoning_call_failed(
        tx,
        session.dispute_id,
        failed_call(failed),
        now,
        pins=session.pins,
        session_id=session.session_id,
    )
    reason = EscalationReason.REASONING_FAILED.value
    handoff = Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason)
    escalate(tx, audience, session.session_id, handoff, at_ms)


def _record(
    tx: sa.Connection,
    audience: Audience,
    view: View,
    label: Label,
    outcome: Summarised,
    decision: Deliver | Escalate,
    at_ms: int,
) -> None:
    """Keep a summary and enqueue it, or keep what was rejected and hand over."""
    now, session_id = at_ms // 1000, view.session.session_id
    call, summary = outcome.call, outcome.summary
    if isinstance(decision, Escalate):
        rejected = rationales.save(tx, rationale_of(view.asked, call, outcome.raw), now)
        record_call(tx, view.asked, call, now, rationale_id=rejected)
        escalate(tx, audience, session_id, handoff_of(decision, rejected), at_ms)
        return
    rationale = rationale_of(view.asked, call, summary.rationale)
    words = (decision.body.words, decision.next_step.words)
    stored = summaries.save(tx, session_id, label, *words, rationale, now)
    if stored is None:
        # A human ended the session while the model wrote.
        record_call(tx, view.asked, call, now, rationale_id=rationales.save(tx, rationale, now))
        return
    record_call(tx, view.asked, call, now, rationale_id=stored.rationale_id)
    told = tell_summary(tx, audience, stored, decision.body, decision.next_step, at_ms)
    if not told.enqueued:
        _undeliverable(tx, audience, session_id, at_ms, configured=told.configured)


def _undeliverable(
    tx: sa.Connection, audience: Audience, session_id: str, at_ms: int, *, configured: int
) -> None:
    reason = ALL_FAILED if configured else NO_RECIPIENTS
    handoff = Handoff(Trigger.NOTIFICATION_FAILED, reason=reason)
    escalate(tx, audience, session_id, handoff, at_ms)


@dataclass(frozen=True, slots=True)
class SummarySettlement:
    """What the delivery of a summary changes; runs in the transaction that records it.

    Attributes:
        audience: the solvers.
    """

    audience: Audience

    def sent(self, tx: sa.Connection, row: Row, now: int) -> None:
        """A solver has it: the session is over, and we hold the dispute for a human."""
        session_id = chats.session_of(tx, row.id)
        if session_id is None:
            return
        moved = finish_summary(tx, session_id, now)
        if isinstance(moved, Moved):
            close_in(tx, moved.dispute_id, now)
            move_to(tx, moved.dispute_id, Lifecycle.TAKEN, now, "summary_delivered")

    def dead(self, tx: sa.Connection, row: Row, now: int) -> None:
        """It reached this solver nowhere; the last one's makes it everybody's."""
        session_id = chats.session_of(tx, row.id)
        if session_id is not None:
            self.look(tx, session_id, now)

    def look(self, tx: sa.Connection, session_id: str, now: int) -> bool:
        """Hand a session over whose summary can reach nobody any more; whether that is so."""
        session = sessions.load(tx, session_id)
        if session is None or session.state is not SessionState.SUMMARY_PENDING:
            return False
        if summaries.of_session(tx, session_id) is None:
            return False
        if outbox_summaries.may_arrive(tx, session.dispute_id, session_id):
            return False
        _undeliverable(tx, self.audience, session_id, now * 1000, configured=1)
        return True
