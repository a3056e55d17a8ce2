"""``serbero notifications``: which solver was told what, and who could not be."""

from typing import Annotated

import typer

from serbero.cli import completing
from serbero.cli.options import (
    ConfigOption,
    DbOption,
    DisputeOption,
    JsonOption,
    LimitOption,
    SinceOption,
    UntilOption,
)


def notifications(
    dispute: DisputeOption = None,
    solver: Annotated[
        str | None,
        typer.Option(
            "--solver",
            metavar="KEY",
            help="Only to this one: an npub or 64 hex digits.",
            show_default=False,
            autocompletion=completing.solvers,
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            "--status",
            metavar="STATUS",
            help="Only sent, or only failed.",
            show_default=False,
            autocompletion=completing.words("sent", "failed"),
        ),
    ] = None,
    type_: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Only of this type, such as initial, re-notification, assignment or escalation.",
            show_default=False,
            autocompletion=completing.notification_types,
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: LimitOption = 50,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what solvers were told, newest first: sent is what a relay took.

    Reads beside the running daemon. `serbero outbox list` shows what is still on the way.

    Exit codes: 0 listed, even if there is none, 1 the database cannot be read or has no such
    dispute, 2 wrong usage, or an id that fits several.
    """
    from serbero.cli import notifications_listing  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    typed = notifications_listing.Typed(dispute, solver, status, type_, since, until, limit)
    notifications_listing.list_notifications(Asked(config, db, as_json), typed)
