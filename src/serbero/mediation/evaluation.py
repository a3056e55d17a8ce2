"""The transactions of an evaluation: what it is made from, what came of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.chat.speaking import CannotSayError, Speaker
from serbero.intake.announcing import Audience
from serbero.mediation.asking import framed, put
from serbero.mediation.escalating import escalate
from serbero.mediation.mind import Asked, failed_call, rationale_of, record_call
from serbero.mediation.policy import (
    Ask,
    Decision,
    Escalate,
    Facts,
    Summarize,
    acts_now,
)
from serbero.mediation.start_records import handoff_of, kept_text
from serbero.messages.party import Language
from serbero.model.mediation import (
    PARTY_UNREACHABLE,
    AuditKind,
    EscalationReason,
    SessionState,
    Trigger,
)
from serbero.model.notification import Purpose
from serbero.model.party import Party
from serbero.reasoning.calls import Classified, ReasoningFailed
from serbero.store import (
    audit_trail,
    disputes,
    evaluations,
    mediation_events,
    outbox,
    rationales,
    sessions,
    transcripts,
)
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Label
from serbero.store.session_moves import MoveRefused, advance
from serbero.store.sessions import Session
from serbero.store.transcripts import Line

MOST_A_ROUND: Final = 3
"""Evaluations between two pairs of questions while an answer is due: one party that goes on
talking must not have the model called without end."""
MOST_FAILURES: Final = 3
ESCALATED: Final = "escalate_"
"""Before the trigger, in the word for what was done."""
RETRY_SECONDS: Final = 30
"""After the first failed evaluation; twice that after the second."""

_READ: Final = 2_000
"""Characters of either end of a message."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class View:
    """A session as an evaluation begins.

    Attributes:
        initiator: who opened the dispute; None where nobody knows.
        lines: what the model is shown.
        seen: id of the newest message.
        verdicts: classifications on record.
    """

    session: Session
    initiator: Party | None
    lines: tuple[Line, ...]
    seen: int | None
    verdicts: int

    @property
    def asked(self) -> Asked:
        """What a call about it is about."""
        session = self.session
        return Asked(
            session.dispute_id,
            session.session_id,
            session.pins,
            self.seen,
            session.pairs_put,
        )

    @property
    def party_texts(self) -> tuple[str, ...]:
        """The parties' own words."""
        return tuple(each.text for each in self.lines if not each.ours)

    def facts(self, max_rounds: int) -> Facts:
        """What the policy must know."""
        return Facts(
            evaluations=self.verdicts,
            pairs_put=self.session.pairs_put,
            max_rounds=max_rounds,
            party_texts=len(self.party_texts),
            open_question=self.session.open_question,
        )


def look(tx: sa.Connection, session_id: str) -> View | None:
    """Return a session with what was said in it; None if there is none."""
    session = sessions.load(tx, session_id)
    if session is None:
        return None
    known = disputes.load_known(tx, [session.dispute_id]).get(session.dispute_id)
    initiator = None if known is None or known.initiator not in set(Party) else known.initiator
    return View(
        session=session,
        initiator=None if initiator is None else Party(initiator),
        lines=tuple(transcripts.fresh(tx, session_id)),
        seen=transcripts.newest_id(tx, session_id),
        verdicts=audit_trail.count(tx, session_id, AuditKind.CLASSIFICATION_PRODUCED),
    )


@dataclass(frozen=True, slots=True)
class Acting:
    """Who acts on what was decided.

    Attributes:
        audience: the solvers.
        speaker: writes to parties.
        language: ``[mediation].language``.
        max_rounds: pairs of questions a session may put.
    """

    audience: Audience
    speaker: Speaker
    language: Language
    max_rounds: int


def conclude(
    tx: sa.Connection,
    acting: Acting,
    view: View,
    outcome: Classified,
    decision: Decision,
    at_ms: int,
) -> str:
    """Record a classification and do what was decided, if the session still is what it was.

    Args:
        tx: the transaction.
        acting: who acts.
        view: what the classification was made from.
        outcome: the classification.
        decision: the policy's, from the same view.
        at_ms: Unix milliseconds.

    Returns:
        A word for what was done.
    """
    now, session_id = at_ms // 1000, view.session.session_id
    verdict = outcome.verdict
    label = Label(verdict.classification, verdict.confidence)
    rationale = rationale_of(view.asked, outcome.call, kept_text(outcome, decision))
    recorded = evaluations.record(tx, session_id, label, rationale, now)
    if recorded is None:
        return "gone"
    record_call(tx, view.asked, outcome.call, now, rationale_id=recorded.rationale_id)
    languages = {Party.BUYER: verdict.buyer_language, Party.SELLER: verdict.seller_language}
    evaluations.set_languages(tx, session_id, languages)
    session = sessions.load(tx, session_id)
    if session is None or session.state is not SessionState.AWAITING_RESPONSE:
        return "ended_meanwhile"
    match decision:
        case Escalate():
            handoff = handoff_of(decision, recorded.rationale_id)
            escalate(tx, acting.audience, session_id, handoff, at_ms)
            return f"{ESCALATED}{decision.trigger.value}"
        case Summarize():
            advance(tx, session_id, SessionState.CLASSIFIED, now)
            advance(tx, session_id, SessionState.SUMMARY_PENDING, now)
            # A question no relay has yet would be put to a party whose answer nobody reads.
            outbox.withdraw(tx, session.dispute_id, [Purpose.PARTY_MESSAGE], now)
            evaluations.settle(tx, session_id, view.session.fresh)
            return "summarize"
        case Ask():
            return _ask(tx, acting, view, session, decision, at_ms)


