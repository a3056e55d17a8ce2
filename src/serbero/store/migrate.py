"""Open any database the reference or an older Serbero wrote, and bring it up to date.

Two ladders in one transaction: the reference's numbered versions, then ours under Alembic in its
own version table. All or nothing; running it again changes nothing.
"""

from pathlib import Path
from typing import Final

import sqlalchemy as sa

from serbero.store import migrations, reference_schema
from serbero.store.errors import StoreTooNew, StoreTooOld

VERSION_TABLE: Final = "serbero_schema"


def migrate(tx: sa.Connection, path: Path) -> None:
    """Upgrade the database behind ``tx``; ``path`` only names it in errors.

    Raises:
        StoreTooNew: a newer version wrote it; nothing was changed.
    """
    found = reference_schema.upgrade(tx)
    if found > reference_schema.VERSION:
        raise StoreTooNew(path, f"version {found}", f"version {reference_schema.VERSION}")
    if _stands_at(tx) != migrations.HEAD:
        _climb(tx, path)


def check_version(tx: sa.Connection, path: Path) -> None:
    """Check that the tables are exactly those of this version, for whoever may not upgrade.

    Raises:
        StoreTooNew: a newer version wrote it.
        StoreTooOld: an older one did.
    """
    found = _stands_at(tx)
    if found == migrations.HEAD:
        return
    if found is not None and found > migrations.HEAD:
        raise StoreTooNew(path, found, migrations.HEAD)
    raise StoreTooOld(path, migrations.HEAD)


def _stands_at(tx: sa.Connection) -> str | None:
    """The revision of our tables, or None where there are none or it is not exactly one."""
    if not sa.inspect(tx).has_table(VERSION_TABLE):
        return None
    rows = tx.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").all()  # noqa: S608
    return str(rows[0][0]) if len(rows) == 1 else None


def _climb(tx: sa.Connection, path: Path) -> None:
    # Imported here: it costs 11 MB and 0.15 s, and only the first start of a version needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "serbero.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = tx
    known = {each.revision for each in ScriptDirectory.from_config(config).walk_revisions()}
    options = {"version_table": VERSION_TABLE}
    heads = MigrationContext.configure(tx, opts=options).get_current_heads()
    unknown = set(heads) - known
    if unknown:
        raise StoreTooNew(path, ", ".join(sorted(unknown)), max(known))
    command.upgrade(config, "head")
