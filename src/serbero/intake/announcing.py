"""Turns a decision into outbox rows: one message a solver, each with its final rumor."""

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.messages import solver as texts
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.people import Solver
from serbero.model.reference_names import ERROR_INVALID_PUBKEY
from serbero.nostr.rumor import direct_message
from serbero.store import notifications, outbox
from serbero.store.outbox import NewMessage


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told, by whom, for how long.

    Attributes:
        sender: our key in hex.
        solvers: everybody configured, those who cannot be reached included.
        deadline_seconds: ``[delivery].deadline_seconds``.
    """

    sender: str
    solvers: tuple[Solver, ...]
    deadline_seconds: int

    @property
    def reachable(self) -> frozenset[str]:
        """The keys (hex) messages can be addressed to."""
        return frozenset(
            solver.hex for solver in self.solvers if solver.reachable and solver.hex is not None
        )


@dataclass(frozen=True, slots=True)
class _Kind:
    purpose: Purpose
    notif_type: NotificationType
    urgency: Urgency


_INITIAL = _Kind(Purpose.INITIAL, NotificationType.INITIAL, Urgency.ALERT)
_REMINDER = _Kind(Purpose.RENOTIFICATION, NotificationType.RENOTIFICATION, Urgency.ALERT)
_ASSIGNMENT = _Kind(Purpose.ASSIGNMENT, NotificationType.ASSIGNMENT, Urgency.NOTICE)


def announce_new(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    initiator: str,
    opening_event_id: str,
    opened: int,
    at_ms: int,
    *,
    skip: Collection[str] = (),
) -> int:
    """Enqueue the first message of an opening; return how many rows were added.

    Args:
        tx: the transaction of the decision.
        audience: who is told.
        dispute_id: the dispute.
        initiator: ``buyer``, ``seller`` or ``unknown``.
        opening_event_id: the revision that opened it: the messages' anchor.
        opened: that revision's ``created_at``.
        at_ms: Unix milliseconds of the decision.
        skip: recipients (hex) that are not told now.
    """
    text = texts.new_dispute(dispute_id, initiator, opened)
    return _enqueue(tx, audience, _INITIAL, dispute_id, opening_event_id, text, at_ms, skip)


def announce_taken(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    assigned_solver: str | None,
    event_id: str,
    at_ms: int,
) -> int:
    """Enqueue the assignment message; return how many rows were added."""
    text = texts.dispute_taken(dispute_id, assigned_solver)
    return _enqueue(tx, audience, _ASSIGNMENT, dispute_id, event_id, text, at_ms, ())


def remind(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    anchor: str,
    elapsed_seconds: int,
    at_ms: int,
    *,
    skip: Collection[str],
) -> int:
    """Enqueue one reminder round; return how many rows were added."""
    text = texts.still_unattended(dispute_id, elapsed_seconds)
    return _enqueue(tx, audience, _REMINDER, dispute_id, anchor, text, at_ms, skip)


def reminder_anchor(opening_event_id: str, cycle: int) -> str:
    """Return what tells a reminder round from every other: its opening and its number."""
    return f"{opening_event_id[:16]}.{cycle}"


def reminds_of(anchor: str, opening_event_id: str) -> bool:
    """Whether a reminder with ``anchor`` belongs to this opening of its dispute."""
    return anchor.partition(".")[0] == opening_event_id[:16]


def note_unreachable(
    tx: sa.Connection, solvers: Collection[Solver], dispute_id: str, kind: NotificationType, at: int
) -> None:
    """Write the ``failed`` row of each solver whose key cannot be one."""
    for solver in solvers:
        if not solver.reachable:
            error = ERROR_INVALID_PUBKEY + (solver.problem or "")
            notifications.record_failed(tx, dispute_id, solver.typed, kind, at, error)


def _enqueue(
    tx: sa.Connection,
    audience: Audience,
    kind: _Kind,
    dispute_id: str,
    anchor: str,
    text: str,
    at_ms: int,
    skip: Collection[str],
) -> int:
    now = at_ms // 1000
    roots = outbox.thread_roots(tx, dispute_id)
    messages = []
    for solver in audience.solvers:
        if solver.hex is None or not solver.reachable or solver.hex in skip:
            continue
        rumor = direct_message(
            sender=audience.sender,
            recipient=solver.hex,
            text=text,
            created_at=now,
            subject=texts.subject(dispute_id),
            root=roots.get(solver.hex),
        )
        messages.append(
            NewMessage(
                purpose=kind.purpose,
                dispute_id=dispute_id,
                anchor=anchor,
                recipient=solver.hex,
                recipient_typed=solver.typed,
                notif_type=kind.notif_type,
                rumor_id=rumor.id,
                rumor_json=rumor.json,
                urgency=kind.urgency,
                enqueued_ms=at_ms,
                deadline_at=now + audience.deadline_seconds,
            )
        )
    return outbox.enqueue(tx, messages)
