"""Turns a decision into outbox rows: one message a solver, each with its final rumor.

A solver who is written to on two channels gets the same rumor in two rows.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from serbero.messages import solver as texts
from serbero.model.dispute import Opening
from serbero.model.duty import is_quiet
from serbero.model.notification import Channel, NotificationType, Purpose, Urgency
from serbero.model.people import Solver
from serbero.model.reference_names import ERROR_INVALID_PUBKEY
from serbero.model.texts import Outgoing
from serbero.nostr.rumor import direct_message
from serbero.store import disputes, held, ladders, notifications, outbox
from serbero.store.outbox import NewMessage


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told, by whom, for how long.

    Attributes:
        sender: our key in hex.
        solvers: everybody configured, those who cannot be reached included.
        deadline_seconds: ``[delivery].deadline_seconds``.
        handoffs_fall_back: ``[escalation].fallback_to_all_solvers`` where hand-offs are
            dispatched; None where they are not.
    """

    sender: str
    solvers: tuple[Solver, ...]
    deadline_seconds: int
    handoffs_fall_back: bool | None = None

    @property
    def reachable(self) -> frozenset[str]:
        """The keys (hex) messages can be addressed to."""
        return frozenset(
            solver.hex for solver in self.solvers if solver.reachable and solver.hex is not None
        )

    def only(self, solvers: Collection[Solver]) -> "Audience":
        """The same, with nobody in it but ``solvers``."""
        return replace(self, solvers=tuple(solvers))


ROWS_A_TRANSACTION: Final = 1_000
"""Messages enqueued before others may write: some 50 ms."""


