"""What a database looks like to somebody who only looks: its soundness, schema and troubles."""

from dataclasses import dataclass

import sqlalchemy as sa

from serbero.model.notification import Channel, OutboxState, TargetSource, TargetState
from serbero.store.migrate import VERSION_TABLE
from serbero.store.outbox_twins import stands_alone
from serbero.store.schema import outbox, outbox_targets


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
    tables = set(
        tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    )
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
