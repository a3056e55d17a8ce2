"""Timer scans and detection over a short and over a long past: the same within noise.

The past is filled in by SQL: resolved disputes with their transitions, revisions, sent messages,
targets and wraps, the texts emptied as a purge leaves them after 30 days. A few disputes are open
and a few messages wait in every case, so that each scan finds something.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
from nostr_sdk import Keys

from bench.common import CLOCK, folder, quantiles, report, say, transaction_floor_ms
from serbero.daemon import gauges
from serbero.delivery import ledger
from serbero.intake.announcing import Audience
from serbero.intake.recording import record_revisions
from serbero.intake.reminders import ReminderPace, find_due
from serbero.model.lifecycle import DisputeStatus
from serbero.model.notification import TargetSource
from serbero.model.people import Solver
from serbero.mostro.dispute_event import Revision
from serbero.store import disputes, outbox_work
from serbero.store.engine import Store
from serbero.store.sqlite import driver

SOLVERS: Final = 3
OPEN_DISPUTES: Final = 20
DAY_SECONDS: Final = 86_400
PAGES_KB: Final = 64_000

# Constants of this file put together; what varies is bound.
# ruff: noqa: S608
_NUMBERS: Final = (
    "WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
)
_ID: Final = "printf('%08x-0000-4000-8000-%012x', i, i)"
_HEX: Final = "printf('%08x%056x', i * 2654435761 % 4294967296, i)"
_AT: Final = ":now - :age + i * :age / (:total + 1)"
_PAST: Final = (
    f"""INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role, dispute_status,
        event_timestamp, detected_at, lifecycle_state, last_notified_at, last_state_change)
        {_NUMBERS} SELECT {_ID}, {_HEX}, :node, 'buyer', 'settled', {_AT}, {_AT}, 'resolved',
        {_AT}, {_AT} + 900 FROM n""",
    f"""INSERT INTO revisions (dispute_id, event_id, created_at, status, opening_event_id,
        opening_created_at, applied_at)
        {_NUMBERS} SELECT {_ID}, {_HEX}, {_AT} + 900, 'settled', {_HEX}, {_AT}, {_AT} + 900
        FROM n""",
    *(
        f"""INSERT INTO dispute_state_transitions (dispute_id, from_state, to_state,
        transitioned_at, trigger)
        {_NUMBERS} SELECT {_ID}, '{before}', '{after}', {_AT}, '' FROM n"""
        for before, after in (("new", "notified"), ("notified", "taken"), ("taken", "resolved"))
    ),
)
_MESSAGES: Final = (
    f"""INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, notif_type)
        {_NUMBERS} SELECT {_ID}, :solver, {_AT}, 'sent', 'initial' FROM n""",
    f"""INSERT INTO outbox (id, dedupe_key, purpose, dispute_id, anchor, recipient,
        recipient_typed, channel, notif_type, rumor_id, urgency, created_at, enqueued_ms,
        deadline_at, state, settled_at, delivery_ms)
        {_NUMBERS} SELECT :offset + i, 'initial:' || {_ID} || ':' || {_HEX} || ':' || :solver,
        'initial', {_ID}, {_HEX}, :solver, :solver, 'nip17', 'initial', {_HEX}, 0, {_AT},
        ({_AT}) * 1000, {_AT} + 86400, 'sent', {_AT}, 80 FROM n""",
    f"""INSERT INTO outbox_wraps (event_id, outbox_id, created_at)
        {_NUMBERS} SELECT printf('%064x', :offset + i), :offset + i, {_AT} FROM n""",
    f"""INSERT INTO outbox_targets (outbox_id, relay, source, event_id, state, attempts, wraps,
        updated_at, round_trip_ms)
        {_NUMBERS} SELECT :offset + i, 'wss://relay.example', 'configured',
        printf('%064x', :offset + i), 'accepted', 1, 1, {_AT}, 60 FROM n""",
)


def fill(path: Path, past: int, node: str, solvers: list[str]) -> float:
    """Write ``past`` resolved disputes with all that belongs to them; return seconds."""
    started = time.monotonic()
    connection = driver.connect(path)
    connection.isolation_level = None
    # Nothing is lost if this dies: the file is made anew.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{PAGES_KB * 8}"):
        connection.execute(f"PRAGMA {pragma}")
    values = {"now": CLOCK.now(), "age": 700 * DAY_SECONDS, "total": past, "node": node}
    connection.execute("BEGIN")
    for statement in _PAST:
        connection.execute(statement, {**values, "first": 1, "last": past})
    for number, solver in enumerate(solvers):
        more = {"solver": solver, "offset": number * past}
        for statement in _MESSAGES:
            connection.execute(statement, {**values, **more, "first": 1, "last": past})
    # The daemon wrote this past itself: it is not taken up as the reference's.
    connection.execute(
        "INSERT OR REPLACE INTO cursors (name, value)"
        " SELECT 'reference_transitions', max(id) FROM dispute_state_transitions"
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return time.monotonic() - started


class Scans:
    """What runs again and again in the daemon, against one database."""

    def __init__(self, store: Store, node: str, solvers: list[str]) -> None:
        self._store, self._node = store, node
        people = tuple(Solver(typed=each, hex=each) for each in solvers)
        self._audience = Audience(Keys.generate().public_key().to_hex(), people, DAY_SECONDS)
        self._relays = {"wss://relay.example": TargetSource.CONFIGURED}

    def _revision(self) -> Revision:
        return Revision(
            dispute_id=str(uuid4()),
            event_id=uuid4().hex * 2,
            created_at=CLOCK.now(),
            status=DisputeStatus.INITIATED,
            initiator="buyer",
            opened_at=None,
            node=self._node,
        )

    async def detect(self) -> None:
        """One new dispute, with its messages."""
        at_ms = int(CLOCK.time() * 1000)
        await self._store.transact(record_revisions, [self._revision()], self._audience, 0, at_ms)

    async def skip_known(self) -> None:
        """A copy of a revision of the distant past."""
        known = await self._store.read(_oldest)
        revision = Revision(
            dispute_id=known,
            event_id="0" * 64,
            created_at=1,
            status=DisputeStatus.INITIATED,
            initiator="buyer",
            opened_at=None,
            node=self._node,
        )
        await self._store.transact(record_revisions, [revision], self._audience, 0, 10**12)

    async def reminders(self) -> None:
        """The check for unattended disputes; none is due, so that nothing is written."""
        pace = ReminderPace(interval=DAY_SECONDS, growth=1.0, check_every=60)
        await self._store.read(find_due, pace, CLOCK.now())

    async def claim(self) -> None:
        """What delivery does when it wakes: overdue, due, targets."""
        await self._store.transact(
            ledger.claim, CLOCK.now(), 64, frozenset(), lambda _who: self._relays, {}
        )

    async def next_due(self) -> None:
        """When delivery must wake again."""
        await self._store.read(outbox_work.next_due_at, frozenset())

    async def gauges(self) -> None:
        """What the gauges read."""
        await self._store.read(gauges.read)

    async def open_ids(self) -> None:
        """What reconcile asks about."""
        await self._store.read(disputes.open_ids)

    async def wake_relay(self) -> None:
        """What a relay's return makes due."""
        await self._store.transact(outbox_work.wake_relay, "wss://relay.example", 0)

    def all(self) -> dict[str, Callable[[], Any]]:
        """Every scan by name."""
        return {
            "detect_one": self.detect,
            "skip_known_revision": self.skip_known,
            "reminders": self.reminders,
            "claim": self.claim,
            "next_due": self.next_due,
            "gauges": self.gauges,
            "reconcile_open_ids": self.open_ids,
            "relay_back": self.wake_relay,
        }