def at_once(audience: Audience, most: int) -> int:
    """Return about how many disputes a transaction may tell an audience of, at most ``most``."""
    rows = sum(len(each.via.channels) for each in audience.solvers if each.reachable)
    return max(1, min(most, ROWS_A_TRANSACTION // max(1, rows)))


@dataclass(frozen=True, slots=True)
class Kind:
    """What sort of message it is, to those who deliver and those who count.

    Attributes:
        notif_type: of its ``notifications`` rows; None leaves none.
    """

    purpose: Purpose
    notif_type: NotificationType | None
    urgency: Urgency


@dataclass(frozen=True, slots=True)
class Message:
    """One message to a whole audience, made of words that may leave.

    Attributes:
        kind: what sort it is.
        dispute_id: what it is about.
        anchor: what makes this message another one than the last of its purpose.
        text: what it says.
        session_id: which mediation it comes from, if any.
    """

    kind: Kind
    dispute_id: str
    anchor: str
    text: Outgoing
    session_id: str | None = None


_INITIAL = Kind(Purpose.INITIAL, NotificationType.INITIAL, Urgency.ALERT)
_REMINDER = Kind(Purpose.RENOTIFICATION, NotificationType.RENOTIFICATION, Urgency.ALERT)
_ASSIGNMENT = Kind(Purpose.ASSIGNMENT, NotificationType.ASSIGNMENT, Urgency.NOTICE)


HOLDABLE: Final = frozenset({Purpose.RENOTIFICATION, Purpose.ASSIGNMENT, Purpose.RESOLUTION_REPORT})
"""What waits for the end of a quiet time. Never new disputes, hand-offs or warnings."""


@dataclass(frozen=True, slots=True)
class _Round:
    """One message to everybody: what it is about, what tells it from others, what it says."""

    kind: Kind
    dispute_id: str
    anchor: str
    text: str
    session_id: str | None = None


def announce(tx: sa.Connection, audience: Audience, message: Message, at_ms: int) -> int:
    """Enqueue one message, once; return how many rows were added.

    A message that somebody has a row of was told before: nothing is written then, whoever is in
    the audience today. Solvers who cannot be reached get their ``failed`` rows.

    Args:
        tx: the transaction of the decision.
        audience: who is told: :meth:`Audience.only` chooses.
        message: what.
        at_ms: Unix milliseconds of the decision.

    Raises:
        TypeError: the text is not made of fixed and vetted words.
    """
    if not isinstance(message.text, Outgoing):
        raise TypeError("only fixed and vetted words leave for a person")
    kind, dispute_id, anchor = message.kind, message.dispute_id, message.anchor
    if outbox.recipients_of(tx, dispute_id, kind.purpose, anchor):
        return 0
    _note_unreachable(tx, audience, dispute_id, kind, at_ms)
    told = _Round(kind, dispute_id, anchor, message.text.text, message.session_id)
    return _enqueue(tx, audience, told, at_ms)


def announce_new(tx: sa.Connection, audience: Audience, opening: Opening, at_ms: int) -> int:
    """Enqueue the first message of an opening; return how many rows were added.

    Args:
        tx: the transaction of the decision.
        audience: who is told.
        opening: of what.
        at_ms: Unix milliseconds of the decision.
    """
    _note_unreachable(tx, audience, opening.dispute_id, _INITIAL, at_ms)
    return _enqueue(tx, audience, _initial(opening), at_ms)


def announce_to_others(
    tx: sa.Connection,
    audience: Audience,
    opening: Opening,
    at_ms: int,
    *,
    told: Collection[tuple[str, Channel]],
) -> int:
    """Enqueue the first message of an opening where ``told`` (hex, channel) has none yet."""
    return _enqueue(tx, audience, _initial(opening), at_ms, has_row=told)


def _initial(opening: Opening) -> _Round:
    text = texts.new_dispute(opening.dispute_id, opening.initiator, opening.created_at)
    return _Round(_INITIAL, opening.dispute_id, opening.event_id, text)


def announce_taken(
    tx: sa.Connection,
    audience: Audience,
    dispute_id: str,
    assigned_solver: str | None,
    anchor: str,
    at_ms: int,
) -> int:
    """Enqueue the assignment message; return how many rows were added.

    Args:
        tx: the transaction of the decision.
        audience: who is told; its sender may be the one who took the dispute.
        dispute_id: which.
        assigned_solver: who has it (hex), None where nobody knows.
        anchor: what makes this another assignment than the last: the revision's event id.
        at_ms: Unix milliseconds of the decision.
    """
    _note_unreachable(tx, audience, dispute_id, _ASSIGNMENT, at_ms)
    ours = assigned_solver == audience.sender
    text = texts.dispute_taken(dispute_id, assigned_solver, by_serbero=ours)
    return _enqueue(tx, audience, _Round(_ASSIGNMENT, dispute_id, anchor, text), at_ms)


def remind(
    tx: sa.Connection,
    audience: Audience,
    opening: Opening,
    cycle: int,
    at_ms: int,
    *,
    skip: Collection[str],
) -> int:
    """Enqueue reminder round ``cycle`` to all but ``skip`` (hex); return how many rows."""
    elapsed = max(0, at_ms // 1000 - opening.created_at)
    text = texts.still_unattended(opening.dispute_id, elapsed)
    anchor = reminder_anchor(opening.event_id, cycle)
    added = _enqueue(
        tx, audience, _Round(_REMINDER, opening.dispute_id, anchor, text), at_ms, skip=skip
    )
    if added:
        _note_unreachable(tx, audience, opening.dispute_id, _REMINDER, at_ms)
    elif _asleep(tx, audience, _REMINDER, at_ms // 1000):
        # Everybody left to remind sleeps, so this round stands in their digests, and counts. The
        # next one needs a number of its own: the same round is not held a second time.
        disputes.raise_last_notified(tx, opening.dispute_id, at_ms // 1000)
        disputes.next_cycle(tx, opening.dispute_id)
    return added


def reminder_anchor(opening_event_id: str, cycle: int) -> str:
    """Return what tells a reminder round from every other: its opening and its number."""
    return f"{opening_event_id[:16]}.{cycle}"


def reminds_of(anchor: str, opening_event_id: str) -> bool:
    """Whether a reminder with ``anchor`` belongs to this opening of its dispute."""
    return anchor.partition(".")[0] == opening_event_id[:16]


def _asleep(tx: sa.Connection, audience: Audience, kind: Kind, now: int) -> Collection[str]:
    """Return who (hex) reads a message of this kind in a digest, after sleeping."""
    if kind.purpose not in HOLDABLE:
        return ()
    muted = ladders.muted(tx, now)
    return [
        each.hex
        for each in audience.solvers
        if each.hex is not None and each.reachable and (each.hex in muted or is_quiet(each, now))
    ]


def _note_unreachable(
    tx: sa.Connection, audience: Audience, dispute_id: str, kind: Kind, at_ms: int
) -> None:
    """Write the ``failed`` row of each solver whose key cannot be one."""
    if kind.notif_type is None:
        return
    for solver in audience.solvers:
        if not solver.reachable:
            error = ERROR_INVALID_PUBKEY + (solver.problem or "")
            notifications.record_failed(
                tx, dispute_id, solver.typed, kind.notif_type, at_ms // 1000, error
            )


def _enqueue(
    tx: sa.Connection,
    audience: Audience,
    told: _Round,
    at_ms: int,
    skip: Collection[str] = (),
    has_row: Collection[tuple[str, Channel]] = (),
) -> int:
    """Enqueue a round: for each solver not in ``skip`` a row a channel, unless in ``has_row``."""
    now = at_ms // 1000
    kind, dispute_id = told.kind, told.dispute_id
    roots = outbox.thread_roots(tx, dispute_id)
    asleep = _asleep(tx, audience, kind, now)
    messages = []
    for solver in audience.solvers:
        if solver.hex is None or not solver.reachable or solver.hex in skip:
            continue
        if solver.hex in asleep:
            held.hold(tx, solver.hex, dispute_id, kind.purpose, told.anchor, now)
            continue
        channels = [each for each in solver.via.channels if (solver.hex, each) not in has_row]
        if not channels:
            continue
        rumor = direct_message(
            sender=audience.sender,
            recipient=solver.hex,
            text=told.text,
            created_at=now,
            subject=texts.subject(dispute_id),
            root=roots.get(solver.hex),
        )
        messages += [
            NewMessage(
                purpose=kind.purpose,
                dispute_id=dispute_id,
                session_id=told.session_id,
                anchor=told.anchor,
                recipient=solver.hex,
                recipient_typed=solver.typed,
                notif_type=kind.notif_type,
                rumor_id=rumor.id,
                rumor_json=rumor.json,
                urgency=kind.urgency,
                enqueued_ms=at_ms,
                deadline_at=now + audience.deadline_seconds,
                channel=channel,
            )
            for channel in channels
        ]
    return outbox.enqueue(tx, messages)
