"""Classifications of a session's dispute, and how far the parties' words were evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from serbero.model.mediation import AuditKind, SessionState
from serbero.model.party import Party
from serbero.store import audit_trail, mediation_events, rationales
from serbero.store.mediation_events import Label, Pins
from serbero.store.mediation_schema import session_facts, session_sides
from serbero.store.mediation_schema import sessions as session_rows
from serbero.store.rationales import Rationale

_S, _F, _P = session_rows.c, session_facts.c, session_sides.c
_OF: Final = _S.session_id == sa.bindparam("of")
_LABEL: Final = (
    sa.update(session_rows)
    .where(_OF)
    .values(current_classification=sa.bindparam("label"), current_confidence=sa.bindparam("sure"))
)
_COUNT: Final = (
    sa.update(session_facts)
    .where(_F.session_id == sa.bindparam("of"))
    .values(evaluations=_F.evaluations + 1)
)
_MARK: Final = (
    sa.update(session_rows)
    .where(_OF, _S.round_count_last_evaluated <= sa.bindparam("marker", type_=sa.Integer))
    .values(
        round_count_last_evaluated=sa.bindparam("marker", type_=sa.Integer),
        consecutive_eval_failures=0,
    )
)
_FRESH: Final = (
    sa.select(sa.func.sum(_P.fresh)).where(_P.session_id == sa.bindparam("of")).scalar_subquery()
)
_SETTLED: Final = (
    sa.update(session_facts)
    .where(
        _F.session_id == sa.bindparam("of"),
        sa.bindparam("marker", type_=sa.Integer) >= _FRESH,
    )
    .values(evaluate_at=None, unsettled_at=None)
)
_FAIL: Final = (
    sa.update(session_rows)
    .where(_OF)
    .values(consecutive_eval_failures=_S.consecutive_eval_failures + 1)
    .returning(_S.consecutive_eval_failures)
)
_AGAIN: Final = (
    sa.update(session_facts)
    .where(
        _F.session_id == sa.bindparam("of"),
        sa.exists().where(
            _S.session_id == _F.session_id, _S.state == SessionState.AWAITING_RESPONSE.value
        ),
    )
    .values(evaluate_at=sa.bindparam("due", type_=sa.Integer))
)
_REST: Final = (
    sa.update(session_facts)
    .where(_F.session_id == sa.bindparam("of"))
    .values(evaluate_at=None, unsettled_at=None)
)
_LANGUAGE: Final = (
    sa.update(session_sides)
    .where(_P.session_id == sa.bindparam("of"), _P.party == sa.bindparam("side"))
    .values(language=sa.bindparam("tag"))
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A classification on record.

    Attributes:
        number: how many the session had before it; the first follow-up's is 1.
    """

    rationale_id: str
    number: int


def record_opening(
    tx: sa.Connection, session_id: str, pins: Pins, label: Label, rationale_id: str, now: int
) -> Recorded | None:
    """Give a new session the classification it was opened for.

    Returns:
        None if there is no such rationale.
    """
    bound = rationales.bind(tx, rationale_id, session_id, now)
    if bound is None:
        return None
    return _record(tx, session_id, pins, label, bound, now)


def record(
    tx: sa.Connection, session_id: str, label: Label, rationale: Rationale, now: int
) -> Recorded | None:
    """Record a classification of an open session before anything is done about it.

    It is recorded whatever became of the session meanwhile: the call was made.

    Returns:
        None if there is no such session.
    """
    if not tx.execute(_COUNT, {"of": session_id}).rowcount:
        return None
    rationale_id = rationales.save(tx, rationale, now)
    return _record(tx, session_id, rationale.pins, label, rationale_id, now)


def _record(
    tx: sa.Connection, session_id: str, pins: Pins, label: Label, rationale_id: str, now: int
) -> Recorded:
    number = audit_trail.count(tx, session_id, AuditKind.CLASSIFICATION_PRODUCED)
    mediation_events.classification_produced(tx, session_id, label, rationale_id, now, pins=pins)
    tx.execute(
        _LABEL,
        {"of": session_id, "label": label.classification.value, "sure": label.stored},
    )
    return Recorded(rationale_id, number)


def settle(tx: sa.Connection, session_id: str, evaluated: int) -> None:
    """Advance the marker: ``evaluated`` fresh messages were, and what follows of them is done.

    In the transaction of what follows: rolling back loses both. What arrived since is due as it
    was.
    """
    marked = {"of": session_id, "marker": evaluated}
    tx.execute(_MARK, marked)
    tx.execute(_SETTLED, marked)


def rest(tx: sa.Connection, session_id: str) -> None:
    """Let what was said since wait, unevaluated, for the next message."""
    tx.execute(_REST, {"of": session_id})


def fail(tx: sa.Connection, session_id: str, retry_at: int) -> int:
    """Count one more evaluation that failed, and try again at ``retry_at`` (Unix seconds).

    Returns:
        How many failed in a row; 0 if there is no such session.
    """
    failures = tx.execute(_FAIL, {"of": session_id}).scalar() or 0
    tx.execute(_AGAIN, {"of": session_id, "due": retry_at})
    return int(failures)


def set_languages(
    tx: sa.Connection, session_id: str, languages: Mapping[Party, str | None]
) -> None:
    """Remember what the parties write in, where it was said."""
    for party, tag in languages.items():
        if tag is not None:
            tx.execute(_LANGUAGE, {"of": session_id, "side": party.value, "tag": tag})
