"""What a case file quotes beside the story: the reasons a model gave, and what wrote the rows."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa

from serbero.store.dispute_lookup import tables
from serbero.store.mediation_schema import rationales as rationale_rows
from serbero.store.migrate import VERSION_TABLE
from serbero.store.odd_values import maybe, text, whole

_R = rationale_rows.c


@dataclass(frozen=True, slots=True)
class RationaleRecord:
    """Why a model said what it said; ``words`` are the model's, empty after a purge."""

    rationale_id: str
    session_id: str | None
    provider: str
    model: str
    prompt_bundle_id: str
    policy_hash: str
    generated_at: int | None
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Schema:
    """Which versions of the two programs the tables are of.

    Attributes:
        reference: newest row of ``schema_version``; None without one.
        own: our revision; None where there are no tables of ours.
    """

    reference: int | None
    own: str | None


def schema(tx: sa.Connection) -> Schema:
    """Look what the tables are."""
    there = tables(tx)
    reference, own = None, None
    if "schema_version" in there:
        reference = whole(tx.exec_driver_sql("SELECT max(version) FROM schema_version").scalar())
    if VERSION_TABLE in there:
        query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant of ours
        own = ", ".join(map(text, tx.exec_driver_sql(query).scalars())) or None
    return Schema(reference, own)


def rationales(
    tx: sa.Connection, sessions: Iterable[str], others: Iterable[str]
) -> list[RationaleRecord]:
    """Return the rationales of sessions and those with other ids, in order of their time."""
    if rationale_rows.name not in tables(tx):
        return []
    found = {}
    for column, wanted in ((_R.session_id, sessions), (_R.rationale_id, others)):
        for each in wanted:
            for row in tx.execute(sa.select(rationale_rows).where(column == each)):
                found[row.rationale_id] = RationaleRecord(
                    rationale_id=text(row.rationale_id),
                    session_id=maybe(row.session_id),
                    provider=text(row.provider),
                    model=text(row.model),
                    prompt_bundle_id=text(row.prompt_bundle_id),
                    policy_hash=text(row.policy_hash),
                    generated_at=whole(row.generated_at),
                    words=text(row.rationale_text),
                )
    return sorted(found.values(), key=lambda each: (each.generated_at or 0, each.rationale_id))
