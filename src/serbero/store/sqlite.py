"""Everything that is SQLite's and not SQL's: driver, connection, error codes, the lock file.

``pysqlite3``'s wheel bundles a SQLite free of the WAL-reset bug that 3.7.0 to 3.51.2 carry. Where
no wheel exists the standard library's serves. Never both in one process: two SQLite libraries
share no lock table, and closing one drops the other's locks.
"""

import fcntl
import os
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import sqlalchemy as sa

from serbero.store.errors import StoreError, StoreInUse, StoreRejected, StoreUnavailable, Trouble

try:
    from pysqlite3 import dbapi2 as _driver  # noqa: TID251 - the one place that chooses
except ImportError:  # pragma: no cover - platforms without a wheel
    import sqlite3 as _driver  # noqa: TID251

driver: Final[ModuleType] = _driver
"""The DB-API module every part of Serbero, tests included, must use."""

BUSY_TIMEOUT_MS: Final = 5000
"""How long one statement waits for another process's lock; the reference's value."""
FILE_MODE: Final = 0o600
"""The file holds plaintext messages: nobody but its owner reads it."""

LOCK_SUFFIX: Final = ".lock"
"""After the database's name, the name of its lock file."""

_PRAGMAS: Final = (
    f"busy_timeout={BUSY_TIMEOUT_MS}",
    "foreign_keys=ON",
    "journal_mode=WAL",
    # Few rows, each a promise: committed means on the disk. Batch, don't weaken.
    "synchronous=FULL",
    # Rows are rewritten on their way; without it each leaves its words behind in the free parts of
    # a page, where nothing that empties them later would find them.
    "secure_delete=ON",
)


_MAPPED_BYTES: Final = 2**31 - 2**16
"""The most that SQLite maps of a file; what is beyond is read as ever."""


def create_file(path: Path) -> None:
    """Create the database file if absent and set its mode to 0600.

    Raises:
        StoreUnavailable: the folder does not exist or may not be written.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, FILE_MODE))
    except OSError as error:
        raise _cannot_open(path, error) from error
    if path.stat().st_mode & 0o777 != FILE_MODE and os.access(path, os.W_OK):
        path.chmod(FILE_MODE)


def _cannot_open(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(Trouble.CANNOT_OPEN, f"{path}: {error.strerror}")


def connect_writer(path: Path) -> sa.Engine:
    """Return an engine of one connection whose every transaction takes the write lock first."""
    return _engine(path, mode="rw", begin="BEGIN IMMEDIATE", pragmas=_PRAGMAS)


def connect_reader(path: Path, *, mapped: bool = False) -> sa.Engine:
    """Return an engine of one connection that cannot write.

    Args:
        path: the database.
        mapped: read the file as memory: for processes that look and are gone. A disk that cannot
            be read then ends the process (SIGBUS), where SQLite would have named an error.
    """
    pragmas = (*_PRAGMAS[:2], f"mmap_size={_MAPPED_BYTES}") if mapped else _PRAGMAS[:2]
    return _engine(path, mode="ro", begin="BEGIN", pragmas=pragmas)


def divide_patience(engine: sa.Engine, parts: int) -> None:
    """Let each statement wait for a lock only a ``parts``-th of the usual time.

    SQLite cannot be interrupted while it waits; who tries again ``parts`` times can be.
    """

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        [(whole,)] = connection.execute("PRAGMA busy_timeout").fetchall()
        connection.execute(f"PRAGMA busy_timeout={max(1, whole // parts)}").close()


def _engine(path: Path, *, mode: str, begin: str, pragmas: tuple[str, ...]) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://",
        module=driver,
        creator=lambda: driver.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, check_same_thread=False
        ),
        poolclass=sa.pool.StaticPool,
        # Errors name statements, never values: messages are among them.
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver starts no transaction of its own
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


_BY_CODE: Final = {
    5: Trouble.LOCKED,
    6: Trouble.LOCKED,
    8: Trouble.READ_ONLY,
    10: Trouble.DISK,
    11: Trouble.CORRUPT,
    13: Trouble.FULL,
    14: Trouble.CANNOT_OPEN,
    15: Trouble.LOCKED,  # SQLITE_PROTOCOL: too many contend for the WAL
    26: Trouble.CORRUPT,
}
"""SQLite's primary result codes (sqlite.org/rescode.html) to what an operator can do."""

_BY_TEXT: Final = (
    ("locked", Trouble.LOCKED),
    ("readonly", Trouble.READ_ONLY),
    ("full", Trouble.FULL),
    ("disk i/o", Trouble.DISK),
    ("unable to open", Trouble.CANNOT_OPEN),
    ("malformed", Trouble.CORRUPT),
    ("not a database", Trouble.CORRUPT),
)


def translate(error: sa.exc.SQLAlchemyError) -> StoreError:
    """Return our error for SQLAlchemy's: may a retry help, or was the statement at fault?"""
    if not isinstance(error, sa.exc.DBAPIError):
        return StoreRejected(str(error))
    original = error.orig
    text = str(original)
    code = getattr(original, "sqlite_errorcode", None)
    trouble = _BY_CODE.get(code & 0xFF) if isinstance(code, int) else None
    if trouble is None and isinstance(original, driver.DatabaseError):
        lowered = text.lower()
        trouble = next((kind for part, kind in _BY_TEXT if part in lowered), None)
    if trouble is not None and not isinstance(original, driver.IntegrityError):
        return StoreUnavailable(trouble, text)
    return StoreRejected(text)


def lock_path(path: Path) -> Path:
    """Return the lock file of database ``path``; a symbolic link to it has the same one."""
    real = Path(os.path.realpath(path))
    return real.with_name(real.name + LOCK_SUFFIX)


class WriterLock:
    """The daemon's claim on a database: an exclusive lock on ``{db_path}.lock``.

    The kernel drops it with the process, however that ends. The file names the holder's pid.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            StoreInUse: another process holds it.
            StoreUnavailable: the lock file cannot be written.
        """
        self.path = lock_path(path)
        try:
            self._file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            # The lock is opened before the database and so meets a missing folder first. Name the
            # database then: the operator does not know of the lock file.
            raise _cannot_open(self.path if path.exists() else path, error) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = holder_pid(path)
            os.close(self._file)
            raise StoreInUse(path, holder) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; the file stays, empty, for the next holder."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def holder_pid(path: Path) -> int | None:
    """Return the pid written in the lock file of database ``path``, or None."""
    try:
        text = lock_path(path).read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def is_held(path: Path) -> bool:
    """Whether a daemon holds the lock of database ``path``."""
    try:
        file = os.open(lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Shared, and given back at once: a daemon that starts now is in our way for microseconds.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(file)
    return False
