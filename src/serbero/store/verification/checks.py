"""All checks in their order, and running them."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa

from serbero.store.verification import (
    briefs,
    conversation,
    custody,
    handovers,
    lifecycle,
    notifying,
    outgoing,
    payloads,
    pins,
    reasons,
    sessions,
    soundness,
    steps,
    words,
)
from serbero.store.verification.finding import Check, Finding, Level
from serbero.store.verification.scope import Scope, lenient

MOST: Final = 100
"""So many rows of one check are named; the others are counted."""

CHECKS: Final[tuple[Check, ...]] = (
    *soundness.CHECKS,
    *lifecycle.CHECKS,
    *notifying.CHECKS,
    *custody.CHECKS,
    *sessions.CHECKS,
    *conversation.CHECKS,
    *payloads.CHECKS,
    *reasons.CHECKS,
    *pins.CHECKS,
    *handovers.CHECKS,
    *briefs.CHECKS,
    *outgoing.CHECKS,
    *words.CHECKS,
    *steps.CHECKS,
)

Progress = Callable[[str, int, int], None]
"""Told before each check: its name, its number, how many there are."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying brought.

    Attributes:
        findings: at most :data:`MOST` of a check, damage first.
        damage: how many rows break the trail, those that are not named included.
        notes: how many are known gaps of the reference, or traces of a clock that was wrong.
        checked: names of the checks that ran.
        skipped: names of those left to a deep look.
        first_start: when Serbero first wrote here, Unix seconds; None if only the reference did.
        touched: how many disputes were touched in the period; None where it was not about one.
    """

    findings: tuple[Finding, ...]
    damage: int
    notes: int
    checked: tuple[str, ...]
    skipped: tuple[str, ...]
    first_start: int | None
    touched: int | None = None


def _silent(_name: str, _number: int, _of: int) -> None:
    """Tell nobody."""


def verify(
    tx: sa.Connection,
    now: int,
    *,
    dispute: str | None = None,
    since: int | None = None,
    deep: bool = False,
    progress: Progress = _silent,
    checks: Iterable[Check] = CHECKS,
) -> Verified:
    """Hold a database of any age against what must be true of it.

    Args:
        tx: a read-only transaction.
        now: Unix seconds.
        dispute: only what is about this one; None for the whole database.
        since: only disputes touched at this Unix second or later, and rows written since then that
            are about none; None for all.
        deep: compute hashes and compare texts of a whole database or a period, too.
        progress: told before each check.
        checks: which.
    """
    with lenient(tx):
        scope = Scope(tx, now, dispute=dispute, since=since, deep=deep)
        chosen = [each for each in checks if _can_tell(each, scope)]
        chosen = [each for each in chosen if scope.tables >= each.needs]
        later = [each for each in chosen if each.deep and dispute is None and not deep]
        run = [each for each in chosen if each not in later]
        kept: list[Finding] = []
        counts: Counter[Level] = Counter()
        refused = 0
        for number, check in enumerate(run, 1):
            progress(check.name, number, len(run))
            refused += _run(check, scope, kept, counts)
        start = _start(scope)
    if refused:
        tx.rollback()  # of a damaged file not even reading can be committed
    kept.sort(key=lambda each: each.level is Level.NOTE)
    return Verified(
        findings=tuple(kept),
        damage=counts[Level.DAMAGE],
        notes=counts[Level.NOTE],
        checked=tuple(each.name for each in run),
        skipped=tuple(each.name for each in later),
        first_start=start,
        touched=None if scope.period is None else scope.period.disputes,
    )


def _can_tell(check: Check, scope: Scope) -> bool:
    """Whether a check means anything of what is verified."""
    if scope.period is not None:
        return check.period
    return scope.dispute is None or not check.whole


def _run(check: Check, scope: Scope, kept: list[Finding], counts: Counter[Level]) -> bool:
    """Run one check; return whether the database refused."""
    here: Counter[Level] = Counter()
    refused = False
    try:
        for finding in check.run(scope):
            here[finding.level] += 1
            if here[finding.level] <= MOST:
                kept.append(replace(finding, check=check.name))
    except sa.exc.DBAPIError as error:
        # A missing column, or a page that cannot be read: the other checks may still be possible.
        refused = True
        here[Level.DAMAGE] += 1
        meaning = "a table lacks a column it should have, or the file is damaged"
        found = f"the database refused: {type(error.orig).__name__}"
        expected = "that it can be checked"
        broken = Finding("(file)", None, scope.dispute, expected, found, meaning)
        kept.append(replace(broken, check=check.name))
    counts.update(here)
    return refused


def _start(scope: Scope) -> int | None:
    try:
        return scope.first_start
    except sa.exc.DBAPIError:
        return None
