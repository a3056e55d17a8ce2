"""When somebody looked after what is due, so that an outage can be told from an omission.

While a dispute is open a daemon says every few seconds that it is there. What it could not do in
the gaps between is no fault of its; what it did not do while it was there is one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Column, Index, Integer, Table, Text

from serbero.model.lifecycle import Lifecycle
from serbero.store.schema import disputes, metadata

LONGEST_GAP_SECONDS: Final = 75
"""Between two signs of life of one watch; after more somebody else's begins."""
_FOR_EVER: Final = 2**62

watches = Table(
    "watches",
    metadata,
    Column("id", Integer, primary_key=True),
    # A :class:`Duty`.
    Column("duty", Text, nullable=False),
    # The node (hex) whose disputes it is about; empty where about all.
    Column("node", Text, nullable=False),
    # Of hand-offs, how long one may wait by the configuration; of deadlines, how long an escrow
    # lasts.
    Column("term_seconds", Integer, nullable=False),
    Column("began_at", Integer, nullable=False),
    Column("seen_at", Integer, nullable=False),
    Index("ix_watches_duty", "duty", "seen_at"),
    sqlite_autoincrement=True,
)

_W = watches.c
_OPEN: Final = [each.value for each in Lifecycle if each is not Lifecycle.RESOLVED]
_ANY_OPEN: Final = (
    sa.select(disputes.c.dispute_id).where(disputes.c.lifecycle_state.in_(_OPEN)).limit(1)
)
_FIRST_OPEN: Final = sa.select(sa.func.min(disputes.c.detected_at)).where(
    disputes.c.lifecycle_state.in_(_OPEN)
)
_NEWEST: Final = (
    sa.select(watches).where(_W.duty == sa.bindparam("of")).order_by(_W.id.desc()).limit(1)
)
_SINCE: Final = (
    sa.select(_W.node, _W.term_seconds, _W.began_at, _W.seen_at)
    .where(_W.duty == sa.bindparam("of"), _W.seen_at >= sa.bindparam("since", type_=sa.Integer))
    .order_by(_W.id)
)

Span = tuple[int, int]
"""From and until, Unix seconds."""


class Duty(StrEnum):
    """What is looked after."""

    HANDOFFS = "handoffs"
    """Prepared hand-offs are dispatched."""
    REMINDERS = "reminders"
    """Ladders are climbed."""
    DEADLINES = "deadlines"
    """Somebody is warned before an escrow ends."""


@dataclass(frozen=True, slots=True)
class Watched:
    """How something is looked after.

    Attributes:
        term_seconds: see :data:`watches`.
        node: likewise.
        unwatched: when nobody was there; in order, apart.
        relived: what the clock showed twice, because it was set back.
    """

    term_seconds: int = 0
    node: str = ""
    unwatched: tuple[Span, ...] = ()
    relived: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Post:
    """One duty somebody has now; see :class:`Watched`."""

    duty: Duty
    term_seconds: int = 0
    node: str = ""


def stand(tx: sa.Connection, posts: Iterable[Post], now: int) -> None:
    """Say that somebody is there, Unix second ``now``; nothing is written without open disputes."""
    if tx.execute(_ANY_OPEN).first() is None:
        return
    for post in posts:
        row = tx.execute(_NEWEST, {"of": post.duty.value}).first()
        same = row is not None and (row.node, row.term_seconds) == (post.node, post.term_seconds)
        if row is not None and same and abs(now - row.seen_at) <= LONGEST_GAP_SECONDS:
            tx.execute(
                sa.update(watches).where(_W.id == row.id, _W.seen_at < now).values(seen_at=now)
            )
            continue
        tx.execute(
            sa.insert(watches).values(
                duty=post.duty.value,
                node=post.node,
                term_seconds=post.term_seconds,
                began_at=now,
                seen_at=now,
            )
        )


def watched(tx: sa.Connection, now: int) -> dict[Duty, Watched]:
    """Return how everything is looked after that somebody looks after, or last did."""
    newest = {duty: tx.execute(_NEWEST, {"of": duty.value}).first() for duty in Duty}
    last = max((row.id for row in newest.values() if row is not None), default=None)
    if last is None:
        return {}
    seen_at = next(row.seen_at for row in newest.values() if row is not None and row.id == last)
    since = tx.execute(_FIRST_OPEN).scalar() or now
    found = {}
    for duty, row in newest.items():
        # One that was given up while others went on is no duty any more.
        if row is None or abs(seen_at - row.seen_at) > LONGEST_GAP_SECONDS:
            continue
        rows = tx.execute(_SINCE, {"of": duty.value, "since": since}).all()
        spans = [(each.began_at, each.seen_at) for each in rows]
        same = [
            (each.began_at, each.seen_at)
            for each in rows
            if (each.node, each.term_seconds) == (row.node, row.term_seconds)
        ]
        about = (row.term_seconds, row.node)
        found[duty] = Watched(*about, between(same, now), relived(spans))
    return found


def last_seen(tx: sa.Connection) -> int | None:
    """Return when somebody last said to be there, Unix seconds; None if nobody ever did."""
    return tx.execute(sa.select(_W.seen_at).order_by(_W.id.desc()).limit(1)).scalar()


def between(spans: Sequence[Span], now: int) -> tuple[Span, ...]:
    """Return what lies before, between and after spans; after only if that is long enough."""
    gaps, until = [], 0
    for began, ended in sorted(spans):
        if began > until:
            gaps.append((until, began))
        until = max(until, ended)
    if now - until > LONGEST_GAP_SECONDS:
        gaps.append((until, _FOR_EVER))
    return tuple(gaps)


def relived(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return what the clock showed twice, spans being in the order they were lived in."""
    found, latest = [], 0
    for began, ended in spans:
        if began < latest:
            found.append((began - LONGEST_GAP_SECONDS, latest + LONGEST_GAP_SECONDS))
        latest = max(latest, ended)
    return joined(found)


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same times as spans that are in order and apart."""
    found: list[Span] = []
    for began, ended in sorted(spans):
        if found and began <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ended))
        else:
            found.append((began, ended))
    return tuple(found)
