"""Telling, at the end of a quiet time, what was held back and still is true."""

from collections.abc import Callable
from typing import Final, Never

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, now_ms
from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.messages.digest import Entry, digest
from serbero.model.duty import is_quiet
from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import Purpose, Urgency
from serbero.model.people import Solver
from serbero.model.texts import BadFilling
from serbero.store import disputes, held, ladders
from serbero.store.errors import StoreRejected
from serbero.store.held import Held
from serbero.store.patient import PatientStore

HEAR_FIRST_SECONDS: Final = 5.0
"""After a start: what happened while we were away is news before anything else is told."""
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
    reminders = dict.fromkeys((each.dispute_id for each in waiting), 0)
    for each in waiting:
        reminders[each.dispute_id] += each.purpose in _REMINDERS
    known = disputes.load_known(tx, reminders)
    found = sorted(known, key=lambda each: (_URGENCY.index(known[each].state), each))
    entries = []
    for dispute_id in found:
        now = known[dispute_id]
        entry = Entry(dispute_id, now.state, now.status, reminders[dispute_id])
        try:
            digest([entry])
        except BadFilling:
            # Another program stored an id that no text may repeat. The others are told of anyway.
            _log.warning("digest_without", reason="its id is none", disputes=1)
            continue
        entries.append(entry)
    return entries


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
        await self._clock.sleep(HEAR_FIRST_SECONDS)
        while True:
            await self.look()
            await self._clock.sleep(SWEEP_SECONDS)

    async def look(self) -> int:
        """Send the digests whose time has come; return how many messages were enqueued."""
        now = self._clock.now()
        keys, muted = await self._store.read(waiting_for, now)
        added = 0
        for solver in self._audience.solvers:
            if solver.hex not in keys or solver.hex in muted or is_quiet(solver, now):
                continue
            at_ms = now_ms(self._clock)
            try:
                added += await self._store.transact(tell, self._audience, solver, at_ms)
            except StoreRejected as error:
                _log.error("digest_failed", solver=solver.hex, reason=str(error))
        if added:
            _log.info("digests_sent", messages=added)
            self._on_enqueued()
        return added


def waiting_for(tx: sa.Connection, now: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return for whom (hex) something waits, and who wants nothing that can wait at ``now``."""
    return frozenset(held.solvers(tx)), frozenset(ladders.muted(tx, now))
