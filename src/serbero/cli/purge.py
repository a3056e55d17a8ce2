"""``serbero purge``: empty what people wrote in disputes that ended long ago."""

from typing import Annotated

import typer

from serbero.cli.options import ConfigOption, DbOption, JsonOption


def purge(
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than",
            metavar="SPAN",
            help="Disputes that ended so long ago: 90d, 26w, 1y.",
            show_default=False,
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be emptied.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Empty what people and models wrote in disputes that ended long ago, for ever.

    Conversations, summaries, a model's reasons and the texts of messages go; who was told what and
    when, every id, time, state and hash stays, and so does everything about open disputes. It is
    journalled. Works beside the running daemon, a few disputes at a time; stopped in the middle, it
    goes on the next time. The daemon does the same by itself with [retention] closed_days. Backups
    made before still hold the words. Needs no configuration where --db or SERBERO_DB_PATH names
    the database.

    Exit codes: 0 emptied, or nothing to empty, 1 the database cannot be written, or stopped, 2
    wrong usage, or nobody said yes.
    """
    from serbero.cli.purging import run  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    run(Asked(config, db, as_json), older_than, dry_run=dry_run, yes=yes)
