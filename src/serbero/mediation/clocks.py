"""What time alone decides: a silent party, a mediation that takes too long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never, Protocol

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.intake.announcing import Audience
from serbero.mediation import start_records
from serbero.mediation.escalating import escalate
from serbero.mediation.summarising import SummarySettlement
from serbero.model.mediation import SPEAKING, UNDELIVERED, SessionState, Trigger
from serbero.model.party import Party
from serbero.observe.metrics import Metrics
from serbero.store import eligibility, sessions
from serbero.store.believed_time import believed
from serbero.store.errors import StoreRejected
from serbero.store.escalations import Escalated, Handoff
from serbero.store.patient import PatientStore
from serbero.store.sessions import Session

SWEEP_SECONDS: Final = 10.0
PATIENCE_SECONDS: Final = 180.0
"""A relay that cannot be read does not hold up for longer that a silent party is called silent."""
DOUBT_SECONDS: Final = 3_600.0
"""So long nothing is ended by a clock that the node does not bear out: it may be set right yet."""
REST_SECONDS: Final = 300.0
"""A session with a fault nobody foresaw is left alone so long."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds; 0 is for ever.

    Attributes:
        silence: for a party to answer.
        session: for a mediation in all.
        start: for a session to be opened of a dispute we hold; never for ever.
    """

    silence: int
    session: int
    start: int = 3600


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


class Ears(Protocol):
    """What is known of how well the parties are heard."""

    @property
    def hears(self) -> bool:
        """Whether any relay is listened on."""

    def is_caught_up(self, dispute_id: str, party: Party) -> bool:
        """Whether what a party wrote until a moment ago has been stored."""


class Clocks:
    """Looks at the time.

    Args:
        store: where sessions are.
        audience: the solvers.
        limits: of the configuration.
        ears: how well the parties are heard: what they said while we were away may be on its way.
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
        ears: Ears,
        clock: Clock,
        metrics: Metrics,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._audience, self._limits = store, audience, limits
        self._clock, self._metrics = clock, metrics
        self._on_enqueued = on_enqueued
        self._ears = ears
        self._summaries = SummarySettlement(audience)
        self._began = clock.now()
        self._doubt_since: float | None = None
        self._unheard: dict[str, float] = {}
        """Sessions whose silence may be our own deafness, since when, monotonic."""
        self._resting: dict[str, float] = {}
        """What had a fault nobody foresaw, until when it is left alone, monotonic."""

    async def run(self) -> Never:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(SWEEP_SECONDS)

    async def look(self) -> int:
        """Hand over what has taken too long; return how many."""
        live = await self._store.read(sessions.live)
        self._count(live)
        if await self._is_doubtful():
            return 0
        done = 0
        for session in self._ripe([each for each in live if self._due(each)]):
            about = (self._hand_over, session.session_id)
            done += await self._guarded(session.dispute_id, session.session_id, *about)
        before = self._clock.now() - self._limits.start
        for dispute_id in await self._store.read(eligibility.unled, before):
            done += await self._guarded(dispute_id, None, self._hand_over_unled, dispute_id)
        if done:
            self._on_enqueued()
        return done

    async def _is_doubtful(self) -> bool:
        """Whether our clock may be far ahead; not for ever, for the node may be away as well."""
        now = self._clock.now()
        if await self._store.read(believed, now) == now:
            self._doubt_since = None
            return False
        since = self._doubt_since
        if since is None:
            since = self._doubt_since = self._clock.monotonic()
            _log.info("clock_in_doubt", consequence="no session is ended for its time yet")
        return self._clock.monotonic() - since < DOUBT_SECONDS

    async def _guarded(
        self,
        dispute_id: str,
        session_id: str | None,
        hand_over: Callable[[sa.Connection, str], bool],
        which: str,
    ) -> bool:
        """Hand one over; its fault costs neither the others nor those who lead them."""
        now = self._clock.monotonic()
        if now < self._resting.get(which, now):
            return False
        self._resting.pop(which, None)
        try:
            return await self._store.transact(hand_over, which)
        except Exception as error:  # noqa: BLE001 - a boundary: the others go on
            known = isinstance(error, StoreRejected)
            _log.error(
                "overdue_session_failed",
                dispute_id=dispute_id,
                session_id=session_id,
                reason=str(error) if known else type(error).__name__,
                exc_info=not known,
            )
            self._resting[which] = now + REST_SECONDS
            return False

    def _ripe(self, due: list[Session]) -> list[Session]:
        """Leave out those whose parties may have answered while we could not hear them."""
        now, before = self._clock.monotonic(), self._unheard
        doubtful = [each.session_id for each in due if not self._is_heard(each)]
        # While no relay is connected, nobody could be told either.
        hears = self._ears.hears
        self._unheard = {each: before.get(each, now) if hears else now for each in doubtful}
        longest = now - PATIENCE_SECONDS
        return [each for each in due if self._unheard.get(each.session_id, longest) <= longest]

    def _is_heard(self, session: Session) -> bool:
        """Whether what is overdue would be known by now if it had come."""
        handoff = overdue(session, self._clock.now(), self._limits)
        if handoff is None or handoff.trigger is Trigger.MEDIATION_TIMEOUT:
            return True
        if handoff.trigger is Trigger.NOTIFICATION_FAILED:
            # What an earlier life could not send, this one tries to first.
            return session.last_transition_at >= self._began
        return all(self._ears.is_caught_up(session.dispute_id, party) for party in Party)

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

    def _hand_over_unled(self, tx: sa.Connection, dispute_id: str) -> bool:
        now = self._clock.now()
        about = (dispute_id, now - self._limits.start, now * 1000)
        if not start_records.escalate_unled(tx, self._audience, *about):
            return False
        _log.warning("held_dispute_handed_over", dispute_id=dispute_id, reason="no_session")
        return True

    def _count(self, live: list[Session]) -> None:
        counts = dict.fromkeys(SessionState, 0)
        for each in live:
            counts[each.state] += 1
        for state, count in counts.items():
            if count or state in SPEAKING or state is SessionState.SUMMARY_PENDING:
                self._metrics.mediation_sessions.labels(state.value).set(count)
