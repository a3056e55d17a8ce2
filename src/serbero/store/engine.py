"""The open database: one writing connection, one reading connection, a thread for each."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import sqlalchemy as sa

from serbero.store import sqlite
from serbero.store.errors import StoreUnavailable, Trouble
from serbero.store.migrate import check_version, migrate

P = ParamSpec("P")
T = TypeVar("T")


LOCK_TRIES: Final = 20
"""A lock is waited for in so many parts, so that closing need not wait for the whole of it."""


class Store:
    """A database opened for the daemon.

    ``await store.transact(fn, *args)`` runs the plain function ``fn(tx, *args)`` in one
    transaction on the writer's thread and returns its value: it has committed when the call
    returns, and left nothing behind when it raises. ``fn`` never awaits, commits or logs.
    """

    def __init__(self, path: Path, lock: sqlite.WriterLock) -> None:
        self.path = path
        self._lock = lock
        self._writer = sqlite.connect_writer(path)
        self._reader = sqlite.connect_reader(path)
        for engine in (self._writer, self._reader):
            sqlite.divide_patience(engine, LOCK_TRIES)
        self._closing = threading.Event()
        self._locked_out = threading.Event()
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="store-read")

    @classmethod
    def open(cls, path: Path, now: int) -> "Store":
        """Lock, create or migrate, and take up what the reference wrote since.

        Args:
            path: the database file; created with mode 0600 if absent.
            now: Unix seconds.

        Raises:
            StoreInUse: another daemon holds it.
            StoreTooNew: a newer version wrote it.
            StoreUnavailable: it cannot be opened or written.
        """
        # Imported here: a command that only reads starts faster without it.
        from serbero.store.catch_up import catch_up  # noqa: PLC0415

        lock = sqlite.WriterLock(path)
        try:
            sqlite.create_file(path)
        except BaseException:
            lock.release()
            raise
        store = cls(path, lock)
        try:
            store._wait_and_run(store._writer, migrate, path)
            store._wait_and_run(store._writer, catch_up, now)
        except BaseException:
            store.close()
            raise
        return store

    async def transact(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn`` in one writing transaction.

        A caller that is cancelled meanwhile does not undo it: the outcome is then unknown to it.

        Raises:
            StoreUnavailable: nothing was written; try again later.
            StoreRejected: the database refused the values.
        """
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._write_thread, lambda: self._wait_and_run(self._writer, fn, *args, **kwargs)
        )
        return await _shielded(work)

    async def read(
        self, fn: Callable[Concatenate[sa.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn`` in one read-only transaction, beside the writer."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(
            self._read_thread, lambda: self._wait_and_run(self._reader, fn, *args, **kwargs)
        )
        return await _shielded(work)

    def _wait_and_run(
        self,
        engine: sa.Engine,
        fn: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Wait out another's lock for SQLite's usual time; while closing, one part of that."""
        tries = 0
        while not self._locked_out.is_set():
            tries += 1
            try:
                return self._run(engine, fn, *args, **kwargs)
            except StoreUnavailable as error:
                if error.trouble is not Trouble.LOCKED:
                    raise
                if self._closing.is_set():
                    self._locked_out.set()
                if tries == LOCK_TRIES:
                    raise
        raise StoreUnavailable(Trouble.LOCKED, "it was still locked when it was closed")

    @staticmethod
    def _run(
        engine: sa.Engine,
        fn: Callable[Concatenate[sa.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        try:
            with engine.begin() as tx:
                return fn(tx, *args, **kwargs)
        except sa.exc.SQLAlchemyError as error:
            raise sqlite.translate(error) from error

    def close(self) -> None:
        """Let queued transactions finish, then close the connections and drop the lock.

        Another's lock is not waited for: what it holds up does not happen.
        """
        self._closing.set()
        self._write_thread.shutdown(wait=True)
        self._read_thread.shutdown(wait=True)
        self._reader.dispose()
        self._writer.dispose()
        self._lock.release()


async def _shielded(work: asyncio.Future[T]) -> T:
    """Await ``work``, which goes on if the caller is cancelled; then nobody asks how it ended."""
    work.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(work)


def run_once(path: Path, fn: Callable[[sa.Connection], T]) -> T:
    """Run ``fn`` in one read-only transaction, for commands beside (or without) a daemon.

    Raises:
        StoreError: as :meth:`Store.transact`.
    """
    # A command reads much of a large file at times: without a call of the system for each page.
    engine = sqlite.connect_reader(path, mapped=True)
    try:
        return Store._run(engine, fn)
    finally:
        engine.dispose()


def write_once(path: Path, fn: Callable[[sa.Connection], T]) -> T:
    """Run ``fn`` in one short writing transaction, for commands beside (or without) a daemon.

    It takes the write lock first and waits for another's as long as SQLite does. The tables must
    be of this version: only a daemon migrates them.

    Raises:
        StoreError: as :meth:`Store.transact`; nothing was written.
        StoreTooNew: a newer version wrote it.
        StoreTooOld: an older one did, or the reference.
    """

    def checked(tx: sa.Connection) -> T:
        check_version(tx, path)
        return fn(tx)

    engine = sqlite.connect_writer(path)
    try:
        return Store._run(engine, checked)
    finally:
        engine.dispose()
