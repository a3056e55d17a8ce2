"""Summaries for the solvers (``mediation_summaries``). Append-only."""

from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import SessionState
from serbero.model.reasoning import Classification
from serbero.store import mediation_events, rationales, sessions
from serbero.store.mediation_events import Label, Pins
from serbero.store.mediation_schema import summaries
from serbero.store.rationales import Rationale

_Y = summaries.c
_INSERT: Final = sa.insert(summaries)
_NEWEST: Final = (
    sa.select(summaries).where(_Y.session_id == sa.bindparam("of")).order_by(_Y.id.desc()).limit(1)
)


@dataclass(frozen=True, slots=True)
class StoredSummary:
    """A summary on record; its words were screened before."""

    id: int
    session_id: str
    dispute_id: str
    label: Label
    pins: Pins
    rationale_id: str | None
    generated_at: int
    body: str = field(repr=False)
    next_step: str = field(repr=False)


def save(
    tx: sa.Connection,
    session_id: str,
    label: Label,
    body: str,
    next_step: str,
    rationale: Rationale,
    now: int,
) -> StoredSummary | None:
    """Store a summary with its rationale and its event, all or nothing.

    Returns:
        None if the session does not wait for one (any more); nothing was written then.
    """
    session = sessions.load(tx, session_id)
    if session is None or session.state is not SessionState.SUMMARY_PENDING:
        return None
    pins = session.pins
    rationale_id = rationales.save(tx, rationale, now)
    result = tx.execute(
        _INSERT,
        {
            "session_id": session_id,
            "dispute_id": session.dispute_id,
            "classification": label.classification.value,
            "confidence": label.stored,
            "suggested_next_step": next_step,
            "summary_text": body,
            "prompt_bundle_id": pins.bundle_id,
            "policy_hash": pins.policy_hash,
            "rationale_id": rationale_id,
            "generated_at": now,
        },
    )
    [row] = result.inserted_primary_key or (0,)
    mediation_events.summary_generated(tx, session_id, label, rationale_id, now, pins=pins)
    return StoredSummary(
        int(row), session_id, session.dispute_id, label, pins, rationale_id, now, body, next_step
    )


def of_session(tx: sa.Connection, session_id: str) -> StoredSummary | None:
    """Return a session's newest summary."""
    row = tx.execute(_NEWEST, {"of": session_id}).first()
    if row is None:
        return None
    return StoredSummary(
        id=row.id,
        session_id=row.session_id,
        dispute_id=row.dispute_id,
        label=Label(Classification(row.classification), row.confidence),
        pins=Pins(row.prompt_bundle_id, row.policy_hash),
        rationale_id=row.rationale_id,
        generated_at=row.generated_at,
        body=row.summary_text,
        next_step=row.suggested_next_step,
    )
