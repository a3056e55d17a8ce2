"""What time alone decides: a silent party, a mediation that takes too long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.intake.announcing import Audience
from serbero.mediation.escalating import escalate
from serbero.mediation.summarising import SummarySettlement
from serbero.model.mediation import SPEAKING, SessionState, Trigger
from serbero.model.party import Party
from serbero.observe.metrics import Metrics
from serbero.store import sessions
from serbero.store.escalations import Escalated, Handoff
from serbero.store.patient import PatientStore
from serbero.store.sessions import Session

SWEEP_SECONDS: Final = 10.0
UNDELIVERED: Final = "question_undelivered"
"""No relay took our question: silence is not the party's."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds; 0 is for ever.

    Attributes:
        silence: for a party to answer.
        session: for a mediation in all.
    """

    silence: int
    session: int


def overdue(session: Session, now: int, limits: Limits) -> Handoff | None:
    """Say why time is up for a live session; None while it is not. Pure.

    Silence is measured for each party by itself, from when the last question reached a relay:
    whoever talks must not hide that the other one does not.

    Args:
        session: as it stands.
        now: Unix seconds.
        limits: of the configuration.
    """
    if limits.session and now > session.started_at + limits.session:
        return Handoff(Trigger.MEDIATION_TIMEOUT)
    if not limits.silence or session.state not in SPEAKING:
        return None
    for party in Party:
        side = session.side(party)
        if not side.open_question:
            continue
        since = side.reached_at or side.asked_at or session.started_at
        if now > since + limits.silence:
            if side.reached_at is None:
                return Handoff(Trigger.NOTIFICATION_FAILED, reason=f"{UNDELIVERED}:{party}")
            return Handoff(Trigger.PARTY_UNRESPONSIVE, reason=f"silent:{party}")
    return None


class Clocks:
    """Looks at the time.

    Args:
        store: where sessions are.
        audience: the solvers.
        limits: of the configuration.
        clock: ours.
        metrics: counts.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        audience: Audience,
        limits: Limits,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._audience, self._limits = store, audience, limits
        self._clock, self._metrics = clock, metrics
        self._on_enqueued = on_enqueued
        self._summaries = SummarySettlement(audience)

    async def run(self) -> Never:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(SWEEP_SECONDS)

    async def look(self) -> int:
        """Hand over what has taken too long; return how many."""
        live = await self._store.read(sessions.live)
        self._count(live)
        done = 0
        for session in live:
            if self._due(session):
                done += await self._store.transact(self._hand_over, session.session_id)
        if done:
            self._on_enqueued()
        return done

    def _due(self, session: Session) -> bool:
        waits = session.state is SessionState.SUMMARY_PENDING
        return waits or overdue(session, self._clock.now(), self._limits) is not None

    def _hand_over(self, tx: sa.Connection, session_id: str) -> bool:
        """Judge a session anew in the transaction that acts on it."""
        now = self._clock.now()
        session = sessions.load(tx, session_id)
        if session is None:
            return False
        handoff = overdue(session, now, self._limits)
        if handoff is None:
            return self._summaries.look(tx, session_id, now)
        done = escalate(tx, self._audience, session_id, handoff, now * 1000)
        if not isinstance(done, Escalated):
            return False
        _log.warning(
            "escalation_recommended",
            dispute_id=session.dispute_id,
            session_id=session_id,
            trigger=handoff.trigger.value,
            reason=handoff.reason,
        )
        return True

    def _count(self, live: list[Session]) -> None:
        counts = dict.fromkeys(SessionState, 0)
        for each in live:
            counts[each.state] += 1
        for state, count in counts.items():
            if count or state in SPEAKING or state is SessionState.SUMMARY_PENDING:
                self._metrics.mediation_sessions.labels(state.value).set(count)
