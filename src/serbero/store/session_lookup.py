"""Mediation sessions to be found, in a database of any age: ours or the reference's.

Reads only, and only tables that are there; :class:`Kept` says which. States, labels and kinds stay
texts, since other programs wrote some. Everything about one session is read by
:mod:`serbero.store.session_record`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from serbero.model.party import Party
from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import (
    OUTBOUND,
    dispatches,
    dispute_events,
    events,
    messages,
    session_facts,
    session_sides,
    sessions,
    summaries,
)
from serbero.store.mediation_schema import prompt_bundles as bundle_rows
from serbero.store.mediation_schema import reasoning_calls as call_rows
from serbero.store.odd_values import maybe, since_epoch, text, whole
from serbero.store.schema import disputes

MOST_CANDIDATES: Final = 12
"""So many ids are named where a beginning fits several."""

_S, _D = sessions.c, disputes.c


@dataclass(frozen=True, slots=True)
class Kept:
    """What a database has tables for.

    Attributes:
        disputes: it is a database of Serbero's at all.
        sessions: it is of a version that mediates.
        facts: when a side was asked and reached, and which pairs were put.
        calls: what each call of a model cost and was shown.
        bundles: the bytes of prompt bundles.
        filed: which event belongs to which dispute.
        dispatches: hand-offs that were dispatched.
    """

    disputes: bool
    sessions: bool
    facts: bool
    calls: bool
    bundles: bool
    filed: bool
    dispatches: bool


@dataclass(frozen=True, slots=True)
class Glance:
    """A session in one line. Times are Unix seconds.

    Attributes:
        pairs_put: pairs of questions put; counted from the messages where it is not kept.
    """

    session_id: str
    dispute_id: str
    state: str
    pins: Pins
    pairs_put: int
    started_at: int
    last_transition_at: int
    classification: str | None
    confidence: float | None


def kept(tx: sa.Connection) -> Kept:
    """Look which tables there are."""
    named = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'")
    there = set(named.scalars())
    return Kept(
        disputes=disputes.name in there,
        sessions={sessions.name, messages.name, events.name, summaries.name} <= there,
        facts={session_facts.name, session_sides.name} <= there,
        calls=call_rows.name in there,
        bundles=bundle_rows.name in there,
        filed=dispute_events.name in there,
        dispatches=dispatches.name in there,
    )


def _glances(have: Kept) -> sa.Select[Any]:
    questions = (
        sa.select(sa.func.count())
        .where(
            messages.c.session_id == _S.session_id,
            messages.c.direction == OUTBOUND,
            messages.c.party == Party.BUYER.value,
        )
        .scalar_subquery()
    )
    pairs: Any = questions
    if have.facts:
        facts = sa.select(session_facts.c.pairs_put).where(
            session_facts.c.session_id == _S.session_id
        )
        pairs = sa.func.coalesce(facts.scalar_subquery(), questions)
    return sa.select(
        _S.session_id,
        _S.dispute_id,
        _S.state,
        _S.prompt_bundle_id,
        _S.policy_hash,
        pairs.label("pairs_put"),
        _S.started_at,
        _S.last_transition_at,
        _S.current_classification,
        _S.current_confidence,
    ).order_by(_S.started_at.desc(), _S.session_id)


def _glance(row: Any) -> Glance:
    sure = row.current_confidence
    return Glance(
        session_id=text(row.session_id),
        dispute_id=text(row.dispute_id),
        state=text(row.state),
        pins=Pins(text(row.prompt_bundle_id), text(row.policy_hash)),
        pairs_put=whole(row.pairs_put) or 0,
        started_at=since_epoch(row.started_at),
        last_transition_at=since_epoch(row.last_transition_at),
        classification=maybe(row.current_classification),
        confidence=sure if isinstance(sure, int | float) else None,
    )


def newest(
    tx: sa.Connection,
    limit: int,
    *,
    states: Collection[str] = (),
    dispute_id: str | None = None,
) -> list[Glance]:
    """Return sessions, those begun last first.

    Args:
        tx: the transaction.
        limit: at most so many.
        states: only these; none for any.
        dispute_id: only of this dispute.
    """
    have = kept(tx)
    if not have.sessions:
        return []
    query = _glances(have).limit(limit)
    if states:
        query = query.where(_S.state.in_(sorted(states)))
    if dispute_id is not None:
        query = query.where(_S.dispute_id == dispute_id)
    return [_glance(row) for row in tx.execute(query)]


def sessions_beginning(tx: sa.Connection, beginning: str) -> list[Glance]:
    """Return the sessions whose id begins like this, a whole id alone; a few at most."""
    return [
        _glance(row) for row in tx.execute(_beginning(_glances(kept(tx)), _S.session_id, beginning))
    ]


def disputes_beginning(tx: sa.Connection, beginning: str) -> list[str]:
    """Return the ids of disputes that begin like this, a whole id alone; a few at most."""
    query = sa.select(_D.dispute_id).order_by(_D.dispute_id)
    return list(tx.execute(_beginning(query, _D.dispute_id, beginning)).scalars())


def _beginning(query: sa.Select[Any], column: Any, beginning: str) -> sa.Select[Any]:
    wanted = beginning.lower()
    folded = sa.func.lower(column)
    whole = sa.select(sa.literal(1)).where(folded == wanted).exists()
    fits = sa.func.substr(folded, 1, len(wanted)) == wanted
    chosen = sa.or_(folded == wanted, sa.and_(fits, ~whole))
    return query.where(chosen).limit(MOST_CANDIDATES + 1)


def glance(tx: sa.Connection, session_id: str) -> Glance | None:
    """Return one session, or None."""
    row = tx.execute(_glances(kept(tx)).where(_S.session_id == session_id)).first()
    return None if row is None else _glance(row)
