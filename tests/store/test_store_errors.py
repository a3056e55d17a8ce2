"""What SQLite refuses becomes a typed trouble; a patient store waits it out and says so."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs
from tests.store.rig import NODE, T0, audience, dispute_id, revision

from serbero.clock import SystemClock
from serbero.intake.recording import record_revisions
from serbero.observe.health import Health, Part
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock, run_until
from serbero.store.engine import LOCK_TRIES, Store, run_once
from serbero.store.errors import StoreRejected, StoreUnavailable, Trouble
from serbero.store.patient import PatientStore

LOCK = """
import sys
from serbero.store.sqlite import driver
connection = driver.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
print("free", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store.open(tmp_path / "serbero.db", T0)
    yield opened
    opened.close()


class Lock:
    """Another process that holds the write lock until told otherwise."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LOCK, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.says("locked")

    def says(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def release(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.says("free")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def insert_dispute(tx: sa.Connection, number: int = 1, filler: int = 0) -> None:
    tx.exec_driver_sql(
        "INSERT INTO disputes (dispute_id, event_id, mostro_pubkey, initiator_role,"
        " event_timestamp, detected_at) VALUES (?, ?, ?, ?, 1, 1)",
        (dispute_id(number), f"e{number}", NODE, "x" * filler),
    )


def count(tx: sa.Connection) -> int:
    return int(tx.exec_driver_sql("SELECT count(*) FROM disputes").scalar_one())


async def set_pragma(store: Store, text: str) -> None:
    """On the writer's own connection, between its transactions: giving it back rolls back."""

    def on_the_writers_thread() -> None:
        raw: Any = store._writer.raw_connection()
        raw.driver_connection.execute(f"PRAGMA {text}").close()
        raw.close()

    await asyncio.wrap_future(store._write_thread.submit(on_the_writers_thread))


async def trouble_of(store: Store, fn: Callable[[sa.Connection], None]) -> Trouble:
    with pytest.raises(StoreUnavailable) as failed:
        await store.transact(fn)
    return failed.value.trouble


async def test_locked_by_another_process(store: Store) -> None:
    await set_pragma(store, "busy_timeout = 20")
    lock = Lock(store.path)
    try:
        assert await trouble_of(store, insert_dispute) is Trouble.LOCKED
        # Readers are not held up by a writer elsewhere.
        assert await store.read(count) == 0
        lock.release()
        await store.transact(insert_dispute)
    finally:
        lock.close()
    assert await store.read(count) == 1


async def test_waits_for_a_lock_as_long_as_the_reference_does(store: Store) -> None:
    """Five seconds in all; in parts, because SQLite cannot be interrupted while it waits."""
    timeout = await store.transact(
        lambda tx: tx.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    )
    assert timeout * LOCK_TRIES == 5000


async def test_a_lock_given_back_in_time_was_waited_for(store: Store) -> None:
    lock = Lock(store.path)
    try:
        writing = asyncio.create_task(store.transact(insert_dispute))
        await SystemClock().sleep(0)
        assert not writing.done()
        lock.release()
        await writing
    finally:
        lock.close()
    assert await store.read(count) == 1


async def test_closing_does_not_wait_for_a_lock(tmp_path: Path) -> None:
    """One part of the wait for all that is queued; a stop has five seconds, draining included."""
    store = Store.open(tmp_path / "serbero.db", T0)
    lock = Lock(store.path)
    clock = SystemClock()
    try:
        waiting = [asyncio.create_task(store.transact(insert_dispute, each)) for each in range(9)]
        await clock.sleep(0)
        began = clock.monotonic()
        store.close()
        assert clock.monotonic() - began < 1.0
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(each, StoreUnavailable) for each in results), results
    finally:
        lock.close()
    reopened = Store.open(tmp_path / "serbero.db", T0)
    assert await reopened.read(count) == 0
    reopened.close()


async def test_closing_lets_queued_transactions_finish(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "serbero.db", T0)
    writing = [asyncio.create_task(store.transact(insert_dispute, each)) for each in range(9)]
    await SystemClock().sleep(0)
    store.close()
    await asyncio.gather(*writing)
    reopened = Store.open(tmp_path / "serbero.db", T0)
    assert await reopened.read(count) == 9
    reopened.close()


