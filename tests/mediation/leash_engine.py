"""The engine's transactions in the engine's order, each a step that others may come between.

What is asked of a model is a number here, and its answer a value (:mod:`leash_words`). All else is
what the daemon runs: the same functions, hooks and settlements.
"""

from typing import Final

import sqlalchemy as sa
from tests.mediation import leash_words as words
from tests.mediation.leash_file import PINS
from tests.mediation.leash_words import Answer
from tests.mediation.leash_world import (
    MAX_ROUNDS,
    START_DEADLINE,
    Attempt,
    Case,
    Exchange,
    World,
)

from serbero.intake import custody
from serbero.mediation import conversing, evaluation, start_records, summarising
from serbero.mediation.clocks import Clocks, Limits
from serbero.mediation.escalating import escalate_live
from serbero.mediation.evaluation import MOST_A_ROUND, View
from serbero.mediation.mind import Asked
from serbero.mediation.opening import Prepared
from serbero.mediation.policy import Ask, Deliver, Escalate, Summarize, opening
from serbero.mediation.standing import Gate
from serbero.mediation.start_records import Begun
from serbero.model.mediation import EscalationReason, SessionState, Trigger
from serbero.model.party import Party
from serbero.model.taking import Cause, TakeState
from serbero.node import records
from serbero.node.records import Recorders
from serbero.node.result import TAKEN_OVER, NoAnswer, Refused, Taken, TakeResult
from serbero.reasoning.calls import Purpose, ReasoningFailed
from serbero.store import eligibility, evaluations, sessions, takes
from serbero.store.escalations import Handoff
from serbero.store.sessions import Session

LIMITS: Final = Limits(silence=1_800, session=20_000)
_LOST: Final = Handoff(Trigger.AUTHORIZATION_LOST)
_NO_BUNDLE: Final = Handoff(Trigger.POLICY_BUNDLE_MISSING, loaded_hash=None)


