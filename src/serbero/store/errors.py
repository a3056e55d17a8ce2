"""What can go wrong with the database, split by what the caller does next.

StoreError
├── StoreUnavailable   retry later: nothing was written; ``trouble`` says what an operator can do
├── StoreRejected      our statement was at fault (a constraint): retrying the same cannot help
├── StoreInUse         another daemon holds this database: stop
├── StoreTooNew        a newer Serbero wrote it: stop
└── StoreTooOld        an older one wrote it, and only a daemon upgrades it: start one first
"""

from enum import StrEnum
from pathlib import Path


class Trouble(StrEnum):
    """Why the database cannot be used just now."""

    LOCKED = "locked"
    READ_ONLY = "read-only"
    FULL = "full"
    DISK = "disk"
    CANNOT_OPEN = "cannot-open"
    CORRUPT = "corrupt"


_REMEDY = {
    Trouble.LOCKED: "another process holds its write lock; find it with `fuser` and let it finish",
    Trouble.READ_ONLY: "make the file and its folder writable for this user",
    Trouble.FULL: "free disk space",
    Trouble.DISK: "look whether the disk is full, and at the system log for disk errors",
    Trouble.CANNOT_OPEN: "name a file in a folder this user may write to, in [serbero].db_path or "
    "SERBERO_DB_PATH",
    Trouble.CORRUPT: "stop, keep a copy of the file, and restore the newest backup",
}


class StoreError(Exception):
    """The base; never raised itself."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, not a fault of the call
    """The database cannot be used now; the transaction did not happen and may be retried."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        self.trouble = trouble
        self.detail = detail
        self.remedy = _REMEDY[trouble]
        super().__init__(f"database {trouble}: {detail}; {self.remedy}")


class StoreRejected(StoreError):  # noqa: N818
    """The database refused these values; the transaction was rolled back."""


class StoreInUse(StoreError):  # noqa: N818
    """Another process holds the database's writer lock."""

    def __init__(self, path: Path, pid: int | None) -> None:
        who = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"database {path} is in use by {who}: expected to be its only daemon; stop that one "
            "first, or give this one its own [serbero].db_path"
        )
        self.pid = pid


class StoreTooNew(StoreError):  # noqa: N818
    """The database was written by a newer Serbero or reference."""

    def __init__(self, path: Path, found: str, known: str) -> None:
        super().__init__(
            f"database {path} has schema {found}, this version knows up to {known}: install the "
            "version that wrote it, or restore a backup made before the upgrade"
        )


class StoreTooOld(StoreError):  # noqa: N818
    """The database was written by an older Serbero or the reference, and not upgraded yet."""

    def __init__(self, path: Path, known: str) -> None:
        super().__init__(
            f"database {path} has an older schema than {known}, which this version writes: start "
            "its daemon once (`serbero run`), which upgrades it"
        )
