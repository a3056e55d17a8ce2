"""What happened since the alerts were last collected, read from the rows that record it.

Each source has a mark in ``cursors``. Most are the highest id that was looked at, so a look costs
what is new. A look is bounded: where more is new, the next one goes on.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.alerts import Alert, AlertEvent, Fact, Turn
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import AuditKind
from serbero.model.notification import SOLVER_CHANNELS, OutboxState, Purpose
from serbero.store import alerts, cursors, standing
from serbero.store.audit_trail import parsed
from serbero.store.escalation_schema import held_messages
from serbero.store.mediation_schema import events
from serbero.store.outbox_twins import stands_alone
from serbero.store.schema import disputes, outbox, revisions, transitions
from serbero.store.standing import Standing, StandingState

DEAD: Final = "alerts.dead"
"""Unix seconds: messages given up from then on are looked at, again and again for an hour."""
STANDING: Final = "alerts.standing"
"""1 while the node is known to refuse us."""
PART: Final = "alerts.part."
"""1 while the channels believe that this part does not work."""

ROWS_A_LOOK: Final = 2_000
OVERLAP_SECONDS: Final = 3_600
"""A transaction may commit long after the second it writes down, while the database is locked."""

_COUNT: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_ROLES: Final = frozenset({"buyer", "seller"})
_PURPOSES: Final = frozenset(each.value for each in Purpose)
_REFUSING: Final = frozenset({StandingState.REFUSED, StandingState.TERMINATED})
_Rows = Iterable[sa.Row[Any]]

_T, _E, _H, _O, _D = transitions.c, events.c, held_messages.c, outbox.c, disputes.c
_AFTER: Final = sa.bindparam("after", type_=sa.Integer)
_UNTIL: Final = sa.bindparam("until", type_=sa.Integer)

_ROW: Final = sa.literal_column("disputes.rowid", sa.Integer)
"""The reference's table has no number of its own; rows are never removed, so this one grows."""
_OPENED: Final = (
    sa.select(_D.dispute_id, _D.initiator_role, _D.detected_at.label("at"))
    .join(revisions, revisions.c.dispute_id == _D.dispute_id)
    # What was taken or over when it was first seen was never opened for us.
    .where(_ROW > _AFTER, _ROW <= _UNTIL, revisions.c.opening_event_id.is_not(None))
    .order_by(_ROW)
)
_REOPENED: Final = (
    sa.select(_T.id, _T.dispute_id, _T.transitioned_at.label("at"))
    .where(_T.id > _AFTER, _T.id <= _UNTIL, _T.to_state == Lifecycle.NEW.value)
    .order_by(_T.id)
)
_ESCALATED: Final = (
    sa.select(_E.id, _E.payload_json, _E.occurred_at.label("at"))
    .where(_E.id > _AFTER, _E.id <= _UNTIL, _E.kind == AuditKind.ESCALATION_RECOMMENDED.value)
    .order_by(_E.id)
)
_REMINDED: Final = (
    sa.select(_O.id, _O.dispute_id, _O.anchor, _O.created_at.label("at"))
    .where(_O.id > _AFTER, _O.id <= _UNTIL, _O.purpose == Purpose.RENOTIFICATION.value)
    .order_by(_O.id)
)
_HELD: Final = (
    sa.select(_H.id, _H.dispute_id, _H.anchor, _H.at)
    .where(_H.id > _AFTER, _H.id <= _UNTIL, _H.purpose == Purpose.RENOTIFICATION.value)
    .order_by(_H.id)
)
_DIED: Final = (
    sa.select(_O.id, _O.dispute_id, _O.purpose, _O.channel, _O.settled_at)
    .where(
        # Spelled as in the partial index of dead messages: SQLite uses it for the same words only.
        sa.text("outbox.state = 'dead'"),
        _O.settled_at >= sa.bindparam("since", type_=sa.Integer),
        stands_alone(outbox, OutboxState.DEAD),
    )
    .order_by(_O.settled_at, _O.id)
)


