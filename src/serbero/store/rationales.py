"""Why a model said what it said (``reasoning_rationales``): the only place for such text."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import sqlalchemy as sa

from serbero.store.mediation_events import Pins
from serbero.store.mediation_schema import rationales

_R = rationales.c


@dataclass(frozen=True, slots=True)
class Rationale:
    """A text of a model with where it comes from.

    Attributes:
        dispute_id: what it is about; not stored, but tells equal texts apart.
        session_id: None before there is one.
        text: in full; may be empty. Rejected output is kept here too.
    """

    dispute_id: str
    session_id: str | None
    provider: str
    model: str
    pins: Pins
    text: str = field(repr=False)


_STORED: Final = sa.select(
    _R.session_id,
    _R.provider,
    _R.model,
    _R.prompt_bundle_id,
    _R.policy_hash,
    (_R.rationale_text == "").label("empty"),
).where(_R.rationale_id == sa.bindparam("of"))
_INSERT: Final = sa.insert(rationales)
_BIND: Final = (
    sa.update(rationales)
    .where(_R.rationale_id == sa.bindparam("of"), _R.session_id.is_(None))
    .values(session_id=sa.bindparam("session"))
)
_WHOLE: Final = sa.select(rationales).where(_R.rationale_id == sa.bindparam("of"))
_TEXT: Final = sa.select(_R.rationale_text).where(_R.rationale_id == sa.bindparam("of"))


def save(tx: sa.Connection, new: Rationale, now: int) -> str:
    """Store a rationale and return its id.

    The id is the text's SHA-256, as the reference has it, while that is free or of the same
    provenance; else it is made with session (or dispute) and time as well, so that two models
    saying the same words never conflict.
    """
    provenance = (
        new.session_id,
        new.provider,
        new.model,
        new.pins.bundle_id,
        new.pins.policy_hash,
    )
    for rationale_id in _ids(new.text, new.session_id or new.dispute_id, now):
        stored = tx.execute(_STORED, {"of": rationale_id}).first()
        if stored is None:
            _insert(tx, rationale_id, new, now)
            return rationale_id
        *made_by, empty = stored
        # A purge may have emptied the same words of another dispute: these are to be kept.
        if tuple(made_by) == provenance and (not empty or not new.text):
            return rationale_id
    raise AssertionError("there is always another id")


def bind(tx: sa.Connection, rationale_id: str, session_id: str, now: int) -> str | None:
    """Let a rationale that was made before its session belong to it; return its id from now on.

    One that belongs to another session by now, because two disputes were given the same words,
    is stored once more for this one.

    Returns:
        None if there is no such rationale.
    """
    if tx.execute(_BIND, {"of": rationale_id, "session": session_id}).rowcount == 1:
        return rationale_id
    row = tx.execute(_WHOLE, {"of": rationale_id}).first()
    if row is None:
        return None
    if row.session_id == session_id:
        return rationale_id
    again = Rationale(
        dispute_id=session_id,
        session_id=session_id,
        provider=row.provider,
        model=row.model,
        pins=Pins(row.prompt_bundle_id, row.policy_hash),
        text=row.rationale_text,
    )
    return save(tx, again, now)


def text(tx: sa.Connection, rationale_id: str) -> str | None:
    """Return the words of a rationale, for a person with access to the database."""
    return tx.execute(_TEXT, {"of": rationale_id}).scalar()


def _ids(words: str, scope: str, now: int) -> Iterator[str]:
    """Yield the ids a rationale may have, the first free one to be used."""
    yield _digest(words)
    scoped = f"{words}\0{scope}\0{now}"
    yield _digest(scoped)
    # The same words of two models in one session in one second.
    for number in count(2):
        yield _digest(f"{scoped}\0{number}")


def _digest(words: str) -> str:
    # A lone surrogate cannot be stored; one digest for it is as good as another.
    return hashlib.sha256(words.encode(errors="replace")).hexdigest()


def _insert(tx: sa.Connection, rationale_id: str, new: Rationale, now: int) -> None:
    tx.execute(
        _INSERT,
        {
            "rationale_id": rationale_id,
            "session_id": new.session_id,
            "provider": new.provider,
            "model": new.model,
            "prompt_bundle_id": new.pins.bundle_id,
            "policy_hash": new.pins.policy_hash,
            "rationale_text": new.text.encode(errors="replace").decode(),
            "generated_at": now,
        },
    )
