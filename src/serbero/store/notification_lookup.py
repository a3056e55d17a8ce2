"""The reference's ``notifications`` table, to be read: newest first, in a database of any age."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from serbero.store.odd_values import maybe, text, whole
from serbero.store.schema import notifications

_N = notifications.c


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows; what is left out excludes none.

    Attributes:
        dispute_id: of this dispute, its whole id.
        solver: to this key, as it may be spelt, in any case.
        status: ``sent`` or ``failed``.
        type: a ``notif_type``.
        since: then or later, Unix seconds.
        until: earlier, Unix seconds.
        limit: at most so many.
    """

    dispute_id: str | None = None
    solver: Collection[str] = ()
    status: str | None = None
    type: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Notification:
    """One row; ``sent_at`` is Unix seconds, None where the row holds no number."""

    id: int
    dispute_id: str
    solver: str
    sent_at: int | None
    status: str
    error: str | None
    type: str


def newest(tx: sa.Connection, wanted: Wanted) -> list[Notification]:
    """Return rows, those written last first.

    The table is the reference's, and its only index is by dispute; without one the rows are walked
    from the end, and only as far as the limit needs.
    """
    query = sa.select(notifications).order_by(_N.id.desc()).limit(wanted.limit)
    if wanted.dispute_id is not None:
        query = query.where(_N.dispute_id == wanted.dispute_id)
    if wanted.solver:
        query = query.where(_N.solver_pubkey.collate("NOCASE").in_(sorted(wanted.solver)))
    if wanted.status is not None:
        query = query.where(_N.status == wanted.status)
    if wanted.type is not None:
        query = query.where(_N.notif_type == wanted.type)
    if wanted.since is not None:
        query = query.where(_N.sent_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(_N.sent_at < wanted.until)
    return [notification(row) for row in tx.execute(query)]


def of_dispute(tx: sa.Connection, dispute_id: str) -> list[Notification]:
    """Return every row about a dispute, in order."""
    query = sa.select(notifications).where(_N.dispute_id == dispute_id).order_by(_N.id)
    return [notification(row) for row in tx.execute(query)]


def notification(row: Any) -> Notification:
    """Read one row."""
    return Notification(
        id=row.id,
        dispute_id=text(row.dispute_id),
        solver=text(row.solver_pubkey),
        sent_at=whole(row.sent_at),
        status=text(row.status),
        error=maybe(row.error_message),
        type=text(row.notif_type),
    )
