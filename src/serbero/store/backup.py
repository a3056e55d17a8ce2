"""A copy of a database that is being written to, as one plain file.

``VACUUM INTO`` writes the copy from one snapshot: readers and writers of the original go on, and
its log grows meanwhile by what they write. A copy page by page would carry along what free parts
of pages still hold of words that were emptied, and another journal mode. It has a temporary name
until it is whole, on the disk and checked; a copy by the wanted name is a good one.
"""

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from serbero.store.sqlite import FILE_MODE, driver

_STEP: Final = 200_000
"""Instructions of SQLite's machine between two looks at the progress: some milliseconds."""
_BESIDE: Final = ("", "-wal", "-shm", "-journal", ".lock")
"""What belongs to a database, by what is appended to its name."""
_BUSY_MS: Final = 5000
_TRIES: Final = 10
"""To have the unfinished file for ourselves, while others come and go."""

Progress = Callable[[int], None]
"""Told now and then how many bytes of the copy are written."""


class BackupFailed(Exception):  # noqa: N818 - what happened
    """There is no copy; the text says why, and what to do. Nothing was left behind."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A copy that was made.

    Attributes:
        size: bytes.
        disputes: how many are in it.
    """

    path: Path
    size: int
    disputes: int


def check_target(source: Path, target: Path, *, replace: bool) -> None:
    """Check that a copy of ``source`` may be written as ``target``.

    Raises:
        BackupFailed: it may not.
    """
    folder = target.parent
    if not folder.is_dir():
        raise BackupFailed(f"{folder}: there is no such folder; make it, or name another")
    if _belongs_to(target, source):
        raise BackupFailed(f"{target} belongs to the live database; name another file")
    try:
        found = target.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise BackupFailed(f"{target}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise BackupFailed(f"{target} is there and is no file; name another")
    if not replace:
        raise BackupFailed(f"{target} is there already; name another, or replace it with --force")


def _belongs_to(target: Path, source: Path) -> bool:
    """Whether a path is the database or a file beside it, whatever links lead there."""
    real = Path(os.path.realpath(source))
    names = {Path(f"{each}{suffix}") for each in (source, real) for suffix in _BESIDE}
    wanted = {Path(os.path.realpath(target)), Path(os.path.realpath(target.parent)) / target.name}
    if wanted & {Path(os.path.realpath(each)) for each in names} or wanted & names:
        return True
    with contextlib.suppress(OSError):
        return target.samefile(source)
    return False


def copy(source: Path, target: Path, *, replace: bool, progress: Progress) -> Copied:
    """Write a whole and sound copy of ``source`` as ``target``, or nothing.

    Args:
        source: a database, also one that is being written to.
        target: the file to make, in a folder that exists.
        replace: whether one that is there already gives way, once the copy is good.
        progress: what is told meanwhile.

    Raises:
        BackupFailed: there is no copy.
    """
    check_target(source, target, replace=replace)
    try:
        with _unfinished(target) as file:
            disputes = _write(source, file, progress)
            size = file.stat().st_size
            _to_disk(file)
            if replace:
                file.replace(target)
            else:
                _name(file, target)
            _to_disk(target.parent)
    except OSError as error:
        raise BackupFailed(f"{target}: {error.strerror}") from error
    return Copied(target, size, disputes)


@contextlib.contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A file of its own beside the target, for its owner alone; gone afterwards in any case.

    What a process left there that was killed is written over.

    Raises:
        BackupFailed: another process is writing this backup.
    """
    file = target.with_name(f".{target.name}.unfinished")
    handle = _own(file, target)
    try:
        os.fchmod(handle, FILE_MODE)
        os.ftruncate(handle, 0)
        yield file
    finally:
        try:
            # Once the copy has its name, another process may begin a file of its own by this one.
            if _same(file, os.fstat(handle)):
                for suffix in ("-journal", ""):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
        finally:
            os.close(handle)


def _own(file: Path, target: Path) -> int:
    """Open the file by this name, ours alone and locked.

    Another process may have opened it before us and finished since: then it is a good copy by now,
    or gone. One that was killed while it gave the copy its name left it with two; anybody else may
    have put there what he likes.

    Raises:
        BackupFailed: another process is writing this backup.
    """
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    for _ in range(_TRIES):
        handle = os.open(file, flags, FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(handle)
            named = _same(file, found)
            if named and found.st_nlink == 1 and found.st_uid == os.geteuid():
                return handle
            if named:
                file.unlink()
        except BlockingIOError:
            os.close(handle)
            break
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
    raise BackupFailed(f"another process is writing {target}; let it finish")


def _same(file: Path, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(file.lstat(), found)
    except FileNotFoundError:
        return False


def _name(file: Path, target: Path) -> None:
    """Give the copy its name, unless something took the name meanwhile.

    Raises:
        BackupFailed: something did.
    """
    try:
        os.link(file, target)
    except FileExistsError:
        message = f"{target} appeared meanwhile; name another, or replace it with --force"
        raise BackupFailed(message) from None
    except OSError:
        # A file system without hard links.
        file.replace(target)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(source: Path, file: Path, progress: Progress) -> int:
    """Copy and check; return how many disputes are in the copy.

    Raises:
        BackupFailed: the database cannot be read, or the copy is not sound.
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """

    def watch() -> int:
        progress(file.stat().st_size)
        return 0

    try:
        with _opened(source) as live:
            live.set_progress_handler(watch, _STEP)
            live.execute("VACUUM INTO ?", (str(file),)).fetchall()
        with _opened(file) as made:
            made.set_progress_handler(watch, _STEP)
            complaint = made.execute("PRAGMA integrity_check(1)").fetchone()[0]
            [(disputes,)] = made.execute("SELECT count(*) FROM disputes").fetchall()
    except driver.Error as error:
        text = str(error)
        if text == "interrupted":
            # The driver keeps to itself what is raised while SQLite works.
            raise KeyboardInterrupt from None
        raise BackupFailed(f"{source} could not be copied: {text}; {_remedy(text)}") from None
    if complaint != "ok":
        raise BackupFailed(f"the copy is not sound ({complaint}); {_remedy('malformed')}")
    return int(disputes)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A connection that cannot write to the database it opens."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = driver.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}").close()
        yield connection
    finally:
        connection.close()


def _remedy(text: str) -> str:
    lowered = text.lower()
    if "full" in lowered:
        return "free disk space, or name a file on another disk"
    if "malformed" in lowered or "not a database" in lowered:
        return "look at the database with `serbero doctor` and keep older backups"
    return "look whether this user may read the database and write beside the copy, and try again"