def _ask(
    tx: sa.Connection,
    acting: Acting,
    view: View,
    session: Session,
    decision: Ask,
    at_ms: int,
) -> str:
    if not acts_now(decision, view.facts(acting.max_rounds)):
        evaluations.settle(tx, session.session_id, view.session.fresh)
        return "wait"
    tags = {party: session.side(party).language for party in Party}
    # "Round 2" is the second question a party sees, however often the model was asked.
    pair = framed(decision, acting.language, tags, session.pairs_put)
    try:
        with tx.begin_nested():
            asked = put(tx, acting.speaker, session, pair, at_ms)
    except CannotSayError as error:
        _log.error("party_message_impossible", session_id=session.session_id, reason=str(error))
        handoff = Handoff(Trigger.NOTIFICATION_FAILED, reason=PARTY_UNREACHABLE)
        escalate(tx, acting.audience, session.session_id, handoff, at_ms)
        return f"{ESCALATED}{Trigger.NOTIFICATION_FAILED.value}"
    if not asked:
        return "ended_meanwhile"
    evaluations.settle(tx, session.session_id, view.session.fresh)
    return "ask"


def escalate_as(
    tx: sa.Connection, audience: Audience, session_id: str, handoff: Handoff, at_ms: int
) -> bool:
    """Hand over for a reason that needs no verdict; False if the session is not live."""
    return not isinstance(escalate(tx, audience, session_id, handoff, at_ms), MoveRefused)


def human_wanted(lines: tuple[Line, ...], asks: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the inner ids of the parties' messages that ask for a person. Pure.

    Args:
        lines: what was said.
        asks: whether a text asks for one.
    """
    return tuple(each.inner_id for each in lines if not each.ours and asks(_ends(each.text)))


def _ends(text: str) -> str:
    """Return where somebody says that they want a person; pages would cost everybody seconds."""
    return text if len(text) <= 2 * _READ else f"{text[:_READ]}\n{text[-_READ:]}"


def failed(
    tx: sa.Connection,
    audience: Audience,
    view: View,
    failure: ReasoningFailed | None,
    at_ms: int,
) -> int:
    """Count an evaluation that brought no verdict; the third in a row goes to a human.

    Args:
        tx: the transaction.
        audience: the solvers.
        view: what it was made from.
        failure: why; None where there is no model to ask.
        at_ms: Unix milliseconds.

    Returns:
        How many failed in a row.
    """
    now, session = at_ms // 1000, view.session
    if failure is not None:
        rejected = None
        if failure.raw is not None:
            kept = rationale_of(view.asked, failure.call, failure.raw)
            rejected = rationales.save(tx, kept, now)
        record_call(tx, view.asked, failure.call, now, failure=failure.kind, rationale_id=rejected)
        mediation_events.reasoning_call_failed(
            tx,
            session.dispute_id,
            failed_call(failure),
            now,
            pins=session.pins,
            session_id=session.session_id,
        )
    return _failed(tx, audience, session, at_ms)


def stumbled(tx: sa.Connection, audience: Audience, session_id: str, at_ms: int) -> int:
    """Count a fault of ours like a model's: what fails for ever must not cost calls for ever.

    Returns:
        How many failed in a row; 0 if there is no such session.
    """
    session = sessions.load(tx, session_id)
    return 0 if session is None else _failed(tx, audience, session, at_ms)


def _failed(tx: sa.Connection, audience: Audience, session: Session, at_ms: int) -> int:
    retry_at = at_ms // 1000 + RETRY_SECONDS * (session.failures + 1)
    failures = evaluations.fail(tx, session.session_id, retry_at)
    if failures >= MOST_FAILURES:
        reason = EscalationReason.REASONING_FAILED.value
        handoff = Handoff(Trigger.REASONING_UNAVAILABLE, reason=reason)
        escalate(tx, audience, session.session_id, handoff, at_ms)
    return failures
