"""What a check finds, and what a check is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from serbero.store.verification.scope import Scope

_LONGEST: Final = 60


class Level(StrEnum):
    """How bad it is."""

    DAMAGE = "damage"
    """The trail does not hold: something was changed, lost or never written."""
    NOTE = "note"
    """No sign of harm: a known gap of the reference in rows that it wrote, or a clock that was
    wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row that breaks the trail.

    Attributes:
        table: where it stands.
        row: its id; None where the whole table or file is meant.
        dispute_id: which dispute it is about, where that can be told.
        expected: what should be there.
        found: what is; never a text of a party or a model.
        meaning: what may have happened.
        check: the name of the check that found it.
    """

    table: str
    row: str | None
    dispute_id: str | None
    expected: str
    found: str
    meaning: str
    level: Level = Level.DAMAGE
    check: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule of the trail.

    Attributes:
        name: what it is called in reports.
        needs: tables without which there is nothing to check.
        run: finds what breaks it.
        whole: it cannot be told of one dispute alone.
        period: it can be told of a period.
        deep: it computes hashes; of a whole database only when that is asked for.
    """

    name: str
    needs: frozenset[str]
    run: Callable[[Scope], Iterable[Finding]]
    whole: bool = False
    period: bool = True
    deep: bool = False


def said(value: object) -> str:
    """Return a value of a cell in few words: rows may have been written by anybody."""
    if value is None:
        return "nothing"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    line = " ".join(str(value).split())
    if not line:
        return "an empty text"
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"


def name_of(value: object) -> str | None:
    """Return an id as a text; None where there is none."""
    return None if value is None else said(value) if isinstance(value, bytes) else str(value)


def by(scope: Scope, at: object) -> Level:
    """Return how bad a documented gap of the reference is in a row of time ``at``."""
    return Level.NOTE if scope.before_us(at) else Level.DAMAGE