def _oldest(tx: sa.Connection) -> str:
    found = tx.exec_driver_sql("SELECT dispute_id FROM disputes WHERE rowid = 1").scalar()
    return str(found)


def _opened_ms(path: Path) -> float:
    started = time.perf_counter()
    Store.open(path, CLOCK.now()).close()
    return (time.perf_counter() - started) * 1000


async def with_past(path: Path, past: int, repeats: int) -> dict[str, Any]:
    """Fill a database and time every scan on it; milliseconds."""
    node = Keys.generate().public_key().to_hex()
    solvers = [Keys.generate().public_key().to_hex() for _ in range(SOLVERS)]
    Store.open(path, CLOCK.now()).close()
    filled = fill(path, past, node, solvers)
    say(f"{past} past disputes filled in {filled:.1f} s")
    opened_ms = statistics.median(_opened_ms(path) for _ in range(3))
    store = Store.open(path, CLOCK.now())
    figures: dict[str, Any] = {
        "file_mb": round(path.stat().st_size / 2**20),  # noqa: ASYNC240 - nothing else runs
        "filled_in_s": round(filled, 1),
        "open_ms": round(opened_ms, 1),
    }
    scans = Scans(store, node, solvers)
    try:
        for _ in range(OPEN_DISPUTES):
            await scans.detect()
        for name, scan in scans.all().items():
            took = []
            for _ in range(repeats):
                started = time.perf_counter()
                await scan()
                took.append((time.perf_counter() - started) * 1000)
            figures[name] = quantiles(took, 3)
    finally:
        store.close()
    return figures


async def main(options: argparse.Namespace) -> None:
    """Measure and report."""
    with folder() as path:
        floor = await transaction_floor_ms(path)
        cases = {}
        for past in (options.short, options.long):
            cases[past] = await with_past(path / f"past-{past}.db", past, options.repeats)
    short, long = cases[options.short], cases[options.long]
    ratios = {
        name: round(long[name]["median"] / short[name]["median"], 2)
        for name, figure in short.items()
        if isinstance(figure, dict)
    }
    ratios["open"] = round(long["open_ms"] / short["open_ms"], 2)
    figures = {f"{past}_past_disputes_ms": case for past, case in cases.items()}
    report(
        "history",
        {"floors": {"transaction_ms": floor}, **figures, "long_over_short_median": ratios},
    )


def arguments() -> argparse.Namespace:
    """Sizes; the defaults are what the figures in the README were made with."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--short", type=int, default=1_000, help="past disputes")
    parser.add_argument("--long", type=int, default=1_000_000, help="past disputes")
    parser.add_argument("--repeats", type=int, default=100, help="of each scan")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(arguments()))
