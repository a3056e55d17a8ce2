"""``serbero audit``: whether what is on record is what should be."""

import typer

from serbero.cli.options import ConfigOption, DbOption, JsonOption

audit = typer.Typer(
    help="Compare what is on record with what should be.\n\n"
    "Reads beside the running daemon. Needs no configuration where --db or SERBERO_DB_PATH names "
    "the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@audit.callback()
def _group() -> None:
    """Keep the names of the commands, also of a single one."""


@audit.command("ladder")
def ladder_(
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Were the people of every open dispute told what they should be by now?

    Hand-offs, reminders and warnings of an escrow's end, worked out anew from what happened to
    each dispute. What the daemon could not do while it was off counts as nothing.

    Exit codes: 0 they were, 1 some were not, or the database cannot be read, 2 wrong usage.
    """
    from serbero.cli.audit import ladder  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    ladder.report(Asked(config, db, as_json))
