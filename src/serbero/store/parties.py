"""What a take told us of a dispute: the parties' trade keys and the facts of their order."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from serbero.model.party import Party
from serbero.model.taking import Holding, Release
from serbero.store.schema import parties

_HOLDING = sa.select(
    parties.c.dispute_id,
    parties.c.buyer,
    parties.c.seller,
    parties.c.answered_at,
    parties.c.own_event_id,
)
_HELD_NOW = _HOLDING.where(
    parties.c.dispute_id == sa.bindparam("of"), parties.c.released_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class NewParties:
    """The answer to one take, as far as it is kept. Keys are hex, times Unix seconds."""

    dispute_id: str
    order_id: str
    buyer: str | None
    seller: str | None
    initiator: str
    facts: Mapping[str, object]
    invoice_held_at: int | None
    own_key: str
    answered_at: int


def save(tx: sa.Connection, new: NewParties, now: int) -> bool:
    """Record that we hold a dispute; False for an answer that is not newer than the last one.

    Relays keep answers and may send them at any time: an old one gives us nothing back that was
    lost since. The own revision is known only when it is seen.
    """
    values = {
        "order_id": new.order_id,
        "buyer": new.buyer,
        "seller": new.seller,
        "initiator": new.initiator,
        "facts_json": json.dumps(new.facts, sort_keys=True, ensure_ascii=False),
        "invoice_held_at": new.invoice_held_at,
        "own_key": new.own_key,
        "answered_at": new.answered_at,
        "taken_at": now,
        "own_event_id": None,
        "released_at": None,
        "released_by": None,
    }
    statement = insert(parties).values(dispute_id=new.dispute_id, **values)
    saved = tx.execute(
        statement.on_conflict_do_update(
            index_elements=["dispute_id"],
            set_=values,
            where=parties.c.answered_at < new.answered_at,
        )
    )
    return saved.rowcount == 1


def raise_answered_at(tx: sa.Connection, dispute_id: str, answered_at: int) -> None:
    """Take a dispute as ours up to ``answered_at``, Unix seconds of the node's clock."""
    tx.execute(
        sa.update(parties)
        .where(parties.c.dispute_id == dispute_id, parties.c.answered_at < answered_at)
        .values(answered_at=answered_at, own_event_id=None)
    )


def holding(tx: sa.Connection, dispute_id: str) -> Holding | None:
    """Return what we know of a dispute we hold now, else None."""
    row = tx.execute(_HELD_NOW, {"of": dispute_id}).first()
    return None if row is None else Holding(*row)


def set_own_revision(tx: sa.Connection, dispute_id: str, event_id: str) -> None:
    """Remember which revision our own take caused."""
    tx.execute(
        sa.update(parties).where(parties.c.dispute_id == dispute_id).values(own_event_id=event_id)
    )


def release(tx: sa.Connection, dispute_id: str, why: Release, now: int) -> bool:
    """Record that we hold a dispute no longer; False if we did not."""
    result = tx.execute(
        sa.update(parties)
        .where(parties.c.dispute_id == dispute_id, parties.c.released_at.is_(None))
        .values(released_at=now, released_by=why.value)
    )
    return result.rowcount == 1


def held_under_another_key(tx: sa.Connection, own_key: str) -> list[str]:
    """Return the disputes we hold by a key (hex) that is not ours any more."""
    query = sa.select(parties.c.dispute_id).where(
        parties.c.released_at.is_(None), parties.c.own_key != own_key
    )
    return list(tx.execute(query).scalars())


def trade_keys(tx: sa.Connection, dispute_id: str) -> dict[Party, str]:
    """Return the trade keys (hex) we know of a dispute's parties."""
    row = tx.execute(
        sa.select(parties.c.buyer, parties.c.seller).where(parties.c.dispute_id == dispute_id)
    ).first()
    if row is None:
        return {}
    return {party: key for party, key in zip(Party, row, strict=True) if key is not None}