@dataclass(frozen=True, slots=True)
class News:
    """What one look found.

    Attributes:
        alerts: what happened, each once.
        moved: the marks that moved, by name.
        more: whether there is more to read at once.
    """

    alerts: tuple[Alert, ...] = ()
    moved: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where things happen: our node and our key, both in hex."""

    node: str
    own_key: str


def begin(tx: sa.Connection, place: Place, now: int) -> None:
    """Set every mark that was never set to the present (``now``, Unix seconds)."""
    for source in _SOURCES:
        cursors.ensure(tx, source.mark, _newest(tx, source))
    cursors.ensure(tx, DEAD, now)
    kept = _own_standing(tx, place)
    if kept is None:
        # The standing of our present key is unknown: what was told before was about another key.
        cursors.put(tx, STANDING, 0)
    else:
        cursors.ensure(tx, STANDING, int(kept.state in _REFUSING))


def parts_told(tx: sa.Connection) -> frozenset[str]:
    """Return the parts that the channels were told of as failing, and not as working again."""
    return frozenset(
        name.removeprefix(PART) for name in alerts.marks_of(tx, PART) if cursors.get(tx, name)
    )


def look(tx: sa.Connection, place: Place, now: int, known: Collection[str]) -> News:
    """Read what happened since the marks.

    Args:
        tx: a reading transaction.
        place: our node and key.
        now: Unix seconds.
        known: dedupe keys of messages given up that were recorded before.
    """
    found: dict[str, Alert] = {}
    moved: dict[str, int] = {}
    more = False
    for source in _SOURCES:
        after, newest = cursors.get(tx, source.mark) or 0, _newest(tx, source)
        until = min(newest, after + ROWS_A_LOOK)
        if until < after:
            # Rows were removed, and the rest numbered anew.
            moved[source.mark] = until
        if until <= after:
            continue
        for alert in source.read(tx.execute(source.rows, {"after": after, "until": until})):
            found.setdefault(alert.dedupe_key, alert)
        moved[source.mark] = until
        more = more or until < newest
    since = cursors.get(tx, DEAD) or 0
    if since > now:
        # It was moved by a clock that was ahead, and would hide everything until then.
        moved[DEAD] = since = now - OVERLAP_SECONDS
    given_up = _given_up(tx.execute(_DIED, {"since": since}))
    found |= {each.dedupe_key: each for each in given_up if each.dedupe_key not in known}
    if since < now - 2 * OVERLAP_SECONDS:
        moved[DEAD] = now - OVERLAP_SECONDS
    if (turned := _standing(tx, place, now)) is not None:
        found[turned.dedupe_key] = turned
        moved[STANDING] = int(turned.facts[Fact.TURN] == Turn.BEGUN)
    return News(tuple(found.values()), moved, more)


def _newest(tx: sa.Connection, source: "_Source") -> int:
    return int(tx.execute(source.newest).scalar() or 0)


def _openings(rows: _Rows) -> Iterator[Alert]:
    for row in rows:
        facts: dict[str, str | int] = {Fact.ROLE: _one_of(_ROLES, row.initiator_role)}
        what = f"first:{row.dispute_id}"
        yield _of_dispute(AlertEvent.NEW_DISPUTE, what, row.at, row.dispute_id, facts)


def _reopenings(rows: _Rows) -> Iterator[Alert]:
    for row in rows:
        facts: dict[str, str | int] = {Fact.AGAIN: 1}
        yield _of_dispute(AlertEvent.NEW_DISPUTE, f"again:{row.id}", row.at, row.dispute_id, facts)


def _escalations(rows: _Rows) -> Iterator[Alert]:
    for row in rows:
        about = parsed(_text(row.payload_json)).get("dispute_id")
        yield _of_dispute(AlertEvent.ESCALATED, str(row.id), row.at, about, {})


def _reminders(rows: _Rows) -> Iterator[Alert]:
    """One a dispute and round, to however many solvers the reminder goes or will go."""
    for row in rows:
        number = _text(row.anchor).rpartition(".")[2]
        counted: dict[str, str | int] = {}
        if _COUNT.fullmatch(number):
            counted[Fact.NUMBER] = int(number)
        what = f"{row.dispute_id}:{row.anchor}"
        yield _of_dispute(AlertEvent.UNATTENDED, what, row.at, row.dispute_id, counted)


def _given_up(rows: _Rows) -> Iterator[Alert]:
    for row in rows:
        whom = "solver" if row.channel in SOLVER_CHANNELS else "party"
        facts: dict[str, str | int] = {Fact.TO: whom, Fact.PURPOSE: _one_of(_PURPOSES, row.purpose)}
        # A message that is sent again by hand may be given up again.
        what = f"{row.id}:{row.settled_at}"
        yield _of_dispute(AlertEvent.DEAD_LETTER, what, row.settled_at, row.dispute_id, facts)


def _of_dispute(
    event: AlertEvent, what: str, at: object, about: object, facts: Mapping[str, str | int]
) -> Alert:
    """Rows may have been written by hand: a value of another type is left out."""
    moment = at if isinstance(at, int) else 0
    return Alert(event, what, moment, about if isinstance(about, str) else None, facts)


def _standing(tx: sa.Connection, place: Place, now: int) -> Alert | None:
    """Whether the node refuses us, or has let us in again, unlike when it was last told."""
    kept = _own_standing(tx, place)
    told = bool(cursors.get(tx, STANDING))
    if kept is None:
        return None
    if not told and kept.state in _REFUSING:
        turn = Turn.BEGUN
    elif told and kept.state is StandingState.AUTHORIZED:
        turn = Turn.OVER
    else:
        return None
    at = min(kept.since, now)
    return Alert(AlertEvent.UNAUTHORIZED, f"{turn}:{at}", at, facts={Fact.TURN: turn.value})


def _own_standing(tx: sa.Connection, place: Place) -> Standing | None:
    """That of our key; another one's says nothing about us."""
    kept = standing.load(tx, place.node)
    return kept if kept is not None and kept.own_key in (None, place.own_key) else None


def _one_of(words: Collection[str], value: object) -> str:
    """``value`` if it is one of these words, else nothing: no other text gets into an alert."""
    return value if isinstance(value, str) and value in words else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that only ever come, read by their ids.

    Attributes:
        mark: the name of the highest id that was looked at.
        newest: reads the highest id there is.
    """

    mark: str
    newest: sa.Select[Any]
    rows: sa.Select[Any]
    read: Callable[[_Rows], Iterator[Alert]]


def _highest(number: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(sa.func.max(number))


_SOURCES: Final = (
    _Source("alerts.opened", _highest(_ROW).select_from(disputes), _OPENED, _openings),
    _Source("alerts.reopened", _highest(_T.id), _REOPENED, _reopenings),
    _Source("alerts.escalated", _highest(_E.id), _ESCALATED, _escalations),
    _Source("alerts.reminded", _highest(_O.id), _REMINDED, _reminders),
    _Source("alerts.held", _highest(_H.id), _HELD, _reminders),
)
