"""What a database looks like to somebody who only looks: its soundness, schema and troubles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.lifecycle import DisputeStatus
from serbero.model.notification import Channel, OutboxState, TargetSource, TargetState
from serbero.model.taking import TakeState
from serbero.store.migrate import VERSION_TABLE
from serbero.store.outbox_twins import stands_alone
from serbero.store.schema import (
    chat_cursors,
    node_info,
    outbox,
    outbox_targets,
    parties,
    revisions,
    takes,
)

SETTLING_SECONDS: Final = 30
"""Within this time a dispute shows that somebody else took it, and the refusal was a lost race."""

REFUSED_AS_STRANGER: Final = "invalid_pubkey"
"""The node's word for "not registered", but for "already taken" and "closed" as well (mostro:
src/app/admin_take_dispute.rs)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The file itself.

    Attributes:
        fault: SQLite's own word for what is damaged; None if nothing is.
        reference_version: newest row of ``schema_version``, 0 without one.
        own_revision: our Alembic revision, empty without one.
        has_outbox: whether our tables exist.
    """

    fault: str | None
    reference_version: int
    own_revision: str
    has_outbox: bool


def condition(tx: sa.Connection) -> Condition:
    """Check the whole file (which takes a while for a large one) and read its versions."""
    said = str(tx.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    tables = _tables(tx)
    reference = 0
    if "schema_version" in tables:
        newest = tx.exec_driver_sql("SELECT max(version) FROM schema_version").scalar_one()
        reference = int(newest or 0)
    revision = ""
    if VERSION_TABLE in tables:
        query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant of ours
        revision = ", ".join(tx.exec_driver_sql(query).scalars())
    return Condition(
        fault=None if said == "ok" else said,
        reference_version=reference,
        own_revision=revision,
        has_outbox={outbox.name, outbox_targets.name} <= tables,
    )


@dataclass(frozen=True, slots=True)
class Custody:
    """Our dealings with the node.

    Attributes:
        held: disputes we hold now.
        channels: chat channels open for writing.
        takes: exchanges by state: the open ones, and others begun since some time.
    """

    held: int
    channels: int
    takes: Mapping[TakeState, int]


@dataclass(frozen=True, slots=True)
class StandingRefusal:
    """A take that the node refused though nobody else had the dispute.

    Attributes:
        dispute_id: which.
        refused_at: Unix seconds.
    """

    dispute_id: str
    refused_at: int


def has_takes(tx: sa.Connection) -> bool:
    """Whether the database is of a version that takes disputes."""
    return {takes.name, parties.name, chat_cursors.name, node_info.name} <= _tables(tx)


def count_custody(tx: sa.Connection, since: int) -> Custody:
    """Count what we hold, and takes begun since ``since`` (Unix seconds)."""
    held = sa.select(sa.func.count()).where(parties.c.released_at.is_(None))
    channels = sa.select(sa.func.count()).where(chat_cursors.c.closed_at.is_(None))
    counted = (
        sa.select(takes.c.state, sa.func.count())
        .where(sa.or_(takes.c.started_at >= since, takes.c.state == TakeState.OPEN.value))
        .group_by(takes.c.state)
    )
    return Custody(
        held=tx.execute(held).scalar_one(),
        channels=tx.execute(channels).scalar_one(),
        takes={TakeState(state): number for state, number in tx.execute(counted)},
    )


def standing_refusal(tx: sa.Connection, now: int) -> StandingRefusal | None:
    """Return the last answer of the node to a take if it is a refusal that stands, else None.

    It stands while the dispute, by what we know of it, was open before the refusal and is still:
    a lost race would have shown by ``now`` (Unix seconds).
    """
    answered = (TakeState.TAKEN.value, TakeState.REFUSED.value)
    last = tx.execute(
        sa.select(takes.c.state, takes.c.reason, takes.c.dispute_id, takes.c.finished_at)
        .where(takes.c.state.in_(answered))
        .order_by(takes.c.finished_at.desc(), takes.c.id.desc())
        .limit(1)
    ).first()
    if last is None or (last.state, last.reason) != (TakeState.REFUSED, REFUSED_AS_STRANGER):
        return None
    known = tx.execute(
        sa.select(revisions.c.status, revisions.c.created_at).where(
            revisions.c.dispute_id == last.dispute_id
        )
    ).first()
    if known is None or known.status != DisputeStatus.INITIATED:
        return None
    if known.created_at > last.finished_at or now < last.finished_at + SETTLING_SECONDS:
        return None
    return StandingRefusal(last.dispute_id, last.finished_at)


def _tables(tx: sa.Connection) -> set[str]:
    named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    return set(named.scalars())


def count_dead(tx: sa.Connection, since: int) -> int:
    """Count messages that died since ``since`` (Unix seconds) without being sent by a twin."""
    lost = _settled(OutboxState.DEAD, since).where(stands_alone(outbox, OutboxState.DEAD))
    return tx.execute(lost).scalar_one()


def count_unreached(tx: sa.Connection, since: int) -> int:
    """Count private messages sent since ``since`` that none of their inbox relays took.

    On other channels an inbox (kind 10050) is not where the recipient reads.
    """
    inbox = sa.select(sa.literal(1)).where(
        outbox_targets.c.outbox_id == outbox.c.id,
        outbox_targets.c.source == TargetSource.INBOX.value,
    )
    taken = inbox.where(outbox_targets.c.state == TargetState.ACCEPTED.value)
    private = outbox.c.channel == Channel.NIP17.value
    query = _settled(OutboxState.SENT, since).where(private, inbox.exists(), ~taken.exists())
    return tx.execute(query).scalar_one()


def _settled(state: OutboxState, since: int) -> sa.Select[int]:
    return (
        sa.select(sa.func.count())
        .select_from(outbox)
        .where(outbox.c.settled_at >= since, outbox.c.state == state.value)
    )
