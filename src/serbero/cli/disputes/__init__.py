"""``serbero disputes``: which disputes there are, and the whole story of one."""

from typing import Annotated

import typer

from serbero.cli import completing
from serbero.cli.options import (
    ConfigOption,
    DbOption,
    DisputeArgument,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
)
from serbero.model.lifecycle import Lifecycle

disputes = typer.Typer(
    help="Disputes: which there are, who has them, and what happened to one, step by step.\n\n"
    "Reads beside the running daemon. Needs no configuration where --db or SERBERO_DB_PATH names "
    "the database.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@disputes.command("list")
def list_(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only those in it: new, notified, taken, waiting, escalated or resolved. May be "
            "given several times.",
            show_default=False,
            autocompletion=completing.words(*Lifecycle),
        ),
    ] = None,
    only_open: Annotated[bool, typer.Option("--open", help="Only what is not resolved.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    initiator: Annotated[
        str | None,
        typer.Option(
            "--initiator",
            metavar="SIDE",
            help="Only those this side opened: buyer or seller.",
            show_default=False,
            autocompletion=completing.words("buyer", "seller"),
        ),
    ] = None,
    assigned: Annotated[
        str | None,
        typer.Option(
            "--assigned",
            metavar="KEY",
            help="Only those this solver has, or said to have: an npub or 64 hex digits.",
            show_default=False,
            autocompletion=completing.solvers,
        ),
    ] = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List disputes, those opened last first: state, who has each, how many solvers were told.

    Opened is the node's time of the first revision that Serbero saw, which may be a later one than
    the opening; `serbero disputes show` names the opening itself where the node tells it.

    Exit codes: 0 listed, even if there is none, 1 the database cannot be read, 2 wrong usage.
    """
    from serbero.cli.disputes import reading  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    typed = reading.Typed(tuple(state or ()), only_open, since, until, initiator, assigned, limit)
    reading.list_disputes(Asked(config, db, as_json), typed)


@disputes.command("show")
def show_(
    dispute: DisputeArgument,
    every: Annotated[
        bool, typer.Option("--all", help="Every row on record, nothing folded together.")
    ] = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the whole story of a dispute: where it stands, who is awaited, all that happened.

    What the parties wrote is not in it: `serbero sessions transcript` shows that.

    Exit codes: 0 shown, 1 unknown, or the database cannot be read, 2 wrong usage, or an id that
    fits several.
    """
    from serbero.cli.disputes import telling  # noqa: PLC0415 - see above
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    telling.show_dispute(Asked(config, db, as_json), dispute, every=every)
