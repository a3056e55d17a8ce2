"""``serbero backup``: a copy of the database, beside the running daemon."""

from pathlib import Path
from typing import Annotated

import typer

from serbero.cli.options import ConfigOption, DbOption, JsonOption


def backup(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The copy to make.", show_default=False),
    ],
    force: Annotated[
        bool, typer.Option("--force", help="Replace FILE once the new copy is good.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the database to FILE: one plain file, whole and checked, or none.

    The daemon goes on meanwhile. FILE holds what the database holds, words of people among it, and
    is for its owner alone; keep it as you keep the database. Needs no configuration where --db or
    SERBERO_DB_PATH names the database.

    Exit codes: 0 copied, 1 not copied, and nothing was left behind, 2 wrong usage.
    """
    from serbero.cli.backup_making import make  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    make(Asked(config, db, as_json), file, replace=force)
