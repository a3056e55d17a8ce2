"""What the operator's own channels are still to be told, and since when each of them listens.

A channel is known by its name. It is told of what happened after it was first configured; one that
was left out for a while begins at the present again (``cursors``: ``alerts.since.{channel}``).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.alerts import Alert, AlertEvent, AlertState
from serbero.store import cursors
from serbero.store.audit_trail import parsed
from serbero.store.schema import alerts
from serbero.store.schema import cursors as marks

PREFIX: Final = "alerts."
"""Every mark of the alerts begins with it."""
SINCE: Final = "alerts.since."

DOUBT_SECONDS: Final = 3_600
"""Where a mark was set by a clock that was ahead, it is taken to mean so long ago."""

NOT_CONFIGURED: Final = "the channel is not configured any more"

_A: Final = alerts.c
_PENDING: Final = sa.text("next_attempt_at IS NOT NULL")
"""As the index of what is due says it."""
_ADD: Final = insert(alerts).on_conflict_do_nothing()
_WAITING: Final = (
    sa.select(_A.id, _A.event, _A.dedupe_key, _A.at, _A.dispute_id, _A.facts_json)
    .where(_A.channel == sa.bindparam("of"), _PENDING)
    .order_by(_A.id)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)
_GIVEN: Final = sa.select(
    sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued("value").c[0]
)
_SETTLE: Final = (
    sa.update(alerts)
    .where(_A.id.in_(_GIVEN), _PENDING)
    .values(
        state=sa.bindparam("now_is"),
        attempts=_A.attempts + 1,
        next_attempt_at=None,
        settled_at=sa.bindparam("now"),
        reason=sa.bindparam("why"),
    )
)
_POSTPONE: Final = (
    sa.update(alerts)
    .where(_A.id.in_(_GIVEN), _PENDING)
    .values(
        attempts=_A.attempts + 1, next_attempt_at=sa.bindparam("due"), reason=sa.bindparam("why")
    )
)


@dataclass(frozen=True, slots=True)
class Listener:
    """A channel as the queue knows it."""

    name: str
    events: frozenset[AlertEvent]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One alert that a channel is to be told."""

    id: int
    alert: Alert


def adopt(tx: sa.Connection, names: Collection[str], now: int) -> None:
    """Make the marks true to the channels of today, before anything else is recorded.

    Where nobody listened until now, everything begins at the present.

    Args:
        tx: the transaction.
        names: the channels that are configured and can be used; maybe none.
        now: Unix seconds.
    """
    known = {name.removeprefix(SINCE) for name in marks_of(tx, SINCE)}
    if known.isdisjoint(names):
        tx.execute(sa.delete(marks).where(_begins(marks.c.name, PREFIX)))
        known = set()
    for gone in known.difference(names):
        tx.execute(sa.delete(marks).where(marks.c.name == SINCE + gone))
    for name in names:
        cursors.ensure(tx, SINCE + name, now)
        cursors.lower_to(tx, SINCE + name, now)
    tx.execute(
        sa.update(alerts)
        .where(_PENDING, _A.channel.not_in(list(names)))
        .values(
            state=AlertState.DEAD.value,
            next_attempt_at=None,
            settled_at=now,
            reason=NOT_CONFIGURED,
        )
    )


def has_traces(tx: sa.Connection) -> bool:
    """Whether any channel was ever listened to, so that :func:`adopt` has something to undo."""
    return bool(marks_of(tx, PREFIX))


def record(
    tx: sa.Connection,
    listeners: Sequence[Listener],
    news: Sequence[Alert],
    moved: Mapping[str, int],
    now: int,
) -> set[str]:
    """Queue what happened for each channel that wants it, and move the marks: one transaction.

    Args:
        tx: the transaction.
        listeners: the channels of today.
        news: what happened.
        moved: the marks up to which it was read.
        now: Unix seconds.

    Returns:
        The channels that were told of nothing like it before.
    """
    added: set[str] = set()
    for each in listeners:
        since = cursors.get(tx, SINCE + each.name) or 0
        if since > now:
            # Our clock was set back: this channel would be told of nothing until it is that late
            # again. Going back a little more covers what happened since the last look.
            since = now - DOUBT_SECONDS
            cursors.put(tx, SINCE + each.name, since)
        rows = [
            {
                "channel": each.name,
                "dedupe_key": alert.dedupe_key,
                "event": alert.event.value,
                "dispute_id": alert.dispute_id,
                "at": alert.at,
                "facts_json": json.dumps(dict(alert.facts), sort_keys=True),
                "state": AlertState.PENDING.value,
                "next_attempt_at": now,
            }
            for alert in news
            if alert.event in each.events and alert.at >= since
        ]
        if rows:
            tx.execute(_ADD, rows)
            added.add(each.name)
    for name, value in moved.items():
        cursors.put(tx, name, value)
    return added


def waiting(tx: sa.Connection, channel: str, limit: int) -> list[Waiting]:
    """Return what a channel is still to be told, oldest first; what cannot be read is left out."""
    rows = tx.execute(_WAITING, {"of": channel, "at_most": limit})
    return [Waiting(row.id, _alert(row)) for row in rows if row.event in set(AlertEvent)]


def _alert(row: sa.Row[*tuple[object, ...]]) -> Alert:
    facts = {
        str(name): value
        for name, value in parsed(str(row.facts_json)).items()
        if isinstance(value, str | int) and not isinstance(value, bool)
    }
    event, at = AlertEvent(row.event), row.at if isinstance(row.at, int) else 0
    what = str(row.dedupe_key).removeprefix(f"{event}:")
    return Alert(event, what, at, None if row.dispute_id is None else str(row.dispute_id), facts)


def settle(
    tx: sa.Connection, ids: Iterable[int], state: AlertState, now: int, reason: str | None = None
) -> None:
    """An attempt was the last one: these were taken, or are given up.

    Args:
        tx: the transaction.
        ids: rows.
        state: sent or dead.
        now: Unix seconds.
        reason: why they are given up, in words of ours.
    """
    told = {"ids": json.dumps(list(ids)), "now_is": state.value, "now": now, "why": reason}
    tx.execute(_SETTLE, told)


def postpone(tx: sa.Connection, ids: Iterable[int], due: int, reason: str) -> None:
    """An attempt failed; the next one is made at ``due`` (Unix seconds)."""
    tx.execute(_POSTPONE, {"ids": json.dumps(list(ids)), "due": due, "why": reason})


def marks_of(tx: sa.Connection, prefix: str) -> list[str]:
    """Return the names of the marks that begin with ``prefix``."""
    return list(tx.execute(sa.select(marks.c.name).where(_begins(marks.c.name, prefix))).scalars())


def _begins(column: sa.ColumnElement[str], prefix: str) -> sa.ColumnElement[bool]:
    """A name with this beginning; channels are named freely, so not by a pattern."""
    return sa.func.substr(column, 1, len(prefix)) == prefix
