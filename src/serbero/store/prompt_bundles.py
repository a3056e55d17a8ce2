"""The bytes of every prompt bundle a session was begun with, by hash."""

from collections.abc import Mapping
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.store.mediation_schema import prompt_bundles

PARTS: Final = (
    "system",
    "classification",
    "escalation",
    "mediation_style",
    "message_templates",
)
_B = prompt_bundles.c
_SAVE: Final = insert(prompt_bundles).on_conflict_do_nothing()
_LOAD: Final = sa.select(*(_B[name] for name in PARTS)).where(_B.policy_hash == sa.bindparam("of"))
_HAS: Final = sa.select(_B.policy_hash).where(_B.policy_hash == sa.bindparam("of"))


def save(
    tx: sa.Connection, policy_hash: str, bundle_id: str, parts: Mapping[str, bytes], now: int
) -> bool:
    """Keep a bundle; return whether it is new.

    Args:
        tx: the transaction.
        policy_hash: what the bytes hash to; the caller made sure.
        bundle_id: as configured.
        parts: label to bytes, all of :data:`PARTS`.
        now: Unix seconds.

    Raises:
        ValueError: not these parts.
    """
    if set(parts) != set(PARTS):
        raise ValueError("a bundle has these parts: " + ", ".join(PARTS))
    row = {"policy_hash": policy_hash, "bundle_id": bundle_id, "stored_at": now}
    return tx.execute(_SAVE, row | dict(parts)).rowcount == 1


def load(tx: sa.Connection, policy_hash: str) -> dict[str, bytes] | None:
    """Return label to bytes, or None for a bundle that was never kept here."""
    row = tx.execute(_LOAD, {"of": policy_hash}).first()
    return None if row is None else dict(zip(PARTS, map(bytes, row), strict=True))


def has(tx: sa.Connection, policy_hash: str) -> bool:
    """Whether a bundle was kept."""
    return tx.execute(_HAS, {"of": policy_hash}).first() is not None
