"""Telling, at the end of a quiet time, what was held back and still is true."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock
from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.digest import Entry, digest
from serbero.model.duty import is_quiet
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import Purpose, Urgency
from serbero.model.people import Solver
from serbero.store import disputes, held, ladders
from serbero.store.held import Held
from serbero.store.patient import PatientStore

SWEEP_SECONDS: Final = 60.0

_DIGEST: Final = Kind(Purpose.DIGEST, None, Urgency.NOTICE)
_URGENCY: Final = (
    Lifecycle.ESCALATED,
    Lifecycle.NEW,
    Lifecycle.NOTIFIED,
    Lifecycle.WAITING,
    Lifecycle.TAKEN,
    Lifecycle.RESOLVED,
)
_REMINDERS: Final = (Purpose.RENOTIFICATION, Purpose.REMINDER)

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Gathered:
    """What waits about one dispute."""

    ids: list[int]
    reminders: int = 0


def tell(tx: sa.Connection, audience: Audience, solver: Solver, at_ms: int) -> int:
    """Send a solver its digest, if something waits that is still true; return how many rows.

    Args:
        tx: the transaction.
        audience: who writes.
        solver: who is awake again.
        at_ms: Unix milliseconds.
    """
    now = at_ms // 1000
    if solver.hex is None:
        return 0
    waiting = held.waiting(tx, solver.hex)
    if not waiting:
        return 0
    held.take(tx, [each.id for each in waiting], now)
    entries = _entries(tx, waiting)
    if not entries:
        return 0
    anchor = f"{solver.hex[:16]}.{waiting[-1].id}"
    message = Message(_DIGEST, entries[0].dispute_id, anchor, digest(entries))
    return announce(tx, audience.only([solver]), message, at_ms)


def _entries(tx: sa.Connection, waiting: list[Held]) -> list[Entry]:
    """One a dispute, the most urgent first; none about a dispute that is not there."""
    gathered: dict[str, _Gathered] = {}
    for each in waiting:
        of = gathered.setdefault(each.dispute_id, _Gathered([]))
        of.ids.append(each.id)
        of.reminders += each.purpose in _REMINDERS
    known = disputes.load_known(tx, gathered)
    entries = [
        (known[dispute_id].state, Entry(dispute_id, known[dispute_id].state.value, of.reminders))
        for dispute_id, of in gathered.items()
        if dispute_id in known
    ]
    return [entry for _, entry in sorted(entries, key=lambda pair: _URGENCY.index(pair[0]))]


class Digests:
    """Looks who is awake again.

    Args:
        store: where held messages are.
        audience: the solvers.
        clock: ours.
        on_enqueued: called when there is something to send.
    """

    def __init__(
        self,
        *,
        store: PatientStore,
        audience: Audience,
        clock: Clock,
        on_enqueued: Callable[[], None],
    ) -> None:
        self._store, self._audience = store, audience
        self._clock, self._on_enqueued = clock, on_enqueued

    async def run(self) -> Never:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(SWEEP_SECONDS)

    async def look(self) -> int:
        """Send the digests whose time has come; return how many messages were enqueued."""
        now = self._clock.now()
        keys, muted = await self._store.read(_waiting, now)
        added = 0
        for solver in self._audience.solvers:
            if solver.hex not in keys or solver.hex in muted or is_quiet(solver, now):
                continue
            at_ms = int(self._clock.time() * 1000)
            added += await self._store.transact(tell, self._audience, solver, at_ms)
        if added:
            _log.info("digests_sent", messages=added)
            self._on_enqueued()
        return added


def _waiting(tx: sa.Connection, now: int) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(held.solvers(tx)), frozenset(ladders.muted(tx, now))
