"""Ids for a shell to complete. Reads only; databases of any age."""

import sqlalchemy as sa

from serbero.store.mediation_schema import sessions as session_rows
from serbero.store.schema import disputes as dispute_rows

_D, _S = dispute_rows.c, session_rows.c


def disputes(tx: sa.Connection, beginning: str, most: int) -> list[tuple[str, str]]:
    """Return id and state of the newest disputes whose id begins like this."""
    query = (
        sa.select(_D.dispute_id, _D.lifecycle_state)
        .where(_begins(_D.dispute_id, beginning))
        .order_by(_D.detected_at.desc())
        .limit(most)
    )
    return [(str(row[0]), str(row[1])) for row in tx.execute(query)]


def sessions(tx: sa.Connection, beginning: str, most: int) -> list[tuple[str, str]]:
    """Return id and state of the newest sessions whose id begins like this."""
    query = (
        sa.select(_S.session_id, _S.state)
        .where(_begins(_S.session_id, beginning))
        .order_by(_S.started_at.desc())
        .limit(most)
    )
    return [(str(row[0]), str(row[1])) for row in tx.execute(query)]


def _begins(column: sa.Column[str], beginning: str) -> sa.ColumnElement[bool]:
    wanted = beginning.lower()
    return sa.func.substr(sa.func.lower(column), 1, len(wanted)) == wanted
