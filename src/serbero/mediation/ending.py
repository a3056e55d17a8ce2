"""How sessions end that we did not end: a human took the dispute, it was closed or opened anew.

These are hooks of the intake: they run in the transaction that applies the node's revision.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.chat.opening import close_in
from serbero.intake.announcing import Audience
from serbero.intake.custody import Custody
from serbero.mediation.briefing import owe
from serbero.mediation.escalating import escalate, move_to
from serbero.mediation.telling import tell_report
from serbero.model.lifecycle import DisputeStatus, Lifecycle
from serbero.model.mediation import LIVE, AuditKind, SessionState, Trigger
from serbero.model.taking import Release
from serbero.mostro.dispute_event import Revision
from serbero.store import audit_trail, disputes, sessions
from serbero.store.escalations import Handoff
from serbero.store.session_moves import EndCause, Ended, end_sessions

_CAUSES = {
    Release.TAKEOVER: EndCause.TAKEN_BY_HUMAN,
    Release.CLOSED: EndCause.RESOLVED,
    Release.REOPENED: EndCause.REOPENED,
}


@dataclass(frozen=True, slots=True)
class Endings:
    """What ends with a dispute.

    Attributes:
        audience: who is told.
    """

    audience: Audience

    def released(self, tx: sa.Connection, dispute_id: str, why: Release, now: int) -> None:
        """We hold a dispute no longer: nothing more is written to its parties.

        Args:
            tx: the transaction.
            dispute_id: which.
            why: what happened.
            now: Unix seconds.
        """
        close_in(tx, dispute_id, now)
        if why is Release.KEY_CHANGED:
            self._hand_over(tx, dispute_id, now)
            return
        ended = self._end(tx, dispute_id, _CAUSES[why], now)
        if why is Release.TAKEOVER:
            for each in ended:
                owe(tx, each.session_id, now * 1000)
            move_to(tx, dispute_id, Lifecycle.TAKEN, now, EndCause.TAKEN_BY_HUMAN.value)

    def applied(
        self,
        tx: sa.Connection,
        revision: Revision,
        custody: Custody | None,
        at_ms: int,
        resolved: bool,
    ) -> int:
        """A revision of a known dispute was applied; return how many messages were enqueued.

        Args:
            tx: the transaction.
            revision: which.
            custody: what it told of who holds the dispute.
            at_ms: Unix milliseconds.
            resolved: whether it closed a dispute that was open.
        """
        dispute_id, now = revision.dispute_id, at_ms // 1000
        if revision.status.terminal:
            # Also those of a dispute that we did not hold any more.
            self._end(tx, dispute_id, EndCause.RESOLVED, now)
            return (
                tell_report(tx, self.audience, dispute_id, revision.status, at_ms)
                if resolved
                else 0
            )
        if revision.status is DisputeStatus.INITIATED:
            self._end(tx, dispute_id, EndCause.REOPENED, now)
        elif custody is Custody.FOREIGN:
            for each in self._end(tx, dispute_id, EndCause.TAKEN_BY_HUMAN, now):
                owe(tx, each.session_id, at_ms)
        elif custody is Custody.OURS:
            self._stand_as_led(tx, dispute_id, now)
        return 0

    def _end(self, tx: sa.Connection, dispute_id: str, cause: EndCause, now: int) -> list[Ended]:
        known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
        if known is None:
            return []
        return end_sessions(
            tx, dispute_id, cause, now, event_id=known.event_id, status=known.status.value
        )

    def _stand_as_led(self, tx: sa.Connection, dispute_id: str, now: int) -> None:
        """The event of our own take may come after what we did with it."""
        newest = next(iter(sessions.of_dispute(tx, dispute_id)), None)
        state = None if newest is None else newest.state
        if state in LIVE:
            move_to(tx, dispute_id, Lifecycle.WAITING, now, "own_take")
        elif state is SessionState.ESCALATION_RECOMMENDED or _escalated(tx, dispute_id):
            move_to(tx, dispute_id, Lifecycle.ESCALATED, now, "own_take")

    def _hand_over(self, tx: sa.Connection, dispute_id: str, now: int) -> None:
        """Neither node nor parties know our new key: only a human can go on."""
        handoff = Handoff(Trigger.AUTHORIZATION_LOST, reason=Release.KEY_CHANGED.value)
        for each in sessions.of_dispute(tx, dispute_id):
            if each.state in LIVE:
                escalate(tx, self.audience, each.session_id, handoff, now * 1000)


def _escalated(tx: sa.Connection, dispute_id: str) -> bool:
    """Whether a dispute went to a human outside its sessions."""
    kind = AuditKind.ESCALATION_RECOMMENDED
    return audit_trail.newest_of_dispute(tx, dispute_id, kind) is not None
