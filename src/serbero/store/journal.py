"""Our own audit trail: events of kinds the reference does not know. Append-only."""

import json
from collections.abc import Mapping

import sqlalchemy as sa

from serbero.store.schema import journal


def write(
    tx: sa.Connection,
    kind: str,
    at: int,
    *,
    dispute_id: str | None = None,
    session_id: str | None = None,
    payload: Mapping[str, object] | None = None,
) -> None:
    """Append one event; ``payload`` holds ids, roles, states and times only, never texts."""
    tx.execute(
        sa.insert(journal).values(
            at=at,
            dispute_id=dispute_id,
            session_id=session_id,
            kind=kind,
            payload_json=json.dumps(
                payload or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            ),
        )
    )
