"""What every call of a model cost, and what it was shown: numbers and names, no words."""

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.store.mediation_schema import reasoning_calls
from serbero.store.odd_values import maybe, since_epoch, text, whole

_C = reasoning_calls.c
_FIELDS: Final = tuple(column for column in _C if column.name != "id")
_INSERT: Final = sa.insert(reasoning_calls)
_OF_SESSION: Final = (
    sa.select(_C.id, *_FIELDS).where(_C.session_id == sa.bindparam("of")).order_by(_C.id)
)
_OF_DISPUTE: Final = (
    sa.select(_C.id, *_FIELDS).where(_C.dispute_id == sa.bindparam("of")).order_by(_C.id)
)


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, retries and endpoints tried included.

    Attributes:
        at: when it ended, Unix seconds.
        dispute_id: None for a health check.
        session_id: None before there is one.
        purpose: ``serbero.reasoning``'s word, as the next two.
        output_mode: how the answer was asked for.
        failure: the category of the fault; None for an answer.
        attempts: requests sent.
        policy_hash: the bundle's; None for a health check.
        rationale_id: of the answer, or of rejected output.
        seen_message_id: the newest message the model was shown.
        pairs_put: pairs of questions put by then.
    """

    at: int
    dispute_id: str | None
    session_id: str | None
    purpose: str
    provider: str
    model: str
    output_mode: str
    attempts: int
    latency_ms: int
    input_tokens: int | None = None
    output_tokens: int | None = None
    failure: str | None = None
    policy_hash: str | None = None
    rationale_id: str | None = None
    seen_message_id: int | None = None
    pairs_put: int | None = None


def record(tx: sa.Connection, call: CallRecord) -> int:
    """Append a call; return its number."""
    values = {column.name: getattr(call, column.name) for column in _FIELDS}
    [row] = tx.execute(_INSERT, values).inserted_primary_key or (0,)
    return int(row)


def of_session(tx: sa.Connection, session_id: str) -> list[CallRecord]:
    """Return a session's calls in order."""
    return [_call(row) for row in tx.execute(_OF_SESSION, {"of": session_id})]


def of_dispute(tx: sa.Connection, dispute_id: str) -> list[CallRecord]:
    """Return a dispute's calls in order, those of its sessions too."""
    return [_call(row) for row in tx.execute(_OF_DISPUTE, {"of": dispute_id})]


def _call(row: Any) -> CallRecord:
    return CallRecord(
        at=since_epoch(row.at),
        dispute_id=maybe(row.dispute_id),
        session_id=maybe(row.session_id),
        purpose=text(row.purpose),
        provider=text(row.provider),
        model=text(row.model),
        output_mode=text(row.output_mode),
        attempts=whole(row.attempts) or 0,
        latency_ms=whole(row.latency_ms) or 0,
        input_tokens=whole(row.input_tokens),
        output_tokens=whole(row.output_tokens),
        failure=maybe(row.failure),
        policy_hash=maybe(row.policy_hash),
        rationale_id=maybe(row.rationale_id),
        seen_message_id=whole(row.seen_message_id),
        pairs_put=whole(row.pairs_put),
    )
