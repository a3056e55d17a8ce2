"""Ids and keys for a shell to complete. Reads only; databases of any age."""

from typing import Final

import sqlalchemy as sa

from serbero.store.mediation_schema import sessions as session_rows
from serbero.store.schema import disputes as dispute_rows
from serbero.store.schema import notifications as notification_rows

_D, _S, _N = dispute_rows.c, session_rows.c, notification_rows.c
_LATELY: Final = 2000
"""Rows that are looked through: who was told nothing in so many is not asked for."""


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


def solvers(tx: sa.Connection, beginning: str, most: int) -> list[tuple[str, str]]:
    """Return the solvers that were told something lately, as their keys are spelt in the rows."""
    lately = sa.select(_N.solver_pubkey).order_by(_N.id.desc()).limit(_LATELY).subquery()
    key = lately.c.solver_pubkey
    query = sa.select(key).where(_begins(key, beginning)).distinct().limit(most)
    return [(str(row[0]), "") for row in tx.execute(query)]


def messages(tx: sa.Connection, beginning: str, most: int) -> list[tuple[str, str]]:
    """Return number and state of the newest messages that wait or were given up."""
    found: list[tuple[int, str]] = []
    # One state at a time, as text: each has an index of its own, which a parameter would hide.
    for state in ("pending", "dead"):
        rows = tx.execute(_NEWEST[state], {"most": _LATELY if beginning else most})
        found += [(int(row[0]), state) for row in rows]
    numbers = ((str(number), state) for number, state in sorted(found, reverse=True))
    return [each for each in numbers if each[0].startswith(beginning)][:most]


_NEWEST: Final = {
    "pending": sa.text(
        "SELECT id FROM outbox WHERE state = 'pending' ORDER BY created_at DESC LIMIT :most"
    ),
    "dead": sa.text(
        "SELECT id FROM outbox WHERE state = 'dead' ORDER BY settled_at DESC LIMIT :most"
    ),
}


def _begins(column: sa.ColumnElement[str], beginning: str) -> sa.ColumnElement[bool]:
    wanted = beginning.lower()
    return sa.func.substr(sa.func.lower(column), 1, len(wanted)) == wanted
