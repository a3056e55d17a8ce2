"""Messages about one dispute with what each relay said to them. Reads only; no words of theirs."""

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.store.dispute_lookup import tables
from serbero.store.odd_values import maybe, text, whole
from serbero.store.schema import outbox, outbox_targets

_O, _T = outbox.c, outbox_targets.c


@dataclass(frozen=True, slots=True)
class AtRelay:
    """What one relay said.

    Attributes:
        state: ``open``, ``accepted`` or ``refused``.
        round_trip_ms: from publish to OK; None where it did not take the message.
        reason: the last answer that was no success.
    """

    relay: str
    source: str
    state: str
    attempts: int | None
    round_trip_ms: int | None
    reason: str
    updated_at: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One logical message on one channel.

    Attributes:
        solver: the recipient as the operator typed it; of a party's, a public key.
        enqueued_ms: when, in Unix milliseconds.
        settled_at: first success, death or withdrawal, Unix seconds.
        delivery_ms: from enqueue to first success.
        next_attempt_at: None where nothing is left to do.
    """

    id: int
    purpose: str
    type: str | None
    session_id: str | None
    anchor: str
    solver: str
    recipient: str
    channel: str
    state: str
    created_at: int | None
    enqueued_ms: int | None
    settled_at: int | None
    delivery_ms: int | None
    deadline_at: int | None
    next_attempt_at: int | None
    relays: tuple[AtRelay, ...]


_MESSAGES = (
    _O.id,
    _O.purpose,
    _O.notif_type,
    _O.session_id,
    _O.anchor,
    _O.recipient_typed,
    _O.recipient,
    _O.channel,
    _O.state,
    _O.created_at,
    _O.enqueued_ms,
    _O.settled_at,
    _O.delivery_ms,
    _O.deadline_at,
    _O.next_attempt_at,
)


def of_dispute(tx: sa.Connection, dispute_id: str) -> list[Delivery]:
    """Return every message about a dispute in order of their making; none before we kept any."""
    if not {outbox.name, outbox_targets.name} <= tables(tx):
        return []
    said: dict[int, list[AtRelay]] = defaultdict(list)
    answers = (
        sa.select(outbox_targets)
        .join(outbox, _O.id == _T.outbox_id)
        .where(_O.dispute_id == dispute_id)
        .order_by(_T.outbox_id, _T.relay)
    )
    for row in tx.execute(answers):
        said[row.outbox_id].append(
            AtRelay(
                relay=text(row.relay),
                source=text(row.source),
                state=text(row.state),
                attempts=whole(row.attempts),
                round_trip_ms=whole(row.round_trip_ms),
                reason=text(row.reason),
                updated_at=whole(row.updated_at),
            )
        )
    query = sa.select(*_MESSAGES).where(_O.dispute_id == dispute_id).order_by(_O.id)
    return [
        Delivery(
            id=row.id,
            purpose=text(row.purpose),
            type=maybe(row.notif_type),
            session_id=maybe(row.session_id),
            anchor=text(row.anchor),
            solver=text(row.recipient_typed),
            recipient=text(row.recipient),
            channel=text(row.channel),
            state=text(row.state),
            created_at=whole(row.created_at),
            enqueued_ms=whole(row.enqueued_ms),
            settled_at=whole(row.settled_at),
            delivery_ms=whole(row.delivery_ms),
            deadline_at=whole(row.deadline_at),
            next_attempt_at=whole(row.next_attempt_at),
            relays=tuple(said[row.id]),
        )
        for row in tx.execute(query)
    ]
