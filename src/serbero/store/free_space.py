"""What a database file still holds of words that were emptied, and getting rid of it.

SQLite overwrites what it frees (``secure_delete``), but not the copies it leaves behind where it
moves rows between pages, nor what was freed before that was switched on or by other programs; and
the log holds old pages until it is begun anew. ``VACUUM`` writes every page again. It holds the
write lock for as long as that takes and the new pages in memory, so it is for small files.
"""

import contextlib
from pathlib import Path
from typing import Final

from serbero.store.sqlite import BUSY_TIMEOUT_MS, driver

QUICK_BYTES: Final = 32 * 2**20
"""A file up to this size is written again in well under a second, beside a daemon."""
LARGEST_BYTES: Final = 512 * 2**20
"""A larger one would take much memory; a copy of it is written again just as well."""


def rewrite(path: Path, largest: int = QUICK_BYTES, patience_ms: int = BUSY_TIMEOUT_MS) -> bool:
    """Write the whole file again, without anything in it that is no row, and empty its log.

    Args:
        path: the database; others may be reading and writing it.
        largest: bytes; a larger file is left, and its log alone emptied.
        patience_ms: how long others are waited for.

    Returns:
        Whether nothing is left: the file was not too large, and nobody was in the way.
    """
    try:
        small = path.stat().st_size <= largest
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(driver.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout={patience_ms}").close()
            if small:
                connection.execute("VACUUM").close()
            [(busy, _, _)] = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except (driver.Error, OSError):
        return False  # somebody was in the way, or the disk is full: nothing was changed
    return small and not busy
