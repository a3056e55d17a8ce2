"""What the daemon's database says of the waiting for a person, read beside the daemon."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from serbero.escalation.auditor import Facts, audit
from serbero.model.notification import Purpose
from serbero.store.escalation_schema import (
    acknowledgements,
    dispatches_under_way,
    held_messages,
    ladder_steps,
    ladders,
    pending_handoffs,
)
from serbero.store.mediation_schema import dispatches
from serbero.store.schema import journal
from serbero.store.watches import Watched

_FACTS: Final = Facts(handoffs=Watched(term_seconds=30), reminders=Watched())
"""A scenario's daemon is there all the time, and gone before it has put that down."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """A hand-off that was dispatched, to whom (names), with what success."""

    status: str
    to: tuple[str, ...]
    at: int


@dataclass(frozen=True, slots=True)
class LadderSeen:
    """A ladder. Times are Unix seconds.

    Attributes:
        next_at: when its next step is due; None once it is over.
        ended_by: what ended it; None while it goes on.
    """

    started_at: int
    steps_taken: int
    next_at: int | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class StepSeen:
    """A step that was taken, and whom (names) it reminded."""

    number: int
    at: int
    audience: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AckSeen:
    """An "I have it" of somebody (name). Times are Unix seconds."""

    by: str
    at: int
    expires_at: int
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Line:
    """An event of the journal; times in Unix seconds."""

    at: int
    kind: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Watch:
    """One dispute and the people it waits for; names stand for keys.

    Attributes:
        undispatched: hand-offs that wait, or are on their way to everybody they are for.
        dispatches: hand-offs that are with somebody.
        ladders: oldest first.
        steps: of all of them, in order.
        acks: oldest first.
        held: what waits for whose digest: (name, purpose), oldest first.
        spared: for whose digest a reminder was ever put aside.
        commands: what was asked by a message: (name, command, outcome).
        story: what the journal says of the dispute, in order.
        alarms: what the auditor finds of it.
    """

    undispatched: int = 0
    dispatches: tuple[Dispatched, ...] = ()
    ladders: tuple[LadderSeen, ...] = ()
    steps: tuple[StepSeen, ...] = ()
    acks: tuple[AckSeen, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    spared: tuple[str, ...] = ()
    commands: tuple[tuple[str, str, str], ...] = ()
    story: tuple[Line, ...] = field(default=(), repr=False)
    alarms: tuple[str, ...] = ()


NOTHING_WATCHED = Watch()


def read_watch(tx: sa.Connection, dispute_id: str, names: Mapping[str, str], now: int) -> Watch:
    """Read everything about one dispute.

    Args:
        tx: a transaction; nothing is written.
        dispute_id: which.
        names: of solvers, by key in hex and as configured.
        now: Unix seconds.
    """
    own, taken = ladders.c.dispute_id == dispute_id, ladder_steps.c
    steps = (
        sa.select(taken.number, taken.at, taken.audience, taken.recipients_json)
        .join(ladders, ladders.c.id == taken.ladder_id)
        .where(own)
        .order_by(taken.ladder_id, taken.number)
    )
    runs = sa.select(
        ladders.c.started_at, ladders.c.steps_taken, ladders.c.next_at, ladders.c.ended_by
    )
    story = _story(tx, dispute_id)
    return Watch(
        undispatched=_count(tx, pending_handoffs, dispute_id)
        + _count(tx, dispatches_under_way, dispute_id),
        dispatches=_dispatches(tx, dispute_id, names),
        ladders=tuple(
            LadderSeen(*row) for row in tx.execute(runs.where(own).order_by(ladders.c.id))
        ),
        steps=tuple(
            StepSeen(
                row.number, row.at, row.audience, _named(json.loads(row.recipients_json), names)
            )
            for row in tx.execute(steps)
        ),
        acks=_acks(tx, dispute_id, names),
        held=_held(tx, dispute_id, names),
        spared=_spared(tx, dispute_id, names),
        commands=tuple(
            (
                _name(each.payload["solver"], names),
                each.payload["command"],
                each.payload["outcome"],
            )
            for each in _commands(tx)
        ),
        story=story,
        alarms=tuple(
            f"{each.kind.value}: {each.found}"
            for each in audit(tx, now, _FACTS)
            if each.dispute_id == dispute_id
        ),
    )


def _count(tx: sa.Connection, table: sa.Table, dispute_id: str) -> int:
    counted = sa.select(sa.func.count()).select_from(table)
    return int(tx.execute(counted.where(table.c.dispute_id == dispute_id)).scalar_one())


def _dispatches(
    tx: sa.Connection, dispute_id: str, names: Mapping[str, str]
) -> tuple[Dispatched, ...]:
    sent = dispatches.c
    rows = tx.execute(
        sa.select(sent.status, sent.target_solver, sent.dispatched_at)
        .where(sent.dispute_id == dispute_id)
        .order_by(sent.dispatched_at, sent.dispatch_id)
    )
    return tuple(
        Dispatched(row.status, _named(row.target_solver.split(","), names), row.dispatched_at)
        for row in rows
    )


def _acks(tx: sa.Connection, dispute_id: str, names: Mapping[str, str]) -> tuple[AckSeen, ...]:
    said = acknowledgements.c
    rows = tx.execute(
        sa.select(said.solver, said.at, said.expires_at, said.ended_by)
        .where(said.dispute_id == dispute_id)
        .order_by(said.id)
    )
    return tuple(
        AckSeen(_name(row.solver, names), row.at, row.expires_at, row.ended_by) for row in rows
    )


def _held(
    tx: sa.Connection, dispute_id: str, names: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    kept = held_messages.c
    rows = tx.execute(
        sa.select(kept.solver, kept.purpose)
        .where(kept.dispute_id == dispute_id, kept.settled_at.is_(None))
        .order_by(kept.id)
    )
    return tuple((_name(row.solver, names), row.purpose) for row in rows)


def _spared(tx: sa.Connection, dispute_id: str, names: Mapping[str, str]) -> tuple[str, ...]:
    kept = held_messages.c
    rows = tx.execute(
        sa.select(kept.solver)
        .where(kept.dispute_id == dispute_id, kept.purpose == Purpose.REMINDER.value)
        .order_by(kept.id)
    )
    return _named(list(rows.scalars()), names)


def _story(tx: sa.Connection, dispute_id: str) -> tuple[Line, ...]:
    return _lines(tx, journal.c.dispute_id == dispute_id)


def _commands(tx: sa.Connection) -> tuple[Line, ...]:
    """Of any dispute: one may be named wrongly."""
    return _lines(tx, journal.c.kind == "solver_command")


def _lines(tx: sa.Connection, which: sa.ColumnElement[bool]) -> tuple[Line, ...]:
    rows = tx.execute(
        sa.select(journal.c.at, journal.c.kind, journal.c.payload_json)
        .where(which)
        .order_by(journal.c.id)
    )
    return tuple(Line(row.at, row.kind, json.loads(row.payload_json)) for row in rows)


def _name(key: str, names: Mapping[str, str]) -> str:
    """A name for a key; a key nobody has stays one."""
    return names.get(key, key)


def _named(keys: list[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(_name(each, names) for each in keys)