async def test_read_only(store: Store) -> None:
    """SQLite's own refusal; file permissions do not bind the user tests may run as."""
    await set_pragma(store, "query_only = ON")
    assert await trouble_of(store, insert_dispute) is Trouble.READ_ONLY
    await set_pragma(store, "query_only = OFF")
    await store.transact(insert_dispute)


async def test_the_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreUnavailable) as failed:
        await store.read(insert_dispute)
    assert failed.value.trouble is Trouble.READ_ONLY


async def test_full(store: Store) -> None:
    pages = await store.read(lambda tx: tx.exec_driver_sql("PRAGMA page_count").scalar_one())
    await set_pragma(store, f"max_page_count = {pages + 1}")

    def much(tx: sa.Connection) -> None:
        for number in range(20):
            insert_dispute(tx, number, filler=4000)

    assert await trouble_of(store, much) is Trouble.FULL
    assert await store.read(count) == 0
    await set_pragma(store, "max_page_count = 100000")
    await store.transact(much)
    assert await store.read(count) == 20


async def test_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    store = Store.open(path, T0)
    store.close()
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xde\xad\xbe\xef" * 32)
    with pytest.raises(StoreUnavailable) as failed:
        run_once(path, count)
    assert failed.value.trouble is Trouble.CORRUPT
    assert "backup" in str(failed.value)


async def test_values_at_fault_are_not_retried(store: Store) -> None:
    await store.transact(insert_dispute)
    with pytest.raises(StoreRejected):
        await store.transact(insert_dispute)
    with pytest.raises(StoreRejected):
        await store.transact(lambda tx: tx.exec_driver_sql("SELECT full FROM nowhere"))


async def test_an_error_of_the_function_itself_rolls_back_and_comes_through(store: Store) -> None:
    def broken(tx: sa.Connection) -> None:
        insert_dispute(tx)
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await store.transact(broken)
    assert await store.read(count) == 0


class Patient:
    """A patient store with what it tells others."""

    def __init__(self, store: Store) -> None:
        self.clock = FakeClock()
        self.health = Health(self.clock)
        self.metrics = Metrics()
        self.store = PatientStore(store, self.clock, self.health, self.metrics)

    def ok(self) -> bool:
        return self.health.parts()[Part.STORE].ok

    def errors(self, kind: str) -> float:
        value = self.metrics.registry.get_sample_value(
            "serbero_database_errors_total", {"kind": kind}
        )
        return value or 0


async def test_patience_outlives_a_read_only_hour(store: Store) -> None:
    """Nothing is lost, nothing is written twice, and there is one line each way."""
    patient = Patient(store)
    await set_pragma(store, "query_only = ON")
    batch = [revision(1)]
    with capture_logs() as logs:
        task = asyncio.create_task(
            patient.store.transact(record_revisions, batch, audience(2), 0, T0 * 1000)
        )
        await run_until(patient.clock, lambda: patient.clock.monotonic() >= 100, limit_seconds=200)
        assert not patient.ok()
        assert "read-only" in patient.health.parts()[Part.STORE].reason
        await set_pragma(store, "query_only = OFF")
        await run_until(patient.clock, task.done, limit_seconds=10)
    [recorded] = task.result()
    assert recorded.enqueued == 2
    assert patient.ok()
    assert patient.errors("read-only") > 10
    events = [each["event"] for each in logs]
    assert events.count("database_unavailable") == 1
    assert events.count("database_restored") == 1
    assert events.count("recovered") == 1
    assert await store.read(count) == 1


async def test_patience_does_not_hammer(store: Store) -> None:
    patient = Patient(store)
    await set_pragma(store, "query_only = ON")
    task = asyncio.create_task(patient.store.transact(insert_dispute))
    await run_until(patient.clock, lambda: patient.clock.monotonic() >= 60, limit_seconds=80)
    assert 12 <= patient.errors("read-only") <= 20
    task.cancel()


async def test_rejected_values_come_back_at_once(store: Store) -> None:
    patient = Patient(store)
    await patient.store.transact(insert_dispute)
    with pytest.raises(StoreRejected):
        await patient.store.transact(insert_dispute)
    assert patient.errors("rejected") == 1
    assert patient.ok()
