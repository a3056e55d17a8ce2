"""Sessions as the engine records them, verdict by verdict, each with its call."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

import sqlalchemy as sa
from tests.store.mediation_rig import ADDRESS, SETTLE, inner
from tests.store.rig import SENDER, T0, Database, audience, key, revision

from serbero.mediation.bundles import pins_of
from serbero.model.mediation import (
    EscalationReason,
    SessionState,
    StartTrigger,
    Trigger,
    VerdictDecision,
)
from serbero.model.party import Party
from serbero.model.reasoning import Classification
from serbero.reasoning.bundle import PromptBundle
from serbero.store import (
    evaluations,
    parties,
    prompt_bundles,
    rationales,
    reasoning_calls,
    session_messages,
    session_moves,
    session_record,
    start_events,
    transcripts,
)
from serbero.store.escalations import Handoff, escalate_dispute, escalate_session
from serbero.store.mediation_events import Label
from serbero.store.parties import NewParties
from serbero.store.rationales import Rationale
from serbero.store.reasoning_calls import CallRecord
from serbero.store.session_messages import Arrived, Question
from serbero.store.session_moves import NewSession
from serbero.store.session_record import Record

BUYER, SELLER = Party
BUNDLE: Final = PromptBundle(b"You assist.", b"Policy", b"Escalate", b"Style", b"Templates")
OTHER: Final = PromptBundle(b"You assist.", b"Another policy", b"Escalate", b"Style", b"Templates")
RESOLVABLE: Final = Label(Classification.COORDINATION_FAILURE_RESOLVABLE, 0.8)
FRAUD: Final = Label(Classification.SUSPECTED_FRAUD, 0.9)
CONFLICT: Final = Label(Classification.CONFLICTING_CLAIMS, 0.9)
BUYER_TRADE_KEY, SELLER_TRADE_KEY = key(3), key(4)


@dataclass
class Case:
    """One dispute's mediation; every step is what one transaction of the engine writes."""

    database: Database
    number: int = 1
    now: int = T0
    kept: bool = True
    said: int = field(default=0, init=False)
    pairs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        opened = revision(self.number, at=self.now)
        self.dispute = opened.dispute_id
        self.session = str(uuid5(UUID(int=17), f"session {self.number}"))
        self.pins = pins_of(BUNDLE)
        self.database.record(opened, audience=audience(1), now=self.now)
        if self.kept:
            self.database.run(
                prompt_bundles.save,
                self.pins.policy_hash,
                self.pins.bundle_id,
                dict(BUNDLE.parts()),
                self.now,
            )

    # --- what the engine does -----------------------------------------------------------------

    def failed_start(self) -> None:
        self.database.run(self._failed_start)

    def _failed_start(self, tx: sa.Connection) -> None:
        start_events.start_attempt_started(tx, self.dispute, StartTrigger.DETECTED, self.now)
        reasoning_calls.record(tx, self._call("classify", None, None, failure="timeout"))

    def refused_start(self, why: str = "looks bad") -> None:
        """A verdict by which nobody is asked: the dispute goes to a human untaken."""
        self.now += 2
        self.database.run(self._refused_start, why)

    def _refused_start(self, tx: sa.Connection, why: str) -> None:
        rationale_id = rationales.save(tx, self.rationale(None, why), self.now)
        reasoning_calls.record(tx, self._call("classify", None, rationale_id))
        trigger = Trigger.FRAUD_INDICATOR
        start_events.reasoning_verdict(
            tx,
            self.dispute,
            VerdictDecision.ESCALATE,
            FRAUD,
            self.now,
            pins=self.pins,
            rationale_id=rationale_id,
            trigger=trigger,
        )
        handoff = Handoff(trigger, EscalationReason.FRAUD_FLAG, rationale_refs=[rationale_id])
        assert escalate_dispute(tx, self.dispute, handoff, self.pins, self.now) is not None

    def begin(self, *, gap: int = 2, label: Label = RESOLVABLE) -> str:
        """Verdict, take, session and first pair."""
        self.now += gap
        self.database.run(self._begin, label)
        return self.session

    def _begin(self, tx: sa.Connection, label: Label) -> None:
        rationale_id = rationales.save(tx, self.rationale(None, "why at all"), self.now)
        reasoning_calls.record(tx, self._call("classify", None, rationale_id))
        ask = VerdictDecision.ASK_CLARIFICATION
        start_events.reasoning_verdict(
            tx, self.dispute, ask, label, self.now, pins=self.pins, rationale_id=rationale_id
        )
        start_events.take_dispute_issued(tx, self.dispute, self.now, pins=self.pins)
        taken = NewParties(
            self.dispute,
            "order",
            BUYER_TRADE_KEY,
            SELLER_TRADE_KEY,
            "buyer",
            {},
            None,
            own_key=SENDER,
            answered_at=self.now,
        )
        parties.save(tx, taken, self.now)
        new = NewSession(
            self.session, self.dispute, self.pins, ADDRESS[BUYER], ADDRESS[SELLER], SENDER
        )
        opened = session_moves.open_session(tx, new, self.now)
        assert opened == SessionState.AWAITING_RESPONSE, opened
        evaluations.record_opening(tx, self.session, self.pins, label, rationale_id, self.now)
        self._put(tx)

    def _put(self, tx: sa.Connection) -> None:
        self.pairs += 1
        pair = {
            party: Question(
                ADDRESS[party],
                inner(self.session, "question", self.pairs, party),
                self.now,
                f"{party.capitalize()}: question {self.pairs}?",
            )
            for party in Party
        }
        assert session_messages.put_pair(tx, self.session, pair, self.now) is not None

    def reaches(self, party: Party) -> None:
        """A relay takes the last question to a party."""
        self.now += 1
        inner_id = inner(self.session, "question", self.pairs, party)
        assert self.database.run(
            session_messages.mark_sent, self.session, inner_id, "ee" * 32, self.now
        )

    def hears(self, party: Party, words: str, *, at: int | None = None) -> str:
        """A party writes; returns what became of it."""
        self.now += 10
        self.said += 1
        arrived = Arrived(
            self.session,
            party,
            ADDRESS[party],
            inner(self.session, party, self.said),
            self.now if at is None else at,
            inner("outer", self.session, party, self.said),
            words,
        )
        return self.database.run(session_messages.take_in, arrived, self.now, SETTLE).value

    def verdict(
        self,
        decision: str = "ask",
        label: Label = RESOLVABLE,
        why: str | None = None,
        **handoff: Any,
    ) -> None:
        """A classification and what is done about it: ask, wait, summarize, escalate, nothing."""
        self.now += 5
        self.database.run(self._verdict, decision, label, why or f"why {self.now}", handoff)

    def _verdict(
        self, tx: sa.Connection, decision: str, label: Label, why: str, handoff: dict[str, Any]
    ) -> None:
        seen = transcripts.newest_id(tx, self.session)
        rationale = self.rationale(self.session, why)
        recorded = evaluations.record(tx, self.session, label, rationale, self.now)
        assert recorded is not None
        reasoning_calls.record(
            tx, self._call("classify", self.session, recorded.rationale_id, seen=seen)
        )
        match decision:
            case "ask":
                self._put(tx)
            case "summarize":
                session_moves.advance(tx, self.session, SessionState.CLASSIFIED, self.now)
                session_moves.advance(tx, self.session, SessionState.SUMMARY_PENDING, self.now)
            case "escalate":
                values = {
                    "trigger": Trigger.CONFLICTING_CLAIMS,
                    "reason": EscalationReason.CONFLICT_LABEL.value,
                } | handoff
                refs = [recorded.rationale_id]
                escalate_session(tx, self.session, Handoff(rationale_refs=refs, **values), self.now)
        evaluations.settle(tx, self.session, self.said)

    def hand_over(self, trigger: Trigger, reason: str | None = None) -> None:
        """A hand-off that no verdict brought."""
        self.now += 60
        self.database.run(escalate_session, self.session, Handoff(trigger, reason), self.now)

    def failed_call(self) -> None:
        self.now += 1
        call = self._call("classify", self.session, None, failure="unreachable")
        self.database.run(reasoning_calls.record, call)

    # --- its parts ----------------------------------------------------------------------------

    def rationale(self, session: str | None, text: str) -> Rationale:
        return Rationale(self.dispute, session, "openai", "gpt-then", self.pins, text)

    def _call(
        self,
        purpose: str,
        session: str | None,
        rationale_id: str | None,
        *,
        seen: int | None = None,
        failure: str | None = None,
    ) -> CallRecord:
        return CallRecord(
            at=self.now,
            dispute_id=self.dispute,
            session_id=session,
            purpose=purpose,
            provider="openai",
            model="gpt-then",
            output_mode="json",
            attempts=1,
            latency_ms=850,
            input_tokens=None if failure else 1200,
            output_tokens=None if failure else 90,
            failure=failure,
            policy_hash=self.pins.policy_hash,
            rationale_id=rationale_id,
            seen_message_id=seen,
            pairs_put=self.pairs,
        )

    @property
    def record(self) -> Record:
        found = self.database.run(session_record.read, self.session)
        assert found is not None
        return found


def conversation(database: Database, number: int = 1) -> Case:
    """Asked, one answers (waits), both have (asked again), both again, and to a human."""
    case = Case(database, number)
    case.failed_start()
    case.begin()
    case.reaches(BUYER)
    case.reaches(SELLER)
    case.hears(BUYER, "I sent it on Monday.")
    case.verdict("wait")
    case.hears(SELLER, "Nothing has arrived.")
    case.verdict("ask")
    case.reaches(BUYER)
    case.hears(SELLER, "I looked again: nothing.")
    case.hears(BUYER, "Here is the reference.")
    case.verdict("escalate", CONFLICT)
    return case


def purge(database: Database) -> None:
    """What a purge leaves of the words."""
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE mediation_messages SET content = ''")
