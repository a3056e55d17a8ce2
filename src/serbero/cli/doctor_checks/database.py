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
from serbero.model.notification import OutboxState, TargetSource, TargetState
from serbero.store.engine import run_once
from serbero.store.errors import StoreRejected, StoreUnavailable
from serbero.store.migrate import VERSION_TABLE
from serbero.store.outbox import depth
from serbero.store.schema import outbox, outbox_targets
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
    said = str(tx.exec_driver_sql("PRAGMA quick_check(1)").scalar_one())
    tables = set(
        tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars()
    )
    reference = 0
    if "schema_version" in tables:
        newest = tx.exec_driver_sql("SELECT max(version) FROM schema_version").scalar_one()
        reference = int(newest or 0)
    revision = ""
    if VERSION_TABLE in tables:
        query = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608 - a constant of ours
        revision = ", ".join(tx.exec_driver_sql(query).scalars())
    locked = is_held(path)
    facts = DatabaseFacts(
        mode=path.stat().st_mode & 0o777,
        fault=None if said == "ok" else said,
        reference_version=reference,
        own_revision=revision,
        holder=holder_pid(path) if locked else None,
        locked=locked,
    )
    ours = {outbox.name, outbox_targets.name} <= tables
    return facts, _stuck(tx, now) if ours and facts.fault is None else None


def _stuck(tx: sa.Connection, now: int) -> OutboxFacts:
    waiting = depth(tx)
    lately = outbox.c.settled_at >= now - OUTBOX_WINDOW_SECONDS
    inbox = sa.select(sa.literal(1)).where(
        outbox_targets.c.outbox_id == outbox.c.id,
        outbox_targets.c.source == TargetSource.INBOX.value,
    )
    taken = inbox.where(outbox_targets.c.state == TargetState.ACCEPTED.value)
    count = sa.select(sa.func.count()).select_from(outbox)
    dead = count.where(lately, outbox.c.state == OutboxState.DEAD.value)
    unreached = count.where(
        lately, outbox.c.state == OutboxState.SENT.value, inbox.exists(), ~taken.exists()
    )
    oldest = waiting.oldest_created_at
    return OutboxFacts(
        pending=waiting.pending,
        oldest_seconds=0 if oldest is None else max(0, now - oldest),
        dead=tx.execute(dead).scalar_one(),
        unreached=tx.execute(unreached).scalar_one(),
    )
