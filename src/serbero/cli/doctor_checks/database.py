"""What ``serbero doctor`` reads from the database file, beside a daemon or without one."""

import os
from pathlib import Path

import sqlalchemy as sa

from serbero.cli.doctor_checks.findings import Finding, broken, fine
from serbero.cli.doctor_checks.local import (
    OUTBOX_WINDOW_SECONDS,
    DatabaseFacts,
    OutboxFacts,
    database_findings,
    outbox_findings,
    sqlite_findings,
)
from serbero.store import inspection
from serbero.store.engine import run_once
from serbero.store.errors import StoreRejected, StoreUnavailable
from serbero.store.outbox import depth
from serbero.store.sqlite import driver, holder_pid, is_held


def examine_database(path: Path, now: int) -> list[Finding]:
    """Look at the file, its library and its outbox; nothing is created, changed or migrated.

    Blocks while the file is checked: run it in a thread.
    """
    major, minor, patch = driver.sqlite_version_info
    found = sqlite_findings((major, minor, patch), driver.__name__.split(".")[0])
    if not path.exists():
        return [_absent(path), *found]
    try:
        facts, stuck = run_once(path, lambda tx: _read(tx, path, now))
    except StoreUnavailable as exc:
        message = f"{path} cannot be read ({exc.trouble}): {exc.detail}"
        return [broken("database", message, exc.remedy), *found]
    except StoreRejected as exc:
        message = f"{path} has tables that are not Serbero's: {exc}"
        return [broken("database", message, "name another file in [serbero].db_path"), *found]
    found = database_findings(str(path), facts) + found
    return found if stuck is None else found + outbox_findings(stuck)


def _absent(path: Path) -> Finding:
    folder = path.absolute().parent
    if folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
        return fine("database", f"{path} does not exist yet; the first start creates it")
    return broken(
        "database",
        f"{path} cannot be created: {folder} is no folder this user may write to",
        "create the folder, or name another file in [serbero].db_path or SERBERO_DB_PATH",
    )


def _read(tx: sa.Connection, path: Path, now: int) -> tuple[DatabaseFacts, OutboxFacts | None]:
    found = inspection.condition(tx)
    locked = is_held(path)
    facts = DatabaseFacts(
        mode=path.stat().st_mode & 0o777,
        fault=found.fault,
        reference_version=found.reference_version,
        own_revision=found.own_revision,
        holder=holder_pid(path) if locked else None,
        locked=locked,
    )
    return facts, _stuck(tx, now) if found.has_outbox and found.fault is None else None


def _stuck(tx: sa.Connection, now: int) -> OutboxFacts:
    waiting = depth(tx)
    oldest = waiting.oldest_created_at
    lately = now - OUTBOX_WINDOW_SECONDS
    return OutboxFacts(
        pending=waiting.pending,
        oldest_seconds=0 if oldest is None else max(0, now - oldest),
        dead=inspection.count_dead(tx, lately),
        unreached=inspection.count_unreached(tx, lately),
    )