class LedWorld(World):
    """A world with an engine."""

    # --- starting ----------------------------------------------------------------------------

    def begin_start(self, dispute_id: str, gate: Gate) -> None:
        """An attempt begins, at whatever was a candidate a moment ago."""
        if dispute_id in self.memory.attempts:
            return
        begun = self.run(start_records.begin, dispute_id, gate, self.now)
        if isinstance(begun, Begun):
            self.memory.attempts[dispute_id] = Attempt(begun)

    def candidates(self) -> list[str]:
        """Which disputes may start."""
        found = self.read(eligibility.candidates, self.now, 10)
        return [each.dispute_id for each in found]

    def is_unhealthy(self, dispute_id: str) -> None:
        """No model can be had."""
        about = (self.audience, dispute_id, PINS, START_DEADLINE, self.at_ms)
        self.run(start_records.unhealthy, *about)
        self._over(dispute_id)

    def judge(self, dispute_id: str, answer: Answer) -> None:
        """The model answers about a dispute nobody was asked about."""
        output = answer.output
        attempt = self.memory.attempts[dispute_id]
        asked = Asked(dispute_id, None, PINS)
        if isinstance(output, ReasoningFailed):
            about = (self.audience, asked, output, START_DEADLINE, self.at_ms)
            self.run(start_records.no_verdict, *about)
            self._over(dispute_id)
            return
        decision = answer.decide(opening(MAX_ROUNDS))
        if isinstance(decision, Summarize):
            reason = EscalationReason.SUMMARY_WITHOUT_ANSWERS
            decision = Escalate(Trigger.INVALID_MODEL_OUTPUT, reason)
        self._release(dispute_id, decision)
        told = (self.audience, asked, output, decision, self.at_ms)
        attempt.prepared = self.run(start_records.verdict, *told)
        self.checks.judged(dispute_id, positive=attempt.prepared is not None)
        if attempt.prepared is None:
            self._over(dispute_id)

    def _release(self, dispute_id: str, decision: Ask | Summarize | Escalate) -> None:
        if isinstance(decision, Ask):
            self.checks.released(dispute_id, Party.BUYER, decision.buyer.words)
            self.checks.released(dispute_id, Party.SELLER, decision.seller.words)

    def go_on(self, dispute_id: str) -> None:
        """A positive verdict: ask the node, or open the session of what we hold already."""
        attempt = self.memory.attempts[dispute_id]
        assert attempt.prepared is not None
        if attempt.begun.holding is not None:
            self.run(self.starter._resume, attempt.prepared, self.at_ms)
            self._over(dispute_id)
            return
        self._keep(attempt.prepared)
        attempt.asking = True
        if dispute_id not in self.memory.exchanges:
            self.ask_node(dispute_id)

    def _keep(self, prepared: Prepared) -> None:
        self.starter._prepared[prepared.dispute_id] = prepared
        self.starter._told.discard(prepared.dispute_id)

    def ask_node(self, dispute_id: str) -> None:
        """An exchange begins: on record before anything is sent."""
        begun = self.run(records.begin, dispute_id, self.now, self.now + 60)
        self.memory.exchanges[dispute_id] = Exchange(begun.take_id)

    def conclude(self, dispute_id: str, result: TakeResult) -> None:
        """An exchange ends, and with it the attempt that waits for it."""
        exchange = self.memory.exchanges.pop(dispute_id)
        told = self._record(exchange.take_id, result)
        if exchange.answer is not None and not isinstance(result, Taken):
            self.late.append((exchange.take_id, exchange.answer))
        self._attempt_hears(dispute_id, told)

    def _record(self, take_id: int, result: TakeResult) -> TakeResult:
        recorders = Recorders(self.audience.sender, self._on_outcome, self.starter.on_taken)
        stands = self.run(records.conclude, take_id, result, self.at_ms, recorders)
        if isinstance(result, Taken) and not stands:
            return Refused(result.dispute_id, TAKEN_OVER, result.attempts)
        return result

    def _on_outcome(
        self,
        tx: sa.Connection,
        dispute_id: str,
        state: TakeState,
        reason: str | None,
        at_ms: int,
        owed: bool,
    ) -> None:
        custody.outcome(
            tx,
            self.audience,
            dispute_id,
            state,
            reason,
            at_ms,
            owed=owed,
            on_release=self.endings.released,
        )
        self.starter.on_outcome(tx, dispute_id, state, reason, at_ms // 1000)

    def _attempt_hears(self, dispute_id: str, result: TakeResult) -> None:
        attempt = self.memory.attempts.get(dispute_id)
        if attempt is None or not attempt.asking or attempt.prepared is None:
            return
        match result:
            case Refused():
                self._note_failure(attempt.prepared, TakeState.REFUSED, result.reason)
            case NoAnswer():
                self._note_failure(attempt.prepared, TakeState.NO_ANSWER, None)
            case Taken():
                pass
        self._over(dispute_id)

    def _note_failure(self, prepared: Prepared, state: TakeState, reason: str | None) -> None:
        dispute_id = prepared.dispute_id
        if dispute_id not in self.starter._told:
            about = (dispute_id, state, reason, self.now, prepared.pins)
            self.run(start_records.take_failed, *about)

    def lose_patience(self, dispute_id: str) -> None:
        """The attempt ends; the exchange goes on without it."""
        self._attempt_hears(dispute_id, NoAnswer(dispute_id, (Cause.OUT_OF_TIME,), 1))

    def take_up_late(self) -> None:
        """An answer comes that nobody waits for any more."""
        take_id, taken = self.late.pop(0)
        state = self.file.one("SELECT state FROM takes WHERE id = ?", take_id)
        if state != TakeState.OPEN.value:
            self._record(take_id, taken)

    def finish_old_exchange(self, case: Case, how: str) -> None:
        """After a restart: an exchange that an earlier life left open."""
        take = self.read(takes.open_of, case.id)
        if take is None or case.id in self.memory.exchanges:
            return
        self.memory.exchanges[case.id] = Exchange(take.id)
        if how == "again":
            self.ask_node(case.id)
        elif how == "interrupt":
            del self.memory.exchanges[case.id]
            recorders = Recorders(self.audience.sender, self._on_outcome, self.starter.on_taken)
            self.run(records.interrupt, take, self.at_ms, recorders)

    def _over(self, dispute_id: str) -> None:
        self.memory.attempts.pop(dispute_id, None)
        self.starter._prepared.pop(dispute_id, None)
        self.starter._told.discard(dispute_id)

    # --- conversing --------------------------------------------------------------------------

    def look_at_sessions(self) -> None:
        """See what is due, as a pass of the conversation's loop."""
        due, unfinished, _ = self.read(conversing._work, self.now, 100)
        for session in due:
            if self._idle(session.session_id):
                self._look(session)
        for session in unfinished:
            if self._idle(session.session_id):
                view = self.run(summarising._look, session.session_id, self.now)
                if view is not None:
                    self.memory.summaries[session.session_id] = view

    def _idle(self, session_id: str) -> bool:
        return session_id not in self.memory.views and session_id not in self.memory.summaries

    def _look(self, session: Session) -> None:
        view = self.read(evaluation.look, session.session_id)
        if view is None or view.session.state is not SessionState.AWAITING_RESPONSE:
            return
        wanted = evaluation.human_wanted(view.lines, words.asks)
        if wanted:
            reason = EscalationReason.HUMAN_REQUESTED.value
            handoff = Handoff(Trigger.LOW_CONFIDENCE, reason=reason, evidence_refs=wanted)
            self._hand_over(session.session_id, handoff)
        elif view.session.open_question and view.session.evaluations >= MOST_A_ROUND:
            self.run(evaluations.rest, session.session_id)
        else:
            self.memory.views[session.session_id] = view

    def _hand_over(self, session_id: str, handoff: Handoff) -> None:
        self.run(evaluation.escalate_as, self.audience, session_id, handoff, self.at_ms)

    def evaluated(self, session_id: str, answer: Answer) -> None:
        """The model answers about a session as it was when it was asked."""
        view, output = self.memory.views.pop(session_id), answer.output
        if view.initiator is None:
            self.run(evaluation.failed, self.audience, view, None, self.at_ms)
        elif isinstance(output, ReasoningFailed):
            self.run(evaluation.failed, self.audience, view, output, self.at_ms)
        else:
            decision = answer.decide(view.facts(MAX_ROUNDS))
            self._release(view.session.dispute_id, decision)
            about = (self.acting, view, output, decision, self.at_ms)
            self.run(evaluation.conclude, *about)

    def unevaluated(self, session_id: str, number: int) -> None:
        """There is no model, or no bundle, or the model cannot be had."""
        view = self.memory.views.pop(session_id)
        if number % 9 == 8:
            self._hand_over(session_id, _NO_BUNDLE)
            return
        failure = None if number % 9 == 7 else words.failure(number)
        self.run(evaluation.failed, self.audience, view, failure, self.at_ms)

    # --- summarising -------------------------------------------------------------------------

    def summarised(self, session_id: str, number: int) -> None:
        """The model answers with a summary."""
        view = self.memory.summaries.pop(session_id)
        label = summarising._label(view)
        if label is None:
            reason = EscalationReason.REASONING_FAILED.value
            self._hand_over(session_id, Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason))
            return
        output = words.summarised(number)
        if isinstance(output, ReasoningFailed):
            self._unsummarised(view, output)
            return
        decision = words.summary_decided(number)
        if isinstance(decision, Deliver):
            released = (decision.body.words, decision.next_step.words)
            self.checks.released_summary(view.session.dispute_id, *released)
        about = (self.audience, view, label, output, decision, self.at_ms)
        self.run(summarising._record, *about)

    def unsummarised(self, session_id: str, number: int) -> None:
        """The model does not answer."""
        view = self.memory.summaries.pop(session_id)
        self._unsummarised(view, words.failure(number, Purpose.SUMMARIZE))

    def _unsummarised(self, view: View, output: ReasoningFailed) -> None:
        self.run(summarising.unsummarised, self.audience, view, output, self.at_ms)

    # --- what time and the node decide -------------------------------------------------------

    def _clocks(self) -> Clocks:
        clocks = object.__new__(Clocks)
        clocks._audience, clocks._limits, clocks._clock = self.audience, LIMITS, self.clock
        clocks._summaries = summarising.SummarySettlement(self.audience)
        return clocks

    def look_at_clock(self) -> None:
        """See whose time is up."""
        clocks = self._clocks()
        live = self.read(sessions.live)
        self.memory.overdue = [each.session_id for each in live if clocks._due(each)]

    def hand_over_overdue(self) -> None:
        """Act on what was seen, however long ago."""
        clocks = self._clocks()
        for session_id in self.memory.overdue:
            self.run(clocks._hand_over, session_id)
        self.memory.overdue = []

    def lose_standing(self) -> None:
        """The node does not let us act any more."""
        self.run(escalate_live, self.audience, _LOST, self.at_ms)
