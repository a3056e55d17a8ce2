"""Warning of an escrow's end on time, quiet hours or not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.sqlite import insert

from serbero.clock import Clock, now_ms
from serbero.escalation.deadline import EscrowDeadline, deadline_of
from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.deadline import warning
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.people import Permission, Solver
from serbero.store import acknowledgements, disputes, journal
from serbero.store.errors import StoreRejected
from serbero.store.escalation_schema import deadline_warnings
from serbero.store.patient import PatientStore

MARKS: Final = (43_200, 21_600, 7_200, 1_800)
"""Seconds before the end at which somebody is warned."""
SWEEP_SECONDS: Final = 60.0
_TOGETHER_SECONDS: Final = 600
"""Two warnings about one dispute are at least this far apart, should its deadline change."""
_ABOUT_THE_SAME_SECONDS: Final = 1_800
"""A deadline that is sooner by more than this is news."""
_LOUD: Final = 2
"""So many of the last marks go to every writer, also where somebody has the dispute."""

_WARNING: Final = Kind(Purpose.DEADLINE_WARNING, NotificationType.ESCALATION, Urgency.ALERT)
_D = deadline_warnings.c

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Escrow:
    """What is needed to know an escrow's end.

    Attributes:
        cltv_delta: blocks, as the node says now; None where it does not.
        margin_blocks: ``[escalation].escrow_margin_blocks``.
        node: only its disputes, hex.
    """

    cltv_delta: Callable[[], int | None]
    margin_blocks: int
    node: str

    def of(self, tx: sa.Connection, dispute_id: str) -> EscrowDeadline | None:
        """When the escrow of a dispute ends."""
        return deadline_of(tx, dispute_id, self.cltv_delta(), self.margin_blocks)


def mark_due(left: int) -> int | None:
    """Return the most urgent mark that has passed with ``left`` seconds to go; None for none.

    After the end there is nothing to warn of.
    """
    if left <= 0:
        return None
    passed = [each for each in MARKS if left <= each]
    return min(passed) if passed else None


def warn(tx: sa.Connection, audience: Audience, escrow: Escrow, dispute_id: str, at_ms: int) -> int:
    """Warn of one dispute if a mark has passed nobody was warned at; return how many rows."""
    now = at_ms // 1000
    known = disputes.load_known(tx, [dispute_id]).get(dispute_id)
    deadline = escrow.of(tx, dispute_id)
    if known is None or known.state is Lifecycle.RESOLVED or deadline is None:
        return 0
    mark = mark_due(deadline.at - now)
    if mark is None or _warned(tx, dispute_id, deadline.at, mark, now):
        return 0
    row = {"dispute_id": dispute_id, "deadline": deadline.at, "before_seconds": mark}
    tx.execute(
        insert(deadline_warnings)
        .values(**row, at=now)
        .on_conflict_do_update(index_elements=list(row), set_={"at": now})
    )
    journal.write(
        tx,
        "deadline_warned",
        now,
        dispute_id=dispute_id,
        payload={"deadline": deadline.at, "known": deadline.known, "before_seconds": mark},
    )
    text = warning(dispute_id, deadline.at, now, known=deadline.known)
    anchor = f"{deadline.at}.{mark}.{now}"
    people = _people(tx, audience, dispute_id, mark, now)
    return announce(tx, audience.only(people), Message(_WARNING, dispute_id, anchor, text), at_ms)


def _warned(tx: sa.Connection, dispute_id: str, deadline: int, mark: int, now: int) -> bool:
    """Whether somebody was warned since ``mark`` of this deadline, or of any a moment ago.

    A deadline may turn out to be another one: a warning that promised clearly more time than there
    is counts for nothing.
    """
    rows = tx.execute(sa.select(_D.deadline, _D.at).where(_D.dispute_id == dispute_id)).all()
    return any(
        abs(now - row.at) < _TOGETHER_SECONDS
        or (deadline - row.at <= mark and row.deadline <= deadline + _ABOUT_THE_SAME_SECONDS)
        for row in rows
    )


def _people(
    tx: sa.Connection, audience: Audience, dispute_id: str, mark: int, now: int
) -> tuple[Solver, ...]:
    writers = tuple(
        each for each in audience.solvers if each.permission is Permission.WRITE
    ) or tuple(audience.solvers)
    has_it = acknowledgements.counting(tx, dispute_id, now)
    if has_it is None:
        return writers
    his = tuple(each for each in audience.solvers if each.hex == has_it.solver)
    if mark in MARKS[-_LOUD:]:
        return (*his, *(each for each in writers if each not in his))
    return his or writers


class Warnings:
    """Looks at the escrows of open disputes.

    Args:
        store: where disputes are.
        audience: the solvers.
        escrow: how their end is known.
        clock: ours.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        audience: Audience,
        escrow: Escrow,
        clock: Clock,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._audience, self._escrow = store, audience, escrow
        self._clock, self._on_enqueued = clock, on_enqueued

    async def run(self) -> Never:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(SWEEP_SECONDS)

    async def look(self) -> int:
        """Warn where it is time; return how many messages were enqueued."""
        if self._escrow.cltv_delta() is None:
            return 0
        now = self._clock.now()
        due = await self._store.read(self.due, now)
        added = 0
        for dispute_id in due:
            at_ms = now_ms(self._clock)
            try:
                told = await self._store.transact(
                    warn, self._audience, self._escrow, dispute_id, at_ms
                )
            except StoreRejected as error:
                _log.error("deadline_warning_failed", dispute_id=dispute_id, reason=str(error))
                continue
            if told:
                _log.warning("escrow_deadline_near", dispute_id=dispute_id, messages=told)
            added += told
        if added:
            self._on_enqueued()
        return added

    def due(self, tx: sa.Connection, now: int) -> list[str]:
        """Open disputes with a mark that has passed nobody was warned at."""
        found = []
        for dispute_id in disputes.open_ids(tx, self._escrow.node):
            deadline = self._escrow.of(tx, dispute_id)
            mark = None if deadline is None else mark_due(deadline.at - now)
            if deadline is None or mark is None:
                continue
            if not _warned(tx, dispute_id, deadline.at, mark, now):
                found.append(dispute_id)
        return found
