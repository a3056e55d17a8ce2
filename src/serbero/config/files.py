"""Writing a file that holds a secret: whole or not at all, and for its owner only."""

import os
import secrets
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600
BACKUP_SUFFIX: Final = ".bak"


def write_private(path: Path, text: str, *, overwrite: bool) -> Path | None:
    """Write ``text`` to ``path`` with mode 0600, atomically.

    Returns:
        Where the file that stood there before is kept, None if there was none. It may hold the
        only copy of a key, so it is never thrown away; an older backup is.

    Raises:
        FileExistsError: there is one already and ``overwrite`` is false; nothing changed.
        OSError: it cannot be written; nothing changed at ``path``.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _fill(scratch, text)
    backup: Path | None = None
    try:
        if overwrite:
            backup = _keep(path)
            scratch.replace(path)
        else:
            _place(scratch, path)
    finally:
        scratch.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return backup


def _fill(scratch: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(scratch, flags, OWNER_ONLY), "w", encoding="utf-8") as file:
        # The umask may have taken more than it should; it cannot have given more.
        os.fchmod(file.fileno(), OWNER_ONLY)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _place(scratch: Path, path: Path) -> None:
    """Give ``scratch`` the name ``path``, but never in place of another file."""
    try:
        # A link fails if the name is taken, where a rename would replace what stands there.
        path.hardlink_to(scratch)
    except FileExistsError:
        raise
    except OSError:
        # Some file systems know no links; there remains a moment between look and rename.
        if os.path.lexists(path):
            raise FileExistsError(path) from None
        scratch.replace(path)


def _keep(path: Path) -> Path | None:
    """Give an existing file a second name, readable by its owner only."""
    if not os.path.lexists(path):
        return None
    backup = path.with_name(path.name + BACKUP_SUFFIX)
    backup.unlink(missing_ok=True)
    try:
        # A second name rather than a new one: at no moment is there nothing at ``path``.
        backup.hardlink_to(path)
    except OSError:
        path.replace(backup)
    if not backup.is_symlink():
        backup.chmod(OWNER_ONLY)
    return backup


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
