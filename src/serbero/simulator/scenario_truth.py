"""What the daemon's database says of the disputes of a scenario, read beside the daemon."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind, SessionState
from serbero.model.notification import OutboxState
from serbero.model.party import Party
from serbero.store import audit_trail
from serbero.store.audit_trail import AuditEvent
from serbero.store.mediation_schema import INBOUND, OUTBOUND, messages, sessions
from serbero.store.schema import disputes, outbox


@dataclass(frozen=True, slots=True)
class Case:
    """One dispute.

    Attributes:
        lifecycle: None while it is not known.
        sessions: id and state, oldest first.
        events: the audit trail, before and in its sessions, in order.
        asked: messages of ours to each party.
        heard: messages of each party that count.
        late: messages of parties that came too late to count.
        pending: messages that no relay has yet.
        rumors: what was enqueued for anybody, as it stands in the outbox.
    """

    lifecycle: Lifecycle | None = None
    sessions: tuple[tuple[str, SessionState], ...] = ()
    events: tuple[AuditEvent, ...] = ()
    asked: Mapping[Party, int] = field(default_factory=dict)
    heard: Mapping[Party, int] = field(default_factory=dict)
    late: int = 0
    pending: int = 0
    rumors: tuple[str, ...] = field(default=(), repr=False)

    @property
    def session_id(self) -> str | None:
        """Of the newest session."""
        return self.sessions[-1][0] if self.sessions else None

    @property
    def state(self) -> SessionState | None:
        """Of the newest session."""
        return self.sessions[-1][1] if self.sessions else None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The audit trail's kinds, in order."""
        return tuple(each.kind for each in self.events)

    def word(self, kind: AuditKind, key: str) -> str | None:
        """A word of the newest event of a kind; None where there is none."""
        for each in reversed(self.events):
            if each.kind == kind:
                value = each.payload.get(key)
                return None if value is None else str(value)
        return None

    @property
    def trigger(self) -> str | None:
        """Why it went to a human."""
        return self.word(AuditKind.ESCALATION_RECOMMENDED, "trigger")

    @property
    def reason(self) -> str | None:
        """What exactly stood behind the trigger, or behind the session's end."""
        why = self.word(AuditKind.ESCALATION_RECOMMENDED, "reason")
        return why or self.word(AuditKind.SESSION_CLOSED, "reason")


UNKNOWN = Case()


def read_cases(tx: sa.Connection) -> dict[str, Case]:
    """Read every dispute."""
    rows = tx.execute(sa.select(disputes.c.dispute_id, disputes.c.lifecycle_state)).all()
    return {row.dispute_id: _case(tx, row.dispute_id, row.lifecycle_state) for row in rows}


def _case(tx: sa.Connection, dispute_id: str, lifecycle: str) -> Case:
    own = tx.execute(
        sa.select(sessions.c.session_id, sessions.c.state)
        .where(sessions.c.dispute_id == dispute_id)
        .order_by(sessions.c.started_at, sessions.c.session_id)
    ).all()
    ids = [row.session_id for row in own]
    events = audit_trail.of_dispute(tx, dispute_id)
    for each in ids:
        events += audit_trail.of_session(tx, each)
    said = tx.execute(
        sa.select(messages.c.direction, messages.c.party, messages.c.stale).where(
            messages.c.session_id.in_(ids)
        )
    ).all()
    enqueued = tx.execute(
        sa.select(outbox.c.state, outbox.c.rumor_json).where(outbox.c.dispute_id == dispute_id)
    ).all()
    asked = Counter(Party(row.party) for row in said if row.direction == OUTBOUND)
    inbound = [row for row in said if row.direction == INBOUND]
    return Case(
        lifecycle=Lifecycle(lifecycle),
        sessions=tuple((row.session_id, SessionState(row.state)) for row in own),
        events=tuple(sorted(events, key=lambda event: event.id)),
        asked=asked,
        heard=Counter(Party(row.party) for row in inbound if not row.stale),
        late=sum(row.stale for row in inbound),
        pending=sum(row.state == OutboxState.PENDING for row in enqueued),
        rumors=tuple(row.rumor_json or "" for row in enqueued),
    )
